"""Let the agent registry be updated in place, so that its list costs the same at any size."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):

    dependencies = [("audit", "0010_standing")]

    operations = [
        migrations.RunSQL(
            (SQL / "0011_agents_in_place.sql").read_text(), (SQL / "0011_undo.sql").read_text()
        ),
    ]

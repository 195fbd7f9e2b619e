"""Let a run that could not prove what it read count, and say which ledgers have ended."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):

    dependencies = [("audit", "0009_public_log")]

    operations = [
        migrations.RunSQL(
            (SQL / "0010_standing.sql").read_text(), (SQL / "0010_undo.sql").read_text()
        ),
    ]

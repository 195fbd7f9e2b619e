"""Make the rows that count appends and their failures."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):

    dependencies = [("audit", "0002_groups")]

    operations = [
        migrations.RunSQL(
            (SQL / "0003_append_stats.sql").read_text(),
            (SQL / "0003_undo.sql").read_text(),
        ),
    ]

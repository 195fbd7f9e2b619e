"""Let rows of tallies that come by the thousand do without a reference to their ledger."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("compliance", "0004_reports")]

    operations = [
        migrations.RunSQL(
            (SQL / "0005_tallies_in_bulk.sql").read_text(), (SQL / "0005_undo.sql").read_text()
        )
    ]

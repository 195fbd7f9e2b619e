"""Make the tables of the projection `tallies`: what checks found in each ledger, by day."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    initial = True

    dependencies = [("audit", "0014_destinations")]

    operations = [
        migrations.RunSQL((SQL / "0001_tallies.sql").read_text(), (SQL / "0001_undo.sql").read_text())
    ]

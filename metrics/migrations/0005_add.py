"""Add the buckets of histograms in a quarter of the time."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("metrics", "0004_switches")]

    operations = [
        migrations.RunSQL((SQL / "0005_add.sql").read_text(), (SQL / "0005_undo.sql").read_text()),
    ]

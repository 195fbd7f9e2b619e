"""Let tracing, its sampling and the levels of single loggers be switched."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("metrics", "0003_grafana_views")]

    operations = [
        migrations.RunSQL((SQL / "0004_switches.sql").read_text(), (SQL / "0004_undo.sql").read_text()),
    ]

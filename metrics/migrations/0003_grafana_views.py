"""Make the views that dashboards ask in Postgres, for a role that reads nothing else."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("metrics", "0002_operations"), ("audit", "0016_signatures")]

    operations = [
        migrations.RunSQL(
            (SQL / "0003_grafana_views.sql").read_text(), (SQL / "0003_undo.sql").read_text()
        ),
    ]

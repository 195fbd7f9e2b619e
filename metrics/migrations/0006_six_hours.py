"""Let spans of six hours be kept: what a chart of a month is made of."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("metrics", "0005_add")]

    operations = [
        migrations.RunSQL(
            (SQL / "0006_six_hours.sql").read_text(), (SQL / "0006_undo.sql").read_text()
        ),
    ]

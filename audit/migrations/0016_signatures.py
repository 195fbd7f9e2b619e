"""Let the apps above have texts signed by the process that holds a ledger's key."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("audit", "0015_export_reason")]

    operations = [
        migrations.RunSQL(
            (SQL / "0016_signatures.sql").read_text(), (SQL / "0016_undo.sql").read_text()
        )
    ]

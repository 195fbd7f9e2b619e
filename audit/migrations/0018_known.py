"""Let event ids be looked up by key, whatever statistics say."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("audit", "0017_paused_keys")]

    operations = [
        migrations.RunSQL((SQL / "0018_known.sql").read_text(), (SQL / "0018_undo.sql").read_text())
    ]

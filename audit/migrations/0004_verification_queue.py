"""Let verification runs wait as rows, show how far they are, and go on where they stopped."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):

    dependencies = [("audit", "0003_append_stats")]

    operations = [
        migrations.RunSQL(
            (SQL / "0004_verification_queue.sql").read_text(),
            (SQL / "0004_undo.sql").read_text(),
        ),
    ]

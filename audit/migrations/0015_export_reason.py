"""Let an export say why it was asked for, and who answers for it."""

from pathlib import Path

from django.db import migrations, models

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("audit", "0014_destinations")]

    operations = [
        migrations.RunSQL(
            (SQL / "0015_export_reason.sql").read_text(), (SQL / "0015_undo.sql").read_text()
        ),
        # The tables belong to SQL; these only tell the state of the model.
        migrations.AddField("export", "reason", models.TextField(default="")),
        migrations.AddField("export", "owner", models.TextField(default="")),
    ]

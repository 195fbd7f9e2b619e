"""Let an API key be paused, and resumed."""

from pathlib import Path

from django.db import migrations, models

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("audit", "0016_signatures")]

    operations = [
        migrations.RunSQL(
            (SQL / "0017_paused_keys.sql").read_text(), (SQL / "0017_undo.sql").read_text()
        ),
        # The tables belong to SQL; these only tell the state of the model.
        migrations.AddField("agentkey", "paused_at", models.DateTimeField(null=True)),
        migrations.AddField("agentkey", "paused_by", models.TextField(default="")),
    ]

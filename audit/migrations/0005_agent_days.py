"""Keep what each agent did by day."""

from pathlib import Path

from django.db import migrations, models

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):

    dependencies = [("audit", "0004_verification_queue")]

    operations = [
        migrations.RunSQL(
            (SQL / "0005_agent_days.sql").read_text(), (SQL / "0005_undo.sql").read_text()
        ),
        migrations.CreateModel(
            name="AgentDay",
            fields=[
                ("pk", models.CompositePrimaryKey("ledger_id", "agent_id", "day", blank=True, editable=False, primary_key=True, serialize=False)),
                ("agent_id", models.TextField()),
                ("day", models.DateField()),
                ("entries", models.BigIntegerField()),
                ("failures", models.BigIntegerField()),
                ("denied", models.BigIntegerField()),
            ],
            options={"db_table": "audit_agentday", "managed": False},
        ),
        migrations.AlterModelOptions(
            name="quarantine",
            options={"managed": False, "verbose_name": "quarantined event", "verbose_name_plural": "quarantine"},
        ),
    ]

"""Make the tables that people operate by: alerts, incidents, anomalies, what service was promised."""

from pathlib import Path

import django.utils.timezone
from django.contrib.auth.management import create_permissions
from django.db import migrations, models

SQL = Path(__file__).resolve().parent.parent / "sql"

MODELS = ("alertrule", "incident", "receiver", "anomaly", "remedy", "objective")
SEEN = tuple(f"view_{model}" for model in MODELS)
MADE = tuple(f"{act}_{model}" for act in ("add", "change", "delete") for model in MODELS)
# The platform finds anomalies and proposes remedies; nothing that happened is taken away.
NEVER = (
    "add_anomaly",
    "add_remedy",
    "delete_incident",
    "delete_anomaly",
    "delete_remedy",
    "change_receiver",
)
MADE = tuple(each for each in MADE if each not in NEVER)
GROUPS = {"auditor": SEEN, "compliance officer": SEEN, "administrator": SEEN + MADE}


def allow(apps, schema_editor):
    # Django makes permissions after all migrations; the groups need them now.
    config = apps.get_app_config("metrics")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0, using=schema_editor.connection.alias)
    config.models_module = None
    for group, permissions in _found(apps):
        group.permissions.add(*permissions)


def forbid(apps, schema_editor):
    for group, permissions in _found(apps):
        group.permissions.remove(*permissions)


def _found(apps):
    for name, acts in GROUPS.items():
        group = apps.get_model("auth", "Group").objects.filter(name=name).first()
        if group is not None:  # somebody may have renamed or removed the group
            yield (
                group,
                apps.get_model("auth", "Permission").objects.filter(
                    content_type__app_label="metrics", codename__in=acts
                ),
            )


class Migration(migrations.Migration):
    dependencies = [("metrics", "0001_rollups"), ("audit", "0016_signatures")]

    operations = [
        migrations.RunSQL(
            (SQL / "0002_operations.sql").read_text(), (SQL / "0002_undo.sql").read_text()
        ),
        migrations.CreateModel(
            name="AlertRule",
            fields=[
                ("name", models.TextField(primary_key=True, serialize=False)),
                ("rule", models.JSONField()),
                ("is_on", models.BooleanField(default=True)),
                ("changed_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("changed_by", models.TextField()),
            ],
            options={
                "verbose_name": "alert rule",
                "verbose_name_plural": "alert rules",
                "db_table": "metrics_alertrule",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="Incident",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("source", models.TextField()),
                ("fingerprint", models.TextField()),
                ("started_at", models.DateTimeField()),
                ("name", models.TextField()),
                ("severity", models.TextField()),
                ("labels", models.JSONField(default=dict)),
                ("summary", models.TextField()),
                ("description", models.TextField(default="")),
                ("runbook", models.TextField(default="")),
                (
                    "ledger",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=models.DO_NOTHING,
                        to="audit.ledger",
                    ),
                ),
                ("opened_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("opened_by", models.TextField(default="")),
                ("ended_at", models.DateTimeField(null=True)),
                ("acknowledged_at", models.DateTimeField(null=True)),
                ("acknowledged_by", models.TextField(default="")),
                ("resolved_at", models.DateTimeField(null=True)),
                ("resolved_by", models.TextField(default="")),
            ],
            options={
                "verbose_name": "incident",
                "verbose_name_plural": "incidents",
                "db_table": "metrics_incident",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="Receiver",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("name", models.TextField()),
                ("kind", models.TextField()),
                ("severity", models.TextField(default="warning")),
                ("target", models.TextField(default="")),
                ("secret", models.TextField(default="")),
                ("made_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("made_by", models.TextField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_by", models.TextField(default="")),
            ],
            options={
                "verbose_name": "receiver",
                "verbose_name_plural": "receivers",
                "db_table": "metrics_receiver",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="Anomaly",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("detector", models.TextField()),
                ("measure", models.TextField()),
                ("family", models.TextField()),
                ("labels", models.TextField()),
                ("started_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("found_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("severity", models.TextField()),
                ("score", models.FloatField()),
                ("seen", models.FloatField(null=True)),
                ("expected", models.FloatField(null=True)),
                ("evidence", models.JSONField()),
                ("judged_at", models.DateTimeField(null=True)),
                ("judged_by", models.TextField(default="")),
                ("is_real", models.BooleanField(null=True)),
                ("reason", models.TextField(default="")),
            ],
            options={
                "verbose_name": "anomaly",
                "verbose_name_plural": "anomalies",
                "db_table": "metrics_anomaly",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="Remedy",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "anomaly",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=models.DO_NOTHING,
                        to="metrics.anomaly",
                    ),
                ),
                (
                    "incident",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=models.DO_NOTHING,
                        to="metrics.incident",
                    ),
                ),
                ("act", models.TextField()),
                ("target", models.TextField()),
                ("reason", models.TextField()),
                ("proposed_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("decided_at", models.DateTimeField(null=True)),
                ("decided_by", models.TextField(default="")),
                ("is_approved", models.BooleanField(null=True)),
                ("done_at", models.DateTimeField(null=True)),
                ("outcome", models.TextField(default="")),
            ],
            options={
                "verbose_name": "remedy",
                "verbose_name_plural": "remedies",
                "db_table": "metrics_remedy",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="Objective",
            fields=[
                ("name", models.TextField(primary_key=True, serialize=False)),
                ("indicator", models.TextField()),
                ("target", models.DecimalField(max_digits=8, decimal_places=6)),
                ("days", models.IntegerField()),
                ("changed_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("changed_by", models.TextField()),
            ],
            options={
                "verbose_name": "objective",
                "verbose_name_plural": "objectives",
                "db_table": "metrics_objective",
                "managed": False,
            },
        ),
        migrations.RunPython(allow, forbid),
    ]

"""Make the tables of reports, schedules and samples, and say who may do what with them."""

import uuid
from pathlib import Path

import django.contrib.postgres.fields
import django.utils.timezone
from django.contrib.auth.management import create_permissions
from django.db import migrations, models

SQL = Path(__file__).resolve().parent.parent / "sql"

MODELS = ("report", "schedule", "sample")
SEEN = tuple(f"view_{model}" for model in MODELS)
# Whoever tests draws samples and ticks them; what is tested does not.
DRAWN = ("add_sample", "change_sample")
MADE = ("add_report", "change_report", "add_schedule", "change_schedule", "delete_schedule")
GROUPS = {
    "auditor": SEEN + DRAWN + ("add_report",),
    "compliance officer": SEEN + MADE,
    "administrator": SEEN + DRAWN + MADE,
}


def allow(apps, schema_editor):
    # Django makes permissions after all migrations; the groups need them now.
    config = apps.get_app_config("compliance")
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
            yield group, apps.get_model("auth", "Permission").objects.filter(
                content_type__app_label="compliance", codename__in=acts
            )


class Migration(migrations.Migration):
    dependencies = [("compliance", "0003_people"), ("audit", "0016_signatures")]

    operations = [
        migrations.RunSQL(
            (SQL / "0004_reports.sql").read_text(), (SQL / "0004_undo.sql").read_text()
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("uid", models.UUIDField(default=uuid.uuid4)),
                ("report_id", models.BigIntegerField()),
                ("schedule_id", models.BigIntegerField(null=True)),
                ("position", models.IntegerField()),
                ("kind", models.TextField()),
                ("address", models.TextField()),
                ("options", models.JSONField(default=dict)),
                ("asked_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("asked_by", models.TextField(default="")),
                ("state", models.TextField(default="waiting")),
                ("attempts", models.IntegerField(default=0)),
                ("next_try_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("note", models.TextField(default="")),
                ("reference", models.TextField(default="")),
                ("sent_at", models.DateTimeField(null=True)),
                ("event_id", models.UUIDField(null=True)),
            ],
            options={
                "db_table": "compliance_delivery",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="Report",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("uid", models.UUIDField(default=uuid.uuid4)),
                ("framework", models.TextField()),
                ("start_day", models.DateField()),
                ("end_day", models.DateField()),
                ("environment", models.TextField()),
                ("formats", django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None)),
                ("schedule_id", models.BigIntegerField(null=True)),
                ("slot_due", models.DateTimeField(null=True)),
                ("via", models.TextField()),
                ("asked_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("asked_by", models.TextField()),
                ("reason", models.TextField(default="")),
                ("owner", models.TextField(default="")),
                ("state", models.TextField(default="queued")),
                ("stage", models.TextField(default="")),
                ("done", models.BigIntegerField(default=0)),
                ("total", models.BigIntegerField(default=0)),
                ("attempt", models.IntegerField(default=0)),
                ("lost", models.IntegerField(default=0)),
                ("attempt_at", models.DateTimeField(null=True)),
                ("seen_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                ("cancelled_by", models.TextField(default="")),
                ("note", models.TextField(default="")),
                ("report_id", models.TextField(default="")),
                ("content_sha256", models.TextField(default="")),
                ("evidenced", models.TextField(null=True)),
                ("tested", models.TextField(null=True)),
                ("coverage", models.TextField(null=True)),
                ("cap", models.IntegerField(null=True)),
                ("band", models.TextField(null=True)),
                ("signature_id", models.UUIDField(null=True)),
                ("event_id", models.UUIDField(null=True)),
            ],
            options={
                "verbose_name": "report",
                "verbose_name_plural": "reports",
                "db_table": "compliance_report",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="ReportFile",
            fields=[
                ("pk", models.CompositePrimaryKey("ledger_id", "report_id", "name", blank=True, editable=False, primary_key=True, serialize=False)),
                ("report_id", models.BigIntegerField()),
                ("name", models.TextField()),
                ("format", models.TextField()),
                ("size", models.BigIntegerField()),
                ("sha256", models.TextField()),
                ("made_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "db_table": "compliance_reportfile",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="Sample",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("uid", models.UUIDField(default=uuid.uuid4)),
                ("framework", models.TextField()),
                ("control", models.TextField()),
                ("check_id", models.TextField()),
                ("lens_id", models.TextField()),
                ("number", models.TextField()),
                ("seed", models.TextField()),
                ("state", models.TextField(default="queued")),
                ("done", models.BigIntegerField(default=0)),
                ("total", models.BigIntegerField(default=0)),
                ("attempt", models.IntegerField(default=0)),
                ("seen_at", models.DateTimeField(null=True)),
                ("note", models.TextField(default="")),
                ("population", models.BigIntegerField(null=True)),
                ("rule", models.TextField(default="")),
                ("drawn_at", models.DateTimeField(null=True)),
                ("asked_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("asked_by", models.TextField()),
                ("conclusion", models.TextField(default="")),
                ("concluded_at", models.DateTimeField(null=True)),
                ("concluded_by", models.TextField(default="")),
                ("event_id", models.UUIDField(null=True)),
            ],
            options={
                "verbose_name": "sample",
                "verbose_name_plural": "samples",
                "db_table": "compliance_sample",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="SampleItem",
            fields=[
                ("pk", models.CompositePrimaryKey("ledger_id", "sample_id", "position", blank=True, editable=False, primary_key=True, serialize=False)),
                ("sample_id", models.BigIntegerField()),
                ("position", models.IntegerField()),
                ("seq", models.BigIntegerField()),
                ("item", models.TextField()),
                ("stratum", models.TextField()),
                ("entry_id", models.UUIDField(null=True)),
                ("entry_hash", models.TextField()),
                ("occurred_at", models.DateTimeField(null=True)),
                ("verdict", models.TextField(default="")),
                ("note", models.TextField(default="")),
                ("file_name", models.TextField(default="")),
                ("file_sha256", models.TextField(default="")),
                ("file", models.BinaryField(null=True)),
                ("ticked_at", models.DateTimeField(null=True)),
                ("ticked_by", models.TextField(default="")),
            ],
            options={
                "db_table": "compliance_sampleitem",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="Schedule",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("uid", models.UUIDField(default=uuid.uuid4)),
                ("name", models.TextField()),
                ("framework", models.TextField()),
                ("environment", models.TextField(default="prod")),
                ("cron", models.TextField()),
                ("zone", models.TextField()),
                ("period", models.TextField()),
                ("formats", django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None)),
                ("recipients", models.JSONField(default=list)),
                ("secrets", models.BinaryField(null=True)),
                ("is_on", models.BooleanField(default=True)),
                ("counts_from", models.DateTimeField(default=django.utils.timezone.now)),
                ("made_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("made_by", models.TextField()),
                ("changed_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("changed_by", models.TextField()),
                ("removed_at", models.DateTimeField(null=True)),
                ("removed_by", models.TextField(default="")),
            ],
            options={
                "verbose_name": "schedule",
                "verbose_name_plural": "schedules",
                "db_table": "compliance_schedule",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="Slot",
            fields=[
                ("pk", models.CompositePrimaryKey("ledger_id", "schedule_id", "due_at", blank=True, editable=False, primary_key=True, serialize=False)),
                ("schedule_id", models.BigIntegerField()),
                ("due_at", models.DateTimeField()),
                ("noticed_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("state", models.TextField(default="waiting")),
                ("attempts", models.IntegerField(default=0)),
                ("next_try_at", models.DateTimeField(null=True)),
                ("report_id", models.BigIntegerField(null=True)),
                ("note", models.TextField(default="")),
                ("finished_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "compliance_slot",
                "managed": False,
            },
        ),
        migrations.RunPython(allow, forbid),
    ]

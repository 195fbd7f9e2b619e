"""Keep what agents ask people to approve, and who may answer."""

from pathlib import Path

import django.db.models.deletion
import django.utils.timezone
from django.contrib.auth.management import create_permissions
from django.db import migrations, models

SQL = Path(__file__).resolve().parent.parent / "sql"

SEEN = ("view_approvalrequest", "view_approvalanswer")
GROUPS = {
    "auditor": SEEN,
    "compliance officer": (*SEEN, "add_approvalanswer"),
    "administrator": (*SEEN, "add_approvalanswer"),
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
    for name, codenames in GROUPS.items():
        group = apps.get_model("auth", "Group").objects.filter(name=name).first()
        if group is not None:  # somebody may have renamed or removed it
            yield group, apps.get_model("auth", "Permission").objects.filter(
                content_type__app_label="compliance", codename__in=codenames
            )


def _ledger():
    return (
        "ledger",
        models.ForeignKey(
            "audit.ledger", on_delete=django.db.models.deletion.DO_NOTHING, db_constraint=False
        ),
    )


class Migration(migrations.Migration):
    dependencies = [("compliance", "0005_tallies_in_bulk"), ("audit", "0017_paused_keys")]

    operations = [
        migrations.RunSQL(
            (SQL / "0006_approvals.sql").read_text(), (SQL / "0006_undo.sql").read_text()
        ),
        migrations.CreateModel(
            name="ApprovalRequest",
            fields=[
                ("id", models.BigIntegerField(primary_key=True, serialize=False)),
                _ledger(),
                ("requested_seq", models.BigIntegerField()),
                *((name, models.TextField()) for name in (
                    "approval_id", "agent_id", "requested_by", "actor_id", "target_type", "target_id",
                    "tool", "arguments_hash", "risk", "operation_id", "summary", "reason",
                )),
                ("requested_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField(null=True)),
                ("state", models.TextField()),
                ("answered_seq", models.BigIntegerField(null=True)),
                ("answered_by", models.TextField()),
                ("answered_at", models.DateTimeField(null=True)),
                ("answer", models.TextField()),
            ],
            options={
                "db_table": "compliance_approvalrequest",
                "managed": False,
                "verbose_name": "agent request",
                "verbose_name_plural": "agent requests",
            },
        ),
        migrations.CreateModel(
            name="ApprovalAnswer",
            fields=[
                ("pk", models.CompositePrimaryKey("ledger_id", "approval_id", blank=True, editable=False, primary_key=True, serialize=False)),
                _ledger(),
                ("approval_id", models.TextField()),
                ("is_granted", models.BooleanField()),
                ("reason", models.TextField()),
                ("user_id", models.IntegerField()),
                ("answered_by", models.TextField(default="")),
                ("answered_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={"db_table": "compliance_approvalanswer", "managed": False},
        ),
        migrations.RunPython(allow, forbid),
    ]

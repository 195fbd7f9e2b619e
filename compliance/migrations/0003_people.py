"""Make the tables of what people prepare and decide, and say who may do what with them."""

import uuid
from pathlib import Path

import django.db.models.deletion
import django.utils.timezone
from django.contrib.auth.management import create_permissions
from django.db import migrations, models

SQL = Path(__file__).resolve().parent.parent / "sql"

MODELS = ("statement", "decision", "nilreturn", "review", "finding", "uploadedframework")
SEEN = tuple(f"view_{model}" for model in MODELS)
PREPARED = (
    *("add_statement", "add_decision", "add_review", "add_nilreturn", "change_nilreturn"),
    *("add_finding", "change_finding"),
)
APPROVED = ("change_statement", "change_decision", "add_uploadedframework")
GROUPS = {
    "auditor": SEEN,
    "compliance officer": SEEN + PREPARED,
    "administrator": SEEN + PREPARED + APPROVED,
}
EVIDENCE = ("ledger", "entry", "agent", "verification", "quarantine", "export")


def allow(apps, schema_editor):
    # Django makes permissions after all migrations; the groups need them now.
    config = apps.get_app_config("compliance")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0, using=schema_editor.connection.alias)
    config.models_module = None
    groups = apps.get_model("auth", "Group").objects
    officer, made = groups.get_or_create(name="compliance officer")
    if made:
        # An officer reads the evidence that an auditor reads, and the sealed results.
        officer.permissions.add(
            *_permissions(apps, "audit", [f"view_{model}" for model in EVIDENCE]),
            *_permissions(apps, "compliance", ["view_snapshot"]),
        )
    for name, acts in GROUPS.items():
        group = groups.filter(name=name).first()
        if group is not None:  # somebody may have renamed or removed the group
            group.permissions.add(*_permissions(apps, "compliance", acts))


def forbid(apps, schema_editor):
    groups = apps.get_model("auth", "Group").objects
    for name, acts in GROUPS.items():
        group = groups.filter(name=name).first()
        if group is not None:
            group.permissions.remove(*_permissions(apps, "compliance", acts))
    groups.filter(name="compliance officer", user=None).delete()


def _permissions(apps, label, codenames):
    return apps.get_model("auth", "Permission").objects.filter(
        content_type__app_label=label, codename__in=codenames
    )


def _model(name, table, fields, **options):
    return migrations.CreateModel(
        name=name, fields=fields, options={"db_table": table, "managed": False, **options}
    )


def _row(*, of_ledger=True):
    """Return the fields that a row of each of these tables begins with."""
    number = ("id", models.BigAutoField(primary_key=True, serialize=False))
    if not of_ledger:
        return [number]
    ledger = models.ForeignKey(
        db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, to="audit.ledger"
    )
    return [number, ("uid", models.UUIDField(default=uuid.uuid4)), ("ledger", ledger)]


def _text(*names, **options):
    return [(name, models.TextField(**options)) for name in names]


def _now(name):
    return (name, models.DateTimeField(default=django.utils.timezone.now))


def _then(name):
    return (name, models.DateTimeField(null=True))


class Migration(migrations.Migration):
    # The triggers of 0003 read the tables of people, whose rights they check.
    dependencies = [
        ("compliance", "0002_snapshots"),
        ("audit", "0014_destinations"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.RunSQL(
            (SQL / "0003_people.sql").read_text(), (SQL / "0003_undo.sql").read_text()
        ),
        _model(
            "Statement",
            "compliance_statement",
            [
                *_row(),
                *_text("framework", "control", "text", "role"),
                ("is_reasoning", models.BooleanField(default=False)),
                ("effective_from", models.DateField()),
                ("effective_to", models.DateField()),
                ("expires_on", models.DateField()),
                *_text("file_name", "file_sha256", default=""),
                ("file_size", models.IntegerField(default=0)),
                ("file", models.BinaryField(null=True)),
                ("renews_id", models.BigIntegerField(null=True)),
                *_text("state", default="draft"),
                _now("prepared_at"),
                ("prepared_by_id", models.IntegerField()),
                *_text("prepared_by"),
                _then("signed_at"),
                ("signer_id", models.IntegerField(null=True)),
                *_text("signed_by", default=""),
                _then("ended_at"),
                *_text("ended_by", "end_reason", default=""),
                ("reminded", models.IntegerField(null=True)),
            ],
            verbose_name="statement",
            verbose_name_plural="statements",
        ),
        _model(
            "Decision",
            "compliance_decision",
            [
                *_row(),
                *_text("kind"),
                *_text("framework", "control", "check_id", "severity", default=""),
                ("details", models.JSONField(default=dict)),
                *_text("reason"),
                ("begins_on", models.DateField(null=True)),
                ("expires_on", models.DateField(null=True)),
                *_text("state", default="asked"),
                ("is_alone", models.BooleanField(default=False)),
                _now("asked_at"),
                ("asked_by_id", models.IntegerField()),
                *_text("asked_by"),
                _then("approved_at"),
                ("approver_id", models.IntegerField(null=True)),
                *_text("approved_by", default=""),
                _then("ended_at"),
                *_text("ended_by", "end_reason", default=""),
                ("reminded", models.IntegerField(null=True)),
            ],
            verbose_name="approval",
            verbose_name_plural="approvals",
        ),
        _model(
            "NilReturn",
            "compliance_nilreturn",
            [
                *_row(),
                *_text("check_id"),
                ("first_day", models.DateField()),
                ("end_day", models.DateField()),
                *_text("text"),
                _now("signed_at"),
                *_text("signed_by"),
                _then("withdrawn_at"),
                *_text("withdrawn_by", "withdraw_reason", default=""),
            ],
            verbose_name="nil return",
            verbose_name_plural="nil returns",
        ),
        _model(
            "Review",
            "compliance_review",
            [
                *_row(),
                *_text("scope"),
                ("items_count", models.BigIntegerField()),
                ("findings_count", models.BigIntegerField()),
                *_text("note"),
                _now("done_at"),
                *_text("done_by"),
            ],
            verbose_name="activity review",
            verbose_name_plural="activity reviews",
        ),
        _model(
            "Finding",
            "compliance_finding",
            [
                *_row(),
                *_text("framework"),
                *_text("control", "check_id", "item", default=""),
                ("entry_seq", models.BigIntegerField(null=True)),
                ("subject_event", models.UUIDField(null=True)),
                *_text("severity", "title"),
                *_text("note", default=""),
                ("owner_id", models.IntegerField()),
                *_text("owner"),
                ("due", models.DateField()),
                *_text("state", default="open"),
                _now("opened_at"),
                *_text("opened_by"),
                _then("retested_at"),
                *_text("retested_by", "retest", default=""),
                _then("closed_at"),
                ("closer_id", models.IntegerField(null=True)),
                *_text("closed_by", "close_note", default=""),
            ],
            verbose_name="finding",
            verbose_name_plural="findings",
        ),
        _model(
            "UploadedFramework",
            "compliance_framework",
            [
                *_row(of_ledger=False),
                *_text("name", "version", "title"),
                ("controls", models.IntegerField()),
                ("body", models.BinaryField()),
                *_text("sha256"),
                ("is_in_force", models.BooleanField(default=True)),
                _now("uploaded_at"),
                *_text("uploaded_by"),
                _then("ended_at"),
                *_text("ended_by", default=""),
            ],
            verbose_name="uploaded framework",
            verbose_name_plural="uploaded frameworks",
        ),
        migrations.RunPython(allow, forbid),
    ]

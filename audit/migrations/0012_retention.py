"""Make policies, holds, purges and what a purge leaves behind, and say who may do what with them."""

from pathlib import Path

import django.db.models.deletion
from django.contrib.auth.management import create_permissions
from django.db import migrations, models

import audit.models

SQL = Path(__file__).resolve().parent.parent / "sql"
SEEN = ("view_retention", "view_hold", "view_purgeplan", "view_purgeapproval", "view_purge")
GROUPS = {
    "auditor": SEEN,
    "administrator": (
        *SEEN,
        *("add_retention", "change_retention", "delete_retention", "add_hold", "change_hold"),
        *("add_purgeplan", "change_purgeplan", "add_purgeapproval"),
    ),
}
_STANDING = (SQL / "0010_standing.sql").read_text().partition("CREATE OR REPLACE VIEW")
_READERS = """
DO $$
DECLARE
    a_role text;
BEGIN
    FOR a_role IN SELECT rolname FROM pg_roles WHERE rolname IN ('obs_web', 'obs_worker', 'obs_read') LOOP
        EXECUTE format('REVOKE ALL ON audit_standing FROM %I', a_role);
        EXECUTE format('GRANT SELECT ON audit_standing TO %I', a_role);
    END LOOP;
END
$$;
"""


def allow(apps, schema_editor):
    # Django makes permissions after all migrations; the groups need them now.
    config = apps.get_app_config("audit")
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
                content_type__app_label="audit", codename__in=acts
            )


def _model(name, table, fields, **options):
    return migrations.CreateModel(
        name=name, fields=fields, options={"db_table": table, "managed": False, **options}
    )


class Migration(migrations.Migration):
    # The functions of 0012 read the tables of people, whose approvals they check.
    dependencies = [
        ("audit", "0011_agents_in_place"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.RunSQL(
            (SQL / "0012_retention.sql").read_text(),
            (SQL / "0012_undo.sql").read_text()
            + "CREATE OR REPLACE VIEW"
            + _STANDING[2]
            + _READERS,
        ),
        _model(
            "Retention",
            "audit_retention",
            [
                ("pk", models.CompositePrimaryKey("ledger_id", "kind", "name", blank=True, editable=False, primary_key=True, serialize=False)),
                ("kind", models.TextField()),
                ("name", models.TextField(default="")),
                ("days", models.IntegerField()),
                ("changed_at", models.DateTimeField()),
                ("changed_by", models.TextField()),
            ],
            verbose_name="retention policy",
            verbose_name_plural="retention policies",
        ),
        _model(
            "Hold",
            "audit_hold",
            [
                ("id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("kind", models.TextField()),
                ("value", models.TextField(default="")),
                ("key_id", models.UUIDField(null=True)),
                ("matter", models.TextField()),
                ("reason", models.TextField()),
                ("applied_at", models.DateTimeField()),
                ("applied_by", models.TextField()),
                ("released_at", models.DateTimeField(null=True)),
                ("released_by", models.TextField(default="")),
                ("release_reason", models.TextField(default="")),
            ],
            verbose_name="legal hold",
            verbose_name_plural="legal holds",
        ),
        _model(
            "PurgePlan",
            "audit_purgeplan",
            [
                ("id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("proposed_at", models.DateTimeField()),
                ("proposed_by", models.TextField()),
                ("reason", models.TextField()),
                ("planned_at", models.DateTimeField(null=True)),
                ("from_seq", models.BigIntegerField(default=0)),
                ("to_seq", models.BigIntegerField(null=True)),
                ("next_seq", models.BigIntegerField(default=0)),
                ("report", models.JSONField(null=True)),
                ("state", models.TextField(default="asked")),
                ("note", models.TextField(default="")),
                ("withdrawn_by", models.TextField(default="")),
                ("deleted", models.BigIntegerField(default=0)),
                ("finished_at", models.DateTimeField(null=True)),
            ],
            verbose_name="purge",
            verbose_name_plural="purges",
        ),
        _model(
            "PurgeApproval",
            "audit_purgeapproval",
            [
                ("pk", models.CompositePrimaryKey("ledger_id", "plan_id", "user_id", blank=True, editable=False, primary_key=True, serialize=False)),
                ("plan_id", models.BigIntegerField()),
                ("user_id", models.IntegerField()),
                ("username", models.TextField(default="")),
                ("transaction_id", models.BigIntegerField(default=0)),
                ("approved_at", models.DateTimeField()),
            ],
            verbose_name="approval of a purge",
            verbose_name_plural="approvals of purges",
        ),
        _model(
            "Purge",
            "audit_purge",
            [
                ("pk", models.CompositePrimaryKey("ledger_id", "to_seq", blank=True, editable=False, primary_key=True, serialize=False)),
                ("begun_at", models.DateTimeField()),
                ("from_seq", models.BigIntegerField()),
                ("to_seq", models.BigIntegerField()),
                ("plan_id", models.BigIntegerField()),
                ("first_approver", models.TextField()),
                ("second_approver", models.TextField()),
            ],
            verbose_name="begun purge",
            verbose_name_plural="begun purges",
        ),
        _model(
            "Carry",
            "audit_carry",
            [
                ("pk", models.CompositePrimaryKey("ledger_id", "to_seq", "projection", blank=True, editable=False, primary_key=True, serialize=False)),
                ("frozen_at", models.DateTimeField()),
                ("to_seq", models.BigIntegerField()),
                ("projection", models.TextField()),
                ("digest", audit.models.HashField()),
                ("rows", models.BinaryField()),
            ],
        ),
        migrations.RunPython(allow, forbid),
    ]

"""Make erasures and the index of data subjects, and say who may do what with them."""

from pathlib import Path

from django.contrib.auth.management import create_permissions
from django.db import migrations, models
import django.contrib.postgres.fields
import django.db.models.deletion

import audit.models

SQL = Path(__file__).resolve().parent.parent / "sql"
SEEN = ("view_erasure",)
GROUPS = {
    "auditor": SEEN,
    "administrator": (*SEEN, "add_erasure", "change_erasure", "access_subject"),
}


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


class Migration(migrations.Migration):
    dependencies = [("audit", "0012_retention")]

    operations = [
        migrations.RunSQL(
            (SQL / "0013_erasure.sql").read_text(), (SQL / "0013_undo.sql").read_text()
        ),
        migrations.CreateModel(
            name="SubjectEntry",
            fields=[
                ("pk", models.CompositePrimaryKey("ledger_id", "pseudonym", "seq", blank=True, editable=False, primary_key=True, serialize=False)),
                ("pseudonym", models.TextField()),
                ("seq", models.BigIntegerField()),
            ],
            options={"db_table": "audit_subjectentry", "managed": False},
        ),
        migrations.CreateModel(
            name="Erasure",
            fields=[
                ("id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("key_id", models.UUIDField()),
                ("case_id", models.TextField()),
                ("reason", models.TextField()),
                ("via", models.TextField()),
                ("asked_at", models.DateTimeField()),
                ("asked_by", models.TextField()),
                ("state", models.TextField(default="asked")),
                ("note", models.TextField(default="")),
                ("typed", models.BinaryField(null=True)),
                ("size", models.BigIntegerField(default=0)),
                ("next_seq", models.BigIntegerField(default=0)),
                ("entries", models.BigIntegerField(default=0)),
                ("personal_entries", models.BigIntegerField(default=0)),
                ("clear_entries", models.BigIntegerField(default=0)),
                ("clear_seqs", django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), default=list)),
                ("first_seq", models.BigIntegerField(null=True)),
                ("last_seq", models.BigIntegerField(null=True)),
                ("held_by", django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), default=list)),
                ("attempt", models.IntegerField(default=0)),
                ("attempt_at", models.DateTimeField(null=True)),
                ("seen_at", models.DateTimeField(null=True)),
                ("ready_at", models.DateTimeField(null=True)),
                ("confirmed_at", models.DateTimeField(null=True)),
                ("confirmed_by", models.TextField(default="")),
                ("cancelled_by", models.TextField(default="")),
                ("erased_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                ("completed_id", models.UUIDField(null=True)),
                ("head_size", models.BigIntegerField(null=True)),
                ("head_hash", audit.models.HashField(null=True)),
            ],
            options={
                "db_table": "audit_erasure",
                "managed": False,
                "verbose_name": "erasure",
                "verbose_name_plural": "data subjects",
                "permissions": [("access_subject", "Can hand out what is kept about a data subject")],
            },
        ),
        migrations.RunPython(allow, forbid),
    ]

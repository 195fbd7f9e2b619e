"""Make the list of exports, which is their queue, and let both groups see and ask for them."""

from pathlib import Path

import django.contrib.postgres.fields
import django.db.models.deletion
from django.contrib.auth.management import create_permissions
from django.db import migrations, models

import audit.models

SQL = Path(__file__).resolve().parent.parent / "sql"
GROUPS = {
    "auditor": ("view_export", "add_export"),  # exporting is reading
    "administrator": ("view_export", "add_export", "change_export"),
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
    dependencies = [("audit", "0007_tree")]

    operations = [
        migrations.RunSQL(
            (SQL / "0008_exports.sql").read_text(), (SQL / "0008_undo.sql").read_text()
        ),
        migrations.CreateModel(
            name="Export",
            fields=[
                ("id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("asked_at", models.DateTimeField()),
                ("size", models.BigIntegerField()),
                ("next_seq", models.BigIntegerField(default=0)),
                ("entries", models.BigIntegerField(default=0)),
                ("first_seq", models.BigIntegerField(null=True)),
                ("last_seq", models.BigIntegerField(null=True)),
                ("file_size", models.BigIntegerField(null=True)),
                ("attempt_at", models.DateTimeField(null=True)),
                ("seen_at", models.DateTimeField(null=True)),
                ("signed_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                ("expires_at", models.DateTimeField(null=True)),
                ("attempt", models.IntegerField(default=0)),
                ("lost", models.IntegerField(default=0)),
                ("format", models.TextField()),
                (
                    "renderings",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), default=list, size=None
                    ),
                ),
                ("query", models.TextField()),
                ("via", models.TextField()),
                ("requested_by", models.TextField()),
                ("state", models.TextField(default="queued")),
                ("cancelled_by", models.TextField(default="")),
                ("note", models.TextField(default="")),
                ("warning", models.TextField(default="")),
                ("manifest", models.TextField(null=True)),
                ("signed_manifest", models.BinaryField(null=True)),
                ("sha256", audit.models.HashField(null=True)),
            ],
            options={
                "verbose_name": "bundle",
                "verbose_name_plural": "bundles",
                "db_table": "audit_export",
                "managed": False,
            },
        ),
        migrations.RunPython(allow, forbid),
    ]

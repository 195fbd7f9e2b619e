"""Make the list of destinations, and say who may see and change them."""

from pathlib import Path

import django.db.models.deletion
from django.contrib.auth.management import create_permissions
from django.db import migrations, models

SQL = Path(__file__).resolve().parent.parent / "sql"
GROUPS = {
    "auditor": ("view_destination",),
    "administrator": (
        *("view_destination", "add_destination", "change_destination", "delete_destination"),
    ),
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
    dependencies = [("audit", "0013_erasure")]

    operations = [
        migrations.RunSQL(
            (SQL / "0014_destinations.sql").read_text(), (SQL / "0014_undo.sql").read_text()
        ),
        migrations.CreateModel(
            name="Destination",
            fields=[
                ("id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("name", models.TextField()),
                ("kind", models.TextField()),
                ("address", models.TextField()),
                ("options", models.JSONField(default=dict)),
                ("secret", models.BinaryField(null=True)),
                ("state", models.TextField(default="active")),
                ("next_seq", models.BigIntegerField(default=0)),
                ("batch_to", models.BigIntegerField(null=True)),
                ("sent_to", models.BigIntegerField(default=0)),
                ("tried_at", models.DateTimeField(null=True)),
                ("ok_at", models.DateTimeField(null=True)),
                ("failing_since", models.DateTimeField(null=True)),
                ("failures", models.IntegerField(default=0)),
                ("error", models.TextField(default="")),
                ("gaps", models.JSONField(default=list)),
                ("made_at", models.DateTimeField()),
                ("made_by", models.TextField()),
                ("removed_at", models.DateTimeField(null=True)),
                ("removed_by", models.TextField(default="")),
            ],
            options={
                "verbose_name": "destination",
                "verbose_name_plural": "destinations",
                "db_table": "audit_destination",
                "managed": False,
            },
        ),
        migrations.RunPython(allow, forbid),
    ]

"""Make the table of sealed results, and say who may see them."""

from pathlib import Path

from django.contrib.auth.management import create_permissions
from django.db import migrations, models

SQL = Path(__file__).resolve().parent.parent / "sql"
GROUPS = {"auditor": ("view_snapshot",), "administrator": ("view_snapshot",)}


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
    dependencies = [("compliance", "0001_tallies"), ("audit", "0014_destinations")]

    operations = [
        migrations.RunSQL(
            (SQL / "0002_snapshots.sql").read_text(), (SQL / "0002_undo.sql").read_text()
        ),
        migrations.CreateModel(
            name="Snapshot",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("framework", models.TextField()),
                ("kind", models.TextField()),
                ("start_day", models.DateField()),
                ("end_day", models.DateField()),
                ("environment", models.TextField()),
                ("made_at", models.DateTimeField()),
                ("made_by", models.TextField()),
                ("head_seq", models.BigIntegerField()),
                ("head_hash", models.TextField()),
                ("evidenced", models.TextField(null=True)),
                ("tested", models.TextField(null=True)),
                ("coverage", models.TextField(null=True)),
                ("cap", models.IntegerField()),
                ("band", models.TextField(null=True)),
                ("digest", models.TextField()),
                ("result", models.BinaryField()),
                ("event_id", models.UUIDField()),
                ("restates", models.UUIDField(null=True)),
            ],
            options={
                "verbose_name": "snapshot",
                "verbose_name_plural": "snapshots",
                "db_table": "compliance_snapshot",
                "managed": False,
            },
        ),
        migrations.RunPython(allow, forbid),
    ]

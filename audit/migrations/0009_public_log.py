"""Let the administrator say whether a ledger's hash tiles and checkpoints are for everyone."""

from django.db import migrations

ACT = "change_ledger"


def allow(apps, schema_editor):
    administrator = apps.get_model("auth", "Group").objects.filter(name="administrator").first()
    if administrator is not None:  # somebody may have renamed or removed the group
        administrator.permissions.add(*_permissions(apps))


def forbid(apps, schema_editor):
    administrator = apps.get_model("auth", "Group").objects.filter(name="administrator").first()
    if administrator is not None:
        administrator.permissions.remove(*_permissions(apps))


def _permissions(apps):
    return apps.get_model("auth", "Permission").objects.filter(
        content_type__app_label="audit", codename=ACT
    )


class Migration(migrations.Migration):
    dependencies = [("audit", "0008_exports")]
    operations = [migrations.RunPython(allow, forbid)]

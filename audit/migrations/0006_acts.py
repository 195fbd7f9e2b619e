"""Let the administrator start, cancel and resume verifications and settle what is in quarantine."""

from django.db import migrations

ACTS = ("add_verification", "change_verification", "change_quarantine")


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
        content_type__app_label="audit", codename__in=ACTS
    )


class Migration(migrations.Migration):

    dependencies = [("audit", "0005_agent_days")]
    operations = [migrations.RunPython(allow, forbid)]

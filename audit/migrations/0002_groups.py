"""Make the two groups people are put in: `auditor` reads evidence, `administrator` also runs it.

Made once; an administrator may change them later. Nobody, in whatever group, may add, change or
delete an entry: the admin refuses it (audit/readonly.py) and Postgres does (0001_append_only.sql).
"""

from django.contrib.auth.management import create_permissions
from django.db import migrations

EVIDENCE = [
    ("audit", f"view_{model}") for model in ("ledger", "entry", "agent", "verification", "quarantine")
]
KEYS = [("audit", f"{act}_agentkey") for act in ("view", "add", "change")]
PEOPLE = [("auth", f"{act}_{model}") for model in ("user", "group") for act in ("view", "add", "change")]
GROUPS = {"auditor": EVIDENCE, "administrator": EVIDENCE + KEYS + PEOPLE}


def make_groups(apps, schema_editor):
    # Django makes permissions after all migrations; the groups need them now.
    for label in ("audit", "auth"):
        config = apps.get_app_config(label)
        config.models_module = True
        create_permissions(config, apps=apps, verbosity=0, using=schema_editor.connection.alias)
        config.models_module = None
    Group = apps.get_model("auth", "Group")
    Permission = apps.get_model("auth", "Permission")
    for name, permissions in GROUPS.items():
        group, made = Group.objects.get_or_create(name=name)
        if made:
            for label, codename in permissions:
                group.permissions.add(
                    Permission.objects.get(content_type__app_label=label, codename=codename)
                )


def remove_groups(apps, schema_editor):
    apps.get_model("auth", "Group").objects.filter(name__in=GROUPS).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0001_ledger"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [migrations.RunPython(make_groups, remove_groups)]

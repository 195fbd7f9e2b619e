"""Make the tables of metrics: what is counted, and what people decide of it."""

from pathlib import Path

import django.contrib.postgres.fields
import django.utils.timezone
from django.contrib.auth.management import create_permissions
from django.db import migrations, models

SQL = Path(__file__).resolve().parent.parent / "sql"

MODELS = ("switch", "custommetric", "price", "budget")
SEEN = tuple(f"view_{model}" for model in MODELS)
MADE = tuple(f"{act}_{model}" for act in ("add", "change", "delete") for model in MODELS)
# A switch is there or not: nobody adds one, nobody takes one away.
MADE = tuple(each for each in MADE if each not in ("add_switch", "delete_switch"))
GROUPS = {"auditor": SEEN, "compliance officer": SEEN, "administrator": SEEN + MADE}


def allow(apps, schema_editor):
    # Django makes permissions after all migrations; the groups need them now.
    config = apps.get_app_config("metrics")
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
                content_type__app_label="metrics", codename__in=acts
            )


class Migration(migrations.Migration):
    initial = True

    dependencies = [("audit", "0016_signatures"), ("compliance", "0003_people")]

    operations = [
        migrations.RunSQL(
            (SQL / "0001_rollups.sql").read_text(), (SQL / "0001_undo.sql").read_text()
        ),
        migrations.CreateModel(
            name="Switch",
            fields=[
                ("name", models.TextField(primary_key=True, serialize=False)),
                ("value", models.TextField()),
                ("changed_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("changed_by", models.TextField()),
            ],
            options={
                "verbose_name": "switch",
                "verbose_name_plural": "switches",
                "db_table": "metrics_switch",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="CustomMetric",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("name", models.TextField()),
                ("kind", models.TextField()),
                ("labels", django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None)),
                ("help", models.TextField(default="")),
                ("allowed_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("allowed_by", models.TextField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_by", models.TextField(default="")),
            ],
            options={
                "verbose_name": "custom metric",
                "verbose_name_plural": "custom metrics",
                "db_table": "metrics_custommetric",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="Price",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("provider", models.TextField()),
                ("model", models.TextField()),
                ("starts_at", models.DateTimeField()),
                ("input", models.DecimalField(decimal_places=6, max_digits=14)),
                ("output", models.DecimalField(decimal_places=6, max_digits=14)),
                ("cache_read", models.DecimalField(decimal_places=6, default=0, max_digits=14)),
                ("reasoning", models.DecimalField(decimal_places=6, default=0, max_digits=14)),
                ("entered_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("entered_by", models.TextField()),
                ("removed_at", models.DateTimeField(null=True)),
                ("removed_by", models.TextField(default="")),
            ],
            options={
                "verbose_name": "price",
                "verbose_name_plural": "prices",
                "db_table": "metrics_price",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="Budget",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("name", models.TextField()),
                ("covers", models.TextField()),
                ("value", models.TextField(default="")),
                ("period", models.TextField()),
                ("usd", models.DecimalField(decimal_places=2, max_digits=14)),
                ("made_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("made_by", models.TextField()),
                ("changed_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("changed_by", models.TextField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_by", models.TextField(default="")),
                (
                    "ledger",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=models.DO_NOTHING,
                        to="audit.ledger",
                    ),
                ),
            ],
            options={
                "verbose_name": "budget",
                "verbose_name_plural": "budgets",
                "db_table": "metrics_budget",
                "managed": False,
            },
        ),
        migrations.RunPython(allow, forbid),
    ]

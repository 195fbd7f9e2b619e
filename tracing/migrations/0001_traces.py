"""Make the tables of traces: spans, log lines, and what was slow."""

from pathlib import Path

import django.utils.timezone
from django.contrib.auth.management import create_permissions
from django.db import migrations, models

SQL = Path(__file__).resolve().parent.parent / "sql"

SEEN = ("view_trace", "view_span", "view_line")
RUN = ("view_capture", "view_profile", "add_capture", "change_capture")
GROUPS = {"auditor": SEEN, "compliance officer": SEEN, "administrator": SEEN + RUN}


def allow(apps, schema_editor):
    # Django makes permissions after all migrations; the groups need them now.
    config = apps.get_app_config("tracing")
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
                content_type__app_label="tracing", codename__in=acts
            )


class Migration(migrations.Migration):
    initial = True

    dependencies = [("metrics", "0003_grafana_views")]

    operations = [
        migrations.RunSQL(
            (SQL / "0001_traces.sql").read_text(), (SQL / "0001_undo.sql").read_text()
        ),
        migrations.CreateModel(
            name='Capture',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('sort', models.TextField()),
                ('slower_ms', models.IntegerField()),
                ('starts_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('ends_at', models.DateTimeField()),
                ('made_by', models.TextField()),
                ('ended_by', models.TextField(default='')),
            ],
            options={
                'verbose_name': 'capture',
                'verbose_name_plural': 'captures',
                'db_table': 'tracing_capture',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='Line',
            fields=[
                ('pk', models.CompositePrimaryKey('ledger_id', 'at', 'digest', blank=True, editable=False, primary_key=True, serialize=False)),
                ('ledger_id', models.IntegerField()),
                ('at', models.DateTimeField()),
                ('digest', models.BinaryField()),
                ('received_at', models.DateTimeField()),
                ('severity', models.SmallIntegerField()),
                ('service', models.TextField(default='')),
                ('agent_id', models.TextField(default='')),
                ('task_id', models.TextField(default='')),
                ('trace_id', models.TextField(default='')),
                ('span_id', models.TextField(default='')),
                ('logger', models.TextField(default='')),
                ('message', models.TextField()),
                ('fields', models.JSONField(default=dict)),
                ('event_id', models.UUIDField(null=True)),
            ],
            options={
                'verbose_name': 'log line',
                'verbose_name_plural': 'log lines',
                'db_table': 'tracing_line',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='Profile',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('sort', models.TextField()),
                ('name', models.TextField()),
                ('at', models.DateTimeField()),
                ('duration_ms', models.FloatField()),
                ('process', models.TextField(default='')),
                ('request_id', models.TextField(default='')),
                ('trace_id', models.TextField(default='')),
                ('report', models.JSONField()),
            ],
            options={
                'verbose_name': 'profile',
                'verbose_name_plural': 'profiles',
                'db_table': 'tracing_profile',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='Span',
            fields=[
                ('pk', models.CompositePrimaryKey('ledger_id', 'trace_id', 'span_id', 'started_at', blank=True, editable=False, primary_key=True, serialize=False)),
                ('ledger_id', models.IntegerField()),
                ('trace_id', models.TextField()),
                ('span_id', models.TextField()),
                ('started_at', models.DateTimeField()),
                ('start_ns', models.BigIntegerField()),
                ('duration_ns', models.BigIntegerField()),
                ('parent_id', models.TextField(default='')),
                ('name', models.TextField()),
                ('kind', models.SmallIntegerField(default=0)),
                ('status', models.SmallIntegerField(default=0)),
                ('status_message', models.TextField(default='')),
                ('service', models.TextField(default='')),
                ('agent_id', models.TextField(default='')),
                ('session_id', models.TextField(default='')),
                ('operation', models.TextField(default='')),
                ('subject', models.TextField(default='')),
                ('input_tokens', models.BigIntegerField(null=True)),
                ('output_tokens', models.BigIntegerField(null=True)),
                ('cost_usd', models.DecimalField(decimal_places=9, max_digits=20, null=True)),
                ('arguments_sha256', models.TextField(default='')),
                ('event_id', models.UUIDField(null=True)),
                ('scope', models.TextField(default='')),
                ('attributes', models.JSONField(default=dict)),
                ('resource', models.JSONField(default=dict)),
                ('events', models.JSONField(default=list)),
                ('links', models.JSONField(default=list)),
                ('received_at', models.DateTimeField()),
            ],
            options={
                'verbose_name': 'span',
                'verbose_name_plural': 'spans',
                'db_table': 'tracing_span',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='Trace',
            fields=[
                ('pk', models.CompositePrimaryKey('ledger_id', 'trace_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('ledger_id', models.IntegerField()),
                ('trace_id', models.TextField()),
                ('started_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField()),
                ('name', models.TextField(default='')),
                ('service', models.TextField(default='')),
                ('agent_id', models.TextField(default='')),
                ('session_id', models.TextField(default='')),
                ('has_root', models.BooleanField(default=False)),
                ('spans', models.BigIntegerField()),
                ('errors', models.BigIntegerField(default=0)),
                ('made_events', models.BigIntegerField(default=0)),
                ('input_tokens', models.BigIntegerField(default=0)),
                ('output_tokens', models.BigIntegerField(default=0)),
                ('cost_usd', models.DecimalField(decimal_places=9, default=0, max_digits=20)),
                ('updated_at', models.DateTimeField()),
            ],
            options={
                'verbose_name': 'trace',
                'verbose_name_plural': 'traces',
                'db_table': 'tracing_trace',
                'managed': False,
            },
        ),
        migrations.RunPython(allow, forbid),
    ]

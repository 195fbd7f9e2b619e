"""Make the ledger's tables, what keeps them append-only, their months and their grants.

The tables are SQL; the models below them are state for Django alone (managed = False).
"""

from pathlib import Path

import audit.models
import django.contrib.postgres.fields
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


SQL = Path(__file__).resolve().parent.parent / "sql"


def read(name: str) -> str:
    return (SQL / name).read_text()


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.RunSQL(
            [read("0001_tables.sql"), read("0001_append_only.sql"), read("0001_months.sql"), read("0001_grants.sql")],
            [read("0001_undo.sql")],
        ),
        migrations.CreateModel(
            name='Agent',
            fields=[
                ('pk', models.CompositePrimaryKey('ledger_id', 'agent_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('agent_id', models.TextField()),
                ('name', models.TextField()),
                ('owner', models.TextField()),
                ('environments', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None)),
                ('is_registered', models.BooleanField()),
                ('first_seq', models.BigIntegerField()),
                ('last_seq', models.BigIntegerField()),
                ('first_seen', models.DateTimeField()),
                ('last_seen', models.DateTimeField()),
                ('entries', models.BigIntegerField()),
                ('failures', models.BigIntegerField()),
            ],
            options={
                'db_table': 'audit_agent',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='AgentKey',
            fields=[
                ('key_id', models.TextField(primary_key=True, serialize=False)),
                ('name', models.TextField(help_text='Who uses it: a team, an agent, a machine.')),
                ('secret_hmac', models.BinaryField()),
                ('scopes', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None)),
                ('events_per_second', models.IntegerField(blank=True, null=True)),
                ('events_per_day', models.BigIntegerField(blank=True, null=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('created_by', models.TextField()),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
                ('revoked_at', models.DateTimeField(null=True)),
                ('revoked_by', models.TextField(default='')),
                ('last_used_at', models.DateTimeField(null=True)),
            ],
            options={
                'verbose_name': 'API key',
                'verbose_name_plural': 'API keys',
                'db_table': 'audit_agentkey',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='AgentVersion',
            fields=[
                ('pk', models.CompositePrimaryKey('ledger_id', 'agent_id', 'version', blank=True, editable=False, primary_key=True, serialize=False)),
                ('agent_id', models.TextField()),
                ('version', models.TextField()),
                ('first_seq', models.BigIntegerField()),
                ('first_seen', models.DateTimeField()),
                ('last_seq', models.BigIntegerField()),
                ('entries', models.BigIntegerField()),
            ],
            options={
                'db_table': 'audit_agentversion',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='Entry',
            fields=[
                ('hash', audit.models.HashField(primary_key=True, serialize=False)),
                ('seq', models.BigIntegerField()),
                ('received_at', models.DateTimeField()),
                ('occurred_at', models.DateTimeField()),
                ('is_backfill', models.BooleanField()),
                ('event_id', models.UUIDField()),
                ('agent_id', models.TextField()),
                ('actor_id', models.TextField()),
                ('category', models.TextField()),
                ('action', models.TextField()),
                ('outcome', models.TextField()),
                ('severity', models.TextField()),
                ('environment', models.TextField()),
                ('run_id', models.TextField(null=True)),
                ('trace_id', models.TextField(null=True)),
                ('key_id', models.TextField(null=True)),
                ('data_classes', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), null=True, size=None)),
                ('record', models.BinaryField()),
            ],
            options={
                'verbose_name': 'entry',
                'verbose_name_plural': 'entries',
                'db_table': 'audit_entry',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='EventKey',
            fields=[
                ('pk', models.CompositePrimaryKey('ledger_id', 'event_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('event_id', models.UUIDField()),
                ('seq', models.BigIntegerField()),
                ('digest', models.BinaryField()),
            ],
            options={
                'db_table': 'audit_eventkey',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='Ledger',
            fields=[
                ('id', models.AutoField(primary_key=True, serialize=False)),
                ('name', models.TextField(unique=True)),
                ('origin', models.TextField()),
                ('is_read_only', models.BooleanField(default=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                'db_table': 'audit_ledger',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='Inbox',
            fields=[
                ('pk', models.CompositePrimaryKey('ledger_id', 'id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('id', models.BigIntegerField()),
                ('received_at', models.DateTimeField()),
                ('count', models.IntegerField()),
                ('event_ids', django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), size=None)),
                ('digests', models.BinaryField()),
                ('source', models.BinaryField()),
                ('source_ids', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(null=True), null=True, size=None)),
                ('request_id', models.TextField()),
                ('traceparent', models.TextField()),
                ('events', models.BinaryField()),
            ],
            options={
                'db_table': 'audit_inbox',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='KeyUsage',
            fields=[
                ('pk', models.CompositePrimaryKey('ledger_id', 'key_id', 'day', blank=True, editable=False, primary_key=True, serialize=False)),
                ('key_id', models.TextField()),
                ('day', models.DateField()),
                ('events', models.BigIntegerField()),
            ],
            options={
                'db_table': 'audit_keyusage',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='Projection',
            fields=[
                ('pk', models.CompositePrimaryKey('ledger_id', 'name', blank=True, editable=False, primary_key=True, serialize=False)),
                ('name', models.TextField()),
                ('next_seq', models.BigIntegerField()),
                ('updated_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'audit_projection',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='Quarantine',
            fields=[
                ('pk', models.CompositePrimaryKey('ledger_id', 'id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('id', models.BigIntegerField()),
                ('received_at', models.DateTimeField()),
                ('quarantined_at', models.DateTimeField()),
                ('is_announced', models.BooleanField(default=False)),
                ('event_id', models.UUIDField()),
                ('digest', audit.models.HashField()),
                ('reason', models.TextField()),
                ('error', models.TextField()),
                ('key_id', models.TextField()),
                ('source', models.BinaryField()),
                ('source_id', models.TextField()),
                ('request_id', models.TextField()),
                ('traceparent', models.TextField()),
                ('event', models.BinaryField()),
                ('state', models.TextField(default='open')),
                ('note', models.TextField()),
                ('settled_at', models.DateTimeField(null=True)),
                ('settled_by', models.TextField()),
            ],
            options={
                'db_table': 'audit_quarantine',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='SubjectKey',
            fields=[
                ('pk', models.CompositePrimaryKey('ledger_id', 'key_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('key_id', models.UUIDField()),
                ('lookup', models.BinaryField(null=True)),
                ('wrapped', models.BinaryField(null=True)),
                ('used_on', models.DateField()),
                ('created_at', models.DateTimeField()),
                ('erased_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'audit_subjectkey',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='Verification',
            fields=[
                ('pk', models.CompositePrimaryKey('ledger_id', 'id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('id', models.BigIntegerField()),
                ('kind', models.TextField()),
                ('state', models.TextField(default='running')),
                ('requested_by', models.TextField(default='')),
                ('from_seq', models.BigIntegerField()),
                ('to_seq', models.BigIntegerField()),
                ('checked', models.BigIntegerField(default=0)),
                ('started_at', models.DateTimeField()),
                ('finished_at', models.DateTimeField(null=True)),
                ('result', models.TextField(null=True)),
                ('broken', models.BigIntegerField(default=0)),
                ('bad_seq', models.BigIntegerField(null=True)),
                ('bad_field', models.TextField(default='')),
                ('expected', models.TextField(default='')),
                ('found', models.TextField(default='')),
                ('note', models.TextField(default='')),
            ],
            options={
                'db_table': 'audit_verification',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='Head',
            fields=[
                ('ledger', models.OneToOneField(on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, serialize=False, to='audit.ledger')),
                ('size', models.BigIntegerField()),
                ('hash', audit.models.HashField()),
            ],
            options={
                'db_table': 'audit_head',
                'managed': False,
            },
        ),
    ]

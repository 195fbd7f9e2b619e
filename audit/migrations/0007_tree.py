"""Keep each ledger's Merkle tree as tiles, its checkpoints, and how anchoring them goes."""

from pathlib import Path

import audit.models
import django.db.models.deletion
from django.db import migrations, models

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):

    dependencies = [
        ('audit', '0006_acts'),
    ]

    operations = [
        migrations.RunSQL((SQL / "0007_tree.sql").read_text(), (SQL / "0007_undo.sql").read_text()),
        migrations.CreateModel(
            name='Anchor',
            fields=[
                ('pk', models.CompositePrimaryKey('ledger_id', 'sink', blank=True, editable=False, primary_key=True, serialize=False)),
                ('sink', models.TextField()),
                ('state', models.TextField()),
                ('interval_seconds', models.FloatField()),
                ('tried_at', models.DateTimeField()),
                ('ok_at', models.DateTimeField(null=True)),
                ('size', models.BigIntegerField(null=True)),
                ('root', audit.models.HashField(null=True)),
                ('failures', models.IntegerField(default=0)),
                ('error', models.TextField(default='')),
                ('reference', models.TextField(default='')),
            ],
            options={
                'db_table': 'audit_anchor',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='AnchorReceipt',
            fields=[
                ('pk', models.CompositePrimaryKey('ledger_id', 'sink', 'size', blank=True, editable=False, primary_key=True, serialize=False)),
                ('sink', models.TextField()),
                ('size', models.BigIntegerField()),
                ('root', audit.models.HashField()),
                ('anchored_at', models.DateTimeField()),
                ('reference', models.TextField()),
                ('proof', models.BinaryField()),
            ],
            options={
                'db_table': 'audit_anchorreceipt',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='CheckpointNote',
            fields=[
                ('pk', models.CompositePrimaryKey('ledger_id', 'size', blank=True, editable=False, primary_key=True, serialize=False)),
                ('size', models.BigIntegerField()),
                ('root', audit.models.HashField()),
                ('note', models.BinaryField()),
                ('signed_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'audit_checkpoint',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='Cosignature',
            fields=[
                ('pk', models.CompositePrimaryKey('ledger_id', 'size', 'witness', blank=True, editable=False, primary_key=True, serialize=False)),
                ('size', models.BigIntegerField()),
                ('witness', models.TextField()),
                ('line', models.TextField()),
                ('cosigned_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'audit_cosignature',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='Sealing',
            fields=[
                ('ledger', models.OneToOneField(on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, serialize=False, to='audit.ledger')),
                ('state', models.TextField()),
                ('error', models.TextField(default='')),
                ('witnessed', models.TextField(default='')),
                ('tried_at', models.DateTimeField()),
                ('since', models.DateTimeField()),
            ],
            options={
                'db_table': 'audit_sealing',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='SigningKey',
            fields=[
                ('pk', models.CompositePrimaryKey('ledger_id', 'vkey', blank=True, editable=False, primary_key=True, serialize=False)),
                ('vkey', models.TextField()),
                ('first_size', models.BigIntegerField()),
                ('first_used_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'audit_signingkey',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='Tile',
            fields=[
                ('pk', models.CompositePrimaryKey('ledger_id', 'level', 'index', blank=True, editable=False, primary_key=True, serialize=False)),
                ('level', models.SmallIntegerField()),
                ('index', models.BigIntegerField()),
                ('hashes', models.BinaryField()),
                ('root', audit.models.HashField()),
            ],
            options={
                'db_table': 'audit_tile',
                'managed': False,
            },
        ),
    ]

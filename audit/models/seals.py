"""The rows of the tree over a ledger: tiles, checkpoints, who signed them, where they went."""

from __future__ import annotations

from django.db import models

from audit.models.chain import Ledger
from audit.models.fields import HashField


class Tile(models.Model):
    """A full tile of a ledger's Merkle tree: 256 hashes and the root over them. Never changed."""

    pk = models.CompositePrimaryKey("ledger_id", "level", "index")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    level = models.SmallIntegerField()
    index = models.BigIntegerField()
    hashes = models.BinaryField()
    root = HashField()

    class Meta:
        managed = False
        db_table = "audit_tile"


class CheckpointNote(models.Model):
    """A signed note that says how large a ledger was and what its root was. Never changed."""

    pk = models.CompositePrimaryKey("ledger_id", "size")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    size = models.BigIntegerField()
    root = HashField()
    note = models.BinaryField()
    signed_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "audit_checkpoint"


class Cosignature(models.Model):
    """A witness's signature over a checkpoint that came after it was published."""

    pk = models.CompositePrimaryKey("ledger_id", "size", "witness")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    size = models.BigIntegerField()
    witness = models.TextField()
    line = models.TextField()
    cosigned_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "audit_cosignature"


class SigningKey(models.Model):
    """A public key that a ledger is or was signed with."""

    pk = models.CompositePrimaryKey("ledger_id", "vkey")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING)
    vkey = models.TextField()
    first_size = models.BigIntegerField()
    first_used_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "audit_signingkey"


class Sealing(models.Model):
    """How signing goes for a ledger: ok, or why nothing is signed."""

    ledger = models.OneToOneField(Ledger, models.DO_NOTHING, primary_key=True)
    state = models.TextField()
    error = models.TextField(default="")
    witnessed = models.TextField(default="")
    tried_at = models.DateTimeField()
    since = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "audit_sealing"


class Anchor(models.Model):
    """How publishing checkpoints to one place outside the database goes."""

    pk = models.CompositePrimaryKey("ledger_id", "sink")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING)
    sink = models.TextField()
    state = models.TextField()
    interval_seconds = models.FloatField()
    tried_at = models.DateTimeField()
    ok_at = models.DateTimeField(null=True)
    size = models.BigIntegerField(null=True)
    root = HashField(null=True)
    failures = models.IntegerField(default=0)
    error = models.TextField(default="")
    reference = models.TextField(default="")

    class Meta:
        managed = False
        db_table = "audit_anchor"


class AnchorReceipt(models.Model):
    """What a place outside the database gave for a checkpoint: a token, an object's version."""

    pk = models.CompositePrimaryKey("ledger_id", "sink", "size")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    sink = models.TextField()
    size = models.BigIntegerField()
    root = HashField()
    anchored_at = models.DateTimeField()
    reference = models.TextField()
    proof = models.BinaryField()

    class Meta:
        managed = False
        db_table = "audit_anchorreceipt"

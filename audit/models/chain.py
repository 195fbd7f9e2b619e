"""The rows of the chain: ledgers, what waits, entries, and what could not be chained."""

from __future__ import annotations

import json
from typing import Any, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from audit.models.fields import HashField


class Ledger(models.Model):
    """One chain: a tenant's or an environment's. Its name and origin never change."""

    id = models.AutoField(primary_key=True)
    name = models.TextField(unique=True)
    origin = models.TextField()
    is_read_only = models.BooleanField(default=False)
    read_only_reason = models.TextField(default="")
    is_public = models.BooleanField(default=False)
    succeeded_by = models.TextField(default="")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        managed = False
        db_table = "audit_ledger"

    def __str__(self) -> str:
        """Return the ledger's name."""
        return self.name


class Head(models.Model):
    """How long a ledger is and the hash of its last entry; the lock of its one writer."""

    ledger = models.OneToOneField(Ledger, models.DO_NOTHING, primary_key=True)
    size = models.BigIntegerField()
    hash = HashField()

    class Meta:
        managed = False
        db_table = "audit_head"


class Inbox(models.Model):
    """The events of one accepted POST, waiting to be chained."""

    pk = models.CompositePrimaryKey("ledger_id", "id")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    id = models.BigIntegerField()
    received_at = models.DateTimeField()
    count = models.IntegerField()
    event_ids = ArrayField(models.UUIDField())
    digests = models.BinaryField()
    source = models.BinaryField()
    source_ids = ArrayField(models.TextField(null=True), null=True)
    request_id = models.TextField()
    traceparent = models.TextField()
    events = models.BinaryField()

    class Meta:
        managed = False
        db_table = "audit_inbox"


class EntryQuerySet(models.QuerySet["Entry"]):
    """Ways to ask for entries; each follows an index."""

    def newest_first(self) -> Self:
        """Order by seq, never by a clock."""
        return self.order_by("-seq")


class Entry(models.Model):
    """One link of the chain: the record that was hashed, and what is copied out of it."""

    hash = HashField(primary_key=True)
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    seq = models.BigIntegerField()
    received_at = models.DateTimeField()
    occurred_at = models.DateTimeField()
    is_backfill = models.BooleanField()
    event_id = models.UUIDField()
    agent_id = models.TextField()
    actor_id = models.TextField()
    category = models.TextField()
    action = models.TextField()
    outcome = models.TextField()
    severity = models.TextField()
    environment = models.TextField()
    run_id = models.TextField(null=True)
    trace_id = models.TextField(null=True)
    key_id = models.TextField(null=True)
    data_classes = ArrayField(models.TextField(), null=True)
    record = models.BinaryField()

    objects = EntryQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "audit_entry"
        verbose_name = "entry"
        verbose_name_plural = "entries"

    def __str__(self) -> str:
        """Return the address people use: ledger and seq."""
        return f"{self.ledger.name} #{self.seq:,}"

    def parsed(self) -> dict[str, Any]:
        """Return the record as JSON values. What counts are the bytes of `record`."""
        found: dict[str, Any] = json.loads(bytes(self.record))
        return found


class EventKey(models.Model):
    """An event id that is taken, and the entry that took it."""

    pk = models.CompositePrimaryKey("ledger_id", "event_id")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    event_id = models.UUIDField()
    seq = models.BigIntegerField()
    digest = models.BinaryField()

    class Meta:
        managed = False
        db_table = "audit_eventkey"


class Quarantine(models.Model):
    """An event that was accepted and could not be chained."""

    CONFLICT = "conflict"  # its id is taken by other content
    UNREADABLE = "unreadable"  # our own code cannot read what the inbox holds
    REFUSED = "refused"  # Postgres refuses the row

    id = models.BigIntegerField(primary_key=True)
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    received_at = models.DateTimeField()
    quarantined_at = models.DateTimeField()
    is_announced = models.BooleanField(default=False)
    event_id = models.UUIDField()
    digest = HashField()
    reason = models.TextField()
    error = models.TextField()
    key_id = models.TextField()
    source = models.BinaryField()
    source_id = models.TextField()
    request_id = models.TextField()
    traceparent = models.TextField()
    event = models.BinaryField()
    state = models.TextField(default="open")
    note = models.TextField()
    settled_at = models.DateTimeField(null=True)
    settled_by = models.TextField()

    class Meta:
        managed = False
        db_table = "audit_quarantine"
        verbose_name = "quarantined event"
        verbose_name_plural = "quarantine"

    def __str__(self) -> str:
        """Return the address people use: its number."""
        return f"Quarantine {self.id:,}"

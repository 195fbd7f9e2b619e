"""The rows of what leaves a ledger: files made of entries, and where entries are sent on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.db import models

from audit.models.chain import Ledger
from audit.models.fields import HashField


class Export(models.Model):
    """An export of entries: what was asked for, how far it is, and the file it became."""

    LOST_AFTER = 30.0  # seconds without a sign of its worker, then another one begins again
    GOING: Sequence[str] = ("queued", "running", "signing")

    id = models.BigIntegerField(primary_key=True)
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING)
    asked_at = models.DateTimeField()
    via = models.TextField()
    requested_by = models.TextField()
    reason = models.TextField(default="")
    owner = models.TextField(default="")
    format = models.TextField()
    renderings = ArrayField(models.TextField(), default=list)
    query = models.TextField()
    size = models.BigIntegerField()
    state = models.TextField(default="queued")
    next_seq = models.BigIntegerField(default=0)
    entries = models.BigIntegerField(default=0)
    first_seq = models.BigIntegerField(null=True)
    last_seq = models.BigIntegerField(null=True)
    attempt = models.IntegerField(default=0)
    attempt_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)
    lost = models.IntegerField(default=0)
    manifest = models.TextField(null=True)
    signed_manifest = models.BinaryField(null=True)
    signed_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    file_size = models.BigIntegerField(null=True)
    sha256 = HashField(null=True)
    verified_at = models.DateTimeField(null=True)
    note = models.TextField(default="")
    warning = models.TextField(default="")
    cancelled_by = models.TextField(default="")

    class Meta:
        managed = False
        db_table = "audit_export"
        verbose_name = "bundle"
        verbose_name_plural = "bundles"

    def __str__(self) -> str:
        """Return the address people use: its number."""
        return f"Export {self.id:,}"

    def parsed_query(self) -> dict[str, list[str]]:
        """Return the filter by its names, the ledger among them."""
        found: dict[str, list[str]] = json.loads(self.query)
        return found

    def is_going(self) -> bool:
        """Tell whether it waits, is made, or waits for the signature."""
        return self.state in self.GOING

    def has_file(self, now: datetime) -> bool:
        """Tell whether its file may be had."""
        return self.state == "done" and self.expires_at is not None and now < self.expires_at

    def word(self, now: datetime) -> str:
        """Return its state; `expired` from the moment on at which its file may not be had."""
        return "expired" if self.state == "done" and not self.has_file(now) else self.state

    def may_resume(self) -> bool:
        """Tell whether it stopped before its end."""
        return self.state in {"cancelled", "failed"}

    def percent(self) -> int:
        """Return the share of the ledger that was looked through, 0 to 100."""
        return min(100 * self.next_seq // self.size, 100)

    def seconds(self) -> float:
        """Return how long its latest attempt took, or has taken up to its worker's last sign."""
        end = self.finished_at or self.seen_at
        if self.attempt_at is None or end is None:
            return 0.0
        return max((end - self.attempt_at).total_seconds(), 0.0)

    def rate(self) -> float:
        """Return entries written a second in its latest attempt; 0 while nothing can be said."""
        seconds = self.seconds()
        return self.entries / seconds if seconds > 0 else 0.0

    def seconds_left(self) -> float | None:
        """Return how long looking through the rest will take; None while it cannot be said."""
        seconds = self.seconds()
        if self.state != "running" or seconds <= 0 or self.next_seq == 0:
            return None
        return seconds * (self.size - self.next_seq) / self.next_seq


class Destination(models.Model):
    """Where a ledger's entries are sent on to, how far it has them, and how it does."""

    id = models.BigIntegerField(primary_key=True)
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING)
    name = models.TextField()
    kind = models.TextField()
    address = models.TextField()
    options = models.JSONField(default=dict)
    secret = models.BinaryField(null=True)
    state = models.TextField(default="active")
    next_seq = models.BigIntegerField(default=0)
    batch_to = models.BigIntegerField(null=True)
    sent_to = models.BigIntegerField(default=0)
    tried_at = models.DateTimeField(null=True)
    ok_at = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True)
    failures = models.IntegerField(default=0)
    error = models.TextField(default="")
    gaps = models.JSONField(default=list)
    made_at = models.DateTimeField()
    made_by = models.TextField()
    removed_at = models.DateTimeField(null=True)
    removed_by = models.TextField(default="")

    class Meta:
        managed = False
        db_table = "audit_destination"
        verbose_name = "destination"
        verbose_name_plural = "destinations"

    def __str__(self) -> str:
        """Return the name that people gave it."""
        return self.name

    def word(self) -> str:
        """Return its state: `removed`, `paused`, `dead`, `failing` or `ok`."""
        if self.removed_at is not None:
            return "removed"
        if self.state != "active":
            return self.state
        return "failing" if self.failures else "ok"

    def is_replaying(self) -> bool:
        """Tell whether it is sent again what it has had."""
        return self.next_seq < self.sent_to

"""The rows of verification: one for each run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import models

from audit.models.chain import Ledger


class Verification(models.Model):
    """One run of verification, how far it is and what it found."""

    RESULTS: Sequence[str] = ("intact", "tampered", "not_proven")
    STALLED_AFTER = 30.0  # seconds without a sign of its worker

    id = models.BigIntegerField(primary_key=True)
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING)
    kind = models.TextField()
    state = models.TextField(default="running")
    requested_by = models.TextField(default="")
    from_seq = models.BigIntegerField()
    to_seq = models.BigIntegerField()
    checked = models.BigIntegerField(default=0)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    result = models.TextField(null=True)
    broken = models.BigIntegerField(default=0)
    bad_seq = models.BigIntegerField(null=True)
    bad_field = models.TextField(default="")
    expected = models.TextField(default="")
    found = models.TextField(default="")
    note = models.TextField(default="")
    next_seq = models.BigIntegerField(null=True)
    attempt = models.IntegerField(default=0)
    attempt_at = models.DateTimeField(null=True)
    attempt_from = models.BigIntegerField(default=0)
    seen_at = models.DateTimeField(null=True)
    cancelled_by = models.TextField(default="")

    class Meta:
        managed = False
        db_table = "audit_verification"

    def __str__(self) -> str:
        """Return the address people use: its number."""
        return f"Verification {self.id:,}"

    def is_stalled(self, now: datetime) -> bool:
        """Tell whether its worker has given no sign for so long that it must be gone."""
        seen = self.seen_at or self.started_at
        return self.state == "running" and (now - seen).total_seconds() > self.STALLED_AFTER

    def word(self, now: datetime) -> str:
        """Return its result once it has one, else its state, or `stalled`."""
        if self.result is not None:
            return self.result
        return "stalled" if self.is_stalled(now) else self.state

    def may_resume(self, now: datetime) -> bool:
        """Tell whether it stopped before its end."""
        return self.result is None and (
            self.state in {"cancelled", "failed"} or self.is_stalled(now)
        )

    def total(self) -> int | None:
        """Return how many seqs it goes over; None until its end is known."""
        return None if self.to_seq < 0 else max(self.to_seq - self.from_seq, 0)

    def seconds(self) -> float:
        """Return how long its latest attempt took, or has taken up to its worker's last sign."""
        end = self.finished_at or self.seen_at
        start = self.attempt_at or self.started_at
        return max((end - start).total_seconds(), 0.0) if end else 0.0

    def rate(self) -> float:
        """Return entries a second of its latest attempt; 0 while nothing can be said."""
        seconds = self.seconds()
        return (self.checked - self.attempt_from) / seconds if seconds > 0 else 0.0

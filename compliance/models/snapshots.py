"""The rows of sealed results: compliance/sql/0002_snapshots.sql."""

from __future__ import annotations

import json
from typing import Any, Self

from django.db import models

from audit.models import Ledger


class SnapshotQuerySet(models.QuerySet["Snapshot"]):
    """Ways to ask for sealed results; each follows an index."""

    def newest_first(self) -> Self:
        """Order by when they were made."""
        return self.order_by("-made_at", "-id")

    def made_before(self, last: Snapshot) -> Self:
        """Keep those that follow `last` when the newest come first."""
        earlier = models.Q(made_at=last.made_at, id__lt=last.id)
        return self.filter(models.Q(made_at__lt=last.made_at) | earlier)

    def postures(self, ledger: Ledger, framework: str) -> Self:
        """Return the daily postures of a framework, the newest first."""
        return self.filter(
            ledger=ledger, framework=framework, kind="posture", environment="prod"
        ).newest_first()


class Snapshot(models.Model):
    """One sealed result of a framework over a period: never changed, only restated by another."""

    id = models.UUIDField(primary_key=True)
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    framework = models.TextField()
    kind = models.TextField()
    start_day = models.DateField()
    end_day = models.DateField()
    environment = models.TextField()
    made_at = models.DateTimeField()
    made_by = models.TextField()
    head_seq = models.BigIntegerField()
    head_hash = models.TextField()
    evidenced = models.TextField(null=True)
    tested = models.TextField(null=True)
    coverage = models.TextField(null=True)
    cap = models.IntegerField()
    band = models.TextField(null=True)
    digest = models.TextField()
    result = models.BinaryField()
    event_id = models.UUIDField()
    restates = models.UUIDField(null=True)

    objects = SnapshotQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "compliance_snapshot"
        verbose_name = "snapshot"
        verbose_name_plural = "snapshots"

    def __str__(self) -> str:
        """Return what it is of."""
        return f"{self.framework} {self.start_day} to {self.end_day}"

    def as_json(self) -> dict[str, Any]:
        """Return the result as it was sealed (compliance.result.as_json)."""
        sealed: dict[str, Any] = json.loads(bytes(self.result))
        return sealed

"""The rows of reports, schedules, deliveries and samples: compliance/sql/0004_reports.sql."""

from __future__ import annotations

import uuid
from datetime import date, timedelta
from typing import ClassVar, Final, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from audit.models import Ledger
from compliance.models.snapshots import Snapshot

FORMATS: Final = ("pdf", "html", "csv", "json", "oscal", "executive", "zip")


class Schedule(models.Model):
    """When a report is made by itself, of what, and who gets it."""

    id = models.BigAutoField(primary_key=True)
    uid = models.UUIDField(default=uuid.uuid4)
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    name = models.TextField()
    framework = models.TextField()
    environment = models.TextField(default="prod")
    cron = models.TextField()
    zone = models.TextField()
    period = models.TextField()
    formats = ArrayField(models.TextField())
    recipients = models.JSONField(default=list)
    secrets = models.BinaryField(null=True)
    is_on = models.BooleanField(default=True)
    counts_from = models.DateTimeField(default=timezone.now)
    made_at = models.DateTimeField(default=timezone.now)
    made_by = models.TextField()
    changed_at = models.DateTimeField(default=timezone.now)
    changed_by = models.TextField()
    removed_at = models.DateTimeField(null=True)
    removed_by = models.TextField(default="")

    class Meta:
        managed = False
        db_table = "compliance_schedule"
        verbose_name = "schedule"
        verbose_name_plural = "schedules"

    def __str__(self) -> str:
        """Return its name."""
        return self.name


class ReportQuerySet(models.QuerySet["Report"]):
    """Ways to ask for reports; each follows an index."""

    def newest_first(self) -> Self:
        """Order by when they were asked for."""
        return self.order_by("-id")


class Report(models.Model):
    """A report that was asked for, while it is made and after."""

    GOING: ClassVar = ("queued", "running", "signing")
    LOST_AFTER: ClassVar = 30.0
    """Seconds without a sign of its worker, then another one begins again."""

    id = models.BigAutoField(primary_key=True)
    uid = models.UUIDField(default=uuid.uuid4)
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    framework = models.TextField()
    start_day = models.DateField()
    end_day = models.DateField()
    environment = models.TextField()
    formats = ArrayField(models.TextField())
    snapshot = models.ForeignKey(Snapshot, models.DO_NOTHING, db_constraint=False, null=True)
    schedule_id = models.BigIntegerField(null=True)
    slot_due = models.DateTimeField(null=True)
    via = models.TextField()
    asked_at = models.DateTimeField(default=timezone.now)
    asked_by = models.TextField()
    reason = models.TextField(default="")
    owner = models.TextField(default="")
    state = models.TextField(default="queued")
    stage = models.TextField(default="")
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0)
    attempt = models.IntegerField(default=0)
    lost = models.IntegerField(default=0)
    attempt_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    cancelled_by = models.TextField(default="")
    note = models.TextField(default="")
    report_id = models.TextField(default="")
    content_sha256 = models.TextField(default="")
    evidenced = models.TextField(null=True)
    tested = models.TextField(null=True)
    coverage = models.TextField(null=True)
    cap = models.IntegerField(null=True)
    band = models.TextField(null=True)
    signature_id = models.UUIDField(null=True)
    event_id = models.UUIDField(null=True)

    objects = ReportQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "compliance_report"
        verbose_name = "report"
        verbose_name_plural = "reports"

    def __str__(self) -> str:
        """Return its number and what it is of."""
        return f"report {self.id}: {self.framework} {self.start_day} to {self.end_day}"

    @property
    def last_day(self) -> date:
        """Return the last day of its period; `end_day` is the day after it."""
        return self.end_day - timedelta(days=1)

    def is_going(self) -> bool:
        """Tell whether it waits, is made, or waits for the signature."""
        return self.state in self.GOING

    def may_retry(self) -> bool:
        """Tell whether it stopped before its end."""
        return self.state in {"cancelled", "failed"}

    def percent(self) -> int | None:
        """Return the share of its stage that is done, 0 to 100; None while nobody can say."""
        return min(100 * self.done // self.total, 100) if self.total else None


class ReportFile(models.Model):
    """A file of a report that was made whole."""

    pk = models.CompositePrimaryKey("ledger_id", "report_id", "name")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    report_id = models.BigIntegerField()
    name = models.TextField()
    format = models.TextField()
    size = models.BigIntegerField()
    sha256 = models.TextField()
    made_at = models.DateTimeField(default=timezone.now)

    class Meta:
        managed = False
        db_table = "compliance_reportfile"

    def __str__(self) -> str:
        """Return its name."""
        return self.name


class Slot(models.Model):
    """One time at which a schedule was due."""

    pk = models.CompositePrimaryKey("ledger_id", "schedule_id", "due_at")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    schedule_id = models.BigIntegerField()
    due_at = models.DateTimeField()
    noticed_at = models.DateTimeField(default=timezone.now)
    state = models.TextField(default="waiting")
    attempts = models.IntegerField(default=0)
    next_try_at = models.DateTimeField(null=True)
    report_id = models.BigIntegerField(null=True)
    note = models.TextField(default="")
    finished_at = models.DateTimeField(null=True)

    class Meta:
        managed = False
        db_table = "compliance_slot"

    def __str__(self) -> str:
        """Return when it was due."""
        return f"schedule {self.schedule_id} at {self.due_at}"


class Delivery(models.Model):
    """A report on its way to one recipient."""

    id = models.BigAutoField(primary_key=True)
    uid = models.UUIDField(default=uuid.uuid4)
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    report_id = models.BigIntegerField()
    schedule_id = models.BigIntegerField(null=True)
    position = models.IntegerField()
    kind = models.TextField()
    address = models.TextField()
    options = models.JSONField(default=dict)
    asked_at = models.DateTimeField(default=timezone.now)
    asked_by = models.TextField(default="")
    state = models.TextField(default="waiting")
    attempts = models.IntegerField(default=0)
    next_try_at = models.DateTimeField(default=timezone.now)
    note = models.TextField(default="")
    reference = models.TextField(default="")
    sent_at = models.DateTimeField(null=True)
    event_id = models.UUIDField(null=True)

    class Meta:
        managed = False
        db_table = "compliance_delivery"

    def __str__(self) -> str:
        """Return where it goes."""
        return f"{self.kind} to {self.address}"


class Sample(models.Model):
    """A work paper: which items were drawn, by which seed, and what a person concluded."""

    LOST_AFTER: ClassVar = 30.0
    """Seconds without a sign of its worker, then another one begins again."""

    id = models.BigAutoField(primary_key=True)
    uid = models.UUIDField(default=uuid.uuid4)
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    snapshot = models.ForeignKey(Snapshot, models.DO_NOTHING, db_constraint=False)
    framework = models.TextField()
    control = models.TextField()
    check_id = models.TextField()
    lens_id = models.TextField()
    number = models.TextField()
    seed = models.TextField()
    state = models.TextField(default="queued")
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0)
    attempt = models.IntegerField(default=0)
    seen_at = models.DateTimeField(null=True)
    note = models.TextField(default="")
    population = models.BigIntegerField(null=True)
    rule = models.TextField(default="")
    drawn_at = models.DateTimeField(null=True)
    asked_at = models.DateTimeField(default=timezone.now)
    asked_by = models.TextField()
    conclusion = models.TextField(default="")
    concluded_at = models.DateTimeField(null=True)
    concluded_by = models.TextField(default="")
    event_id = models.UUIDField(null=True)

    class Meta:
        managed = False
        db_table = "compliance_sample"
        verbose_name = "sample"
        verbose_name_plural = "samples"

    def __str__(self) -> str:
        """Return its number and what it was drawn of."""
        return f"sample {self.id}: {self.framework} {self.control} {self.check_id}"


class SampleItem(models.Model):
    """One drawn item, and what a person found."""

    pk = models.CompositePrimaryKey("ledger_id", "sample_id", "position")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    sample_id = models.BigIntegerField()
    position = models.IntegerField()
    seq = models.BigIntegerField()
    item = models.TextField()
    stratum = models.TextField()
    entry_id = models.UUIDField(null=True)
    entry_hash = models.TextField()
    occurred_at = models.DateTimeField(null=True)
    verdict = models.TextField(default="")
    note = models.TextField(default="")
    file_name = models.TextField(default="")
    file_sha256 = models.TextField(default="")
    file = models.BinaryField(null=True)
    ticked_at = models.DateTimeField(null=True)
    ticked_by = models.TextField(default="")

    class Meta:
        managed = False
        db_table = "compliance_sampleitem"

    def __str__(self) -> str:
        """Return the entry it is about."""
        return f"item {self.position} of sample {self.sample_id}: entry {self.seq}"

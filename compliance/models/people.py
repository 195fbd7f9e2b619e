"""The rows of what people decide, while it is worked on: compliance/sql/0003_people.sql."""

from __future__ import annotations

import uuid
from datetime import date, timedelta
from typing import Self

from django.db import models
from django.utils import timezone

from audit.models import Ledger


class StatementQuerySet(models.QuerySet["Statement"]):
    """Ways to ask for statements; the file stays where it is unless one is read by itself."""

    def listed(self) -> Self:
        """Leave out what lists do not show: the files."""
        return self.defer("file").select_related("ledger")


class Statement(models.Model):
    """A management statement: prepared by one person, signed by another, perhaps withdrawn."""

    id = models.BigAutoField(primary_key=True)
    uid = models.UUIDField(default=uuid.uuid4)
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    framework = models.TextField()
    control = models.TextField()
    text = models.TextField()
    role = models.TextField()
    is_reasoning = models.BooleanField(default=False)
    effective_from = models.DateField()
    effective_to = models.DateField()
    expires_on = models.DateField()
    file_name = models.TextField(default="")
    file_sha256 = models.TextField(default="")
    file_size = models.IntegerField(default=0)
    file = models.BinaryField(null=True)
    renews_id = models.BigIntegerField(null=True)
    state = models.TextField(default="draft")
    prepared_at = models.DateTimeField(default=timezone.now)
    prepared_by_id = models.IntegerField()
    prepared_by = models.TextField()
    signed_at = models.DateTimeField(null=True)
    signer_id = models.IntegerField(null=True)
    signed_by = models.TextField(default="")
    ended_at = models.DateTimeField(null=True)
    ended_by = models.TextField(default="")
    end_reason = models.TextField(default="")
    reminded = models.IntegerField(null=True)

    objects = StatementQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "compliance_statement"
        verbose_name = "statement"
        verbose_name_plural = "statements"

    def __str__(self) -> str:
        """Return what it is about."""
        return f"statement {self.id} for {self.framework} {self.control}"

    def word(self, today: date) -> str:
        """Return its state in a word, as badges know it."""
        return "expired" if self.state == "signed" and self.expires_on < today else self.state


class Decision(models.Model):
    """What needs a second person: a waiver, a scope decision, a limit or list that is loosened."""

    id = models.BigAutoField(primary_key=True)
    uid = models.UUIDField(default=uuid.uuid4)
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    kind = models.TextField()
    framework = models.TextField(default="")
    control = models.TextField(default="")
    check_id = models.TextField(default="")
    severity = models.TextField(default="")
    details = models.JSONField(default=dict)
    reason = models.TextField()
    begins_on = models.DateField(null=True)
    expires_on = models.DateField(null=True)
    state = models.TextField(default="asked")
    is_alone = models.BooleanField(default=False)
    asked_at = models.DateTimeField(default=timezone.now)
    asked_by_id = models.IntegerField()
    asked_by = models.TextField()
    approved_at = models.DateTimeField(null=True)
    approver_id = models.IntegerField(null=True)
    approved_by = models.TextField(default="")
    ended_at = models.DateTimeField(null=True)
    ended_by = models.TextField(default="")
    end_reason = models.TextField(default="")
    reminded = models.IntegerField(null=True)

    class Meta:
        managed = False
        db_table = "compliance_decision"
        verbose_name = "approval"
        verbose_name_plural = "approvals"

    def __str__(self) -> str:
        """Return what was asked."""
        return f"{self.kind} {self.id}"

    def word(self, today: date) -> str:
        """Return its state in a word, as badges know it."""
        is_over = self.expires_on is not None and self.expires_on < today
        return "expired" if self.state == "approved" and is_over else self.state


class NilReturn(models.Model):
    """Its owner's word that nothing of a kind happened in [first_day, end_day)."""

    id = models.BigAutoField(primary_key=True)
    uid = models.UUIDField(default=uuid.uuid4)
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    check_id = models.TextField()
    first_day = models.DateField()
    end_day = models.DateField()
    text = models.TextField()
    signed_at = models.DateTimeField(default=timezone.now)
    signed_by = models.TextField()
    withdrawn_at = models.DateTimeField(null=True)
    withdrawn_by = models.TextField(default="")
    withdraw_reason = models.TextField(default="")

    class Meta:
        managed = False
        db_table = "compliance_nilreturn"
        verbose_name = "nil return"
        verbose_name_plural = "nil returns"

    def __str__(self) -> str:
        """Return what it is about."""
        return f"nil return {self.id} of {self.check_id}"

    def last_day(self) -> date:
        """Return the last day it speaks of."""
        return self.end_day - timedelta(days=1)


class Review(models.Model):
    """A review of activity records that a person has done."""

    id = models.BigAutoField(primary_key=True)
    uid = models.UUIDField(default=uuid.uuid4)
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    scope = models.TextField()
    items_count = models.BigIntegerField()
    findings_count = models.BigIntegerField()
    note = models.TextField()
    done_at = models.DateTimeField(default=timezone.now)
    done_by = models.TextField()

    class Meta:
        managed = False
        db_table = "compliance_review"
        verbose_name = "activity review"
        verbose_name_plural = "activity reviews"

    def __str__(self) -> str:
        """Return its number."""
        return f"review {self.id}"


class Finding(models.Model):
    """What is wrong, who puts it right by when, and what closed it."""

    id = models.BigAutoField(primary_key=True)
    uid = models.UUIDField(default=uuid.uuid4)
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    framework = models.TextField()
    control = models.TextField(default="")
    check_id = models.TextField(default="")
    item = models.TextField(default="")
    entry_seq = models.BigIntegerField(null=True)
    subject_event = models.UUIDField(null=True)
    severity = models.TextField()
    title = models.TextField()
    note = models.TextField(default="")
    owner_id = models.IntegerField()
    owner = models.TextField()
    due = models.DateField()
    state = models.TextField(default="open")
    opened_at = models.DateTimeField(default=timezone.now)
    opened_by = models.TextField()
    retested_at = models.DateTimeField(null=True)
    retested_by = models.TextField(default="")
    retest = models.TextField(default="")
    closed_at = models.DateTimeField(null=True)
    closer_id = models.IntegerField(null=True)
    closed_by = models.TextField(default="")
    close_note = models.TextField(default="")

    class Meta:
        managed = False
        db_table = "compliance_finding"
        verbose_name = "finding"
        verbose_name_plural = "findings"

    def __str__(self) -> str:
        """Return its number and title."""
        return f"finding {self.id}: {self.title}"

    def word(self, today: date) -> str:
        """Return its state in a word, as badges know it."""
        return "overdue" if self.state == "open" and self.due < today else self.state


class UploadedFramework(models.Model):
    """One version of a framework of the customer's own, as it was uploaded."""

    id = models.BigAutoField(primary_key=True)
    name = models.TextField()
    version = models.TextField()
    title = models.TextField()
    controls = models.IntegerField()
    body = models.BinaryField()
    sha256 = models.TextField()
    is_in_force = models.BooleanField(default=True)
    uploaded_at = models.DateTimeField(default=timezone.now)
    uploaded_by = models.TextField()
    ended_at = models.DateTimeField(null=True)
    ended_by = models.TextField(default="")

    class Meta:
        managed = False
        db_table = "compliance_framework"
        verbose_name = "uploaded framework"
        verbose_name_plural = "uploaded frameworks"

    def __str__(self) -> str:
        """Return its name and version."""
        return f"{self.name} {self.version}"

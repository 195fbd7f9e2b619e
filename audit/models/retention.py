"""The rows of how long entries stay: policies, legal holds, purges and what they leave."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import models
from django.utils import timezone

from audit.models.chain import Ledger
from audit.models.fields import HashField


class Retention(models.Model):
    """How many days a ledger, or a category or data class of it, is kept at least."""

    DEFAULT_DAYS = 365
    PHI_DAYS = 2192  # 45 CFR 164.316(b)(2)(i): six years

    pk = models.CompositePrimaryKey("ledger_id", "kind", "name")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING)
    kind = models.TextField()
    name = models.TextField(default="")
    days = models.IntegerField()
    changed_at = models.DateTimeField(default=timezone.now)
    changed_by = models.TextField()

    class Meta:
        managed = False
        db_table = "audit_retention"
        verbose_name = "retention policy"
        verbose_name_plural = "retention policies"


class Hold(models.Model):
    """A legal hold: what it names is neither pruned nor erased until somebody releases it."""

    id = models.BigIntegerField(primary_key=True)
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING)
    kind = models.TextField()
    value = models.TextField(default="")
    key_id = models.UUIDField(null=True)
    matter = models.TextField()
    reason = models.TextField()
    applied_at = models.DateTimeField()
    applied_by = models.TextField()
    released_at = models.DateTimeField(null=True)
    released_by = models.TextField(default="")
    release_reason = models.TextField(default="")

    class Meta:
        managed = False
        db_table = "audit_hold"
        verbose_name = "legal hold"
        verbose_name_plural = "legal holds"

    def __str__(self) -> str:
        """Return the address people use: its number."""
        return f"Hold {self.id:,}"

    def is_standing(self) -> bool:
        """Tell whether it still holds."""
        return self.released_at is None


class PurgePlan(models.Model):
    """A proposal to prune a ledger: how far, what a worker saw, and what became of it."""

    OPEN: Sequence[str] = ("asked", "proposed", "approved", "pruning")

    id = models.BigIntegerField(primary_key=True)
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING)
    proposed_at = models.DateTimeField()
    proposed_by = models.TextField()
    reason = models.TextField()
    planned_at = models.DateTimeField(null=True)
    from_seq = models.BigIntegerField(default=0)
    to_seq = models.BigIntegerField(null=True)
    next_seq = models.BigIntegerField(default=0)
    report = models.JSONField(null=True)
    state = models.TextField(default="asked")
    note = models.TextField(default="")
    withdrawn_by = models.TextField(default="")
    deleted = models.BigIntegerField(default=0)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        managed = False
        db_table = "audit_purgeplan"
        verbose_name = "purge"
        verbose_name_plural = "purges"

    def __str__(self) -> str:
        """Return the address people use: its number."""
        return f"Purge {self.id:,}"

    def is_open(self) -> bool:
        """Tell whether it may still come to something."""
        return self.state in self.OPEN


class PurgeApproval(models.Model):
    """A person's yes to a purge. Never changed; two different ones make it approved."""

    pk = models.CompositePrimaryKey("ledger_id", "plan_id", "user_id")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING)
    plan_id = models.BigIntegerField()
    user_id = models.IntegerField()
    username = models.TextField(default="")
    transaction_id = models.BigIntegerField(default=0)
    approved_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "audit_purgeapproval"
        verbose_name = "approval of a purge"
        verbose_name_plural = "approvals of purges"


class Purge(models.Model):
    """A purge that two people approved and that has begun. Never changed."""

    pk = models.CompositePrimaryKey("ledger_id", "to_seq")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    begun_at = models.DateTimeField()
    from_seq = models.BigIntegerField()
    to_seq = models.BigIntegerField()
    plan_id = models.BigIntegerField()
    first_approver = models.TextField()
    second_approver = models.TextField()

    class Meta:
        managed = False
        db_table = "audit_purge"
        verbose_name = "begun purge"
        verbose_name_plural = "begun purges"


class Carry(models.Model):
    """What a projection had counted up to a minimum index. Never changed."""

    pk = models.CompositePrimaryKey("ledger_id", "to_seq", "projection")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    to_seq = models.BigIntegerField()
    projection = models.TextField()
    frozen_at = models.DateTimeField()
    digest = HashField()
    rows = models.BinaryField()

    class Meta:
        managed = False
        db_table = "audit_carry"

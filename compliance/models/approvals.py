"""The rows of what agents ask people to approve: the projection of it, and the answers."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.utils import timezone

from audit.models import Ledger


class ApprovalRequest(models.Model):
    """A request that an entry shows. Derived: `manage.py rebuild approvals` makes it anew."""

    id = models.BigIntegerField(primary_key=True)
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    requested_seq = models.BigIntegerField()
    approval_id = models.TextField()
    agent_id = models.TextField()
    requested_by = models.TextField()
    actor_id = models.TextField()
    target_type = models.TextField()
    target_id = models.TextField()
    tool = models.TextField()
    arguments_hash = models.TextField()
    risk = models.TextField()
    operation_id = models.TextField()
    summary = models.TextField()
    reason = models.TextField()
    requested_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    state = models.TextField()
    answered_seq = models.BigIntegerField(null=True)
    answered_by = models.TextField()
    answered_at = models.DateTimeField(null=True)
    answer = models.TextField()

    class Meta:
        managed = False
        db_table = "compliance_approvalrequest"
        verbose_name = "agent request"
        verbose_name_plural = "agent requests"

    def __str__(self) -> str:
        """Return what it asks for."""
        return f"request #{self.requested_seq}"

    def is_over(self, now: datetime) -> bool:
        """Tell whether the time in which it could be granted has passed."""
        return self.expires_at is not None and self.expires_at <= now


class ApprovalAnswer(models.Model):
    """A person's answer to a request, one for each; its entry is in the ledger."""

    pk = models.CompositePrimaryKey("ledger_id", "approval_id")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    approval_id = models.TextField()
    is_granted = models.BooleanField()
    reason = models.TextField()
    user_id = models.IntegerField()
    answered_by = models.TextField(default="")
    answered_at = models.DateTimeField(default=timezone.now)

    class Meta:
        managed = False
        db_table = "compliance_approvalanswer"

"""The rows of API keys and of how much each was used."""

from __future__ import annotations

from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from audit.models.chain import Ledger


class AgentKeyQuerySet(models.QuerySet["AgentKey"]):
    """Ways to ask for API keys."""

    def live(self) -> Self:
        """Return the keys that are accepted now."""
        unexpired = models.Q(expires_at=None) | models.Q(expires_at__gt=timezone.now())
        return self.filter(unexpired, revoked_at=None, paused_at=None)


class AgentKey(models.Model):
    """An API key, without its secret: what it may do, for which ledger, until when."""

    key_id = models.TextField(primary_key=True)
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING)
    name = models.TextField(help_text="Who uses it: a team, an agent, a machine.")
    secret_hmac = models.BinaryField()
    scopes = ArrayField(models.TextField())
    events_per_second = models.IntegerField(null=True, blank=True)
    events_per_day = models.BigIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.TextField()
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.TextField(default="")
    paused_at = models.DateTimeField(null=True)
    paused_by = models.TextField(default="")
    last_used_at = models.DateTimeField(null=True)

    objects = AgentKeyQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "audit_agentkey"
        verbose_name = "API key"
        verbose_name_plural = "API keys"

    def __str__(self) -> str:
        """Return the name and the eight characters that entries carry."""
        return f"{self.name} ({self.key_id})"

    def state(self) -> str:
        """Return `live`, `paused`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= timezone.now():
            return "expired"
        return "live" if self.paused_at is None else "paused"


class KeyUsage(models.Model):
    """How many events of a key were chained on a day (UTC)."""

    pk = models.CompositePrimaryKey("ledger_id", "key_id", "day")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    key_id = models.TextField()
    day = models.DateField()
    events = models.BigIntegerField()

    class Meta:
        managed = False
        db_table = "audit_keyusage"

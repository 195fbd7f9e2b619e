"""The rows of agents, as their entries show them, and how far each projection has read."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from audit.models.chain import Ledger


class Projection(models.Model):
    """How far a projection has read a ledger."""

    pk = models.CompositePrimaryKey("ledger_id", "name")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    name = models.TextField()
    next_seq = models.BigIntegerField()
    updated_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "audit_projection"


class Agent(models.Model):
    """An agent as its entries show it. Derived: `manage.py rebuild agents` makes it anew."""

    agent_id = models.TextField(primary_key=True)
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    name = models.TextField()
    owner = models.TextField()
    environments = ArrayField(models.TextField())
    is_registered = models.BooleanField()
    first_seq = models.BigIntegerField()
    last_seq = models.BigIntegerField()
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    entries = models.BigIntegerField()
    failures = models.BigIntegerField()

    class Meta:
        managed = False
        db_table = "audit_agent"

    def __str__(self) -> str:
        """Return the agent's id."""
        return self.agent_id


class AgentVersion(models.Model):
    """A version of an agent and the entry that showed it first."""

    pk = models.CompositePrimaryKey("ledger_id", "agent_id", "version")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    agent_id = models.TextField()
    version = models.TextField()
    first_seq = models.BigIntegerField()
    first_seen = models.DateTimeField()
    last_seq = models.BigIntegerField()
    entries = models.BigIntegerField()

    class Meta:
        managed = False
        db_table = "audit_agentversion"


class AgentDay(models.Model):
    """What an agent did on one day (UTC), by when it happened."""

    pk = models.CompositePrimaryKey("ledger_id", "agent_id", "day")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False)
    agent_id = models.TextField()
    day = models.DateField()
    entries = models.BigIntegerField()
    failures = models.BigIntegerField()
    denied = models.BigIntegerField()

    class Meta:
        managed = False
        db_table = "audit_agentday"

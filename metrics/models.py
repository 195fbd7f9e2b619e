"""The rows that people decide over metrics by, and operate by: metrics/sql.

Owns shapes alone; what is counted has no models, since only rollup.py, flushing.py and the page
write it. Each change of these rows by a person leaves an entry: switches.py, custom.py, prices.py,
budgets.py.
"""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from audit.models import Ledger


class Switch(models.Model):
    """What an administrator has switched while the platform runs."""

    name = models.TextField(primary_key=True)
    value = models.TextField()
    changed_at = models.DateTimeField(default=timezone.now)
    changed_by = models.TextField()

    class Meta:
        managed = False
        db_table = "metrics_switch"
        verbose_name = "switch"
        verbose_name_plural = "switches"

    def __str__(self) -> str:
        """Return its name."""
        return self.name


class CustomMetric(models.Model):
    """A measure of agents' own that is taken, or was."""

    id = models.BigAutoField(primary_key=True)
    name = models.TextField()
    kind = models.TextField()
    labels = ArrayField(models.TextField(), default=list)
    help = models.TextField(default="")
    allowed_at = models.DateTimeField(default=timezone.now)
    allowed_by = models.TextField()
    ended_at = models.DateTimeField(null=True)
    ended_by = models.TextField(default="")

    class Meta:
        managed = False
        db_table = "metrics_custommetric"
        verbose_name = "custom metric"
        verbose_name_plural = "custom metrics"

    def __str__(self) -> str:
        """Return its name."""
        return self.name


class Price(models.Model):
    """What a model costs from a moment on, in dollars per million tokens."""

    id = models.BigAutoField(primary_key=True)
    provider = models.TextField()
    model = models.TextField()
    starts_at = models.DateTimeField()
    input = models.DecimalField(max_digits=14, decimal_places=6)
    output = models.DecimalField(max_digits=14, decimal_places=6)
    cache_read = models.DecimalField(max_digits=14, decimal_places=6, default=0)
    reasoning = models.DecimalField(max_digits=14, decimal_places=6, default=0)
    entered_at = models.DateTimeField(default=timezone.now)
    entered_by = models.TextField()
    removed_at = models.DateTimeField(null=True)
    removed_by = models.TextField(default="")

    class Meta:
        managed = False
        db_table = "metrics_price"
        verbose_name = "price"
        verbose_name_plural = "prices"

    def __str__(self) -> str:
        """Return whose price it is."""
        return f"{self.provider}/{self.model}"


class Budget(models.Model):
    """How many dollars models may cost in a period, of whom."""

    id = models.BigAutoField(primary_key=True)
    name = models.TextField()
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False, null=True)
    covers = models.TextField()
    value = models.TextField(default="")
    period = models.TextField()
    usd = models.DecimalField(max_digits=14, decimal_places=2)
    made_at = models.DateTimeField(default=timezone.now)
    made_by = models.TextField()
    changed_at = models.DateTimeField(default=timezone.now)
    changed_by = models.TextField()
    ended_at = models.DateTimeField(null=True)
    ended_by = models.TextField(default="")

    class Meta:
        managed = False
        db_table = "metrics_budget"
        verbose_name = "budget"
        verbose_name_plural = "budgets"

    def __str__(self) -> str:
        """Return its name."""
        return self.name


class AlertRule(models.Model):
    """An alert rule that people have made, or one of ours that they have changed."""

    name = models.TextField(primary_key=True)
    rule = models.JSONField()
    is_on = models.BooleanField(default=True)
    changed_at = models.DateTimeField(default=timezone.now)
    changed_by = models.TextField()

    class Meta:
        managed = False
        db_table = "metrics_alertrule"
        verbose_name = "alert rule"
        verbose_name_plural = "alert rules"

    def __str__(self) -> str:
        """Return its name."""
        return self.name


class Incident(models.Model):
    """Something that somebody must look at, from its first sign to its end."""

    id = models.BigAutoField(primary_key=True)
    source = models.TextField()
    fingerprint = models.TextField()
    started_at = models.DateTimeField()
    name = models.TextField()
    severity = models.TextField()
    labels = models.JSONField(default=dict)
    summary = models.TextField()
    description = models.TextField(default="")
    runbook = models.TextField(default="")
    ledger = models.ForeignKey(Ledger, models.DO_NOTHING, db_constraint=False, null=True)
    opened_at = models.DateTimeField(default=timezone.now)
    opened_by = models.TextField(default="")
    ended_at = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.TextField(default="")
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.TextField(default="")

    IN_STATE: ClassVar[dict[str, dict[str, bool]]] = {
        "open": {"acknowledged_at__isnull": True, "resolved_at__isnull": True},
        "acknowledged": {"acknowledged_at__isnull": False, "resolved_at__isnull": True},
        "resolved": {"resolved_at__isnull": False},
    }
    """What the rows of each state have in common, as `word` says it."""

    class Meta:
        managed = False
        db_table = "metrics_incident"
        verbose_name = "incident"
        verbose_name_plural = "incidents"

    def __str__(self) -> str:
        """Return its number and name."""
        return f"{self.pk} {self.name}"

    def word(self) -> str:
        """Return how far people are with it: `open`, `acknowledged` or `resolved`."""
        if self.resolved_at is not None:
            return "resolved"
        return "open" if self.acknowledged_at is None else "acknowledged"


class Receiver(models.Model):
    """Who is told of incidents, and how."""

    id = models.BigAutoField(primary_key=True)
    name = models.TextField()
    kind = models.TextField()
    severity = models.TextField(default="warning")
    target = models.TextField(default="")
    secret = models.TextField(default="")
    made_at = models.DateTimeField(default=timezone.now)
    made_by = models.TextField()
    ended_at = models.DateTimeField(null=True)
    ended_by = models.TextField(default="")

    class Meta:
        managed = False
        db_table = "metrics_receiver"
        verbose_name = "receiver"
        verbose_name_plural = "receivers"

    def __str__(self) -> str:
        """Return its name."""
        return self.name


class Anomaly(models.Model):
    """Something that is not as usual, with what shows it."""

    id = models.BigAutoField(primary_key=True)
    detector = models.TextField()
    measure = models.TextField()
    family = models.TextField()
    labels = models.TextField()
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    found_at = models.DateTimeField(default=timezone.now)
    severity = models.TextField()
    score = models.FloatField()
    seen = models.FloatField(null=True)
    expected = models.FloatField(null=True)
    evidence = models.JSONField()
    judged_at = models.DateTimeField(null=True)
    judged_by = models.TextField(default="")
    is_real = models.BooleanField(null=True)
    reason = models.TextField(default="")

    class Meta:
        managed = False
        db_table = "metrics_anomaly"
        verbose_name = "anomaly"
        verbose_name_plural = "anomalies"

    def __str__(self) -> str:
        """Return what it is of."""
        return f"{self.measure} {self.labels}".strip()


class Remedy(models.Model):
    """What the platform would do, and does when a person has said yes."""

    id = models.BigAutoField(primary_key=True)
    anomaly = models.ForeignKey(Anomaly, models.DO_NOTHING, db_constraint=False, null=True)
    incident = models.ForeignKey(Incident, models.DO_NOTHING, db_constraint=False, null=True)
    act = models.TextField()
    target = models.TextField()
    reason = models.TextField()
    proposed_at = models.DateTimeField(default=timezone.now)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.TextField(default="")
    is_approved = models.BooleanField(null=True)
    done_at = models.DateTimeField(null=True)
    outcome = models.TextField(default="")

    class Meta:
        managed = False
        db_table = "metrics_remedy"
        verbose_name = "remedy"
        verbose_name_plural = "remedies"

    def __str__(self) -> str:
        """Return what it does."""
        return f"{self.act} {self.target}"


class Objective(models.Model):
    """What part of a service must be good, over how many days."""

    name = models.TextField(primary_key=True)
    indicator = models.TextField()
    target = models.DecimalField(max_digits=8, decimal_places=6)
    days = models.IntegerField()
    changed_at = models.DateTimeField(default=timezone.now)
    changed_by = models.TextField()

    class Meta:
        managed = False
        db_table = "metrics_objective"
        verbose_name = "objective"
        verbose_name_plural = "objectives"

    def __str__(self) -> str:
        """Return its name."""
        return self.name

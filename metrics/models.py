"""The rows that people decide over metrics by: metrics/sql/0001_rollups.sql.

Owns shapes alone; what is counted has no models, since only rollup.py, flushing.py and the page
write it. Each change of these rows leaves an entry: switches.py, custom.py, prices.py, budgets.py.
"""

from __future__ import annotations

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

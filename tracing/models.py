"""The rows of traces: spans, the traces they make, log lines, and captures of slow work.

Owns shapes alone: tracing/sql. Spans and lines are written in bulk by what takes them in, never
through these models; they are here to be read, and for permissions.
"""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class Trace(models.Model):
    """One trace of one ledger, summed while its spans come in."""

    pk = models.CompositePrimaryKey("ledger_id", "trace_id")
    ledger_id = models.IntegerField()
    trace_id = models.TextField()
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    name = models.TextField(default="")
    service = models.TextField(default="")
    agent_id = models.TextField(default="")
    session_id = models.TextField(default="")
    has_root = models.BooleanField(default=False)
    spans = models.BigIntegerField()
    errors = models.BigIntegerField(default=0)
    made_events = models.BigIntegerField(default=0)
    input_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    cost_usd = models.DecimalField(max_digits=20, decimal_places=9, default=0)
    updated_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "tracing_trace"
        verbose_name = "trace"
        verbose_name_plural = "traces"

    def __str__(self) -> str:
        """Return its id."""
        return self.trace_id


class Span(models.Model):
    """One span, as sent and as normalised."""

    pk = models.CompositePrimaryKey("ledger_id", "trace_id", "span_id", "started_at")
    ledger_id = models.IntegerField()
    trace_id = models.TextField()
    span_id = models.TextField()
    started_at = models.DateTimeField()
    start_ns = models.BigIntegerField()
    duration_ns = models.BigIntegerField()
    parent_id = models.TextField(default="")
    name = models.TextField()
    kind = models.SmallIntegerField(default=0)
    status = models.SmallIntegerField(default=0)
    status_message = models.TextField(default="")
    service = models.TextField(default="")
    agent_id = models.TextField(default="")
    session_id = models.TextField(default="")
    operation = models.TextField(default="")
    subject = models.TextField(default="")
    input_tokens = models.BigIntegerField(null=True)
    output_tokens = models.BigIntegerField(null=True)
    cost_usd = models.DecimalField(max_digits=20, decimal_places=9, null=True)
    arguments_sha256 = models.TextField(default="")
    event_id = models.UUIDField(null=True)
    scope = models.TextField(default="")
    attributes = models.JSONField(default=dict)
    resource = models.JSONField(default=dict)
    events = models.JSONField(default=list)
    links = models.JSONField(default=list)
    received_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "tracing_span"
        verbose_name = "span"
        verbose_name_plural = "spans"

    def __str__(self) -> str:
        """Return its name."""
        return self.name


class Line(models.Model):
    """One log line that was sent in."""

    pk = models.CompositePrimaryKey("ledger_id", "at", "digest")
    ledger_id = models.IntegerField()
    at = models.DateTimeField()
    digest = models.BinaryField()
    received_at = models.DateTimeField()
    severity = models.SmallIntegerField()
    service = models.TextField(default="")
    agent_id = models.TextField(default="")
    task_id = models.TextField(default="")
    trace_id = models.TextField(default="")
    span_id = models.TextField(default="")
    logger = models.TextField(default="")
    message = models.TextField()
    fields = models.JSONField(default=dict)
    event_id = models.UUIDField(null=True)

    class Meta:
        managed = False
        db_table = "tracing_line"
        verbose_name = "log line"
        verbose_name_plural = "log lines"

    def __str__(self) -> str:
        """Return what it says."""
        return self.message


class Capture(models.Model):
    """Slow work is caught until a time."""

    id = models.BigAutoField(primary_key=True)
    sort = models.TextField()
    slower_ms = models.IntegerField()
    starts_at = models.DateTimeField(default=timezone.now)
    ends_at = models.DateTimeField()
    made_by = models.TextField()
    ended_by = models.TextField(default="")

    class Meta:
        managed = False
        db_table = "tracing_capture"
        verbose_name = "capture"
        verbose_name_plural = "captures"

    def __str__(self) -> str:
        """Return what it catches."""
        return f"{self.sort} over {self.slower_ms} ms"


class Profile(models.Model):
    """One slow request, task or statement that was caught."""

    id = models.BigAutoField(primary_key=True)
    sort = models.TextField()
    name = models.TextField()
    at = models.DateTimeField()
    duration_ms = models.FloatField()
    process = models.TextField(default="")
    request_id = models.TextField(default="")
    trace_id = models.TextField(default="")
    report = models.JSONField()

    class Meta:
        managed = False
        db_table = "tracing_profile"
        verbose_name = "profile"
        verbose_name_plural = "profiles"

    def __str__(self) -> str:
        """Return what was slow."""
        return self.name

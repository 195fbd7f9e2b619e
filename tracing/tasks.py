"""Celery tasks of traces. Losing one costs time, never a span."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from tracing import retain


@shared_task(name="tracing.retain")
def keep_days() -> None:
    """Make days of spans and lines ahead and drop old ones; beat calls it each hour."""
    retain.keep_days(timezone.now())

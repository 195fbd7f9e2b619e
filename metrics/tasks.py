"""Celery tasks of metrics: wake-ups for verbs. Losing one costs freshness, never a count."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from metrics import facts, history, past, presence, spans, upkeep
from metrics.alerting.calling import evaluate_and_call
from metrics.alerting.evaluate import Change
from metrics.incidents.opening import end_incident, open_incident
from metrics.notifying import deliver
from metrics.remedies import looking


@shared_task(name="metrics.facts")
def ask_for_facts() -> None:
    """Ask every source of facts, remember what has grown; beat calls it each 15 seconds."""
    try:
        facts.refresh_facts()
    finally:  # a source with a defect must not let the rest grow for ever
        past.remember()
        presence.forget_old()


@shared_task(name="metrics.history")
def keep_gauges() -> None:
    """Keep what gauges say now in this minute of history; beat calls it each 15 seconds."""
    history.keep_gauges(timezone.now())


@shared_task(name="metrics.alerts")
def evaluate_alerts() -> None:
    """Evaluate the alert rules in force and open incidents; beat calls it each 30 seconds.

    Off where Prometheus does so: OBS_ALERTS_EVALUATE.
    """
    if not settings.ALERTS_EVALUATE:
        return
    now = timezone.now()
    evaluate_and_call(now, fires=_open, ends=partial(_end, at=now))


def _open(change: Change) -> None:
    rule = change.rule
    assert rule is not None, "what fires is of a rule in force"
    open_incident(
        source="evaluator",
        fingerprint=change.fingerprint,
        started_at=change.since,
        name=change.name,
        severity=rule.severity,
        labels=change.labels,
        summary=change.summary,
        description=change.description,
        runbook=rule.runbook,
    )


def _end(change: Change, *, at: datetime) -> None:
    end_incident(fingerprint=change.fingerprint, started_at=change.since, ended_at=at)


@shared_task(name="metrics.upkeep")
def keep_days() -> None:
    """Make and drop days of minute history; beat calls it each hour."""
    upkeep.keep_days(timezone.now().date())


@shared_task(name="metrics.notify")
def tell_of_incidents(_of: int | None = None) -> None:
    """Send the messages that wait; beat calls it each ten seconds, the bell when there is one."""
    deliver.deliver_waiting(timezone.now())


@shared_task(name="metrics.anomalies")
def look_for_anomalies() -> None:
    """Find what is not as usual, tell of what is grave; beat calls it each five minutes."""
    looking.look(timezone.now())


@shared_task(name="metrics.spans")
def add_up_spans() -> None:
    """Add minutes of history up to longer spans; beat calls it each minute."""
    spans.add_up(timezone.now())

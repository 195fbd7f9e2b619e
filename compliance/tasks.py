"""Celery tasks of scores: wake-ups for verbs. Losing one costs time, never a score."""

from __future__ import annotations

from celery import shared_task

from compliance import posture, remind, tally
from compliance.gather import Ledger


@shared_task(name="compliance.posture")
def seal_postures() -> None:
    """Seal today's posture of every framework and ledger; beat calls it each night."""
    for ledger in Ledger.objects.filter(is_read_only=False).order_by("id"):
        posture.seal_postures(ledger)


@shared_task(name="compliance.posture_when_due")
def seal_due_postures() -> None:
    """Seal the first postures of a young ledger, and those that entries have outdated.

    Beat calls it each five minutes.
    """
    for ledger in Ledger.objects.filter(is_read_only=False).order_by("id"):
        posture.seal_due_postures(ledger)


@shared_task(name="compliance.rebuild_stale")
def rebuild_stale() -> None:
    """Rebuild tallies that another catalogue, list or limit has made; beat calls it each minute."""
    tally.rebuild_stale()


@shared_task(name="compliance.evaluate_period")
def seal_period(ledger: str, framework: str, start: str, end: str, by: str = "") -> None:
    """Evaluate and seal a period that a person asked for; dates as `2026-10-01`, end excluded."""
    posture.seal_period(Ledger.objects.get(name=ledger), framework, start=start, end=end, by=by)


@shared_task(name="compliance.remind")
def send_reminders() -> None:
    """Write to the people of what ends in 60, 30 and 7 days; beat calls it each day."""
    remind.send_reminders()

"""Celery tasks of scores: wake-ups for verbs. Losing one costs time, never a score."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from compliance import deliver_report, draw_sample, make_report, posture, remind, slots, tally
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


@shared_task(name="compliance.schedules")
def run_schedules() -> None:
    """Notice what schedules are due, ask for it and follow it; beat calls it each 20 seconds."""
    slots.run_schedules(timezone.now())


@shared_task(name="compliance.deliveries")
def deliver_reports() -> None:
    """Send the reports that wait to their recipients; beat calls it each 20 seconds."""
    deliver_report.deliver_waiting(timezone.now())


@shared_task(name="compliance.reports")
def make_reports(ledger_id: int | None = None) -> None:
    """Make the reports that wait, of one ledger or of all; none when another worker took them.

    Beat calls it each ten seconds: the bell may have been lost, and nobody rings for a signature.
    """
    make_report.make_reports(ledger_id)


@shared_task(name="compliance.draw_samples")
def draw_samples(ledger_id: int | None = None) -> None:
    """Draw the samples that wait, of one ledger or of all.

    Beat calls it each ten seconds: the bell may have been lost, and a worker too.
    """
    draw_sample.draw_samples(ledger_id)

"""Celery tasks: wake-ups for verbs. Losing one costs time, never an event."""

from __future__ import annotations

from celery import shared_task
from django.db import connection
from django.utils import timezone

from audit import (
    announce,
    append,
    bell,
    blank,
    erasing,
    export,
    exporting,
    project,
    prune,
    pulse,
    run_queue,
    runs,
)
from audit.models import Ledger


@shared_task(name="audit.append")
def append_ledger(ledger_id: int) -> None:
    """Chain what waits in the inbox of one ledger, then wake its projections."""
    if append.append_pending(ledger_id):
        bell.ring(ledger_id, task="audit.project")


@shared_task(name="audit.project")
def project_ledger(ledger_id: int) -> None:
    """Let every projection read the new entries of one ledger."""
    project.catch_up_all(ledger_id, patience=project.Patience(seconds=1))


@shared_task(name="audit.announce")
def announce_quarantined() -> None:
    """Leave entries about what came to quarantine; beat calls it each minute."""
    for ledger in Ledger.objects.order_by("id"):
        announce.announce_quarantined(ledger)


@shared_task(name="audit.pulse")
def report_state() -> None:
    """Say in each ledger what waits and what is kept, when it is due; beat calls it each minute."""
    for ledger in Ledger.objects.order_by("id"):
        pulse.report_queue(ledger)
        pulse.report_retention(ledger)


@shared_task(name="audit.make_months")
def make_months() -> None:
    """Make the partitions of this month and the three after it; beat calls it each day."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT audit_make_month((%s::date + make_interval(months => ahead))::date)
            FROM generate_series(0, 3) AS ahead
            """,
            [timezone.now().date()],
        )


@shared_task(name="audit.verify_new")
def verify_new() -> None:
    """Verify what is new of each ledger; beat calls it each ten seconds."""
    for ledger in Ledger.objects.order_by("id"):
        runs.verify_new(ledger)


@shared_task(name="audit.verify_sample")
def verify_sample() -> None:
    """Verify a random stretch of each ledger; beat calls it each minute.

    Rings for runs that wait, too: the bell may have been lost.
    """
    for ledger in Ledger.objects.order_by("id"):
        if run_queue.is_any_queued(ledger):
            bell.ring(ledger.id, task="audit.verify_run")
        runs.verify_sample(ledger)


@shared_task(name="audit.verify_all")
def verify_all() -> None:
    """Ask for a whole verification of every ledger; beat calls it each night.

    Only asks: Redis hands a task that runs for more than a minute to a second worker.
    """
    for ledger in Ledger.objects.order_by("id"):
        run_queue.ask_for_run(ledger, kind="nightly", requested_by="schedule")


@shared_task(name="audit.verify_run")
def verify_run(ledger_id: int) -> None:
    """Run the verifications that wait for one ledger; none when another worker took them."""
    runs.work_through_queue(Ledger.objects.get(id=ledger_id))


@shared_task(name="audit.export_run")
def export_run(ledger_id: int) -> None:
    """Make the exports that wait for one ledger; none when another worker took them."""
    exporting.work_through_exports(Ledger.objects.get(id=ledger_id))


@shared_task(name="audit.expire_exports")
def expire_exports() -> None:
    """Delete the files of exports whose time is over; beat calls it each ten minutes.

    Rings for exports that wait, too: the bell may have been lost.
    """
    for ledger in Ledger.objects.order_by("id"):
        if export.is_any_waiting(ledger):
            bell.ring(ledger.id, task="audit.export_run")
    export.expire_exports(timezone.now())


@shared_task(name="audit.erase")
def erase(ledger_id: int) -> None:
    """Work on the erasures that wait for one ledger; none when another worker took them."""
    erasing.work_through_erasures(Ledger.objects.get(id=ledger_id))


@shared_task(name="audit.erase_again")
def erase_again() -> None:
    """Destroy subject keys that a restored backup brought back; beat calls it each minute.

    Rings for erasures that wait, too: the bell may have been lost.
    """
    erasing.erase_again()
    for ledger in Ledger.objects.order_by("id"):
        if erasing.is_any_waiting(ledger):
            bell.ring(ledger.id, task="audit.erase")


@shared_task(name="audit.prune")
def prune_ledger(ledger_id: int) -> None:
    """Work on the purge of one ledger; nothing when another worker has it."""
    prune.work_through_plans(ledger_id)


@shared_task(name="audit.ring_purges")
def ring_purges() -> None:
    """Ring for purges that wait; beat calls it each minute, since the bell may have been lost."""
    for ledger in Ledger.objects.order_by("id"):
        if prune.is_any_waiting(ledger):
            bell.ring(ledger.id, task="audit.prune")


@shared_task(name="audit.outlived")
def let_go_of_the_outlived() -> None:
    """Blank quarantined content older than its policy, drop pruned months; each night, by beat."""
    for ledger in Ledger.objects.order_by("id"):
        blank.blank_quarantine(ledger)
    prune.drop_months(timezone.now().date())

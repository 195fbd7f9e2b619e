"""Schedules, slots and reports that ended, for tests of schedules; reports are put in as made.

`beat(at)` is what beat calls. A schedule of a test counts from long ago.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from audit.append import append_pending
from audit.models import Entry, Ledger
from compliance.acting import Person
from compliance.models import Delivery, Report, ReportFile, Schedule, Slot
from compliance.report_files import path_of, shown_name
from compliance.schedule import WantedRecipient, WantedSchedule, make_schedule
from compliance.slots import report_ended, run_schedules
from compliance.snapshot import seal_snapshot
from tests.compliance.results import a_result
from tests.conftest import entries

ALICE = Person(id=1, name="alice")
LONG_AGO = datetime(2026, 5, 20, 12, tzinfo=UTC)
SECRET = "0123456789abcdef-of-a-test"


def wanted(**fields: Any) -> WantedSchedule:
    """Return a monthly schedule; `fields` replace members."""
    return WantedSchedule(
        **{
            "name": f"monthly {uuid.uuid4().hex[:6]}",
            "framework": "soc2",
            "environment": "prod",
            "cron": "0 6 1 * *",
            "zone": "Europe/Berlin",
            "period": "last_month",
            "formats": ("pdf", "json"),
            "recipients": (),
        }
        | fields
    )


def recipient(
    kind: str, address: str, *, row: int = 0, secret: str | None = SECRET, **options: Any
) -> WantedRecipient:
    """Return a recipient; mail has no secret."""
    given = "" if kind == "email" else secret
    return WantedRecipient(row=row, kind=kind, address=address, options=options, secret=given)


def scheduled(ledger: Ledger, *, since: datetime = LONG_AGO, **fields: Any) -> Schedule:
    """Make a schedule that counts from `since`; what other tests left does nothing any more."""
    Schedule.objects.exclude(ledger=ledger).filter(is_on=True).update(is_on=False)
    Delivery.objects.exclude(ledger=ledger).filter(state="waiting").update(state="failed")
    made = make_schedule(ledger, wanted(**fields), by=ALICE)
    Schedule.objects.filter(ledger_id=ledger.id, id=made.id).update(counts_from=since)
    made.refresh_from_db()
    return made


def beat(at: datetime) -> int:
    """Do what beat asks for at a moment."""
    return run_schedules(at)


def slots_of(schedule: Schedule) -> list[Slot]:
    """Return the slots of a schedule, the oldest first."""
    return list(
        Slot.objects.filter(ledger_id=schedule.ledger_id, schedule_id=schedule.id).order_by(
            "due_at"
        )
    )


def reports_of(schedule: Schedule) -> list[Report]:
    """Return the reports that a schedule asked for, in the order in which it did."""
    return list(
        Report.objects.select_related("ledger")
        .filter(ledger_id=schedule.ledger_id, schedule_id=schedule.id)
        .order_by("id")
    )


def deliveries_of(schedule: Schedule) -> list[Delivery]:
    """Return what is on its way, by position."""
    return list(
        Delivery.objects.select_related("ledger")
        .filter(ledger_id=schedule.ledger_id, schedule_id=schedule.id)
        .order_by("report_id", "position")
    )


def fail(report: Report, note: str = "the disk is full", *, now: datetime) -> None:
    """Let a report fail as its worker does."""
    Report.objects.filter(ledger_id=report.ledger_id, id=report.id).update(
        state="failed", note=note
    )
    report.refresh_from_db()
    report_ended(report, now=now)


def finish(
    report: Report, files: Mapping[str, bytes] | None = None, *, now: datetime | None = None
) -> Report:
    """Let a report be done, its files by format where they belong."""
    snapshot = seal_snapshot(report.ledger, a_result(ledger=report.ledger.name), kind="posture")
    for name, content in (files or {"pdf": b"%PDF-1.7 a report", "json": b"{}"}).items():
        row = ReportFile.objects.create(
            ledger=report.ledger,
            report_id=report.id,
            name=shown_name(report, name),
            format=name,
            size=len(content),
            sha256=sha256(content).hexdigest(),
        )
        path = path_of(report, row)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    Report.objects.filter(ledger_id=report.ledger_id, id=report.id).update(
        state="done",
        snapshot_id=snapshot.id,
        content_sha256="c" * 64,
        report_id="d" * 32,
        evidenced="87.4",
        tested="91.0",
        coverage="88.0",
        cap=100,
        band="needs work",
        finished_at=now or LONG_AGO,
    )
    report.refresh_from_db()
    report_ended(report, now=now)
    return report


def delivered(schedule: Schedule, *, files: Mapping[str, bytes] | None = None) -> Report:
    """Let the first slot of a schedule be due and its report be done: it waits for delivery."""
    first = datetime(2026, 6, 1, 12, tzinfo=UTC)
    beat(first)
    (report,) = reports_of(schedule)
    finish(report, files, now=first)
    Delivery.objects.filter(ledger_id=report.ledger_id, report_id=report.id).update(
        next_try_at=first
    )
    return report


def told(ledger: Ledger, action: str) -> list[Entry]:
    """Chain what waits and return the entries of an action."""
    append_pending(ledger.id)
    return [each for each in entries(ledger) if each.action == action]


def after(moment: datetime, seconds: float) -> datetime:
    """Return a moment that much later."""
    return moment + timedelta(seconds=seconds)

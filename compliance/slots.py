"""Follow schedules: notice when one was due, ask for its report, try again, and tell who waits.

A slot is a schedule and a time at which it was due: one row, so that two beats make one report, and
one report, whatever is tried again. What was due while nobody looked is made up, the newest first,
at most the last twelve; of older ones a row says that they were passed over. A report that failed
is tried again with growing pauses, five times in about two hours; then the slot has failed, which
the Overview, a metric, a log line and a mail say.

`run_schedules` is called each 20 seconds and may run twice at once: each step holds the row that it
changes. Times: cron.py. Making: make_report.py, which calls `report_ended`. Recipients:
deliver_report.py.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from functools import partial
from smtplib import SMTPException
from typing import Final

import structlog
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.utils import timezone

from compliance.acting import ActRefused, Person
from compliance.cron import CronRefused, period_of, runs
from compliance.deliver_report import ask_deliveries
from compliance.gather import receive_own, rows
from compliance.models import Report, Schedule, Slot
from compliance.report import ask_for_report, retry_report, want_report

log = structlog.get_logger(__name__)

MADE_UP: Final = 12
"""Missed slots of a schedule that are made up."""
PAUSES: Final = (60, 300, 1_440, 5_400)
"""Seconds before the second, third, fourth and fifth try: two hours in all."""
TRIES: Final = len(PAUSES) + 1

_NEWEST = """
SELECT max(due_at)
FROM compliance_slot
WHERE ledger_id = %s
  AND schedule_id = %s
"""
# The schedule may have been paused or changed since it was read.
_NOTICE = """
INSERT INTO compliance_slot (ledger_id, schedule_id, due_at, state, note, finished_at)
SELECT schedule.ledger_id, schedule.id, due.due_at, %(state)s, %(note)s, %(finished_at)s
FROM compliance_schedule AS schedule, unnest(%(due)s::timestamptz[]) AS due (due_at)
WHERE schedule.ledger_id = %(ledger)s
  AND schedule.id = %(schedule)s
  AND schedule.is_on
  AND schedule.counts_from < due.due_at
ON CONFLICT DO NOTHING
RETURNING due_at
"""
_DUE = """
SELECT ledger_id, schedule_id, due_at
FROM compliance_slot
WHERE state = 'waiting'
  AND (next_try_at IS NULL OR next_try_at <= %s)
ORDER BY ledger_id, due_at DESC
"""
_ENDED = """
SELECT report.ledger_id, report.id
FROM compliance_slot AS slot
JOIN compliance_report AS report ON report.ledger_id = slot.ledger_id AND report.id = slot.report_id
WHERE slot.state = 'making'
  AND report.state IN ('done', 'failed', 'cancelled')
ORDER BY report.ledger_id, report.id
"""


def run_schedules(now: datetime) -> int:
    """Take every schedule a step further, and return how many slots were noticed."""
    noticed = notice_slots(now)
    ask_due(now)
    for ledger_id, report_id in rows(_ENDED):
        report_ended(Report.objects.select_related("ledger").get(ledger_id=ledger_id, id=report_id))
    return noticed


# --- Noticing ------------------------------------------------------------------------------------


def notice_slots(now: datetime) -> int:
    """Make a row of every slot that was due up to now, once, and return how many are new."""
    going = (
        Schedule.objects.filter(is_on=True, removed_at=None, ledger__is_read_only=False)
        .defer("secrets")
        .order_by("ledger_id", "id")
    )
    return sum(_notice(schedule, now) for schedule in going)


def _notice(schedule: Schedule, now: datetime) -> int:
    ((newest,),) = rows(_NEWEST, (schedule.ledger_id, schedule.id))
    since = max(schedule.counts_from, newest) if newest else schedule.counts_from
    last: deque[datetime] = deque(maxlen=MADE_UP)
    passed: list[datetime] = []  # the first and the last of them
    missed = 0
    try:
        for due in runs(schedule.cron, schedule.zone, since):
            if due > now:
                break
            missed += 1
            if len(last) == MADE_UP:
                passed = [passed[0] if passed else last[0], last[0]]
            last.append(due)
    except CronRefused as refused:
        # It was checked when it was saved: the list of zones is another one now.
        log.error("compliance.schedule_unreadable", schedule=schedule.name, error=str(refused))
        return 0
    if not last:
        return 0
    with transaction.atomic():
        if passed:
            _pass_over(schedule, missed - MADE_UP, passed, now)
        return len(_insert(schedule, list(last)))


def _pass_over(schedule: Schedule, count: int, passed: list[datetime], now: datetime) -> None:
    first, last = (f"{each:%Y-%m-%d %H:%M} UTC" for each in passed)
    said = f"1 slot, of {last}," if count == 1 else f"{count:,} slots from {first} to {last}"
    note = (
        f"{said} passed over: nothing ran then, and only the last {MADE_UP} are made up;"
        " ask for a report of an older period by hand"
    )
    if _insert(schedule, passed[1:], state="passed", note=note, finished_at=now):
        log.warning("compliance.slots_passed_over", schedule=schedule.name, slots=count)


def _insert(
    schedule: Schedule,
    due: list[datetime],
    *,
    state: str = "waiting",
    note: str = "",
    finished_at: datetime | None = None,
) -> list[tuple[datetime]]:
    return rows(
        _NOTICE,
        {
            "ledger": schedule.ledger_id,
            "schedule": schedule.id,
            "due": due,
            "state": state,
            "note": note,
            "finished_at": finished_at,
        },
    )


# --- Asking --------------------------------------------------------------------------------------


def ask_due(now: datetime) -> int:
    """Ask for the report of every slot that waits for one, and return of how many."""
    return sum(_ask(*key, now=now) for key in rows(_DUE, (now,)))


def _ask(ledger_id: int, schedule_id: int, due_at: datetime, *, now: datetime) -> bool:
    with transaction.atomic():
        slot = _held(ledger_id, schedule_id, due_at, state="waiting")
        if slot is None:
            return False  # another beat got there first
        schedule = Schedule.objects.select_related("ledger").get(
            ledger_id=ledger_id, id=schedule_id
        )
        if schedule.removed_at is not None:
            _end(slot, "passed", note="its schedule was removed", now=now)
            return False
        if slot.report_id is None:
            try:
                report = _first_report(schedule, due_at)
            except ActRefused as refused:
                _fail(slot, schedule, f"it cannot be asked for: {refused}", now=now)
                return False
            slot.report_id = report.id
        else:
            report = Report.objects.select_related("ledger").get(
                ledger_id=ledger_id, id=slot.report_id
            )
            retry_report(report)  # one that ended meanwhile is found by run_schedules
        slot.attempts += 1
        _write(slot, state="making", report_id=slot.report_id, attempts=slot.attempts, note="")
    return True


def _first_report(schedule: Schedule, due_at: datetime) -> Report:
    start, end = period_of(schedule.period, due_at, schedule.zone)
    wanted = want_report(
        schedule.ledger,
        schedule.framework,
        start=start,
        end=end,
        environment=schedule.environment,
        formats=schedule.formats,
        reason=f"schedule {schedule.name}",
        owner=schedule.changed_by,
    )
    return ask_for_report(wanted, via="schedule", by="", schedule_id=schedule.id, slot_due=due_at)


# --- Following -----------------------------------------------------------------------------------


def report_ended(report: Report, *, now: datetime | None = None) -> None:
    """Take note that a report is done, failed or cancelled; call it as often as you like.

    Done: its recipients get it. Failed: its slot is tried again, or has failed. A report that no
    slot asked for changes nothing here.
    """
    if report.schedule_id is None or report.slot_due is None:
        return
    now = now or timezone.now()
    with transaction.atomic():
        slot = _held(report.ledger_id, report.schedule_id, report.slot_due, state="making")
        if slot is None or slot.report_id != report.id:
            return  # it was noted before
        schedule = Schedule.objects.select_related("ledger").get(
            ledger_id=report.ledger_id, id=report.schedule_id
        )
        if report.state == "done":
            ask_deliveries(report, schedule)
            _end(slot, "done", note="", now=now)
        elif report.state == "cancelled":
            _end(slot, "passed", note=f"{report.cancelled_by} cancelled its report", now=now)
        elif report.state == "failed" and slot.attempts >= TRIES:
            _fail(slot, schedule, report.note, now=now)
        elif report.state == "failed":
            pause = timedelta(seconds=PAUSES[slot.attempts - 1])
            _write(slot, state="waiting", next_try_at=now + pause, note=report.note)


def try_slot_again(slot: Slot, *, by: Person) -> None:
    """Let a slot that failed have all its tries again, from now on. Raises ActRefused.

    For a person; it leaves an entry.
    """
    with transaction.atomic():
        updated = Slot.objects.filter(
            ledger_id=slot.ledger_id,
            schedule_id=slot.schedule_id,
            due_at=slot.due_at,
            state="failed",
        ).update(state="waiting", attempts=0, next_try_at=None, note=f"{by.name} tries it again")
        if updated != 1:
            raise ActRefused(field="act", message="it has not failed, so nothing was tried again")
        schedule = Schedule.objects.select_related("ledger").get(
            ledger_id=slot.ledger_id, id=slot.schedule_id
        )
        receive_own(
            schedule.ledger,
            "audit.config_changed",
            by=by.name,
            target={"type": "schedule", "id": str(schedule.uid)},
            details={
                "what": "compliance.schedule",
                "schedule": schedule.name,
                "change": "tried again",
                "slot": slot.due_at.isoformat(),
            },
        )


# --- Rows ----------------------------------------------------------------------------------------


def _held(ledger_id: int, schedule_id: int, due_at: datetime, *, state: str) -> Slot | None:
    """Return the slot, held until the transaction ends; None when its state is another one."""
    return (
        Slot.objects.select_for_update()
        .filter(ledger_id=ledger_id, schedule_id=schedule_id, due_at=due_at, state=state)
        .first()
    )


def _write(slot: Slot, **values: object) -> None:
    Slot.objects.filter(
        ledger_id=slot.ledger_id, schedule_id=slot.schedule_id, due_at=slot.due_at
    ).update(**values)


def _end(slot: Slot, state: str, *, note: str, now: datetime) -> None:
    _write(slot, state=state, note=note, finished_at=now, next_try_at=None)


def _fail(slot: Slot, schedule: Schedule, note: str, *, now: datetime) -> None:
    _end(slot, "failed", note=note, now=now)
    log.error(
        "compliance.slot_failed",
        schedule=schedule.name,
        ledger=schedule.ledger.name,
        due_at=slot.due_at.isoformat(),
        attempts=slot.attempts,
        error=note,
    )
    transaction.on_commit(partial(_tell, slot, schedule, note))


def _tell(slot: Slot, schedule: Schedule, note: str) -> None:
    """Write to the recipients of mail that no report comes. What cannot be sent is logged."""
    to = [each["address"] for each in schedule.recipients if each["kind"] == "email"]
    start, end = period_of(schedule.period, slot.due_at, schedule.zone)
    where = f"{settings.PUBLIC_URL}/admin/" if settings.PUBLIC_URL else "the desk"
    body = (
        f"The report {schedule.framework} from {start} to {end - timedelta(days=1)} of the ledger"
        f" {schedule.ledger.name} could not be made.\n\n"
        f"Schedule   {schedule.name}\n"
        f"Due        {slot.due_at:%Y-%m-%d %H:%M} UTC\n"
        f"Why        {note or 'no reason was given'}\n\n"
        f"It is not tried again before somebody asks for it: {where}, Schedules,"
        f" {schedule.name}.\n"
    )
    for address in to:
        message = EmailMessage(
            subject=f"No report: {schedule.name}, due {slot.due_at:%Y-%m-%d}",
            body=body,
            to=[address],
        )
        try:
            message.send()
        except (SMTPException, OSError) as error:
            log.warning("compliance.slot_mail_failed", to=address, error=str(error))

"""Deliver reports: to whom, when again, and what is left of it in the ledger.

Each recipient of a report is a row. It is tried up to five times in about two hours; a mailbox that
is refused for good is not tried again, and concerns no other. The last word, sent or failed, and
its entry `audit.report_delivered` are kept or lost together. A worker that is killed while it sends
leaves a row that is taken again after a while: at least once, with the same uid.

How it is handed over: delivering.py. What: parcel.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.urls import reverse
from django.utils import timezone

from compliance.acting import ActRefused, Person
from compliance.delivering import Address, hand_over
from compliance.delivery_kinds import KINDS
from compliance.gather import receive_own, rows
from compliance.in_force import catalogue_in_force
from compliance.models import Delivery, Report, Schedule
from compliance.parcel import NotDelivered, Parcel, ParcelFile
from compliance.renderers import FORMATS
from compliance.report_files import files_of, make_link, path_of, stem_of
from compliance.schedule import shown_address
from compliance.schedule_secrets import open_secret

log = structlog.get_logger(__name__)

PAUSES: Final = (60, 300, 1_440, 5_400)
"""Seconds before the second, third, fourth and fifth try: two hours in all."""
TRIES: Final = len(PAUSES) + 1
_LEASE: Final = timedelta(minutes=30)
"""For so long a try is its worker's; longer than any takes."""
_MOST_NOTE: Final = 500
_REPLACED: Final = "the delivery was taken from this worker, which was too slow"

_ASK = """
INSERT INTO compliance_delivery
    (ledger_id, report_id, schedule_id, position, kind, address, options)
SELECT %(ledger)s, %(report)s, %(schedule)s, each.position - 1, each.recipient ->> 'kind',
       each.recipient ->> 'address', each.recipient -> 'options'
FROM compliance_schedule AS schedule,
     jsonb_array_elements(schedule.recipients) WITH ORDINALITY AS each (recipient, position)
WHERE schedule.ledger_id = %(ledger)s
  AND schedule.id = %(schedule)s
ON CONFLICT DO NOTHING
RETURNING id
"""
_TAKE = """
UPDATE compliance_delivery
SET attempts = attempts + 1, next_try_at = %(until)s
WHERE (ledger_id, id) = (
    SELECT ledger_id, id
    FROM compliance_delivery
    WHERE state = 'waiting'
      AND next_try_at <= %(now)s
    ORDER BY next_try_at, ledger_id, id
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
RETURNING ledger_id, id
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Try:
    """One try at one delivery, which is its worker's until `until`."""

    row: Delivery
    report: Report
    until: datetime
    now: datetime


def ask_deliveries(report: Report, schedule: Schedule) -> int:
    """Put a report on its way to everybody whom its schedule names, once; return to how many."""
    asked = {"ledger": report.ledger_id, "report": report.id, "schedule": schedule.id}
    return len(rows(_ASK, asked))


def deliver_waiting(now: datetime) -> int:
    """Try every delivery that is due, and return how many were sent."""
    sent = 0
    until = now + _LEASE
    while taken := rows(_TAKE, {"now": now, "until": until}):
        ((ledger_id, number),) = taken
        row = Delivery.objects.select_related("ledger").get(ledger_id=ledger_id, id=number)
        report = Report.objects.select_related("ledger").get(ledger_id=ledger_id, id=row.report_id)
        sent += _deliver(_Try(row=row, report=report, until=until, now=now))
    return sent


def _deliver(one: _Try) -> bool:
    row = one.row
    if row.attempts > TRIES:
        note = f"{TRIES} tries ended without a word: see the worker's log"
        return _ended(one, "failed", note=note)
    try:
        schedule = _schedule_of(row)
        to = Address(
            kind=row.kind,
            address=row.address,
            options=row.options,
            secret=_secret(schedule, row),
        )
        reference = hand_over(_parcel(one.report, row.uid, schedule), to, now=one.now)
    except NotDelivered as error:
        note = str(error)[:_MOST_NOTE]
        if error.is_final or row.attempts >= TRIES:
            return _ended(one, "failed", note=note)
        pause = timedelta(seconds=PAUSES[row.attempts - 1])
        _update(one, note=note, next_try_at=one.now + pause)
        return False
    return _ended(one, "sent", reference=reference)


def _ended(one: _Try, state: str, *, note: str = "", reference: str = "") -> bool:
    """Write the last word and its entry; True when the report was sent."""
    row, is_sent = one.row, state == "sent"
    with transaction.atomic():
        if not _update(
            one,
            state=state,
            note=note,
            reference=reference,
            sent_at=timezone.now() if is_sent else None,
        ):
            log.warning("compliance.delivery_replaced", delivery=str(row.uid), note=_REPLACED)
            return False
        details: dict[str, object] = {
            "report": str(one.report.uid),
            "delivery": str(row.uid),
            "kind": row.kind,
            "address": shown_address(row.kind, row.address),
            "files": {each.name: each.sha256 for each in files_of(one.report)},
            "attempts": row.attempts,
        }
        if row.asked_by:
            details["asked_by"] = row.asked_by
        blocks = {} if is_sent else _error(note)
        receipt = receive_own(
            row.ledger,
            "audit.report_delivered",
            outcome="success" if is_sent else "failure",
            target={"type": "report", "id": str(one.report.uid)},
            details=details,
            **blocks,
        )
        Delivery.objects.filter(ledger_id=row.ledger_id, id=row.id).update(event_id=receipt.id)
    if not is_sent:
        log.error(
            "compliance.delivery_failed",
            report=one.report.id,
            kind=row.kind,
            address=shown_address(row.kind, row.address),
            error=note,
        )
    return is_sent


def _error(said: str) -> dict[str, Any]:
    return {"error": {"type": "not_delivered", "message": said}}


def _update(one: _Try, **values: object) -> bool:
    """Write into the row, unless the try is somebody else's by now."""
    updated = Delivery.objects.filter(
        ledger_id=one.row.ledger_id,
        id=one.row.id,
        state="waiting",
        attempts=one.row.attempts,
        next_try_at=one.until,
    ).update(**values)
    return updated == 1


# --- By a person ---------------------------------------------------------------------------------


def send_again(delivery: Delivery, by: Person) -> Delivery:
    """Send a report again to one recipient, from now on, with all tries. Raises ActRefused.

    What has failed is tried again under its own uid. What was sent goes as a delivery of its own,
    since the other side drops a repeat. The entry of the delivery names who asked.
    """
    if delivery.state == "waiting":
        raise ActRefused(field="act", message="it is on its way already")
    fresh = {
        "state": "waiting",
        "attempts": 0,
        "next_try_at": timezone.now(),
        "note": "",
        "asked_by": by.name,
    }
    if delivery.state == "failed":
        found = Delivery.objects.filter(
            ledger_id=delivery.ledger_id, id=delivery.id, state="failed"
        )
        if found.update(**fresh) != 1:
            raise ActRefused(field="act", message="somebody else sends it again already")
        return Delivery.objects.select_related("ledger").get(
            ledger_id=delivery.ledger_id, id=delivery.id
        )
    return _another(delivery, by)


_ANOTHER = """
INSERT INTO compliance_delivery
    (ledger_id, report_id, schedule_id, position, kind, address, options, asked_by)
SELECT ledger_id, report_id, schedule_id, %s, kind, address, options, %s
FROM compliance_delivery
WHERE ledger_id = %s
  AND id = %s
ON CONFLICT DO NOTHING
RETURNING id
"""


def _another(delivery: Delivery, by: Person) -> Delivery:
    of_report = Delivery.objects.filter(ledger_id=delivery.ledger_id, report_id=delivery.report_id)
    last = of_report.aggregate(last=Max("position"))["last"]
    made = rows(_ANOTHER, (last + 1, by.name, delivery.ledger_id, delivery.id))
    if not made:
        raise ActRefused(field="act", message="somebody else sends it again already")
    return Delivery.objects.select_related("ledger").get(
        ledger_id=delivery.ledger_id, id=made[0][0]
    )


def send_test(schedule: Schedule, position: int, *, by: Person) -> str:
    """Send a marked test to one recipient of a schedule, now; return what came back.

    Leaves an entry either way. Raises NotDelivered with the cause, ActRefused for no recipient.
    """
    if schedule.removed_at is not None or not 0 <= position < len(schedule.recipients):
        raise ActRefused(field="act", message="it has no such recipient any more")
    given = schedule.recipients[position]
    kind, address = given["kind"], given["address"]
    try:
        secret = open_secret(schedule, kind, address) if KINDS[kind].secret_word else ""
        to = Address(kind=kind, address=address, options=given["options"], secret=secret)
        answer = hand_over(_test_parcel(schedule), to, now=timezone.now())
    except NotDelivered as error:
        _leave_test(schedule, kind, address, by, answer=str(error), is_taken=False)
        raise
    _leave_test(schedule, kind, address, by, answer=answer, is_taken=True)
    return answer


def _leave_test(
    schedule: Schedule, kind: str, address: str, by: Person, *, answer: str, is_taken: bool
) -> None:
    said = answer[:_MOST_NOTE]
    blocks = {} if is_taken else _error(said)
    receive_own(
        schedule.ledger,
        "audit.config_changed",
        by=by.name,
        outcome="success" if is_taken else "failure",
        target={"type": "schedule", "id": str(schedule.uid)},
        details={
            "what": "compliance.schedule",
            "schedule": schedule.name,
            "change": "tested",
            "kind": kind,
            "address": shown_address(kind, address),
            "answer": said,
        },
        **blocks,
    )


# --- What is sent --------------------------------------------------------------------------------


def _schedule_of(row: Delivery) -> Schedule | None:
    if row.schedule_id is None:
        return None
    return Schedule.objects.select_related("ledger").get(
        ledger_id=row.ledger_id, id=row.schedule_id
    )


def _secret(schedule: Schedule | None, row: Delivery) -> str:
    if not KINDS[row.kind].secret_word:
        return ""
    if schedule is None:
        raise NotDelivered("it belongs to no schedule, which would keep its secret", is_final=True)
    return open_secret(schedule, row.kind, row.address)


def _parcel(report: Report, uid: UUID, schedule: Schedule | None) -> Parcel:
    page = reverse("admin:compliance_report_change", args=[report.id])
    return Parcel(
        uid=uid,
        ledger=report.ledger.name,
        origin=report.ledger.origin,
        schedule=schedule.name if schedule else "",
        framework=report.framework,
        framework_name=_name_of(report.framework),
        start=report.start_day,
        end=report.end_day,
        number=report.id,
        report_uid=str(report.uid),
        report_id=report.report_id,
        snapshot=str(report.snapshot_id),
        content_sha256=report.content_sha256,
        evidenced=report.evidenced,
        tested=report.tested,
        coverage=report.coverage,
        cap=report.cap,
        band=report.band,
        stem=stem_of(report),
        page=f"{settings.PUBLIC_URL}{page}" if settings.PUBLIC_URL else "",
        link_seconds=settings.REPORT_LINK_SECONDS,
        files=tuple(
            ParcelFile(
                name=each.name,
                format=each.format,
                content_type=FORMATS[each.format].content_type,
                size=each.size,
                sha256=each.sha256,
                path=path_of(report, each),
                link=make_link(report, each) if settings.PUBLIC_URL else "",
            )
            for each in files_of(report)
        ),
    )


def _test_parcel(schedule: Schedule) -> Parcel:
    today = timezone.now().date()
    return Parcel(
        uid=uuid4(),
        ledger=schedule.ledger.name,
        origin=schedule.ledger.origin,
        schedule=schedule.name,
        framework=schedule.framework,
        framework_name=_name_of(schedule.framework),
        start=today,
        end=today + timedelta(days=1),
        number=0,
        report_uid="",
        report_id="",
        snapshot="",
        content_sha256="",
        evidenced=None,
        tested=None,
        coverage=None,
        cap=None,
        band=None,
        stem=f"{schedule.ledger.name}-test",
        page="",
        link_seconds=settings.REPORT_LINK_SECONDS,
        is_test=True,
    )


def _name_of(framework: str) -> str:
    """Return the name of a framework; its id when it was withdrawn since."""
    known = catalogue_in_force().frameworks.get(framework)
    return known.name if known else framework

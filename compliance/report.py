"""Ask for reports and keep their list: ask, cancel, try again.

A report waits as a row, so that it is made whatever Redis does. What cannot be asked for is refused
before there is a row, with the name of its field. Who makes it: make_report.py. Its files:
report_files.py. Rows: compliance/sql/0004_reports.sql.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, Literal, TypeAlias
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from compliance.acting import EARLIEST, MOST_REASON, ActRefused, read_optional
from compliance.gather import Ledger, ring, rows
from compliance.in_force import catalogue_in_force
from compliance.kinds.base import DAY_US
from compliance.models import Report, Snapshot
from compliance.models.reports import FORMATS
from compliance.result import date_of

Via: TypeAlias = Literal["admin", "api", "command", "schedule"]

MOST_GOING: Final = 20
"""Reports of one ledger that may wait or be made at once; each reads the ledger and costs disk."""
MOST_DAYS: Final = 3_653
"""Ten years; a longer period is a mistake."""
ENVIRONMENTS: Final = ("prod", "staging", "test", "dev")
EVERYWHERE: Final = ""
"""Every environment."""
TASK: Final = "compliance.reports"

_ASK = """
INSERT INTO compliance_report
    (ledger_id, framework, start_day, end_day, environment, formats, snapshot_id, via, asked_by,
     reason, owner)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
RETURNING id
"""
# A slot's report: only the worker may write these columns.
_ASK_FOR_SLOT = """
INSERT INTO compliance_report
    (ledger_id, framework, start_day, end_day, environment, formats, snapshot_id, via, asked_by,
     reason, owner, schedule_id, slot_due)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
RETURNING id
"""
# Its first worker has it already.
_START = """
INSERT INTO compliance_report
    (ledger_id, framework, start_day, end_day, environment, formats, snapshot_id, via, asked_by,
     reason, owner, state, attempt, attempt_at, seen_at)
SELECT %s, %s, %s, %s, %s, %s, %s::uuid, %s, %s, %s, %s, 'running', 1, moment, moment
FROM clock_timestamp() AS moment
RETURNING id
"""
_GOING = """
SELECT count(*)
FROM compliance_report
WHERE ledger_id = %s
  AND state IN ('queued', 'running', 'signing')
"""
_CANCEL = """
UPDATE compliance_report
SET state = 'cancelled', cancelled_by = %s, finished_at = clock_timestamp()
WHERE ledger_id = %s
  AND id = %s
  AND state IN ('queued', 'running', 'signing')
RETURNING id
"""
_RETRY = """
UPDATE compliance_report
SET state = 'queued', cancelled_by = '', finished_at = NULL, note = ''
WHERE ledger_id = %s
  AND id = %s
  AND state IN ('cancelled', 'failed')
RETURNING id
"""


class TooManyReports(Exception):
    """As many reports of the ledger as may be are not finished; the message says what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedReport:
    """What somebody wants a report of, checked by `want_report` and ready to be asked for."""

    ledger: Ledger
    framework: str
    start: date
    end: date
    """The day after the last."""
    environment: str
    """Of the agents that count; empty: all."""
    formats: tuple[str, ...]
    """In the order in which they are offered."""
    snapshot_id: UUID | None = None
    """The sealed result to report; without one the period is evaluated and sealed."""
    reason: str = ""
    """Why; stands in the ledger for ever."""
    owner: str = ""
    """Who answers for it when a machine asks; empty for a person."""


def want_report(
    ledger: Ledger,
    framework: str,
    *,
    start: date,
    end: date,
    environment: str = "prod",
    formats: Collection[str],
    reason: str = "",
    owner: str = "",
) -> WantedReport:
    """Return what can be asked for. Raises ActRefused with the field and the way out."""
    known = catalogue_in_force().frameworks
    if framework not in known:
        raise ActRefused(
            field="framework",
            message=f"no framework in force has this id; there are {', '.join(sorted(known))}",
        )
    check_period(start, end)
    if environment not in (EVERYWHERE, *ENVIRONMENTS):
        raise ActRefused(
            field="environment", message=f"is one of {', '.join(ENVIRONMENTS)}, or empty for all"
        )
    return WantedReport(
        ledger=ledger,
        framework=framework,
        start=start,
        end=end,
        environment=environment,
        formats=check_formats(formats),
        reason=read_optional("reason", reason, most=MOST_REASON),
        owner=owner,
    )


def want_report_of(
    snapshot: Snapshot, *, formats: Collection[str], reason: str = "", owner: str = ""
) -> WantedReport:
    """Return what reports a result that is sealed already. Raises ActRefused."""
    if snapshot.kind != "period":
        raise ActRefused(
            field="snapshot",
            message="this is a daily posture; a report is made of a period, so ask for its days",
        )
    return WantedReport(
        ledger=snapshot.ledger,
        framework=snapshot.framework,
        start=snapshot.start_day,
        end=snapshot.end_day,
        environment=snapshot.environment,
        formats=check_formats(formats),
        snapshot_id=snapshot.id,
        reason=read_optional("reason", reason, most=MOST_REASON),
        owner=owner,
    )


def check_period(start: date, end: date) -> None:
    """Refuse what is no period, and one of which no day has begun. Raises ActRefused."""
    if start >= end:
        raise ActRefused(field="to", message=f"is a day after {start}; it is not reported itself")
    if (end - start).days > MOST_DAYS:
        raise ActRefused(field="to", message=f"is at most {MOST_DAYS:,} days after {start}")
    if start < EARLIEST:
        raise ActRefused(field="from", message=f"is {EARLIEST} or later")
    today = datetime.now(UTC).date()
    if start > today:
        raise ActRefused(
            field="from", message=f"is in the future: today is {today} in UTC, so nothing was seen"
        )


def check_formats(formats: Collection[str]) -> tuple[str, ...]:
    """Return the formats in their order. Raises ActRefused for none, and for one unknown."""
    if not formats:
        raise ActRefused(field="formats", message=f"name at least one of {', '.join(FORMATS)}")
    unknown = sorted(set(formats) - set(FORMATS))
    if unknown:
        raise ActRefused(
            field="formats",
            message=f"there is no format {unknown[0]!r}; there are {', '.join(FORMATS)}",
        )
    return tuple(name for name in FORMATS if name in formats)


def ask_for_report(
    wanted: WantedReport,
    *,
    via: Via,
    by: str,
    schedule_id: int | None = None,
    slot_due: datetime | None = None,
) -> Report:
    """Put a report into the queue and return its row.

    It is durable when this returns and will be made, whatever Redis does. `schedule_id` and
    `slot_due` name the slot that asks, both or none; only a worker may give them. Raises
    TooManyReports, a slot never.
    """
    if schedule_id is None:
        _check_room(wanted.ledger)
        ((number,),) = rows(_ASK, _values(wanted, via, by))
    else:
        assert slot_due is not None, "a slot is known by its schedule and its time"
        ((number,),) = rows(_ASK_FOR_SLOT, (*_values(wanted, via, by), schedule_id, slot_due))
    _ring(wanted.ledger.id)
    return Report.objects.select_related("ledger").get(ledger_id=wanted.ledger.id, id=number)


def begin_report(wanted: WantedReport, *, by: str) -> Report:
    """Put in a report that its first worker has already, for a command that makes it itself.

    Raises TooManyReports.
    """
    _check_room(wanted.ledger)
    ((number,),) = rows(_START, _values(wanted, "command", by))
    return Report.objects.select_related("ledger").get(ledger_id=wanted.ledger.id, id=number)


def _values(wanted: WantedReport, via: Via, by: str) -> tuple[object, ...]:
    return (
        wanted.ledger.id,
        wanted.framework,
        wanted.start,
        wanted.end,
        wanted.environment,
        list(wanted.formats),
        wanted.snapshot_id,
        via,
        by,
        wanted.reason,
        wanted.owner,
    )


def _check_room(ledger: Ledger) -> None:
    ((going,),) = rows(_GOING, (ledger.id,))
    if going >= MOST_GOING:
        raise TooManyReports(
            f"{going} reports of {ledger.name} are not finished; wait for one or cancel one"
        )


def cancel_report(report: Report, by: str) -> bool:
    """Stop a report; its worker notices at its next sign. False when it had ended before."""
    return bool(rows(_CANCEL, (by, report.ledger_id, report.id)))


def retry_report(report: Report) -> bool:
    """Put a report that failed or was cancelled back into the queue; it begins again.

    False when there is nothing to try again.
    """
    found = rows(_RETRY, (report.ledger_id, report.id))
    if found:
        _ring(report.ledger_id)
    return bool(found)


def _ring(ledger_id: int) -> None:
    transaction.on_commit(lambda: ring(ledger_id, task=TASK))


def is_over(end: date, *, now: datetime | None = None) -> bool:
    """Tell whether the day before `end` is over in UTC, so that no new entry falls into it."""
    return (now or timezone.now()).astimezone(UTC).date() >= end


def born_on(ledger: Ledger) -> date | None:
    """Return the day of the ledger's first entry, in UTC; None before there is one."""
    found = rows("SELECT born FROM compliance_clock WHERE ledger_id = %s", (ledger.id,))
    return date_of(found[0][0] // DAY_US) if found else None

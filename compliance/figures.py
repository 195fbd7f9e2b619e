"""Read what scores show of themselves: figures for /metrics, from rows that are sealed or drafted.

Never evaluates: a scrape must not become the load it measures. Each statement goes by an index and
gives up after two seconds (audit.figures). Families: compliance.collectors.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from compliance.cron import CronRefused, next_runs
from compliance.gather import rows
from compliance.in_force import catalogue_in_force

EXPIRING_DAYS: Final = 30
"""A waiver that ends within so many days is to be renewed, or what it waives mended."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PostureFigures:
    """The newest posture of a framework on a ledger."""

    ledger: str
    framework: str
    evidenced: float | None
    """0 to 1; None when no score was issued."""
    tested: float | None
    coverage: float | None
    cap: int
    is_withheld: bool
    """No score was issued although the framework applies: what was gathered cannot be relied on."""
    age_seconds: float


# The result is opened for those alone that have no score.
_POSTURES: Final = """
    SELECT ledger.name,
        asked.framework,
        (posture.evidenced::numeric / 100)::float8,
        (posture.tested::numeric / 100)::float8,
        (posture.coverage::numeric / 100)::float8,
        posture.cap,
        posture.evidenced IS NULL
            AND convert_from(posture.result, 'UTF8')::json ->> 'not_in_force' = '',
        GREATEST(EXTRACT(EPOCH FROM clock_timestamp() - posture.made_at), 0)::float8
    FROM audit_ledger AS ledger
    CROSS JOIN unnest(%s::text[]) AS asked (framework)
    CROSS JOIN LATERAL (
        SELECT *
        FROM compliance_snapshot
        WHERE ledger_id = ledger.id AND framework = asked.framework AND kind = 'posture'
            AND environment = 'prod'
        ORDER BY made_at DESC
        LIMIT 1
    ) AS posture
    ORDER BY ledger.name, asked.framework
"""


def posture_figures() -> list[PostureFigures]:
    """Return the newest posture of each framework in force on each ledger that has one."""
    frameworks = sorted(catalogue_in_force().frameworks)
    return [
        PostureFigures(
            ledger=ledger,
            framework=framework,
            evidenced=evidenced,
            tested=tested,
            coverage=coverage,
            cap=cap,
            is_withheld=is_withheld,
            age_seconds=age_seconds,
        )
        for ledger, framework, evidenced, tested, coverage, cap, is_withheld, age_seconds in rows(
            _POSTURES, (frameworks,)
        )
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenFindings:
    """Findings of a ledger that nobody has closed."""

    ledger: str
    by_severity: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpiringWaivers:
    """Waivers of a ledger that are in force and end soon."""

    ledger: str
    waivers: int


# People write both, one at a time, so they are few and may be counted.
_FINDINGS: Final = """
    SELECT ledger.name, finding.severity, count(finding.id)
    FROM audit_ledger AS ledger
    LEFT JOIN compliance_finding AS finding
        ON finding.ledger_id = ledger.id AND finding.state = 'open'
    GROUP BY ledger.name, finding.severity
    ORDER BY ledger.name
"""
_WAIVERS: Final = """
    SELECT ledger.name, count(waiver.id)
    FROM audit_ledger AS ledger
    CROSS JOIN (SELECT (clock_timestamp() AT TIME ZONE 'UTC')::date AS today) AS now
    LEFT JOIN compliance_decision AS waiver
        ON waiver.ledger_id = ledger.id
        AND waiver.kind = 'waiver'
        AND waiver.state = 'approved'
        AND waiver.expires_on BETWEEN now.today AND now.today + %s
    GROUP BY ledger.name
    ORDER BY ledger.name
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class MadeReports:
    """Reports of a framework, of all ledgers, since the beginning."""

    framework: str
    done: int
    failed: int
    """How often one came to failed; trying it again takes nothing away."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OverdueSlots:
    """Slots of a ledger whose report is not there an hour after it was due."""

    ledger: str
    slots: int


LATE_SECONDS: Final = 3_600
"""After so long a slot that is not done is overdue."""

_REPORTS: Final = """
    SELECT framework,
        count(*) FILTER (WHERE state = 'done'),
        COALESCE(sum(failures), 0)::bigint
    FROM compliance_report
    GROUP BY framework
    ORDER BY framework
"""
# A slot that failed is overdue until a later one of its schedule is done.
_OVERDUE: Final = """
    SELECT ledger.id, ledger.name, count(slot.due_at)
    FROM audit_ledger AS ledger
    LEFT JOIN compliance_slot AS slot
        ON slot.ledger_id = ledger.id
        AND slot.state IN ('waiting', 'making', 'failed')
        AND slot.noticed_at < %(before)s
        AND EXISTS (
            SELECT FROM compliance_schedule AS schedule
            WHERE schedule.ledger_id = slot.ledger_id
              AND schedule.id = slot.schedule_id
              AND schedule.removed_at IS NULL
        )
        AND NOT EXISTS (
            SELECT FROM compliance_slot AS later
            WHERE slot.state = 'failed'
              AND later.ledger_id = slot.ledger_id
              AND later.schedule_id = slot.schedule_id
              AND later.due_at > slot.due_at
              AND later.state = 'done'
        )
    GROUP BY ledger.id, ledger.name
    ORDER BY ledger.name
"""
_GOING: Final = """
    SELECT schedule.ledger_id, schedule.cron, schedule.zone,
        GREATEST(schedule.counts_from, (
            SELECT max(slot.due_at)
            FROM compliance_slot AS slot
            WHERE slot.ledger_id = schedule.ledger_id AND slot.schedule_id = schedule.id
        ))
    FROM compliance_schedule AS schedule
    WHERE schedule.is_on
"""


def made_reports() -> list[MadeReports]:
    """Return how many reports of each framework were done, and how often one failed."""
    return [
        MadeReports(framework=framework, done=done, failed=failed)
        for framework, done, failed in rows(_REPORTS, ())
    ]


def overdue_slots(now: datetime) -> list[OverdueSlots]:
    """Return how many slots of each ledger are overdue; also where none is.

    One that no beat has noticed counts as well, once a schedule, so that a beat that is dead shows.
    """
    before = now - timedelta(seconds=LATE_SECONDS)
    unnoticed = Counter(
        ledger_id
        for ledger_id, cron, zone, since in rows(_GOING, ())
        if _is_due(cron, zone, since, before)
    )
    return [
        OverdueSlots(ledger=ledger, slots=slots + unnoticed[ledger_id])
        for ledger_id, ledger, slots in rows(_OVERDUE, {"before": before})
    ]


def _is_due(cron: str, zone: str, since: datetime, before: datetime) -> bool:
    try:
        found = next_runs(cron, zone, since, count=1)
    except CronRefused:
        return True  # its zone is gone: it will never run, and somebody must look
    return bool(found) and found[0] < before


def open_findings() -> list[OpenFindings]:
    """Return how many findings are open on each ledger, by severity; also where there are none."""
    by_ledger: dict[str, dict[str, int]] = defaultdict(dict)
    for ledger, severity, findings in rows(_FINDINGS, ()):
        counted = by_ledger[ledger]
        if severity is not None:
            counted[severity] = findings
    return [
        OpenFindings(ledger=ledger, by_severity=counted) for ledger, counted in by_ledger.items()
    ]


def expiring_waivers() -> list[ExpiringWaivers]:
    """Return how many waivers in force end within EXPIRING_DAYS on each ledger."""
    found = rows(_WAIVERS, (EXPIRING_DAYS,))
    return [ExpiringWaivers(ledger=ledger, waivers=waivers) for ledger, waivers in found]

"""Read what scores show of themselves: figures for /metrics, from rows that are sealed or drafted.

Never evaluates: a scrape must not become the load it measures. Each statement goes by an index and
gives up after two seconds (audit.figures). Families: compliance.collectors.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

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

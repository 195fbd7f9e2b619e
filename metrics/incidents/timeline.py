"""Keep what became of an incident, step by step. Rows are added, and never changed.

Who writes a step does so in the transaction of what the step tells of.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias

from audit.database import rows

Step: TypeAlias = Literal[
    "opened",
    "ended",
    "acknowledged",
    "resolved",
    "reopened",
    "reviewed",
    "noted",
    "linked",
    "told",
    "not_told",
    "remedy_proposed",
    "remedy_decided",
    "remedy_done",
]

MOST_STEPS: Final = 500
"""Steps of one incident that are read: the newest."""

_WRITE = """
INSERT INTO metrics_incidentact (incident_id, who, act, words, ledger_id, seq)
VALUES (%s, %s, %s, %s, %s, %s)
RETURNING id
"""
_READ = """
SELECT act.at, act.who, act.act, act.words, coalesce(ledger.name, ''), act.seq
FROM metrics_incidentact AS act
LEFT JOIN audit_ledger AS ledger ON ledger.id = act.ledger_id
WHERE act.incident_id = %s
ORDER BY act.id DESC
LIMIT %s
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Act:
    """One step of an incident."""

    at: datetime
    who: str
    """A person's user name; empty: the platform."""
    act: Step
    words: str
    ledger: str
    """Of the entry that it names; empty where it names none."""
    seq: int | None


def write(
    incident_id: int,
    act: Step,
    *,
    by: str = "",
    words: str = "",
    ledger_id: int | None = None,
    seq: int | None = None,
) -> None:
    """Add a step, in the caller's transaction. `ledger_id` and `seq` name an entry, or neither."""
    rows(_WRITE, (incident_id, by, act, words, ledger_id, seq))


def timeline(incident_id: int) -> list[Act]:
    """Return what became of an incident, oldest first."""
    found = [
        Act(at=at, who=who, act=act, words=words, ledger=ledger, seq=seq)
        for at, who, act, words, ledger, seq in rows(_READ, (incident_id, MOST_STEPS))
    ]
    return found[::-1]

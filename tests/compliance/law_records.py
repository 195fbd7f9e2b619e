"""Entries for the tables of laws, without a database: single ones, and the whole demo fleet.

`told(4, "breach.confirmed", {"case.id": "B-1"}, at="2026-10-04T10:00:00Z")` is a record as
evidence hands it out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from audit.actions import ACTIONS
from audit.ledger.record import format_time
from compliance.law import law_facts
from compliance.people import Act
from compliance.report_content import Family, Law, LawTable
from obsplatform.fleet.deliver import deliveries
from obsplatform.fleet.history import history
from obsplatform.fleet.live import live
from tests.compliance.building import day, us

NOW = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)
START, END = "2026-10-21", "2026-11-21"


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """One entry as report_evidence.Record shows it to the tables."""

    seq: int
    received_at: str
    is_backfill: bool
    event: Mapping[str, Any]


def told(
    seq: int,
    action: str,
    fields: Mapping[str, Any] | None = None,
    *,
    at: str,
    received: str | None = None,
    is_backfill: bool = False,
) -> Told:
    """Return an entry of an action with fields by dotted path, received when it happened."""
    event: dict[str, Any] = {
        "id": f"00000000-0000-4000-8000-{seq:012x}",
        "occurred_at": at,
        "category": ACTIONS[action],
        "action": action,
        "outcome": "success",
        "agent": {"id": "claims-bot"},
        "actor": {"type": "human", "id": "alice"},
    }
    for path, value in (fields or {}).items():
        if value is None:
            continue
        block, dot, inner = path.partition(".")
        if dot:
            event.setdefault(block, {})[inner] = value
        else:
            event[block] = value
    return Told(seq=seq, received_at=received or at, is_backfill=is_backfill, event=event)


def facts(
    family: Family,
    records: list[Told],
    *,
    start: str = START,
    end: str = END,
    as_of: str | None = None,
    acts: tuple[Act, ...] = (),
    result: Mapping[str, Any] | None = None,
) -> Law:
    """Return what a law asks of a period, at its end unless another moment is given."""
    return law_facts(
        family,
        records,
        start=day(start),
        end=day(end),
        as_of=us(as_of or end),
        acts=acts,
        result={"framework": family, "environment": "prod", "controls": [], **(result or {})},
    )


def table(law: Law, name: str) -> LawTable:
    """Return the table of an id."""
    (found,) = [one for one in law.tables if one.id == name]
    return found


def cells(law: Law, name: str, column: str) -> list[str]:
    """Return one column of a table."""
    found = table(law, name)
    place = found.columns.index(column)
    return [row[place] for row in found.rows]


@cache
def fleet() -> tuple[Told, ...]:
    """Return the demo fleet told at NOW: its history as a backfill, then its live part."""
    events = [
        (event, is_backfill)
        for told_by, is_backfill in ((history(now=NOW), True), (live(now=NOW), False))
        for post in deliveries(told_by)
        for event in post.events
    ]
    records = [
        Told(seq=seq, received_at=format_time(NOW), is_backfill=is_backfill, event=event)
        for seq, (event, is_backfill) in enumerate(events)
    ]
    retention = told(
        len(records),
        "audit.retention_reported",
        {
            "agent.id": "platform",
            "integrity.retention_days": 365,
            "integrity.oldest_seq": 0,
            "details.data_classes": {"phi": 2192},
            "details.categories": {},
        },
        at=format_time(NOW + timedelta(seconds=1)),
    )
    return (*records, retention)

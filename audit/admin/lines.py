"""Read entries for lists: one line an entry, with what its record says and what is proven of it.

Every statement here walks an index and ends at a fixed count. A record that somebody rewrote still
has a line, since a list that hides it would help him. Pages: audit.admin.entries and
obsplatform.front.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from audit import reading
from audit.models import Entry
from audit.state import LedgerState

WENT_WRONG = ("failure", "denied", "error")
"""The outcomes that a first look asks for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One row of a list: the entry and what is read out of its record."""

    entry: Entry
    event: dict[str, Any]
    """Empty when the record is no readable JSON, which verification reports."""
    state: str

    @property
    def actor(self) -> dict[str, Any]:
        """Return the actor block."""
        return _block(self.event, "actor")

    @property
    def principal(self) -> dict[str, Any]:
        """Return whom the actor acts for; empty when for nobody."""
        return _block(self.actor, "on_behalf_of")

    @property
    def is_itself(self) -> bool:
        """Say whether the agent acted for itself, so that its id need not stand twice."""
        return self.actor.get("type") == "agent" and self.actor.get("id") == self.entry.agent_id

    @property
    def target(self) -> dict[str, Any]:
        """Return the target block."""
        return _block(self.event, "target")

    @property
    def sentence(self) -> str:
        """Return the entry in words; empty when the record cannot be read."""
        return reading.sentence(self.event) if reading.is_readable(self.event) else ""

    @property
    def fields(self) -> list[reading.Field]:
        """Return the few fields that a reader asks for first."""
        return reading.main_fields(self.event)


def _block(values: dict[str, Any], name: str) -> dict[str, Any]:
    found = values.get(name)
    return found if isinstance(found, dict) else {}


def parsed(entry: Entry) -> dict[str, Any]:
    """Return the record's values, or nothing when it is no JSON object: then the page says so."""
    try:
        found = entry.parsed()
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def event_of(entry: Entry) -> dict[str, Any]:
    """Return the event inside the record, or nothing when there is none to read."""
    return _block(parsed(entry), "event")


def lines(entries: Iterable[Entry], ledger: LedgerState) -> list[Line]:
    """Return a line for each entry of one ledger."""
    return [
        Line(entry=entry, event=event_of(entry), state=ledger.entry_state(entry.seq))
        for entry in entries
    ]


def newest_lines(ledger: LedgerState, count: int) -> list[Line]:
    """Return the newest entries of a ledger."""
    return lines(_kept(ledger).order_by("-seq")[:count], ledger)


def wrong_lines(ledger: LedgerState, count: int) -> list[Line]:
    """Return the newest entries that failed or were denied.

    Each outcome is asked for by itself and then merged: so the partial index gives the newest of
    each, where one question for all three would sort every failure there ever was.
    """
    first, *others = (
        _kept(ledger).filter(outcome=outcome).order_by("-seq")[:count] for outcome in WENT_WRONG
    )
    return lines(first.union(*others, all=True).order_by("-seq")[:count], ledger)


def run_lines(entry: Entry, ledger: LedgerState, count: int) -> list[Line]:
    """Return the newest other entries of the entry's run; none when it names no run."""
    if entry.run_id is None:
        return []
    same = _kept(ledger).filter(run_id=entry.run_id)
    return lines(same.exclude(seq=entry.seq).order_by("-seq")[:count], ledger)


def lines_around(entry: Entry, ledger: LedgerState, reach: int) -> list[Line]:
    """Return the entries at most `reach` seqs away and the entry itself, oldest first."""
    near = _kept(ledger).filter(seq__gte=entry.seq - reach, seq__lte=entry.seq + reach)
    return lines(near.order_by("seq"), ledger)


def _kept(ledger: LedgerState) -> QuerySet[Entry]:
    """Return what a reader may find; the bound is named only where there is one."""
    found = Entry.objects.filter(ledger_id=ledger.id)
    return found.filter(seq__gte=ledger.minimum) if ledger.minimum else found

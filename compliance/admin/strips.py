"""Draw a lens' history, a day each: pass, fail, open or nothing. Only reads; judging is judge.py's.

Kinds that decide items have their days in the tallies. A cadence and a rate decide when they are
read: each of their days is asked of the kind itself, so that a strip never says other than the
score does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from audit.models import Ledger
from compliance.admin.found import (
    PAGE_ROWS,
    Day,
    Kept,
    KeptPage,
    Narrowed,
    RunningLens,
    days_of,
    moment,
    strip,
    strip_start,
)
from compliance.definitions import Lens
from compliance.found_items import DERIVED, NO_ENTRY, find_items
from compliance.judge import span_of
from compliance.kinds import KINDS
from compliance.kinds.base import Bucket, Counts, Item, ItemState, Span, View
from compliance.result import date_of, day_of
from compliance.tallied import Tallied

READ_LATE: Final = DERIVED
_MOST_DERIVED: Final = 20_000
"""Failing days and buckets of one period: more than any period has."""


class _OneDay:
    """The rows of one lens as a span of one day would see them, the ledger's clock as it is."""

    def __init__(self, whole: View, day: int) -> None:
        self._whole = whole
        self._day = day
        self.span = replace(whole.span, start=day, end=day + 1)

    def counts(self) -> Mapping[str, Counts]:
        raise AssertionError("what is decided when it is read counts nothing by itself")

    def before(self) -> Mapping[str, Counts]:
        raise AssertionError("what is decided when it is read carries nothing in")

    def marks(self) -> Sequence[tuple[int, int]]:
        return self._whole.marks()

    def buckets(self) -> Sequence[Bucket]:
        return [one for one in self._whole.buckets() if one.day == self._day]

    def items(self, state: ItemState) -> Sequence[Item]:
        return [one for one in self._whole.items(state) if one.day == self._day]


def strips(
    ledger: Ledger, look: Narrowed, lenses: Mapping[str, RunningLens]
) -> dict[str, list[Day]]:
    """Return the days of each lens, oldest first, at most the newest STRIP_DAYS of the period."""
    counted = [lens for lens, running in lenses.items() if running.kind not in READ_LATE]
    late = {lens: running for lens, running in lenses.items() if running.kind in READ_LATE}
    days = days_of(counted, look)
    drawn = {lens: strip(days[lens], look) for lens in counted}
    if late:
        drawn |= _late(ledger, look, late)
    return drawn


def failing_late(ledger: Ledger, look: Narrowed, lens: str, running: RunningLens) -> list[Kept]:
    """Return the failing days or buckets of a period, the newest first."""
    found = find_items(
        ledger,
        _lens(lens, running),
        start=look.start,
        end=look.end,
        environment=look.environment,
        agent=look.agent,
        state="fail",
        after=None,
        limit=_MOST_DERIVED,
    )
    return [_kept(item) for item in reversed(found.items)]


def late_page(items: Sequence[Kept], *, after: str, before: str) -> KeptPage:
    """Return the page of these items that the address asks for. Raises ValueError for no place."""
    places = [item.place for item in items]
    place = before or after
    if place and place not in places:
        raise ValueError("no item stands at this place")
    if before:
        last = places.index(before)
        first = max(last - PAGE_ROWS, 0)
    else:
        first = places.index(after) + 1 if after else 0
        last = first + PAGE_ROWS
    shown = list(items[first:last])
    return KeptPage(
        rows=shown,
        newer=shown[0].place if shown and first > 0 else None,
        older=shown[-1].place if last < len(items) else None,
    )


def _late(
    ledger: Ledger, look: Narrowed, lenses: Mapping[str, RunningLens]
) -> dict[str, list[Day]]:
    source = Tallied(ledger)
    span = span_of(
        source.span_facts(),
        start=day_of(strip_start(look)),
        end=day_of(look.end),
        environment=look.environment,
        agent=look.agent,
    )
    asked = {name: _lens(name, running) for name, running in lenses.items()}
    source.prepare(list(asked.values()), span)
    return {name: _days(lens, source.view(lens, span), span) for name, lens in asked.items()}


def _days(lens: Lens, view: View, span: Span) -> list[Day]:
    found = []
    for day in range(span.start, span.end):
        tested = KINDS[lens.kind].tested(lens.definition, _OneDay(view, day))
        found.append(
            Day(
                day=date_of(day),
                passed=tested.n - tested.f,
                failed=tested.f,
                opened=tested.pending,
            )
        )
    return found


def _lens(name: str, running: RunningLens) -> Lens:
    return Lens(id=name, check=running.check, kind=running.kind, definition=running.definition)


def _kept(item: Item) -> Kept:
    return Kept(
        item=item.item,
        state=item.state,
        day=date_of(item.day),
        environment=item.environment,
        agent=item.agent,
        seq=None if item.seq == NO_ENTRY else item.seq,
        other_seq=item.other_seq,
        due=None if item.due is None else moment(item.due),
        weight=item.weight,
        why=item.why,
        evidence=dict(item.evidence or {}),
        is_restated=item.is_restated,
    )

"""List what a check found, item by item, a page at a time: failing, pending, facts.

Items that are kept stand in compliance_item and are read by key. Failing days of a cadence and
buckets of a rate stand in no row: they are derived from the tallies of the period, which are few.
What passed is counted and not kept. Never counts anything. Used by compliance.api.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final, Self

from msgspec.structs import replace

from compliance.definitions import Control, Framework, Lens
from compliance.gather import LIST_SECONDS, Ledger, rows, time_limit
from compliance.in_force import catalogue_in_force
from compliance.judge import failing_items, span_of
from compliance.kinds.base import Item, ItemState, Span
from compliance.lenses import lens_of
from compliance.people import settings_of
from compliance.tallied import EPOCH, Tallied, date_of, day_of, item_of

DERIVED: Final = frozenset({"cadence", "rate"})
"""Kinds whose failing items are days or buckets, and stand in no row."""
NO_ENTRY: Final = -1
"""The seq of a failing day or bucket: it is about no single entry."""


class LensUnknown(LookupError):
    """No check is looked at in this way. The message is a sentence with the way out."""


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class ItemCursor:
    """The last item of a page: items go by day and id. As text `2026-10-04/41`."""

    day: int
    item: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the cursor that `str` wrote. Raises ValueError for anything else."""
        day, slash, item = text.partition("/")
        if not slash or not item or "\0" in item or len(day) != len("2026-10-04"):
            raise ValueError("no cursor")
        return cls(day=day_of(date.fromisoformat(day)), item=item)

    def __str__(self) -> str:
        """Return it as `parse` reads it."""
        return f"{date_of(self.day)}/{self.item}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemsFound:
    """One page of items, by day and id."""

    items: tuple[Item, ...]
    next: ItemCursor | None
    """None on the last page."""


def lens_asked(ledger: Ledger, check: str, *, framework: str | None, control: str | None) -> Lens:
    """Return the lens of a check as a control of a framework uses it, or of the check on its own.

    `check` is one in force. Raises LensUnknown.
    """
    catalogue = catalogue_in_force()
    used_by = used_in = None
    if framework is not None:
        used_by = catalogue.frameworks.get(framework)
        if used_by is None:
            raise LensUnknown("No framework in force has this id; /frameworks lists them.")
        used_in = None if control is None else _control(used_by, control, check)
    settings = settings_of(Tallied(ledger).acts())
    return lens_of(catalogue, check, framework=used_by, control=used_in, settings=settings)


def find_items(
    ledger: Ledger,
    lens: Lens,
    *,
    start: date,
    end: date,
    environment: str | None,
    agent: str | None,
    state: ItemState,
    after: ItemCursor | None,
    limit: int,
) -> ItemsFound:
    """Return items of the days [start, end) that follow `after`.

    Pending ones that began before the period are among them, and facts that were carried into it.
    `environment` and `agent` None: all of them. Raises LensNotTallied and QueryTooSlow.
    """
    with time_limit(LIST_SECONDS):
        source = Tallied(ledger)
        span = span_of(
            source.span_facts(),
            start=day_of(start),
            end=day_of(end),
            environment=environment,
            agent=agent,
        )
        source.prepare([lens], span)
        if state == "fail" and lens.kind in DERIVED:
            found = _derived(source, lens, span, after)[: limit + 1]
        else:
            found = _kept(ledger, lens, span, state, after, limit + 1)
    following = None
    if len(found) > limit:
        last = found[limit - 1]
        following = ItemCursor(day=last.day, item=last.item)
    return ItemsFound(items=tuple(found[:limit]), next=following)


def _control(framework: Framework, name: str, check: str) -> Control:
    for control in framework.controls:
        if control.id == name:
            if check in control.checks:
                return control
            raise LensUnknown(f"{control.id} of {framework.id} does not use this check.")
    raise LensUnknown(
        f"{framework.id} has no control of this id; /frameworks/{framework.id}/controls lists them."
    )


def _derived(source: Tallied, lens: Lens, span: Span, after: ItemCursor | None) -> list[Item]:
    view = source.view(lens, span)
    kept = {item.item for item in view.items("fail")}
    found = [
        item if item.item in kept else replace(item, seq=NO_ENTRY)
        for item in failing_items(lens, view)
    ]
    found.sort(key=_place)
    return [item for item in found if after is None or _place(item) > after]


def _place(item: Item) -> ItemCursor:
    return ItemCursor(day=item.day, item=item.item)


_KEPT: Final = """
    SELECT item, state, day, agent_id, environment, seq, other_seq, due, weight, why, evidence,
        is_restated
    FROM compliance_item
    WHERE ledger_id = %(ledger)s AND lens_id = %(lens)s AND state = %(state)s
        AND day >= %(start)s AND day < %(end)s
        AND (%(environment)s::text IS NULL OR environment IN (%(environment)s, ''))
        AND (%(agent)s::text IS NULL OR agent_id IN (%(agent)s, ''))
        AND (day, item) > (%(after_day)s, %(after_item)s COLLATE "C")
    ORDER BY day, item
    LIMIT %(most)s
"""


def _kept(
    ledger: Ledger, lens: Lens, span: Span, state: ItemState, after: ItemCursor | None, most: int
) -> list[Item]:
    first = date_of(span.start) if state == "fail" else EPOCH
    asked = {
        "ledger": ledger.id,
        "lens": lens.id,
        "state": state,
        "start": first,
        "end": date_of(span.end),
        "environment": span.environment,
        "agent": span.agent,
        "after_day": first if after is None else date_of(after.day),
        "after_item": "" if after is None else after.item,
        "most": most,
    }
    return [item_of(row) for row in rows(_KEPT, asked)]

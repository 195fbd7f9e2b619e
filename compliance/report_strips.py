"""Draw a lens' days as letters: p, f, w, o, a point, a dash. Pure.

`p` only passes, `f` a failure that nobody waived, `w` waived failures alone, `o` something begun
and nothing decided, `.` nothing, `-` not observed: before the ledger began, or after `as_of`.
Kinds that decide items have their days in the rows; a forbid counts there what it opened, and what
was violated stands among its items. A cadence, a rate and a fact decide when they are read: each of
their days is asked of the kind itself, so that a strip never says other than the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from compliance.definitions import Lens
from compliance.kinds import KINDS
from compliance.kinds.base import DAY_US, Bucket, Counts, Item, ItemState, Span, View

NOTHING = "."
UNSEEN = "-"


class Whole:
    """The rows of one lens in a span, each asked for once however many days are drawn."""

    def __init__(self, view: View) -> None:
        """Take the view of the whole span."""
        self._view = view
        self._items: dict[ItemState, Sequence[Item]] = {}
        self.span = view.span

    @cached_property
    def marks(self) -> Sequence[tuple[int, int]]:
        """Return the days with a match up to the span's end."""
        return self._view.marks()

    @cached_property
    def buckets(self) -> Mapping[int, Sequence[Bucket]]:
        """Return the buckets of the span by day."""
        found: dict[int, list[Bucket]] = {}
        for one in self._view.buckets():
            found.setdefault(one.day, []).append(one)
        return found

    def items(self, state: ItemState) -> Sequence[Item]:
        """Return the kept items of the span in this state."""
        if state not in self._items:
            self._items[state] = self._view.items(state)
        return self._items[state]


class _OneDay:
    """The rows of one lens as a span of one day would see them, the ledger's clock as it is."""

    def __init__(self, whole: Whole, day: int) -> None:
        self._whole = whole
        self._day = day
        self.span = replace(whole.span, start=day, end=day + 1)

    def counts(self) -> Mapping[str, Counts]:
        raise AssertionError("what is decided when it is read counts nothing by itself")

    def before(self) -> Mapping[str, Counts]:
        raise AssertionError("what is decided when it is read carries nothing in")

    def marks(self) -> Sequence[tuple[int, int]]:
        return [mark for mark in self._whole.marks if mark[0] <= self._day]

    def buckets(self) -> Sequence[Bucket]:
        return self._whole.buckets.get(self._day, ())

    def items(self, state: ItemState) -> Sequence[Item]:
        # A fact of before is in force on the first day, and stands there.
        first = self._day == self._whole.span.start
        return [
            one
            for one in self._whole.items(state)
            if one.day == self._day or (first and one.day < self._day)
        ]


def derived_days(lens: Lens, view: View, days: range) -> dict[int, tuple[int, int, int]]:
    """Return `(passed, failed, pending)` of each of these days of a kind that decides when read."""
    whole, found = Whole(view), {}
    for day in days:
        tested = KINDS[lens.kind].tested(lens.definition, _OneDay(whole, day))
        found[day] = (tested.n - tested.f, tested.f, tested.pending)
    return found


def seen_days(span: Span) -> range:
    """Return the days of a span that can be judged: since the ledger began, up to `as_of`."""
    return range(min(span.observed_from, span.end), told_days(span).stop)


def told_days(span: Span) -> range:
    """Return the days of a span up to `as_of`, those among them of which history alone tells."""
    return range(span.start, min(span.end, -(-span.as_of // DAY_US)))


def strip_of(
    kind: str,
    span: Span,
    days: Mapping[int, tuple[int, int, int]],
    waived: Mapping[int, int],
) -> str:
    """Return the letters of a span's days, a letter each.

    `days`: `(passed, failed, opened)` by day; `waived`: how much of what failed is waived, by day.
    """
    seen, nothing = seen_days(span), (0, 0, 0)
    letters = []
    for day in range(span.start, span.end):
        letter = _letter(kind, *days.get(day, nothing), waived.get(day, 0))
        # History that was sent later has days that nobody observed.
        letters.append(UNSEEN if letter == NOTHING and day not in seen else letter)
    return "".join(letters)


def _letter(kind: str, passed: int, failed: int, opened: int, waived: int) -> str:
    if failed > waived:
        return "f"
    if failed:
        return "w"
    if passed:
        return "p"
    # What a `forbid` opens is a ban that is kept until somebody breaks it.
    return ("p" if kind == "forbid" else "o") if opened else NOTHING

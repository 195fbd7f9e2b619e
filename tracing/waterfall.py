"""Put the spans of a trace into rows: who called whom, in which order, when and how long. Pure.

What senders get wrong is shown and never hidden. A span whose parent is not here stands as a root
and is marked an orphan. Of spans that name each other as parents the earliest becomes a root and is
marked. A span that begins before its parent, or ends after it, keeps its own times; by how much is
said, since clocks of two machines differ, or work went on after the caller returned.
Nothing here recurses: a chain of 10,000 spans is a trace too. Path and gaps: critical_path.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class Timed(Protocol):
    """What a span must tell to have a row."""

    @property
    def span_id(self) -> str:
        """Return its id."""

    @property
    def parent_id(self) -> str:
        """Return its parent's id; empty for a root."""

    @property
    def start_ns(self) -> int:
        """Return when it began, in nanoseconds since 1970."""

    @property
    def duration_ns(self) -> int:
        """Return how long it took, in nanoseconds; zero or more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One span with its place."""

    index: int
    """Which of the spans that were given."""
    depth: int
    """0 for a root."""
    parent: int | None
    """The row of its parent."""
    children: int
    """Spans right below it."""
    below: int
    """Rows that follow it and stand below it at any depth: what folding it hides."""
    start_ns: int
    duration_ns: int
    offset_ns: int
    """From the earliest start of the trace; never below zero."""
    is_orphan: bool
    """It names a parent that is not here."""
    is_cut: bool
    """It and its parents form a ring, which was cut above it."""
    before_ns: int
    """By how much it begins before its parent."""
    after_ns: int
    """By how much it ends after its parent."""

    @property
    def end_ns(self) -> int:
        """Return when it ended."""
        return self.start_ns + self.duration_ns


@dataclass(frozen=True, kw_only=True, slots=True)
class Waterfall:
    """All rows, each parent before its children, children by their start."""

    rows: tuple[Row, ...]
    start_ns: int
    """The earliest start; 0 of a trace without spans."""
    end_ns: int
    """The latest end."""

    @property
    def duration_ns(self) -> int:
        """Return from the earliest start to the latest end."""
        return self.end_ns - self.start_ns


def waterfall(spans: Sequence[Timed]) -> Waterfall:
    """Return a row for each span, whatever its sender did. The order of the spans is of no matter.

    Two spans of one id both have a row; the children of that id stand below the earlier one.
    """
    if not spans:
        return Waterfall(rows=(), start_ns=0, end_ns=0)
    in_time = sorted(range(len(spans)), key=lambda at: _time(spans[at]))
    parents, orphans = _parents(spans, in_time)
    cut = _cut_rings(parents, in_time)
    begin = spans[in_time[0]].start_ns
    placed = _preorder(parents, in_time)
    rows = _rows(spans, placed, parents, begin=begin, orphans=orphans, cut=cut)
    return Waterfall(
        rows=rows, start_ns=begin, end_ns=max(each.start_ns + each.duration_ns for each in spans)
    )


def _time(span: Timed) -> tuple[int, int, str]:
    """Sort by start, of two that start together the longer first: it may have called the other."""
    return span.start_ns, -span.duration_ns, span.span_id


def _parents(
    spans: Sequence[Timed], in_time: Sequence[int]
) -> tuple[list[int | None], frozenset[int]]:
    """Return each span's parent, and who names one that is not here."""
    by_id: dict[str, int] = {}
    for at in in_time:
        by_id.setdefault(spans[at].span_id, at)
    found: list[int | None] = [by_id.get(each.parent_id) for each in spans]
    orphans = frozenset(
        at for at, each in enumerate(spans) if each.parent_id and each.parent_id not in by_id
    )
    return found, orphans


def _cut_rings(parents: list[int | None], in_time: Sequence[int]) -> frozenset[int]:
    """Make the earliest span of each ring a root; return those spans."""
    rank = {at: place for place, at in enumerate(in_time)}
    is_safe = [False] * len(parents)  # its way up is known to end
    cut = set()
    for first in in_time:
        way: list[int] = []
        on_way = set[int]()
        here: int | None = first
        while here is not None and not is_safe[here] and here not in on_way:
            way.append(here)
            on_way.add(here)
            here = parents[here]
        if here is not None and here in on_way:
            opened = min(way[way.index(here) :], key=rank.__getitem__)
            parents[opened] = None
            cut.add(opened)
        for each in way:
            is_safe[each] = True
    return frozenset(cut)


def _preorder(parents: Sequence[int | None], in_time: Sequence[int]) -> list[tuple[int, int]]:
    """Return `(span, depth)`, each parent before its children, children in time."""
    below: dict[int | None, list[int]] = {}
    for at in reversed(in_time):  # the last on a stack comes off it first
        below.setdefault(parents[at], []).append(at)
    waiting = [(at, 0) for at in below.get(None, [])]
    placed = []
    while waiting:
        at, depth = waiting.pop()
        placed.append((at, depth))
        waiting.extend((child, depth + 1) for child in below.get(at, ()))
    return placed


def _rows(
    spans: Sequence[Timed],
    placed: Sequence[tuple[int, int]],
    parents: Sequence[int | None],
    *,
    begin: int,
    orphans: frozenset[int],
    cut: frozenset[int],
) -> tuple[Row, ...]:
    row_of = {at: row for row, (at, _) in enumerate(placed)}
    children, below = [0] * len(placed), [0] * len(placed)
    for row in range(len(placed) - 1, -1, -1):
        parent = parents[placed[row][0]]
        if parent is not None:
            children[row_of[parent]] += 1
            below[row_of[parent]] += 1 + below[row]
    rows = []
    for row, (at, depth) in enumerate(placed):
        span, over = spans[at], parents[at]
        caller = None if over is None else spans[over]
        ends = span.start_ns + span.duration_ns
        rows.append(
            Row(
                index=at,
                depth=depth,
                parent=None if over is None else row_of[over],
                children=children[row],
                below=below[row],
                start_ns=span.start_ns,
                duration_ns=span.duration_ns,
                offset_ns=span.start_ns - begin,
                is_orphan=at in orphans,
                is_cut=at in cut,
                before_ns=max(caller.start_ns - span.start_ns, 0) if caller else 0,
                after_ns=max(ends - caller.start_ns - caller.duration_ns, 0) if caller else 0,
            )
        )
    return tuple(rows)

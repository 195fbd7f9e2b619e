"""Say what a trace waited for: its critical path, and the stretches that no span explains. Pure.

The path is walked from the end of the trace backwards. Of the spans below one, the one that ended
last before the moment reached is what was waited for; what lies between is the caller's own time.
A child counts within its caller's time. One that goes on after its caller returned, or whose clock
runs ahead, counts once more beside the roots for what lies outside. The segments follow each other,
never overlap, and together are as long as the trace.

Where clocks are so at odds that each span leaves its caller, a span is walked once for each above
it. So many looks are taken and no more; what is left then counts as its caller's own time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from tracing.waterfall import Row, Waterfall

LOOKS: Final = 20
"""Looks at a span for each span of the trace; three are many where clocks agree."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """A stretch of time and what was waited for in it."""

    row: int | None
    """The row; None where no span was under way."""
    start_ns: int
    end_ns: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """A stretch of a span in which nothing below it was under way."""

    row: int | None
    """The row of the span; None between the roots of the trace."""
    start_ns: int
    duration_ns: int


def critical_path(drawn: Waterfall) -> tuple[Segment, ...]:
    """Return the segments of the path, in time. Those of no length are left out."""
    below = _children(drawn.rows)
    segments: list[Segment] = []
    waiting: list[tuple[int | None, int, int]] = [(None, drawn.start_ns, drawn.end_ns)]
    left = LOOKS * len(drawn.rows)
    while waiting:
        row, begins, ends = waiting.pop()
        reached = ends
        left -= len(below[row])
        children = below[row] if left >= 0 else []
        for child, start, end in _within(drawn.rows, children, begins, ends):
            if end > reached:
                if row is not None or start >= reached:
                    continue  # it ran beside what was waited for later
                end = reached  # of two that nobody called the later leads to the earlier
            if end < reached:
                segments.append(Segment(row=row, start_ns=end, end_ns=reached))
            waiting.append((child, start, end))
            reached = start
        if begins < reached:
            segments.append(Segment(row=row, start_ns=begins, end_ns=reached))
    return tuple(sorted(segments, key=lambda each: each.start_ns))


def path_times(drawn: Waterfall, segments: Iterable[Segment]) -> dict[int, int]:
    """Return by row how long the trace waited for it, in nanoseconds.

    A row is on the path when it, or one below it, was waited for; of its own it may have 0.
    """
    times: dict[int, int] = {}
    for each in segments:
        if each.row is not None:
            times[each.row] = times.get(each.row, 0) + each.end_ns - each.start_ns
    for row in sorted(times, reverse=True):
        over = drawn.rows[row].parent
        while over is not None and over not in times:
            times[over] = 0
            over = drawn.rows[over].parent
    return times


def gaps(drawn: Waterfall, *, least_ns: int, most: int) -> tuple[Gap, ...]:
    """Return the longest stretches in which a span that calls others called none, longest first.

    Of `least_ns` or longer, at most `most`. A span without children has none: it is itself work.
    """
    found: list[Gap] = []
    for row, children in _callers(drawn.rows):
        begins = drawn.start_ns if row is None else drawn.rows[row].start_ns
        ends = drawn.end_ns if row is None else drawn.rows[row].end_ns
        reached = begins
        for _, start, end in reversed(_within(drawn.rows, children, begins, ends, by_start=True)):
            if start - reached >= least_ns and start > reached:
                found.append(Gap(row=row, start_ns=reached, duration_ns=start - reached))
            reached = max(reached, end)
        if ends - reached >= least_ns and ends > reached:
            found.append(Gap(row=row, start_ns=reached, duration_ns=ends - reached))
    found.sort(key=lambda each: (-each.duration_ns, each.start_ns))
    return tuple(found[:most])


def _callers(rows: Sequence[Row]) -> list[tuple[int | None, list[int]]]:
    """Return each row that calls others with their rows; None first, with what nobody called."""
    below = _children(rows)
    return [(row, below[row]) for row in (None, *range(len(rows))) if below[row]]


def _children(rows: Sequence[Row]) -> dict[int | None, list[int]]:
    """Return the rows below each; None: those that nobody called, or that left their caller."""
    below: dict[int | None, list[int]] = {None: [], **{at: [] for at in range(len(rows))}}
    for at, row in enumerate(rows):
        below[row.parent].append(at)
        if row.parent is not None and (row.before_ns or row.after_ns):
            below[None].append(at)  # for its time outside of its caller
    return below


def _within(
    rows: Sequence[Row],
    children: Sequence[int],
    begins: int,
    ends: int,
    *,
    by_start: bool = False,
) -> list[tuple[int, int, int]]:
    """Return `(row, start, end)` of the children, cut to their caller's time, the last first."""
    cut = [
        (child, max(rows[child].start_ns, begins), min(rows[child].end_ns, ends))
        for child in children
    ]
    cut = [each for each in cut if each[1] < each[2]]
    return sorted(cut, key=lambda each: (each[1 if by_start else 2], each[1]), reverse=True)

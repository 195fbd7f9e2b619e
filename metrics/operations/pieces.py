"""Cut a range into pieces that are read from spans of minutes that are added up, or from minutes.

A span is read in the place of its minutes where it is added up and lies in one step: the sums are
the same. Who adds up: metrics.spans.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from audit.database import rows
from metrics.operations.window import Window
from metrics.spans import LENGTHS, QUARTER, Source

# Shorter spans of a longest that is done are not told: nobody reads them.
_DONE = """
SELECT minutes, starts_at
FROM metrics_spandone
WHERE source = %(source)s
  AND starts_at >= %(start)s
  AND starts_at < %(end)s
  AND minutes <= %(longest)s
  AND (
    minutes = %(longest)s
    OR date_bin(make_interval(mins => %(longest)s), starts_at, '1970-01-01 00:00:00+00') NOT IN (
        SELECT starts_at
        FROM metrics_spandone
        WHERE source = %(source)s
          AND minutes = %(longest)s
          AND starts_at >= %(start)s
          AND starts_at < %(end)s
    )
  )
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """A part of a range that is read from rows of one length."""

    minutes: int
    first: datetime
    last: datetime
    """Not included."""


Pieces: TypeAlias = Mapping[Source, Sequence[Piece]]


def pieces_of(source: Source, window: Window) -> list[Piece]:
    """Return the pieces of a range, in their order; together they are all of it."""
    lengths = [each for each in LENGTHS if window.step % (each * 60) == 0]
    done: dict[int, set[datetime]] = {each: set() for each in lengths}
    if lengths:
        asked = {
            "source": source,
            "start": window.start,
            "end": window.end,
            "longest": lengths[-1],
        }
        for minutes, start in rows(_DONE, asked):
            done[minutes].add(start)
    return cut(window.start, window.end, done)


def cut(first: datetime, last: datetime, done: Mapping[int, Collection[datetime]]) -> list[Piece]:
    """Return the longest spans that are done and lie inside; minutes elsewhere. Pure."""
    found: list[Piece] = []
    longest_first = sorted(done, reverse=True)
    at = first
    while at < last:
        minutes = next(
            (
                each
                for each in longest_first
                if at in done[each] and at + timedelta(minutes=each) <= last
            ),
            1,
        )
        # Up to where the next quarter may begin: all starts of spans lie on quarters of an hour.
        until = min(at + timedelta(minutes=minutes if minutes > 1 else _to_quarter(at)), last)
        if found and found[-1].minutes == minutes and found[-1].last == at:
            found[-1] = Piece(minutes=minutes, first=found[-1].first, last=until)
        else:
            found.append(Piece(minutes=minutes, first=at, last=until))
        at = until
    return found


def _to_quarter(at: datetime) -> int:
    return QUARTER - at.minute % QUARTER

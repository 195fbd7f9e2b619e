"""Write minute history as OpenMetrics with times, for a Prometheus that came later.

A counter begins at 0 in the minute of its first step and grows by what each minute holds; it is no
counter that was scraped, and has no `instance` and `job`: it stands beside the scraped ones, so a
sum over both counts each act once where the history ends before the first scrape. What a minute
holds is known at its end, so there stands its sample. A gauge has a sample where its minute has a
row, and none elsewhere. Between two steps of the grid the last value counts.

Reads rows of all ledgers in one snapshot and in order, and holds those of one series at a time.
Who calls it: `manage.py metricshistory`. The rows: sql/0001_rollups.sql, 0002_operations.sql.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final, TypeAlias

import structlog
from django.db import transaction

from audit.database import raw_connection
from metrics.families import BY_NAME
from metrics.family import Family
from metrics.series import Naming
from metrics.text_format import (
    EOF,
    Distribution,
    Labels,
    braces,
    distribution_lines,
    head,
    number_text,
)

log = structlog.get_logger(__name__)

MINUTE: Final = 60
"""Seconds: no step is finer, and each is a whole number of them."""

_AT_ONCE: Final = 5_000
"""Rows that are fetched together."""

# A value is what a minute adds, but of a gauge: there it is what was said last.
_ROWS: Final = """
SELECT family, labels, extract(epoch FROM minute)::bigint, n::float8, buckets, total::float8
FROM (
    SELECT family, labels, minute, n, buckets, total FROM metrics_minute
    UNION ALL
    SELECT family, labels, minute, n, buckets, total FROM metrics_processminute
    UNION ALL
    SELECT family, labels, minute, value, NULL, NULL FROM metrics_gaugeminute
) AS history (family, labels, minute, n, buckets, total)
WHERE minute >= %(start)s
  AND minute < %(end)s
  AND (%(families)s::text[] IS NULL OR family = ANY(%(families)s))
ORDER BY family, labels, minute
"""

Write: TypeAlias = Callable[[str], object]
"""What takes text: a file's `write`."""

Row: TypeAlias = tuple[str, str, int, float, list[int] | None, float | None]
"""Family, values of labels, start of the minute (Unix time), what it holds."""


@dataclass(kw_only=True, slots=True)
class Written:
    """What a file has come to."""

    families: int = 0
    series: int = 0
    """Counters and gauges, and histograms with their labels: each once, whatever its buckets."""
    samples: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """The times that samples have, Unix time in seconds."""

    end: int
    """The last time at most; nothing that is later is written."""
    step: int

    def floor(self, at: int) -> int:
        """Return the newest time of the grid that is not after one."""
        return at - at % self.step

    def after(self, at: int) -> range:
        """Return the times of the grid that are after one of them, to the end."""
        return range(at + self.step, self.end + 1, self.step)


def write_history(
    write: Write,
    *,
    start: datetime,
    end: datetime,
    step: int = MINUTE,
    families: Sequence[str] | None = None,
) -> Written:
    """Write what was counted from `start` up to `end`, and return how much it was.

    `step` is in seconds, a multiple of 60. With `families`, only these by name. A row that fits no
    family, such as one of a newer version, is left out and its family logged. Raises what the
    database and the file raise.
    """
    assert step >= MINUTE, "history is by the minute"
    assert step % MINUTE == 0, "history is by the minute"
    grid = Grid(end=int(end.timestamp()), step=step)
    asked = {"start": start, "end": end, "families": None if families is None else list(families)}
    written, refused = Written(), set[str]()
    naming = Naming(refused)
    with transaction.atomic(), raw_connection().cursor(name="metrics_history") as cursor:
        cursor.itersize = _AT_ONCE
        cursor.execute(_ROWS, asked)
        for name, found in groupby(cursor, key=lambda row: str(row[0])):
            family = BY_NAME.get(name)
            if family is None or not _write_family(
                write, family, found, grid=grid, naming=naming, written=written
            ):
                refused.add(name)
    write(EOF)
    if refused:
        log.warning("metrics.rows_not_shown", families=sorted(refused))
    return written


def _write_family(
    write: Write,
    family: Family,
    found: Iterable[Any],
    *,
    grid: Grid,
    naming: Naming,
    written: Written,
) -> bool:
    """Write a family, and tell whether each of its rows fitted."""
    is_headed, is_whole = False, True
    for values, rows in groupby(found, key=lambda row: str(row[1])):
        labels = naming.labels(family, values)
        every = list(rows)
        held = [row for row in every if _fits(row, family)]
        is_whole &= len(held) == len(every)
        samples = list(_samples(family, labels, held, grid)) if labels is not None and held else []
        if not samples:
            continue
        if not is_headed:
            write(_head(family))
            written.families += 1
            is_headed = True
        write("".join(samples))
        written.series += 1
        written.samples += len(samples)
    return is_whole


def _fits(row: Row, family: Family) -> bool:
    """Tell whether a row has as many buckets as its family; one of another version has not."""
    return family.kind != "histogram" or len(row[4] or ()) == len(family.edges) + 1


def _head(family: Family) -> str:
    base = family.name.removesuffix("_total") if family.kind == "counter" else family.name
    help_text = family.help.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
    return head(base, help_text, family.kind)


def _samples(family: Family, labels: Labels, rows: Sequence[Row], grid: Grid) -> Iterator[str]:
    if family.kind == "gauge":
        return _of_gauge(family, labels, rows, grid)
    return _of_growing(family, labels, rows, grid)


def _of_gauge(family: Family, labels: Labels, rows: Sequence[Row], grid: Grid) -> Iterator[str]:
    """Return the last value of each step that has one."""
    name = f"{family.name}{braces(labels)}"
    last = {-grid.floor(-(row[2] + MINUTE)): row[3] for row in rows}  # at the step's end
    for at, value in last.items():
        if at <= grid.end:
            yield f"{name} {number_text(value)} {at}\n"


def _of_growing(family: Family, labels: Labels, rows: Sequence[Row], grid: Grid) -> Iterator[str]:
    """Return what a counter or a histogram has come to at each time from its first step on."""
    begin = grid.floor(rows[0][2])
    sums = _Sums(family)
    lines = sums.lines(labels)
    yield from _at(begin, lines)
    place = 0
    for at in grid.after(begin):
        before = place
        while place < len(rows) and rows[place][2] + MINUTE <= at:
            sums.add(rows[place])
            place += 1
        if place > before:
            lines = sums.lines(labels)
        yield from _at(at, lines)


def _at(at: int, lines: Iterable[str]) -> Iterator[str]:
    return (f"{line[:-1]} {at}\n" for line in lines)


class _Sums:
    """What a series has come to, in the whole numbers that rows keep."""

    def __init__(self, family: Family) -> None:
        self._family = family
        self._counts = [0] * (len(family.edges) + 1)
        self._total = 0.0

    def add(self, row: Row) -> None:
        buckets, total = row[4], row[5]
        if self._family.kind == "counter":
            self._total += row[3]
        else:
            assert buckets is not None, "it fits its family"
            assert total is not None, "it fits its family"
            self._counts = [mine + more for mine, more in zip(self._counts, buckets, strict=True)]
            self._total += total

    def lines(self, labels: Labels) -> list[str]:
        family, total = self._family, self._total / self._family.scale
        if family.kind == "counter":
            return [f"{family.name}{braces(labels)} {number_text(total)}\n"]
        row = Distribution(edges=family.edges, counts=self._counts, total=total)
        return distribution_lines(family.name, labels, row)

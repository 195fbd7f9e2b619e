"""Ask Postgres for sums by group and step: what it says fills one long list, the cells.

A group has a cell a step, one behind the other. All families of a kind are asked for at once: of
each piece of the range (pieces.py) there is one statement, however many charts a page has. Names,
filters and gauges: series_read.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from operator import add
from typing import Final, TypeAlias

from audit.database import rows
from metrics.family import Family
from metrics.operations.pieces import Pieces
from metrics.operations.window import Window
from metrics.spans import SOURCES, Source

Group: TypeAlias = tuple[str, ...]
"""Values of the labels that are kept, in the family's order."""
Groups: TypeAlias = Mapping[Family, Mapping[str, Group]]
"""By family and by a series' labels as rows have them, the group that it belongs to."""
Steps: TypeAlias = list[float]

FEW: Final = 8
"""Rows of a series in a step that are added up here: to group them costs Postgres more."""

_SERIES = """
FROM unnest(%(families)s::text[], %(labels)s::text[], %(firsts)s::integer[])
    AS g(family, labels, first)
"""
# A series at a time, by all of the key; OFFSET 0 keeps the planner from reading whole days instead.
_MINUTES: Final[Mapping[Source, str]] = {
    "entries": f"""
{_SERIES}
CROSS JOIN LATERAL (
    SELECT minute, n, buckets, total
    FROM metrics_minute
    WHERE ledger_id = ANY(%(ledgers)s)
      AND family = g.family
      AND labels = g.labels
      AND minute >= %(start)s
      AND minute < %(end)s
    OFFSET 0
) AS m
""",  # noqa: S608
    "processes": f"""
{_SERIES}
CROSS JOIN LATERAL (
    SELECT minute, n, buckets, total
    FROM metrics_processminute
    WHERE family = g.family
      AND labels = g.labels
      AND minute >= %(start)s
      AND minute < %(end)s
    OFFSET 0
) AS m
""",  # noqa: S608
}
# A family at a time, all of its range, since labels come last in the key. Without OFFSET 0 the
# planner looks through that range once a series, or through the whole table.
_SPANS = f"""
{_SERIES}
JOIN (
    SELECT f.family, span.*
    FROM unnest(%(names)s::text[]) AS f(family)
    CROSS JOIN LATERAL (
        SELECT labels, starts_at, n, buckets, total
        FROM metrics_span
        WHERE source = %(source)s
          AND family = f.family
          AND minutes = %(minutes)s
          AND ledger_id = ANY(%(ledgers)s)
          AND starts_at >= %(start)s
          AND starts_at < %(end)s
        OFFSET 0
    ) AS span
    OFFSET 0
) AS m USING (family, labels)
"""  # noqa: S608
# Not extract(): it reckons in numeric, which takes longer than all the rest of a row.
_CELL = "SELECT g.first + floor(date_part('epoch', m.{} - %(zero)s) / %(step)s)::integer AS cell"
# One row of two arrays: a row a cell takes several times as long on its way.
_ARRAYS = "SELECT array_agg(cell), array_agg(n) FROM ({}) AS s"


@dataclass(kw_only=True)
class Histogram:
    """Observations of each step, in the whole numbers that rows keep."""

    buckets: list[Steps]
    """A list a bucket, infinity the last."""
    total: Steps

    @cached_property
    def risen(self) -> list[list[float]]:
        """Return the cumulative counts of each step; several quantiles are read off them."""
        return [list(accumulate(each)) for each in zip(*self.buckets, strict=True)]


def read_counts(
    groups: Groups, window: Window, ledgers: Sequence[int], pieces: Pieces
) -> dict[str, dict[Group, Steps]]:
    """Return the counts of these families, each group with all of its steps."""
    firsts = _firsts(groups, window)
    cells = [0.0] * (len(firsts) * window.places)
    for asked in _asked(groups, firsts, window, ledgers, pieces):
        n = "sum(m.n)" if asked.is_grouped else "m.n"
        ((places, numbers),) = rows(
            _ARRAYS.format(asked.statement(f"{n}::float8 AS n")), asked.parameters
        )
        for cell, number in zip(places or (), numbers or (), strict=True):
            cells[cell] += number
    found: dict[str, dict[Group, Steps]] = {family.name: {} for family in groups}
    for (family, group), first in firsts.items():
        found[family.name][group] = cells[first : first + window.places]
    return found


def read_histograms(
    groups: Groups, window: Window, ledgers: Sequence[int], pieces: Pieces
) -> dict[str, dict[Group, Histogram]]:
    """Return the observations of these families, each group with all of its steps."""
    firsts = _firsts(groups, window)
    number = len(firsts) * window.places
    most = max((len(family.edges) + 1 for family in groups), default=0)
    none = [0.0] * most
    total, observed = [0.0] * number, [none] * number
    # A sum a bucket: to unnest the arrays would make eleven rows of each.
    sums = ", ".join(f"coalesce(sum(m.buckets[{each}]), 0)::bigint" for each in range(1, most + 1))
    for asked in _asked(groups, firsts, window, ledgers, pieces):
        columns = (
            f"sum(m.total)::float8, ARRAY[{sums}]"
            if asked.is_grouped
            else "m.total::float8, m.buckets"
        )
        for cell, added, buckets in rows(asked.statement(columns), asked.parameters):
            total[cell] += added
            if len(buckets) != most:  # other families have more, or no edge was here yet
                buckets = [*buckets, *none][:most]
            there = observed[cell]
            observed[cell] = buckets if there is none else list(map(add, there, buckets))
    found: dict[str, dict[Group, Histogram]] = {family.name: {} for family in groups}
    for (family, group), first in firsts.items():
        end = first + window.places
        found[family.name][group] = Histogram(
            buckets=[list(each) for each in zip(*observed[first:end], strict=True)][
                : len(family.edges) + 1
            ],
            total=total[first:end],
        )
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """What is asked of one piece."""

    at: str
    """The column that a row's moment stands in."""
    rest: str
    """The statement from its FROM on."""
    is_grouped: bool
    """Whether Postgres adds up what lies in one cell."""
    parameters: Mapping[str, object]

    def statement(self, columns: str) -> str:
        """Return the statement for these columns behind the cell."""
        grouped = "GROUP BY 1" if self.is_grouped else ""
        return f"{_CELL.format(self.at)}, {columns}{self.rest}{grouped}"


def _firsts(groups: Groups, window: Window) -> dict[tuple[Family, Group], int]:
    """Return the cell of each group's first step."""
    all_of_them = [
        (family, group) for family, named in groups.items() for group in sorted({*named.values()})
    ]
    return {each: number * window.places for number, each in enumerate(all_of_them)}


def _asked(
    groups: Groups,
    firsts: Mapping[tuple[Family, Group], int],
    window: Window,
    ledgers: Sequence[int],
    pieces: Pieces,
) -> Iterator[_Asked]:
    for source in SOURCES:
        families = [each for each in groups if groups[each] and _has(each, source)]
        if not families or (source == "entries" and not ledgers):
            continue
        series = [
            (family.name, labels, firsts[family, group])
            for family in families
            for labels, group in groups[family].items()
        ]
        names, labels, cells = zip(*series, strict=True)
        common = {
            "families": list(names),
            "labels": list(labels),
            "firsts": list(cells),
            "names": [family.name for family in families],
            "ledgers": list(ledgers) if source == "entries" else [0],
            "source": source,
            "zero": window.start,
            "step": window.step,
        }
        for piece in pieces[source]:
            is_whole = piece.minutes == 1
            yield _Asked(
                at="minute" if is_whole else "starts_at",
                rest=_MINUTES[source] if is_whole else _SPANS,
                is_grouped=window.step > FEW * piece.minutes * 60,
                parameters={
                    **common,
                    "minutes": piece.minutes,
                    "start": piece.first,
                    "end": piece.last,
                },
            )


def _has(family: Family, source: Source) -> bool:
    if source == "entries":
        return "entries" in family.sources
    return bool({"process", "http"} & set(family.sources))

"""Read minute history: sums of counters and histograms by step, what gauges said last in each.

Postgres adds up; no minute comes here. Where a span is added up already and a step holds it whole,
it is read in the place of its minutes (pieces.py). A family is read once for all queries of a page,
with the labels apart that one of them needs; how it is asked: cells.py. From sums to what is shown:
answer.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeAlias, TypeVar

from audit.database import rows
from audit.pausing import no_collecting
from metrics.family import Family
from metrics.operations.cells import Group, Histogram, Steps, read_counts, read_histograms
from metrics.operations.chart import Query, Where
from metrics.operations.pieces import Pieces, pieces_of
from metrics.operations.window import Window
from metrics.spans import SOURCES

Asked: TypeAlias = tuple[str, tuple[str, ...], tuple[tuple[str, tuple[str, ...]], ...]]
"""A family's name, the labels that are told apart, and by label the values that count."""

T = TypeVar("T")

GAUGE_PATIENCE: Final = 2
"""Minutes that a gauge may be silent before a step has nothing of it."""

_NAMES = """
SELECT DISTINCT family, labels
FROM metrics_total
WHERE family = ANY(%(families)s)
  AND ledger_id = ANY(%(ledgers)s)
UNION
SELECT family, labels
FROM metrics_process
WHERE family = ANY(%(families)s)
"""
# Requests have no totals of ours, only minutes and spans.
_REQUEST_NAMES = """
SELECT DISTINCT family, labels
FROM metrics_processminute
WHERE family = ANY(%(families)s)
  AND minute >= %(first)s
  AND minute < %(last)s
"""
_REQUEST_SPANS = """
SELECT DISTINCT family, labels
FROM metrics_span
WHERE source = 'processes'
  AND family = ANY(%(families)s)
  AND minutes = %(minutes)s
  AND starts_at >= %(first)s
  AND starts_at < %(last)s
"""
# A minute at a time, each in its own day: asked for all at once, every day is searched for every
# minute.
_GAUGES = """
SELECT wanted.number, found.families, found.labels, found.levels
FROM unnest(%(minutes)s::timestamptz[]) WITH ORDINALITY AS wanted(minute, number)
CROSS JOIN LATERAL (
    SELECT array_agg(family) AS families, array_agg(labels) AS labels, array_agg(value) AS levels
    FROM metrics_gaugeminute
    WHERE family = ANY(%(families)s)
      AND minute = wanted.minute
) AS found
ORDER BY 1
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """What of the installation is looked at."""

    ledgers: Mapping[int, str]
    """Ids and names of the ledgers whose entries count."""
    filters: Mapping[str, str] = field(default_factory=dict)
    """By label, the one value that counts; a family without the label is not narrowed."""


@dataclass(kw_only=True, slots=True)
class Sums:
    """What was read, by family and group."""

    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By family, the labels that a group has values of."""
    counts: dict[str, dict[Group, Steps]] = field(default_factory=dict)
    histograms: dict[str, dict[Group, Histogram]] = field(default_factory=dict)
    gauges: dict[str, dict[Group, list[float | None]]] = field(default_factory=dict)
    counted: dict[Asked, Mapping[Group, Steps]] = field(
        default_factory=dict, repr=False, compare=False
    )
    """What answers have added up of counts: several queries of a page ask the same."""
    observed: dict[Asked, Mapping[Group, Histogram]] = field(
        default_factory=dict, repr=False, compare=False
    )
    """The same of histograms."""


def read(queries: Iterable[Query], window: Window, scope: Scope) -> Sums:
    """Return the sums that these queries ask for, in the whole numbers that rows keep.

    Gauges are in their unit. What is asked of the database is bounded by steps and by series, not
    by minutes.
    """
    wanted = {label: (value,) for label, value in scope.filters.items()}
    return _read(_kept(queries), window, scope.ledgers, wanted)


def read_each(
    queries: Iterable[Query], window: Window, scope: Scope, *, label: str, values: Sequence[str]
) -> list[Sums]:
    """Return what `read` says of this scope narrowed to each value of a label.

    Read at once: a family's rows are gone through once, however many values there are.
    """
    wanted = {each: (value,) for each, value in scope.filters.items()} | {label: tuple(values)}
    kept = _kept(queries, apart=label)
    sums = _read(kept, window, scope.ledgers, wanted)
    return [_only(sums, kept, label, value) for value in values]


def _read(
    kept: Mapping[Family, tuple[str, ...]],
    window: Window,
    ledgers: Mapping[int, str],
    wanted: Where,
) -> Sums:
    pieces = {source: pieces_of(source, window) for source in SOURCES}
    counted = [family for family in kept if family.kind != "gauge"]
    names = _names(counted, ledgers, pieces)
    groups = {
        kind: {
            family: _groups(family, kept[family], names.get(family.name, ()), ledgers, wanted)
            for family in counted
            if family.kind == kind
        }
        for kind in ("counter", "histogram")
    }
    # Thousands of lists that hold no cycles, all at once.
    with no_collecting():
        return Sums(
            labels={family.name: labels for family, labels in kept.items()},
            counts=read_counts(groups["counter"], window, list(ledgers), pieces),
            histograms=read_histograms(groups["histogram"], window, list(ledgers), pieces),
            gauges=_gauges(
                [each for each in kept if each.kind == "gauge"], window, ledgers, wanted
            ),
        )


def _kept(queries: Iterable[Query], *, apart: str = "") -> dict[Family, tuple[str, ...]]:
    """Return the labels that somebody needs of each family, in its order."""
    wanted: defaultdict[Family, set[str]] = defaultdict(set)
    for query in queries:
        wanted[query.family].update(query.by, query.where, query.part, (apart,))
        if query.over is not None:
            wanted[query.over].update(query.by, query.over_where, (apart,))
    return {
        family: tuple(label for label in family.labels if label in labels)
        for family, labels in wanted.items()
    }


def _only(sums: Sums, families: Iterable[Family], label: str, value: str) -> Sums:
    """Return the sums of one value of a label; a family without it is not narrowed."""

    def narrowed(read: Mapping[str, Mapping[Group, T]]) -> dict[str, dict[Group, T]]:
        found: dict[str, dict[Group, T]] = {}
        for family in families:
            # Gauges keep all of their labels.
            labels = family.labels if family.kind == "gauge" else sums.labels[family.name]
            place = labels.index(label) if label in labels else None
            if family.name in read:
                found[family.name] = {
                    group: each
                    for group, each in read[family.name].items()
                    if place is None or group[place] == value
                }
        return found

    return Sums(
        labels=sums.labels,
        counts=narrowed(sums.counts),
        histograms=narrowed(sums.histograms),
        gauges=narrowed(sums.gauges),
    )


def _names(
    families: Sequence[Family], ledgers: Mapping[int, str], pieces: Pieces
) -> Mapping[str, list[tuple[str, ...]]]:
    """Return which series there ever were of each family."""
    found: defaultdict[str, list[tuple[str, ...]]] = defaultdict(list)
    requests = [each.name for each in families if "http" in each.sources]
    asked = {
        "families": [each.name for each in families if "http" not in each.sources],
        "ledgers": list(ledgers),
    }
    said = rows(_NAMES, asked)
    for piece in pieces["processes"] if requests else ():
        statement = _REQUEST_NAMES if piece.minutes == 1 else _REQUEST_SPANS
        said += rows(
            statement,
            {
                "families": requests,
                "minutes": piece.minutes,
                "first": piece.first,
                "last": piece.last,
            },
        )
    for name, labels in said:
        values = tuple(labels.split(" ")) if labels else ()
        if values not in found[name]:
            found[name].append(values)
    return found


def _groups(
    family: Family,
    kept: tuple[str, ...],
    names: Iterable[tuple[str, ...]],
    ledgers: Mapping[int, str],
    wanted: Where,
) -> dict[str, Group]:
    """Return the group of each series that counts, by its labels as rows have them."""
    places = [family.labels.index(label) for label in kept]
    allowed = {
        family.labels.index(label): values
        for label, values in wanted.items()
        if label in family.labels
    }
    if "ledger" in family.labels:
        allowed[family.labels.index("ledger")] = tuple(ledgers.values())
    return {
        " ".join(values): tuple(values[place] for place in places)
        for values in names
        if len(values) >= len(family.labels)
        and all(values[place] in some for place, some in allowed.items())
    }


def _gauges(
    families: Sequence[Family], window: Window, ledgers: Mapping[int, str], wanted: Where
) -> dict[str, dict[Group, list[float | None]]]:
    """Return the last value that each series had in each step, as series: nothing is added up."""
    if not families:
        return {}
    minutes = sorted(_last_minutes(window).items())
    asked = {"families": [each.name for each in families], "minutes": [each for each, _ in minutes]}
    said: dict[tuple[str, str], list[float | None]] = {}
    for number, names, labels, levels in rows(_GAUGES, asked):
        _, place = minutes[number - 1]
        for name, values, level in zip(names or (), labels or (), levels or (), strict=True):
            # The later minute of a step comes later and is the last word.
            if (name, values) not in said:
                said[name, values] = [None] * window.places
            said[name, values][place] = level
    found: dict[str, dict[Group, list[float | None]]] = {}
    for family in families:
        named = {labels: values for (name, labels), values in said.items() if name == family.name}
        series = [tuple(labels.split(" ")) if labels else () for labels in named]
        groups = _groups(family, family.labels, series, ledgers, wanted)
        found[family.name] = {
            groups[labels]: values for labels, values in named.items() if labels in groups
        }
    return found


def _last_minutes(window: Window) -> dict[datetime, int]:
    """Return the last minutes of each step and its place; a short step has but its own."""
    found: dict[datetime, int] = {}
    for place in range(window.places):
        last = min(window.moment(place + 1), window.now)
        minute = last.replace(second=0, microsecond=0)
        if minute >= last:
            minute -= timedelta(minutes=1)
        for back in range(GAUGE_PATIENCE):
            each = minute - timedelta(minutes=back)
            if each >= window.moment(place):
                found[each] = place
    return found

"""Read minute history: sums of counters and histograms by step, what gauges said last in each.

Postgres adds up; no minute comes here. Where a span is added up already and a step holds it whole,
it is read in the place of its minutes (pieces.py). A family is read once for all queries of a page,
with the labels apart that one of them needs. From sums to what is shown: answer.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from audit.database import rows
from metrics.family import Family
from metrics.operations.chart import Query
from metrics.operations.pieces import Pieces, pieces_of
from metrics.operations.window import Window
from metrics.spans import SOURCES, Source

Group: TypeAlias = tuple[str, ...]
"""Values of the labels that are kept, in the family's order."""
Steps: TypeAlias = list[float]

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
_GROUPS = "unnest(%(labels)s::text[], %(groups)s::integer[]) AS g(labels, place)"
_STEP = "SELECT g.place, floor(extract(epoch FROM m.{0} - %(start)s) / %(step)s)::integer"
_SOURCES: Final[Mapping[Source, str]] = {
    "entries": f"""
FROM {_GROUPS}
JOIN metrics_minute AS m USING (labels)
WHERE m.family = %(family)s
  AND m.ledger_id = ANY(%(ledgers)s)
  AND m.minute >= %(first)s
  AND m.minute < %(last)s
GROUP BY 1, 2
""",
    "processes": f"""
FROM {_GROUPS}
JOIN metrics_processminute AS m USING (labels)
WHERE m.family = %(family)s
  AND m.minute >= %(first)s
  AND m.minute < %(last)s
GROUP BY 1, 2
""",
}
_FROM_SPANS = f"""
FROM {_GROUPS}
JOIN metrics_span AS m USING (labels)
WHERE m.source = %(source)s
  AND m.family = %(family)s
  AND m.minutes = %(minutes)s
  AND m.ledger_id = ANY(%(ledgers)s)
  AND m.starts_at >= %(first)s
  AND m.starts_at < %(last)s
GROUP BY 1, 2
"""
# A minute at a time, each in its own day: asked for all at once, every day is searched for every
# minute.
_GAUGES = """
SELECT found.labels, wanted.minute, found.value
FROM unnest(%(minutes)s::timestamptz[]) AS wanted(minute)
CROSS JOIN LATERAL (
    SELECT labels, value
    FROM metrics_gaugeminute
    WHERE family = %(family)s
      AND minute = wanted.minute
) AS found
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """What of the installation is looked at."""

    ledgers: Mapping[int, str]
    """Ids and names of the ledgers whose entries count."""
    filters: Mapping[str, str] = field(default_factory=dict)
    """By label, the one value that counts; a family without the label is not narrowed."""


@dataclass(kw_only=True, slots=True)
class Histogram:
    """Observations of each step, in the whole numbers that rows keep."""

    buckets: list[Steps]
    """A list a bucket, infinity the last."""
    total: Steps


@dataclass(kw_only=True, slots=True)
class Sums:
    """What was read, by family and group."""

    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By family, the labels that a group has values of."""
    counts: dict[str, dict[Group, Steps]] = field(default_factory=dict)
    histograms: dict[str, dict[Group, Histogram]] = field(default_factory=dict)
    gauges: dict[str, dict[Group, list[float | None]]] = field(default_factory=dict)


def read(queries: Iterable[Query], window: Window, scope: Scope) -> Sums:
    """Return the sums that these queries ask for, in the whole numbers that rows keep.

    Gauges are in their unit. What is asked of the database is bounded by steps and by series, not
    by minutes.
    """
    kept = _kept(queries)
    pieces = {source: pieces_of(source, window) for source in SOURCES}
    sums = Sums(labels={family.name: labels for family, labels in kept.items()})
    counted = {family: labels for family, labels in kept.items() if family.kind != "gauge"}
    names = _names(list(counted), scope, pieces)
    for family, labels in counted.items():
        groups = _groups(family, labels, names.get(family.name, ()), scope)
        if family.kind == "counter":
            sums.counts[family.name] = _counts(family, groups, window, scope, pieces)
        else:
            sums.histograms[family.name] = _histograms(family, groups, window, scope, pieces)
    for family, labels in kept.items():
        if family.kind == "gauge":
            sums.gauges[family.name] = _gauges(family, labels, window, scope)
    return sums


def _kept(queries: Iterable[Query]) -> dict[Family, tuple[str, ...]]:
    """Return the labels that somebody needs of each family, in its order."""
    wanted: defaultdict[Family, set[str]] = defaultdict(set)
    for query in queries:
        wanted[query.family].update(query.by, query.where, query.part)
        if query.over is not None:
            wanted[query.over].update(query.by, query.over_where)
    return {
        family: tuple(label for label in family.labels if label in labels)
        for family, labels in wanted.items()
    }


def _names(
    families: Sequence[Family], scope: Scope, pieces: Pieces
) -> Mapping[str, list[tuple[str, ...]]]:
    """Return which series there ever were of each family."""
    found: defaultdict[str, list[tuple[str, ...]]] = defaultdict(list)
    requests = [each.name for each in families if "http" in each.sources]
    asked = {
        "families": [each.name for each in families if "http" not in each.sources],
        "ledgers": list(scope.ledgers),
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
    scope: Scope,
) -> dict[str, Group]:
    """Return the group of each series that counts, by its labels as rows have them."""
    places = [family.labels.index(label) for label in kept]
    wanted: dict[int, tuple[str, ...]] = {
        family.labels.index(label): (value,)
        for label, value in scope.filters.items()
        if label in family.labels
    }
    if "ledger" in family.labels:
        wanted[family.labels.index("ledger")] = tuple(scope.ledgers.values())
    return {
        " ".join(values): tuple(values[place] for place in places)
        for values in names
        if len(values) >= len(family.labels)
        and all(values[place] in allowed for place, allowed in wanted.items())
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """The groups of a family, numbered for the database, and what to ask it."""

    numbers: list[Group]
    statements: list[tuple[str, Mapping[str, object]]]
    """From its FROM on, with `{0}` for the columns before."""


def _asked(
    family: Family, groups: Mapping[str, Group], window: Window, scope: Scope, pieces: Pieces
) -> _Asked:
    numbers = sorted(set(groups.values()))
    place = {group: number for number, group in enumerate(numbers)}
    common = {
        "labels": list(groups),
        "groups": [place[group] for group in groups.values()],
        "family": family.name,
        "start": window.start,
        "step": window.step,
    }
    statements: list[tuple[str, Mapping[str, object]]] = []
    for source in _sources(family, scope) if groups else ():
        ledgers = list(scope.ledgers) if source == "entries" else [0]
        for piece in pieces[source]:
            is_whole = piece.minutes == 1
            statements.append(
                (
                    _STEP.format("minute" if is_whole else "starts_at")
                    + "{0}"
                    + (_SOURCES[source] if is_whole else _FROM_SPANS),
                    {
                        **common,
                        "ledgers": ledgers,
                        "source": source,
                        "minutes": piece.minutes,
                        "first": piece.first,
                        "last": piece.last,
                    },
                )
            )
    return _Asked(numbers=numbers, statements=statements)


def _sources(family: Family, scope: Scope) -> list[Source]:
    found: list[Source] = []
    if "entries" in family.sources and scope.ledgers:
        found.append("entries")
    if {"process", "http"} & set(family.sources):
        found.append("processes")
    return found


def _counts(
    family: Family, groups: Mapping[str, Group], window: Window, scope: Scope, pieces: Pieces
) -> dict[Group, Steps]:
    asked = _asked(family, groups, window, scope, pieces)
    found = {group: [0.0] * window.places for group in asked.numbers}
    for statement, parameters in asked.statements:
        for number, place, n in rows(statement.format(", sum(m.n)::float8"), parameters):
            found[asked.numbers[number]][place] += n
    return found


def _histograms(
    family: Family, groups: Mapping[str, Group], window: Window, scope: Scope, pieces: Pieces
) -> dict[Group, Histogram]:
    asked = _asked(family, groups, window, scope, pieces)
    places = len(family.edges) + 1
    found = {
        group: Histogram(
            buckets=[[0.0] * window.places for _ in range(places)], total=[0.0] * window.places
        )
        for group in asked.numbers
    }
    # A column a bucket: to unnest the arrays would make eleven rows of each.
    columns = ", ".join(f"sum(m.buckets[{number}])::float8" for number in range(1, places + 1))
    for statement, parameters in asked.statements:
        asking = statement.format(f", sum(m.total)::float8, {columns}")
        for number, place, total, *buckets in rows(asking, parameters):
            one = found[asked.numbers[number]]
            one.total[place] += total
            for into, added in zip(one.buckets, buckets, strict=True):
                into[place] += added or 0.0  # a row of before an edge came is shorter
    return found


def _gauges(
    family: Family, kept: tuple[str, ...], window: Window, scope: Scope
) -> dict[Group, list[float | None]]:
    """Return the last value that each series had in each step, as series: nothing is added up."""
    minutes = _last_minutes(window)
    newest: dict[tuple[str, int], tuple[datetime, float]] = {}
    said = rows(_GAUGES, {"family": family.name, "minutes": list(minutes)})
    for labels, minute, value in said:
        key = labels, minutes[minute]
        if key not in newest or newest[key][0] < minute:
            newest[key] = minute, value
    names = [tuple(labels.split(" ")) if labels else () for labels, _ in newest]
    groups = _groups(family, family.labels, names, scope)
    found: dict[Group, list[float | None]] = {}
    for (labels, place), (_, value) in newest.items():
        if labels in groups:
            values = found.setdefault(groups[labels], [None] * window.places)
            values[place] = value
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

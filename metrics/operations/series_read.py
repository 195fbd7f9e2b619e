"""Read minute history: sums of counters and histograms by step, what gauges said last in each.

Postgres adds up; no minute comes here. A family is read once for all queries of a page, with the
labels apart that one of them needs. From sums to what is shown: answer.py.
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
from metrics.operations.window import Window

Group: TypeAlias = tuple[str, ...]
"""Values of the labels that are kept, in the family's order."""
Steps: TypeAlias = list[float]

GAUGE_PATIENCE: Final = 3
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
# Requests have no totals of ours, only minutes.
_REQUEST_NAMES = """
SELECT DISTINCT family, labels
FROM metrics_processminute
WHERE family = ANY(%(families)s)
  AND minute >= %(first)s
  AND minute < %(last)s
"""
_FROM_ENTRIES = """
FROM unnest(%(labels)s::text[], %(groups)s::integer[]) AS g(labels, place)
JOIN metrics_minute AS m USING (labels)
WHERE m.family = %(family)s
  AND m.ledger_id = ANY(%(ledgers)s)
  AND m.minute >= %(first)s
  AND m.minute < %(last)s
GROUP BY 1, 2
"""
_FROM_PROCESSES = """
FROM unnest(%(labels)s::text[], %(groups)s::integer[]) AS g(labels, place)
JOIN metrics_processminute AS m USING (labels)
WHERE m.family = %(family)s
  AND m.minute >= %(first)s
  AND m.minute < %(last)s
GROUP BY 1, 2
"""
_STEP = "SELECT g.place, floor(extract(epoch FROM m.minute - %(start)s) / %(step)s)::integer"
_GAUGES = """
SELECT labels, minute, value
FROM metrics_gaugeminute
WHERE family = %(family)s
  AND minute = ANY(%(minutes)s)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """What of the installation is looked at."""

    ledgers: Mapping[int, str]
    """Ids and names of the ledgers whose entries count."""
    filters: Mapping[str, str] = field(default_factory=dict)
    """By label, the one value that counts; a family without the label is not narrowed."""

    def narrows(self, family: Family) -> bool:
        """Tell whether every filter means something to a family."""
        return all(label in family.labels for label in self.filters)


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
    sums = Sums(labels={family.name: labels for family, labels in kept.items()})
    counted = {family: labels for family, labels in kept.items() if family.kind != "gauge"}
    names = _names(list(counted), window, scope)
    for family, labels in counted.items():
        groups = _groups(family, labels, names.get(family.name, ()), scope)
        if family.kind == "counter":
            sums.counts[family.name] = _counts(family, groups, window, scope)
        else:
            sums.histograms[family.name] = _histograms(family, groups, window, scope)
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
    families: Sequence[Family], window: Window, scope: Scope
) -> Mapping[str, list[tuple[str, ...]]]:
    """Return which series there ever were of each family."""
    found: defaultdict[str, list[tuple[str, ...]]] = defaultdict(list)
    requests = [each.name for each in families if "http" in each.sources]
    asked = {
        "families": [each.name for each in families if "http" not in each.sources],
        "ledgers": list(scope.ledgers),
    }
    said = rows(_NAMES, asked)
    if requests:
        said += rows(
            _REQUEST_NAMES, {"families": requests, "first": window.start, "last": window.end}
        )
    for name, labels in said:
        found[name].append(tuple(labels.split(" ")) if labels else ())
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
    """The groups of a family, numbered for the database."""

    numbers: list[Group]
    parameters: Mapping[str, object]
    sources: list[str]


def _asked(family: Family, groups: Mapping[str, Group], window: Window, scope: Scope) -> _Asked:
    numbers = sorted(set(groups.values()))
    place = {group: number for number, group in enumerate(numbers)}
    sources = []
    if "entries" in family.sources and scope.ledgers:
        sources.append(_FROM_ENTRIES)
    if {"process", "http"} & set(family.sources):
        sources.append(_FROM_PROCESSES)
    return _Asked(
        numbers=numbers,
        parameters={
            "labels": list(groups),
            "groups": [place[group] for group in groups.values()],
            "family": family.name,
            "ledgers": list(scope.ledgers),
            "first": window.start,
            "last": window.end,
            "start": window.start,
            "step": window.step,
        },
        sources=sources if groups else [],
    )


def _counts(
    family: Family, groups: Mapping[str, Group], window: Window, scope: Scope
) -> dict[Group, Steps]:
    asked = _asked(family, groups, window, scope)
    found = {group: [0.0] * window.places for group in asked.numbers}
    for source in asked.sources:
        for number, place, n in rows(f"{_STEP}, sum(m.n)::float8 {source}", asked.parameters):
            found[asked.numbers[number]][place] += n
    return found


def _histograms(
    family: Family, groups: Mapping[str, Group], window: Window, scope: Scope
) -> dict[Group, Histogram]:
    asked = _asked(family, groups, window, scope)
    places = len(family.edges) + 1
    found = {
        group: Histogram(
            buckets=[[0.0] * window.places for _ in range(places)], total=[0.0] * window.places
        )
        for group in asked.numbers
    }
    # A column a bucket: to unnest the arrays would make eleven rows of each.
    columns = ", ".join(f"sum(m.buckets[{number}])::float8" for number in range(1, places + 1))
    for source in asked.sources:
        statement = f"{_STEP}, sum(m.total)::float8, {columns} {source}"
        for number, place, total, *buckets in rows(statement, asked.parameters):
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

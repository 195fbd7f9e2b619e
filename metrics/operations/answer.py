"""Work out what a query asks, from sums by step: values of each series, and of the whole range.

Pure. A share, a quantile and an average are reckoned of what lies below them, never averaged from
steps. Nothing happened is no value, not 0, wherever a quotient is asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Final, TypeAlias, TypeVar

from metrics.family import Family
from metrics.operations.cells import Group, Histogram, Steps
from metrics.operations.chart import Query, Where
from metrics.operations.quantile import quantile, quantile_risen
from metrics.operations.series_read import Sums
from metrics.operations.window import Window

Values: TypeAlias = list[float | None]

ALL: Final = "all"
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Answered:
    """One series of an answer."""

    name: str
    reckon: Callable[[], Values] = field(repr=False, compare=False)
    """Returns what `values` keeps."""
    whole: float | None
    """Of the range; of a gauge, what it said last. None: there is no value in any step either."""
    weight: float
    """By which the few that are drawn are chosen: how much there was."""
    labels: Mapping[str, str]
    """Of the labels that the query tells apart."""

    @cached_property
    def values(self) -> Values:
        """Return one a step, in the query's unit; None where there is none.

        Reckoned when first asked for: figures and bars never do, and of many lines few are drawn.
        """
        return self.reckon()


def answer(query: Query, sums: Sums, window: Window) -> list[Answered]:
    """Return the series of a query, those with the most first."""
    if query.way == "gauge":
        found = _gauge(query, sums, window)
    elif query.way in {"quantile", "mean"}:
        found = _distribution(query, sums)
    elif query.way in {"share", "per"}:
        found = _quotient(query, sums, window)
    else:
        found = _amount(query, sums, window)
    return sorted(found, key=lambda one: (-one.weight, one.name))


def _amount(query: Query, sums: Sums, window: Window) -> list[Answered]:
    made = []
    for group, steps in _counts(sums, query.family, query.by, query.where).items():
        total = sum(steps)
        if not total and query.by:
            continue
        is_rate = query.way == "rate"
        whole = total * query.seconds / window.whole_seconds if is_rate else total
        reckon = partial(_rates, steps, query.seconds, window) if is_rate else partial(list, steps)
        made.append(_named(query, group, reckon, whole, weight=total))
    return made


def _rates(steps: Steps, seconds: float, window: Window) -> Values:
    return [each * seconds / window.seconds(place) for place, each in enumerate(steps)]


def _quotient(query: Query, sums: Sums, window: Window) -> list[Answered]:
    if query.over is None:
        above = _counts(sums, query.family, query.by, {**query.where, **query.part})
        below = _counts(sums, query.family, query.by, query.where)
    else:
        above = _counts(sums, query.family, query.by, query.where)
        below = _counts(sums, query.over, query.by, query.over_where)
    made = []
    for group, steps in below.items():
        total = sum(steps)
        if not total:
            continue
        counted = above.get(group) or [0.0] * window.places
        reckon = partial(_quotients, counted, steps)
        made.append(_named(query, group, reckon, sum(counted) / total, weight=total))
    return made


def _quotients(above: Steps, below: Steps) -> Values:
    return [a / b if b else None for a, b in zip(above, below, strict=True)]


def _distribution(query: Query, sums: Sums) -> list[Answered]:
    edges, scale = query.family.edges, query.family.scale
    made = []
    for group, one in _histograms(sums, query.family, query.by, query.where).items():
        buckets = [sum(each) for each in one.buckets]
        total = sum(buckets)
        if not total:
            continue
        if query.way == "mean":
            reckon = partial(_means, one, scale)
            whole: float | None = sum(one.total) / scale / total
        else:
            reckon = partial(_quantiles, query.q, one, edges)
            whole = quantile(query.q, buckets, edges)
        made.append(_named(query, group, reckon, whole, weight=total))
    return made


def _means(one: Histogram, scale: int) -> Values:
    observed = map(sum, zip(*one.buckets, strict=True))
    return [
        summed / scale / number if number else None
        for summed, number in zip(one.total, observed, strict=True)
    ]


def _quantiles(q: float, one: Histogram, edges: Sequence[float]) -> Values:
    return [quantile_risen(q, each, edges) for each in one.risen]


def _gauge(query: Query, sums: Sums, window: Window) -> list[Answered]:
    labels = query.family.labels
    found: dict[Group, list[Values]] = {}
    parts: dict[Group, list[Values]] = {}
    for series, values in sums.gauges.get(query.family.name, {}).items():
        said = dict(zip(labels, series, strict=False))
        if not _counts_in(said, query.where):
            continue
        group = tuple(said[label] for label in query.by)
        found.setdefault(group, []).append(values)
        if query.part and _counts_in(said, query.part):
            parts.setdefault(group, []).append(values)
    made = []
    for group, several in found.items():
        at = partial(_level, query, several, parts.get(group, []))
        levels = (at(place) for place in reversed(range(window.places)))
        last = next((each for each in levels if each is not None), None)
        reckon = partial(_levels, at, window.places)
        made.append(_named(query, group, reckon, last, weight=last or 0.0))
    return made


def _levels(at: Callable[[int], float | None], places: int) -> Values:
    return [at(place) for place in range(places)]


def _level(
    query: Query, several: Sequence[Values], parts: Sequence[Values], place: int
) -> float | None:
    """Return what the gauges of a group said together in a step, or which share of it is `part`."""
    whole = _together([values[place] for values in several], query.how)
    if not query.part:
        return whole
    part = _together([values[place] for values in parts], "sum")
    return part / whole if part is not None and whole else None


def _together(said: Sequence[float | None], how: str) -> float | None:
    there = [each for each in said if each is not None]
    if not there:
        return None
    if how == "avg":
        return sum(there) / len(there)
    if how == "max":
        return max(there)
    return min(there) if how == "min" else sum(there)


def _named(
    query: Query, group: Group, reckon: Callable[[], Values], whole: float | None, *, weight: float
) -> Answered:
    labels = dict(zip(query.by, group, strict=True))
    said = " ".join(each for each in group if each)
    return Answered(
        name=f"{said} {query.name}".strip() or ALL,
        reckon=reckon,
        whole=whole,
        weight=weight,
        labels=labels,
    )


def _counts_in(said: Mapping[str, str], where: Where) -> bool:
    return all(said.get(label) in values for label, values in where.items())


def _chosen(labels: Sequence[str], group: Group, by: Sequence[str], where: Where) -> Group | None:
    """Return the group of a query that a series read belongs to; None when it does not count."""
    said = dict(zip(labels, group, strict=True))
    if not _counts_in(said, where):
        return None
    return tuple(said[label] for label in by)


def _counts(sums: Sums, family: Family, by: Sequence[str], where: Where) -> Mapping[Group, Steps]:
    """Return counts in the family's unit, what is not told apart added up."""
    key = family.name, tuple(by), tuple(sorted(where.items()))
    if key in sums.counted:
        return sums.counted[key]
    scale = family.scale
    found = {
        into: _added(
            [[each / scale for each in steps] for steps in several] if scale != 1 else several
        )
        for into, several in _gathered(sums, family, sums.counts, by, where).items()
    }
    sums.counted[key] = found
    return found


def _histograms(
    sums: Sums, family: Family, by: Sequence[str], where: Where
) -> Mapping[Group, Histogram]:
    key = family.name, tuple(by), tuple(sorted(where.items()))
    if key in sums.observed:
        return sums.observed[key]
    found = {
        into: Histogram(
            buckets=[_added(each) for each in zip(*(one.buckets for one in several), strict=True)],
            total=_added([one.total for one in several]),
        )
        for into, several in _gathered(sums, family, sums.histograms, by, where).items()
    }
    sums.observed[key] = found
    return found


def _gathered(
    sums: Sums,
    family: Family,
    read: Mapping[str, Mapping[Group, T]],
    by: Sequence[str],
    where: Where,
) -> Mapping[Group, list[T]]:
    """Return what was read of each group of a query."""
    found: defaultdict[Group, list[T]] = defaultdict(list)
    for group, one in read.get(family.name, {}).items():
        into = _chosen(sums.labels[family.name], group, by, where)
        if into is not None:
            found[into].append(one)
    return found


def _added(several: Sequence[Steps]) -> Steps:
    """Return the sum of each step."""
    return several[0] if len(several) == 1 else list(map(sum, zip(*several, strict=True)))

"""Work out what a query asks, from sums by step: values of each series, and of the whole range.

Pure. A share, a quantile and an average are reckoned of what lies below them, never averaged from
steps. Nothing happened is no value, not 0, wherever a quotient is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from metrics.family import Family
from metrics.operations.chart import Query, Where
from metrics.operations.quantile import quantile
from metrics.operations.series_read import Group, Histogram, Steps, Sums
from metrics.operations.window import Window

Values: TypeAlias = list[float | None]

ALL: Final = "all"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """One series of an answer."""

    name: str
    values: Values
    """One a step, in the query's unit; None where there is none."""
    whole: float | None
    """Of the range; of a gauge, what it said last."""
    weight: float
    """By which the few that are drawn are chosen: how much there was."""
    labels: Mapping[str, str]
    """Of the labels that the query tells apart."""


def answer(query: Query, sums: Sums, window: Window) -> list[Answered]:
    """Return the series of a query, those with the most first."""
    if query.way == "gauge":
        found = _gauge(query, sums, window)
    elif query.way in {"quantile", "mean"}:
        found = _distribution(query, sums, window)
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
        values: Values = list(steps)
        whole = total
        if query.way == "rate":
            values = [
                each * query.seconds / window.seconds(place) for place, each in enumerate(steps)
            ]
            whole = total * query.seconds / window.whole_seconds
        made.append(_named(query, group, values, whole, weight=total))
    return made


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
        values: Values = [a / b if b else None for a, b in zip(counted, steps, strict=True)]
        made.append(_named(query, group, values, sum(counted) / total, weight=total))
    return made


def _distribution(query: Query, sums: Sums, window: Window) -> list[Answered]:
    edges, scale = query.family.edges, query.family.scale
    made = []
    for group, one in _histograms(sums, query.family, query.by, query.where).items():
        observed = [sum(each) for each in zip(*one.buckets, strict=True)]
        total = sum(observed)
        if not total:
            continue
        if query.way == "mean":
            values: Values = [
                summed / scale / number if number else None
                for summed, number in zip(one.total, observed, strict=True)
            ]
            whole: float | None = sum(one.total) / scale / total
        else:
            values = [quantile(query.q, each, edges) for each in zip(*one.buckets, strict=True)]
            whole = quantile(query.q, [sum(each) for each in one.buckets], edges)
        made.append(_named(query, group, values, whole, weight=total))
    return made


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
        together = [_together(each, query.how) for each in zip(*several, strict=True)]
        if query.part:
            above = [
                _together(each, "sum") for each in zip(*parts.get(group, []), strict=True)
            ] or [None] * window.places
            together = [
                a / b if a is not None and b else None for a, b in zip(above, together, strict=True)
            ]
        last = next((each for each in reversed(together) if each is not None), None)
        made.append(_named(query, group, together, last, weight=last or 0.0))
    return made


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
    query: Query, group: Group, values: Values, whole: float | None, *, weight: float
) -> Answered:
    labels = dict(zip(query.by, group, strict=True))
    said = " ".join(each for each in group if each)
    return Answered(
        name=f"{said} {query.name}".strip() or ALL,
        values=values,
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


def _counts(sums: Sums, family: Family, by: Sequence[str], where: Where) -> dict[Group, Steps]:
    """Return counts in the family's unit, what is not told apart added up."""
    found: dict[Group, Steps] = {}
    scale = family.scale
    for group, steps in sums.counts.get(family.name, {}).items():
        into = _chosen(sums.labels[family.name], group, by, where)
        if into is None:
            continue
        mine = found.get(into)
        scaled = [each / scale for each in steps] if scale != 1 else steps
        found[into] = (
            list(scaled) if mine is None else [a + b for a, b in zip(mine, scaled, strict=True)]
        )
    return found


def _histograms(
    sums: Sums, family: Family, by: Sequence[str], where: Where
) -> dict[Group, Histogram]:
    found: dict[Group, Histogram] = {}
    for group, one in sums.histograms.get(family.name, {}).items():
        into = _chosen(sums.labels[family.name], group, by, where)
        if into is None:
            continue
        mine = found.get(into)
        if mine is None:
            found[into] = Histogram(
                buckets=[list(each) for each in one.buckets], total=list(one.total)
            )
        else:
            mine.total = [a + b for a, b in zip(mine.total, one.total, strict=True)]
            mine.buckets = [
                [a + b for a, b in zip(x, y, strict=True)]
                for x, y in zip(mine.buckets, one.buckets, strict=True)
            ]
    return found

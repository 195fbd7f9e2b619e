"""Make the steps of a series out of quarters of an hour: add up, divide, find the percentile. Pure.

A quarter is what rows say of one series in 15 minutes; reading.py reads them. A counted series in
which nothing happened is 0 there; a share or a percentile of nothing is no step at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Final

from metrics.anomalies.seasonal import QUARTER, STEPS, Step, begins_at, quarters_of
from metrics.anomalies.watched import Watched

PERCENTILE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Quarter:
    """What a series says in 15 minutes, as rows have it."""

    whole: float
    """Of counts, in whole numbers as rows keep them; of levels, their sum."""
    part: float = 0.0
    """Of a share, the part; of levels, how many there are."""
    buckets: tuple[int, ...] = ()
    """Of a histogram, not cumulative, infinity the last."""


def length_of(measure: Watched, quarters: Mapping[datetime, Quarter]) -> int:
    """Return how many quarters a step of a series should have.

    Of counts the shortest in which enough happens; of shares and percentiles the shortest of which
    half the steps that hold anything hold enough to be judged.
    """
    if measure.sort == "level":
        return 1
    if measure.sort == "sum":
        return 4
    if measure.sort == "count":
        return _length_of_count(quarters)
    shortest = STEPS[1:] if measure.sort == "p95" else STEPS
    return next((each for each in shortest if _is_enough(measure, quarters, each)), STEPS[-1])


def _length_of_count(quarters: Mapping[datetime, Quarter]) -> int:
    return quarters_of([Step(at, quarters[at].whole) for at in sorted(quarters)])


def _is_enough(measure: Watched, quarters: Mapping[datetime, Quarter], length: int) -> bool:
    weights: defaultdict[datetime, float] = defaultdict(float)
    for at, quarter in quarters.items():
        weights[begins_at(at, length)] += quarter.whole + sum(quarter.buckets)
    return bool(weights) and median(weights.values()) >= measure.least


def steps_of(
    measure: Watched,
    quarters: Mapping[datetime, Quarter],
    *,
    length: int,
    start: datetime,
    end: datetime,
    was_before: bool = False,
) -> list[Step]:
    """Return the whole steps between two moments, in the order of time.

    A counted series begins with the first step that anything happened in: before that it was none,
    unless it is known to have been there before.
    """
    made: list[Step] = []
    at = begins_at(start, length)
    if at < start:
        at += length * QUARTER
    while at + length * QUARTER <= end:
        found = [
            quarters[each] for each in (at + number * QUARTER for number in range(length))
            if each in quarters
        ]  # fmt: skip
        step = _step(measure, at, found)
        is_there = made or was_before or measure.sort not in {"count", "sum"}
        if step is not None and (is_there or step.value):
            made.append(step)
        at += length * QUARTER
    return made


def _step(measure: Watched, at: datetime, found: Sequence[Quarter]) -> Step | None:
    whole = sum(quarter.whole for quarter in found)
    if measure.sort in {"count", "sum"}:
        return Step(at, whole / measure.of.scale)
    if measure.sort == "p95":
        buckets = _added([quarter.buckets for quarter in found if quarter.buckets])
        number = sum(buckets)
        return Step(at, percentile(measure.of.edges, buckets), number) if number else None
    part = sum(quarter.part for quarter in found)
    if measure.sort == "level":
        return Step(at, whole / part, part) if part else None
    return Step(at, part / whole, whole) if whole else None


def _added(rows: Sequence[tuple[int, ...]]) -> list[int]:
    return [sum(column) for column in zip(*rows, strict=True)] if rows else []


def percentile(edges: Sequence[float], buckets: Sequence[int], share: float = PERCENTILE) -> float:
    """Return the value that so large a share lies below, in a straight line within its bucket.

    What lies beyond the last edge counts as that edge, as in Prometheus' histogram_quantile.
    """
    wanted, before = share * sum(buckets), 0
    for place, count in enumerate(buckets[:-1]):
        if before + count >= wanted and count:
            low = edges[place - 1] if place else 0.0
            return low + (edges[place] - low) * (wanted - before) / count
        before += count
    return edges[-1]

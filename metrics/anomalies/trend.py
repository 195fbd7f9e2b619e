"""When a level reaches its limit if it goes on as it went: a robust line and its interval. Pure.

The slope is the median of the slopes of all pairs (Theil 1950, Sen 1968); its interval is that of
Kendall's statistic, so a fifth of wild values does not bend it. A prediction is no promise: it says
what happens if nothing changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import inf, sqrt
from statistics import NormalDist, median
from typing import Final, TypeAlias

Point: TypeAlias = tuple[float, float]
"""Hours, and the level then."""

CONFIDENCE: Final = 0.95
MOST_POINTS: Final = 120
"""More are thinned out evenly: pairs grow with the square."""
LEAST_POINTS: Final = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A robust line through levels."""

    slope: float
    """Of the level in an hour."""
    low: float
    high: float
    """Its interval at CONFIDENCE; the ends are equal where every pair agrees."""
    level: float
    """Where the line stands at the newest point."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reached:
    """When a limit is reached, in hours from the newest point."""

    hours: float
    soonest: float
    latest: float
    """`inf` where the interval holds slopes that never reach it."""
    line: Line


def thinned(points: Sequence[Point]) -> list[Point]:
    """Return at most MOST_POINTS of them, evenly, the newest among them."""
    if len(points) <= MOST_POINTS:
        return list(points)
    step = (len(points) - 1) / (MOST_POINTS - 1)
    return [points[round(number * step)] for number in range(MOST_POINTS)]


def line_of(points: Sequence[Point]) -> Line | None:
    """Return the line of levels in the order of time; None of fewer than LEAST_POINTS."""
    if len(points) < LEAST_POINTS:
        return None
    kept = thinned(points)
    slopes = sorted(
        (later - earlier) / (at - before)
        for (before, earlier), (at, later) in combinations(kept, 2)
        if at > before
    )
    if not slopes:
        return None
    slope = median(slopes)
    newest = kept[-1][0]
    low, high = _interval(slopes, len(kept))
    return Line(
        slope=slope,
        low=low,
        high=high,
        level=median(level + slope * (newest - at) for at, level in kept),
    )


def _interval(slopes: Sequence[float], number: int) -> tuple[float, float]:
    """Return the slopes at the ends of the interval: Sen 1968, without a correction for ties."""
    deviation = sqrt(number * (number - 1) * (2 * number + 5) / 18)
    off = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2) * deviation
    low = max(0, round((len(slopes) - off) / 2))
    high = min(len(slopes) - 1, round((len(slopes) + off) / 2))
    return slopes[low], slopes[high]


def reaches(points: Sequence[Point], limit: float, *, is_upper: bool) -> Reached | None:
    """Return when the limit is reached; None when it is not, or cannot be told from noise.

    It can be told when both ends of the interval go towards the limit. A level that is beyond it
    already is no prediction: None.
    """
    line = line_of(points)
    if line is None:
        return None
    way = (limit - line.level) if is_upper else (line.level - limit)
    slope, low, high = (
        (line.slope, line.low, line.high) if is_upper else (-line.slope, -line.high, -line.low)
    )
    if way <= 0 or low <= 0:
        return None
    return Reached(
        hours=way / slope, soonest=way / high, latest=way / low if low > 0 else inf, line=line
    )

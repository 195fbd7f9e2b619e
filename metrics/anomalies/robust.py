"""Scores that a few odd values cannot bend: median, median absolute deviation. Pure.

A score says how many deviations a value lies from the median of those before. Moving all values by
the same amount, or stretching them all, changes no score, as long as no floor is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

AS_SIGMA: Final = 1.4826
"""How many median absolute deviations make a standard deviation of normal values."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """Where values lie, and how far from each other."""

    centre: float
    """The median."""
    scale: float
    """The median absolute deviation, as a standard deviation; 0 where most values are the same."""
    number: int
    """How many values it was made of."""


def spread(values: Sequence[float]) -> Spread:
    """Return median and deviation. Raises statistics.StatisticsError without a value."""
    centre = median(values)
    return Spread(
        centre=centre,
        scale=AS_SIGMA * median(abs(value - centre) for value in values),
        number=len(values),
    )


def score(value: float, of: Spread, *, floor: float = 0.0) -> float:
    """Return how many deviations a value lies above the centre; below it the score is negative.

    `floor` is the least deviation that is believed. Without any deviation a value has no score but
    0: what never moved tells nothing of how far is far.
    """
    scale = max(of.scale, floor)
    return (value - of.centre) / scale if scale > 0 else 0.0


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that so large a share lies at or below, the nearest; 0 of none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

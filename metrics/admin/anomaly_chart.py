"""Draw a series with the band of what is usual, as the points of a small picture. Pure.

Coordinates are those of an svg of WIDTH by HEIGHT that the template draws; the table behind it has
the same figures. Drawn by templates/metrics/anomaly_chart.html.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from metrics.anomalies.words import figure

WIDTH: Final = 720.0
HEIGHT: Final = 200.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """A point of the series."""

    at: datetime
    x: str
    y: str
    said: str
    usual: str
    band: str
    is_far: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawing:
    """A chart as svg wants it."""

    line: str
    usual: str
    band: str
    """A polygon."""
    marks: list[Mark]
    began: str
    """Where it began, x; empty where that is not in the picture."""
    top: str
    """The value at the upper edge, in words."""
    first: datetime
    last: datetime
    far: int
    """Points outside the band since it began."""


def drawn(chart: Sequence[Sequence[Any]], began: int, *, unit: str) -> Drawing:
    """Return the picture of [moment, value, usual, low, high] in the order of time."""
    # A band that reaches far beyond all that was seen would press the series flat.
    values = [value for _, *numbers in chart for value in numbers[:2]]
    highest = max((min(high, 2 * max(values)) for *_, high in chart), default=0.0)
    top = max(*values, highest, 1e-9) * 1.05
    step = WIDTH / max(len(chart) - 1, 1)

    def x(place: float) -> str:
        return f"{place * step:.1f}"

    def y(value: float) -> str:
        return f"{HEIGHT - min(max(value, 0.0), top) / top * HEIGHT:.1f}"

    marks = [
        Mark(
            at=datetime.fromisoformat(at),
            x=x(place),
            y=y(value),
            said=figure(value, unit),
            usual=figure(usual, unit),
            band=f"{figure(low, unit)} to {figure(high, unit)}",
            is_far=place >= began and not low <= value <= high,
        )
        for place, (at, value, usual, low, high) in enumerate(chart)
    ]
    upper = [f"{x(place)},{y(high)}" for place, (*_, high) in enumerate(chart)]
    lower = [f"{x(place)},{y(low)}" for place, (*_, low, _) in enumerate(chart)]
    return Drawing(
        line=" ".join(f"{mark.x},{mark.y}" for mark in marks),
        usual=" ".join(f"{x(place)},{y(point[2])}" for place, point in enumerate(chart)),
        band=" ".join([*upper, *lower[::-1]]),
        marks=marks,
        began=x(began) if began < len(chart) else "",
        top=figure(top, unit),
        first=marks[0].at,
        last=marks[-1].at,
        far=sum(mark.is_far for mark in marks),
    )

"""Look at an agent's numbers together: is a quarter of an hour unlike all quarters before it? Pure.

Each quarter in which an agent worked is a point; scikit-learn finds the nearest of those before.
How far they are on average is held against how far each of the old ones lies from its own nearest:
the distance that one of two hundred exceeds is the bar, and UNLIKE times the bar is unlike (the
k-nearest outlier of Ramaswamy, Rastogi, Shim 2000). No chance is in it: the same history says the
same.
Isolation forests and local outlier factors were tried on the fleet; neither told planted nights
from ordinary days (docs/anomalies.md has the figures).

scikit-learn comes with the extra `anomalies`; without it `is_installed` says no, and pages say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.util import find_spec
from math import expm1, log1p
from typing import Any, Final

from metrics.anomalies.robust import quantile

FEATURES: Final[Mapping[str, tuple[str, float]]] = {
    "calls": ("acts", 1),
    "errors": ("acts that failed", 1),
    "denied": ("acts that were denied", 1),
    "data": ("uses of data", 1),
    "tokens": ("tokens", 1),
    "nano": ("dollars", 1e9),
    "tools": ("different tools", 1),
}
"""What a quarter is made of, in words, and how many of a number make one of its unit."""

LEAST_QUARTERS: Final = 200
"""Quarters with work that an agent must have had."""
MOST_QUARTERS: Final = 2_000
"""The newest are learned; they cover weeks of an agent that works day and night."""
NEAREST: Final = 5
BAR_SHARE: Final = 0.995
UNLIKE: Final = 2.5
"""How many times the bar is unlike."""
LEAST_DISTANCE: Final = 0.5
"""The least that a bar is: who always does the same may do a little more."""
STANDS_OUT: Final = 0.2
"""A number is named from this share of the squared distance on."""
APART: Final = timedelta(hours=1)
"""Quarters that lie farther from each other are not one finding."""
_CENTS: Final = 100.0
"""Dollars are looked at in cents, so that a few of them weigh as other numbers do."""


@dataclass(frozen=True, slots=True)
class Work:
    """What an agent did in a quarter of an hour."""

    at: datetime
    numbers: tuple[float, ...]
    """In the order of FEATURES, in their units."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outstanding:
    """A number of a quarter that sets it apart."""

    feature: str
    seen: float
    nearest: float
    """What the nearest quarters had, on the middle of logarithms."""
    share: float
    """Of the squared distance."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unlike:
    """A quarter that is unlike those before."""

    work: Work
    score: float
    """How many times the bar it lies off."""
    number: int
    """How many quarters it was held against."""
    outstanding: tuple[Outstanding, ...]
    """What sets it apart most first."""


def is_installed() -> bool:
    """Tell whether the library that finds the nearest is there."""
    return find_spec("sklearn") is not None


@dataclass(frozen=True, slots=True)
class Learned:
    """What an agent's quarters were like."""

    tree: Any
    rows: tuple[tuple[float, ...], ...]
    bar: float
    """A distance."""


def learn(history: Sequence[Work]) -> Learned | None:
    """Return what an agent's quarters were like; None of too few. Raises ImportError without it."""
    if len(history) < LEAST_QUARTERS:
        return None
    from sklearn.neighbors import NearestNeighbors  # an extra, and slow to load

    rows = tuple(_scaled(work) for work in history[-MOST_QUARTERS:])
    tree = NearestNeighbors(n_neighbors=NEAREST + 1, n_jobs=1).fit(rows)
    distances, _ = tree.kneighbors(rows)
    off = [float(each[1:].mean()) for each in distances]  # the nearest of each is itself
    return Learned(tree, rows, max(quantile(off, BAR_SHARE), LEAST_DISTANCE))


def look(learned: Learned, quarters: Sequence[Work]) -> list[Unlike]:
    """Return the quarters that are unlike what was learned, with what sets each apart."""
    if not quarters:
        return []
    distances, places = learned.tree.kneighbors(
        [_scaled(work) for work in quarters], n_neighbors=NEAREST
    )
    found = []
    for work, off, near in zip(quarters, distances, places, strict=True):
        score = float(off.mean()) / learned.bar
        if score >= UNLIKE:
            found.append(
                Unlike(
                    work=work,
                    score=score,
                    number=len(learned.rows),
                    outstanding=_outstanding(work, [learned.rows[int(place)] for place in near]),
                )
            )
    return found


def grouped(found: Sequence[Unlike]) -> list[list[Unlike]]:
    """Return quarters that lie no more than APART from each other as one group each."""
    groups: list[list[Unlike]] = []
    for one in found:
        if groups and one.work.at - groups[-1][-1].work.at <= APART:
            groups[-1].append(one)
        else:
            groups.append([one])
    return groups


def _scaled(work: Work) -> tuple[float, ...]:
    return tuple(
        log1p(number * _CENTS if name == "nano" else number)
        for name, number in zip(FEATURES, work.numbers, strict=True)
    )


def _outstanding(work: Work, near: Sequence[Sequence[float]]) -> tuple[Outstanding, ...]:
    row = _scaled(work)
    middles = [sum(column) / len(near) for column in zip(*near, strict=True)]
    squares = [(one - middle) ** 2 for one, middle in zip(row, middles, strict=True)]
    whole = sum(squares) or 1.0
    found = [
        Outstanding(
            feature=name,
            seen=work.numbers[place],
            nearest=expm1(middles[place]) / (_CENTS if name == "nano" else 1.0),
            share=squares[place] / whole,
        )
        for place, name in enumerate(FEATURES)
        if squares[place] / whole >= STANDS_OUT
    ]
    return tuple(sorted(found, key=lambda one: -one.share))

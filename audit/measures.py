"""Gather what this process counts of itself, in memory, until somebody fetches it. Pure.

Owns the list of what was counted and nothing else: which families there are, what a series is and
where the rows stand is the business of whoever drains it (metrics/flushing.py). So any module may
count with one line, and it costs one look at a name while nobody gathers.

Counting takes no lock: an append to a deque is one step of the interpreter, so it is safe from any
thread, from a signal and from within a collection of garbage.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import Final, TypeAlias, TypeVar

_Kept = TypeVar("_Kept")

MOST: Final = 200_000
"""Measures kept until they are fetched; the oldest goes for each one more, and is counted."""


Measure: TypeAlias = tuple[str, tuple[str, ...], int, float | None]
"""Family, the values of its labels in its order, a number, and what was observed.

A counter's number is how much to add, in the whole numbers that rows keep (microseconds where the
family is in seconds), and its last place None; an observation, in the family's unit, was made that
number of times. A plain tuple: a named one takes twice as long to make.
"""

_OVERHEAD: Final = "obs_observability_overhead_seconds_total"

_kept: deque[Measure] | None = None  # None: nobody gathers, and counting is free
_lost: deque[str] = deque(maxlen=MOST)  # families of what went for want of room


def count(family: str, *labels: str, n: int = 1) -> None:
    """Add to a counter; `n` in the whole numbers that rows keep."""
    if _kept is not None:
        _keep(_kept, (family, labels, n, None))


def observe(family: str, *labels: str, value: float, times: int = 1) -> None:
    """Add an observation to a histogram, `value` in the family's unit; made `times` times."""
    if _kept is not None:
        _keep(_kept, (family, labels, times, value))


def overhead(component: str, *, seconds: float) -> None:
    """Count processor time that a component of observing took; which: platform_families.py."""
    if _kept is not None:
        _keep(_kept, (_OVERHEAD, (component,), round(seconds * 1_000_000), None))


def is_gathering() -> bool:
    """Tell whether anybody gathers; ask before work that serves counting alone."""
    return _kept is not None


def gather(on: bool) -> None:
    """Begin or cease to gather. What was gathered and not fetched goes when it ceases."""
    global _kept  # one list a process is the point
    if on and _kept is None:
        _kept = deque()
    elif not on:
        _kept = None
        _lost.clear()


def drain() -> list[Measure]:
    """Return what was gathered since this was asked last, oldest first."""
    return [] if _kept is None else _all_of(_kept)


def lost() -> list[str]:
    """Return the families of measures that went for want of room since this was asked last."""
    return _all_of(_lost)


def _all_of(kept: deque[_Kept]) -> list[_Kept]:
    """Take as many as there are now: who goes on counting must not keep us here."""
    taken: list[_Kept] = []
    with suppress(IndexError):  # others took the last ones, to make room
        for _ in range(len(kept)):
            taken.append(kept.popleft())
    return taken


def _keep(kept: deque[Measure], measure: Measure) -> None:
    if len(kept) >= MOST:
        with suppress(IndexError):  # fetched in between: there is room after all
            _lost.append(kept.popleft()[0])
    kept.append(measure)

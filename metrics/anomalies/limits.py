"""Levels that go towards a limit: disk, memory, connections, tables, the inbox, budgets.

Reads what gauges said by the minute, draws a robust line through it (trend.py) and tells of what
reaches its limit within a horizon. Writes nothing; rows: finding.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

from audit.database import rows
from metrics.anomalies.found import Finding, Severity
from metrics.anomalies.reading import patient
from metrics.anomalies.trend import Point, Reached, reaches
from metrics.anomalies.words import called, figure

Levels: TypeAlias = Mapping[str, Sequence[Point]]
"""By labels, in the order of time: hours before now (negative), and the level then."""

_READ: Final = """
SELECT labels, date_bin(%(bin)s, minute, 'epoch'), avg(value)
FROM metrics_gaugeminute
WHERE family = %(family)s
  AND minute >= %(start)s
  AND minute < %(end)s
GROUP BY 1, 2
ORDER BY 2
"""
_MOST_CONNECTIONS: Final = "SELECT current_setting('max_connections')::float8"
_BINS: Final = 96


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """A level, and how far ahead one looks for its limit."""

    name: str
    title: str
    family: str
    unit: str
    of: Callable[[Levels, datetime, timedelta], dict[str, tuple[Sequence[Point], float]]]
    """Returns levels with their limit, by labels."""
    window: timedelta = timedelta(days=1)
    horizon: timedelta = timedelta(days=3)
    is_grave: bool = True


def _by_state(levels: Levels, part: str, rest: str) -> dict[str, tuple[Sequence[Point], float]]:
    """Return one state against the sum of both, by the labels before the state."""
    found = {}
    for labels, points in levels.items():
        before, _, state = labels.rpartition(" ")
        other = levels.get(f"{before} {rest}".strip())
        if state == part and other:
            found[before] = (points, points[-1][1] + other[-1][1])
    return found


def _disk(
    levels: Levels, _end: datetime, _window: timedelta
) -> dict[str, tuple[Sequence[Point], float]]:
    return _by_state(levels, "used", "free")


def _memory(
    levels: Levels, _end: datetime, _window: timedelta
) -> dict[str, tuple[Sequence[Point], float]]:
    return _by_state(levels, "used", "available")


def _summed(levels: Levels) -> list[Point]:
    sums: defaultdict[float, float] = defaultdict(float)
    for points in levels.values():
        for at, level in points:
            sums[at] += level
    return sorted(sums.items())


def _connections(
    levels: Levels, _end: datetime, _window: timedelta
) -> dict[str, tuple[Sequence[Point], float]]:
    summed = _summed(levels)
    return {"": (summed, rows(_MOST_CONNECTIONS)[0][0])} if summed else {}


def _tables(
    levels: Levels, end: datetime, window: timedelta
) -> dict[str, tuple[Sequence[Point], float]]:
    """Return the bytes of all tables against the least space that is free on a file system."""
    summed = _summed(levels)
    disks = _read("obs_host_disk_bytes", end, window)
    free = [points[-1][1] for labels, points in disks.items() if labels.endswith(" free")]
    return {"": (summed, summed[-1][1] + min(free))} if summed and free else {}


def _inbox(
    levels: Levels, _end: datetime, _window: timedelta
) -> dict[str, tuple[Sequence[Point], float]]:
    return {labels: (points, INBOX_SECONDS) for labels, points in levels.items()}


def _budgets(
    levels: Levels, _end: datetime, _window: timedelta
) -> dict[str, tuple[Sequence[Point], float]]:
    """Return what is used since a period began, which is where it fell, against all of it."""
    found = {}
    for labels, points in levels.items():
        falls = [
            place for place in range(1, len(points)) if points[place][1] < points[place - 1][1]
        ]
        found[labels] = (points[falls[-1] if falls else 0 :], 1.0)
    return found


INBOX_SECONDS: Final = 300.0
"""How old a request may be that waits to be chained."""

LIMITS: Final = (
    Limit(name="disk", title="space used of a file system", family="obs_host_disk_bytes",
          unit="bytes", of=_disk),
    Limit(name="memory", title="memory that the machine uses", family="obs_host_memory_bytes",
          unit="bytes", of=_memory, window=timedelta(hours=12), horizon=timedelta(days=1)),
    Limit(name="connections", title="connections to the database", family="obs_db_connections",
          unit="", of=_connections, window=timedelta(hours=12), horizon=timedelta(days=1)),
    Limit(name="tables", title="bytes of all tables", family="obs_store_bytes", unit="bytes",
          of=_tables),
    Limit(name="inbox", title="age of what waits to be chained",
          family="obs_ingest_inbox_age_seconds", unit="seconds", of=_inbox,
          window=timedelta(hours=2), horizon=timedelta(hours=6)),
    Limit(name="budget", title="how much of a budget is used",
          family="obs_llm_budget_used_ratio", unit="ratio", of=_budgets, is_grave=False),
)  # fmt: skip
"""In the order in which they are looked at. Each is told of in docs/anomalies.md."""


def predictions(now: datetime) -> list[Finding]:
    """Return a finding of each level that reaches its limit within its horizon."""
    found = []
    end = now.astimezone(UTC).replace(second=0, microsecond=0)
    for limit in LIMITS:
        levels = _read(limit.family, end, limit.window)
        for labels, (points, most) in limit.of(levels, end, limit.window).items():
            reached = reaches(points, most, is_upper=True)
            if reached is not None and reached.hours <= limit.horizon / timedelta(hours=1):
                found.append(_finding(limit, labels, points, most, reached, end))
    return found


def _read(family: str, end: datetime, window: timedelta) -> Levels:
    found: defaultdict[str, list[Point]] = defaultdict(list)
    asked = {"family": family, "start": end - window, "end": end, "bin": window / _BINS}
    with patient():
        for labels, at, level in rows(_READ, asked):
            found[labels].append(((at - end) / timedelta(hours=1), level))
    return found


def severity_in(hours: float, *, is_grave: bool) -> Severity:
    """Return how grave it is that a limit is reached in so many hours."""
    if hours > 24:
        return "low"
    if hours > 6:
        return "medium"
    return "critical" if is_grave else "high"


def _finding(
    limit: Limit,
    labels: str,
    points: Sequence[Point],
    most: float,
    reached: Reached,
    end: datetime,
) -> Finding:
    title, line = called(limit.title, labels), reached.line
    level, at_most = figure(line.level, limit.unit), figure(most, limit.unit)
    return Finding(
        detector="trend",
        measure=limit.name,
        family=limit.family,
        labels=labels,
        started_at=end,
        ended_at=None,
        severity=severity_in(reached.hours, is_grave=limit.is_grave),
        score=round(reached.hours, 2),
        seen=line.level,
        expected=most,
        evidence={
            "title": title,
            "sentence": f"{title}: {level} now and {figure(line.slope, limit.unit)} more each "
            f"hour; at this pace {at_most} is reached in {_hours(reached.hours)} "
            f"(between {_hours(reached.soonest)} and {_hours(reached.latest)}).",
            "facts": [
                _fact("Level now, on the line", level, at_most),
                _fact("More each hour", figure(line.slope, limit.unit),
                      f"{figure(line.low, limit.unit)} to {figure(line.high, limit.unit)}"),
                _fact("The limit is reached in", _hours(reached.hours),
                      f"{_hours(reached.soonest)} to {_hours(reached.latest)}"),
                _fact("Points looked at", str(len(points)),
                      f"of {limit.window / timedelta(hours=1):g} h"),
            ],
            "unit": limit.unit,
            "chart": _chart(points, reached, most, end),
            "began": len(points),
            "looked_at": end.isoformat(),
        },
    )  # fmt: skip


def _chart(
    points: Sequence[Point], reached: Reached, most: float, end: datetime
) -> list[list[Any]]:
    line = reached.line
    newest = points[-1][0]
    return [
        [
            (end + timedelta(hours=at)).isoformat(),
            level,
            line.level - line.slope * (newest - at),
            0.0,
            most,
        ]
        for at, level in points
    ]


def _fact(what: str, seen: str, usual: str) -> dict[str, str]:
    return {"what": what, "seen": seen, "usual": usual}


def _hours(hours: float) -> str:
    if hours == float("inf"):
        return "no end in sight"
    return (
        f"{hours * 60:.0f} min"
        if hours < 2
        else f"{hours:.1f} h"
        if hours < 48
        else f"{hours / 24:.1f} days"
    )

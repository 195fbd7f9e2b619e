"""Draw the charts of a report as SVG, each with its words and its figures. Pure.

Each returns None when there is nothing to draw, so that a report has no empty frames. All are
readable in grey print: lines differ by their dashes, bars by lightness and hatching.

The checks' days: heat_strip.py. Deadlines: clock_chart.py. Shapes and paints: svg.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from itertools import groupby
from typing import Final

from compliance.renderers.blocks import Chart, Column, Table
from compliance.renderers.clock_chart import clocks
from compliance.renderers.heat_strip import control_strip
from compliance.renderers.svg import (
    SMALL,
    WIDTH,
    Paint,
    box,
    drawing,
    hatch,
    path,
    ring,
    short,
    stroke,
    words,
)
from compliance.renderers.written import NONE, day, many, score
from compliance.report_content import Exceptions, ReportContent, TrendPoint

__all__ = ["clocks", "control_strip", "deviations_by_check", "population_by_day", "score_trend"]

MOST_BARS: Final = 16
"""Checks that have a bar of their own; the rest share one."""
_LEFT: Final = 40.0
_LINES: Final[tuple[tuple[str, str, Paint, float, str], ...]] = (
    ("evidenced", "EVIDENCED", "accent", 2.4, ""),
    ("tested", "TESTED", "quiet", 1.4, "6 3"),
    ("coverage", "COVERAGE", "wait", 1.4, "1.5 2.5"),
)
_CAP_WORDS: Final = 70.0  # room that they need to the left of a line's end
_OTHER: Final = "_other"


# --- The score over time --------------------------------------------------------------------------


def score_trend(content: ReportContent, *, height: float = 190.0) -> Chart | None:
    """Return EVIDENCED, TESTED and COVERAGE of the sealed postures; None without any."""
    points = content.trend
    if not points:
        return None
    text = _trend_told(points)
    top, right = 10.0, WIDTH - 108.0
    first, last = (date.fromisoformat(one.day) for one in (points[0], points[-1]))
    span = max((last - first).days, 1)

    def x_of(point: TrendPoint) -> float:
        return _LEFT + (date.fromisoformat(point.day) - first).days / span * (right - _LEFT)

    def y_of(value: float) -> float:
        return top + height * (1 - value / 100)

    parts = [*_grid(right, y_of), *_ends(first, last, right=right, y=top + height + 18)]
    parts += _cap_line(points, x_of, y_of)
    ends = []
    for name, word, paint, width, dashes in _LINES:
        parts += _line(points, name, x_of, y_of, paint=paint, width=width, dashes=dashes)
        found = [(one, value) for one in points if (value := getattr(one, name)) is not None]
        if found:
            ends.append((y_of(float(found[-1][1])), f"{word} {found[-1][1]}", paint))
    parts += _end_words(ends, x=right + 10)
    return Chart(
        title="Score and coverage over time",
        svg=drawing(parts, height=top + height + 24, told=text),
        text=text,
        table=_trend_table(points),
    )


def _grid(right: float, y_of: Callable[[float], float]) -> list[str]:
    parts = [
        path([stroke([(_LEFT, y_of(each)), (right, y_of(each))])], line="line", width=0.7)
        for each in (0, 25, 50, 75, 100)
    ]
    return parts + [
        words(_LEFT - 6, y_of(each) + 3.5, str(each), fill="quiet", size=SMALL, anchor="end")
        for each in (0, 25, 50, 75, 100)
    ]


def _ends(first: date, last: date, *, right: float, y: float) -> list[str]:
    parts = [words(_LEFT, y, day(first.isoformat()), fill="quiet", size=SMALL)]
    if last > first:
        said = words(right, y, day(last.isoformat()), fill="quiet", size=SMALL, anchor="end")
        parts.append(said)
    return parts


def _line(
    points: Sequence[TrendPoint],
    name: str,
    x_of: Callable[[TrendPoint], float],
    y_of: Callable[[float], float],
    *,
    paint: Paint,
    width: float,
    dashes: str,
) -> list[str]:
    """Return a line that breaks where no score was issued; a point alone is a ring."""
    pieces, alone = [], []
    for is_known, run in groupby(points, key=lambda one: getattr(one, name) is not None):
        at = [(x_of(one), y_of(float(getattr(one, name)))) for one in run] if is_known else []
        if len(at) > 1:
            pieces.append(stroke(at))
        elif at:
            alone.append(ring(*at[0], 2.5))
    return [
        path(pieces, line=paint, width=width, dashes=dashes),
        path(alone, fill=paint),
    ]


def _cap_line(
    points: Sequence[TrendPoint],
    x_of: Callable[[TrendPoint], float],
    y_of: Callable[[float], float],
) -> list[str]:
    """Return the steps of what caps the score, where something does."""
    pieces = []
    for cap, run in groupby(points, key=lambda one: one.cap):
        at = [x_of(one) for one in run]
        if cap < 100:
            pieces.append(stroke([(at[0], y_of(cap)), (max(at[-1], at[0] + 4), y_of(cap))]))
    if not pieces:
        return []
    last = next(one for one in reversed(points) if one.cap < 100)
    end, y = x_of(last), y_of(last.cap) + 12
    told = f"capped at {last.cap}"
    if end < _LEFT + _CAP_WORDS:
        said = words(end, y, told, fill="fail", size=SMALL)
    else:
        said = words(end - 4, y, told, fill="fail", size=SMALL, anchor="end")
    return [path(pieces, line="fail", width=1, dashes="8 2 2 2"), said]


def _end_words(ends: Sequence[tuple[float, str, Paint]], *, x: float) -> list[str]:
    """Return the words at the lines' ends, moved apart where they would overlap."""
    parts, lowest = [], 0.0
    for y, word, paint in sorted(ends, key=lambda one: one[0]):
        lowest = max(y + 3.5, lowest + 13)
        parts.append(words(x, lowest, word, fill=paint, size=SMALL, is_bold=paint == "accent"))
    return parts


def _trend_told(points: Sequence[TrendPoint]) -> str:
    first, last = points[0], points[-1]
    if len(points) == 1:
        scores = ", ".join(f"{word} {score(getattr(first, name))}" for name, word, *_ in _LINES)
        return f"1 sealed posture, of {day(first.day)}: {scores}."
    told = f"{many(len(points), 'sealed posture')} from {day(first.day)} to {day(last.day)}. "
    return told + " ".join(
        f"{word} {score(getattr(first, name))} at first, {score(getattr(last, name))} at last."
        for name, word, *_ in _LINES
    )


def _trend_table(points: Sequence[TrendPoint]) -> Table:
    return Table(
        title="Sealed postures",
        columns=(
            Column(title="Day", share=2, look="time"),
            *(Column(title=word, look="number") for _, word, *_ in _LINES),
            Column(title="Cap", look="number"),
        ),
        rows=tuple(
            (
                one.day,
                *(score(getattr(one, name)) for name, *_ in _LINES),
                NONE if one.cap == 100 else str(one.cap),
            )
            for one in points
        ),
    )


# --- Deviations by check --------------------------------------------------------------------------


def deviations_by_check(content: ReportContent) -> Chart | None:
    """Return a bar a check with failing or waived items, the longest first; None without any.

    Those that have no bar are counted below; a bar of them all would be the longest of something
    that no test is. Uses of one check are told apart by their controls.
    """
    found = sorted(
        (one for one in content.exceptions if one.total), key=lambda one: (-one.total, one.check)
    )
    if not found:
        return None
    uses = Counter(one.check for one in found)
    bars, rest = found[:MOST_BARS], found[MOST_BARS:]
    left, row, right = 150.0, 16.0, WIDTH - 150.0
    unit = (right - left) / bars[0].total
    parts: list[str] = []
    for at, one in enumerate(bars):
        y = 2 + at * row
        failing = one.total - one.waived
        long, hatched = (
            max(count * unit, 1.5) if count else 0.0 for count in (failing, one.waived)
        )
        said = _counted(one.total, one.waived)
        name = one.check if uses[one.check] == 1 else f"{one.check} {', '.join(one.controls)}"
        start = left + long
        parts += [
            words(left - 8, y + 10, short(name, left - 10), anchor="end"),
            path([box(left, y + 1, long, row - 5)] * bool(failing), fill="fail"),
            *_hatched(start, y + 1, hatched, row - 5, paint="wait"),
            words(start + hatched + 8, y + 10, said, fill="quiet", size=SMALL),
        ]
    axis = path([stroke([(left, 0), (left, len(bars) * row)])], line="quiet", width=0.8)
    if rest:
        y = 2 + len(bars) * row
        parts += [
            words(left - 8, y + 10, f"{len(rest):,} more", fill="quiet", anchor="end"),
            words(left + 8, y + 10, f"together {_counted_of(rest)}", fill="quiet", size=SMALL),
        ]
    text = _deviations_told(found)
    return Chart(
        title="Failing and waived items by check",
        svg=drawing([*parts, axis], height=(len(bars) + bool(rest)) * row + 4, told=text),
        text=text,
        table=_deviations_table(found),
    )


def _counted(total: int, waived: int) -> str:
    return f"{total - waived:,} failing" + (f", {waived:,} waived" if waived else "")


def _counted_of(rest: Sequence[Exceptions]) -> str:
    return _counted(sum(one.total for one in rest), sum(one.waived for one in rest))


def _hatched(x: float, y: float, width: float, height: float, *, paint: Paint) -> list[str]:
    if not width:
        return []
    return [
        path([hatch(x, y, width, height)], line=paint, width=0.8),
        path([box(x, y, width, height)], line=paint, width=0.8),
    ]


def _deviations_told(found: Sequence[Exceptions]) -> str:
    waived = sum(one.waived for one in found)
    failing = sum(one.total for one in found) - waived
    waived_words = f" and {waived:,} waived" if waived else ""
    return (
        f"{many(failing, 'failing item')}{waived_words} in {many(len(found), 'test')}; "
        f"the most in {found[0].check}: {found[0].total:,}."
    )


def _deviations_table(found: Sequence[Exceptions]) -> Table:
    return Table(
        title="Failing and waived items by check",
        columns=(
            Column(title="Check", look="code"),
            Column(title="Controls", share=3),
            Column(title="Failing", look="number"),
            Column(title="Waived", look="number"),
        ),
        rows=tuple(
            (one.check, ", ".join(one.controls), f"{one.total - one.waived:,}", f"{one.waived:,}")
            for one in found
        ),
    )


# --- The population -------------------------------------------------------------------------------


def population_by_day(content: ReportContent) -> Chart | None:
    """Return entries a day, in all and of the busiest agents; None for a period without any."""
    days = content.population.days
    if not any(one.entries for one in days):
        return None
    right = WIDTH - 76.0
    step = (right - _PANEL) / len(days)
    all_of = [one.entries for one in days]
    parts = _panel("All entries", all_of, top=_TOP, height=_HIGH, step=step)
    parts += _backfilled([one.backfilled for one in days], max(all_of), step=step)
    y = _TOP + _HIGH + 16
    shown = content.population.agent_days
    most = max((max(counts, default=0) for _, counts in shown), default=0)
    if shown:
        said = f"Agents, all on one scale: the highest bar is {most:,} entries a day"
        parts.append(words(0, y + 4, said, fill="quiet", size=SMALL))
        y += 14
    for agent, counts in shown:
        name = "all others" if agent == _OTHER else agent or "no agent"
        parts += _panel(name, counts, top=y, height=20, step=step, most=most)
        y += 26
    first, last = (date.fromisoformat(one.day) for one in (days[0], days[-1]))
    parts += _day_ends(first, last, right=right, y=y + 8)
    text = _population_told(content)
    return Chart(
        title="Entries by day and agent",
        svg=drawing(parts, height=y + 14, told=text),
        text=text,
        table=_population_table(content),
    )


_PANEL: Final = 150.0  # where the days begin
_TOP, _HIGH = 6.0, 72.0  # of the panel of all entries


def _panel(
    name: str, counts: Sequence[int], *, top: float, height: float, step: float, most: int = 0
) -> list[str]:
    """Return the bars of one line of counts with its name before and its sum behind it."""
    peak = most or max(counts, default=0) or 1
    end = _PANEL + step * len(counts)
    gap = 0.8 if step > 3 else 0.0
    bars = [
        box(_PANEL + at * step, top + height - tall, step - gap, tall)
        for at, count in enumerate(counts)
        if count and (tall := max(count / peak * height, 0.8))
    ]
    floor = stroke([(_PANEL, top + height), (end, top + height)])
    return [
        path(bars, fill="pale"),
        path([floor], line="quiet", width=0.7),
        words(0, top + height - 3, short(name, _PANEL - 10), is_bold=most == 0),
        words(end + 6, top + height - 3, f"{sum(counts):,}", fill="quiet", size=SMALL),
    ]


def _backfilled(counts: Sequence[int], most: int, *, step: float) -> list[str]:
    """Return the backfilled share of the highest panel as hatching in its bars."""
    pieces = [
        hatch(_PANEL + at * step, _TOP + _HIGH - tall, step, tall, step=3)
        for at, count in enumerate(counts)
        if count and (tall := max(count / most * _HIGH, 0.8))
    ]
    said = words(0, 30, "hatched: backfilled", fill="quiet", size=SMALL) if pieces else ""
    peak = words(0, 16, f"highest day: {most:,}", fill="quiet", size=SMALL)
    return [path(pieces, line="ink", width=0.7), said, peak]


def _day_ends(first: date, last: date, *, right: float, y: float) -> list[str]:
    return [
        words(_PANEL, y, day(first.isoformat()), fill="quiet", size=SMALL),
        words(right, y, day(last.isoformat()), fill="quiet", size=SMALL, anchor="end"),
    ]


def _population_told(content: ReportContent) -> str:
    days = content.population.days
    peak = max(days, key=lambda one: one.entries)
    quiet = sum(not one.entries for one in days)
    return (
        f"{many(sum(one.entries for one in days), 'entry', 'entries')} over "
        f"{many(len(days), 'day')}, {sum(one.backfilled for one in days):,} of them backfilled; "
        f"the most on {day(peak.day)}: {peak.entries:,}; "
        f"{many(quiet, 'day') if quiet else 'no day'} without entries."
    )


def _population_table(content: ReportContent) -> Table:
    told = content.population
    names = [
        "all others" if agent == _OTHER else agent or "no agent" for agent, _ in told.agent_days
    ]
    by_day: list[Counter[int]] = [
        Counter({at: counts[day] for at, (_, counts) in enumerate(told.agent_days)})
        for day in range(len(told.days))
    ]
    return Table(
        title="Entries by day and agent",
        columns=(
            Column(title="Day", share=2, look="time"),
            Column(title="Entries", look="number"),
            Column(title="Backfilled", look="number"),
            *(Column(title=name, look="number") for name in names),
        ),
        rows=tuple(
            (
                one.day,
                f"{one.entries:,}",
                f"{one.backfilled:,}",
                *(f"{by_day[at][each]:,}" for each in range(len(names))),
            )
            for at, one in enumerate(told.days)
        ),
    )

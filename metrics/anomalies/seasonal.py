"""Hold a series against its own weeks: what is usual at this hour, and from when it was not. Pure.

1. A series is steps of 15 minutes, an hour or four hours: the shortest in which enough happens.
2. Values are brought onto a scale on which chance is about 1 whatever their size: roots of counts,
   logarithms of sums and durations, angles of shares.
3. Of a step the usual is the median of the same hour of the week; while there is not enough of
   that, of the same hour on working days or at weekends, of the hour, of all.
4. The deviation is the largest of: that of the hour's values, that of all steps from their own
   usual, and what the far ones among them say. History that is wild by itself raises the bar.
5. It begins when `BEGIN_OF` steps in a row hold `BEGINS` that are far on one side, and ends when
   they hold as many that are not.

Reading steps: reading.py; writing findings: finding.py; what is watched: watched.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import asin, exp, log, sin, sqrt
from typing import Final, Literal, TypeAlias

from metrics.anomalies.robust import AS_SIGMA, Spread, quantile, score, spread
from metrics.anomalies.watched import Watched

QUARTER: Final = timedelta(minutes=15)
STEPS: Final = (1, 4, 16)
"""How many quarters of an hour a step may have."""
ENOUGH_IN_A_STEP: Final = 4.0
"""Steps are so long that they hold as many on average; where none do, an hour."""

FAR: Final = 4.0
"""Deviations from which a step is far."""
NEAR: Final = 2.5
"""Below it a step is as usual again; between the two nothing changes."""
BEGINS: Final[Mapping[int, tuple[int, int]]] = {1: (2, 3), 4: (1, 1), 16: (1, 1)}
"""By quarters in a step: how many of how many steps begin a finding, and end one."""

FAR_SHARE: Final = 0.99
FAR_DEVIATIONS: Final = 2.33
"""How many deviations chance alone puts that share of values within, one side."""

CONTEXT: Final = 24
LAPSES: Final = timedelta(days=1)
"""After so long without anything to judge, what was found is over."""

LEAST_AT_HOUR: Final = 4
LEAST_WEEKS: Final = 3
"""Values, and the weeks or days that they come from, before an hour is believed."""
LEAST_OF_SHARE: Final = 5.0
"""Of a share: how many times a step's least there must be at an hour."""
LEAST_IN_ALL: Final = 48
LEAST_DAYS: Final = 2.0

Level: TypeAlias = Literal["hour_of_week", "hour_of_workday", "hour_of_day", "all"]
LEVELS: Final[Mapping[Level, str]] = {
    "hour_of_week": "the same hour of the week",
    "hour_of_workday": "the same hour of working days, or of weekends",
    "hour_of_day": "the same hour of all days",
    "all": "all hours",
}

_SATURDAY: Final = 5


@dataclass(frozen=True, slots=True)
class Step:
    """What a series said in a stretch of time."""

    at: datetime
    """When it begins, UTC."""
    value: float
    """In the family's unit; of a share, 0 to 1."""
    weight: float = 1.0
    """How many it was made of: all of a share, observations of a percentile."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """How far a step lies from what is usual."""

    step: Step
    score: float
    expected: float
    low: float
    high: float
    """The band that is not far, in the family's unit."""
    level: Level
    number: int
    """How many steps it was held against."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Spell:
    """A stretch in which a series is not as usual."""

    started_at: datetime
    ended_at: datetime | None
    """The end of the last far step; None while it goes on."""
    worst: Verdict
    verdicts: tuple[Verdict, ...]
    """From its first step on."""
    before: tuple[Verdict, ...]
    """The CONTEXT steps before it."""


@dataclass(frozen=True, slots=True)
class _Scale:
    """How values of a measure are compared."""

    measure: Watched
    typical: float
    """The median of what is not 0."""

    def up(self, value: float, weight: float) -> float:
        sort = self.measure.sort
        if sort == "count":
            return 2 * sqrt(max(value, 0.0) + 0.375)
        if sort == "share":
            return asin(sqrt((value * weight + 0.375) / (weight + 0.75)))
        if sort == "level":
            return value
        return log(1 + value / self.typical) if sort == "sum" else log(max(value, 1e-9))

    def down(self, scaled: float, weight: float) -> float:
        sort = self.measure.sort
        if sort == "count":
            return max((max(scaled, 0.0) / 2) ** 2 - 0.375, 0.0)
        if sort == "share":
            angle = min(max(scaled, 0.0), asin(1))
            return min(max((sin(angle) ** 2 * (weight + 0.75) - 0.375) / weight, 0.0), 1.0)
        if sort == "level":
            return max(scaled, 0.0)
        return max(exp(scaled) - 1, 0.0) * self.typical if sort == "sum" else exp(scaled)

    def centre(self, usual: Spread, weight: float) -> float:
        """Return where the usual lies; that of a share is kept as it is, for steps of any size."""
        return self.up(usual.centre, weight) if self.measure.sort == "share" else usual.centre

    def gain(self, weight: float) -> float:
        return 2 * sqrt(weight + 0.5) if self.measure.sort == "share" else 1.0

    def floor(self) -> float:
        """Return the least deviation that is believed: chance alone, or what nobody minds."""
        sort = self.measure.sort
        if sort in {"count", "share"}:
            return 1.0
        return self.measure.least / FAR if sort == "level" else 0.25


@dataclass(frozen=True, kw_only=True, slots=True)
class Baseline:
    """What is usual of one series."""

    measure: Watched
    quarters: int
    """In a step."""
    scale: _Scale
    hours: Mapping[tuple[Level, int], Spread]
    """By level and hour."""
    floor: float
    """The least deviation: chance, and how all steps differ from their usual."""
    days: float
    """Of history."""

    def judge(self, step: Step) -> Verdict | None:
        """Return how far a step lies; None while nothing can be said of it."""
        measure, scale = self.measure, self.scale
        if measure.sort in {"share", "p95"} and step.weight < measure.least:
            return None
        found = _usual(self.hours, step.at)
        if found is None:
            return None
        level, usual = found
        gain = scale.gain(step.weight)
        deviation = max(usual.scale * gain, self.floor)
        far = FAR * deviation / gain
        centre = scale.centre(usual, step.weight)
        expected = scale.down(centre, step.weight)
        value = scale.up(step.value, step.weight)
        off = score(value * gain, Spread(centre=centre * gain, scale=deviation, number=1))
        too_few = measure.sort in {"count", "sum"} and max(step.value, expected) < measure.least
        other_side = (measure.side == "high" and off < 0) or (measure.side == "low" and off > 0)
        return Verdict(
            step=step,
            score=0.0 if too_few or other_side else off,
            expected=expected,
            low=scale.down(centre - far, step.weight) if measure.side != "high" else 0.0,
            high=scale.down(centre + far, step.weight),
            level=level,
            number=usual.number,
        )


def _hour(level: Level, at: datetime) -> int:
    if level == "hour_of_week":
        return at.weekday() * 24 + at.hour
    if level == "hour_of_workday":
        return (24 if at.weekday() >= _SATURDAY else 0) + at.hour
    return at.hour if level == "hour_of_day" else 0


def _usual(hours: Mapping[tuple[Level, int], Spread], at: datetime) -> tuple[Level, Spread] | None:
    for level in LEVELS:
        found = hours.get((level, _hour(level, at)))
        if found is not None:
            return level, found
    return None


def quarters_of(history: Sequence[Step]) -> int:
    """Return how many quarters a step of a counted series should have, given those of one each."""
    if not history:
        return STEPS[1]
    whole = sum(step.value for step in history)
    first, last = history[0].at, history[-1].at
    quarters = (last - first) / QUARTER + 1
    for each in STEPS:
        if whole / quarters * each >= ENOUGH_IN_A_STEP:
            return each
    return STEPS[1]


def baseline(measure: Watched, history: Sequence[Step], *, quarters: int) -> Baseline | None:
    """Return what is usual of a series, of steps in the order of time; None of too little.

    Percentiles are learned from steps that hold enough of them alone.
    """
    kept = [step for step in history if measure.sort != "p95" or step.weight >= measure.least]
    if len(kept) < LEAST_IN_ALL // quarters or not kept:
        return None
    days = (kept[-1].at - kept[0].at) / timedelta(days=1)
    if days < LEAST_DAYS:
        return None
    above = [step.value for step in kept if step.value > 0]
    scale = _Scale(measure, typical=quantile(above, 0.5) or 1.0)
    hours = _shares(kept, scale) if measure.sort == "share" else _spreads(kept, scale)
    return Baseline(
        measure=measure,
        quarters=quarters,
        scale=scale,
        hours=hours,
        floor=_floor(kept, scale, hours),
        days=days,
    )


def _grouped(steps: Iterable[Step]) -> dict[tuple[Level, int], list[Step]]:
    """Return the steps of each hour of each level that came on enough weeks or days."""
    groups: defaultdict[tuple[Level, int], list[Step]] = defaultdict(list)
    for step in steps:
        for level in LEVELS:
            groups[level, _hour(level, step.at)].append(step)
    return {
        key: found for key, found in groups.items()
        if key[0] == "all"
        or (len(found) >= LEAST_AT_HOUR and len({s.at.date() for s in found}) >= LEAST_WEEKS)
    }  # fmt: skip


def _spreads(steps: Sequence[Step], scale: _Scale) -> dict[tuple[Level, int], Spread]:
    return {
        key: spread([scale.up(step.value, step.weight) for step in found])
        for key, found in _grouped(steps).items()
    }


def _shares(steps: Sequence[Step], scale: _Scale) -> dict[tuple[Level, int], Spread]:
    """Return the usual share by hour: of all together, without the tenth of days that was worst.

    A median of shares of few says 0; so what is usual of a share is reckoned over all of them.
    """
    found: dict[tuple[Level, int], Spread] = {}
    for key, group in _grouped(steps).items():
        by_day: defaultdict[object, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for step in group:
            day = by_day[step.at.date()]
            day[0] += step.value * step.weight
            day[1] += step.weight
        days = sorted(by_day.values(), key=lambda day: day[0] / day[1])
        kept = days[: max(1, len(days) - len(days) // 10)]
        part, whole = (sum(day[place] for day in kept) for place in (0, 1))
        if whole >= LEAST_OF_SHARE * scale.measure.least:
            found[key] = Spread(centre=part / whole, scale=0.0, number=len(group))
    return found


def _floor(
    steps: Sequence[Step], scale: _Scale, hours: Mapping[tuple[Level, int], Spread]
) -> float:
    """Return the deviation that steps in all have from their usual, at least chance's."""
    off = []
    for step in steps:
        usual = _usual(hours, step.at)
        if usual is not None:
            gain = scale.gain(step.weight)
            centre = scale.centre(usual[1], step.weight)
            off.append(abs(scale.up(step.value, step.weight) - centre) * gain)
    middle = AS_SIGMA * quantile(off, 0.5)
    return max(scale.floor(), middle, quantile(off, FAR_SHARE) / FAR_DEVIATIONS)


# --- From steps to findings -----------------------------------------------------------------------


def spells(
    usual: Baseline, steps: Sequence[Step], *, now: datetime, open_since: datetime | None = None
) -> list[Spell]:
    """Return the stretches of far steps; `open_since` tells when one began that goes on.

    Steps come in the order of time, each whole; those before `open_since` are its context.
    What cannot be judged changes nothing, but for a stretch that nothing was judged of for LAPSES:
    it is over.
    """
    some, window = BEGINS[usual.quarters]
    length = usual.quarters * QUARTER
    verdicts = [found for step in steps if (found := usual.judge(step)) is not None]
    made: list[Spell] = []
    began, side = open_since, 0.0
    first = sum(one.step.at < open_since for one in verdicts) if open_since else 0
    for place, verdict in list(enumerate(verdicts))[first:]:
        recent = verdicts[max(first, place - window + 1) : place + 1]
        if began is not None and first < place and verdict.step.at > _end(verdicts, place) + LAPSES:
            made.append(_spell(began, verdicts[:place], first, length, is_over=True))
            began, first, recent = None, place, [verdict]
        if began is None:
            side, far = _far_side(recent, some)
            if far:
                began, first = far[0].step.at, verdicts.index(far[0])
        elif len([one for one in recent if _is_near(one, side)]) >= some:
            made.append(_spell(began, verdicts[: place + 1], first, length, is_over=True))
            began, first = None, place + 1
    if began is not None and verdicts[first:]:
        is_over = now > verdicts[-1].step.at + length + LAPSES
        made.append(_spell(began, verdicts, first, length, is_over=is_over))
    return made


def _end(verdicts: Sequence[Verdict], place: int) -> datetime:
    return verdicts[place - 1].step.at


def _far_side(recent: Sequence[Verdict], some: int) -> tuple[float, list[Verdict]]:
    """Return the side on which enough are far, and these; none where there are not enough."""
    for side in (1.0, -1.0):
        far = [one for one in recent if one.score * side >= FAR]
        if len(far) >= some:
            return side, far
    return 0.0, []


def _is_near(verdict: Verdict, side: float) -> bool:
    return abs(verdict.score) < NEAR or verdict.score * side < 0


def _spell(
    began: datetime, verdicts: Sequence[Verdict], first: int, length: timedelta, *, is_over: bool
) -> Spell:
    own = verdicts[first:]
    far = [one for one in own if abs(one.score) >= NEAR] or list(own[:1])
    return Spell(
        started_at=began,
        ended_at=far[-1].step.at + length if is_over else None,
        worst=max(own, key=lambda one: abs(one.score)),
        verdicts=tuple(own),
        before=tuple(verdicts[max(0, first - CONTEXT) : first]),
    )


def begins_at(moment: datetime, quarters: int) -> datetime:
    """Return the beginning of the step that a moment lies in; steps begin with the UTC day."""
    day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    length = quarters * QUARTER
    return day + (moment - day) // length * length

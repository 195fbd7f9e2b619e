"""A series held against its own weeks."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from math import exp

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.anomalies.seasonal import (
    BEGINS,
    FAR,
    LAPSES,
    QUARTER,
    Baseline,
    Spell,
    Step,
    baseline,
    begins_at,
    quarters_of,
    spells,
)
from metrics.anomalies.watched import BY_MEASURE, Watched

MONDAY = datetime(2026, 10, 5, tzinfo=UTC)
CALLS, ERRORS, SECONDS, COST, CPU = (
    BY_MEASURE[name] for name in ("tool_calls", "tool_errors", "tool_seconds", "cost", "host_cpu")
)


def busy(at: datetime) -> float:
    """Say how much happens in an hour: office hours of working days."""
    return 40.0 if 8 <= at.hour < 18 and at.weekday() < 5 else 0.0


def weeks(number: float, *, quarters: int = 4, seed: int = 1) -> list[Step]:
    chance = random.Random(seed)
    steps = int(number * 7 * 96 / quarters)
    made = []
    for place in range(steps):
        at = MONDAY + place * quarters * QUARTER
        mean = busy(at) * quarters / 4
        made.append(Step(at, float(sum(chance.random() < mean / 80 for _ in range(80)))))
    return made


def learned(measure: Watched, history: list[Step], quarters: int = 4) -> Baseline:
    found = baseline(measure, history, quarters=quarters)
    assert found is not None
    return found


def day_of(values: list[float], *, start: datetime, quarters: int = 4) -> list[Step]:
    return [Step(start + place * quarters * QUARTER, value) for place, value in enumerate(values)]


def found_in(usual: Baseline, steps: list[Step], since: datetime | None = None) -> list[Spell]:
    now = steps[-1].at + usual.quarters * QUARTER
    return spells(usual, steps, now=now, open_since=since)


NEXT = MONDAY + timedelta(weeks=4)
"""A Monday after four weeks."""


@cache
def of_calls(quarters: int = 4) -> Baseline:
    """Return what is usual of calls after four weeks."""
    return learned(CALLS, weeks(4, quarters=quarters), quarters)


def test_an_ordinary_day_has_no_findings() -> None:
    usual = of_calls()
    later = [step for step in weeks(5) if step.at >= NEXT]

    assert found_in(usual, later) == []


def test_the_same_number_is_usual_at_noon_and_not_at_night() -> None:
    usual = of_calls()
    at_noon, at_night = NEXT + timedelta(hours=12), NEXT + timedelta(hours=3)

    assert found_in(usual, [Step(at_noon, 41)]) == []
    (found,) = found_in(usual, [Step(at_night, 41)])
    assert found.worst.expected == 0
    assert found.worst.level == "hour_of_week"


def test_silence_in_busy_hours_is_found_and_at_the_weekend_it_is_not() -> None:
    usual = of_calls()

    (found,) = found_in(usual, day_of([0, 0, 0], start=NEXT + timedelta(hours=9)))
    assert found.worst.score <= -FAR
    assert found_in(usual, day_of([0] * 8, start=NEXT + timedelta(days=5, hours=9))) == []


@pytest.mark.parametrize(
    ("number", "at", "level"),
    [
        (4, NEXT + timedelta(hours=10), "hour_of_week"),
        (1, MONDAY + timedelta(days=7, hours=10), "hour_of_workday"),
        (3.5 / 7, MONDAY + timedelta(days=5, hours=10), "hour_of_day"),
        (2.2 / 7, MONDAY + timedelta(days=4, hours=10), "all"),
    ],
)
def test_while_history_is_young_a_wider_level_is_used_and_named(
    number: float, at: datetime, level: str
) -> None:
    usual = learned(CALLS, weeks(number, quarters=1), quarters=1)

    verdict = usual.judge(Step(at, 10))

    assert verdict is not None
    assert verdict.level == level


def test_too_little_history_says_nothing() -> None:
    assert baseline(CALLS, [], quarters=4) is None
    assert baseline(CALLS, weeks(1.5 / 7), quarters=4) is None


@given(st.integers(0, 500), st.sampled_from([CALLS, COST, SECONDS, CPU]))
@settings(max_examples=40, deadline=None)
def test_a_series_that_never_moves_is_never_found(value: int, measure: Watched) -> None:
    steps = [Step(MONDAY + place * 4 * QUARTER, float(value), 50.0) for place in range(400)]
    usual = learned(measure, steps[:300])

    assert found_in(usual, steps[300:]) == []


def test_a_share_of_few_says_nothing_and_of_many_it_does() -> None:
    history = [Step(one.at, 0.02, 30.0) for one in weeks(4)]
    usual = learned(ERRORS, history)

    assert usual.judge(Step(NEXT, 1.0, ERRORS.least - 1)) is None
    assert found_in(usual, [Step(NEXT, 0.03, 30.0)]) == []
    (found,) = found_in(usual, [Step(NEXT, 0.6, 30.0)])
    assert found.worst.expected == pytest.approx(0.02, abs=0.01)


def test_a_duration_is_compared_by_how_many_times_it_is_longer() -> None:
    chance = random.Random(4)
    history = [Step(one.at, exp(chance.gauss(0, 0.2)), 20.0) for one in weeks(4)]
    usual = learned(SECONDS, history)

    assert found_in(usual, [Step(NEXT, 1.5, 20.0)]) == []
    (found,) = found_in(usual, [Step(NEXT, 9.0, 20.0)])
    assert 0.5 < found.worst.expected < 2


def test_what_is_less_than_counts_is_not_told_of() -> None:
    usual = learned(COST, [Step(one.at, 0.01) for one in weeks(4)])

    assert found_in(usual, [Step(NEXT, COST.least * 0.9)]) == []
    assert found_in(usual, [Step(NEXT, COST.least * 1.1)]) != []


def test_one_far_quarter_begins_nothing_and_two_of_three_do() -> None:
    usual = of_calls(1)
    noon = NEXT + timedelta(hours=12)
    assert BEGINS[1] == (2, 3)

    once = day_of([10, 80, 10, 10, 10], start=noon, quarters=1)
    twice = day_of([10, 80, 10, 80, 10, 10, 10], start=noon, quarters=1)

    assert found_in(usual, once) == []
    (found,) = found_in(usual, twice)
    assert found.started_at == noon + QUARTER
    assert found.ended_at == noon + 4 * QUARTER


def test_what_goes_on_keeps_its_beginning_and_has_no_end() -> None:
    usual = of_calls(1)
    noon = NEXT + timedelta(hours=12)

    (found,) = found_in(usual, day_of([80, 80, 80], start=noon, quarters=1), since=NEXT)

    assert (found.started_at, found.ended_at) == (NEXT, None)


def test_what_nothing_was_judged_of_for_long_is_over() -> None:
    usual = learned(ERRORS, [Step(one.at, 0.02, 30.0) for one in weeks(4)])
    steps = [Step(NEXT, 0.9, 30.0)]

    (going_on,) = spells(usual, steps, now=NEXT + LAPSES)
    (over,) = spells(usual, steps, now=NEXT + LAPSES + timedelta(hours=2))

    assert (going_on.ended_at, over.ended_at) == (None, NEXT + 4 * QUARTER)


@given(st.lists(st.integers(0, 60), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_findings_come_in_order_and_do_not_overlap(values: list[int]) -> None:
    usual = of_calls(1)
    steps = day_of([float(one) for one in values], start=NEXT + timedelta(hours=3), quarters=1)

    found = found_in(usual, steps)

    for one, following in pairwise(found):
        assert one.ended_at is not None
        assert one.ended_at <= following.started_at
    assert all(one.ended_at is None or one.ended_at > one.started_at for one in found)


def test_steps_are_as_long_as_it_takes_for_something_to_happen() -> None:
    def each(value: float) -> list[Step]:
        return [Step(MONDAY + place * QUARTER, value) for place in range(96)]

    assert [quarters_of(each(value)) for value in (9, 2, 0.3, 0.01)] == [1, 4, 16, 4]
    assert quarters_of([]) == 4


@pytest.mark.parametrize("quarters", [1, 4, 16])
def test_steps_begin_with_the_day(quarters: int) -> None:
    at = datetime(2026, 11, 20, 13, 59, 59, tzinfo=UTC)

    found = begins_at(at, quarters)

    assert found <= at < found + quarters * QUARTER
    assert (found - found.replace(hour=0, minute=0, second=0)) % (quarters * QUARTER) == timedelta()

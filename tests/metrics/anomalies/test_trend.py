"""When a level reaches its limit if it goes on as it went."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.anomalies.trend import LEAST_POINTS, MOST_POINTS, line_of, reaches, thinned


def rising(
    slope: float, *, number: int = 48, noise: float = 0.0, seed: int = 1
) -> list[tuple[float, float]]:
    chance = random.Random(seed)
    return [(float(at), 10 + slope * at + chance.gauss(0, noise)) for at in range(number)]


def test_a_straight_line_reaches_its_limit_when_it_says() -> None:
    found = reaches(rising(2), 10 + 2 * 47 + 20, is_upper=True)

    assert found is not None
    assert (found.hours, found.soonest, found.latest) == (10, 10, 10)


def test_a_limit_below_is_reached_by_what_falls() -> None:
    found = reaches(rising(-1, number=24), 10 - 23 - 5, is_upper=False)

    assert found is not None
    assert found.hours == 5


@pytest.mark.parametrize("seed", range(20))
def test_noise_around_a_level_reaches_nothing_soon(seed: int) -> None:
    found = reaches(rising(0, number=96, noise=1, seed=seed), 40, is_upper=True)

    assert found is None or found.hours > 24 * 30


@pytest.mark.parametrize("seed", range(20))
def test_the_interval_holds_the_slope_that_is_there(seed: int) -> None:
    line = line_of(rising(0.5, number=96, noise=3, seed=seed))

    assert line is not None
    assert line.low <= line.slope <= line.high
    assert line.low - 0.05 <= 0.5 <= line.high + 0.05


@given(st.sets(st.integers(0, 47), max_size=9), st.floats(1e3, 1e9))
def test_a_fifth_of_wild_values_does_not_bend_the_line(places: set[int], wild: float) -> None:
    points = rising(2)
    bent = [(at, wild if place in places else level) for place, (at, level) in enumerate(points)]

    line = line_of(bent)

    assert line is not None
    assert line.slope == pytest.approx(2, abs=0.2 * (len(places) > 0) + 1e-9)


def test_too_few_points_and_what_is_beyond_its_limit_predict_nothing() -> None:
    assert line_of(rising(1)[: LEAST_POINTS - 1]) is None
    assert line_of([(1.0, float(level)) for level in range(LEAST_POINTS)]) is None
    assert reaches(rising(1), 20, is_upper=True) is None
    assert reaches(rising(-1), 100, is_upper=True) is None


@given(st.integers(1, 1000))
def test_many_points_are_thinned_evenly_and_the_ends_stay(number: int) -> None:
    points = [(float(at), 0.0) for at in range(number)]

    kept = thinned(points)

    assert len(kept) == min(number, MOST_POINTS)
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    assert kept == sorted(set(kept))

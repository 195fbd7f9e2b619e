"""Scores that a few odd values cannot bend."""

from __future__ import annotations

from statistics import median

from hypothesis import assume, given
from hypothesis import strategies as st

from metrics.anomalies.robust import Spread, quantile, score, spread

VALUES = st.lists(st.integers(-1000, 1000).map(float), min_size=3, max_size=60)
VALUE = st.integers(-5000, 5000).map(float)


@given(VALUES, VALUE, st.integers(-1000, 1000))
def test_moving_all_values_changes_no_score(values: list[float], one: float, by: int) -> None:
    moved = spread([value + by for value in values])

    assert score(one + by, moved) == score(one, spread(values))


@given(VALUES, VALUE, st.sampled_from([0.25, 0.5, 2.0, 1024.0]))
def test_stretching_all_values_changes_no_score(values: list[float], one: float, by: float) -> None:
    stretched = spread([value * by for value in values])

    assert abs(score(one * by, stretched) - score(one, spread(values))) < 1e-6


@given(VALUES, VALUE, st.randoms())
def test_the_order_of_values_is_no_matter(values: list[float], one: float, chance: object) -> None:
    assert score(one, spread(sorted(values))) == score(one, spread(values[::-1]))


@given(st.floats(-1e6, 1e6), st.integers(3, 50), VALUE)
def test_what_never_moved_scores_nothing(value: float, number: int, one: float) -> None:
    assert score(one, spread([value] * number)) == 0


@given(VALUES, VALUE, VALUE)
def test_the_larger_value_has_the_larger_score(
    values: list[float], one: float, other: float
) -> None:
    of = spread(values)
    assume(of.scale > 0)

    assert (score(one, of) <= score(other, of)) == (one <= other)


@given(VALUES, st.integers(0, 2))
def test_a_few_wild_values_move_the_centre_no_farther_than_values_lie(
    values: list[float], wild: int
) -> None:
    assume(len(values) > 4 * wild)

    bent = spread([*values, *[1e12] * wild])

    assert min(values) <= bent.centre <= max(values)


def test_a_floor_is_the_least_deviation_that_is_believed() -> None:
    assert score(12, Spread(centre=10, scale=0.1, number=9), floor=2) == 1
    assert score(12, Spread(centre=10, scale=4, number=9), floor=2) == 0.5


@given(VALUES)
def test_a_quantile_is_one_of_the_values(values: list[float]) -> None:
    assert quantile(values, 0.99) in values
    assert quantile(values, 1) == max(values)
    assert quantile([], 0.5) == 0
    assert abs(quantile(values, 0.5) - median(values)) <= max(values) - min(values)

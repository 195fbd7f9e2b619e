"""An agent's quarters of an hour, looked at together."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from metrics.anomalies.multivariate import (
    FEATURES,
    LEAST_QUARTERS,
    UNLIKE,
    Learned,
    Work,
    learn,
    look,
)
from metrics.anomalies.seasonal import QUARTER

MONDAY = datetime(2026, 10, 5, tzinfo=UTC)


def ordinary(number: int, *, seed: int = 1) -> list[Work]:
    """Return quarters in which more calls cost more tokens."""
    chance = random.Random(seed)
    made = []
    for place in range(number):
        calls = chance.randint(4, 40)
        tokens = round(calls * chance.uniform(300, 500))
        numbers = (calls, calls > 36, 0, calls // 8, tokens, tokens * 4e-6, 1 + calls // 10)
        made.append(Work(MONDAY + place * QUARTER, tuple(map(float, numbers))))
    return made


def learned(number: int = 600) -> Learned:
    found = learn(ordinary(number))
    assert found is not None
    return found


def quarter(**numbers: float) -> Work:
    usual = dict(zip(FEATURES, (20.0, 0.0, 0.0, 2.0, 8_000.0, 0.032, 3.0), strict=True))
    return Work(MONDAY + timedelta(weeks=4), tuple((usual | numbers).values()))


def test_quarters_like_those_before_are_not_told_of() -> None:
    assert look(learned(), ordinary(300, seed=2)) == []
    assert look(learned(), [quarter()]) == []
    assert look(learned(), []) == []


@pytest.mark.parametrize(
    ("numbers", "feature"),
    [
        ({"errors": 18.0}, "errors"),
        ({"tokens": 900_000.0, "nano": 9.0}, "tokens"),
        ({"denied": 15.0, "data": 15.0}, "denied"),
    ],
)
def test_what_sets_a_quarter_apart_is_named_with_its_figures(
    numbers: dict[str, float], feature: str
) -> None:
    (found,) = look(learned(), [quarter(**numbers)])

    assert found.score >= UNLIKE
    named = {one.feature: one for one in found.outstanding}
    assert named[feature].seen == numbers[feature]
    assert named[feature].nearest < numbers[feature] / 2
    assert sum(one.share for one in found.outstanding) <= 1 + 1e-9


def test_numbers_that_are_usual_each_and_not_together_are_told_of() -> None:
    both = [one.numbers for one in ordinary(600)]
    calls, tokens = min(one[0] for one in both), max(one[4] for one in both)

    (found,) = look(learned(), [quarter(calls=calls, tokens=tokens * 2, nano=0.0, data=0.0)])

    assert {one.feature for one in found.outstanding} & {"calls", "tokens", "nano"}


def test_the_same_history_says_the_same() -> None:
    odd = [quarter(errors=9.0)]

    assert look(learned(), odd) == look(learned(), odd)


def test_too_few_quarters_say_nothing() -> None:
    assert learn(ordinary(LEAST_QUARTERS - 1)) is None
    assert learn(ordinary(LEAST_QUARTERS)) is not None


def test_an_agent_that_always_did_the_same_may_do_a_little_more() -> None:
    same = learn([Work(one.at, quarter().numbers) for one in ordinary(300)])
    assert same is not None

    assert look(same, [quarter(calls=26.0)]) == []
    assert look(same, [quarter(calls=2_000.0)]) != []

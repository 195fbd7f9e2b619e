"""Each function fires at the same minutes in both, of series by chance: parity.py."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from metrics.alert_rule import DAY, Rule, problems
from metrics.families import BY_NAME
from tests.metrics.alerting.fed import MINUTE, Fed, forget_minutes
from tests.metrics.alerting.parity import SELDOM, compared, needs_promtool

SEEDS = range(4)
LEVELS = (0, 0, 1, 3, 8)
"""What a series adds in a minute for a while, at most; nothing is common."""


@pytest.fixture(autouse=True)
def _empty(database: None) -> Iterator[None]:
    forget_minutes()
    yield
    forget_minutes()


def by_chance(chance: random.Random, length: int, *, most: int = 8) -> list[float]:
    """Return numbers of minutes that stay about as high for a while, and then change."""
    numbers: list[float] = []
    while len(numbers) < length:
        level = chance.choice(LEVELS) * most // 8
        numbers += [float(chance.randint(level // 2, level)) for _ in range(chance.randint(1, 12))]
    return numbers[:length]


def counters(chance: random.Random, name: str, length: int) -> list[Fed]:
    restarts = frozenset(chance.sample(range(1, length), 2))
    return [
        Fed(name=name, labels=labels, minutes=by_chance(chance, length), restarts=restarts)
        for labels in _label_sets(name)
    ]


def gauges(chance: random.Random, name: str, length: int, *, most: int = 8) -> list[Fed]:
    """Return gauges that are gone now and then."""
    found = []
    for labels in _label_sets(name):
        minutes: list[float | None] = [*by_chance(chance, length, most=most)]
        for at in chance.sample(range(1, length), length // 15):
            minutes[at] = None
        found.append(Fed(name=name, labels=labels, minutes=minutes))
    return found


def histograms(chance: random.Random, name: str, length: int) -> list[Fed]:
    edges = (*BY_NAME[name].edges, float("inf"))
    found = []
    for labels in _label_sets(name):
        below = [0.0] * length
        for edge in edges:
            # One bucket of three has anything, so that a quantile jumps.
            added = by_chance(chance, length) if chance.random() < 1 / 3 else [0.0] * length
            below = [a + b for a, b in zip(below, added, strict=True)]
            le = "+Inf" if edge == float("inf") else str(edge)
            found.append(Fed(name=f"{name}_bucket", labels={**labels, "le": le}, minutes=below))
    return found


def _label_sets(name: str) -> list[dict[str, str]]:
    """Return three series: two that share the value of their first label, and one apart."""
    labels = BY_NAME[name].labels
    if len(labels) == 1:
        return [{labels[0]: value} for value in ("a", "b", "c")]
    return [
        dict(zip(labels, [first, *[rest] * (len(labels) - 1)], strict=True))
        for first, rest in (("a", "x"), ("a", "y"), ("b", "x"))
    ]


def _rule(chance: random.Random, **given: Any) -> Rule:
    family = BY_NAME[given["family"]]
    rule = Rule(
        **{
            "name": "ByChance",
            "group": "agents",
            "severity": "warning",
            "summary": "{value}",
            "description": "{value}",
            "runbook": "ByChance",
            "comparison": chance.choice("<>"),
            "aggregate": chance.choice(("min", "max", "sum")),
            "window": chance.choice((2, 5, 11)) * MINUTE,
            "lasts": chance.choice((0, 1, 3)) * MINUTE,
            "by": family.labels[: chance.randint(0, 1)],
            **given,
        }
    )
    assert problems(rule) == []
    return rule


# Thresholds that no sum of whole numbers meets: at equality Prometheus' rounding decides.
def rate(chance: random.Random) -> tuple[Rule, list[Fed]]:
    name = "obs_agent_errors_total"
    return _rule(chance, family=name, function="rate", threshold=0.0331), counters(chance, name, 90)


def increase(chance: random.Random) -> tuple[Rule, list[Fed]]:
    name = "obs_http_requests_total"
    rule = _rule(
        chance, family=name, function="increase", threshold=9.7, match=(("method", ("a", "z")),)
    )
    return rule, counters(chance, name, 90)


def quantile(chance: random.Random) -> tuple[Rule, list[Fed]]:
    name = "obs_agent_loop_duration_seconds"
    share, limit = chance.choice(((0.5, 0.731), (0.95, 4.137), (0.99, 9.771)))
    rule = _rule(chance, family=name, function="quantile", quantile=share, threshold=limit)
    return rule, histograms(chance, name, 90)


def ratio_of_counters(chance: random.Random) -> tuple[Rule, list[Fed]]:
    name = "obs_agent_errors_total"
    rule = _rule(
        chance, family=name, function="ratio", of=name, threshold=0.4137,
        match=(("error_type", ("x",)),),
    )  # fmt: skip
    return rule, counters(chance, name, 90)


def ratio_of_gauges(chance: random.Random) -> tuple[Rule, list[Fed]]:
    name = "obs_host_disk_bytes"
    rule = _rule(
        chance, family=name, function="ratio", of=name, threshold=0.4137,
        match=(("state", ("x",)),),
    )  # fmt: skip
    return rule, gauges(chance, name, 90, most=64)


def value(chance: random.Random) -> tuple[Rule, list[Fed]]:
    name = "obs_ingest_inbox_events"
    compares = chance.choice("<>=")
    limit = 1.0 if compares == "=" else 2.5
    rule = _rule(
        chance, family=name, function="value", threshold=limit,
        comparison="==" if compares == "=" else compares,
    )  # fmt: skip
    return rule, gauges(chance, name, 90)


def age(chance: random.Random) -> tuple[Rule, list[Fed]]:
    name = "obs_audit_chain_verified_timestamp_seconds"
    fed = []
    for each in gauges(chance, name, 90):
        newest, minutes = 0.0, list[float | None]()
        for at, number in enumerate(each.minutes):
            newest = 60.0 * at - 1 if number else newest
            minutes.append(None if number is None else newest)
        fed.append(Fed(name=name, labels=each.labels, minutes=minutes))
    return _rule(chance, family=name, function="age", threshold=190.5), fed


def growth(chance: random.Random) -> tuple[Rule, list[Fed]]:
    name = "obs_destination_lag_entries"
    return _rule(chance, family=name, function="growth", threshold=1.5), gauges(chance, name, 90)


def against_yesterday(chance: random.Random) -> tuple[Rule, list[Fed]]:
    name = "obs_agent_loop_duration_seconds"
    rule = _rule(
        chance, family=name, function="against_yesterday", threshold=1.0137, lasts=timedelta()
    )
    return rule, histograms(chance, name, 26 * 60)


def spike(chance: random.Random) -> tuple[Rule, list[Fed]]:
    name = "obs_agent_errors_total"
    rule = _rule(
        chance, family=name, function="spike", threshold=chance.choice((0.737, 1.313)),
        comparison=">", lasts=timedelta(),
    )  # fmt: skip
    return rule, counters(chance, name, 26 * 60)


def first_spike(chance: random.Random) -> tuple[Rule, list[Fed]]:
    """Where history has just begun, of less than a day."""
    rule, _ = spike(chance)
    return rule, counters(chance, rule.family, 3 * 60)


FUNCTIONS = (
    rate, increase, quantile, ratio_of_counters, ratio_of_gauges, value, age, growth,
    against_yesterday, spike, first_spike,
)  # fmt: skip


@needs_promtool
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_a_function_fires_at_the_same_minutes_in_both(
    function: Any, seed: int, tmp_path: Path
) -> None:
    rule, fed = function(random.Random(f"{function.__name__} {seed}"))
    is_long = len(fed[0].minutes) * MINUTE > DAY

    compared(
        rule,
        fed,
        tmp_path,
        step=SELDOM if rule.function in ("spike", "against_yesterday") else MINUTE,
        # Both look back a day; what they find before they can is compared by first_spike.
        first=DAY - SELDOM if is_long else timedelta(),
    )

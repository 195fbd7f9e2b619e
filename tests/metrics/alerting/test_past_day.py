"""What would have fired in the last day is what the evaluator would have found by the minute."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from metrics.admin.alert_lines import chart_of
from metrics.alert_rules import RULES
from metrics.alerting.past_day import Firing, firings, past_day
from tests.metrics.alerting.fed import (
    MINUTE,
    Fed,
    fired_in_ours,
    forget_minutes,
    write_minutes,
)

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
BACKLOG = next(rule for rule in RULES if rule.name == "QueueBacklog")
ERRORS = next(rule for rule in RULES if rule.name == "HighErrorRate")


@pytest.fixture(autouse=True)
def _empty(database: None) -> Iterator[None]:
    forget_minutes()
    yield
    forget_minutes()


def test_it_says_when_the_evaluator_would_have_fired() -> None:
    waits = [0.0] * 20 + [90.0] * 10 + [0.0] * 5 + [70.0] * 2 + [0.0] * 3 + [200.0] * 20
    fed = [
        Fed(name=BACKLOG.family, labels={"ledger": "main"}, minutes=waits),
        Fed(name=BACKLOG.family, labels={"ledger": "eu"}, minutes=waits[::-1]),
    ]
    write_minutes(BEGIN, fed)
    last = BEGIN + 59 * MINUTE

    found = firings(BACKLOG, past_day(BACKLOG, last), last=last)

    fired = fired_in_ours(BACKLOG, BEGIN, step=MINUTE, first=timedelta(), last=59 * MINUTE)
    for at, alerts in fired.items():
        moment = BEGIN + at
        assert {labels for ((_, labels),) in alerts} == {
            each.labels[0]
            for each in found
            if each.began <= moment and (each.ended is None or moment < each.ended)
        }, at
    assert found[0] == Firing(
        labels=("main",), began=BEGIN + 42 * MINUTE, ended=None, highest=200.0
    )
    assert len(found) == 4


def test_the_chart_has_the_worst_of_each_ten_minutes_and_a_level_threshold() -> None:
    errors = Fed(
        name=ERRORS.family,
        labels={"agent": "a", "error_type": "b"},
        minutes=[0.0] * 60 + [30.0] * 3 + [0.0] * 57,
    )
    write_minutes(BEGIN, [errors])
    last = BEGIN + 120 * MINUTE
    rule = dataclasses.replace(ERRORS, lasts=timedelta())

    chart = chart_of(rule, past_day(rule, last), last)

    assert chart is not None
    assert [row.value for row in chart.rows if row.holds] == ["0.3"]
    assert len(chart.limits) == 1
    assert len(chart.held) == 1
    assert chart_of(rule, [], last) is None

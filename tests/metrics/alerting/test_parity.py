"""Every shipped rule fires at the same minutes in PromQL and over minute history: parity.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from metrics.alert_rule import Rule
from metrics.alert_rules import RULES
from metrics.alerting.sql import whole_minutes
from tests.metrics.alert_cases import CASES, LONG, Case, Line
from tests.metrics.alerting.fed import MINUTE, Fed, forget_minutes
from tests.metrics.alerting.parity import SELDOM, compared, needs_promtool

OURS = [rule for rule in RULES if not rule.is_of_prometheus]
CASE = {case.rule: case for case in CASES}


@pytest.fixture(autouse=True)
def _empty(database: None) -> Iterator[None]:
    forget_minutes()
    yield
    forget_minutes()


def course(rule: Rule, case: Case) -> list[str]:
    """Return what each minute is, from calm to calm.

    Broken too briefly to fire, then for long enough; at the edge; broken again, while scrapes fail
    and the platform restarts.
    """
    window = whole_minutes(rule.window) // MINUTE
    lasts = rule.lasts // MINUTE
    settled = window + lasts + case.crosses // MINUTE
    return [
        *["calm"] * (case.calm // MINUTE),
        *["broken"] * max(1, lasts // 2),
        *["calm"] * (window + 10),
        *["broken"] * (settled + 15),
        *["quiet"] * (window + 10),
        *["calm"] * 10,
        *["broken"] * (settled + 5),
        *["gone"] * 2,
        *["broken"] * (settled + 5),
        *["calm"] * (window + 10),
    ]


def fed_of(rule: Rule, line: Line, course: Sequence[str]) -> Fed:
    """Return the series of a case over a course.

    A counter's broken rate goes on while scrapes fail, and the platform restarts after that.
    """
    values = {"calm": line.calm, "broken": line.broken, "quiet": line.quiet, "gone": None}
    minutes = [values[each] for each in course]
    if rule.function == "age":
        minutes = verified(course, rule.threshold)
    elif rule.function == "growth" and line.labels.items() <= CASE[rule.name].labels.items():
        minutes = falling_behind(course)
    gone = [at for at, each in enumerate(course) if each == "gone"]
    if line.grows:
        # What came while nothing was scraped is in the next sample.
        for at in gone:
            minutes[at] = line.broken
    restarts = frozenset({gone[-1] + 3}) if line.grows else frozenset[int]()
    return Fed(name=line.name, labels=line.labels, minutes=minutes, restarts=restarts)


def verified(course: Sequence[str], limit: float) -> list[float | None]:
    """Return the time of the last verification: just now, as long ago as may be, or longer."""
    ago = {"calm": 0.0, "quiet": limit, "broken": limit + 1}
    return [None if each == "gone" else 60.0 * at - ago[each] for at, each in enumerate(course)]


def falling_behind(course: Sequence[str]) -> list[float | None]:
    """Return how many entries it lacks: more each minute while it is broken."""
    lacking, minutes = 0.0, list[float | None]()
    for each in course:
        lacking += 5.0 * (each in ("broken", "gone"))
        minutes.append(None if each == "gone" else lacking)
    return minutes


@needs_promtool
@pytest.mark.parametrize("rule", OURS, ids=lambda rule: rule.name)
def test_a_shipped_rule_fires_at_the_same_minutes_in_both(rule: Rule, tmp_path: Path) -> None:
    case = CASE[rule.name]
    is_long = case.calm == LONG
    minutes = course(rule, case)

    fired = compared(
        rule,
        [fed_of(rule, line, minutes) for line in case.lines],
        tmp_path,
        step=SELDOM if is_long else MINUTE,
        first=LONG - timedelta(hours=1) if is_long else timedelta(),
    )

    assert {alert for alerts in fired.values() for alert in alerts} == {
        tuple((label, case.labels[label]) for label in rule.by)
    }
    assert not fired[max(fired)]

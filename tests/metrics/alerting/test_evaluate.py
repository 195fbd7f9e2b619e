"""Alerts hold, fire and end; a restart forgets none, and two workers fire none twice."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from pytest_django import Settings

from audit.database import rows
from metrics import switches
from metrics.alert_rules import RULES
from metrics.alerting.calling import evaluate_and_call
from metrics.alerting.evaluate import UNSEEN, Change, evaluate, fingerprint
from metrics.alerting.in_force import rules_to_evaluate
from tests.metrics.alerting.fed import MINUTE, Fed, forget_minutes, write_minutes

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
SHIPPED = {rule.name: rule for rule in RULES}
BACKLOG = SHIPPED["QueueBacklog"]
TAMPERED = SHIPPED["AuditChainBroken"]


@pytest.fixture(autouse=True)
def _empty(database: None) -> Iterator[None]:
    forget_minutes()
    yield
    forget_minutes()


def waiting(*seconds: float | None, ledger: str = "main") -> Fed:
    """Return how long the oldest request waits, minute by minute."""
    return Fed(name=BACKLOG.family, labels={"ledger": ledger}, minutes=seconds)


def at(minutes: float) -> datetime:
    return BEGIN + minutes * MINUTE


def names(changes: list[Change]) -> list[tuple[str, bool]]:
    return [(change.name, change.is_firing) for change in changes]


def remembered() -> list[tuple[str, datetime, datetime | None]]:
    return [
        (rule, holds, fires)
        for rule, holds, fires in rows(
            "SELECT rule, holds_since, fires_since FROM metrics_alert ORDER BY rule"
        )
    ]


def test_an_alert_fires_once_it_has_held_for_long_enough_and_ends() -> None:
    write_minutes(BEGIN, [waiting(0, 90, 90, 90, 90, 0, 0)])

    said = [names(evaluate(at(minute), [BACKLOG])) for minute in range(7)]

    assert said == [[], [], [], [("QueueBacklog", True)], [], [("QueueBacklog", False)], []]
    assert remembered() == []


def test_a_change_says_what_the_rule_says_of_it() -> None:
    write_minutes(BEGIN, [waiting(*[90.0] * 10, ledger="eu")])
    evaluate(at(1), [BACKLOG])

    (change,) = evaluate(at(3), [BACKLOG])

    assert change == Change(
        fingerprint=fingerprint("QueueBacklog", {"ledger": "eu"}),
        rule=BACKLOG,
        name="QueueBacklog",
        labels={"ledger": "eu"},
        value=90.0,
        since=at(3),
        is_firing=True,
        summary="Events of eu wait 90 s to be chained",
        description="The oldest request in the inbox of eu waits for more than a minute.",
    )


def test_its_end_names_the_same_firing() -> None:
    write_minutes(BEGIN, [waiting(*[90.0] * 5, 0, 0)])
    evaluate(at(1), [BACKLOG])
    (fired,) = evaluate(at(4), [BACKLOG])

    (ended,) = evaluate(at(6), [BACKLOG])

    assert (fired.fingerprint, fired.since) == (ended.fingerprint, ended.since)
    assert not ended.is_firing


def test_a_break_begins_the_wait_anew() -> None:
    write_minutes(BEGIN, [waiting(90, 90, 0, 90, 90, 90)])

    said = [names(evaluate(at(minute), [BACKLOG])) for minute in range(6)]

    assert [minute for minute, each in enumerate(said) if each] == [5]


def test_alerts_of_one_rule_stand_apart() -> None:
    write_minutes(BEGIN, [waiting(*[90.0] * 6), waiting(0, 0, *[90.0] * 4, ledger="eu")])

    said = {
        minute: [change.labels["ledger"] for change in evaluate(at(minute), [BACKLOG])]
        for minute in range(6)
    }

    assert {minute: each for minute, each in said.items() if each} == {2: ["main"], 4: ["eu"]}


def test_what_nobody_watched_was_not_seen_to_hold() -> None:
    write_minutes(BEGIN, [waiting(*[90.0] * 30)])
    evaluate(at(1), [BACKLOG])

    assert evaluate(at(1) + UNSEEN + MINUTE, [BACKLOG]) == []
    assert names(evaluate(at(1) + UNSEEN + 3 * MINUTE, [BACKLOG])) == [("QueueBacklog", True)]


def test_a_short_absence_forgets_nothing() -> None:
    write_minutes(BEGIN, [waiting(*[90.0] * 30)])
    evaluate(at(1), [BACKLOG])

    assert names(evaluate(at(1) + UNSEEN, [BACKLOG])) == [("QueueBacklog", True)]


def test_what_fires_goes_on_firing_after_a_long_absence_and_is_not_told_again() -> None:
    write_minutes(BEGIN, [waiting(*[90.0] * 60)])
    evaluate(at(1), [BACKLOG])
    evaluate(at(4), [BACKLOG])

    assert evaluate(at(50), [BACKLOG]) == []
    assert [fires for _, _, fires in remembered()] == [at(4)]


def test_an_alert_of_a_rule_that_is_gone_ends() -> None:
    write_minutes(BEGIN, [waiting(*[90.0] * 10)])
    evaluate(at(1), [BACKLOG])
    evaluate(at(4), [BACKLOG])

    assert names(evaluate(at(5), [])) == [("QueueBacklog", False)]
    assert remembered() == []


# --- When it cannot be told -----------------------------------------------------------------------


def looks() -> dict[str, str]:
    return dict(rows("SELECT rule, error FROM metrics_alertlook"))


def test_a_rule_that_cannot_be_evaluated_keeps_its_alerts_and_the_others_go_on() -> None:
    write_minutes(BEGIN, [waiting(*[90.0] * 10)])
    evaluate(at(1), [BACKLOG])
    evaluate(at(4), [BACKLOG])
    broken = dataclasses.replace(BACKLOG, name="Broken", aggregate="median")  # type: ignore[arg-type]

    changes = evaluate(at(5), [broken, BACKLOG])

    assert changes == []
    assert [rule for rule, _, _ in remembered()] == ["QueueBacklog"]
    assert looks()["QueueBacklog"] == ""
    assert "median" in looks()["Broken"]


def test_no_alert_ends_because_no_gauge_was_kept() -> None:
    write_minutes(BEGIN, [waiting(*[90.0] * 5)])
    evaluate(at(1), [BACKLOG])
    evaluate(at(4), [BACKLOG])

    assert evaluate(at(20), [BACKLOG]) == []
    assert [fires for _, _, fires in remembered()] == [at(4)]
    assert "no gauge was kept" in looks()["QueueBacklog"]


def test_no_alert_ends_because_metrics_are_switched_off(settings: Settings) -> None:
    write_minutes(BEGIN, [waiting(90, 90, 90, 90, 90, 0, 0)])
    evaluate(at(1), [BACKLOG])
    evaluate(at(4), [BACKLOG])
    before = settings.SWITCHES
    settings.SWITCHES = before | {"metrics": ("off", True)}
    switches.refresh()
    try:
        assert evaluate(at(6), [BACKLOG]) == []
    finally:
        settings.SWITCHES = before
        switches.refresh()

    assert names(evaluate(at(6), [BACKLOG])) == [("QueueBacklog", False)]


# --- Once -----------------------------------------------------------------------------------------


def test_while_one_worker_looks_another_does_not(
    as_role: Callable[[str], psycopg.Connection[Any]],
) -> None:
    write_minutes(BEGIN, [Fed(name=TAMPERED.family, labels={"ledger": "main"}, minutes=[0.0] * 5)])
    other = as_role("owner")
    with other.transaction():
        other.execute("SELECT pg_advisory_xact_lock(hashtext('metrics.alerts'))")
        assert evaluate(at(1), [TAMPERED]) == []

    assert names(evaluate(at(1), [TAMPERED])) == [("AuditChainBroken", True)]
    assert evaluate(at(1), [TAMPERED]) == []


def test_an_alert_whose_call_fails_is_called_again() -> None:
    write_minutes(BEGIN, [Fed(name=TAMPERED.family, labels={"ledger": "main"}, minutes=[0.0] * 5)])
    called: list[Change] = []

    def fails(change: Change) -> None:
        raise ConnectionError("the database went away")

    with pytest.raises(ConnectionError):
        evaluate_and_call(at(1), fires=fails, ends=fails)
    assert remembered() == []

    assert evaluate_and_call(at(1), fires=called.append, ends=fails) == 1
    assert names(called) == [("AuditChainBroken", True)]


def test_every_rule_but_prometheus_own_is_evaluated() -> None:
    write_minutes(BEGIN, [waiting(0)])

    assert evaluate(at(0)) == []

    assert {rule.name for rule in rules_to_evaluate()} == SHIPPED.keys() - {"TargetDown"}
    assert looks() == dict.fromkeys(SHIPPED.keys() - {"TargetDown"}, "")

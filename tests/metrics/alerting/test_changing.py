"""People change rules: each act an entry, what is shipped is never lost."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from io import StringIO

import pytest
import yaml
from django.core.management import CommandError, call_command

from metrics.acting import ChangeRefused
from metrics.alert_file import alert_file
from metrics.alert_rule import Rule
from metrics.alert_rules import RULES
from metrics.alerting import changing
from metrics.alerting.drafts import Draft, draft_of
from metrics.alerting.in_force import (
    Standing,
    rules_in_force,
    rules_to_evaluate,
    standing,
    standing_of,
)
from metrics.models import AlertRule
from tests.metrics.alerting.fed import forget_minutes
from tests.metrics.deciding import newest_change

SHIPPED = {rule.name: rule for rule in RULES}
ERRORS = SHIPPED["HighErrorRate"]
OWN = Draft(
    name="BillingErrors",
    family="obs_agent_errors_total",
    function="increase",
    threshold="3",
    match="agent=billing",
    by="error_type",
    summary="{value} errors of {error_type}",
    description="Billing fails.",
)


@pytest.fixture(autouse=True)
def _empty(database: None) -> Iterator[None]:
    forget_minutes()
    yield
    forget_minutes()


def drafted(rule: Rule, **different: str) -> Draft:
    return dataclasses.replace(draft_of(rule), **different)


def stands(name: str) -> Standing:
    found = standing_of(name)
    assert found is not None
    return found


def test_without_changes_the_shipped_rules_are_in_force() -> None:
    assert rules_in_force() == list(RULES)
    assert [rule.name for rule in RULES if rule not in rules_to_evaluate()] == ["TargetDown"]
    assert {each.origin for each in standing()} == {"shipped"}


def test_a_changed_rule_stands_in_the_place_of_the_shipped_one() -> None:
    changing.change(
        "HighErrorRate", drafted(ERRORS, threshold="0.5"), reason="a busy fleet", by="alice"
    )

    now = stands("HighErrorRate")
    assert now.rule == dataclasses.replace(ERRORS, threshold=0.5)
    assert (now.origin, now.is_on, now.changed_by) == ("changed", True, "alice")
    assert [rule.name for rule in rules_in_force()] == [rule.name for rule in RULES]
    event = newest_change()
    assert event["details"] == {
        "change": "changed",
        "before": {"threshold": 0.1},
        "after": {"threshold": 0.5},
    }
    assert event["reason"] == "a busy fleet"
    assert event["target"] == {"type": "alert_rule", "id": "HighErrorRate"}


def test_it_is_put_back_as_shipped() -> None:
    changing.change("HighErrorRate", drafted(ERRORS, threshold="0.5"), reason="x", by="alice")

    changing.put_back("HighErrorRate", reason="it was too much", by="bob")

    assert stands("HighErrorRate").rule == ERRORS
    assert stands("HighErrorRate").origin == "shipped"
    event = newest_change()
    assert event["details"]["change"] == "put back as shipped"
    assert event["details"]["before"]["rule"]["threshold"] == 0.5


def test_a_rule_that_is_switched_off_is_not_evaluated() -> None:
    changing.switch("HighErrorRate", on=False, reason="noise", by="alice")

    assert "HighErrorRate" not in {rule.name for rule in rules_in_force()}
    assert stands("HighErrorRate").origin == "shipped"
    assert newest_change()["details"] == {"change": "switched off"}

    changing.switch("HighErrorRate", on=True, reason="missed", by="alice")
    assert "HighErrorRate" in {rule.name for rule in rules_in_force()}


def test_a_rule_of_peoples_own_is_made_changed_and_removed() -> None:
    made = changing.make(OWN, by="alice")
    assert made in rules_to_evaluate()
    assert newest_change()["details"]["change"] == "made"

    changing.change("BillingErrors", drafted(made, threshold="9"), reason="less", by="alice")
    assert stands("BillingErrors").origin == "own"

    changing.put_back("BillingErrors", reason="done", by="alice")
    assert standing_of("BillingErrors") is None
    assert newest_change()["details"]["change"] == "removed"


def test_nothing_is_shipped_away() -> None:
    with pytest.raises(ChangeRefused) as refused:
        changing.put_back("HighErrorRate", reason="x", by="alice")

    assert "as shipped already" in refused.value.errors["name"]


@pytest.mark.parametrize(
    ("act", "field"),
    [
        (lambda: changing.make(dataclasses.replace(OWN, name="HighErrorRate"), by="a"), "name"),
        (lambda: changing.make(dataclasses.replace(OWN, threshold="x"), by="a"), "threshold"),
        (lambda: changing.make(dataclasses.replace(OWN, summary="a\0b"), by="a"), "summary"),
        (
            lambda: changing.change("HighErrorRate", draft_of(ERRORS), reason="x", by="a"),
            "threshold",
        ),
        (
            lambda: changing.change(
                "HighErrorRate", drafted(ERRORS, threshold="1"), reason=" ", by="a"
            ),
            "reason",
        ),
        (lambda: changing.switch("HighErrorRate", on=True, reason="x", by="a"), "name"),
        (lambda: changing.switch("HighErrorRate", on=False, reason="", by="a"), "reason"),
        (lambda: changing.switch("NoSuchRule", on=False, reason="x", by="a"), "name"),
    ],
)
def test_what_is_refused_changes_nothing(act: Callable[[], object], field: str) -> None:
    with pytest.raises(ChangeRefused) as refused:
        act()

    assert field in refused.value.errors
    assert not AlertRule.objects.exists()


def test_no_two_rules_have_one_name() -> None:
    changing.make(OWN, by="alice")

    with pytest.raises(ChangeRefused, match="taken"):
        changing.make(OWN, by="bob")


# --- Rows that cannot be read ---------------------------------------------------------------------


def test_what_cannot_be_read_leaves_the_shipped_rule_in_force() -> None:
    AlertRule.objects.create(name="HighErrorRate", rule={"family": "obs_gone"}, changed_by="a")

    now = stands("HighErrorRate")

    assert now.rule == ERRORS
    assert "is needed" in now.error
    assert ERRORS in rules_to_evaluate()


def test_one_of_peoples_own_that_cannot_be_read_is_said_and_not_in_force() -> None:
    AlertRule.objects.create(name="Mine", rule=[], changed_by="a")

    assert stands("Mine").rule is None
    assert len(rules_in_force()) == len(RULES)
    with pytest.raises(CommandError, match="Mine"):
        call_command("alertrules", "--in-force", stdout=StringIO())


# --- For Prometheus -------------------------------------------------------------------------------


def test_the_command_writes_the_rules_in_force() -> None:
    made = changing.make(OWN, by="alice")
    changing.switch("ErrorSpike", on=False, reason="x", by="alice")
    out = StringIO()

    call_command("alertrules", "--in-force", stdout=out)

    assert out.getvalue() == alert_file(rules_in_force())
    named = {
        each["alert"]
        for group in yaml.safe_load(out.getvalue())["groups"]
        for each in group["rules"]
    }
    assert named == SHIPPED.keys() - {"ErrorSpike"} | {made.name}

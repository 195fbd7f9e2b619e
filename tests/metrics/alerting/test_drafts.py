"""A rule is written down and read back the same; what is wrong names its field and the way out."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from metrics.alert_rule import Rule
from metrics.alert_rules import RULES
from metrics.alerting.drafts import Draft, draft_of, read_draft
from metrics.alerting.minutes import families_with_minutes, has_minutes, lacking
from metrics.alerting.stored_rule import WrongRule, as_data, from_data
from metrics.families import BY_NAME

each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
OURS = [rule for rule in RULES if not rule.is_of_prometheus]


@each_rule
def test_a_rule_is_read_back_as_it_was_written_down(rule: Rule) -> None:
    assert from_data(json.loads(json.dumps(as_data(rule)))) == rule


@pytest.mark.parametrize("rule", OURS, ids=lambda rule: rule.name)
def test_a_rule_is_read_back_as_it_is_typed(rule: Rule) -> None:
    assert read_draft(draft_of(rule)) == rule


@pytest.mark.parametrize(
    ("different", "field", "said"),
    [
        ({"colour": "red"}, "colour", "no field of a rule"),
        ({"name": None}, "name", "is a text"),
        ({"name": "small"}, "name", "a capital"),
        ({"function": "mean"}, "function", "is one of rate, increase"),
        ({"family": "obs_no_such"}, "family", "no family"),
        ({"threshold": "7"}, "threshold", "a number"),
        ({"threshold": True}, "threshold", "a number"),
        ({"threshold": float("nan")}, "threshold", "finite"),
        ({"window": 0}, "window", "at least a second"),
        ({"window": 1.5}, "window", "whole seconds"),
        ({"window": 10**9}, "window", "0 to 604800"),
        ({"by": "agent"}, "by", "a list of texts"),
        ({"by": ["ledger"]}, "by", "no label ledger"),
        ({"match": ["agent"]}, "match", "an object"),
        ({"match": {"agent": []}}, "match", "no value"),
        ({"of": "obs_agent_errors_total"}, "of", "a ratio, and nothing else"),
        ({"summary": "{tool}"}, "summary", "tool"),
        ({"summary": "a { b"}, "summary", "brace"),
    ],
)
def test_what_is_wrong_with_data_names_its_field(
    different: dict[str, Any], field: str, said: str
) -> None:
    data = as_data(RULES[0]) | different

    with pytest.raises(WrongRule) as wrong:
        from_data(data)

    assert said in wrong.value.errors[field]


@pytest.mark.parametrize("data", [None, [], "rule", 3])
def test_what_is_no_object_is_no_rule(data: object) -> None:
    with pytest.raises(WrongRule, match="an object"):
        from_data(data)


def test_a_field_that_is_needed_is_missed() -> None:
    with pytest.raises(WrongRule) as wrong:
        from_data({"name": "Some"})

    assert {"group", "family", "function", "threshold", "severity"} <= wrong.value.errors.keys()


def draft(**different: str) -> Draft:
    typed = draft_of(RULES[0])
    return dataclasses.replace(typed, **different)


@pytest.mark.parametrize(
    ("different", "field", "said"),
    [
        ({"threshold": "much"}, "threshold", "is a number"),
        ({"threshold": "inf"}, "threshold", "finite"),
        ({"window": "5 minutes"}, "window", "such as 90s, 5m"),
        ({"lasts": "-5m"}, "lasts", "such as 90s, 5m"),
        ({"match": "agent"}, "match", "is like status=error"),
        ({"match": "agent=a, agent=b"}, "match", "names agent twice"),
        ({"family": ""}, "family", "is needed"),
        ({"family": "obs_notifications_total"}, "family", "not kept by the minute"),
        ({"family": "up", "function": "value"}, "family", "Prometheus' own"),
        ({"summary": "x" * 201}, "summary", "at most 200"),
        ({"severity": "bad"}, "severity", "warning, critical"),
    ],
)
def test_what_is_wrong_with_a_draft_names_its_field(
    different: dict[str, str], field: str, said: str
) -> None:
    with pytest.raises(WrongRule) as wrong:
        read_draft(draft(**different))

    assert said in wrong.value.errors[field]


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(WrongRule) as wrong:
        read_draft(draft(threshold="much", window="long", by="colour", summary=""))

    assert wrong.value.errors.keys() == {"threshold", "window", "by", "summary"}


def test_what_is_typed_may_have_spaces_and_thousands() -> None:
    rule = read_draft(
        draft(threshold=" 1,000 ", window="2 h", lasts="", by=" agent ,", match="agent = a | b ")
    )

    assert rule.threshold == 1000
    assert rule.window.total_seconds() == 7200
    assert not rule.lasts
    assert rule.by == ("agent",)
    assert rule.match == (("agent", ("a", "b")),)


def test_every_shipped_rule_but_prometheus_own_can_be_evaluated() -> None:
    assert [rule.name for rule in RULES if lacking(rule)] == ["TargetDown"]


def test_families_of_the_list_have_minutes_and_fed_ones_alone() -> None:
    offered = families_with_minutes()

    assert all(has_minutes(each) for each in offered)
    assert all("later" not in each.sources for each in offered)
    assert not has_minutes(BY_NAME["obs_notifications_total"])

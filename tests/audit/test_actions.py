"""Actions: their category, the scope that may say them, and the fields expected of each."""

from __future__ import annotations

from typing import Any

import pytest

from audit.actions import ACTIONS, fits, missing_fields, scope_needed
from tests.audit.building import event_json
from tests.audit.parsing import parse, refusal


def test_every_action_stands_under_its_category_alone() -> None:
    assert len(set(ACTIONS.values())) == 15
    for action, category in ACTIONS.items():
        for other in set(ACTIONS.values()):
            assert fits(action, other) is (category == other)


def test_an_action_under_another_category_is_refused() -> None:
    refused = refusal(event_json(category="decision"))

    assert (refused.code, refused.path) == ("wrong-category", "$.category")


@pytest.mark.parametrize(
    "action", ["", "tool", "tool.invoked", "x.acme", "x..a", "x.acme.a b", "y.a.b"]
)
def test_an_unknown_action_is_refused(action: str) -> None:
    refused = refusal(event_json(action=action))

    assert (refused.code, refused.path) == ("unknown-action", "$.action")


def test_a_vendor_action_goes_under_any_category_but_audit() -> None:
    for category in set(ACTIONS.values()):
        raw = event_json(action="x.acme.door.opened", category=category)
        if category == "audit":
            assert refusal(raw).code == "wrong-category"
        else:
            parse(raw)


@pytest.mark.parametrize(
    ("scope", "actions"),
    [
        ("server", "audit.chain_verified audit.purged audit.unheard_of"),
        (
            "governance:write",
            "audit.review_completed approval.granted approval.denied access_review.started"
            " vendor.ended tool.registered model.registered processing.activity_changed"
            " dsr.received breach.suspected change.approved legal_hold.applied dpia.completed"
            " risk.assessment_completed policy.relaxed override.applied agent.registered"
            " agent.scope_granted agent.kill_switch_tested identity.offboarded"
            " credential.issued alert.dismissed incident.detected vulnerability.found"
            " restriction.lifted objection.upheld consent.given change.tested change.reviewed"
            " evaluation.completed model.removed tool.removed",
        ),
        (
            "ops:write",
            "backup.completed backup.restore_tested monitor.rules_evaluated system.queue_reported",
        ),
        (
            "events:write",
            "system.resource_sampled metric.recorded approval.requested approval.expired"
            " change.proposed change.deployed change.rolled_back alert.raised agent.started"
            " auth.login tool.invoke x.acme.opened x.audit.opened",
        ),
    ],
)
def test_an_agent_may_not_grade_itself(scope: str, actions: str) -> None:
    for action in actions.split():
        assert scope == scope_needed(action), action


@pytest.mark.parametrize("action", ["consent.withdrawn", "objection.upheld"])
def test_a_withdrawal_names_whose_and_from_what(action: str) -> None:
    def sent(**data: Any) -> bytes:
        return event_json(category="case", action=action, data=data)

    assert refusal(sent()).code == "missing-subject"
    assert refusal(sent(subject_ids=["bob"])).path == "$.data.consent_id"
    assert refusal(sent(subject_ids=[], purpose="ads")).path == "$.data.subject_ids"
    parse(sent(subject_ids=["bob"], purpose="ads"))
    parse(sent(subject_ids=["bob"], consent_id="c-1"))


def test_only_the_platform_speaks_of_integrity() -> None:
    raw = event_json(
        category="audit",
        action="audit.chain_verified",
        target=None,
        integrity={"from_seq": 0, "to_seq": 7, "head_hash": "a" * 64},
    )

    assert refusal(raw).code == "server-field"
    assert parse(raw, by_server=True).action == "audit.chain_verified"


@pytest.mark.parametrize(
    ("action", "missing"),
    [
        ("tool.invoke", "tool.name tool.kind tool.call_id tool.risk tool.side_effect"
         " tool.arguments_hash"),
        ("llm.embed", "agent.version model.provider model.name model.operation usage.input_tokens"),
        ("data.read", "data.classes data.purpose"),
        ("memory.read", "memory.store memory.type"),
        ("workflow.started", "workflow.id workflow.run_id"),
        ("workflow.step_failed", "workflow.id workflow.run_id workflow.step_id"),
        ("decision.evaluated", "decision.effect decision.policy_id decision.policy_version"),
        ("approval.granted", "decision.approval_id"),
        ("auth.login", "auth.method"),
        ("auth.logout", ""),
        ("change.proposed", "change.id"),
        ("incident.detected", "case.id"),
        ("breach.closed", "case.id"),
        ("dsr.completed", "case.id"),
        ("dsr.received", "case.id case.dsr_type"),
        ("alert.raised", "case.alert_id"),
        *((action, "run.id") for action in (
            "run.started", "loop.completed", "goal.failed", "task.started", "plan.created")),
        ("agent.registered", "agent.owner"),
        ("agent.started", "agent.version"),
        ("agent.stopped", ""),
        ("message.sent", ""),
    ],
)  # fmt: skip
def test_missing_fields_are_those_of_the_list_and_no_others(action: str, missing: str) -> None:
    event = {"category": ACTIONS[action], "action": action, "outcome": "success"}

    assert missing.split() == missing_fields(event, "governance")
    assert ["agent.instance_id", "client_seq", *missing.split()] == missing_fields(event, "events")
    assert ["error.type", *missing.split()] == missing_fields(event | {"outcome": "error"}, "ops")


def test_absent_null_and_empty_lists_are_missing_and_nothing_else() -> None:
    event = {"category": "data_access", "action": "data.read", "outcome": "denied"}

    assert missing_fields(event | {"data": {"classes": [], "purpose": None}}, "ops") == [
        "data.classes",
        "data.purpose",
    ]
    assert missing_fields(event | {"data": {"classes": ["pii"], "purpose": ""}}, "ops") == []


def test_an_event_of_an_agent_should_say_its_place_in_the_row_but_a_reading_need_not() -> None:
    reading = {"category": "system", "action": "metric.recorded", "outcome": "success"}
    numbered = {"category": "communication", "action": "message.sent", "outcome": "success"}

    assert missing_fields(reading, "events") == []
    assert (
        missing_fields(numbered | {"client_seq": 0, "agent": {"instance_id": "i"}}, "events") == []
    )

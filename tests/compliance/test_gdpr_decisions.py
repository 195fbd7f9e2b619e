"""Assessments, automated decisions, consents and objections under the GDPR."""

from __future__ import annotations

from typing import Any

from tests.compliance.gdpr_records import OCTOBER, a_use, registered
from tests.compliance.law_records import Told, cells, facts, table, told


def _assessed(seq: int, at: str = "2026-09-02T10:00:00Z", **fields: Any) -> Told:
    return told(seq, "dpia.completed", {"data.processing_activity_id": "care", **fields}, at=at)


def _assessment(*records: Told) -> str:
    (result,) = cells(facts("gdpr", list(records), **OCTOBER), "dpias", "Result")
    return result


def test_an_assessment_counts_from_a_person_and_before_the_first_use() -> None:
    risky = registered(1, high_risk=True)

    assert _assessment(risky, _assessed(2), a_use(5)) == "assessed"
    assert (
        _assessment(risky, a_use(5), _assessed(6)) == "assessed after its first use in the period"
    )
    assert _assessment(risky, a_use(5)) == "used in the period without an assessment"
    assert _assessment(risky) == "not assessed; not used in the period"
    assert _assessment(registered(), a_use(5)) == "registered as not high risk"
    by_agent = _assessed(2, **{"actor.type": "agent"})
    assert _assessment(risky, by_agent, a_use(5)) == "used in the period without an assessment"


def _decision(seq: int, **said: Any) -> Told:
    fields = {f"decision.{name}": value for name, value in said.items() if name != "classes"}
    fields |= {"target.type": "claim", "target.id": "c-1", "data.classes": said.get("classes", [])}
    return told(seq, "decision.about_person", fields, at="2026-10-05T10:00:00Z")


def _decided(*records: Told) -> list[str]:
    return cells(facts("gdpr", list(records), **OCTOBER), "decisions", "Result")


def test_a_person_s_own_entry_before_a_decision_shows_that_one_was_in_the_loop() -> None:
    approval = {"decision.approval_id": "ok-1"}
    by_person = told(1, "approval.granted", approval, at="2026-10-05T09:00:00Z")
    by_agent = told(
        1, "approval.granted", {**approval, "actor.type": "agent"}, at="2026-10-05T09:00:00Z"
    )
    later = told(9, "approval.granted", approval, at="2026-10-05T09:00:00Z")
    decision = _decision(4, approval_id="ok-1", oversight="human_in_loop", legal_effect=True)
    neither = ["no person's entry, and no ground with a way to contest it"]

    assert _decided(by_person, decision) == ["a person was in the loop"]
    assert _decided(by_agent, decision) == neither
    assert _decided(later, decision) == neither


def test_a_ground_counts_only_with_a_reason_and_a_way_to_contest() -> None:
    whole = {"art22_ground": "contract", "review_channel": "appeals", "reason": "rules"}

    assert _decided(_decision(4, **whole)) == ["on a ground, with a way to contest it"]
    assert _decided(_decision(4, **{**whole, "art22_ground": "habit"})) == [
        "no person's entry, and no ground with a way to contest it"
    ]


def test_special_data_needs_a_condition_of_its_own() -> None:
    whole = {"art22_ground": "contract", "review_channel": "appeals", "reason": "rules"}

    assert _decided(_decision(4, classes=["phi"], **whole)) == [
        "data of Art. 9 without a condition of Art. 22(4)"
    ]


def test_a_decision_without_legal_effect_is_none_and_an_overruled_one_says_so() -> None:
    overruled = told(
        9,
        "override.applied",
        {"target.type": "claim", "target.id": "c-1"},
        at="2026-10-06T10:00:00Z",
    )

    assert _decided(_decision(4, legal_effect=False)) == []
    (said,) = _decided(_decision(4), overruled)
    assert said.endswith("; overruled later")
    law = facts("gdpr", [_decision(4), overruled], **OCTOBER)
    assert table(law, "decision-counts").rows == (("claims-bot", "1", "0", "0", "1", "1"),)


def test_consents_and_objections_are_counted_by_purpose() -> None:
    records = [
        told(seq, action, {"data.purpose": "research"}, at=f"2026-10-0{seq}T10:00:00Z")
        for seq, action in enumerate(
            ("consent.given", "consent.given", "consent.withdrawn"), start=1
        )
    ]

    assert table(facts("gdpr", records, **OCTOBER), "consents").rows == (
        ("research", "consent given", "2", "1 October 2026", "2 October 2026"),
        ("research", "consent withdrawn", "1", "3 October 2026", "3 October 2026"),
    )

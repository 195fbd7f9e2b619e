"""What the GDPR asks to be shown: activities, requests, decisions, assessments and breaches."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance.kinds.deadlines import as_us
from compliance.law import ACTIONS, actions_of, activities, breaches, law_facts, observed, requests
from compliance.law.decisions import GROUNDS, SPECIAL, SPECIAL_CONDITIONS
from compliance.people import Act
from compliance.report_content import LISTED, Law
from tests.compliance.building import lens, shipped, us
from tests.compliance.law_records import Told, cells, facts, fleet, table, told

OCTOBER: dict[str, Any] = {"start": "2026-10-01", "end": "2026-11-01"}
LATER: dict[str, Any] = {"start": "2026-10-01", "end": "2027-03-01"}


# --- The limits and lists are those of the checks -------------------------------------------------


def test_limits_are_those_that_the_checks_hold_by_law() -> None:
    checks = shipped().checks

    assert checks["BRE-01"].params["within"] == breaches.AUTHORITY_LIMIT
    assert checks["DSR-01"].params["within"] == requests.WITHIN
    assert checks["DSR-01"].params["extension"] == requests.EXTENSION
    assert set(checks["DSR-01"].params["types"]) == requests.ARTICLES.keys()


def test_lists_are_those_that_are_shipped() -> None:
    lists = shipped().lists

    assert set(lists["personal"]) == observed.PERSONAL
    assert set(lists["eea"]) == activities.EEA
    assert set(lists["special"]) == SPECIAL


def test_conditions_of_decisions_are_those_of_the_check() -> None:
    definition = lens("PD-08").definition

    assert ["decision.art22_ground", "in", sorted(GROUNDS)] in [
        [*leaf[:2], sorted(leaf[2])] for leaf in definition["pass_now_when"]["all"][:1]
    ]
    assert sorted(SPECIAL_CONDITIONS) in [
        sorted(leaf[2]) for leaf in definition["pass_when"]["any"][2:]
    ]


def test_only_actions_that_a_law_looks_at_are_asked_for() -> None:
    assert actions_of("soc2") == frozenset()
    assert actions_of("gdpr") | actions_of("hipaa") == ACTIONS
    assert "tool.invoke" not in ACTIONS


def test_a_framework_of_no_such_law_has_nothing_to_show() -> None:
    found = law_facts("soc2", list(fleet()), start=0, end=1, as_of=1, acts=(), result={})

    assert found == Law()


# --- Breaches -------------------------------------------------------------------------------------


def _breach(seq: int, verb: str, at: str, **case: Any) -> Told:
    said = {"id": "B-1", "regimes": ["gdpr"], "our_role": "controller", **case}
    fields = {f"case.{name}": value for name, value in said.items() if name != "reason"}
    return told(seq, f"breach.{verb}", fields | _reason(case), at=at)


def _reason(said: dict[str, Any]) -> dict[str, Any]:
    return {"reason": said["reason"]} if "reason" in said else {}


def test_the_authority_told_within_seventy_two_hours_of_awareness_is_told_in_time() -> None:
    records = [
        _breach(1, "suspected", "2026-10-01T10:00:00Z"),
        _breach(2, "confirmed", "2026-10-03T10:00:00Z", aware_at="2026-10-02T10:00:00Z"),
        _breach(3, "authority_notified", "2026-10-04T09:59:59Z", authority="DPA"),
    ]

    law = facts("gdpr", records, **OCTOBER)

    # Awareness is never later than the first entry of the case, whatever is claimed.
    assert cells(law, "breach-notices", "Clock from") == ["1 October 2026, 10:00 UTC"]
    assert cells(law, "breach-notices", "Result") == ["in time, after 71 h 59 min"]


def test_the_authority_told_later_needs_a_reason_and_a_missing_one_is_said() -> None:
    records = [
        _breach(1, "confirmed", "2026-10-01T10:00:00Z"),
        _breach(2, "authority_notified", "2026-10-05T15:00:00Z", authority="DPA"),
    ]

    law = facts("gdpr", records, **OCTOBER)

    assert cells(law, "breach-notices", "Result") == ["late: after 101 h, 29 h past the limit"]
    assert cells(law, "breach-notices", "Why") == ["DPA; no reason for the delay recorded"]


def test_an_unlikely_risk_with_a_reason_stands_in_place_of_the_notice() -> None:
    records = [
        _breach(1, "confirmed", "2026-10-01T10:00:00Z"),
        _breach(
            2, "risk_assessed", "2026-10-02T10:00:00Z", risk="unlikely", reason="encrypted disk"
        ),
    ]

    law = facts("gdpr", records, **OCTOBER)

    assert cells(law, "breach-notices", "Result") == ["in time, after 24 h"]
    assert cells(law, "breach-notices", "Why") == ["no notice: risk unlikely; encrypted disk"]


def test_persons_are_told_of_a_high_risk_and_the_law_names_no_number() -> None:
    records = [
        _breach(1, "confirmed", "2026-10-01T10:00:00Z"),
        _breach(2, "risk_assessed", "2026-10-01T12:00:00Z", risk="high"),
        _breach(3, "subjects_notified", "2026-10-01T15:00:00Z"),
    ]

    law = facts("gdpr", records, **OCTOBER)

    assert cells(law, "breach-notices", "Whom")[1] == "the persons concerned"
    assert cells(law, "breach-notices", "Due")[1] == "without undue delay"
    assert cells(law, "breach-notices", "Result")[1] == "done after 5 h"
    assert [clock.label for clock in law.clocks] == ["B-1: the supervisory authority"]


def test_a_processor_tells_the_controller_and_no_authority() -> None:
    law = facts(
        "gdpr", [_breach(1, "confirmed", "2026-10-01T10:00:00Z", our_role="processor")], **OCTOBER
    )

    assert cells(law, "breach-notices", "Whom") == ["the controller"]
    assert law.clocks == ()


def test_the_register_holds_facts_effects_and_remedy() -> None:
    records = [
        _breach(1, "suspected", "2026-10-01T10:00:00Z", facts="a letter"),
        _breach(
            2,
            "closed",
            "2026-10-02T10:00:00Z",
            facts="two\nletters",
            effects="none",
            remedial_action="windows",
        ),
    ]

    law = facts("gdpr", records, **OCTOBER)

    assert cells(law, "breaches", "Facts") == ["two letters"]
    assert cells(law, "breaches", "Effects") == ["none"]
    assert cells(law, "breaches", "Remedial action") == ["windows"]


# --- Requests -------------------------------------------------------------------------------------


def _request(seq: int, verb: str, at: str, *, received: str | None = None, **more: Any) -> Told:
    fields = {"case.id": "R-1", **_reason(more)}
    if "kind" in more:
        fields["case.dsr_type"] = more["kind"]
    return told(seq, f"dsr.{verb}", fields, at=at, received=received)


def _state(records: list[Told], **when: Any) -> str:
    (state,) = cells(facts("gdpr", records, **{**LATER, **when}), "requests", "State")
    return state


def test_a_month_is_a_calendar_month_and_ends_with_its_day() -> None:
    asked = _request(1, "received", "2027-01-31T10:00:00Z", kind="access")
    answered = _request(2, "completed", "2027-02-28T23:00:00Z")

    law = facts("gdpr", [asked, answered], **LATER)

    assert [clock.due_at for clock in law.clocks] == ["2027-02-28T23:59:59.999999Z"]
    assert cells(law, "requests", "State") == ["completed; in time, after 28 days 13 h"]
    assert cells(law, "requests", "Days") == ["28"]


def test_an_extension_with_a_reason_within_the_month_adds_two() -> None:
    asked = _request(1, "received", "2026-10-10T10:00:00Z", kind="access")

    def due(at: str, **more: Any) -> str:
        extended = _request(2, "extended", at, **more)
        return cells(facts("gdpr", [asked, extended], **LATER), "requests", "Due")[0]

    assert due("2026-11-01T10:00:00Z", reason="much to read") == "10 January 2027"
    assert due("2026-11-01T10:00:00Z") == "10 November 2026"
    assert due("2026-12-01T10:00:00Z", reason="much to read") == "10 November 2026"


def test_a_request_nobody_answered_is_overdue_and_its_clock_runs_late() -> None:
    asked = _request(1, "received", "2026-10-10T10:00:00Z", kind="erasure")

    law = facts("gdpr", [asked], **LATER)

    assert cells(law, "requests", "State") == ["overdue since 10 November 2026, 23:59 UTC"]
    assert [(clock.is_late, clock.ended_at) for clock in law.clocks] == [(True, "")]


def test_a_refusal_without_a_reason_answers_nothing() -> None:
    asked = _request(1, "received", "2026-10-10T10:00:00Z", kind="objection")
    bare = _request(2, "refused", "2026-10-12T10:00:00Z")
    reasoned = _request(3, "refused", "2026-10-13T10:00:00Z", reason="before a court")

    assert _state([asked, bare]).startswith("overdue")
    assert _state([asked, bare, reasoned]) == "refused, with a reason; in time, after 3 days"


def test_an_answer_recorded_after_the_limit_does_not_count() -> None:
    asked = _request(1, "received", "2026-10-10T10:00:00Z", kind="access")
    answered = _request(2, "completed", "2026-10-20T10:00:00Z", received="2026-12-20T10:00:00Z")

    assert _state([asked, answered]) == (
        "completed; late: said to be done after 10 days, but recorded only on 20 December 2026, "
        "past the limit"
    )


def test_two_requests_of_one_case_are_two_rows() -> None:
    records = [
        _request(1, "received", "2026-10-10T10:00:00Z", kind="access"),
        _request(2, "completed", "2026-10-12T10:00:00Z"),
        _request(3, "received", "2026-10-20T10:00:00Z", kind="access"),
    ]

    states = cells(facts("gdpr", records, **OCTOBER), "requests", "State")

    assert states == [
        "completed; in time, after 2 days",
        "running; due 20 November 2026, 23:59 UTC",
    ]


def test_an_answer_to_what_nobody_received_has_a_row_and_no_clock() -> None:
    law = facts("gdpr", [_request(1, "completed", "2026-10-10T10:00:00Z")], **OCTOBER)

    assert cells(law, "requests", "Received") == ["not recorded"]
    assert law.clocks == ()


def test_a_request_answered_before_the_period_is_not_of_it() -> None:
    records = [
        _request(1, "received", "2026-08-10T10:00:00Z", kind="access"),
        _request(2, "completed", "2026-08-12T10:00:00Z"),
    ]

    assert table(facts("gdpr", records, **OCTOBER), "requests").total == 0


# --- Activities: declared beside observed ---------------------------------------------------------


def _registered(seq: int = 1, at: str = "2026-09-01T10:00:00Z", **said: Any) -> Told:
    declared: dict[str, Any] = {
        "controller": "Alice Ltd",
        "role": "controller",
        "purposes": ["care"],
        "data_categories": ["pii"],
        "recipients": ["Printer"],
        "transfers": ["US: standard clauses"],
        "high_risk": False,
        **said,
    }
    fields = {f"processing.{name}": value for name, value in declared.items()}
    fields["data.processing_activity_id"] = "care"
    return told(seq, "processing.activity_registered", fields, at=at)


def _use(seq: int, action: str = "data.read", **said: Any) -> Told:
    data: dict[str, Any] = {
        "classes": ["pii"],
        "purpose": "care",
        "processing_activity_id": "care",
    }
    blocks = {name: value for name, value in said.items() if isinstance(value, dict)}
    data |= {name: value for name, value in said.items() if name not in blocks}
    fields = {f"data.{name}": value for name, value in data.items()} | blocks
    return told(seq, action, fields, at="2026-10-05T10:00:00Z")


def _differences(*records: Told) -> list[tuple[str, str]]:
    law = facts("gdpr", [_registered(), *records], **OCTOBER)
    return [(one.about, one.observed) for one in law.differences]


def test_what_is_declared_and_observed_alike_is_no_difference() -> None:
    used = _use(
        2,
        "data.disclose",
        recipient="printer",
        external=True,
        transfer={"to_country": "US", "mechanism": "scc"},
    )
    at_home = _use(3, "data.transfer", transfer={"to_country": "FR"})

    assert _differences(used, at_home) == []


@pytest.mark.parametrize(
    ("said", "difference"),
    [
        ({"purpose": "advertising"}, ("care: purpose", "advertising")),
        ({"classes": ["pii", "children"]}, ("care: data", "children")),
        ({"recipient": "Broker"}, ("care: recipient", "Broker")),
        ({"transfer": {"to_country": "IN"}}, ("care: country", "IN")),
        (
            {"model": {"provider": "helio", "name": "turbo"}},
            ("care: recipient", "helio"),
        ),
    ],
)
def test_what_is_observed_and_not_declared_is_a_difference(
    said: dict[str, Any], difference: tuple[str, str]
) -> None:
    assert _differences(_use(7, **said)) == [difference]


@pytest.mark.parametrize("role", ["individual", "personal_representative", "public_authority"])
def test_the_person_and_an_authority_are_no_recipients(role: str) -> None:
    assert _differences(_use(7, recipient="somebody", recipient_role=role)) == []


def test_what_stayed_inside_has_no_recipient() -> None:
    assert _differences(_use(7, recipient="accounting", external=False)) == []


def test_an_activity_nobody_registered_and_data_under_none_are_differences() -> None:
    unknown = _use(3, processing_activity_id="shadow")
    unnamed = told(4, "data.read", {"data.classes": ["pii"]}, at="2026-10-05T10:00:00Z")

    assert _differences(unknown, unnamed) == [
        ("shadow", "used by agents"),
        ("personal data used under no activity", "entries that name no activity"),
    ]


def test_a_difference_counts_its_entries_and_names_the_first() -> None:
    records = [_registered(), *(_use(seq, recipient="Broker") for seq in (9, 4, 6))]

    (found,) = facts("gdpr", records, **OCTOBER).differences

    assert (found.entries, found.seq, found.declared) == (3, 4, "Printer")


def test_uses_of_another_environment_day_or_outcome_are_not_observed() -> None:
    staging = told(
        2,
        "data.read",
        {"data.classes": ["pii"], "agent.environment": "staging"},
        at="2026-10-05T10:00:00Z",
    )
    before = told(3, "data.read", {"data.classes": ["pii"]}, at="2026-09-30T23:59:59Z")
    denied = told(
        4, "data.read", {"data.classes": ["pii"], "outcome": "denied"}, at="2026-10-05T10:00:00Z"
    )

    assert _differences(staging, before, denied) == []


def test_the_newest_registration_up_to_the_end_stands_for_all_of_an_activity() -> None:
    changed = _registered(5, "2026-10-20T10:00:00Z", recipients=["Broker"])
    too_late = _registered(6, "2026-11-20T10:00:00Z", recipients=["Somebody"])
    records = [_registered(), changed, too_late, _use(7, recipient="Broker")]

    law = facts("gdpr", records, **OCTOBER)

    assert law.differences == ()
    shown = {row[0]: row[1] for row in table(law, "activity:care").rows}
    assert shown["Recipients"] == "Broker"


def test_each_field_of_the_record_stands_beside_what_was_seen() -> None:
    use = _use(7, model={"provider": "helio", "name": "turbo"}, external=False)

    rows = table(facts("gdpr", [_registered(), use], **OCTOBER), "activity:care").rows

    assert {row[0]: row[1:] for row in rows} == {
        "Controller and contact": ("Alice Ltd", ""),
        "Data protection officer": ("not recorded: no statement for Art.37-39 is signed", ""),
        "Purposes": ("care", "care: 1"),
        "Categories of persons": ("not recorded", ""),
        "Categories of data": ("pii", "pii: 1"),
        "Recipients": ("Printer", "none seen"),
        "Third countries and safeguards": ("US: standard clauses", "none seen"),
        "Erasure, time limit": ("not recorded", ""),
        "Security measures": ("not recorded", ""),
        "Models used": ("the article does not ask for them", "helio / turbo: 1"),
    }


def test_a_processor_s_activity_is_recorded_as_article_30_2_asks() -> None:
    law = facts("gdpr", [_registered(role="processor")], **OCTOBER)

    found = table(law, "activity:care")
    assert found.article == "GDPR Art. 30(2)"
    assert "Erasure, time limit" not in [row[0] for row in found.rows]


def test_the_officer_is_who_management_signed_for() -> None:
    act = Act(
        seq=9,
        action="audit.attestation_signed",
        at=us("2026-10-01"),
        id="x",
        actor="bob",
        reason="",
        target={},
        details={
            "act": "signed",
            "statement": "s-1",
            "framework": "gdpr",
            "control": "Art.37-39",
            "text": "Nora is the officer.",
            "prepared_by": "alice",
            "effective_from": "2026-10-01",
            "effective_to": "2027-09-30",
            "expires_on": "2027-09-30",
            "reasoning": False,
        },
    )

    law = facts("gdpr", [_registered()], acts=(act,), **OCTOBER)

    shown = {row[0]: row[1] for row in table(law, "activity:care").rows}
    assert shown["Data protection officer"] == "Nora is the officer. (statement, entry 9)"


def test_differences_beyond_a_list_are_counted() -> None:
    records = [_registered(), *(_use(seq, recipient=f"broker-{seq}") for seq in range(2, 250))]

    law = facts("gdpr", records, **OCTOBER)

    assert len(law.differences) == LISTED
    assert law.statements[0].startswith("Differences: the first 100 of 248")
    assert cells(law, "activities", "Differences") == ["248"]


# --- Assessments, decisions, choices --------------------------------------------------------------


def _assessed(seq: int, at: str = "2026-09-02T10:00:00Z", **fields: Any) -> Told:
    return told(seq, "dpia.completed", {"data.processing_activity_id": "care", **fields}, at=at)


def _assessment(*records: Told) -> str:
    (result,) = cells(facts("gdpr", list(records), **OCTOBER), "dpias", "Result")
    return result


def test_an_assessment_counts_from_a_person_and_before_the_first_use() -> None:
    risky = _registered(1, high_risk=True)

    assert _assessment(risky, _assessed(2), _use(5)) == "assessed"
    assert _assessment(risky, _use(5), _assessed(6)) == "assessed after its first use in the period"
    assert _assessment(risky, _use(5)) == "used in the period without an assessment"
    assert _assessment(risky) == "not assessed; not used in the period"
    assert _assessment(_registered(), _use(5)) == "registered as not high risk"
    by_agent = _assessed(2, **{"actor.type": "agent"})
    assert _assessment(risky, by_agent, _use(5)) == "used in the period without an assessment"


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


# --- The whole ------------------------------------------------------------------------------------


def test_more_clocks_than_a_list_holds_leave_out_those_that_ended_in_time() -> None:
    records = []
    for number in range(LISTED + 20):
        case = {"case.id": f"R-{number}", "case.dsr_type": "access"}
        records.append(told(number * 2, "dsr.received", case, at="2026-10-02T10:00:00Z"))
        if number < LISTED:
            records.append(told(number * 2 + 1, "dsr.completed", case, at="2026-10-03T10:00:00Z"))

    law = facts("gdpr", records, **OCTOBER)

    assert len(law.clocks) == LISTED
    assert sum(not clock.ended_at for clock in law.clocks) == 20
    assert law.statements == ("Clocks: 100 of 120 are shown, late and running ones first.",)
    assert table(law, "requests").total == LISTED + 20


def test_the_fleet_shows_what_was_planted() -> None:
    law = facts("gdpr", list(fleet()), as_of="2026-11-20T15:30:02Z")

    notices = {(row[0], row[1]): row[6] for row in table(law, "breach-notices").rows}
    assert notices["BR-31", "the supervisory authority"] == "late: after 101 h, 29 h past the limit"
    assert notices["BR-29", "the supervisory authority"] == "in time, after 7 h"
    requested = dict(
        zip(cells(law, "requests", "Case"), cells(law, "requests", "State"), strict=True)
    )
    assert requested["DSR-104"] == "overdue since 10 November 2026, 23:59 UTC"
    assert requested["DSR-118"] == "completed; in time, after 8 days 17 h"
    assessed = dict(
        zip(cells(law, "dpias", "Activity"), cells(law, "dpias", "Result"), strict=True)
    )
    assert assessed["pa-lapse-prediction"] == "used in the period without an assessment"
    assert [(one.about, one.observed) for one in law.differences] == [
        ("pa-health-claims: recipient", "helio")
    ]
    assert sorted(clock.case for clock in law.clocks if clock.is_late) == ["BR-31", "DSR-104"]


def test_times_that_nobody_can_mean_break_nothing() -> None:
    for at in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"):
        assert as_us(at) is not None
        records = [
            _request(1, "received", at, received="2026-10-05T10:00:00Z", kind="access"),
            _breach(2, "confirmed", at, discovered_at=at, aware_at=at),
        ]
        facts("gdpr", records, **OCTOBER)
        facts("hipaa", records, **OCTOBER)


_ASKED = tuple(one for one in fleet() if one.event["action"] in actions_of("gdpr"))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.floats(0, 1))
def test_any_part_of_a_fleet_in_any_order_gives_the_same_tables(seed: int, share: float) -> None:
    chance = random.Random(seed)
    some = [record for record in _ASKED if chance.random() < share]
    shuffled = chance.sample(some, len(some))

    assert facts("gdpr", some) == facts("gdpr", shuffled)


_BLOCKS = (
    "case",
    "data",
    "processing",
    "decision",
    "transfer",
    "model",
    "agent",
    "actor",
    "target",
)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32))
def test_half_filled_entries_are_shown_and_stop_nothing(seed: int) -> None:
    chance = random.Random(seed)
    hostile: list[Any] = [None, "", 0, -1, 1.5, True, [], {}, ["x", 3], {"a": 1}, "9" * 300]
    records = []
    for record in chance.sample(_ASKED, 200):
        event = dict(record.event)
        block = chance.choice(_BLOCKS)
        if chance.random() < 0.5:
            event.pop(block, None)
        else:
            inner = event.get(block) or {}
            event[block] = {name: chance.choice(hostile) for name in inner}
        records.append(
            Told(seq=record.seq, received_at=record.received_at, is_backfill=False, event=event)
        )

    for family in ("gdpr", "hipaa"):
        law = facts(family, records)
        for one in law.tables:
            assert {len(row) for row in one.rows} <= {len(one.columns)}
            assert len(one.seqs) == len(one.rows) <= one.total

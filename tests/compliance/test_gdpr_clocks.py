"""Breaches and requests under the GDPR: who was told in time, and what an answer needs."""

from __future__ import annotations

from typing import Any

from tests.compliance.gdpr_records import LATER, OCTOBER, a_breach, a_request
from tests.compliance.law_records import Told, cells, facts, table


def test_the_authority_told_within_seventy_two_hours_of_awareness_is_told_in_time() -> None:
    records = [
        a_breach(1, "suspected", "2026-10-01T10:00:00Z"),
        a_breach(2, "confirmed", "2026-10-03T10:00:00Z", aware_at="2026-10-02T10:00:00Z"),
        a_breach(3, "authority_notified", "2026-10-04T09:59:59Z", authority="DPA"),
    ]

    law = facts("gdpr", records, **OCTOBER)

    # Awareness is never later than the first entry of the case, whatever is claimed.
    assert cells(law, "breach-notices", "Clock from") == ["1 October 2026, 10:00 UTC"]
    assert cells(law, "breach-notices", "Result") == ["in time, after 71 h 59 min"]


def test_the_authority_told_later_needs_a_reason_and_a_missing_one_is_said() -> None:
    records = [
        a_breach(1, "confirmed", "2026-10-01T10:00:00Z"),
        a_breach(2, "authority_notified", "2026-10-05T15:00:00Z", authority="DPA"),
    ]

    law = facts("gdpr", records, **OCTOBER)

    assert cells(law, "breach-notices", "Result") == ["late: after 101 h, 29 h past the limit"]
    assert cells(law, "breach-notices", "Why") == ["DPA; no reason for the delay recorded"]


def test_an_unlikely_risk_with_a_reason_stands_in_place_of_the_notice() -> None:
    records = [
        a_breach(1, "confirmed", "2026-10-01T10:00:00Z"),
        a_breach(
            2, "risk_assessed", "2026-10-02T10:00:00Z", risk="unlikely", reason="encrypted disk"
        ),
    ]

    law = facts("gdpr", records, **OCTOBER)

    assert cells(law, "breach-notices", "Result") == ["in time, after 24 h"]
    assert cells(law, "breach-notices", "Why") == ["no notice: risk unlikely; encrypted disk"]


def test_persons_are_told_of_a_high_risk_and_the_law_names_no_number() -> None:
    records = [
        a_breach(1, "confirmed", "2026-10-01T10:00:00Z"),
        a_breach(2, "risk_assessed", "2026-10-01T12:00:00Z", risk="high"),
        a_breach(3, "subjects_notified", "2026-10-01T15:00:00Z"),
    ]

    law = facts("gdpr", records, **OCTOBER)

    assert cells(law, "breach-notices", "Whom")[1] == "the persons concerned"
    assert cells(law, "breach-notices", "Due")[1] == "without undue delay"
    assert cells(law, "breach-notices", "Result")[1] == "done after 5 h"
    assert [clock.label for clock in law.clocks] == ["B-1: the supervisory authority"]


def test_a_processor_tells_the_controller_and_no_authority() -> None:
    law = facts(
        "gdpr", [a_breach(1, "confirmed", "2026-10-01T10:00:00Z", our_role="processor")], **OCTOBER
    )

    assert cells(law, "breach-notices", "Whom") == ["the controller"]
    assert law.clocks == ()


def test_the_register_holds_facts_effects_and_remedy() -> None:
    records = [
        a_breach(1, "suspected", "2026-10-01T10:00:00Z", facts="a letter"),
        a_breach(
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


def _state(records: list[Told], **when: Any) -> str:
    (state,) = cells(facts("gdpr", records, **{**LATER, **when}), "requests", "State")
    return state


def test_a_month_is_a_calendar_month_and_ends_with_its_day() -> None:
    asked = a_request(1, "received", "2027-01-31T10:00:00Z", kind="access")
    answered = a_request(2, "completed", "2027-02-28T23:00:00Z")

    law = facts("gdpr", [asked, answered], **LATER)

    assert [clock.due_at for clock in law.clocks] == ["2027-02-28T23:59:59.999999Z"]
    assert cells(law, "requests", "State") == ["completed; in time, after 28 days 13 h"]
    assert cells(law, "requests", "Days") == ["28"]


def test_an_extension_with_a_reason_within_the_month_adds_two() -> None:
    asked = a_request(1, "received", "2026-10-10T10:00:00Z", kind="access")

    def due(at: str, **more: Any) -> str:
        extended = a_request(2, "extended", at, **more)
        return cells(facts("gdpr", [asked, extended], **LATER), "requests", "Due")[0]

    assert due("2026-11-01T10:00:00Z", reason="much to read") == "10 January 2027"
    assert due("2026-11-01T10:00:00Z") == "10 November 2026"
    assert due("2026-12-01T10:00:00Z", reason="much to read") == "10 November 2026"


def test_a_request_nobody_answered_is_overdue_and_its_clock_runs_late() -> None:
    asked = a_request(1, "received", "2026-10-10T10:00:00Z", kind="erasure")

    law = facts("gdpr", [asked], **LATER)

    assert cells(law, "requests", "State") == ["overdue since 10 November 2026, 23:59 UTC"]
    assert [(clock.is_late, clock.ended_at) for clock in law.clocks] == [(True, "")]


def test_a_refusal_without_a_reason_answers_nothing() -> None:
    asked = a_request(1, "received", "2026-10-10T10:00:00Z", kind="objection")
    bare = a_request(2, "refused", "2026-10-12T10:00:00Z")
    reasoned = a_request(3, "refused", "2026-10-13T10:00:00Z", reason="before a court")

    assert _state([asked, bare]).startswith("overdue")
    assert _state([asked, bare, reasoned]) == "refused, with a reason; in time, after 3 days"


def test_an_answer_recorded_after_the_limit_does_not_count() -> None:
    asked = a_request(1, "received", "2026-10-10T10:00:00Z", kind="access")
    answered = a_request(2, "completed", "2026-10-20T10:00:00Z", received="2026-12-20T10:00:00Z")

    assert _state([asked, answered]) == (
        "completed; late: said to be done after 10 days, but recorded only on 20 December 2026, "
        "past the limit"
    )


def test_two_requests_of_one_case_are_two_rows() -> None:
    records = [
        a_request(1, "received", "2026-10-10T10:00:00Z", kind="access"),
        a_request(2, "completed", "2026-10-12T10:00:00Z"),
        a_request(3, "received", "2026-10-20T10:00:00Z", kind="access"),
    ]

    states = cells(facts("gdpr", records, **OCTOBER), "requests", "State")

    assert states == [
        "completed; in time, after 2 days",
        "running; due 20 November 2026, 23:59 UTC",
    ]


def test_an_answer_to_what_nobody_received_has_a_row_and_no_clock() -> None:
    law = facts("gdpr", [a_request(1, "completed", "2026-10-10T10:00:00Z")], **OCTOBER)

    assert cells(law, "requests", "Received") == ["not recorded"]
    assert law.clocks == ()


def test_a_request_answered_before_the_period_is_not_of_it() -> None:
    records = [
        a_request(1, "received", "2026-08-10T10:00:00Z", kind="access"),
        a_request(2, "completed", "2026-08-12T10:00:00Z"),
    ]

    assert table(facts("gdpr", records, **OCTOBER), "requests").total == 0

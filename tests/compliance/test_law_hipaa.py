"""What HIPAA asks to be shown: breaches with their notices, disclosures, reasonings, six years."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance.catalogue import load_catalogue
from compliance.law import actions_of, breaches, disclosures, retention
from compliance.law.criteria import CRITERIA
from compliance.people import Act
from compliance.report_content import LISTED, Law
from tests.compliance.building import shipped, us
from tests.compliance.law_records import Told, cells, facts, fleet, table, told

HIPAA = {"case.regimes": ["hipaa"], "case.our_role": "covered_entity"}
OCTOBER: dict[str, Any] = {"start": "2026-10-01", "end": "2026-11-01"}


def _confirmed(seq: int = 1, at: str = "2026-10-02T10:00:00Z", **case: Any) -> Told:
    said = {f"case.{name}": value for name, value in case.items()}
    return told(seq, "breach.confirmed", {"case.id": "B-1", **HIPAA, **said}, at=at)


def _step(seq: int, verb: str, at: str, received: str | None = None, **fields: Any) -> Told:
    said = {f"case.{name}": value for name, value in fields.items()}
    return told(seq, f"breach.{verb}", {"case.id": "B-1", **said}, at=at, received=received)


def _results(records: list[Told], **when: Any) -> dict[str, str]:
    law = facts("hipaa", records, **{**OCTOBER, **when})
    whom = cells(law, "breach-notices", "Whom")
    return dict(zip(whom, cells(law, "breach-notices", "Result"), strict=True))


def test_limits_are_those_that_the_checks_hold_by_law() -> None:
    checks = shipped().checks

    assert checks["BRE-03"].params["within"] == breaches.HIPAA_LIMIT
    assert checks["BRE-04"].params["within"] == breaches.HIPAA_LIMIT
    assert checks["BRE-04"].params["after_year"] == breaches.HIPAA_LIMIT
    assert checks["BRE-04"].params["large"] == breaches.LARGE
    hipaa = shipped().frameworks["hipaa"]
    assert hipaa.params["LOG-06"]["min_days"] == retention.SIX_YEARS
    assert hipaa.params["BRE-06"]["within"] == breaches.HIPAA_LIMIT


def test_excepted_purposes_are_those_that_the_check_leaves_out() -> None:
    population = shipped().checks["PHI-04"].definition["population"]["all"]

    (excepted,) = [leaf[2] for leaf in population if leaf[:2] == ["data.purpose", "not_in"]]
    assert set(excepted) == disclosures.EXCEPTED.keys()


def test_each_section_of_the_catalogue_has_a_criterion_and_no_other_has() -> None:
    assert {control.id for control in load_catalogue().frameworks["hipaa"].controls} == set(
        CRITERIA
    )


def test_individuals_told_within_sixty_days_are_told_in_time() -> None:
    records = [
        _confirmed(affected_subjects=20),
        _step(2, "subjects_notified", "2026-10-22T10:00:00Z"),
    ]

    assert _results(records)["the individuals"] == "in time, after 20 days"


def test_individuals_told_after_sixty_days_are_told_late_and_the_clock_says_so() -> None:
    records = [
        _confirmed(at="2026-08-01T10:00:00Z", affected_subjects=20),
        _step(2, "subjects_notified", "2026-10-04T10:00:00Z"),
    ]

    law = facts("hipaa", records, **OCTOBER)

    assert cells(law, "breach-notices", "Result")[0] == "late: after 64 days, 4 days past the limit"
    assert cells(law, "breach-notices", "Why")[0] == "no reason for the delay recorded"
    (late,) = [clock for clock in law.clocks if clock.is_late]
    assert (late.due_at, late.ended_at) == (
        "2026-09-30T10:00:00.000000Z",
        "2026-10-04T10:00:00.000000Z",
    )


def test_a_notice_recorded_after_the_limit_does_not_count_whatever_time_it_claims() -> None:
    records = [
        _confirmed(at="2026-08-01T10:00:00Z"),
        _step(2, "subjects_notified", "2026-08-05T10:00:00Z", received="2026-10-20T10:00:00Z"),
    ]

    said = _results(records)["the individuals"]

    assert said == (
        "late: said to be done after 4 days, but recorded only on 20 October 2026, past the limit"
    )


@pytest.mark.parametrize(
    ("affected", "article"),
    [(499, "45 CFR 164.408(c)"), (500, "45 CFR 164.408(b)"), (None, "45 CFR 164.408(b)")],
)
def test_the_secretary_is_told_at_once_from_five_hundred_persons_on(
    affected: int | None, article: str
) -> None:
    said: dict[str, Any] = {} if affected is None else {"affected_subjects": affected}

    law = facts("hipaa", [_confirmed(**said)], **OCTOBER)

    assert article in cells(law, "breach-notices", "Asked by")


@pytest.mark.parametrize(("persons", "is_asked"), [(500, False), (501, True)])
def test_media_are_told_of_more_than_five_hundred_in_a_state(persons: int, is_asked: bool) -> None:
    said = _results([_confirmed(affected_subjects=900, max_affected_in_state=persons)])

    assert ("the media" in said) is is_asked


def test_a_small_breach_waits_for_the_end_of_the_year_and_sixty_days() -> None:
    law = facts("hipaa", [_confirmed(affected_subjects=3)], **OCTOBER)

    due = dict(
        zip(cells(law, "breach-notices", "Whom"), cells(law, "breach-notices", "Due"), strict=True)
    )
    assert due["the Secretary (HHS)"] == (
        "1 March 2027, 23:59 UTC (60 days after the end of the year)"
    )


def test_law_enforcement_prolongs_and_without_writing_by_thirty_days_at_most() -> None:
    def due(**delay: Any) -> str:
        records = [_confirmed(), _step(2, "law_enforcement_delay", "2026-10-05T10:00:00Z", **delay)]
        return cells(facts("hipaa", records, **OCTOBER), "breach-notices", "Due")[0]

    prolonged = "(60 days, prolonged for law enforcement)"
    assert due(delay_days=90, delay_written=True) == f"1 March 2027, 10:00 UTC {prolonged}"
    assert due(delay_days=90) == f"31 December 2026, 10:00 UTC {prolonged}"
    assert due() == "1 December 2026, 10:00 UTC (60 days)"


def test_a_business_associate_tells_the_covered_entity_and_nobody_else() -> None:
    said = _results([_confirmed(our_role="business_associate")])

    assert list(said) == ["the covered entity"]


def test_a_suspected_breach_has_no_clock_and_the_report_says_why() -> None:
    law = facts("hipaa", [_step(1, "suspected", "2026-10-02T10:00:00Z")], **OCTOBER)

    assert law.clocks == ()
    assert "B-1: not confirmed, so no clock of a notice runs." in law.statements
    assert cells(law, "breaches", "Confirmed") == ["not confirmed"]


def test_a_breach_of_another_law_is_not_in_the_log() -> None:
    record = told(
        1,
        "breach.confirmed",
        {"case.id": "B-1", "case.regimes": ["gdpr"]},
        at="2026-10-02T10:00:00Z",
    )

    assert table(facts("hipaa", [record], **OCTOBER), "breaches").total == 0


def test_what_happened_after_the_period_is_said_to_have_happened_after_it() -> None:
    records = [_confirmed(), _step(2, "subjects_notified", "2026-11-05T10:00:00Z")]

    said = _results(records)["the individuals"]

    assert said == (
        "running; due 1 December 2026, 10:00 UTC; done 5 November 2026, 10:00 UTC, after the period"
    )


def test_a_breach_closed_before_the_period_is_not_of_it_and_an_open_one_is() -> None:
    begun = _confirmed(at="2026-08-01T10:00:00Z")
    closed = _step(2, "closed", "2026-08-20T10:00:00Z")

    assert table(facts("hipaa", [begun, closed], **OCTOBER), "breaches").total == 0
    assert cells(facts("hipaa", [begun], **OCTOBER), "breaches", "Closed") == ["open"]


def test_an_entry_without_a_case_stands_as_a_case_of_its_own() -> None:
    records = [told(seq, "breach.confirmed", HIPAA, at="2026-10-02T10:00:00Z") for seq in (4, 9)]

    law = facts("hipaa", records, **OCTOBER)

    assert cells(law, "breaches", "Case") == [
        "no case named (entry 4)",
        "no case named (entry 9)",
    ]


def _disclosed(seq: int, purpose: str | None, **more: Any) -> Told:
    said: dict[str, Any] = {"data.classes": ["phi"], "data.recipient": "county court"}
    if purpose is not None:
        said["data.purpose"] = purpose
    said |= {f"data.{name}": value for name, value in more.items()}
    return told(seq, "data.disclose", said, at=f"2026-10-02T10:{seq % 60:02}:00Z")


def test_disclosures_for_treatment_and_the_like_are_counted_and_not_listed() -> None:
    records = [_disclosed(1, "treatment"), _disclosed(2, "payment"), _disclosed(3, "judicial")]

    found = table(facts("hipaa", records, **OCTOBER), "disclosures")

    assert (found.total, found.seqs) == (1, ((3,),))
    assert "excepts them: 2 (payment 1, treatment 1)" in found.intro


def test_a_disclosure_says_what_it_lacks() -> None:
    record = told(5, "data.disclose", {"data.classes": ["phi"]}, at="2026-10-02T10:00:00Z")

    (row,) = table(facts("hipaa", [record], **OCTOBER), "disclosures").rows

    assert row == ("2 October 2026, 10:00 UTC", *["not recorded"] * 6, "as it happened")


def test_what_stayed_inside_or_failed_is_no_disclosure() -> None:
    inside = _disclosed(1, "judicial", external=False)
    failed = told(
        2,
        "data.disclose",
        {"data.classes": ["phi"], "outcome": "denied"},
        at="2026-10-02T10:00:00Z",
    )

    assert table(facts("hipaa", [inside, failed], **OCTOBER), "disclosures").total == 0


def test_of_many_disclosures_the_first_stand_in_the_table_and_all_are_counted() -> None:
    records = [_disclosed(seq, "judicial") for seq in range(LISTED * 2)]
    random.Random(7).shuffle(records)

    found = table(facts("hipaa", records, **OCTOBER), "disclosures")

    assert (len(found.rows), found.total) == (LISTED, LISTED * 2)
    earliest = sorted(records, key=lambda one: (one.event["occurred_at"], one.seq))[:LISTED]
    assert found.seqs == tuple((one.seq,) for one in earliest)


def _retained(seq: int, days: int, at: str = "2026-10-02T10:00:00Z") -> Told:
    return told(seq, "audit.retention_reported", {"integrity.retention_days": days}, at=at)


def test_six_years_are_said_to_be_covered_or_not_by_what_was_reported_last() -> None:
    short = facts("hipaa", [_retained(1, 365)], **OCTOBER).statements[0]
    long = facts("hipaa", [_retained(1, 2192)], **OCTOBER).statements[0]
    never = facts("hipaa", [], **OCTOBER).statements[0]

    assert "365 days" in short
    assert short.endswith("which this does not cover.")
    assert long.endswith("which this covers.")
    assert "is not recorded" in never


def test_a_shorter_time_in_the_period_is_not_hidden_by_a_longer_one_after_it() -> None:
    records = [_retained(1, 365), _retained(2, 2192, at="2026-10-20T10:00:00Z")]

    said = facts("hipaa", records, **OCTOBER).statements[0]

    assert said.endswith("In the period it was 365 days for a time.")


CONTROL: Mapping[str, Any] = {
    "id": "164.312(a)(2)(iv)",
    "title": "Encryption at rest",
    "spec": "A",
    "state": "pass",
    "legs": [
        {"id": "statement", "state": "pass", "act_seq": 12, "n": 0, "f": 0, "shown_only": False},
        {"id": "DATA-10", "state": "fail", "act_seq": None, "n": 9, "f": 2, "shown_only": True},
    ],
}


def _reasoned(seq: int = 12) -> Act:
    return Act(
        seq=seq,
        action="audit.attestation_signed",
        at=us("2026-10-01"),
        id="x",
        actor="edwin",
        reason="",
        target={},
        details={
            "act": "signed",
            "statement": "s-1",
            "framework": "hipaa",
            "control": CONTROL["id"],
            "text": "The disks are in a vault.",
            "prepared_by": "nora",
            "effective_from": "2026-10-01",
            "effective_to": "2027-09-30",
            "expires_on": "2027-09-30",
            "reasoning": True,
        },
    )


def _specified(*acts: Act) -> Law:
    return facts("hipaa", [], acts=acts, result={"controls": [CONTROL]}, **OCTOBER)


def test_an_addressable_specification_shows_its_signed_reasoning_beside_the_checks() -> None:
    law = _specified(_reasoned())

    (row,) = table(law, "specifications").rows
    assert row == (
        "164.312(a)(2)(iv)",
        "addressable",
        "Encryption at rest. Information at rest is encrypted and can be decrypted.",
        "management statement: pass, entry 12; DATA-10: fail, 2 of 9 failing, shown only",
        "pass",
        "edwin, 2026-10-01 (entry 12)",
    )
    assert cells(law, "reasonings", "Reasoning") == ["The disks are in a vault."]
    assert cells(law, "reasonings", "In the result") == ["stands in place of the checks"]


def test_an_addressable_specification_without_a_reasoning_is_judged_as_written() -> None:
    law = _specified()

    assert cells(law, "specifications", "Addressable: reasoning") == [
        "none signed; judged as written"
    ]
    assert table(law, "reasonings").total == 0


def test_a_reasoning_that_the_result_does_not_rest_on_is_said_to_count_for_nothing() -> None:
    law = _specified(_reasoned(seq=40))

    assert cells(law, "reasonings", "In the result") == ["signed, and not covering the period"]


def test_the_fleet_shows_its_late_notice_and_its_prolonged_one() -> None:
    law = facts("hipaa", list(fleet()), as_of="2026-11-20T15:30:02Z")

    notices = table(law, "breach-notices")
    found = {(row[0], row[1]): row[6] for row in notices.rows}
    assert found["BR-22", "the individuals"] == "late: after 64 days, 4 days past the limit"
    assert found["BR-27", "the media"] == "in time, after 11 days 20 h"
    assert [clock.case for clock in law.clocks if clock.is_late] == ["BR-22"]


_ASKED = tuple(one for one in fleet() if one.event["action"] in actions_of("hipaa"))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.floats(0, 1))
def test_any_part_of_a_fleet_in_any_order_gives_the_same_tables(seed: int, share: float) -> None:
    chance = random.Random(seed)
    some = [record for record in _ASKED if chance.random() < share]
    shuffled = chance.sample(some, len(some))

    assert facts("hipaa", some) == facts("hipaa", shuffled)

"""Activities under the GDPR: what is declared beside what was observed."""

from __future__ import annotations

from typing import Any

import pytest

from compliance.people import Act
from compliance.report_content import LISTED
from tests.compliance.building import us
from tests.compliance.gdpr_records import OCTOBER, a_use, registered
from tests.compliance.law_records import Told, cells, facts, table, told


def _differences(*records: Told) -> list[tuple[str, str]]:
    law = facts("gdpr", [registered(), *records], **OCTOBER)
    return [(one.about, one.observed) for one in law.differences]


def test_what_is_declared_and_observed_alike_is_no_difference() -> None:
    used = a_use(
        2,
        "data.disclose",
        recipient="printer",
        external=True,
        transfer={"to_country": "US", "mechanism": "scc"},
    )
    at_home = a_use(3, "data.transfer", transfer={"to_country": "FR"})

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
    assert _differences(a_use(7, **said)) == [difference]


@pytest.mark.parametrize("role", ["individual", "personal_representative", "public_authority"])
def test_the_person_and_an_authority_are_no_recipients(role: str) -> None:
    assert _differences(a_use(7, recipient="somebody", recipient_role=role)) == []


def test_what_stayed_inside_has_no_recipient() -> None:
    assert _differences(a_use(7, recipient="accounting", external=False)) == []


def test_an_activity_nobody_registered_and_data_under_none_are_differences() -> None:
    unknown = a_use(3, processing_activity_id="shadow")
    unnamed = told(4, "data.read", {"data.classes": ["pii"]}, at="2026-10-05T10:00:00Z")

    assert _differences(unknown, unnamed) == [
        ("shadow", "used by agents"),
        ("personal data used under no activity", "entries that name no activity"),
    ]


def test_a_difference_counts_its_entries_and_names_the_first() -> None:
    records = [registered(), *(a_use(seq, recipient="Broker") for seq in (9, 4, 6))]

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
    changed = registered(5, "2026-10-20T10:00:00Z", recipients=["Broker"])
    too_late = registered(6, "2026-11-20T10:00:00Z", recipients=["Somebody"])
    records = [registered(), changed, too_late, a_use(7, recipient="Broker")]

    law = facts("gdpr", records, **OCTOBER)

    assert law.differences == ()
    shown = {row[0]: row[1] for row in table(law, "activity:care").rows}
    assert shown["Recipients"] == "Broker"


def test_each_field_of_the_record_stands_beside_what_was_seen() -> None:
    use = a_use(7, model={"provider": "helio", "name": "turbo"}, external=False)

    rows = table(facts("gdpr", [registered(), use], **OCTOBER), "activity:care").rows

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
    law = facts("gdpr", [registered(role="processor")], **OCTOBER)

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

    law = facts("gdpr", [registered()], acts=(act,), **OCTOBER)

    shown = {row[0]: row[1] for row in table(law, "activity:care").rows}
    assert shown["Data protection officer"] == "Nora is the officer. (statement, entry 9)"


def test_differences_beyond_a_list_are_counted() -> None:
    records = [registered(), *(a_use(seq, recipient=f"broker-{seq}") for seq in range(2, 250))]

    law = facts("gdpr", records, **OCTOBER)

    assert len(law.differences) == LISTED
    assert law.statements[0].startswith("Differences: the first 100 of 248")
    assert cells(law, "activities", "Differences") == ["248"]

"""Statements: two people, the days they speak of, their file, and what evaluation makes of them."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from django.db import Error

from audit.models import Ledger
from compliance.acting import ActRefused, today
from compliance.models import Statement
from compliance.standing import standing
from compliance.statement import (
    MOST_FILE,
    Attached,
    discard_statement,
    prepare_statement,
    sign_statement,
    withdraw_statement,
)
from tests.compliance.people.desk import (
    CATALOGUE,
    a_draft,
    a_statement,
    acts,
    administrator,
    in_days,
    officer,
    standing_day,
)

LATER = 10**18
"""A moment after every act of a test, us."""


def test_a_draft_counts_for_nothing_until_another_person_signs(ledger: Ledger) -> None:
    statement = a_statement(ledger)
    before = acts(ledger)

    signed = sign_statement(statement, by=administrator())
    (act,) = acts(ledger)
    stands = standing([act], framework="house", as_of=LATER)

    assert before == []
    assert act.details["statement"] == str(signed.uid)
    assert act.details["prepared_by"] == statement.prepared_by != act.actor
    first, last = standing_day(today()), standing_day(in_days(300))
    assert stands.statement("C1", first=first, last=last).is_whole
    assert not stands.statement("C1", first=first, last=last + 1).is_whole
    assert stands.refused == ()


def test_nobody_signs_what_he_prepared(ledger: Ledger) -> None:
    alice = administrator()
    statement = a_statement(ledger, by=alice)

    with pytest.raises(ActRefused, match="another person must sign"):
        sign_statement(statement, by=alice)

    assert Statement.objects.get(id=statement.id).state == "draft"
    assert acts(ledger) == []


def test_postgres_keeps_the_two_apart_as_well(ledger: Ledger) -> None:
    alice = administrator()
    statement = a_statement(ledger, by=alice)
    rows = Statement.objects.filter(id=statement.id)

    with pytest.raises(Error, match="compliance_statement_two_people"):
        rows.update(state="signed", signer_id=alice.id, signed_by=alice.name)


def test_postgres_lets_only_those_with_the_right_sign(ledger: Ledger) -> None:
    bob = officer()
    statement = a_statement(ledger)

    with pytest.raises(ActRefused, match="does not hold the right change_statement"):
        sign_statement(statement, by=bob)


def test_what_is_signed_stays_as_it_was_signed(ledger: Ledger) -> None:
    signed = sign_statement(a_statement(ledger), by=administrator())
    rows = Statement.objects.filter(id=signed.id)

    with pytest.raises(Error, match="stays as it was prepared"):
        rows.update(text="We keep two policies.")
    with pytest.raises(Error, match="never deleted"):
        rows.delete()


def test_a_withdrawn_statement_stands_no_more(ledger: Ledger) -> None:
    bob = administrator()
    signed = sign_statement(a_statement(ledger), by=bob)

    withdraw_statement(signed, reason="the policy was repealed", by=bob)
    found = acts(ledger)

    assert [act.details["act"] for act in found] == ["signed", "withdrawn"]
    assert found[1].reason == "the policy was repealed"
    assert standing(found, framework="house", as_of=LATER).statements == {}


def test_a_statement_expires_when_its_control_asks_for_a_new_one(ledger: Ledger) -> None:
    statement = a_statement(ledger)

    assert statement.expires_on == in_days(365)
    with pytest.raises(ActRefused, match="holds 365 days") as refused:
        a_statement(ledger, expires_on=in_days(366))
    assert refused.value.field == "expires_on"


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"framework": "none"}, "framework", "choose one of house"),
        ({"control": "C9"}, "control", "no such control"),
        ({"control": "C2"}, "control", "rests on checks alone"),
        ({"text": " "}, "text", "say what management states"),
        ({"text": "x" * 4_001}, "text", "at most 4,000 characters"),
        ({"text": "a\0b"}, "text", "no entry can hold"),
        ({"role": ""}, "role", "as what it is signed"),
        ({"effective_to": in_days(-1)}, "effective_to", "cannot end before it begins"),
        ({"expires_on": in_days(-1)}, "expires_on", "cannot expire before it begins"),
        ({"is_reasoning": True}, "is_reasoning", "no addressable specification"),
    ],
)
def test_what_is_wrong_is_said_by_its_field(
    ledger: Ledger, fields: dict[str, Any], field: str, said: str
) -> None:
    with pytest.raises(ActRefused, match=said) as refused:
        a_statement(ledger, **fields)

    assert refused.value.field == field


def test_the_reasoning_for_an_addressable_specification_is_told_apart(ledger: Ledger) -> None:
    sign_statement(a_statement(ledger, control="C3", is_reasoning=True), by=administrator())

    stands = standing(acts(ledger), framework="house", as_of=LATER)

    day = standing_day(today())
    assert stands.reasoning("C3", first=day, last=day).is_whole
    assert not stands.statement("C3", first=day, last=day).is_whole


def test_a_file_is_kept_whole_and_its_hash_is_in_the_entry(ledger: Ledger) -> None:
    content = bytes(range(256)) * 100
    made = prepare_statement(
        ledger,
        CATALOGUE,
        a_draft(),
        by=officer(),
        attached=Attached(name="C:\\files\\policy.pdf", content=content),
    )

    sign_statement(made, by=administrator())
    (act,) = acts(ledger)

    assert act.details["file_name"] == "policy.pdf"
    assert act.details["file_sha256"] == sha256(content).hexdigest()
    kept = Statement.objects.get(id=made.id).file
    assert kept is not None
    assert bytes(kept) == content


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "is empty"), (bytes(MOST_FILE + 1), "at most 20,971,520 bytes")]
)
def test_an_empty_or_a_huge_file_is_refused(ledger: Ledger, content: bytes, said: str) -> None:
    with pytest.raises(ActRefused, match=said):
        prepare_statement(
            ledger,
            CATALOGUE,
            a_draft(),
            by=officer(),
            attached=Attached(name="a.pdf", content=content),
        )


def test_a_draft_that_is_put_away_cannot_be_signed(ledger: Ledger) -> None:
    statement = a_statement(ledger)
    discard_statement(statement, by=officer())

    with pytest.raises(ActRefused, match="it is discarded by now"):
        sign_statement(statement, by=administrator())


def test_a_renewal_joins_the_days_of_the_one_before(ledger: Ledger) -> None:
    bob = administrator()
    first = sign_statement(a_statement(ledger, effective_to=in_days(10)), by=bob)
    draft = replace(a_draft(), effective_from=in_days(11), effective_to=in_days(200))
    renewed = prepare_statement(ledger, CATALOGUE, draft, by=officer(), renews=first)

    sign_statement(renewed, by=bob)
    stands = standing(acts(ledger), framework="house", as_of=LATER)

    assert renewed.renews_id == first.id
    days = {"first": standing_day(today()), "last": standing_day(in_days(200))}
    assert stands.statement("C1", **days).is_whole

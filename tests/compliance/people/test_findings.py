"""Findings, nil returns and reviews: what is refused, and the entries that are left."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.db import Error

from audit.append import append_pending
from audit.models import Ledger
from compliance.acting import ActRefused, Person
from compliance.finding import FindingOpened, close_finding, open_finding, retest_finding
from compliance.models import Finding, NilReturn, Review
from compliance.nil_return import sign_nil_return, withdraw_nil_return
from compliance.review import complete_review
from compliance.standing import standing
from tests.compliance.people.desk import (
    CATALOGUE,
    acts,
    administrator,
    in_days,
    officer,
    standing_day,
)
from tests.conftest import chain, entries, make_event

LATER = 10**18


def an_item(owner: psycopg.Connection[Any], ledger: Ledger, check: str, **fields: Any) -> None:
    """Let the tallies keep an item of a check."""
    lens = uuid4().hex
    said = {"item": "0", "state": "fail", "seq": 0, "why": "it failed"} | fields
    owner.execute(
        "INSERT INTO compliance_lens (ledger_id, lens_id, check_id, kind, definition, first_seq) "
        "VALUES (%s, %s, %s, 'each', '{}', 0)",
        [ledger.id, lens, check],
    )
    owner.execute(
        "INSERT INTO compliance_item (ledger_id, lens_id, item, state, day, environment, agent_id,"
        " seq, weight, why, evidence, is_restated) "
        "VALUES (%s, %s, %s, %s, %s, 'prod', 'alice-agent', %s, 1, %s, '{}', false)",
        [ledger.id, lens, said["item"], said["state"], in_days(0), said["seq"], said["why"]],
    )


@pytest.fixture
def owner(as_role: Any) -> psycopg.Connection[Any]:
    connection: psycopg.Connection[Any] = as_role("owner")
    return connection


def opened(ledger: Ledger, *, by: Person | None = None, **fields: Any) -> Finding:
    said: dict[str, Any] = {
        "framework": "house",
        "control": "C1",
        "check": "SAFE-01",
        "item": "",
        "title": "Calls without approval",
        "owner": officer().name,
        "due": in_days(10),
    }
    return open_finding(ledger, CATALOGUE, FindingOpened(**said | fields), by=by or officer())


# --- Findings ------------------------------------------------------------------------------------


def test_a_finding_names_the_event_of_its_item_from_opening_to_closing(
    ledger: Ledger, owner: psycopg.Connection[Any]
) -> None:
    (entry,) = chain(ledger, [make_event()])
    an_item(owner, ledger, "SAFE-01")

    finding = opened(ledger, item="0")
    close_finding(finding, note="the tool asks again", by=administrator())
    first, last = acts(ledger)

    assert (first.action, last.action) == ("audit.finding_opened", "audit.finding_closed")
    assert last.case == {"id": f"finding:{finding.uid}", "subject_event": str(entry.event_id)}
    assert last.details["note"] == "the tool asks again"
    assert last.details["item"] == "0"


def test_a_retest_says_whether_the_item_still_fails(
    ledger: Ledger, owner: psycopg.Connection[Any]
) -> None:
    chain(ledger, [make_event()])
    an_item(owner, ledger, "SAFE-01")
    finding = opened(ledger, item="0")

    before = retest_finding(finding, by=officer())
    owner.execute("DELETE FROM compliance_item WHERE ledger_id = %s", [ledger.id])
    after = retest_finding(finding, by=officer())

    assert before.retest == "the item still fails: it failed"
    assert after.retest.startswith("the item fails no more")
    assert after.state == "open"


def test_the_owner_of_a_critical_finding_does_not_close_it(ledger: Ledger) -> None:
    alice = administrator()
    finding = opened(ledger, owner=alice.name)
    rows = Finding.objects.filter(id=finding.id)

    with pytest.raises(ActRefused, match="another person must close it"):
        close_finding(finding, note="done", by=alice)
    with pytest.raises(Error, match="compliance_finding_critical"):
        rows.update(state="closed", closer_id=alice.id, closed_by=alice.name, close_note="done")
    closed = close_finding(finding, note="done", by=administrator())

    assert (finding.severity, closed.state) == ("critical", "closed")


def test_the_owner_of_a_lesser_finding_may_close_it_once(ledger: Ledger) -> None:
    alice = officer()
    finding = opened(ledger, control="C2", check="PACE-01", owner=alice.name)

    close_finding(finding, note="reviewed", by=alice)

    with pytest.raises(ActRefused, match="it was closed before"):
        close_finding(finding, note="again", by=alice)
    with pytest.raises(Error, match="stays closed"):
        Finding.objects.filter(id=finding.id).update(state="open")


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"control": "", "check": ""}, "control", "name the control or the check"),
        ({"control": "C9"}, "control", "no such control"),
        ({"check": "NONE-01"}, "check", "no such check"),
        ({"check": "", "item": "3"}, "check", "the check that the item belongs to"),
        ({"item": "77"}, "item", "keeps no item of this id"),
        ({"seq": 99}, "seq", "has no entry #99"),
        ({"title": ""}, "title", "say what is wrong"),
        ({"owner": "nobody-at-all"}, "owner", "may enter this desk"),
        ({"due": in_days(-1)}, "due", "the day is over"),
    ],
)
def test_a_finding_that_lacks_something_is_refused_by_its_field(
    ledger: Ledger, fields: dict[str, Any], field: str, said: str
) -> None:
    with pytest.raises(ActRefused, match=said) as refused:
        opened(ledger, **fields)

    assert refused.value.field == field
    assert acts(ledger) == []


# --- Nil returns ---------------------------------------------------------------------------------


def nil(ledger: Ledger, **fields: Any) -> NilReturn:
    said: dict[str, Any] = {
        "check": "SAFE-01",
        "first": in_days(-9),
        "last": in_days(0),
        "text": "nothing of the kind happened",
    }
    return sign_nil_return(ledger, CATALOGUE, **said | fields, by=officer())


def test_a_nil_return_covers_its_days_until_it_is_withdrawn(ledger: Ledger) -> None:
    signed = nil(ledger)
    found = standing(acts(ledger), framework="house", as_of=LATER)
    withdraw_nil_return(signed, reason="one was found", by=officer())
    after = standing(acts(ledger), framework="house", as_of=LATER)

    first, last = standing_day(in_days(-9)), standing_day(in_days(0))
    assert found.nil_return("SAFE-01", first=first, last=last).is_whole
    assert not found.nil_return("SAFE-01", first=first - 1, last=last).is_whole
    assert not after.nil_return("SAFE-01", first=first, last=last).is_whole
    with pytest.raises(ActRefused, match="withdrawn before"):
        withdraw_nil_return(signed, reason="again", by=officer())


def test_no_nil_return_is_signed_while_an_item_is_pending(
    ledger: Ledger, owner: psycopg.Connection[Any]
) -> None:
    an_item(owner, ledger, "SAFE-01", item="7", state="pending")

    with pytest.raises(ActRefused, match=r"not decided yet \(7\)") as refused:
        nil(ledger)
    earlier = nil(ledger, last=in_days(-1))

    assert refused.value.field == "check"
    assert earlier.last_day() == in_days(-1)


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"check": "PACE-01"}, "check", "asks for no nil return"),
        ({"check": "NONE-01"}, "check", "no such check"),
        ({"last": in_days(1)}, "last", "a day to come"),
        ({"last": in_days(-10)}, "last", "cannot end before it begins"),
        ({"text": ""}, "text", "say what did not happen"),
    ],
)
def test_a_nil_return_that_cannot_be_is_refused_by_its_field(
    ledger: Ledger, fields: dict[str, Any], field: str, said: str
) -> None:
    with pytest.raises(ActRefused, match=said) as refused:
        nil(ledger, **fields)

    assert refused.value.field == field


# --- Reviews -------------------------------------------------------------------------------------


def test_a_review_is_an_entry_of_the_person_who_did_it(ledger: Ledger) -> None:
    alice = officer()

    made = complete_review(
        ledger, scope="denied calls", items=12, findings=1, note="one to follow up", by=alice
    )
    append_pending(ledger.id)
    (entry,) = entries(ledger)
    event = entry.parsed()["event"]

    assert event["action"] == "audit.review_completed"
    assert event["actor"] == {"type": "human", "id": alice.name}
    assert event["review"] == {"scope": "denied calls", "items_count": 12, "findings_count": 1}
    assert event["case"] == {"id": f"review:{made.uid}"}
    assert event["reason"] == "one to follow up"
    with pytest.raises(Error, match=r"never deleted|permission denied"):
        Review.objects.filter(id=made.id).delete()


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"scope": ""}, "scope"), ({"items": 0}, "items"), ({"findings": 13}, "findings"),
     ({"note": ""}, "note")],
)  # fmt: skip
def test_a_review_of_nothing_is_refused(ledger: Ledger, fields: dict[str, Any], field: str) -> None:
    said: dict[str, Any] = {"scope": "calls", "items": 12, "findings": 0, "note": "well"}

    with pytest.raises(ActRefused) as refused:
        complete_review(ledger, **said | fields, by=officer())

    assert refused.value.field == field

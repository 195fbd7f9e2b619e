"""Waivers, scope decisions and limits: two people, limits in time, and the entries they leave."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.db import Error

from audit.models import Ledger
from compliance.acting import ActRefused, Person
from compliance.approving import approve_decision, end_decision
from compliance.decision import deny
from compliance.limits import find_limit, set_in_force, set_limit
from compliance.models import Decision
from compliance.people import settings_of
from compliance.scope import ask_applies, ask_out_of_scope
from compliance.standing import standing
from compliance.waiver import WaiverAsked, ask_waiver
from tests.compliance.people.desk import CATALOGUE, acts, administrator, in_days, officer

LATER = 10**18


def a_waiver(ledger: Ledger, *, by: Person | None = None, **fields: Any) -> Decision:
    """Ask to waive two items of the check of C2."""
    asked: dict[str, Any] = {
        "framework": "house",
        "control": "C2",
        "check": "PACE-01",
        "items": ("41", "42"),
        "reason": "the reviewer is ill",
        "risk": "a failure is seen late",
        "compensating": "alerts are read daily",
        "expires_on": in_days(30),
    }
    return ask_waiver(ledger, CATALOGUE, WaiverAsked(**asked | fields), by=by or officer())


def out_of_scope(ledger: Ledger, *, by: Person | None = None, **fields: Any) -> Decision:
    asked: dict[str, Any] = {
        "framework": "house",
        "flag": "privacy",
        "reason": "we hold no personal data",
        "expires_on": in_days(100),
    }
    return ask_out_of_scope(ledger, CATALOGUE, **asked | fields, by=by or officer())


# --- Waivers -------------------------------------------------------------------------------------


def test_a_waiver_counts_once_another_person_has_approved_it(ledger: Ledger) -> None:
    asked = a_waiver(ledger)
    before = acts(ledger)

    approve_decision(asked, by=administrator())
    (act,) = acts(ledger)
    found = standing([act], framework="house", as_of=LATER)

    assert before == []
    assert act.details["asked_by"] == asked.asked_by != act.actor
    assert found.refused == ()
    (waiver,) = found.waivers
    assert waiver.items == {"41", "42"}
    assert waiver.leg == "PACE-01"
    assert found.waived("C2", "PACE-01", severity="high", as_of=act.at)


def test_nobody_approves_what_he_asked(ledger: Ledger) -> None:
    alice = administrator()
    asked = a_waiver(ledger, by=alice)

    with pytest.raises(ActRefused, match="another person must approve"):
        approve_decision(asked, by=alice)

    assert acts(ledger) == []


def test_postgres_refuses_one_person_and_a_false_right(ledger: Ledger) -> None:
    alice = administrator()
    rows = Decision.objects.filter(id=a_waiver(ledger, by=alice).id)

    with pytest.raises(Error, match="compliance_decision_two_people"):
        rows.update(state="approved", approver_id=alice.id, approved_by=alice.name)
    with pytest.raises(ActRefused, match="does not hold the right change_decision"):
        approve_decision(rows.get(), by=officer())


def test_postgres_takes_nothing_in_that_is_approved_already(ledger: Ledger) -> None:
    alice, bob = administrator(), administrator()
    fields = {"ledger": ledger, "kind": "scope", "framework": "house", "reason": "so"}

    with pytest.raises(Error, match="asked for before it is approved"):
        Decision.objects.create(
            **fields,
            state="approved",
            asked_by_id=alice.id,
            asked_by=alice.name,
            approver_id=bob.id,
            approved_by=bob.name,
        )


def test_a_revoked_waiver_stands_no_more_and_stays_listed(ledger: Ledger) -> None:
    bob = administrator()
    approved = approve_decision(a_waiver(ledger), by=bob)

    end_decision(approved, reason="repaired", by=bob)
    found = acts(ledger)

    assert [act.details["act"] for act in found] == ["approved", "revoked"]
    assert standing(found, framework="house", as_of=LATER).waivers == ()
    with pytest.raises(Error, match="never deleted"):
        Decision.objects.filter(id=approved.id).delete()


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"expires_on": in_days(366)}, "expires_on", "ends 365 days after"),
        (
            {"control": "C1", "check": "SAFE-01", "expires_on": in_days(91)},
            "expires_on",
            "critical leg ends 90 days",
        ),
        ({"begins_on": in_days(-1)}, "begins_on", "never reaches back"),
        ({"begins_on": in_days(9), "expires_on": in_days(8)}, "expires_on", "before it begins"),
        ({"check": "SAFE-01"}, "check", "C2 rests on PACE-01"),
        ({"check": "statement"}, "check", "C2 rests on PACE-01"),
        ({"control": "C9"}, "control", "no such control"),
        ({"reason": ""}, "reason", "say why"),
        ({"risk": ""}, "risk", "what may go wrong"),
        ({"compensating": ""}, "compensating", "keeps the risk low"),
        ({"items": tuple(map(str, range(101)))}, "items", "at most 100 items"),
    ],
)
def test_a_waiver_that_asks_too_much_is_refused_by_its_field(
    ledger: Ledger, fields: dict[str, Any], field: str, said: str
) -> None:
    with pytest.raises(ActRefused, match=said) as refused:
        a_waiver(ledger, **fields)

    assert refused.value.field == field


def test_a_critical_waiver_and_one_of_a_statement_may_be_asked(ledger: Ledger) -> None:
    critical = a_waiver(ledger, control="C1", check="SAFE-01", items=(), expires_on=in_days(90))
    statement = a_waiver(ledger, control="C1", check="statement", items=())

    assert critical.severity == "critical"
    assert statement.severity == "high"


def test_what_was_refused_is_not_approved_later(ledger: Ledger) -> None:
    asked = a_waiver(ledger)
    deny(asked, reason="repair it instead", by=administrator())

    with pytest.raises(ActRefused, match="it is denied by now"):
        approve_decision(asked, by=administrator())

    assert acts(ledger) == []


# --- Scope ---------------------------------------------------------------------------------------


def test_a_flag_leaves_the_scope_by_two_people_and_comes_back_by_one(ledger: Ledger) -> None:
    bob = administrator()
    approved = approve_decision(out_of_scope(ledger), by=bob)
    out = acts(ledger)

    end_decision(approved, reason="we hold some now", by=bob)
    back = acts(ledger)

    assert standing(out, framework="house", as_of=LATER).decisions.keys() == {("flag", "privacy")}
    assert standing(out, framework="house", as_of=LATER).refused == ()
    assert standing(back, framework="house", as_of=LATER).decisions == {}


def test_a_control_can_be_taken_out_by_itself(ledger: Ledger) -> None:
    approve_decision(out_of_scope(ledger, flag="", control="C2"), by=administrator())

    found = standing(acts(ledger), framework="house", as_of=LATER)

    assert found.decisions["control", "C2"].reason == "we hold no personal data"


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"flag": "security"}, "flag", "always in scope"),
        ({"flag": "health"}, "flag", "choose one of privacy, security"),
        ({"flag": ""}, "control", "a control or a flag"),
        ({"control": "C2"}, "control", "and not both"),
        ({"flag": "", "control": "C9"}, "control", "no such control"),
        ({"expires_on": in_days(366)}, "expires_on", "then it is decided again"),
        ({"expires_on": in_days(-1)}, "expires_on", "from today"),
        ({"reason": "x" * 501}, "reason", "at most 500 characters"),
    ],
)
def test_a_scope_decision_that_cannot_be_is_refused_by_its_field(
    ledger: Ledger, fields: dict[str, Any], field: str, said: str
) -> None:
    with pytest.raises(ActRefused, match=said) as refused:
        out_of_scope(ledger, **fields)

    assert refused.value.field == field


def test_a_framework_applies_and_applies_no_more_by_two_people_each(ledger: Ledger) -> None:
    def decided(*, ends: bool) -> Decision:
        asked = ask_applies(
            ledger,
            CATALOGUE,
            framework="house",
            system="alice-agent",
            role="deployer",
            reason="credit scores",
            by=officer(),
            ends=ends,
        )
        return approve_decision(asked, by=administrator())

    first = decided(ends=False)
    applies = acts(ledger)
    with pytest.raises(ActRefused, match="two people decide that"):
        end_decision(first, reason="gone", by=administrator())
    decided(ends=True)
    over = acts(ledger)

    assert standing(applies, framework="house", as_of=LATER).roles(LATER).keys() == {"deployer"}
    assert standing(over, framework="house", as_of=LATER).roles(LATER) == {}


# --- Limits and lists ----------------------------------------------------------------------------


def test_a_tighter_limit_holds_at_once(ledger: Ledger) -> None:
    limit = find_limit(CATALOGUE, "parameter", "every", check="PACE-01")

    made = set_limit(ledger, CATALOGUE, limit, "P3D", reason="we look more often", by=officer())
    (act,) = acts(ledger)

    assert (made.state, made.is_alone, made.approved_by) == ("approved", True, "")
    assert act.details["before"] is None
    assert "approved_by" not in act.details
    assert settings_of([act]).params == {("", "PACE-01"): {"every": "P3D"}}


def test_a_looser_limit_waits_for_another_person(ledger: Ledger) -> None:
    limit = find_limit(CATALOGUE, "parameter", "every", check="PACE-01")

    asked = set_limit(ledger, CATALOGUE, limit, "P14D", reason="holidays", by=officer())
    before = acts(ledger)
    bob = administrator()
    approve_decision(asked, by=bob)
    (act,) = acts(ledger)

    assert asked.state == "asked"
    assert before == []
    assert (act.actor, act.details["approved_by"]) == (bob.name, bob.name)
    assert act.details["asked_by"] == asked.asked_by
    assert settings_of([act]).params == {("", "PACE-01"): {"every": "P14D"}}


def test_what_is_shipped_comes_back(ledger: Ledger) -> None:
    limit = find_limit(CATALOGUE, "parameter", "every", check="PACE-01")
    alice = officer()
    set_limit(ledger, CATALOGUE, limit, "P3D", reason="more often", by=alice)

    set_limit(ledger, CATALOGUE, limit, None, reason="too often", by=alice)

    assert set_in_force(ledger) == {}
    assert settings_of(acts(ledger)).params == {}


def test_what_the_law_sets_is_never_looser(ledger: Ledger) -> None:
    limit = replace(
        find_limit(CATALOGUE, "parameter", "every", check="PACE-01"), law="Article 33(1)"
    )
    alice = officer()

    with pytest.raises(ActRefused, match=r"Article 33\(1\) sets every"):
        set_limit(ledger, CATALOGUE, limit, "P14D", reason="holidays", by=alice)
    set_limit(ledger, CATALOGUE, limit, "P1D", reason="sooner", by=alice)

    assert set_in_force(ledger) == {limit.key: "P1D"}


def test_a_limit_for_all_frameworks_is_held_against_each(ledger: Ledger) -> None:
    framework = replace(
        CATALOGUE.frameworks["house"], id="strict", params={"PACE-01": {"every": "P1D"}}
    )
    stricter = replace(CATALOGUE, frameworks=dict(CATALOGUE.frameworks) | {"strict": framework})
    limit = find_limit(stricter, "parameter", "every", check="PACE-01")

    made = set_limit(ledger, stricter, limit, "P3D", reason="looser there", by=officer())

    assert made.state == "asked"


def test_any_change_of_a_list_needs_another_person(ledger: Ledger) -> None:
    listed = replace(CATALOGUE, lists={"sensitive": ("pii", "phi")})
    limit = find_limit(listed, "list", "sensitive")

    asked = set_limit(ledger, listed, limit, ["pii"], reason="no health data", by=officer())
    approve_decision(asked, by=administrator())

    assert settings_of(acts(ledger)).lists == {"sensitive": ("pii",)}


@pytest.mark.parametrize("after", ["soon", 7, ["P1D"], True, ""])
def test_a_value_of_another_kind_is_refused(ledger: Ledger, after: Any) -> None:
    limit = find_limit(CATALOGUE, "parameter", "every", check="PACE-01")

    with pytest.raises(ActRefused, match="such as P7D") as refused:
        set_limit(ledger, CATALOGUE, limit, after, reason="so", by=officer())

    assert refused.value.field == "after"

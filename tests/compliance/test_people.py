"""What people's acts say: from when, until when, by whom, and which of them count for nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest

from compliance.people import Act, settings_of
from compliance.standing import Standing, standing

DAY_US = 86_400_000_000


def day(text: str) -> int:
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


def moment(text: str) -> int:
    return day(text) * DAY_US


def act(seq: int, action: str, on: str, *, by: str = "bob", **details: Any) -> Act:
    return Act(
        seq=seq,
        action=f"audit.{action}",
        at=moment(on) + 1,
        id=f"event-{seq}",
        actor=by,
        reason="because",
        target={},
        details=details,
    )


def statement(seq: int = 1, on: str = "2026-01-10", **details: Any) -> Act:
    given: dict[str, Any] = {
        "act": "signed",
        "statement": f"statement-{seq}",
        "framework": "soc2",
        "control": "CC1.1",
        "prepared_by": "alice",
        "effective_from": "2026-01-01",
        "effective_to": "2026-12-31",
        "expires_on": "2026-12-31",
    }
    by = details.pop("by", "bob")
    return act(seq, "attestation_signed", on, by=by, **given | details)


def waiver(seq: int = 1, on: str = "2026-01-10", **details: Any) -> Act:
    given: dict[str, Any] = {
        "act": "approved",
        "waiver": "waiver-1",
        "framework": "soc2",
        "control": "CC6.3",
        "check": "TOOL-01",
        "items": ["41"],
        "asked_by": "alice",
        "from": "2026-01-10",
        "expires_on": "2026-02-10",
    }
    by = details.pop("by", "bob")
    given["from"] = details.pop("first", given["from"])
    return act(seq, "waiver_approved", on, by=by, **given | details)


def scope(seq: int = 1, on: str = "2026-01-10", **details: Any) -> Act:
    given: dict[str, Any] = {
        "act": "out",
        "decision": f"decision-{seq}",
        "framework": "soc2",
        "asked_by": "alice",
        "reason": "no such system",
        "expires_on": "2026-12-31",
    }
    by = details.pop("by", "bob")
    return act(seq, "scope_decided", on, by=by, **given | details)


def stands(*acts: Act, on: str = "2026-02-01", framework: str = "soc2") -> Standing:
    return standing(acts, framework=framework, as_of=moment(on))


def covers(found: Standing, first: str, last: str) -> bool:
    return found.statement("CC1.1", first=day(first), last=day(last)).is_whole


class TestStatements:
    def test_one_that_covers_all_of_a_period_counts(self) -> None:
        found = stands(statement())

        assert covers(found, "2026-01-01", "2026-01-31")
        assert found.statement("CC1.1", first=day("2026-01-01"), last=day("2026-01-31")).seq == 1

    @pytest.mark.parametrize(
        "changed",
        [
            {"effective_from": "2026-01-02"},
            {"effective_to": "2026-01-30"},
            {"expires_on": "2026-01-30"},
            {"control": "CC1.2"},
            {"framework": "gdpr"},
        ],
    )
    def test_one_that_leaves_a_day_out_does_not(self, changed: Mapping[str, Any]) -> None:
        assert not covers(stands(statement(**changed)), "2026-01-01", "2026-01-31")

    def test_two_that_follow_each_other_cover_together(self) -> None:
        first = statement(1, effective_to="2026-01-15")
        second = statement(2, effective_from="2026-01-16")

        assert covers(stands(first, second), "2026-01-01", "2026-01-31")
        assert not covers(stands(first), "2026-01-01", "2026-01-31")

    def test_its_preparer_cannot_sign_it(self) -> None:
        found = stands(statement(by="alice"))

        assert not covers(found, "2026-01-01", "2026-01-31")
        assert found.refused == (
            "entry 1: audit.attestation_signed counts for nothing: "
            "its signer prepared it; another person must sign",
        )

    def test_one_that_names_no_person_counts_for_nothing(self) -> None:
        found = stands(statement(by=""))

        assert not covers(found, "2026-01-01", "2026-01-31")
        assert "no person" in found.refused[0]

    def test_a_withdrawn_one_is_gone(self) -> None:
        gone = statement(2, act="withdrawn", statement="statement-1")

        assert not covers(stands(statement(1), gone), "2026-01-01", "2026-01-31")

    def test_one_signed_after_the_period_counts_and_says_so(self) -> None:
        found = stands(statement(on="2026-02-05"))

        cover = found.statement("CC1.1", first=day("2026-01-01"), last=day("2026-01-31"))

        assert cover.reason == "signed by bob on 2026-02-05, after the period"

    def test_a_reasoning_is_no_statement_and_a_statement_no_reasoning(self) -> None:
        first, last = day("2026-01-01"), day("2026-01-31")
        reasoned = stands(statement(reasoning=True))
        stated = stands(statement())

        assert reasoned.reasoning("CC1.1", first=first, last=last).is_whole
        assert not reasoned.statement("CC1.1", first=first, last=last).is_whole
        assert not stated.reasoning("CC1.1", first=first, last=last).is_whole

    @pytest.mark.parametrize("broken", [{"effective_from": "soon"}, {"expires_on": None}])
    def test_one_that_cannot_be_read_is_named(self, broken: Mapping[str, Any]) -> None:
        found = stands(statement(**broken))

        assert found.statements == {}
        assert next(iter(broken)) in found.refused[0]


class TestWaivers:
    def in_force(self, found: Standing, on: str, severity: Any = "high") -> bool:
        return bool(found.waived("CC6.3", "TOOL-01", severity=severity, as_of=moment(on)))

    def test_one_counts_from_its_approval_until_its_last_day_is_over(self) -> None:
        found = stands(waiver(), on="2026-03-01")

        assert not self.in_force(found, "2026-01-10")  # a moment before its entry arrived
        assert self.in_force(found, "2026-01-11")
        assert self.in_force(found, "2026-02-11")  # the end of its last day
        assert not self.in_force(found, "2026-02-12")

    def test_it_cannot_be_back_dated(self) -> None:
        found = stands(waiver(on="2026-02-20", first="2026-01-01"), on="2026-02-01")

        assert not self.in_force(found, "2026-02-01")

    def test_none_lasts_longer_than_a_year_or_ninety_days_for_a_critical_leg(self) -> None:
        found = stands(waiver(expires_on="2036-01-01"), on="2028-01-01")

        assert self.in_force(found, "2027-01-11")
        assert not self.in_force(found, "2027-01-13")
        assert self.in_force(found, "2026-04-11", "critical")
        assert not self.in_force(found, "2026-04-13", "critical")

    def test_who_asked_for_it_cannot_approve_it(self) -> None:
        found = stands(waiver(by="alice"))

        assert not self.in_force(found, "2026-01-20")
        assert "alice both asked for it and approved it" in found.refused[0]

    def test_a_revoked_one_ends(self) -> None:
        revoked = waiver(2, "2026-01-20", act="revoked")

        assert not self.in_force(stands(waiver(), revoked), "2026-01-25")
        assert self.in_force(stands(waiver(), revoked, on="2026-01-15"), "2026-01-15")

    def test_it_speaks_of_its_own_leg_alone(self) -> None:
        found = stands(waiver())
        as_of = moment("2026-01-20")

        assert not found.waived("CC6.3", "IAM-04", severity="high", as_of=as_of)
        assert not found.waived("CC6.1", "TOOL-01", severity="high", as_of=as_of)


class TestScope:
    def test_a_control_or_a_flag_is_out_until_the_decision_ends(self) -> None:
        found = stands(scope(1, control="CC6.4"), scope(2, flag="privacy"))
        as_of = moment("2026-02-01")

        assert found.out_of_scope("CC6.4", "", as_of)
        assert found.out_of_scope("P1.1", "privacy", as_of)
        assert not found.out_of_scope("CC6.1", "", as_of)
        assert not found.out_of_scope("CC6.4", "", moment("2027-01-02"))

    def test_the_later_decision_wins(self) -> None:
        back = scope(2, "2026-01-20", act="in", control="CC6.4")

        assert not stands(scope(1, control="CC6.4"), back).out_of_scope(
            "CC6.4", "", moment("2026-02-01")
        )

    def test_it_takes_two_people(self) -> None:
        found = stands(scope(by="alice", control="CC6.4"))

        assert not found.out_of_scope("CC6.4", "", moment("2026-02-01"))
        assert found.refused

    def test_a_system_makes_a_framework_apply_in_its_role(self) -> None:
        system: dict[str, Any] = {
            "system": "loans",
            "role": "deployer",
            "high_risk": True,
            "act": "applies",
        }
        found = stands(scope(framework="eu_ai_act", **system), framework="eu_ai_act")
        low = stands(
            scope(framework="eu_ai_act", **system | {"high_risk": False}), framework="eu_ai_act"
        )

        assert set(found.roles(moment("2026-02-01"))) == {"deployer"}
        assert found.roles(moment("2026-01-01")) == {}
        assert low.roles(moment("2026-02-01")) == {}


class TestNilReturns:
    def nil(self, seq: int = 1, on: str = "2026-02-01", **details: Any) -> Act:
        given = {"act": "signed", "nil_return": f"nil-{seq}", "check": "DSR-01", "text": "none"}
        given |= {"from": "2026-01-01", "to": "2026-02-01"}
        return act(seq, "nil_return_signed", on, **given | details)

    def covered(self, *acts: Act, first: str = "2026-01-01", last: str = "2026-01-31") -> bool:
        found = stands(*acts)
        return found.nil_return("DSR-01", first=day(first), last=day(last)).is_whole

    def test_one_covers_its_days_the_last_of_them_excluded(self) -> None:
        assert self.covered(self.nil())
        assert not self.covered(self.nil(), last="2026-02-01")
        assert not self.covered(self.nil(check="DSR-02"))
        assert not self.covered()

    def test_nobody_can_sign_for_days_to_come(self) -> None:
        early = self.nil(on="2026-01-15")

        assert self.covered(early, last="2026-01-15")
        assert not self.covered(early, last="2026-01-16")

    def test_a_withdrawn_one_is_gone(self) -> None:
        assert not self.covered(self.nil(), self.nil(2, act="withdrawn", nil_return="nil-1"))


class TestSettings:
    def changed(self, seq: int, **details: Any) -> Act:
        given = {
            "what": "compliance.parameter",
            "name": "every",
            "check": "LOG-10",
            "after": "P14D",
        }
        return act(seq, "config_changed", "2026-01-10", **given | details)

    def test_the_newest_change_holds_and_null_gives_back_what_is_shipped(self) -> None:
        first, second = self.changed(1), self.changed(2, after="P3D")

        assert settings_of([second, first]).params == {("", "LOG-10"): {"every": "P3D"}}
        assert settings_of([first, self.changed(2, after=None)]).params == {}

    def test_a_framework_has_limits_of_its_own(self) -> None:
        found = settings_of([self.changed(1), self.changed(2, framework="hipaa", after="P1D")])

        assert found.params[("hipaa", "LOG-10")] == {"every": "P1D"}

    def test_a_list_is_replaced_whole(self) -> None:
        listed = self.changed(1, what="compliance.list", name="adequate", after=["CH", "NO"])

        assert settings_of([listed]).lists == {"adequate": ("CH", "NO")}

    def test_what_no_person_changed_changes_nothing(self) -> None:
        unnamed = act(
            1, "config_changed", "2026-01-10", by="", what="compliance.list", name="x", after=["y"]
        )

        assert settings_of([unnamed]).lists == {}

"""How a leg gets its state: every state, by real entries, under a small catalogue."""

from __future__ import annotations

from typing import Any

import pytest

from compliance.definitions import Catalogue, Control, Framework, Lens
from compliance.kinds import base
from compliance.result import FrameworkResult, digest_of
from compliance.verdict import Verdict
from tests.compliance.judging import (
    TOOL_CALLS,
    WENT_WELL,
    Story,
    a_catalogue,
    a_check,
    a_control,
    a_framework,
    at,
    control_of,
    dates,
    leg_of,
)

CALLS: dict[str, Any] = {"population": TOOL_CALLS, "pass_when": WENT_WELL}
DAYS = 3


def judged(
    story: Story, check: Any, *, control: Control | None = None, **fields: Any
) -> FrameworkResult:
    """Judge a story of three days under one check of one control."""
    framework = a_framework(control or a_control("C1", check.id), **fields.pop("framework", {}))
    catalogue = a_catalogue(check, *fields.pop("more", ()), framework=framework)
    return story.judged(catalogue, framework, **{"days": DAYS} | fields)


def verified_story() -> Story:
    story = Story()
    story.verified(DAYS)
    story.platform("audit.chain_verified", at(DAYS, minutes=1))  # the clock has passed the period
    return story


@pytest.fixture
def story() -> Story:
    return verified_story()


class TestStates:
    def test_all_items_passed(self, story: Story) -> None:
        story.call(at(1))

        leg = leg_of(judged(story, a_check("X-01", **CALLS)), "C1", "X-01")

        assert (leg.state, leg.n, leg.f) == ("pass", 1, 0)

    def test_one_failed(self, story: Story) -> None:
        story.call(at(1))
        story.call(at(1, hours=1), outcome="error")

        result = judged(story, a_check("X-01", **CALLS))

        assert leg_of(result, "C1", "X-01").reason == "1 of 2 failed"
        assert control_of(result, "C1").state == "fail"
        assert result.numbers.cap == 79

    def test_empty_is_never_pass(self, story: Story) -> None:
        for on_empty in ("no_data", "not_occurred", "fail"):
            leg = leg_of(judged(story, a_check("X-01", on_empty=on_empty, **CALLS)), "C1", "X-01")
            assert leg.state == on_empty

    def test_an_open_item_alone_is_pending_and_counts_for_nothing(self, story: Story) -> None:
        story.call(at(2))
        answered = a_check(
            "X-01",
            "followup",
            population=TOOL_CALLS,
            match={"all": [["action", "eq", "alert.dismissed"]]},
            within="P7D",
            on_empty="not_occurred",
        )

        result = judged(story, answered)

        leg = leg_of(result, "C1", "X-01")
        assert (leg.state, leg.n, leg.pending) == ("pending", 0, 1)
        assert result.numbers.assured is None  # nothing else is there to count

    def test_it_did_not_occur_only_while_every_guard_holds(self, story: Story) -> None:
        guard = a_check("G-01", **CALLS)
        guarded = a_check(
            "X-01",
            population={"all": [["action", "eq", "data.export"]]},
            pass_when={"all": []},
            on_empty="not_occurred",
            guards=("G-01",),
        )
        story.call(at(1))
        believed = judged(story, guarded, more=[guard])
        story.call(at(1, hours=1), outcome="error")
        doubted = judged(story, guarded, more=[guard])

        assert leg_of(believed, "C1", "X-01").state == "not_occurred"
        assert leg_of(doubted, "C1", "X-01").state == "no_data"
        (check,) = [each for each in doubted.checks if each.check == "X-01"]
        assert check.open_guards == ("G-01",)

    def test_without_exposure_nothing_can_be_said(self, story: Story) -> None:
        exposed = a_check(
            "X-01",
            population={"all": [["action", "eq", "data.export"]]},
            pass_when={"all": []},
            on_empty="not_occurred",
            exposure={"all": [["action", "eq", "tool.invoke"]], "min": 2},
        )
        story.call(at(1))
        too_few = judged(story, exposed)
        story.call(at(2))
        enough = judged(story, exposed)

        assert leg_of(too_few, "C1", "X-01").state == "no_data"
        assert leg_of(enough, "C1", "X-01").state == "not_occurred"

    def test_where_a_nil_return_is_asked_for_silence_needs_one(self, story: Story) -> None:
        silent = a_check("X-01", on_empty="not_occurred", nil_return=True, **CALLS)
        before = judged(story, silent)
        first, end = dates(0, DAYS)
        signed = {"act": "signed", "nil_return": "nil-1", "check": "X-01", "text": "none"}
        story.person(
            "nil_return_signed", at(2, hours=2), by="bob", **signed | {"from": first, "to": end}
        )
        after = judged(story, silent)

        assert leg_of(before, "C1", "X-01").state == "no_data"
        leg = leg_of(after, "C1", "X-01")
        assert leg.state == "not_occurred"
        assert leg.act_seq is not None


class TestTolerance:
    def share(self, failed: int, passed: int, story: Story, *, agent: str = "alice-agent") -> None:
        for i in range(failed + passed):
            outcome = "error" if i < failed else "success"
            story.call(at(1, minutes=i % 1400), outcome=outcome, agent=agent)

    @pytest.mark.parametrize(("failed", "state"), [(1, "pass"), (2, "fail")])
    def test_a_rate_is_exact(self, failed: int, state: str, story: Story) -> None:
        self.share(failed, 100 - failed, story)
        check = a_check("X-01", tolerance={"max_fail_rate": "0.01"}, **CALLS)

        assert leg_of(judged(story, check), "C1", "X-01").state == state

    @pytest.mark.parametrize(("failed", "state"), [(2, "pass"), (3, "fail")])
    def test_a_count_is_absolute(self, failed: int, state: str, story: Story) -> None:
        self.share(failed, 50, story)
        check = a_check("X-01", tolerance={"max_fail_count": 2}, **CALLS)

        assert leg_of(judged(story, check), "C1", "X-01").state == state

    def test_one_chatty_agent_cannot_dilute_another(self, story: Story) -> None:
        self.share(0, 900, story, agent="chatty")
        self.share(10, 90, story, agent="quiet")  # 10 % of its own, 1 % of all
        check = a_check("X-01", tolerance={"max_fail_rate": "0.02"}, **CALLS)

        result = judged(story, check)

        assert leg_of(result, "C1", "X-01").state == "fail"
        (found,) = [each for each in result.checks if each.check == "X-01"]
        assert found.worst_agent == "quiet"

    def test_an_agent_with_too_few_items_is_not_judged_alone(self, story: Story) -> None:
        self.share(0, 900, story, agent="chatty")
        self.share(1, 9, story, agent="quiet")  # 10 items tell nothing about 2 %
        check = a_check("X-01", tolerance={"max_fail_rate": "0.02"}, **CALLS)

        assert leg_of(judged(story, check), "C1", "X-01").state == "pass"


class TestGate:
    def test_without_a_verified_chain_there_is_no_score(self) -> None:
        story = Story()
        story.platform("audit.chain_verified", at(0, hours=1))
        story.call(at(2))
        story.call(at(DAYS, minutes=1))

        result = judged(story, a_check("X-01", **CALLS))

        assert result.numbers.assured is None
        assert "LOG-01 is fail" in result.numbers.reason
        assert control_of(result, "C1").state == "pass"  # it is shown all the same

    def test_a_broken_chain_stays_broken_whatever_is_waived(self) -> None:
        story = Story()
        story.call(at(2))
        story.call(at(DAYS, minutes=1))
        first, last = dates(0, 30)
        story.person(
            "waiver_approved",
            at(1),
            by="bob",
            act="approved",
            waiver="w",
            framework="house",
            control="C1",
            check="LOG-01",
            items=[],
            asked_by="alice",
            **{"from": first, "expires_on": last},
        )

        assert judged(story, a_check("X-01", **CALLS)).numbers.assured is None

    def test_a_young_ledger_is_observed_from_its_first_entry(self) -> None:
        story = verified_story()
        story.call(at(1))

        result = judged(story, a_check("X-01", **CALLS), first=-20)

        assert result.observed_from == result.start + 20
        assert result.numbers.assured == 100


class TestPeople:
    def signed(self, story: Story, control: str, **said: Any) -> None:
        first, last = dates(0, 300)
        given = {
            "act": "signed",
            "statement": control,
            "framework": "house",
            "control": control,
            "prepared_by": "alice",
            "effective_from": first,
            "effective_to": last,
            "expires_on": last,
        }
        story.person("attestation_signed", at(0, hours=2), by="bob", **given | said)

    def waived(self, story: Story, *items: str, **said: Any) -> None:
        first, last = dates(0, 30)
        given = {"act": "approved", "waiver": "w", "framework": "house", "control": "C1"}
        given |= {"check": "X-01", "asked_by": "alice", "from": first, "expires_on": last}
        story.person(
            "waiver_approved", at(2, hours=3), by="bob", **given | {"items": list(items)} | said
        )

    def test_a_statement_is_a_leg_as_heavy_as_its_control(self, story: Story) -> None:
        control = a_control("C1", attest="a policy", weight="critical")
        unsigned = judged(story, a_check("X-01", **CALLS), control=control)
        self.signed(story, "C1")
        signed = judged(story, a_check("X-01", **CALLS), control=control)

        assert leg_of(unsigned, "C1", "statement").state == "no_data"
        assert unsigned.numbers.cap == 49
        assert leg_of(signed, "C1", "statement").severity == "critical"
        assert signed.numbers.assured == 100

    def test_in_a_partial_control_it_weighs_no_more_than_the_lightest_check(
        self, story: Story
    ) -> None:
        story.call(at(1))
        control = a_control("C1", "X-01", attest="a policy", weight="critical")

        result = judged(story, a_check("X-01", severity="low", **CALLS), control=control)

        assert leg_of(result, "C1", "statement").severity == "low"

    def test_a_waived_item_stays_in_n_and_leaves_f(self, story: Story) -> None:
        story.call(at(1), outcome="error")
        story.call(at(2))
        self.waived(story, "1")  # its seq: one verification was before it

        leg = leg_of(judged(story, a_check("X-01", **CALLS)), "C1", "X-01")

        assert (leg.state, leg.n, leg.f, leg.waived) == ("waived", 2, 0, 1)

    def test_a_failure_beside_a_waived_one_still_fails(self, story: Story) -> None:
        story.call(at(1), outcome="error")
        story.call(at(1, hours=2), outcome="error")
        self.waived(story, "1")

        leg = leg_of(judged(story, a_check("X-01", **CALLS)), "C1", "X-01")

        assert (leg.state, leg.f, leg.waived) == ("fail", 1, 1)

    def test_a_waived_leg_earns_nothing_and_lifts_its_cap(self, story: Story) -> None:
        story.call(at(1), outcome="error")
        before = judged(story, a_check("X-01", severity="critical", **CALLS))
        self.waived(story)
        after = judged(story, a_check("X-01", severity="critical", **CALLS))

        assert (before.numbers.cap, after.numbers.cap) == (49, 100)
        assert after.numbers.raw == before.numbers.raw == 0

    def test_what_is_out_of_scope_is_not_applicable(self, story: Story) -> None:
        story.call(at(1), outcome="error")
        _, last = dates(0, 30)
        story.person(
            "scope_decided",
            at(1),
            by="bob",
            act="out",
            decision="d",
            framework="house",
            control="C1",
            reason="none",
            asked_by="alice",
            expires_on=last,
        )

        result = judged(story, a_check("X-01", **CALLS))

        assert control_of(result, "C1").state == "not_applicable"

    @pytest.mark.parametrize(("always", "state"), [((), "not_applicable"), (("core",), "fail")])
    def test_a_flag_that_is_always_on_cannot_be_taken_out(
        self, always: tuple[str, ...], state: str, story: Story
    ) -> None:
        story.call(at(1), outcome="error")
        _, last = dates(0, 30)
        story.person(
            "scope_decided",
            at(1),
            by="bob",
            act="out",
            decision="d",
            framework="house",
            flag="core",
            reason="none",
            asked_by="alice",
            expires_on=last,
        )

        result = judged(
            story,
            a_check("X-01", **CALLS),
            control=a_control("C1", "X-01", flag="core"),
            framework={"scope_flags": ("core",), "always_flags": always},
        )

        assert control_of(result, "C1").state == state

    def test_an_addressable_one_may_be_reasoned_instead(self, story: Story) -> None:
        story.call(at(1), outcome="error")
        control = a_control("C1", "X-01", spec="A")
        self.signed(story, "C1", reasoning=True)

        result = judged(story, a_check("X-01", **CALLS), control=control)

        shown, stated = control_of(result, "C1").legs
        assert (shown.state, shown.shown_only) == ("fail", True)
        assert (stated.id, stated.state) == ("statement", "pass")
        assert result.numbers.assured == 100

    def test_a_required_one_may_not(self, story: Story) -> None:
        story.call(at(1), outcome="error")
        self.signed(story, "C1", reasoning=True)

        result = judged(story, a_check("X-01", **CALLS), control=a_control("C1", "X-01", spec="R"))

        assert control_of(result, "C1").state == "fail"

    def test_a_framework_with_a_gate_needs_a_system_it_applies_to(self, story: Story) -> None:
        story.call(at(1))
        fields = {"gate": "a system recorded as high-risk", "scope_flags": ("provider",)}
        control = a_control("C1", "X-01", flag="provider")
        before = judged(story, a_check("X-01", **CALLS), control=control, framework=fields)
        said = {"act": "applies", "decision": "d", "framework": "house", "asked_by": "alice"}
        story.person(
            "scope_decided",
            at(1),
            by="bob",
            **said | {"system": "loans", "role": "provider", "high_risk": True},
        )
        after = judged(story, a_check("X-01", **CALLS), control=control, framework=fields)

        assert before.not_in_force
        assert before.numbers.assured is None
        assert after.not_in_force == ""
        assert after.numbers.assured == 100


class TestPeriods:
    def both(self) -> tuple[Catalogue, Framework]:
        framework = a_framework(a_control("C1", "X-01"))
        return a_catalogue(a_check("X-01", **CALLS), framework=framework), framework

    def test_a_period_is_half_open(self, story: Story) -> None:
        story.call(at(1))
        story.call(at(2), outcome="error")

        one = leg_of(story.judged(*self.both(), first=0, days=2), "C1", "X-01")
        both = leg_of(story.judged(*self.both(), first=0, days=3), "C1", "X-01")

        assert (one.n, one.f) == (1, 0)
        assert (both.n, both.f) == (2, 1)

    def test_one_agent_and_one_environment_can_be_looked_at(self, story: Story) -> None:
        story.call(at(1), agent="bob-agent", outcome="error")
        story.call(at(1, hours=1))

        alone = story.judged(*self.both(), days=3, agent="alice-agent")
        elsewhere = story.judged(*self.both(), days=3, environment="staging")

        assert leg_of(alone, "C1", "X-01").state == "pass"
        assert leg_of(elsewhere, "C1", "X-01").state == "no_data"

    def test_a_period_without_days_is_none(self, story: Story) -> None:
        with pytest.raises(ValueError, match="at least one day"):
            story.judged(*self.both(), first=2, days=2)

    def test_the_same_entries_give_the_same_digest(self) -> None:
        results = []
        for _ in range(2):
            story = verified_story()
            story.call(at(1), outcome="error")
            results.append(story.judged(*self.both(), days=3))

        assert results[0] == results[1]
        assert digest_of(results[0]) == results[0].digest


class TestVerdict:
    def test_rows_that_contradict_themselves_are_an_error_and_no_pass(self) -> None:
        lens = Lens(id="0" * 32, check="X-01", kind="each", definition={})
        for n, f, pending in ((3, 4, 0), (3, -1, 0), (0, 0, -1)):
            tested = base.Tested(n=n, f=f, pending=pending)
            verdict = Verdict(tested=tested, n=n, f=f, by_agent={})

            state, reason, _ = verdict.state(lens)

            assert state == "error"
            assert "manage.py rebuild tallies" in reason

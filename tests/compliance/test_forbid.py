"""forbid: after this, that must not happen any more."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance.kinds.sightings import _add_day
from compliance.language.errors import DefinitionError
from tests.compliance.told import DAY, FIRST, HOUR, MINUTE, Told, told


def disable(ledger: Told, at: int, whom: str = "omar", **more: Any) -> int:
    return ledger.tell(
        "identity.account_disabled", at, category="identity", target__id=whom, **more
    )


def enable(ledger: Told, at: int, whom: str = "omar", **more: Any) -> int:
    return ledger.tell("identity.account_enabled", at, category="identity", target__id=whom, **more)


def act(ledger: Told, at: int, who: str = "omar", **more: Any) -> int:
    return ledger.tell("run.completed", at, category="action", actor__id=who, **more)


class TestIdentities:
    """IAM-07."""

    def test_a_ban_that_is_kept_holds(self) -> None:
        ledger = told("IAM-07")
        act(ledger, 0)
        disable(ledger, HOUR)
        act(ledger, 2 * HOUR, "alice")
        ledger.wait(DAY)

        assert ledger.counts() == (1, 0, 0)

    @pytest.mark.parametrize(("beyond", "failed"), [(0, 0), (1, 1)])
    def test_what_happens_after_it_violates_it(self, beyond: int, failed: int) -> None:
        ledger = told("IAM-07")
        banned = disable(ledger, HOUR)
        seq = act(ledger, HOUR + beyond)

        assert ledger.counts() == (1, failed, 0)
        assert list(ledger.items()) == [f"{banned}/{seq}"] * failed

    def test_without_an_exposure_there_is_nothing_to_tell(self) -> None:
        ledger = told("IAM-07")
        act(ledger, 0)

        assert ledger.counts() == (0, 0, 0)

    def test_an_act_that_did_not_succeed_violates_nothing(self) -> None:
        ledger = told("IAM-07")
        disable(ledger, 0)
        act(ledger, HOUR, outcome="denied")

        assert ledger.counts() == (1, 0, 0)

    @pytest.mark.parametrize(
        "field", [{"agent__id": "omar"}, {"auth__credential_id": "omar"}, {"actor__id": "omar"}]
    )
    def test_any_way_of_acting_counts(self, field: dict[str, str]) -> None:
        ledger = told("IAM-07")
        disable(ledger, 0)
        act(ledger, HOUR, **({"who": "someone"} | field) if "actor__id" not in field else {})

        assert ledger.tested().f == 1

    def test_a_ban_has_one_failing_item_a_day(self) -> None:
        ledger = told("IAM-07")
        banned = disable(ledger, 0)
        first = act(ledger, HOUR)
        for at in range(2, 20):
            act(ledger, at * HOUR)
        third = act(ledger, 2 * DAY + HOUR)

        assert list(ledger.items()) == [f"{banned}/{first}", f"{banned}/{third}"]
        assert ledger.counts() == (1, 1, 0)
        assert ledger.counts(1, first=1) == (1, 0, 0)
        assert ledger.counts(1, first=2) == (1, 1, 0)

    @pytest.mark.parametrize(("at", "failed"), [(2 * HOUR - 1, 1), (2 * HOUR, 0), (3 * HOUR, 0)])
    def test_an_until_ends_it(self, at: int, failed: int) -> None:
        ledger = told("IAM-07")
        disable(ledger, HOUR)
        enable(ledger, 2 * HOUR)
        act(ledger, at, received=4 * HOUR)

        assert ledger.counts() == (1, failed, 0)

    def test_an_until_at_the_same_moment_or_before_ends_nothing(self) -> None:
        ledger = told("IAM-07")
        enable(ledger, 0)
        disable(ledger, HOUR)
        enable(ledger, HOUR)
        act(ledger, 2 * HOUR)

        assert ledger.counts() == (1, 1, 0)

    def test_open_bans_are_carried_and_ended_ones_are_not(self) -> None:
        ledger = told("IAM-07")
        disable(ledger, 0)
        disable(ledger, 0, "paul")
        enable(ledger, DAY)
        ledger.wait(5 * DAY)

        assert ledger.counts(1) == (2, 0, 0)
        assert ledger.counts(1, first=1) == (2, 0, 0)
        assert ledger.counts(1, first=2) == (1, 0, 0)
        assert ledger.tested(1, first=2).carried == 1

    def test_an_until_that_comes_late_takes_violations_back(self) -> None:
        ledger = told("IAM-07")
        disable(ledger, 0)
        act(ledger, 5 * HOUR)
        failed = ledger.counts()
        enable(ledger, 4 * HOUR, received=6 * HOUR)

        assert failed == (1, 1, 0)
        assert ledger.counts() == (1, 0, 0)

    def test_an_earlier_until_that_comes_late_ends_it_then(self) -> None:
        ledger = told("IAM-07")
        disable(ledger, 0)
        enable(ledger, 3 * DAY)
        act(ledger, 2 * DAY, received=3 * DAY)
        before = ledger.counts(1, first=2)
        enable(ledger, DAY, received=4 * DAY)

        assert before == (1, 1, 0)
        assert ledger.counts(1, first=2) == (0, 0, 0)
        assert ledger.counts(5) == (1, 0, 0)

    def test_a_ban_that_comes_late_finds_what_was_done_since(self) -> None:
        ledger = told("IAM-07")
        acts = [act(ledger, at * HOUR) for at in range(1, 80)]
        banned = disable(ledger, 2 * HOUR, received=80 * HOUR)

        assert list(ledger.items()) == [
            f"{banned}/{acts[2]}",
            f"{banned}/{acts[23]}",
            f"{banned}/{acts[47]}",
            f"{banned}/{acts[71]}",
        ]
        assert all(item.is_restated for item in ledger.items().values())

    def test_a_ban_that_comes_late_knows_when_it_ended(self) -> None:
        ledger = told("IAM-07")
        act(ledger, HOUR)
        enable(ledger, 2 * HOUR)
        act(ledger, 3 * HOUR)
        disable(ledger, 90 * MINUTE, received=4 * HOUR)

        assert ledger.counts() == (1, 0, 0)

    def test_in_its_own_hour_a_late_ban_judges_by_what_is_certain(self) -> None:
        """The first and the last of an hour are known, and nothing in between."""
        ledger = told("IAM-07")
        for minute in (1, 30, 50):
            act(ledger, minute * MINUTE)
        disable(ledger, 20 * MINUTE, received=HOUR)
        disable(ledger, 55 * MINUTE, received=HOUR)

        assert ledger.counts() == (2, 1, 0)

    def test_an_earlier_violation_of_the_day_takes_the_place(self) -> None:
        ledger = told("IAM-07")
        banned = disable(ledger, 0)
        act(ledger, 5 * HOUR)
        earlier = act(ledger, HOUR, received=6 * HOUR)

        assert list(ledger.items()) == [f"{banned}/{earlier}"]

    def test_a_ban_belongs_to_its_environment_and_is_violated_in_any(self) -> None:
        ledger = told("IAM-07")
        disable(ledger, 0, agent__environment="staging")
        act(ledger, HOUR)

        assert ledger.counts(environment="staging") == (1, 1, 0)
        assert ledger.counts(environment="prod") == (0, 0, 0)


class TestTwice:
    """WF-03: a violation is an exposure of its own."""

    def call(self, ledger: Told, at: int, operation: str | None = "op-1", **more: Any) -> int:
        fields: dict[str, Any] = {"tool__side_effect": True, "trace__operation_id": operation}
        if operation is None:
            del fields["trace__operation_id"]
        return ledger.tell("tool.invoke", at, category="tool_call", **(fields | more))

    def test_an_operation_that_runs_once_holds(self) -> None:
        ledger = told("WF-03")
        for place in range(5):
            self.call(ledger, place, f"op-{place}")

        assert ledger.counts() == (5, 0, 0)

    def test_the_second_run_fails_the_first(self) -> None:
        ledger = told("WF-03")
        first = self.call(ledger, 0)
        second = self.call(ledger, 1)

        assert ledger.counts() == (2, 1, 0)
        assert list(ledger.items()) == [f"{first}/{second}"]

    def test_a_call_without_an_operation_cannot_be_told(self) -> None:
        ledger = told("WF-03")
        self.call(ledger, 0, None)
        self.call(ledger, 1, None)

        assert ledger.counts() == (0, 0, 0)

    def test_order_of_arrival_is_nothing(self) -> None:
        ledger = told("WF-03")
        second = self.call(ledger, 1)
        first = self.call(ledger, 0, received=2)

        assert list(ledger.items()) == [f"{first}/{second}"]

    def test_a_flood_of_one_operation_is_read_in_bounded_time(self) -> None:
        ledger = told("WF-03")
        for at in range(1500):
            self.call(ledger, at * MINUTE // 10)

        assert ledger.counts() == (1500, 1499, 0)

    def test_a_single_call_takes_two_slots(self) -> None:
        ledger = told("WF-03")
        self.call(ledger, 0)

        assert len(ledger.rows()["state"]) == 2


class TestDenied:
    """TOOL-03: only a person lifts the ban."""

    def test_a_denied_act_that_runs_fails_unless_a_person_granted_it(self) -> None:
        found = []
        for granted_by in (None, False, True):
            ledger = told("TOOL-03")
            trace: dict[str, Any] = {"trace__operation_id": "op-1"}
            ledger.tell("approval.denied", 0, category="decision", **trace)
            if granted_by is not None:
                ledger.tell("approval.granted", 1, category="decision", person=granted_by, **trace)
            ledger.tell("tool.invoke", 2, category="tool_call", **trace)
            found.append(ledger.counts())

        assert found == [(1, 1, 0), (1, 1, 0), (1, 0, 0)]


class TestConsent:
    """PD-03: variants, a grace, ties of many values."""

    def withdraw(self, ledger: Told, at: int, **more: Any) -> int:
        fields: dict[str, Any] = {
            "data__subject_ids": ["s1", "s2"],
            "data__purpose": "marketing",
        }
        return ledger.tell("consent.withdrawn", at, **(fields | more))

    def use(self, ledger: Told, at: int, **more: Any) -> int:
        fields: dict[str, Any] = {
            "data__subject_ids": ["s2", "s9"],
            "data__purpose": "marketing",
            "data__legal_basis": "consent",
        }
        return ledger.tell("data.read", at, category="data_access", **(fields | more))

    @pytest.mark.parametrize(("at", "failed"), [(DAY, 0), (DAY + 1, 1)])
    def test_there_is_a_day_to_stop(self, at: int, failed: int) -> None:
        ledger = told("PD-03")
        self.withdraw(ledger, 0)
        self.use(ledger, at)

        assert ledger.counts() == (1, failed, 0)

    def test_other_people_purposes_and_grounds_are_free(self) -> None:
        ledger = told("PD-03")
        self.withdraw(ledger, 0)
        self.use(ledger, 2 * DAY, data__subject_ids=["s9"])
        self.use(ledger, 2 * DAY, data__purpose="support")
        self.use(ledger, 2 * DAY, data__legal_basis="contract")

        assert ledger.counts() == (1, 0, 0)

    def test_a_restriction_forbids_on_other_grounds(self) -> None:
        ledger = told("PD-03")
        ledger.tell("restriction.applied", 0, data__subject_ids=["s1"], person=True)
        self.use(ledger, 2 * DAY, data__subject_ids=["s1"])
        consented = ledger.counts()
        self.use(ledger, 2 * DAY, data__subject_ids=["s1"], data__legal_basis="contract")

        assert consented == (1, 0, 0)
        assert ledger.counts() == (1, 1, 0)

    def test_an_exposure_of_no_variant_fails(self) -> None:
        rule = {"violates": {"later": ["action", "eq", "run.completed"]}}
        ledger = Told(
            "forbid",
            {
                "population": ["action", "eq", "agent.retired"],
                "variants": [{"when": ["severity", "eq", "high"], **rule}],
            },
        )
        ledger.tell("agent.retired", 0, category="agent_lifecycle")

        assert ledger.counts() == (1, 1, 0)

    def test_a_variant_that_its_population_cannot_open_is_looked_for_nowhere(self) -> None:
        def variant(exposure: str, violation: str) -> dict[str, Any]:
            later = {"all": [["action", "eq", violation], ["case.id", "eq", "@case.id"]]}
            return {"when": ["action", "eq", exposure], "violates": {"later": later}}

        opened = variant("consent.withdrawn", "message.sent")
        never = variant("objection.upheld", "data.read")
        ledger = Told(
            "forbid",
            {"population": ["action", "eq", "consent.withdrawn"], "variants": [never, opened]},
        )
        ledger.tell("data.read", 0, case__id="c-1")
        nothing_kept = ledger.memory.dump()["state"]
        banned = ledger.tell("consent.withdrawn", 1, case__id="c-1")
        ledger.tell("data.read", 2, case__id="c-1")
        seq = ledger.tell("message.sent", 3, case__id="c-1")

        assert nothing_kept == []
        # A variant keeps its number, whatever is left out before it.
        assert list(ledger.items()) == [f"{banned}/2/{seq}"]


def test_it_goes_by_occurred_at_alone() -> None:
    with pytest.raises(DefinitionError):
        told("IAM-07", clock="received_at")


@given(st.lists(st.integers(0, 30), max_size=30))
def test_ranges_hold_exactly_the_days_that_were_added(days: list[int]) -> None:
    ranges: list[list[int]] = []
    for day in days:
        _add_day(ranges, day)

    assert [day for start, end in ranges for day in range(start, end + 1)] == sorted(set(days))
    assert all(end + 1 < ranges[place + 1][0] for place, (_, end) in enumerate(ranges[:-1]))


STORY = st.lists(
    st.tuples(
        st.sampled_from(["act", "act", "act", "disable", "enable"]),
        st.integers(0, 5 * 24),
        st.sampled_from(["omar", "paul"]),
    ),
    max_size=25,
    unique_by=lambda step: step[1],
)


@settings(max_examples=120, deadline=None)
@given(STORY, st.integers(0, 2**32))
def test_any_order_and_any_stop_finds_what_the_rule_says(
    story: list[tuple[str, int, str]], seed: int
) -> None:
    """One step an hour at most, so that first and last of an hour are all there is."""
    shuffled = [*story]
    Random(seed).shuffle(shuffled)

    def run(order: list[tuple[str, int, str]], *, resumes: bool) -> Told:
        ledger = told("IAM-07")
        ledger.resumes = resumes
        for verb, at, who in order:
            {"act": act, "disable": disable, "enable": enable}[verb](
                ledger, at * HOUR, who, received=6 * DAY
            )
        return ledger

    once = run(shuffled, resumes=False)
    assert run(shuffled, resumes=True).rows() == once.rows()
    for first in range(6):
        assert once.counts(1, first=first) == expected(story, first)


def expected(story: list[tuple[str, int, str]], day: int) -> tuple[int, int, int]:
    """The rule, word for word, for one day."""
    n = f = 0
    for verb, began, who in story:
        if verb != "disable":
            continue
        until = min(
            (at for verb, at, whom in story if verb == "enable" and whom == who and at > began),
            default=10**6,
        )
        if began // 24 <= day <= until // 24:
            n += 1
            f += any(
                verb == "act" and whom == who and began < at < until and at // 24 == day
                for verb, at, whom in story
            )
    return n, f, 0


def test_rows_are_plain_json() -> None:
    ledger = told("PD-03")
    TestConsent().withdraw(ledger, 0)
    TestConsent().use(ledger, 2 * DAY)

    assert json.dumps(ledger.rows())
    assert next(iter(ledger.items().values())).day == FIRST + 2

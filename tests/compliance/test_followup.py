"""followup: what happened must be followed by something, in time."""

from __future__ import annotations

from typing import Any

import pytest

from compliance.language.errors import DefinitionError
from tests.compliance.told import DAY, FIRST, HOUR, MONDAY, Told, told


def start(ledger: Told, at: int, run: str = "r1", **more: Any) -> int:
    return ledger.tell("workflow.started", at, category="workflow", workflow__run_id=run, **more)


def end(ledger: Told, at: int, run: str = "r1", **more: Any) -> int:
    return ledger.tell("workflow.completed", at, category="workflow", workflow__run_id=run, **more)


class TestRuns:
    """WF-01: within 24 h, no people."""

    def test_what_is_followed_in_time_holds_and_is_forgotten(self) -> None:
        ledger = told("WF-01")
        start(ledger, 0)
        end(ledger, HOUR)
        ledger.wait(2 * DAY)

        assert ledger.counts() == (1, 0, 0)
        assert not ledger.rows()["state"]
        assert not ledger.items("pending")

    def test_until_then_it_is_pending_with_a_due_time(self) -> None:
        ledger = told("WF-01")
        seq = start(ledger, HOUR)

        assert ledger.counts() == (0, 0, 1)
        assert ledger.items("pending")[str(seq)].due == MONDAY + 25 * HOUR

    @pytest.mark.parametrize(("beyond", "expected"), [(0, (0, 0, 1)), (1, (1, 1, 0))])
    def test_it_fails_when_the_clock_has_passed_its_deadline(
        self, beyond: int, expected: tuple[int, int, int]
    ) -> None:
        ledger = told("WF-01")
        start(ledger, 0)
        ledger.wait(DAY + beyond)

        assert ledger.counts() == expected

    def test_it_fails_on_the_day_of_its_deadline(self) -> None:
        ledger = told("WF-01")
        seq = start(ledger, HOUR)
        ledger.wait(3 * DAY)

        assert ledger.counts(1) == (0, 0, 1)  # pending at the end of the first day
        assert ledger.counts(1, first=1) == (1, 1, 0)
        assert ledger.items()[str(seq)].day == FIRST + 1

    @pytest.mark.parametrize(("beyond", "failed"), [(0, 0), (1, 1)])
    def test_a_match_at_the_deadline_is_in_time_however_late_it_arrives(
        self, beyond: int, failed: int
    ) -> None:
        ledger = told("WF-01")
        start(ledger, 0)
        ledger.wait(5 * DAY)
        before = ledger.counts()
        end(ledger, DAY + beyond, received=5 * DAY)

        assert before == (1, 1, 0)
        assert ledger.counts() == (1, failed, 0)

    def test_a_late_match_moves_the_end_of_waiting_as_well(self) -> None:
        ledger = told("WF-01")
        start(ledger, 0)
        ledger.wait(5 * DAY)
        end(ledger, HOUR, received=5 * DAY)

        assert ledger.counts(1) == (1, 0, 0)
        assert ledger.counts(2, first=1) == (0, 0, 0)

    def test_what_came_too_late_is_named_beside_the_failure(self) -> None:
        ledger = told("WF-01")
        seq = start(ledger, 0)
        ledger.wait(2 * DAY)
        late = end(ledger, 2 * DAY)

        assert ledger.items()[str(seq)].other_seq == late

    def test_another_run_decides_nothing(self) -> None:
        ledger = told("WF-01")
        start(ledger, 0)
        end(ledger, HOUR, run="r2")

        assert ledger.counts() == (0, 0, 1)

    def test_an_event_without_the_tie_can_be_answered_by_nothing(self) -> None:
        ledger = told("WF-01")
        ledger.tell("workflow.started", 0, category="workflow")
        ledger.tell("workflow.completed", 1, category="workflow")
        ledger.wait(2 * DAY)

        assert ledger.counts() == (1, 1, 0)

    def test_a_match_that_was_chained_before_is_none(self) -> None:
        ledger = told("WF-01")
        end(ledger, HOUR)
        start(ledger, 0, received=2 * HOUR)

        assert ledger.counts() == (0, 0, 1)

    def test_matches_of_any_environment_count_for_the_event_in_its_own(self) -> None:
        ledger = told("WF-01")
        start(ledger, 0, agent__environment="staging")
        end(ledger, HOUR)

        assert ledger.counts(environment="staging") == (1, 0, 0)
        assert ledger.counts(environment="prod") == (0, 0, 0)


def detect(ledger: Told, at: int, severity: str = "high", **more: Any) -> int:
    return ledger.tell("incident.detected", at, case__id="I1", severity=severity, **more)


def triage(ledger: Told, at: int, **more: Any) -> int:
    return ledger.tell("incident.triaged", at, case__id="I1", **({"person": True} | more))


class TestPeople:
    """INC-01: people's acts must arrive in time, too."""

    @pytest.mark.parametrize(
        ("received", "failed"), [(5 * HOUR, 0), (5 * HOUR + 1, 1), (3 * HOUR, 0)]
    )
    def test_an_act_counts_when_it_arrived_within_an_hour_of_the_deadline(
        self, received: int, failed: int
    ) -> None:
        ledger = told("INC-01")
        detect(ledger, 0)
        triage(ledger, 3 * HOUR, received=received)
        ledger.wait(2 * DAY)

        assert ledger.counts() == (1, failed, 0)

    def test_history_is_believed_where_both_sides_are_history(self) -> None:
        ledger = told("INC-01")
        ledger.wait(9 * DAY)
        detect(ledger, 0, received=9 * DAY, backfill=True)
        failed = ledger.counts()
        triage(ledger, HOUR, received=9 * DAY, backfill=True)

        assert failed == (1, 1, 0)
        assert ledger.counts() == (1, 0, 0)

    def test_an_agent_cannot_act_as_a_person(self) -> None:
        ledger = told("INC-01")
        detect(ledger, 0)
        triage(ledger, HOUR, person=False, actor__type="human")

        assert ledger.counts() == (0, 0, 1)

    @pytest.mark.parametrize(
        ("severity", "hours"), [("critical", 4), ("medium", 24), ("low", 72), ("unheard-of", 4)]
    )
    def test_the_limit_goes_by_severity_and_unknown_ones_have_the_shortest(
        self, severity: str, hours: int
    ) -> None:
        ledger = told("INC-01")
        seq = detect(ledger, 0, severity)

        assert ledger.items("pending")[str(seq)].due == MONDAY + hours * HOUR


class TestOwnConditions:
    """pass_when, pass_now_when."""

    def test_what_must_say_it_itself_and_does_not_fails_at_once(self) -> None:
        ledger = told("IAM-12")
        ledger.tell("auth.break_glass", 0, category="authentication", target__id="db")

        assert ledger.counts() == (1, 1, 0)

    def test_what_says_it_still_needs_its_match(self) -> None:
        ledger = told("IAM-12")
        seq = ledger.tell(
            "auth.break_glass", 0, category="authentication", reason="the database is down"
        )
        waiting = ledger.counts()
        ledger.tell(
            "access_review.completed",
            HOUR,
            person=True,
            case__subject_event=f"00000000-0000-7000-8000-{seq:012x}",
        )

        assert waiting == (0, 0, 1)
        assert ledger.counts() == (1, 0, 0)

    def test_who_broke_the_glass_cannot_review_it(self) -> None:
        ledger = told("IAM-12")
        seq = ledger.tell(
            "auth.break_glass", 0, category="authentication", reason="x", actor__id="alice"
        )
        ledger.tell(
            "access_review.completed",
            HOUR,
            person=True,
            case__subject_event=f"00000000-0000-7000-8000-{seq:012x}",
        )

        assert ledger.counts() == (0, 0, 1)

    def test_what_was_blocked_needs_no_match(self) -> None:
        ledger = told("AI-01")
        ledger.tell(
            "guardrail.triggered",
            0,
            category="decision",
            guardrail__type="malware",
            guardrail__effect="blocked",
        )

        assert ledger.counts() == (1, 0, 0)


class TestEitherSide:
    """order: any."""

    def leave(self, ledger: Told, at: int, **more: Any) -> int:
        return ledger.tell(
            "identity.offboarded", at, category="identity", target__id="omar", **more
        )

    def disable(self, ledger: Told, at: int, **more: Any) -> int:
        return ledger.tell(
            "identity.account_disabled", at, category="identity", target__id="omar", **more
        )

    def test_a_match_before_or_after_holds(self) -> None:
        for order in ((self.leave, self.disable), (self.disable, self.leave)):
            ledger = told("IAM-06")
            order[0](ledger, 0)
            order[1](ledger, HOUR)
            ledger.wait(3 * DAY)

            assert ledger.counts() == (1, 0, 0)

    def test_a_match_before_that_does_not_fit_does_not(self) -> None:
        ledger = told("IAM-06")
        self.disable(ledger, 0, outcome="failure")
        self.leave(ledger, HOUR)

        assert ledger.counts() == (0, 0, 1)

    def test_equal_matches_take_one_place(self) -> None:
        ledger = told("IAM-06")
        for at in range(50):
            self.disable(ledger, at)
        (row,) = ledger.rows()["state"]

        assert len(row[2]) == 1


@pytest.mark.parametrize(
    "more",
    [{"clock": "received_at"}, {"match_each": []}, {"within": "soon"}, {"extend": {"when": {}}}],
)
def test_what_it_does_not_know_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError):
        told("WF-01", **more)

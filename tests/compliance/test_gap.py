"""gap: entries of one series that lie too far apart, and numbers that are not there."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance.kinds.gap import Gap
from compliance.language.conditions import Closed
from compliance.language.errors import DefinitionError
from tests.compliance.told import DAY, FIRST, HOUR, MINUTE, Told, record_of, retold, told


def numbered(**more: Any) -> Told:
    return told("LOG-03", **more)


def say(ledger: Told, number: int, at: int, **more: Any) -> int:
    return ledger.tell(
        "run.completed",
        at,
        category="action",
        client_seq=number,
        agent__instance_id=more.pop("instance", "i1"),
        **more,
    )


class TestNumbers:
    """count_missing."""

    def test_numbers_in_order_hold(self) -> None:
        ledger = numbered()
        for number in range(1, 6):
            say(ledger, number, number * MINUTE)

        assert ledger.counts() == (5, 0, 0)

    def test_each_missing_number_is_a_failure_in_one_row(self) -> None:
        ledger = numbered()
        say(ledger, 1, 0)
        seq = say(ledger, 1002, MINUTE)
        ledger.wait(2 * HOUR)

        assert ledger.counts() == (1002, 1000, 0)
        assert {key: item.weight for key, item in ledger.items().items()} == {"bot/i1/2-1001": 1000}
        assert ledger.items()["bot/i1/2-1001"].seq == seq

    def test_a_hole_of_two_to_the_fifty_is_one_row(self) -> None:
        ledger = numbered()
        say(ledger, 1, 0)
        say(ledger, 2**50 + 2, MINUTE)
        ledger.wait(2 * HOUR)
        middle = 2**49
        say(ledger, middle, 3 * HOUR)

        tested = ledger.tested()
        assert (tested.n, tested.f) == (2**50 + 2, 2**50 - 1)
        assert list(ledger.items()) == [
            f"bot/i1/2-{middle - 1}",
            f"bot/i1/{middle + 1}-{2**50 + 1}",
        ]

    @pytest.mark.parametrize(("beyond", "expected"), [(0, (2, 0, 1)), (1, (3, 1, 0))])
    def test_a_hole_is_decided_when_the_clock_has_passed_its_settling(
        self, beyond: int, expected: tuple[int, int, int]
    ) -> None:
        ledger = numbered()
        say(ledger, 1, 0)
        say(ledger, 3, MINUTE)
        ledger.wait(MINUTE + HOUR + beyond)

        assert ledger.counts() == expected
        assert list(ledger.items("fail" if beyond else "pending")) == ["bot/i1/2-2"]

    def test_what_arrives_out_of_order_in_time_fails_nothing(self) -> None:
        ledger = numbered()
        for place, number in enumerate([1, 4, 2, 3, 5]):
            say(ledger, number, place * MINUTE)
        ledger.wait(5 * HOUR)

        assert ledger.counts() == (5, 0, 0)
        assert not ledger.items("pending")

    def test_what_arrives_after_all_mends_its_hole(self) -> None:
        ledger = numbered()
        say(ledger, 1, 0)
        say(ledger, 6, MINUTE)
        ledger.wait(5 * HOUR)
        before = ledger.counts()
        say(ledger, 4, 3 * DAY)

        assert before == (6, 4, 0)
        assert ledger.counts() == (6, 3, 0)
        assert list(ledger.items()) == ["bot/i1/2-3", "bot/i1/5-5"]
        assert all(item.is_restated for item in ledger.items().values())
        assert all(item.day == FIRST for item in ledger.items().values())

    def test_a_number_before_the_first_moves_the_first(self) -> None:
        ledger = numbered()
        say(ledger, 5, 0)
        say(ledger, 2, MINUTE)
        ledger.wait(5 * HOUR)

        assert ledger.counts() == (4, 2, 0)

    def test_a_number_twice_counts_once(self) -> None:
        ledger = numbered()
        for number in (1, 2, 2, 1, 3):
            say(ledger, number, number * MINUTE)

        assert ledger.counts() == (3, 0, 0)

    def test_instances_and_agents_are_apart(self) -> None:
        ledger = numbered()
        for instance in ("i1", "i2"):
            say(ledger, 1, 0, instance=instance)
            say(ledger, 2, MINUTE, instance=instance)
        say(ledger, 7, MINUTE, agent__id="other")

        assert ledger.counts() == (5, 0, 0)
        assert ledger.tested().by_agent == {"bot": (4, 0), "other": (1, 0)}

    def test_events_without_a_number_say_nothing(self) -> None:
        ledger = numbered()
        ledger.tell("run.completed", 0, category="action", agent__instance_id="i1")

        assert ledger.counts() == (0, 0, 0)

    def test_it_goes_by_arrival_and_looks_at_every_environment(self) -> None:
        ledger = numbered()
        say(ledger, 1, 0, received=2 * DAY)
        say(ledger, 2, 0, received=2 * DAY, agent__environment="staging")

        assert ledger.counts(1) == (0, 0, 0)
        assert ledger.counts(1, first=2, environment="prod") == (2, 0, 0)

    def test_a_ledger_without_a_hole_holds_and_belongs_to_no_agent(self) -> None:
        ledger = told("LOG-02")
        for at in range(4):
            ledger.tell("run.completed", at, category="action", agent__id=f"agent-{at}")
        before = ledger.tested()
        ledger.tell("run.completed", 5, category="action", seq=9)

        assert (before.n, before.f, before.by_agent) == (4, 0, {"": (4, 0)})
        assert ledger.counts() == (9, 4, 0)
        assert list(ledger.items()) == ["main/5-8"]

    def test_a_flood_of_holes_keeps_every_slot_small(self) -> None:
        ledger = numbered()
        for number in range(0, 4000, 2):
            say(ledger, number, number * MINUTE // 1000)
        ledger.wait(2 * HOUR)

        assert ledger.counts() == (3999, 1999, 0)
        assert max(len(json.dumps(row)) for row in ledger.rows()["state"]) < 500

    @settings(max_examples=80, deadline=None)
    @given(st.lists(st.integers(1, 40), min_size=1, max_size=30), st.integers(0, 2**32))
    def test_any_order_and_any_stop_counts_the_same(self, numbers: list[int], seed: int) -> None:
        def count(order: list[int], *, resumes: bool) -> tuple[Told, Any]:
            ledger = numbered()
            ledger.resumes = resumes
            for place, number in enumerate(order):
                say(ledger, number, place * 7 * MINUTE)
            ledger.wait(30 * DAY)
            return ledger, ledger.counts()

        shuffled = [*numbers]
        Random(seed).shuffle(shuffled)
        once, plain = count(numbers, resumes=False)
        pieces, stopped = count(numbers, resumes=True)
        _, other = count(shuffled, resumes=False)

        expected = max(numbers) - min(numbers) + 1
        assert plain == (expected, expected - len(set(numbers)), 0)
        assert stopped == other == plain
        assert once.rows() == pieces.rows()
        missing = sum(item.weight for item in once.items().values())
        assert missing == plain[1]
        slots = {name: value for _, name, value, _ in once.rows()["state"]}
        holes = [name for name in slots if name.startswith("h/")]
        assert [value[2] for name, value in slots.items() if name.startswith("s/")] == [len(holes)]

    @pytest.mark.parametrize(
        "more",
        [
            {"max_gap": 2},
            {"tail": True},
            {"measure": "occurred_at"},
            {"active": {"from": "agent.started", "to": ["agent.stopped"]}},
        ],
    )
    def test_what_cannot_be_counted_is_refused(self, more: dict[str, Any]) -> None:
        with pytest.raises(DefinitionError):
            numbered(**more)


def beat(ledger: Told, at: int, action: str = "agent.heartbeat", **more: Any) -> int:
    return ledger.tell(action, at, category="agent_lifecycle", agent__instance_id="i1", **more)


class TestSilence:
    """MON-01: by arrival, active from start to stop, with a tail."""

    def test_an_agent_that_is_heard_holds(self) -> None:
        ledger = told("MON-01")
        beat(ledger, 0, "agent.started")
        for place in range(1, 4):
            beat(ledger, place * 10 * MINUTE)
        beat(ledger, 40 * MINUTE, "agent.stopped")
        ledger.wait(DAY)

        assert ledger.counts() == (4, 0, 0)

    @pytest.mark.parametrize(("beyond", "failed"), [(0, 0), (1, 1)])
    def test_the_limit_itself_is_in_time(self, beyond: int, failed: int) -> None:
        ledger = told("MON-01")
        beat(ledger, 0, "agent.started")
        beat(ledger, 15 * MINUTE + beyond)

        assert ledger.counts() == (1, failed, 0)

    def test_the_tail_fails_on_the_day_its_limit_ran_out_and_once(self) -> None:
        ledger = told("MON-01")
        started = beat(ledger, DAY - 5 * MINUTE, "agent.started")
        ledger.wait(3 * DAY)
        alone = ledger.counts()
        beat(ledger, 4 * DAY)

        assert alone == ledger.counts() == (1, 1, 0)
        item = ledger.items()[f"{started}/tail"]
        assert (item.day, item.due) == (FIRST + 1, (FIRST + 1) * DAY + 10 * MINUTE)

    def test_before_the_start_and_after_the_stop_silence_is_nothing(self) -> None:
        ledger = told("MON-01")
        beat(ledger, 0)
        beat(ledger, 2 * HOUR, "agent.started")
        beat(ledger, 2 * HOUR + MINUTE, "agent.stopped")
        beat(ledger, 9 * HOUR, "agent.started")
        beat(ledger, 9 * HOUR + MINUTE)

        assert ledger.counts() == (2, 0, 0)

    def test_an_agent_that_never_started_cannot_be_judged(self) -> None:
        ledger = told("MON-01")
        for place in range(3):
            beat(ledger, place * HOUR)

        assert ledger.counts() == (0, 0, 0)
        assert not ledger.rows()["state"] or len(ledger.rows()["state"]) == 0

    def test_a_start_from_history_begins_nothing(self) -> None:
        ledger = told("MON-01")
        beat(ledger, -DAY, "agent.started", received=0, backfill=True)
        ledger.wait(HOUR)

        assert ledger.counts() == (0, 0, 0)

    def test_arrival_that_steps_back_is_no_distance(self) -> None:
        ledger = told("MON-01")
        beat(ledger, 0, "agent.started", received=MINUTE)
        beat(ledger, 0, received=0)
        beat(ledger, 0, received=16 * MINUTE)

        assert ledger.counts() == (2, 0, 0)

    def test_environments_are_series_of_their_own(self) -> None:
        ledger = told("MON-01")
        beat(ledger, 0, "agent.started")
        beat(ledger, 0, "agent.started", agent__environment="staging")
        for place in range(1, 4):
            beat(ledger, place * 10 * MINUTE)

        assert ledger.counts() == (4, 1, 0)


def rotate(ledger: Told, at: int, action: str = "credential.rotated", **more: Any) -> int:
    return ledger.tell(
        action,
        at,
        category="identity",
        target__type="credential",
        target__id=more.pop("credential", "c1"),
        **more,
    )


class TestTimes:
    """IAM-08 and IAM-11: by occurred_at, where a late entry splits its pair."""

    def test_a_credential_that_is_rotated_in_time_holds(self) -> None:
        ledger = told("IAM-08")
        rotate(ledger, 0, "credential.issued")
        rotate(ledger, 80 * DAY)
        ledger.wait(100 * DAY)

        assert ledger.counts(400) == (1, 0, 0)

    def test_one_that_is_not_fails_on_the_day_its_limit_ran_out(self) -> None:
        ledger = told("IAM-08")
        issued = rotate(ledger, 0, "credential.issued")
        ledger.wait(100 * DAY)

        assert ledger.counts(400) == (1, 1, 0)
        assert ledger.items()[f"{issued}/tail"].day == FIRST + 90

    def test_a_rotation_that_is_reported_late_takes_the_failure_back(self) -> None:
        ledger = told("IAM-08")
        rotate(ledger, 0, "credential.issued")
        ledger.wait(100 * DAY)
        rotate(ledger, 50 * DAY, received=101 * DAY)

        assert ledger.counts(400) == (1, 0, 0)
        assert not ledger.items()

    def test_a_revocation_ends_it_whenever_it_is_reported(self) -> None:
        ledger = told("IAM-08")
        rotate(ledger, 0, "credential.issued")
        ledger.wait(100 * DAY)
        failed = ledger.counts(400)
        rotate(ledger, 10 * DAY, "credential.revoked", received=101 * DAY)
        ledger.wait(300 * DAY)

        assert failed == (1, 1, 0)
        assert ledger.counts(400) == (0, 0, 0)

    def test_a_late_start_makes_pairs_of_what_came_before_it_arrived(self) -> None:
        ledger = told("IAM-08")
        rotate(ledger, 10 * DAY)
        rotate(ledger, 200 * DAY)
        before = ledger.counts(400)
        rotate(ledger, 0, "credential.issued", received=201 * DAY)

        assert before == (0, 0, 0)
        assert ledger.counts(400) == (2, 1, 0)

    def test_a_session_without_a_tail_is_judged_between_its_acts_only(self) -> None:
        ledger = told("IAM-11", tail=False)
        person: dict[str, Any] = {"person": True, "actor__session_id": "s1"}
        ledger.tell("auth.login", 0, category="authentication", **person)
        ledger.tell("data.read", 20 * MINUTE, category="data_access", **person)
        before = ledger.counts()
        ledger.tell(
            "data.read", 10 * MINUTE, category="data_access", received=30 * MINUTE, **person
        )
        ledger.wait(DAY)

        assert before == (1, 1, 0)
        assert ledger.counts() == (2, 0, 0)

    def test_a_long_series_is_kept_in_pages(self) -> None:
        ledger = told("IAM-11", tail=False)
        person: dict[str, Any] = {"person": True, "actor__session_id": "s1"}
        ledger.tell("auth.login", 0, category="authentication", **person)
        places = list(range(1, 2000))
        Random(4).shuffle(places)
        for place in places:
            ledger.tell(
                "data.read", place * MINUTE, category="data_access", received=2 * DAY, **person
            )

        assert ledger.counts() == (1999, 0, 0)
        assert max(len(json.dumps(row)) for row in ledger.rows()["state"]) < 60_000

    @pytest.mark.parametrize("more", [{"settle": "PT1H"}, {"measure": "seq"}, {"max_gap": "soon"}])
    def test_modifiers_that_do_not_go_together_are_refused(self, more: dict[str, Any]) -> None:
        with pytest.raises(DefinitionError):
            told("IAM-08", **more)

    def test_a_number_that_is_measured_has_a_limit_in_numbers(self) -> None:
        definition = {
            "population": {"all": []},
            "key": ["agent.id"],
            "measure": "data.record_count",
            "max_gap": 10,
        }
        ledger = Told("gap", definition)
        for count in (1, 30, 11, 20, None, 41):
            ledger.tell("data.read", 0, category="data_access", data__record_count=count)

        assert ledger.counts() == (4, 1, 0)  # 1, 11, 20, 30 and 41


EVENTS = st.lists(
    st.tuples(st.integers(0, 60), st.sampled_from(["rotated", "rotated", "issued", "revoked"])),
    max_size=14,
)


@settings(max_examples=120, deadline=None)
@given(EVENTS, st.integers(0, 2**32), st.booleans())
def test_by_occurred_at_any_order_and_any_stop_counts_the_same(
    events: list[tuple[int, str]], seed: int, tail: bool
) -> None:
    """Each at a time of its own: two at the same microsecond are ordered by their seq."""
    events = [(at * 60 + place, verb) for place, (at, verb) in enumerate(events)]
    shuffled = [*sorted(events)]
    Random(seed).shuffle(shuffled)

    def run(order: list[tuple[int, str]], *, resumes: bool) -> Told:
        ledger = told("IAM-08", max_gap="PT6H", tail=tail)
        ledger.resumes = resumes
        ledger.wait(61 * HOUR)
        for at, verb in order:
            rotate(ledger, at * MINUTE, f"credential.{verb}", received=61 * HOUR)
        ledger.wait(90 * HOUR)
        return ledger

    once = run(sorted(events), resumes=False)
    assert run(sorted(events), resumes=True).rows() == once.rows()
    assert run(shuffled, resumes=False).decided() == once.decided()
    assert once.counts(400)[:2] == expected(sorted(events), 6 * 60, tail)


def expected(events: list[tuple[int, str]], limit: int, tail: bool) -> tuple[int, int]:
    """The rule, word for word, over the whole series."""
    active = False
    n = f = 0
    for place, (at, verb) in enumerate(events):
        following = events[place + 1] if place + 1 < len(events) else None
        active = verb != "revoked" and (active or verb == "issued")
        if not active:
            continue
        if following is None:
            n, f = n + tail, f + tail
        elif following[0] - at > limit:
            failed = tail or following[1] != "revoked"
            n, f = n + failed, f + failed
        elif following[1] != "revoked":
            n += 1
    return n, f


def test_a_lens_sees_the_actions_that_end_its_activity() -> None:
    kind = Gap(told("IAM-08").lens.definition)
    verbs = ("issued", "rotated", "revoked")

    assert all(kind.actions(Closed({f"credential.{verb}": "identity"})) for verb in verbs)


def test_records_of_a_seq_are_read_once() -> None:
    ledger = told("LOG-02")
    records = [(seq, record_of("run.completed", seq, category="action", seq=seq)) for seq in (1, 2)]
    retold(ledger, records)
    with pytest.raises(ValueError, match="go up by seq"):
        retold(ledger, records)

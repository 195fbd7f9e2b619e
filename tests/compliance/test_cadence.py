"""cadence: a match in every stretch of time, judged day by day."""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.compliance.told import DAY, FIRST, HOUR, MINUTE, Told, record_of, retold, told

DAILY = {
    "match": ["action", "eq", "backup.completed"],
    "every": "P1D",
}


def ledger_of(days: int, **more: object) -> Told:
    """A ledger that is born on the first day; what the story says of later days is told by it."""
    ledger = Told("cadence", DAILY | more)
    ledger.wait(0)
    return ledger


def test_a_match_on_every_day_holds() -> None:
    ledger = ledger_of(3)
    for day in range(3):
        ledger.tell("backup.completed", day * DAY + HOUR)
    ledger.wait(3 * DAY)

    assert ledger.counts(3) == (3, 0, 0)


def test_a_day_without_a_match_fails_and_says_which() -> None:
    ledger = ledger_of(3)
    ledger.tell("backup.completed", HOUR)
    ledger.tell("backup.completed", 2 * DAY + HOUR)
    ledger.wait(3 * DAY)

    tested = ledger.tested(3)
    assert (tested.n, tested.f, tested.pending) == (3, 1, 0)
    assert [item.item for item in tested.failing] == ["2026-09-08"]
    assert tested.by_agent == {"": (3, 1)}


def test_a_day_that_is_not_over_is_pending_until_it_holds_a_match() -> None:
    ledger = ledger_of(2)
    ledger.tell("backup.completed", HOUR)
    ledger.wait(DAY + HOUR)
    before = ledger.counts(2)
    ledger.tell("backup.completed", DAY + 2 * HOUR)

    assert before == (1, 0, 1)
    assert ledger.counts(2) == (2, 0, 0)


def test_a_match_at_midnight_belongs_to_the_day_that_ends_then() -> None:
    ledger = ledger_of(2)
    ledger.tell("backup.completed", DAY)
    ledger.wait(2 * DAY)

    tested = ledger.tested(2)
    assert (tested.n, tested.f) == (2, 1)
    assert [item.day for item in tested.failing] == [FIRST + 1]


@pytest.mark.parametrize(("beyond", "failed"), [(0, 1), (1, 0)])
def test_the_window_is_open_at_its_start(beyond: int, failed: int) -> None:
    """(end - every, end]: exactly `every` before the end of the day is too old by nothing."""
    ledger = Told("cadence", DAILY | {"every": "PT36H"})
    ledger.wait(-10 * DAY)
    ledger.tell("backup.completed", 2 * DAY - 36 * HOUR + beyond)
    ledger.wait(2 * DAY)

    assert ledger.counts(1, first=1) == (1, failed, 0)


@pytest.mark.parametrize(("born", "expected"), [(0, (1, 1, 0)), (1, (0, 0, 1))])
def test_a_ledger_younger_than_the_interval_cannot_tell(
    born: int, expected: tuple[int, int, int]
) -> None:
    ledger = Told("cadence", DAILY | {"every": "P2D"})
    ledger.wait(born)
    ledger.wait(3 * DAY)

    assert ledger.counts(1, first=1) == expected


def test_a_young_ledger_that_holds_a_match_already_passes() -> None:
    ledger = Told("cadence", DAILY | {"every": "P90D"})
    ledger.wait(HOUR)
    ledger.tell("backup.completed", 2 * HOUR)
    ledger.wait(3 * DAY)

    assert ledger.counts(3) == (3, 0, 0)


def test_no_period_before_the_ledger_counts() -> None:
    ledger = Told("cadence", DAILY)
    ledger.wait(10 * DAY + HOUR)
    ledger.wait(12 * DAY)

    assert ledger.counts(12) == (1, 1, 1)  # the first day was not whole: it cannot be told


def test_a_match_before_the_span_counts_and_is_design_only() -> None:
    ledger = Told("cadence", DAILY | {"every": "P90D"})
    ledger.wait(-5 * DAY)
    ledger.tell("backup.completed", -4 * DAY)
    ledger.wait(3 * DAY)

    tested = ledger.tested(3)
    assert (tested.n, tested.f) == (3, 0)
    assert tested.design_only


def test_a_match_in_the_span_is_more_than_design() -> None:
    ledger = ledger_of(1)
    ledger.tell("backup.completed", 1)
    ledger.wait(DAY)

    assert not ledger.tested(1).design_only


def test_a_match_that_arrives_late_restates_its_day() -> None:
    ledger = ledger_of(2)
    ledger.wait(4 * DAY)
    before = ledger.counts(2)
    ledger.tell("backup.completed", HOUR, received=4 * DAY)
    ledger.tell("backup.completed", DAY + HOUR, received=4 * DAY)

    assert before[1] == 2
    assert ledger.counts(2) == (2, 0, 0)
    tallies = [row for row in ledger.rows()["tally"] if row[5] is not None or row[9] is not None]
    assert any(ledger.seq in row for row in tallies)


def test_an_agent_cannot_review_as_a_person() -> None:
    ledger = told("LOG-10")
    ledger.wait(-30 * DAY)
    ledger.tell("audit.review_completed", HOUR, category="audit", actor__type="human")
    ledger.wait(2 * DAY)
    by_agent = ledger.counts(2)
    ledger.tell("audit.review_completed", HOUR, category="audit", person=True, received=2 * DAY)

    assert by_agent == (2, 2, 0)
    assert ledger.counts(2) == (2, 0, 0)


class TestAlso:
    """also_fail_when."""

    def chained(self) -> Told:
        ledger = told("LOG-01")
        ledger.wait(0)
        for day in range(3):
            ledger.tell("audit.chain_verified", day * DAY + HOUR, category="audit")
        self.broken = ledger.tell(
            "audit.chain_broken", 2 * DAY + 2 * HOUR, category="audit", outcome="failure"
        )
        ledger.wait(3 * DAY)
        return ledger

    def closed(self, ledger: Told, *, person: bool, subject: int) -> None:
        record_id = f"00000000-0000-7000-8000-{subject:012x}"
        ledger.tell(
            "audit.finding_closed",
            3 * DAY,
            category="audit",
            person=person,
            case__subject_event=record_id,
        )

    def test_such_an_entry_fails_by_itself(self) -> None:
        ledger = self.chained()

        assert ledger.counts(3) == (4, 1, 0)
        assert list(ledger.items()) == [f"also/{self.broken}"]
        assert ledger.counts(2) == (2, 0, 0)  # it belongs to its own day

    def test_a_person_closes_it_with_a_finding(self) -> None:
        ledger = self.chained()
        self.closed(ledger, person=True, subject=self.broken)

        assert ledger.counts(3) == (3, 0, 0)

    def test_a_finding_about_another_entry_closes_nothing(self) -> None:
        ledger = self.chained()
        self.closed(ledger, person=True, subject=self.broken - 1)

        assert ledger.counts(3) == (4, 1, 0)

    def test_nobody_else_closes_it(self) -> None:
        ledger = self.chained()
        self.closed(ledger, person=False, subject=self.broken)

        assert ledger.counts(3) == (4, 1, 0)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 6 * DAY // MINUTE), max_size=25),
    st.integers(0, 2**32),
    st.sampled_from(["PT12H", "P1D", "PT36H", "P3D"]),
)
def test_any_order_of_arrival_and_any_stop_finds_the_same(
    minutes: list[int], seed: int, every: str
) -> None:
    records = [
        record_of("backup.completed", at * MINUTE, category="system", seq=seq, received=7 * DAY)
        for seq, at in enumerate(sorted(minutes), 2)
    ]
    shuffled = [*records]
    Random(seed).shuffle(shuffled)

    found = []
    for resumes, order in ((False, records), (True, records), (False, shuffled)):
        ledger = Told("cadence", DAILY | {"every": every}, resumes=resumes)
        ledger.wait(0)
        retold(ledger, enumerate([_at(seq, one) for seq, one in enumerate(order, 2)], 2))
        ledger.wait(8 * DAY)
        tested = ledger.tested(7)
        found.append((tested.n, tested.f, tested.pending, tested.item_sum))

    assert found[0] == found[1] == found[2]


def _at(seq: int, record: bytes) -> bytes:
    """Return a record at another place in the ledger, its content unchanged."""
    return json.dumps(json.loads(record) | {"seq": seq}).encode()

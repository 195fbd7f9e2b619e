"""burst: many events in a short time must be answered."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance.language.errors import DefinitionError
from tests.compliance.told import DAY, HOUR, MINUTE, SECOND, Told, told


def fail(ledger: Told, at: int, **more: Any) -> int:
    fields = {"outcome": "failure", "actor__id": "mallory", "actor__ip": "10.0.0.9"} | more
    return ledger.tell("auth.login", at, category="authentication", **fields)


def lock(ledger: Told, at: int, target: str = "mallory", **more: Any) -> int:
    return ledger.tell(
        "auth.lockout",
        at,
        category="authentication",
        target__type="account",
        target__id=target,
        **more,
    )


def five(ledger: Told, start: int = 0, **more: Any) -> int:
    return [fail(ledger, start + place * MINUTE, **more) for place in range(5)][-1]


def by_actor() -> Told:
    """IAM-03 without its second reading by address."""
    return told("IAM-03", alt_key=None)


def test_a_burst_that_is_answered_holds() -> None:
    ledger = by_actor()
    five(ledger)
    lock(ledger, 30 * MINUTE)
    ledger.wait(DAY)

    assert ledger.counts() == (1, 0, 0)
    assert not ledger.items()


def test_a_burst_without_an_answer_is_pending_and_then_fails() -> None:
    ledger = by_actor()
    last = five(ledger)
    pending = ledger.counts()
    ledger.wait(64 * MINUTE)
    still = ledger.counts()
    ledger.wait(64 * MINUTE + 1)

    assert pending == still == (0, 0, 1)
    assert ledger.counts() == (1, 1, 0)
    assert list(ledger.items()) == [str(last)]


def test_four_are_no_burst() -> None:
    ledger = by_actor()
    for place in range(4):
        fail(ledger, place * MINUTE)
    ledger.wait(DAY)

    assert ledger.counts() == (0, 0, 0)


@pytest.mark.parametrize(("beyond", "n"), [(0, 1), (1, 0)])
def test_the_window_holds_both_its_ends(beyond: int, n: int) -> None:
    ledger = by_actor()
    for at in (0, 1, 2, 3, 10 * MINUTE + beyond):
        fail(ledger, at)
    ledger.wait(DAY)

    assert ledger.counts() == (n, n, 0)


@pytest.mark.parametrize(
    ("at", "failed"), [(-1, 1), (0, 0), (64 * MINUTE, 0), (64 * MINUTE + 1, 1)]
)
def test_an_answer_counts_from_the_first_event_to_the_deadline(at: int, failed: int) -> None:
    ledger = by_actor()
    if at < 0:
        lock(ledger, at)
    five(ledger)
    if at >= 0:
        lock(ledger, at, received=max(at, 4 * MINUTE))
    ledger.wait(DAY)

    assert ledger.counts() == (1, failed, 0)


def test_an_answer_that_is_chained_before_the_burst_counts() -> None:
    ledger = by_actor()
    for place in range(3):
        fail(ledger, place * MINUTE)
    lock(ledger, 3 * MINUTE)
    fail(ledger, 4 * MINUTE)
    fail(ledger, 5 * MINUTE)

    assert ledger.counts() == (1, 0, 0)


def test_an_answer_about_someone_else_is_none() -> None:
    ledger = by_actor()
    five(ledger)
    lock(ledger, 5 * MINUTE, target="alice")
    ledger.wait(DAY)

    assert ledger.counts() == (1, 1, 0)


def test_an_answer_that_arrives_late_takes_the_failure_back() -> None:
    ledger = by_actor()
    five(ledger)
    ledger.wait(3 * DAY)
    failed = ledger.counts()
    lock(ledger, 10 * MINUTE, received=3 * DAY)

    assert failed == (1, 1, 0)
    assert ledger.counts() == (1, 0, 0)
    assert not ledger.items()


def test_every_event_is_used_once() -> None:
    ledger = by_actor()
    for place in range(10):
        fail(ledger, place * MINUTE)
    fail(ledger, 10 * MINUTE)  # the last of the first window
    for place in range(11, 15):
        fail(ledger, place * MINUTE)
    ledger.wait(DAY)
    one = ledger.counts()
    fail(ledger, 15 * MINUTE, received=DAY)
    ledger.wait(2 * DAY)

    assert one == (1, 1, 0)
    assert ledger.counts() == (2, 2, 0)


def test_the_second_key_reads_the_events_again() -> None:
    ledger = told("IAM-03")
    seqs = [fail(ledger, place * MINUTE, actor__id=f"user-{place}") for place in range(5)]
    ledger.wait(DAY)
    sprayed = list(ledger.items())
    lock(ledger, 5 * MINUTE, target="10.0.0.9", received=DAY)

    assert sprayed == [f"{seqs[-1]}/alt"]
    assert ledger.counts() == (1, 0, 0)


def test_an_event_without_the_key_cannot_be_told() -> None:
    ledger = told("IAM-03")
    for place in range(6):
        fail(ledger, place * MINUTE, actor__ip=None, actor__id=f"user-{place}")
    ledger.wait(DAY)

    assert ledger.counts() == (0, 0, 0)


def test_environments_are_apart() -> None:
    ledger = by_actor()
    for place in range(6):
        fail(ledger, place * MINUTE, agent__environment=("prod", "staging")[place % 2])
    ledger.wait(DAY)
    none = ledger.counts()
    five(ledger, 2 * DAY, agent__environment="staging")
    ledger.wait(3 * DAY)

    assert none == (0, 0, 0)
    assert ledger.counts(environment="prod") == (0, 0, 0)
    assert ledger.counts(environment="staging") == (1, 1, 0)


def test_a_late_event_may_complete_a_burst_and_shift_the_next() -> None:
    ledger = by_actor()
    for place in (0, 2, 3, 4):
        fail(ledger, place * MINUTE)
    ledger.wait(DAY)
    before = ledger.counts()
    fail(ledger, MINUTE, received=DAY)

    assert before == (0, 0, 0)
    assert ledger.counts() == (1, 1, 0)


def test_a_flood_keeps_every_slot_small() -> None:
    ledger = by_actor()
    for place in range(5000):
        fail(ledger, place * SECOND // 2)
    ledger.wait(DAY)

    n, f, pending = ledger.counts()
    assert (n, f, pending) == (5, 5, 0)
    assert max(len(json.dumps(row)) for row in ledger.rows()["state"]) < 64_000


def test_months_are_no_window() -> None:
    with pytest.raises(DefinitionError):
        told("IAM-03", window="P1M")


def bursts(times: list[int], count: int, window: int) -> list[tuple[int, int]]:
    """The rule, word for word."""
    unused, found = sorted(times), []
    while unused:
        inside = [at for at in unused if at <= unused[0] + window]
        if len(inside) >= count:
            found.append((inside[0], inside[count - 1]))
            unused = unused[len(inside) :]
        else:
            unused = unused[1:]
    return found


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(0, 90), max_size=40, unique=True),
    st.lists(st.integers(0, 200), max_size=4, unique=True),
    st.integers(2, 4),
    st.integers(0, 2**32),
)
def test_any_order_and_any_stop_finds_what_the_rule_says(
    times: list[int], answers: list[int], count: int, seed: int
) -> None:
    story = [(at, False) for at in times] + [(at, True) for at in answers]
    shuffled = sorted(story)
    Random(seed).shuffle(shuffled)

    def run(order: list[tuple[int, bool]], *, resumes: bool) -> Told:
        ledger = told("IAM-03", alt_key=None, count=count)
        ledger.resumes = resumes
        for at, is_answer in order:
            (lock if is_answer else fail)(ledger, at * MINUTE, received=4 * HOUR)
        ledger.wait(DAY)
        return ledger

    once = run(sorted(story), resumes=False)
    found = bursts(times, count, 10)
    failed = [b for b in found if not any(b[0] <= at <= b[1] + 60 for at in answers)]
    assert once.counts() == (len(found), len(failed), 0)
    assert run(sorted(story), resumes=True).rows() == once.rows()
    assert run(shuffled, resumes=False).decided() == once.decided()

"""Writers that compete, or die at a chosen point of their transaction (R3, R9)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from audit.models import Ledger
from audit.receive import Receipt
from tests.conftest import make_event, post
from tests.faults.conditions import assert_each_promise_is_kept
from tests.faults.load import Attempt
from tests.faults.targets import eventually, kill
from tests.faults.trap import POINTS, owner, trap, worker
from tests.faults.verifier import Verified, verify
from tests.faults.writers import Writers, writers

WRITERS = 8


@pytest.fixture(scope="module")
def forked() -> Iterator[Writers]:
    """Return what forks writers; shared, as a start of its own for each test costs a second."""
    with writers() as made:
        yield made


def test_eight_writers_on_one_ledger_leave_no_gap_and_no_fork(ledger: Ledger, rounds: int) -> None:
    receipts: list[Receipt] = []
    for _ in range(rounds * 100):
        receipts += post(ledger, [make_event() for _ in range(7)])
    deadlocks = _deadlocks()

    with writers() as competing:
        for _ in range(WRITERS):
            competing.start(ledger.id, batch=20)
        competing.finish()

    found = _verified(ledger, receipts)
    assert found.size == len(receipts)
    assert len(competing.made) == WRITERS, f"broken: {competing.broken}"
    assert sum(competing.made.values()) == found.size
    assert sum(made > 0 for made in competing.made.values()) > 1, "one alone wrote all"
    assert _deadlocks() == deadlocks


@pytest.mark.parametrize("point", POINTS)
def test_a_writer_killed_in_its_transaction_leaves_nothing_half_done(
    ledger: Ledger, forked: Writers, point: str
) -> None:
    receipts = _some_posts(ledger)

    with trap(point) as held:
        victim = forked.start(ledger.id, batch=10)
        backend = held.wait_for_one()
        kill(victim)
        forked.wait_ended(victim)
        held.open()
        # Asked to commit before its client died, Postgres does; at any other point it cannot.
        _wait_gone(backend)
        _assert_whole_batches(ledger)
        forked.wait_ended(forked.start(ledger.id, batch=10))

    assert _verified(ledger, receipts).size == len(receipts)


@pytest.mark.parametrize("point", POINTS)
def test_a_connection_cut_in_the_transaction_leaves_nothing_half_done(
    ledger: Ledger, forked: Writers, point: str
) -> None:
    receipts = _some_posts(ledger)

    with trap(point) as held, worker() as colleague:
        cut = forked.start(ledger.id, batch=10)
        backend = held.wait_for_one()
        colleague.execute("SELECT pg_terminate_backend(%s)", [backend])
        forked.wait_ended(cut)
        held.open()
        assert _size(ledger) == 0
        forked.wait_ended(forked.start(ledger.id, batch=10))

    assert _verified(ledger, receipts).size == len(receipts)


def test_writers_killed_at_any_moment_leave_nothing_half_done(
    ledger: Ledger, forked: Writers, rounds: int
) -> None:
    receipts: list[Receipt] = []
    for number in range(rounds * 3):
        receipts += _some_posts(ledger)
        victim = forked.start(ledger.id, batch=3)
        time.sleep(0.005 * (number % 20))  # connecting and chaining take about so long
        kill(victim)
        forked.wait_ended(victim)
    forked.wait_ended(forked.start(ledger.id, batch=100))

    assert _verified(ledger, receipts).size == len(receipts)


def _some_posts(ledger: Ledger) -> list[Receipt]:
    return [receipt for _ in range(6) for receipt in post(ledger, [make_event() for _ in range(5)])]


def _verified(ledger: Ledger, receipts: list[Receipt]) -> Verified:
    """Verify the ledger, and that it holds what was received and its inbox holds nothing."""
    with owner() as connection:
        found = verify(connection, ledger.name)
        waiting = connection.execute(
            "SELECT count(*) FROM audit_inbox WHERE ledger_id = %s", [ledger.id]
        ).fetchone()
    assert waiting == (0,)
    told = Attempt(
        outcome="ok",
        began=0,
        ended=0,
        why="",
        ids=tuple(str(receipt.id) for receipt in receipts),
        receipts=tuple(receipt.as_dict() for receipt in receipts),
    )
    assert_each_promise_is_kept(found, [told])
    return found


def _assert_whole_batches(ledger: Ledger) -> None:
    """Check that what is chained and what waits is all there is, each batch in one of the two."""
    with owner() as connection:
        ((waiting,),) = connection.execute(
            "SELECT sum(count) FROM audit_inbox WHERE ledger_id = %s", [ledger.id]
        ).fetchall()
        size = verify(connection, ledger.name).size
    assert (size, waiting) in {(0, 30), (10, 20)}


def _wait_gone(backend: int) -> None:
    with owner() as connection:
        eventually(
            lambda: _is_gone(connection, backend), what="the backend notices its death", within=60
        )


def _is_gone(connection: psycopg.Connection[Any], backend: int) -> bool:
    found = connection.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [backend])
    return found.fetchone() is None


def _size(ledger: Ledger) -> int:
    with owner() as connection:
        return verify(connection, ledger.name).size


def _deadlocks() -> int:
    with owner() as connection:
        ((count,),) = connection.execute(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        ).fetchall()
    return int(count)

"""Every seq arrives at least once and in order, and nothing else, whatever the other side does."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from django.db import connection
from pytest_django import Settings

from audit import destination as destinations
from audit.append import append_pending
from audit.deliver import Couriers, deliver_all, deliver_once, held
from audit.models import Destination, Entry, Ledger
from audit.outbound import Rules
from audit.seal import seal
from audit.signer import make_key as make_signing_key
from tests.audit.destinations.receiving import (
    LOOPBACK,
    Endpoint,
    deliver,
    destination,
    endpoint,
    garbage,
    let_time_pass,
    reset,
    stall,
)
from tests.audit.pruning import old_entries, prune
from tests.audit.tampering import tampering
from tests.conftest import chain, entries, make_event, post
from tests.installation import ROOT

pytestmark = pytest.mark.usefixtures("alone_as_module")


@pytest.fixture(autouse=True)
def loopback(settings: Settings) -> None:
    settings.OUTBOUND_RULES = LOOPBACK


@pytest.fixture
def receiver() -> Iterator[Endpoint]:
    with endpoint() as told:
        yield told


def chained(ledger: Ledger, count: int) -> int:
    """Chain so many entries and return the ledger's size."""
    post(ledger, [make_event() for _ in range(count)])
    append_pending(ledger.id)
    return Entry.objects.filter(ledger=ledger).count()


def in_order(seqs: list[int], size: int) -> bool:
    """Tell whether every seq below `size` arrived, and each but repeats after the one before."""
    furthest = -1
    for seq in seqs:
        if seq > furthest + 1:
            return False
        furthest = max(furthest, seq)
    return furthest == size - 1


# --- What arrives --------------------------------------------------------------------------------


def test_every_record_arrives_as_it_is_stored_and_nothing_else(
    ledger: Ledger, receiver: Endpoint
) -> None:
    row = destination(ledger, receiver.url)
    size = chained(ledger, 5)

    deliver(row)

    stored = [bytes(each.record) for each in entries(ledger)]
    assert b"".join(got.body for got in receiver.got) == b"".join(r + b"\n" for r in stored)
    assert (row.next_seq, row.sent_to, row.batch_to, row.word()) == (size, size, None, "ok")
    assert row.ok_at is not None


def test_a_ledger_larger_than_a_batch_comes_in_consecutive_batches(
    ledger: Ledger, receiver: Endpoint
) -> None:
    size = chained(ledger, 1_200)
    row = destination(ledger, receiver.url)

    steps = deliver(row)

    assert receiver.seqs() == list(range(chained(ledger, 0)))[: len(receiver.seqs())]
    assert in_order(receiver.seqs(), row.next_seq)
    assert row.next_seq >= size
    assert steps.count("sent") == 3
    assert [int(g.headers["x-obs-first-seq"]) for g in receiver.got] == [0, 500, 1000]


def test_a_batch_ends_where_it_would_grow_too_large(ledger: Ledger, receiver: Endpoint) -> None:
    chain(ledger, [make_event(details={"text": "x" * 30_000}) for _ in range(60)])
    row = destination(ledger, receiver.url)

    deliver(row)

    assert in_order(receiver.seqs(), row.next_seq)
    assert len(receiver.got) > 1
    assert max(len(got.body) for got in receiver.got) < 1_100_000


def test_what_waits_in_the_inbox_is_not_sent(ledger: Ledger, receiver: Endpoint) -> None:
    size = chained(ledger, 2)
    row = destination(ledger, receiver.url)
    post(ledger, [make_event()])

    deliver(row)

    assert row.next_seq == size


def test_a_new_destination_begins_with_what_comes_from_then_on(
    ledger: Ledger, receiver: Endpoint
) -> None:
    size = chained(ledger, 3)
    row = destinations.make(
        ledger,
        name="from-now",
        kind="webhook",
        address=receiver.url,
        options={},
        secret="0123456789abcdef",
        from_seq=None,
        by="tests",
    )
    chained(ledger, 1)

    deliver(row)

    # The second is the entry about the destination itself.
    assert set(receiver.seqs()) == {size, size + 1}


def test_one_that_waits_for_the_seal_gets_no_entry_before(
    ledger: Ledger, receiver: Endpoint
) -> None:
    make_signing_key(ledger.name, origin=ledger.origin)
    row = destination(ledger, receiver.url, sealed_only=True)
    chained(ledger, 3)
    assert deliver(row) == ["idle"]

    sealed = seal(ledger)

    assert sealed is not None
    deliver(row)
    assert receiver.seqs() == list(range(sealed.size))


def test_a_batch_waits_to_be_filled_where_it_may(ledger: Ledger, receiver: Endpoint) -> None:
    row = destination(ledger, receiver.url)
    # `webhook` has no such option: the loop reads it whatever the kind.
    Destination.objects.filter(id=row.id).update(options={"collect_seconds": 3600})
    chained(ledger, 3)

    assert deliver(row) == ["idle"]


# --- What the other side does --------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [500, 302, 404, reset, garbage, stall])
def test_a_batch_that_was_not_taken_is_sent_again_the_same(
    ledger: Ledger, receiver: Endpoint, settings: Settings, wrong: Any
) -> None:
    settings.OUTBOUND_RULES = LOOPBACK if wrong is not stall else _short()
    row = destination(ledger, receiver.url)
    size = chained(ledger, 4)
    if callable(wrong):
        receiver.behave = wrong
    else:
        receiver.status = wrong
    assert deliver(row) == ["failed"]
    assert (row.next_seq, row.batch_to, row.failures, row.word()) == (0, size, 1, "failing")
    assert row.error
    chained(ledger, 4)  # what comes meanwhile does not change the batch

    receiver.status, receiver.behave = 200, None
    assert deliver(row) == ["resting"]
    let_time_pass(row, seconds=60)
    deliver(row)

    assert receiver.got[0].body == receiver.got[1].body
    assert receiver.got[0].headers["x-obs-delivery"] == receiver.got[1].headers["x-obs-delivery"]
    assert in_order(receiver.seqs(), row.next_seq)
    assert in_order(receiver.taken, row.next_seq)
    assert (row.failures, row.error, row.failing_since) == (0, "", None)


def _short() -> Rules:
    return replace(LOOPBACK, seconds=0.3)


def test_rests_grow_up_to_a_minute(ledger: Ledger, receiver: Endpoint) -> None:
    row = destination(ledger, receiver.url)
    chained(ledger, 1)
    receiver.status = 500
    for failures in range(1, 12):
        assert deliver(row) == ["failed"]
        assert row.failures == failures
        half = min(2 ** (failures - 1), 60) / 2
        let_time_pass(row, seconds=half - 0.4)  # what is left over is a busy machine's
        assert deliver(row) == ["resting"], "no rest is shorter than half of its length"
        let_time_pass(row, seconds=half + 0.4)

    assert deliver(row) == ["failed"], "none is longer than a minute"


def test_a_receiver_that_was_dead_for_an_hour_misses_nothing(
    ledger: Ledger, settings: Settings
) -> None:
    with endpoint() as gone:
        address, port = gone.url, int(gone.url.split(":")[2].split("/")[0])
        row = destination(ledger, address)
        chained(ledger, 3)
        deliver(row)
    before = gone.taken
    for _ in range(60):  # a try a minute
        chained(ledger, 1)
        assert deliver(row) == ["failed"]
        let_time_pass(row, seconds=60)

    with endpoint(port) as back:
        deliver(row)

    assert in_order(before + back.taken, row.next_seq)
    assert row.state == "active"


def test_it_is_dead_after_a_day_of_failing_and_an_entry_says_so(
    ledger: Ledger, receiver: Endpoint
) -> None:
    row = destination(ledger, receiver.url)
    size = chained(ledger, 2)
    receiver.status, receiver.answer = 500, b"no room"
    deliver(row)
    let_time_pass(row, seconds=86_401)

    assert deliver(row) == ["dead"]

    assert (row.state, row.word()) == ("dead", "dead")
    assert deliver(row) == ["gone"], "a dead one is not tried"
    append_pending(ledger.id)
    said = entries(ledger)[-1].parsed()["event"]
    assert said["action"] == "audit.source_disabled"
    assert said["target"] == {"type": "destination", "id": row.name}
    assert said["details"]["next_seq"] == 0
    assert "no room" in said["error"]["message"]

    receiver.status = 200
    assert destinations.resume(row, by="alice")
    deliver(row)
    assert in_order(receiver.taken, row.next_seq)
    assert row.next_seq > size


def test_an_entry_that_is_missing_stops_it_and_is_not_skipped(
    ledger: Ledger, receiver: Endpoint, superuser: psycopg.Connection[Any]
) -> None:
    row = destination(ledger, receiver.url)
    size = chained(ledger, 4)
    with tampering(superuser):
        superuser.execute("DELETE FROM audit_entry WHERE ledger_id = %s AND seq = 2", [ledger.id])

    assert deliver(row) == ["sent", "failed"]

    assert "entry #2 is not there" in row.error
    assert (row.next_seq, receiver.seqs()) == (2, [0, 1])
    assert size > 2


# --- People, meanwhile ---------------------------------------------------------------------------


def test_a_paused_one_is_not_sent_to_and_goes_on_where_it_was(
    ledger: Ledger, receiver: Endpoint
) -> None:
    row = destination(ledger, receiver.url)
    chained(ledger, 2)
    deliver(row)
    assert destinations.pause(row, by="alice")
    chained(ledger, 2)
    assert deliver(row) == ["gone"]

    assert destinations.resume(row, by="alice")
    deliver(row)

    assert receiver.seqs() == list(range(row.next_seq))


def test_a_replay_during_a_request_is_not_forgotten(ledger: Ledger, receiver: Endpoint) -> None:
    row = destination(ledger, receiver.url)
    chained(ledger, 3)
    deliver(row)
    again = Destination.objects.get(id=row.id)

    def replay_meanwhile(_: Any) -> None:
        # In the receiver's own thread, with a connection of its own.
        destinations.replay(again, from_seq=1, by="alice")
        connection.close()

    chained(ledger, 1)
    receiver.behave = replay_meanwhile
    deliver_once(row.ledger_id, row.id)
    receiver.behave = None
    let_time_pass(row, seconds=60)
    receiver.got.clear()
    deliver(row)

    assert receiver.seqs()[0] == 1
    assert in_order([0, *receiver.seqs()], row.next_seq)


def test_a_replay_sends_again_from_there_on(ledger: Ledger, receiver: Endpoint) -> None:
    row = destination(ledger, receiver.url)
    size = chained(ledger, 4)
    deliver(row)
    receiver.got.clear()

    destinations.replay(row, from_seq=2, by="alice")

    assert row.is_replaying()
    assert (row.next_seq, row.sent_to) == (2, size)
    append_pending(ledger.id)
    deliver(row)
    assert receiver.seqs() == list(range(2, size + 1))
    assert not row.is_replaying()


def test_one_that_was_removed_is_sent_nothing(ledger: Ledger, receiver: Endpoint) -> None:
    row = destination(ledger, receiver.url)
    destinations.remove(row, by="alice")
    chained(ledger, 2)

    assert deliver(row) == ["gone"]
    assert receiver.got == []


# --- Gaps ----------------------------------------------------------------------------------------


def test_what_was_pruned_before_it_was_sent_is_a_gap_that_is_told(
    ledger: Ledger, receiver: Endpoint, as_role: Callable[[str], psycopg.Connection[Any]]
) -> None:
    old_entries(ledger, [make_event() for _ in range(300)])
    row = destination(ledger, receiver.url)
    chained(ledger, 1)
    prune(as_role("owner"), ledger, to_seq=256)

    steps = deliver(row)

    assert steps[:2] == ["gap", "sent"]
    (gap,) = row.gaps
    assert (gap["from"], gap["to"]) == (0, 256)
    assert receiver.seqs()[0] == 256
    assert row.next_seq > 300


# --- Processes -----------------------------------------------------------------------------------


def _start_delivering(**more: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        "OBS_DATABASE_ROLE": "worker",
        "OBS_OUTBOUND_ALLOW": "127.0.0.0/8",
        "OBS_OUTBOUND_SECONDS": "2",
        **more,
    }
    return subprocess.Popen(
        [sys.executable, "manage.py", "deliver", "--follow"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _until(holds: Callable[[], bool], *, what: str, seconds: float = 60) -> None:
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, f"{what} did not come within {seconds:g} s"
        time.sleep(0.05)


def test_killing_the_process_loses_nothing_and_another_goes_on(
    ledger: Ledger, receiver: Endpoint
) -> None:
    destination(ledger, receiver.url)
    for at in itertools.count():
        process = _start_delivering()
        try:
            before = len(receiver.got)
            size = chained(ledger, 700)
            _until(lambda: len(receiver.got) > before, what="a request")  # noqa: B023
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        if at == 2:
            break
    process = _start_delivering()
    try:
        # More than the last of the killed may have sent: so this one is up and does its work.
        size = chained(ledger, 1)
        _until(lambda: bool(receiver.taken) and receiver.taken[-1] == size - 1, what="the last seq")
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0

    assert in_order(receiver.taken, size)


def test_two_processes_never_send_to_one_destination_at_once(
    ledger: Ledger, receiver: Endpoint
) -> None:
    at_once, most = [0], [0]

    def slow(connection: Any) -> None:
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        time.sleep(0.05)
        at_once[0] -= 1
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    receiver.behave = slow
    row = destination(ledger, receiver.url)
    processes = [_start_delivering() for _ in range(2)]
    try:
        for _ in range(8):
            size = chained(ledger, 600)
        _until(lambda: size - 1 in receiver.seqs(), what="the last seq")
    finally:
        for each in processes:
            each.send_signal(signal.SIGTERM)
        for each in processes:
            assert each.wait(timeout=20) == 0

    row.refresh_from_db()
    assert most == [1]
    assert receiver.seqs() == list(range(size)), "and so nothing came twice"


def test_a_lock_that_another_holds_is_respected(ledger: Ledger, receiver: Endpoint) -> None:
    row = destination(ledger, receiver.url)
    chained(ledger, 1)

    def other() -> int:
        try:
            return deliver_all()["sent"]
        finally:
            connection.close()

    with held(row.ledger_id, row.id) as is_held, ThreadPoolExecutor(1) as pool:
        assert is_held
        pool.submit(other).result()

    assert not [g for g in receiver.got if g.headers["x-obs-ledger"] == ledger.name]


def test_each_destination_has_its_thread_and_a_silent_one_holds_up_no_other(
    ledger: Ledger, receiver: Endpoint
) -> None:
    with endpoint() as silent:
        silent.behave = stall
        destination(ledger, silent.url)
        destination(ledger, receiver.url)
        size = chained(ledger, 3)
        couriers = Couriers()
        try:
            couriers.tend()
            _until(lambda: receiver.taken == list(range(size)), what="all at the other one")
        finally:
            couriers.stop(seconds=10)


def test_postgres_allows_this_to_the_worker_and_the_acts_to_the_web(
    ledger: Ledger, receiver: Endpoint, as_role: Callable[[str], psycopg.Connection[Any]]
) -> None:
    row = destination(ledger, receiver.url)
    web, worker, read = as_role("web"), as_role("worker"), as_role("read")
    refused = [
        (web, "UPDATE audit_destination SET sent_to = 9 WHERE id = %s"),
        (web, "UPDATE audit_destination SET gaps = '[]' WHERE id = %s"),
        (web, "UPDATE audit_destination SET kind = 'file' WHERE id = %s"),
        (web, "DELETE FROM audit_destination WHERE id = %s"),
        (worker, "UPDATE audit_destination SET address = 'x' WHERE id = %s"),
        (worker, "UPDATE audit_destination SET secret = 'x' WHERE id = %s"),
        (worker, "DELETE FROM audit_destination WHERE id = %s"),
        (read, "SELECT secret FROM audit_destination WHERE id = %s"),
        (read, "UPDATE audit_destination SET state = 'paused' WHERE id = %s"),
    ]
    for connected, statement in refused:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connected.execute(statement, [row.id])

    assert read.execute("SELECT state FROM audit_destination WHERE id = %s", [row.id]).fetchone()

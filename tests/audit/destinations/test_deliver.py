"""Every seq arrives at least once and in order, and nothing else, whatever the other side does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from django.db import connection
from pytest_django import Settings

from audit import destination as destinations
from audit.append import append_pending
from audit.deliver import deliver_once
from audit.models import Destination, Ledger
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
from tests.audit.destinations.sent import chained, in_order, loopback, receiver
from tests.audit.pruning import old_entries, prune
from tests.audit.tampering import tampering
from tests.conftest import chain, entries, make_event, post

__all__ = ["loopback", "receiver"]  # fixtures, which pytest finds by their names here

pytestmark = pytest.mark.usefixtures("alone_as_module")


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

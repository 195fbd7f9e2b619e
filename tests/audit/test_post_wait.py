"""POST /api/v1/events?wait: until an event is chained or sealed, or the longest time is over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from audit.append import append_pending
from audit.models import Ledger
from audit.seal import seal
from audit.sealed import sealed_size
from audit.signer import make_key
from tests.audit.posting import Sender, alice, fresh
from tests.conftest import entries, make_event

__all__ = ["alice", "fresh"]  # fixtures, which pytest finds by their names here


@contextmanager
def appending(ledger: Ledger, *, then: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Chain what comes in, in a thread, as the loop of `append_pending --follow` does."""
    failures: list[BaseException] = []
    done = threading.Event()

    def run() -> None:
        try:
            while not done.is_set():
                append_pending(ledger.id)
                then()
                time.sleep(0.01)
        except BaseException as error:  # told below, where the test fails with it
            failures.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(timeout=60)
    assert not failures, failures


def test_waiting_for_the_chain_gives_seq_and_hash(ledger: Ledger, alice: Sender) -> None:
    events = [make_event() for _ in range(3)]

    with appending(ledger):
        status, said, _ = alice.post(events, query="?wait=chained")
        again, _, _ = alice.post(events, query="?wait=chained")

    assert (status, again) == (200, 200)
    chained = {str(each.event_id): each for each in entries(ledger)}
    for each in said["receipts"]:
        entry = chained[each["id"]]
        assert (each["seq"], each["hash"], each["state"]) == (entry.seq, entry.hash, "chained")


def test_waiting_in_vain_is_answered_202_after_the_longest_time(
    alice: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The default is bound when the function is made, so it is the bound one that is shortened.
    monkeypatch.setattr("audit.wait.wait_until_chained.__kwdefaults__", {"longest": 0.05})

    status, said, _ = alice.post(make_event(), query="?wait=chained")

    assert status == 202
    assert said["receipts"][0]["state"] == "received"


def test_waiting_for_the_seal_gives_what_a_checkpoint_covers(
    ledger: Ledger, alice: Sender, settings: Any, tmp_path: Path
) -> None:
    settings.SIGNING_DIR = tmp_path
    make_key(ledger.name, origin=ledger.origin)

    with appending(ledger, then=lambda: seal(ledger)):
        status, said, _ = alice.post([make_event() for _ in range(3)], query="?wait=sealed")
        chained, later, _ = alice.post(make_event(), query="?wait=chained")

    assert (status, chained) == (200, 200)
    assert [each["state"] for each in said["receipts"]] == ["sealed"] * 3
    assert max(each["seq"] for each in said["receipts"]) < sealed_size(ledger.id)
    assert later["receipts"][0]["state"] == "chained"


def test_waiting_in_vain_for_the_seal_is_202_and_says_what_is_chained(
    ledger: Ledger, alice: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.wait.wait_until_sealed.__kwdefaults__", {"longest": 1.0})

    with appending(ledger):
        status, said, _ = alice.post(make_event(), query="?wait=sealed")

    assert status == 202
    assert said["receipts"][0]["state"] == "chained"


def test_waiting_with_a_bad_neighbour_is_207_with_the_good_one_chained(
    ledger: Ledger, alice: Sender
) -> None:
    with appending(ledger):
        status, said, _ = alice.post([make_event(), b"?".decode()], query="?wait=chained")

    assert status == 207
    assert [each.get("state") for each in said["receipts"]] == ["chained", None]


def test_when_half_the_threads_wait_the_next_does_not(
    alice: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiters = threading.BoundedSemaphore(1)
    monkeypatch.setattr("audit.post._waiters", waiters)
    assert waiters.acquire(blocking=False)

    status, said, _ = alice.post(make_event(), query="?wait=chained")

    assert status == 202
    assert "state" not in said["receipts"][0]

"""A POST races with the erasure of its subject: dozens of seeded runs, with real connections.

Each run lets two POSTs and one erasure of the same person begin in an order, and with pauses, that
its seed gives. Whatever comes first, these hold at its end: what a POST wrote under the key was
committed before the key died, never under a dead key; every acknowledged event is in one entry; and
each is readable with the key that lives, or erased with the one that is dead, never half of it.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from cryptography.exceptions import InvalidTag
from django.db import connections, transaction

from audit import erase
from audit.append import append_pending
from audit.erasing import work_through_erasures
from audit.models import Ledger, Quarantine, SubjectKey
from audit.receive import Receipt
from audit.subjects import hold_subjects
from tests.audit.erasing import BORN, about
from tests.conftest import chain, entries, post
from tests.sizes import size

RUNS = size(60, 200)
AT_ONCE = 3
_LONGEST_PAUSE = 0.004  # seconds; about as long as a POST or an erasure takes


@dataclass(slots=True)
class Raced:
    """What one run did."""

    seed: int
    subject_id: str
    began: dict[str, datetime] = field(default_factory=dict)
    """By event id, when the transaction began that stored it, by the clock of Postgres."""
    receipts: dict[str, Receipt] = field(default_factory=dict)
    failures: list[BaseException] = field(default_factory=list)


@pytest.fixture(autouse=True)
def own_tombstones(tmp_path: Path, settings: Any) -> None:
    settings.TOMBSTONES = tmp_path / "tombstones"


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    """Return as many threads as a race needs; each keeps its connection over all the races."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield pool
        everyone = threading.Barrier(AT_ONCE)

        def leave() -> None:
            everyone.wait(timeout=30)
            connections.close_all()

        for each in [pool.submit(leave) for _ in range(AT_ONCE)]:
            each.result()


def race(ledger: Ledger, seed: int, threads: ThreadPoolExecutor) -> Raced:
    """Let two POSTs and an erasure go at once."""
    chance = random.Random(seed)
    raced = Raced(seed, f"person-{seed}@example.org")
    if chance.random() < 0.8:
        chain(ledger, [about(raced.subject_id)])
        confirmed = _confirmed(ledger, raced.subject_id)
    else:
        confirmed = False  # nobody knows the person: both POSTs make the key, none erases
    acts: list[Callable[[], None]] = [
        lambda: _post(ledger, raced),
        lambda: _post(ledger, raced),
    ]
    if confirmed:
        acts.append(lambda: _work(ledger))
    start = threading.Barrier(len(acts))

    def do(act: Callable[[], None], pause: float) -> None:
        try:
            start.wait(timeout=30)
            time.sleep(pause)
            act()
        except BaseException as error:  # told to the test, which fails with it
            raced.failures.append(error)

    going = [threads.submit(do, act, chance.uniform(0, _LONGEST_PAUSE)) for act in acts]
    for each in going:
        each.result(timeout=60)
    return raced


def _confirmed(ledger: Ledger, subject_id: str) -> bool:
    erasure = erase.ask_for_erasure(
        ledger, subject_id, case_id="DSR-1", reason="a letter", by="alice"
    )
    work_through_erasures(ledger)
    ready = erase.get_erasure(ledger.id, erasure.id)
    erase.confirm_erasure(ready, subject_id, reason="a letter", by="bob")
    return True


def _post(ledger: Ledger, raced: Raced) -> None:
    event = about(raced.subject_id)
    with transaction.atomic():
        (receipt,) = post(ledger, [event])
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT now()")  # when this transaction began
            raced.began[event["id"]] = cursor.fetchone()[0]
    raced.receipts[event["id"]] = receipt


def _work(ledger: Ledger) -> None:
    assert work_through_erasures(ledger) == 1


def test_no_post_ever_writes_under_a_dead_key(ledger: Ledger, threads: ThreadPoolExecutor) -> None:
    raced = [race(ledger, seed, threads) for seed in range(RUNS)]
    failures = {each.seed: each.failures for each in raced if each.failures}
    assert not failures
    while append_pending(ledger.id):
        pass

    keys = {each.key_id: each for each in SubjectKey.objects.filter(ledger=ledger)}
    found = {each.event_id: each.parsed()["event"] for each in entries(ledger)}
    readable = erased = 0
    for run in raced:
        for event_id, receipt in run.receipts.items():
            assert receipt.status == "received", run.seed
            event = found[UUID(event_id)]
            key = keys[UUID(event["personal"]["key_id"])]
            if key.erased_at is None:
                assert _read(ledger, run.subject_id, event) == {"born": BORN}, run.seed
                readable += 1
            else:
                assert run.began[event_id] < key.erased_at, run.seed
                assert (key.lookup, key.wrapped) == (None, None)
                assert not _is_readable(ledger, run.subject_id, event), run.seed
                erased += 1
    # Else the race was none: both orders must have come.
    assert readable > RUNS / 10
    assert erased > RUNS / 10
    assert readable + erased == 2 * RUNS
    assert not Quarantine.objects.filter(ledger=ledger).exists()


def _read(ledger: Ledger, subject_id: str, event: dict[str, Any]) -> Any:
    with transaction.atomic():
        subject = hold_subjects([subject_id], ledger_id=ledger.id, ledger_name=ledger.name)[
            subject_id
        ]
    assert event["data"]["subject_ids"] == [subject.pseudonym()]
    return subject.decrypt(event["personal"], event_id=UUID(event["id"]))


def _is_readable(ledger: Ledger, subject_id: str, event: dict[str, Any]) -> bool:
    try:
        _read(ledger, subject_id, event)
    except (InvalidTag, AssertionError):
        return False
    return True


def test_a_hold_and_an_erasure_never_pass_each_other(
    ledger: Ledger, as_role: Callable[[str], psycopg.Connection[Any]]
) -> None:
    """While an erasure looks for holds, a new hold waits; it finds that there is nobody to hold."""
    web = as_role("web")
    web.execute("SET lock_timeout = '200ms'")
    insert = (
        "INSERT INTO audit_hold (ledger_id, kind, matter, reason, applied_by) "
        "VALUES (%s, 'ledger', 'M-1', 'a court', 'dora')",
        [ledger.id],
    )

    with transaction.atomic():
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(13013, %s)", [ledger.id])
        with pytest.raises(psycopg.errors.LockNotAvailable):
            web.execute(*insert)

    assert web.execute(*insert).rowcount == 1

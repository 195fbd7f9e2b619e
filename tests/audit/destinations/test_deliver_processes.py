"""Processes that send on: killed, two at once, held up by a lock or by a silent receiver."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from django.db import connection

from audit.deliver import Couriers, deliver_all, held
from audit.models import Ledger
from tests.audit.destinations.receiving import Endpoint, destination, endpoint, stall
from tests.audit.destinations.sent import chained, in_order, loopback, receiver
from tests.installation import ROOT

__all__ = ["loopback", "receiver"]  # fixtures, which pytest finds by their names here

pytestmark = pytest.mark.usefixtures("alone_as_module")


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

"""What browser tests share: a ledger long enough to be looked at, and a stop in its verification.

A verification of a small ledger is over before a page is drawn. The ledger is therefore longer than
one chunk of it, and the real worker is stopped between two chunks while the test looks.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # ships no types
import psycopg
import pytest
from playwright.sync_api import Browser, Page

from audit.verify import CHUNK
from obsplatform import env
from tests.browser.calling import call
from tests.browser.chromium import browser, log_in
from tests.conftest import make_event

POSTED = 5_000
"""Events of one POST, the most there may be."""


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Return a browser for all tests here; each opens contexts of its own, which share nothing."""
    with browser() as started:
        yield started


@pytest.fixture(scope="session")
def enter(installation: dict[str, Any]) -> Callable[..., None]:
    """Return what opens a page of the desk, logged in: `enter(page, "/admin/")`.

    Only the first goes by the form: a password's hash and the files of three pages are nearly all
    the work of a short test. Who ends the session makes the next one log in again.
    """
    url = installation["url"]
    session: list[Any] = []  # of cookies

    def open_page(page: Page, path: str = "/admin/") -> None:
        page.context.add_cookies(session)
        page.goto(url + path)
        if "/admin/login/" in page.url:
            log_in(page, url, installation["user"], installation["password"])
            (found,) = [
                each["value"] for each in page.context.cookies() if each["name"] == "sessionid"
            ]
            session[:] = [{"name": "sessionid", "value": found, "url": url}]
            page.goto(url + path)

    return open_page


@pytest.fixture(scope="session")
def long_ledger(installation: dict[str, Any]) -> str:
    """Fill the ledger of the installation beyond one chunk of a verification; return its name."""
    events = f"{installation['url']}/api/v1/events?wait=chained"
    for _ in range(CHUNK // POSTED + 1):
        batch = [make_event(agent={"id": "long-agent"}) for _ in range(POSTED)]
        status, answer = call(events, method="POST", key=installation["key"], body=batch)
        assert status in {200, 202}, answer
    name: str = installation["ledger"]
    return name


class Workers:
    """The worker processes of an installation, and what stops them in the middle of a run.

    Between two chunks a lock on the event keys keeps them from reading on; then the processes
    themselves are stopped and the lock is let go, since posting an event needs the keys too.
    """

    _SHUT = "BEGIN; LOCK TABLE audit_eventkey IN ACCESS EXCLUSIVE MODE"
    _IS_WAITED_FOR = """
        SELECT EXISTS (
            SELECT 1
            FROM pg_locks
            WHERE relation = 'audit_eventkey'::regclass
              AND mode = 'AccessShareLock'
              AND NOT granted
        )
    """

    def __init__(
        self, data: Path, lock: psycopg.Connection[Any], look: psycopg.Connection[Any]
    ) -> None:
        self._data = data
        self._lock = lock
        self._look = look
        self._stopped: list[psutil.Process] = []

    def let_none_read(self) -> None:
        """Keep every run that begins now before its first chunk."""
        self._lock.execute(self._SHUT)

    def stop_in_the_middle(self, run_id: int, *, by: signal.Signals = signal.SIGSTOP) -> None:
        """Let the run check a chunk, and stop (or kill) every worker before the next one."""
        while not self._has_checked(run_id):
            # One message, so that the second lock stands in line before the chunk has ended.
            self._lock.execute(f"COMMIT; {self._SHUT}")
        for one in self._processes():
            one.send_signal(by)
            if by is signal.SIGSTOP:
                self._stopped.append(one)
        self._lock.execute("COMMIT")

    def go_on(self) -> None:
        """Let everything go on that was stopped."""
        if self._lock.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            self._lock.execute("ROLLBACK")
        while self._stopped:
            self._stopped.pop().send_signal(signal.SIGCONT)

    def _has_checked(self, run_id: int) -> bool:
        """Wait until a run stands before the lock; tell whether it is this one, a chunk later.

        Who stands there has said before how far it is.
        """
        ends = time.monotonic() + 60
        while time.monotonic() < ends:
            (is_waiting,) = self._look.execute(self._IS_WAITED_FOR).fetchone() or (False,)
            if is_waiting:
                (checked,) = self._look.execute(
                    "SELECT checked FROM audit_verification WHERE id = %s", (run_id,)
                ).fetchone() or (0,)
                return bool(checked)
            time.sleep(0.02)
        raise AssertionError(f"no worker took run {run_id} within a minute")

    def _processes(self) -> list[psutil.Process]:
        """Return who may have a run: Celery's children, and the append loop in their stead."""
        pids = json.loads((self._data / "ready.json").read_text())["pids"]
        celery = psutil.Process(pids["worker"])
        return [*celery.children(recursive=True), psutil.Process(pids["append"])]


@pytest.fixture
def worker(installation: dict[str, Any]) -> Iterator[psycopg.Connection[Any]]:
    """Connect as the worker, who says how far a run is."""
    with psycopg.connect(_url(installation, "worker"), autocommit=True) as connection:
        yield connection


@pytest.fixture
def workers(installation: dict[str, Any], worker: psycopg.Connection[Any]) -> Iterator[Workers]:
    """Return the worker processes; they run again after the test."""
    with psycopg.connect(_url(installation, "owner"), autocommit=True) as lock:
        found = Workers(installation["data"], lock, worker)
        try:
            yield found
        finally:
            found.go_on()


def _url(installation: dict[str, Any], role: str) -> str:
    return env.installation(installation["data"])[f"database_{role}_url"]

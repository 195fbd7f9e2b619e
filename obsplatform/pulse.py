"""Ask Postgres for a sign of life, and wait for it no longer than told.

Keeps one connection a process for this alone: a full pool must not read as a dead database, and
a frozen server must not hold the thread that asks (a statement timeout is the server's, so a
server that stands still never fires it). Asked by obsplatform.health and obsplatform.readiness.
"""

from __future__ import annotations

import select
import threading
import time
from typing import Any, Final

import psycopg
from django.db import connection
from psycopg.pq import ExecStatus

WAIT_SECONDS: Final = 0.5
CONNECT_SECONDS: Final = 2  # the least that libpq accepts


class NoPulse(Exception):
    """Postgres cannot be reached, or did not answer in time."""


class Pulse:
    """One connection and the one question it is for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # held while the connection is asked: it has one voice
        self._connection: psycopg.Connection[Any] | None = None

    def feel(self, *, within: float = WAIT_SECONDS) -> None:
        """Return when Postgres has answered; raise NoPulse otherwise.

        Takes at most `within` seconds on an open connection, and CONNECT_SECONDS more when it
        must be opened. A connection that died since the last time is replaced first.
        """
        if not self._lock.acquire(timeout=within):
            raise NoPulse("an earlier question is still unanswered")
        try:
            self._ask_or_reopen(within)
        except psycopg.Error as error:
            self._forget()
            raise NoPulse(str(error).strip()) from error
        except NoPulse:
            self._forget()
            raise
        finally:
            self._lock.release()

    def close(self) -> None:
        """Let go of the connection; the next question opens another."""
        with self._lock:
            self._forget()

    def _ask_or_reopen(self, within: float) -> None:
        if self._connection is not None:
            try:
                ask(self._connection, within=within)
            except psycopg.Error:  # Postgres was restarted meanwhile: that is not being away
                self._forget()
            else:
                return
        parameters = connection.get_connection_params()
        self._connection = psycopg.connect(
            **{**parameters, "connect_timeout": CONNECT_SECONDS, "autocommit": True}
        )
        ask(self._connection, within=within)

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def ask(opened: psycopg.Connection[Any], *, within: float) -> None:
    """Run `SELECT 1`; raises NoPulse after `within` seconds and psycopg.Error for a dead one."""
    until = time.monotonic() + within
    libpq = opened.pgconn
    libpq.send_query(b"SELECT 1")
    poll = select.poll()
    poll.register(libpq.socket, select.POLLIN)
    answered = False
    while True:
        while libpq.is_busy():
            left = until - time.monotonic()
            if left <= 0 or not poll.poll(left * 1000):
                raise NoPulse(f"no answer within {within:g} s")
            libpq.consume_input()
        result = libpq.get_result()
        if result is None:
            break
        answered = result.status == ExecStatus.TUPLES_OK
    if not answered:
        raise psycopg.OperationalError("Postgres refused SELECT 1")


pulse = Pulse()
"""The one of this process."""

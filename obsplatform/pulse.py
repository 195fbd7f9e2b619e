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
        self._turn = threading.Condition()
        self._is_asking = False  # one at a time: the connection has one voice
        self._answered = -1.0  # when the last question that was answered had begun
        self._connection: psycopg.Connection[Any] | None = None

    def feel(self, *, within: float = WAIT_SECONDS) -> None:
        """Return when Postgres has answered; raise NoPulse otherwise.

        Takes at most `within` seconds on an open connection, and CONNECT_SECONDS more when it
        must be opened. A connection that died since the last time is replaced first. Who comes
        while a question is under way shares the next answer: a crowd needs two questions, however
        many they are.
        """
        came = time.monotonic()
        if self._shares_an_answer(came, within):
            return
        began, answered = time.monotonic(), False
        try:
            self._ask_or_reopen(within)
            answered = True
        except psycopg.Error as error:
            self._forget()
            raise NoPulse(str(error).strip()) from error
        except NoPulse:
            self._forget()
            raise
        finally:
            with self._turn:
                self._is_asking = False
                if answered:
                    self._answered = began
                self._turn.notify_all()

    def _shares_an_answer(self, came: float, within: float) -> bool:
        """Wait for the voice, and take it; or say that a question since has been answered."""
        with self._turn:
            until = came + within + (CONNECT_SECONDS if self._connection is None else 0)
            while self._is_asking:
                left = until - time.monotonic()
                if left <= 0:
                    raise NoPulse("an earlier question is still unanswered")
                self._turn.wait(left)
                if self._answered >= came:
                    return True
            self._is_asking = True
            return False

    def close(self) -> None:
        """Let go of the connection; the next question opens another."""
        with self._turn:
            self._turn.wait_for(lambda: not self._is_asking)
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

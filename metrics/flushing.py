"""Add what this process counts of itself to rows, every 5 s and at its end, each once.

`start(role)` begins it, once a process; a forked child begins anew by itself. One thread writes:
what was gathered since (audit.measures), processor time, pauses, requests of a web process, and in
one process the machine's own numbers. A flush is one transaction that also notes its number in
metrics_flush, so that one whose answer was lost is not added again; how the machine is comes behind
it, in a transaction of its own. What could not be written stays in memory as sums, bounded by the
families' caps, and is written when the database is back; a process that is killed takes at most its
last 5 s along.

Never raises into the process, never counts an entry: those are rollup.py's. Who shows the rows:
expose.py.
"""

from __future__ import annotations

import os
import random
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING, Any, Final

import psutil  # type: ignore[import-untyped]  # ships no types
import psycopg
import structlog
from django.db import DatabaseError, InterfaceError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg_pool import PoolTimeout

from audit import measures
from metrics.host import Host
from metrics.increments import Cell
from metrics.own_numbers import Pauses, Times
from metrics.own_series import Places, Sums, overflow
from metrics.platform_families import REFUSED
from metrics.rollup import columns_of, moment_of
from metrics.spans import take_out

if TYPE_CHECKING:
    from metrics.http_minutes import HttpMinutes

log = structlog.get_logger(__name__)

SECONDS: Final = 5.0
_MAINTAIN_SECONDS: Final = 3600.0
_KEEP_FLUSHES: Final = timedelta(days=7)
_HOST_ROLES: Final = ("beat", "append")
_AWAY: Final = (psycopg.Error, DatabaseError, InterfaceError, PoolTimeout)

_BOUND = "SET LOCAL statement_timeout = 2000"  # ms; what waits longer stays for the next time
_CLAIM = """
INSERT INTO metrics_flush AS f (process, number)
VALUES (%s, %s)
ON CONFLICT (process) DO UPDATE
SET number = excluded.number, at = clock_timestamp()
WHERE f.number < excluded.number
RETURNING number
"""
# Held to the end of the transaction: two that find a free place would each take the last one.
_LOCK_PLACES = "SELECT pg_advisory_xact_lock(hashtext('metrics.own_places'))"
_PLACES = """
SELECT family, labels
FROM metrics_process
UNION
SELECT list, value
FROM metrics_name
WHERE left(list, 4) = 'obs_'
"""
_MINUTE_PLACES = """
SELECT DISTINCT family, labels
FROM metrics_processminute
WHERE minute >= %s
"""
_ADD = """
INSERT INTO metrics_process AS t (family, labels, n, buckets, total)
SELECT n.family, n.labels, n.n, n.buckets::bigint[], n.total
FROM unnest(%s::text[], %s::text[], %s::numeric[], %s::text[], %s::numeric[])
    AS n(family, labels, n, buckets, total)
ON CONFLICT (family, labels) DO UPDATE
SET n = t.n + excluded.n,
    buckets = CASE WHEN excluded.buckets IS NULL THEN t.buckets
        ELSE metrics_add(t.buckets, excluded.buckets) END,
    total = t.total + excluded.total
"""
_ADD_MINUTES = """
INSERT INTO metrics_processminute AS t (family, labels, minute, n, buckets, total)
SELECT n.family, n.labels, to_timestamp(n.at), n.n, n.buckets::bigint[], n.total
FROM unnest(%s::text[], %s::text[], %s::numeric[], %s::text[], %s::numeric[], %s::float8[])
    AS n(family, labels, n, buckets, total, at)
ON CONFLICT (family, labels, minute) DO UPDATE
SET n = t.n + excluded.n,
    buckets = CASE WHEN excluded.buckets IS NULL THEN t.buckets
        ELSE metrics_add(t.buckets, excluded.buckets) END,
    total = t.total + excluded.total
"""
_MAKE_DAYS = "SELECT metrics_make_days(%s::date, %s::date)"
_FORGET_FLUSHES = "DELETE FROM metrics_flush WHERE at < %s"


class Flusher:
    """What one process has counted and not written yet, and how it is written."""

    def __init__(self, role: str) -> None:
        """Begin; `role` is one of own_series.ROLES."""
        self.role = role
        self.process = f"{role}-{uuid.uuid4().hex}"
        self.number = 0
        self.is_failing = False
        self._waiting = Sums()
        self._pending: Sums | None = None
        self._lock = threading.RLock()  # held while one thread reads and writes; the end may come
        self._own: BaseDatabaseWrapper | None = None
        self._places, self._minute_places = Places(), Places()
        self._times, self._pauses = Times(role), Pauses()
        self._http = _http_minutes() if role == "web" else None
        self._host = Host() if role in _HOST_ROLES else None
        self._maintained = float("-inf")
        self._has_begun = False

    def switch(self, *, on: bool) -> None:
        """Gather from now on, or no more; what was gathered is written all the same."""
        with self._lock:
            has_begun, self._has_begun = self._has_begun, True
            if on == measures.is_gathering():
                return
            if not on:
                self._read()
            elif has_begun:  # else the process's own beginning belongs to it
                self._times.skip()
            if on and self._http is not None:
                self._http.skip()
            if on and not has_begun:
                self._waiting.show_zeros(self.role)
            measures.gather(on)
            self._pauses.listen(on=on)

    def cease(self) -> None:
        """Stop listening, in a child: what was gathered is the parent's, who tells it."""
        self._pauses.listen(on=False)
        measures.gather(False)

    def flush(self) -> bool:
        """Write what was counted until now; False when the database is away and it stays here."""
        with self._lock:
            began = time.thread_time()
            if measures.is_gathering():
                self._read()
            # A connection that was open may have been closed at the other end meanwhile.
            for is_last in (self._own is None, True):
                try:
                    self._write()
                    break
                except _AWAY as error:
                    self._let_go(has_failed=True)
                    if is_last:
                        self._tell_away(error)
                        return False
            if self.is_failing:
                self.is_failing = False
                log.info("metrics.flushed_again", process=self.process)
            measures.overhead("metrics", seconds=time.thread_time() - began)
            return True

    def _read(self) -> None:
        sums = Sums()
        sums.add(measures.drain())
        sums.add((REFUSED.name, (family, "full"), 1, None) for family in measures.lost())
        self._times.add_to(sums)
        self._pauses.add_to(sums)
        if self._http is not None:
            self._http.add_to(sums)
        sums.share_out(int(time.time() // 60))
        self._waiting.join(sums)

    def _write(self) -> None:
        if self._pending is None and self._waiting.is_empty():
            return  # switched off; a process that gathers has its own time to tell at least
        connection = self._connection()
        host = self._host if measures.is_gathering() else None
        if host is not None and not host.is_ours(connection):
            host = None
        if host is not None:
            host.add_to(self._waiting)
        # What failed before comes first, as it was: its number may have been committed.
        while self._pending is not None or not self._waiting.is_empty():
            if self._pending is None:
                self._pending, self._waiting = self._waiting, Sums()
                self.number += 1
            self.commit(connection, self._pending)
            self._pending = None
        # Last: what the process counted must not wait for a machine that is slow to say how it is.
        if host is not None:
            self._tell_host(connection, host)
        if self._own is not None and "pool" in self._own.settings_dict["OPTIONS"]:
            self._let_go()

    @property
    def tells_of_machine(self) -> bool:
        """Whether this process is the one that tells how the machine is."""
        return self._host is not None and self._host.is_telling

    def close(self) -> None:
        """Close the connection; it is opened again when it is needed."""
        self._let_go()

    def commit(self, own: psycopg.Connection[Any], sums: Sums) -> None:
        """Add these sums in one transaction, unless this number was added before."""
        with own.transaction(), own.cursor() as cursor:
            cursor.execute(_BOUND)
            if cursor.execute(_CLAIM, (self.process, self.number)).fetchone() is None:
                return  # it was committed, and only the answer was lost
            totals, folded = self._placed_totals(cursor, sums.totals)
            totals.add(overflow(folded))
            if columns := columns_of([(0, totals)]):
                cursor.execute(_ADD, columns[:5])
            placed = self._placed_minutes(cursor, sums.minutes)
            if columns := columns_of(placed):
                cursor.execute(_ADD_MINUTES, columns)
                take_out(cursor, "processes", (moment_of(minute) for minute, _ in placed))

    def _placed_totals(
        self, cursor: psycopg.Cursor[Any], cell: Cell
    ) -> tuple[Cell, dict[str, int]]:
        if not self._places.has(cell):
            cursor.execute(_LOCK_PLACES)
            self._places = Places(cursor.execute(_PLACES).fetchall())
        return self._places.placed(cell)

    def _placed_minutes(
        self, cursor: psycopg.Cursor[Any], minutes: dict[int, Cell]
    ) -> Sequence[tuple[int, Cell]]:
        if not all(self._minute_places.has(cell) for cell in minutes.values()):
            cursor.execute(_LOCK_PLACES)
            today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
            self._minute_places = Places(cursor.execute(_MINUTE_PLACES, (today,)).fetchall())
        return [
            (minute, self._minute_places.placed(cell)[0])
            for minute, cell in sorted(minutes.items())
        ]

    def _tell_host(self, connection: psycopg.Connection[Any], host: Host) -> None:
        """Write how the machine is; where that fails it is told the next time, as it is then."""
        try:
            self._write_host(connection, host)
        except (*_AWAY, OSError, psutil.Error) as error:
            log.warning("metrics.host_not_told", error=f"{type(error).__name__}: {error}"[:300])
            if connection.closed:
                self._let_go()

    def _write_host(self, connection: psycopg.Connection[Any], host: Host) -> None:
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute(_BOUND)
            host.tell(cursor)
            if time.monotonic() - self._maintained > _MAINTAIN_SECONDS:
                today = datetime.now(UTC).date()
                cursor.execute(_MAKE_DAYS, (today, today + timedelta(days=2)))
                cursor.execute(_FORGET_FLUSHES, (datetime.now(UTC) - _KEEP_FLUSHES,))
                self._maintained = time.monotonic()

    # --- The connection: our own, so that no transaction of the process's work is met ---

    def _connection(self) -> psycopg.Connection[Any]:
        if self._own is None:
            self._own = connections["default"].copy()
            self._own.inc_thread_sharing()  # the thread that writes, and the one that ends
        self._own.ensure_connection()
        found: psycopg.Connection[Any] = self._own.connection
        return found

    def _let_go(self, *, has_failed: bool = False) -> None:
        if has_failed:  # a place that was taken in a transaction which failed is no place
            self._places, self._minute_places = Places(), Places()
        own, self._own = self._own, None
        if own is not None:
            own.close()

    def _tell_away(self, error: BaseException) -> None:
        if not self.is_failing:  # once, not every 5 s
            log.warning("metrics.not_flushed", error=f"{type(error).__name__}: {error}"[:300])
        self.is_failing = True


def _http_minutes() -> HttpMinutes:
    from metrics.http_minutes import HttpMinutes  # django-prometheus, which the web alone needs

    return HttpMinutes()


# --- One a process --------------------------------------------------------------------------------


def _always() -> bool:
    return True


_flusher: Flusher | None = None
_is_on: Callable[[], bool] = _always
_of_parents: list[Flusher] = []  # kept, so that no connection of theirs is closed from here


def start(role: str, *, is_on: Callable[[], bool] = _always) -> None:
    """Begin to gather in this process, and to write every 5 s and at its end.

    A second call changes nothing. `is_on` is asked before each flush whether to gather at all.
    """
    global _is_on
    if _flusher is None:
        _is_on = is_on
        _begin(role)
        os.register_at_fork(after_in_child=_begin_in_child)


def flush() -> None:
    """Write now what was counted; call it where a process ends without exit functions."""
    if _flusher is not None:
        _flusher.flush()


def _begin(role: str) -> None:
    global _flusher
    _flusher = Flusher(role)
    _flusher.switch(on=True)  # whether it is, is asked at the first flush: not while apps load
    # Not atexit: a process that multiprocessing has forked ends without, and calls these.
    Finalize(None, flush, exitpriority=10)
    threading.Thread(target=_follow, args=(_flusher,), name="metrics-flushing", daemon=True).start()


def _begin_in_child() -> None:
    if _flusher is not None:
        _flusher.cease()
        _of_parents.append(_flusher)
        _begin(_flusher.role)


def _follow(flusher: Flusher) -> None:
    # Web processes write at the full 5 s, so that a look at requests never spans two minutes;
    # all others at a moment of their own, so that they do not wait for each other.
    phase = 0.0 if flusher.role == "web" else random.uniform(0.0, SECONDS)  # noqa: S311
    while True:
        time.sleep(SECONDS - (time.time() - phase) % SECONDS)
        try:
            flusher.switch(on=_is_on())
            connections["default"].close()  # the thread's, which nobody else would give back
            flusher.flush()
        except Exception:  # a defect of ours must not end all counting; what waits is kept
            log.exception("metrics.flush_failed")

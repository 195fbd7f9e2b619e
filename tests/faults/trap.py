"""Hold a writer at one point of its transaction, with nothing but Postgres: a trigger that waits.

The trigger takes an advisory lock that the test holds, so the writer stands still where it fired
until it is killed, cut, or let go. The platform's own code runs as it is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from tests.faults.targets import eventually

POINTS = {
    "after the head's lock": "TRIGGER fault_trap BEFORE INSERT ON audit_entry",
    "after the entries": "TRIGGER fault_trap BEFORE INSERT ON audit_eventkey",
    "after the inbox was emptied": "TRIGGER fault_trap AFTER DELETE ON audit_inbox",
    # Deferred: all is written, and COMMIT has been asked for.
    "at the commit": "CONSTRAINT TRIGGER fault_trap AFTER UPDATE ON audit_head"
    " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW",
}
"""Where a writer can be held, in the order in which it passes them."""
_LOCK = 4_711_023
_HELD_SECONDS = 60
_WAITING = """
SELECT pid
FROM pg_locks
WHERE locktype = 'advisory'
  AND objid = %s
  AND NOT granted
"""


class Trap:
    """A trap that is set; who comes by stands still."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def wait_for_one(self) -> int:
        """Wait until a writer stands in it and return the pid of its backend."""
        eventually(self._is_full, what="a writer is held", within=_HELD_SECONDS)
        ((backend,),) = self._connection.execute(_WAITING, [_LOCK]).fetchall()
        return int(backend)

    def open(self) -> None:
        """Let go who is held and who comes later."""
        self._connection.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])

    def _is_full(self) -> bool:
        return self._connection.execute(_WAITING, [_LOCK]).fetchone() is not None


@contextmanager
def trap(point: str) -> Iterator[Trap]:
    """Set a trap at this point of every append; gone when the block ends."""
    create = POINTS[point]
    table = create.partition(" ON ")[2].split()[0]
    with owner() as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        connection.execute(
            f"""
            CREATE OR REPLACE FUNCTION fault_trap() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                PERFORM pg_advisory_xact_lock({_LOCK});
                RETURN NULL;
            END $$
            """
        )
        connection.execute(f"CREATE {create} EXECUTE FUNCTION fault_trap()")
        try:
            yield Trap(connection)
        finally:
            connection.execute("SELECT pg_advisory_unlock_all()")
            connection.execute(f"DROP TRIGGER fault_trap ON {table}")
            connection.execute("DROP FUNCTION fault_trap()")


@contextmanager
def owner() -> Iterator[psycopg.Connection[Any]]:
    """Open a connection to the tests' own database as the owner of its tables."""
    url = os.environ.get("DATABASE_OWNER_URL") or os.environ["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as opened:
        yield opened


@contextmanager
def worker() -> Iterator[psycopg.Connection[Any]]:
    """Open a connection to the tests' own database with the writers' rights."""
    url = os.environ.get("DATABASE_WORKER_URL") or os.environ["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as opened:
        yield opened

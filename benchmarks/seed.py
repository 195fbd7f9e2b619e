"""Fill a ledger by the shortest true way: rows put into the inbox, chained by append itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import psycopg

from benchmarks.sample import Post
from benchmarks.sender import Parcel

SOURCE = b'{"key":"benchkey","scope":"events","via":"api"}'
"""What the records of these entries say of their sender; canonical."""

GOVERNED = b'{"key":"benchkey","scope":"governance","via":"api"}'
"""The same of a key that may speak for people."""

_PUT = """
INSERT INTO audit_inbox (ledger_id, received_at, count, event_ids, digests, source, events)
VALUES (%s, %s, %s, %s, %s, %s, %s)
"""


def put(
    connection: psycopg.Connection,
    ledger_id: int,
    posts: Iterable[Post],
    *,
    source: bytes = SOURCE,
) -> int:
    """Insert inbox rows as `audit.receive` would; return how many events they hold."""
    events = 0
    with psycopg.Cursor(connection) as cursor:
        for one in posts:
            cursor.execute(
                _PUT,
                (
                    ledger_id,
                    datetime.now(UTC),
                    len(one.event_ids),
                    one.event_ids,
                    one.digests,
                    source,
                    one.events,
                ),
            )
            events += len(one.event_ids)
    return events


def receive_fleet(ledger_id: int, name: str, parcels: Iterable[Parcel]) -> None:
    """Receive POSTs of the demo fleet by the two keys they go by; data subjects get theirs."""
    from audit.receive import Incoming, Sender, receive

    scopes = frozenset({"events:write", "governance:write", "ops:write"})
    for parcel in parcels:
        receipts = receive(
            [Incoming(raw=line) for line in parcel.body.splitlines()],
            ledger_id=ledger_id,
            ledger_name=name,
            sender=Sender(
                via="api",
                scope="governance" if parcel.governed else "events",
                scopes=scopes,
                key="benchkey",
            ),
            received_at=datetime.now(UTC),
        )
        assert all(each.status == "received" for each in receipts), receipts


def size_of(connection: psycopg.Connection, ledger: str) -> int:
    """Return how many entries the ledger has."""
    found = connection.execute(
        """
        SELECT h.size
        FROM audit_head AS h
        JOIN audit_ledger AS l ON l.id = h.ledger_id
        WHERE l.name = %s
        """,
        (ledger,),
    ).fetchone()
    return int(found[0]) if found else 0


def wait_until(
    holds: Callable[[], bool], *, seconds: float, what: str, every: float = 0.05
) -> None:
    """Wait for something at most so long; raise TimeoutError naming it."""
    ends = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > ends:
            raise TimeoutError(f"{what} did not come true in {seconds:.0f} s")
        time.sleep(every)

"""Append received events to the chain. The only module that inserts an entry or moves a head.

One writer a ledger: whoever holds the row lock of its head. One transaction takes up to
`settings.APPEND_BATCH` events out of the inbox, drops those whose id is chained already, numbers
and hashes the rest, writes entries, event keys and the tiles that became full, deletes the inbox
rows and moves the head; all of it commits or nothing. An event that Postgres refuses is found by
halving and goes to quarantine, so a bad one never stops the rest. Anything else rolls back and
leaves the inbox as it was.

What is taken, and which of it is new: taking.py. Bytes and hashes: audit.ledger.record. What is
copied into columns: audit.ledger.columns.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import psycopg
import structlog
from django.conf import settings
from django.db import DatabaseError
from psycopg import errors as pg

from audit import measures, spans
from audit.appendstats import reason_of, record_append, record_failure
from audit.database import raw_connection, raw_cursor, rows
from audit.errors import TilesMissing
from audit.ledger.columns import columns_of_event, parse_time
from audit.ledger.record import link
from audit.ledger.tiles import Edge, grow
from audit.models import Quarantine
from audit.quarantine import CONFLICT, Misfit, quarantine
from audit.taking import Waiting, sort, take
from audit.tree import load_edge, write_tiles

log = structlog.get_logger(__name__)

_TRANSACTIONS_A_TURN = 20  # then the next ledger has its turn
_LOCK_HEAD = """
SELECT h.size, h.hash, l.name,
       -- A writer that stands still in the middle of COPY must not hold the head for ever.
       set_config('statement_timeout', '60s', true),
       -- All that is asked here goes by key. A plan made while a table was empty reads it whole,
       -- and a prepared statement would keep that plan while the table grows.
       set_config('enable_seqscan', 'off', true)
FROM audit_head AS h
JOIN audit_ledger AS l ON l.id = h.ledger_id
WHERE h.ledger_id = %s
FOR UPDATE OF h SKIP LOCKED
"""
_DELETE = "DELETE FROM audit_inbox WHERE ledger_id = %s AND ctid = ANY(%s::tid[])"
_MOVE_HEAD = "UPDATE audit_head SET size = %s, hash = %s WHERE ledger_id = %s"
_COPY_ENTRY = """
COPY audit_entry (ledger_id, seq, received_at, occurred_at, is_backfill, event_id, hash, agent_id,
    actor_id, category, action, outcome, severity, environment, run_id, trace_id, key_id,
    data_classes, record)
FROM STDIN (FORMAT BINARY)
"""
_ENTRY_TYPES = [
    "int4", "int8", "timestamptz", "timestamptz", "bool", "uuid", "bytea", "text", "text",
    "text", "text", "text", "text", "text", "text", "text", "text", "text[]", "bytea",
]  # fmt: skip
_COPY_KEY = "COPY audit_eventkey (ledger_id, event_id, seq, digest) FROM STDIN (FORMAT BINARY)"
_KEY_TYPES = ["int4", "uuid", "int8", "bytea"]
_COUNT_USE = """
INSERT INTO audit_keyusage (ledger_id, key_id, day, events)
VALUES (%s, %s, %s, %s)
ON CONFLICT (ledger_id, key_id, day) DO UPDATE SET events = audit_keyusage.events + excluded.events
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Appended:
    """What one transaction did."""

    ledger: str
    entries: int
    duplicates: int
    quarantined: int
    size: int
    """The ledger's size after it."""


def append_pending(ledger_id: int | None = None, *, batch: int | None = None) -> int:
    """Chain what waits in the inbox of one ledger, or of all in turn, and return the entries made.

    Ledgers that another writer holds are left to it. Looks once more after its last commit, so a
    wake-up that met a held lock is not lost.
    """
    made = 0
    waiting = [ledger_id] if ledger_id is not None else _ledgers_waiting()
    while waiting:
        for each in list(waiting):
            for _ in range(_TRANSACTIONS_A_TURN):
                done = append_once(each, batch=batch or settings.APPEND_BATCH)
                if done is None:
                    waiting.remove(each)
                    break
                made += done.entries
    return made


def append_once(ledger_id: int, *, batch: int) -> Appended | None:
    """Run one transaction. None when nothing waits or another writer holds the ledger.

    Raises what Postgres raised when it was no fault of an event; nothing is changed then.
    """
    try:
        with ExitStack() as whole:
            return _append_once(ledger_id, batch, whole)
    except psycopg.Error as error:
        forget_months()  # one may be what is missing; look again at the next try
        log.error(
            "append.failed",
            ledger_id=ledger_id,
            sqlstate=error.sqlstate,
            error=str(error).split("\n")[0],
        )
        _count_failure(error)
        raise


def _append_once(ledger_id: int, batch: int, whole: ExitStack) -> Appended | None:
    started, busy, began = time.perf_counter(), time.thread_time(), time.time_ns()
    connection = raw_connection()
    with connection.transaction():
        head = rows(_LOCK_HEAD, (ledger_id,))
        if not head:
            return None
        ((size, last_hash, ledger_name, *_),) = head
        waiting, unreadable, posts = take(ledger_id, batch)
        if not posts:
            return None
        span = whole.enter_context(spans.span("audit.append", began=began, ledger=ledger_name))
        spans.link_to_senders(span, (post.traceparent for post in posts))
        fresh, conflicts, duplicates = sort(waiting, posts, ledger_id)
        _make_months(connection, {post.received_at.date() for post in posts})
        new_size, new_hash = size, bytes(last_hash)
        edge = _edge_at(ledger_id, size, new_hash)
        refused: list[tuple[Waiting, str]] = []
        leaves: list[bytes] = []
        for chained in _write(
            connection, fresh, ledger_id, ledger_name, new_size, new_hash, refused
        ):
            leaves += chained
            new_size, new_hash = new_size + len(chained), chained[-1]
        with raw_cursor() as cursor:
            if edge is not None:
                edge, full = grow(edge, leaves)
                write_tiles(cursor, ledger_id, full)
            for one in conflicts:
                _quarantine(cursor, ledger_id, one, Quarantine.CONFLICT, CONFLICT)
            for one, error in unreadable:
                _quarantine(cursor, ledger_id, one, Quarantine.UNREADABLE, error)
            for one, error in refused:
                _quarantine(cursor, ledger_id, one, Quarantine.REFUSED, error)
            if new_size > size:
                cursor.execute(_MOVE_HEAD, (new_size, new_hash, ledger_id))
            cursor.execute(_DELETE, (ledger_id, [post.row_id for post in posts]))
            _count_use(cursor, ledger_id, fresh, {id(one) for one, _ in refused})
            if new_size > size:
                record_append(
                    cursor,
                    ledger_id=ledger_id,
                    entries=new_size - size,
                    seconds=time.perf_counter() - started,
                )
    _edges[ledger_id] = new_hash, edge
    done = Appended(
        ledger=ledger_name,
        entries=new_size - size,
        duplicates=duplicates,
        quarantined=len(conflicts) + len(unreadable) + len(refused),
        size=new_size,
    )
    if measures.is_gathering():
        _measure(done, fresh, {id(one) for one, _ in refused}, conflicts=len(conflicts))
        measures.overhead("audit", seconds=time.thread_time() - busy)
    span.set_attributes({"obs.entries": done.entries, "obs.posts": len(posts)})
    log.info(
        "chained",
        ledger=ledger_name,
        entries=done.entries,
        duplicates=done.duplicates,
        quarantined=done.quarantined,
        size=done.size,
        request_ids=[post.request_id for post in posts[:20] if post.request_id],
        posts=len(posts),
    )
    return done


def _ledgers_waiting() -> list[int]:
    """Return the ledgers with something in their inbox, found by one index step each."""
    return [
        ledger_id
        for (ledger_id,) in rows(
            """
            SELECT l.id
            FROM audit_ledger AS l
            WHERE EXISTS (SELECT FROM audit_inbox AS i WHERE i.ledger_id = l.id)
            ORDER BY l.id
            """
        )
    ]


# --- Months ---------------------------------------------------------------------------------------

_months: set[date] = set()
"""First days of the months whose partition this process has seen."""


def forget_months() -> None:
    """Look for each month's partition again, as in a database that this process has not seen."""
    _months.clear()


def _make_months(connection: psycopg.Connection[Any], days: set[date]) -> None:
    """Make the partitions that these days need, before anything is numbered."""
    for first_day in {day.replace(day=1) for day in days} - _months:
        connection.execute("SELECT audit_make_month(%s)", (first_day,))
        _months.add(first_day)


# --- The tree -------------------------------------------------------------------------------------

_edges: dict[int, tuple[bytes, Edge | None]] = {}
"""By ledger, the head's hash and the right edge there, as this process left them last.

None where older entries have no tiles yet: then none are made until fill.py has made those.
"""


def _edge_at(ledger_id: int, size: int, head: bytes) -> Edge | None:
    """Return the right edge of the tree at the head, from memory if nobody else has appended."""
    known, edge = _edges.get(ledger_id, (b"", None))
    if known == head and edge is not None and edge.size == size:
        return edge
    try:
        return load_edge(ledger_id, size=size)
    except TilesMissing as missing:
        log.warning("tiles.missing", ledger_id=ledger_id, tile=missing.tile)
        return None


# --- Writing -------------------------------------------------------------------------------------


def _write(
    connection: psycopg.Connection[Any],
    events: Sequence[Waiting],
    ledger_id: int,
    ledger_name: str,
    size: int,
    head: bytes,
    refused: list[tuple[Waiting, str]],
) -> Iterator[list[bytes]]:
    """Write the events, halving at a refusal until the one event is found; yield their hashes.

    A part that fails is undone by its savepoint, so numbering goes on from the last good head.
    """
    if not events:
        return
    try:
        with connection.transaction():
            leaves = _copy(connection, events, ledger_id, ledger_name, size, head)
    except (pg.DatabaseError, msgspec.DecodeError, ValueError, RecursionError) as error:
        if not _is_fault_of_an_event(error):
            raise
        if len(events) == 1:
            refused.append((events[0], _tell(error)))
            return
        middle = len(events) // 2
        for half in (events[:middle], events[middle:]):
            for chained in _write(connection, half, ledger_id, ledger_name, size, head, refused):
                size, head = size + len(chained), chained[-1]
                yield chained
        return
    yield leaves


def _copy(
    connection: psycopg.Connection[Any],
    events: Sequence[Waiting],
    ledger_id: int,
    ledger_name: str,
    size: int,
    head: bytes,
) -> list[bytes]:
    """COPY entries and event keys; return the hashes of the entries."""
    leaves = []
    pieces = [(one.event, one.post.received_text, one.source()) for one in events]
    with connection.cursor() as cursor:
        with cursor.copy(_COPY_ENTRY) as copy:
            copy.set_types(_ENTRY_TYPES)
            write = copy.write_row
            for one, (seq, record, leaf) in zip(
                events, link(pieces, ledger=ledger_name, size=size, head=head), strict=True
            ):
                leaves.append(leaf)
                found = columns_of_event(one.event)
                write(
                    (
                        ledger_id,
                        seq,
                        one.post.received_at,
                        parse_time(found.occurred_at),
                        one.post.is_backfill,
                        one.event_id,
                        leaf,
                        *found[2:11],
                        one.post.key_id,
                        found.data_classes,
                        record,
                    )
                )
        with cursor.copy(_COPY_KEY) as copy:
            copy.set_types(_KEY_TYPES)
            write = copy.write_row
            for seq, one in enumerate(events, size):
                write((ledger_id, one.event_id, seq, one.digest))
    return leaves


def _is_fault_of_an_event(error: Exception) -> bool:
    """Tell whether leaving an event out can help: bad data, a broken constraint, too large a row.

    A missing partition is 23514 too, but names no constraint; that is our fault, not an event's.
    """
    if not isinstance(error, pg.DatabaseError):
        return True  # our own reading of the event failed
    state = error.sqlstate or ""
    if state.startswith("23"):
        return error.diag.constraint_name is not None
    return state.startswith("22") or state == "54000"


def _tell(error: Exception) -> str:
    if isinstance(error, pg.DatabaseError):
        return f"{error.sqlstate}: {error.diag.message_primary}"
    return f"{type(error).__name__}: {error}"


def _quarantine(
    cursor: psycopg.Cursor[Any], ledger_id: int, one: Waiting, reason: str, error: str
) -> None:
    quarantine(
        cursor,
        Misfit(
            ledger_id=ledger_id,
            received_at=one.post.received_at,
            event_id=one.event_id,
            digest=one.digest,
            reason=reason,
            error=error,
            key_id=one.post.key_id or "",
            source=one.post.source,
            source_id=one.source_id or "",
            request_id=one.post.request_id,
            traceparent=one.post.traceparent,
            event=one.event,
        ),
    )


def _count_use(
    cursor: psycopg.Cursor[Any], ledger_id: int, fresh: Sequence[Waiting], refused: set[int]
) -> None:
    today = datetime.now(UTC).date()
    used = Counter(one.post.key_id for one in fresh if one.post.key_id and id(one) not in refused)
    for key_id, count in used.items():
        cursor.execute(_COUNT_USE, (ledger_id, key_id, today, count))


def _measure(
    done: Appended, fresh: Sequence[Waiting], refused: set[int], *, conflicts: int
) -> None:
    """Count what was committed: how long events waited, a POST at once, and what was left out.

    Backfilled ones are left out: a history load says nothing of how late news is.
    """
    now = datetime.now(UTC)
    posts = {id(one.post): one.post for one in fresh}
    entries = Counter(id(one.post) for one in fresh if not refused or id(one) not in refused)
    for key, number in entries.items():
        if not posts[key].is_backfill:
            waited = (now - posts[key].received_at).total_seconds()
            measures.observe(
                "obs_ingest_lag_seconds", "chained", done.ledger, value=waited, times=number
            )
    untaken = {
        "duplicate": done.duplicates,
        "conflict": conflicts,
        "refused": done.quarantined - conflicts,
    }
    for reason, number in untaken.items():
        if number:
            measures.count("obs_ingest_rejected_total", reason, done.ledger, n=number)


def _count_failure(error: psycopg.Error) -> None:
    """Count the failure where the database still answers; the log line stands in any case."""
    try:
        with raw_connection().transaction(), raw_cursor() as cursor:
            record_failure(cursor, reason=reason_of(error))
    except (psycopg.Error, DatabaseError) as second:
        log.warning("append.failure_uncounted", error=type(second).__name__)

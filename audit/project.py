"""Run projections: what is derived from entries and can be dropped and built again.

A projection has a name, tables, a cursor per ledger and `apply(batch)`; its rows and its cursor
commit together, so each entry counts exactly once. Which ones run: `settings.PROJECTIONS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, ClassVar, Protocol, TypeAlias

import psycopg
from django.conf import settings
from django.utils.module_loading import import_string
from psycopg import sql

from audit.database import raw_connection, raw_cursor, rows
from audit.models import Ledger

Batch: TypeAlias = Sequence[tuple[int, bytes]]
"""`(seq, record)` of consecutive entries of one ledger."""

BATCH = 2000
"""Entries a transaction."""

_BATCHES_A_TURN = 50


class Projection(Protocol):
    """What a projection must offer."""

    name: ClassVar[str]
    tables: ClassVar[Sequence[str]]
    """Its tables, each with a `ledger_id`. `apply` names them without a schema, since a rebuild
    runs it on temporary tables of the same names."""

    def apply(self, cursor: psycopg.Cursor[Any], ledger_id: int, batch: Batch) -> None:
        """Fold the entries into the tables, in the caller's transaction."""


@cache
def projections() -> dict[str, Projection]:
    """Return the projections that run here, by name."""
    made = [import_string(path)() for path in settings.PROJECTIONS]
    return {each.name: each for each in made}


_LOCK_CURSOR = """
SELECT next_seq
FROM audit_projection
WHERE ledger_id = %s
  AND name = %s
FOR UPDATE SKIP LOCKED
"""
_MAKE_CURSOR = """
INSERT INTO audit_projection (ledger_id, name, next_seq)
VALUES (%s, %s, 0)
ON CONFLICT (ledger_id, name) DO NOTHING
"""
_MOVE_CURSOR = """
UPDATE audit_projection
SET next_seq = %s, updated_at = clock_timestamp()
WHERE ledger_id = %s
  AND name = %s
"""
_READ = """
SELECT e.seq, e.record
FROM audit_entry AS e
JOIN audit_head AS h ON h.ledger_id = e.ledger_id
WHERE e.ledger_id = %s
  AND e.seq >= %s
  AND e.seq < %s
  AND e.seq < h.size  -- a stranger beyond the head must not carry the cursor past what is to come
ORDER BY e.seq
"""


def catch_up(ledger_id: int, projection: Projection) -> int:
    """Let a projection read what is new, for a bounded turn, and return how many entries it read.

    Returns 0 at once when another process has the cursor.
    """
    done = 0
    for _ in range(_BATCHES_A_TURN):
        with raw_connection().transaction(), raw_cursor() as cursor:
            read = _apply_next(cursor, ledger_id, projection)
        done += read
        if read < BATCH:
            break
    return done


def catch_up_all(ledger_id: int | None = None) -> int:
    """Let every projection of one ledger, or of all, read what is new."""
    which = (
        [ledger_id]
        if ledger_id is not None
        else list(Ledger.objects.order_by("id").values_list("id", flat=True))
    )
    return sum(catch_up(each, one) for each in which for one in projections().values())


def _apply_next(cursor: psycopg.Cursor[Any], ledger_id: int, projection: Projection) -> int:
    found = cursor.execute(_LOCK_CURSOR, (ledger_id, projection.name)).fetchone()
    if found is None:
        cursor.execute(_MAKE_CURSOR, (ledger_id, projection.name))
        found = cursor.execute(_LOCK_CURSOR, (ledger_id, projection.name)).fetchone()
        if found is None:
            return 0  # another process made the cursor and holds it
    (next_seq,) = found
    batch = rows(_READ, (ledger_id, next_seq, next_seq + BATCH))
    if batch:
        projection.apply(cursor, ledger_id, batch)
        cursor.execute(_MOVE_CURSOR, (batch[-1][0] + 1, ledger_id, projection.name))
    return len(batch)


def rebuild(
    ledger: Ledger, projection: Projection, *, on_progress: Callable[[int], None] | None = None
) -> int:
    """Build a projection again from seq 0 beside the live rows, then swap in one transaction.

    Readers see the old rows until the new ones stand, so no count falls. Returns the entries read.
    """
    connection = raw_connection()
    # A statement that was prepared before still means the live tables, not the temporary ones.
    prepare_after, connection.prepare_threshold = connection.prepare_threshold, None
    next_seq = 0
    with raw_cursor() as cursor:
        for table in projection.tables:
            cursor.execute(
                sql.SQL("CREATE TEMPORARY TABLE {0} (LIKE public.{0} INCLUDING ALL)").format(
                    sql.Identifier(table)
                )
            )
        try:
            while batch := rows(_READ, (ledger.id, next_seq, next_seq + BATCH)):
                with connection.transaction():
                    projection.apply(cursor, ledger.id, batch)
                next_seq = batch[-1][0] + 1
                if on_progress is not None:
                    on_progress(next_seq)
            with connection.transaction():
                _swap(cursor, ledger.id, projection, next_seq)
        finally:
            connection.prepare_threshold = prepare_after
            for table in projection.tables:
                cursor.execute(sql.SQL("DROP TABLE pg_temp.{}").format(sql.Identifier(table)))
    return next_seq


def _swap(
    cursor: psycopg.Cursor[Any], ledger_id: int, projection: Projection, next_seq: int
) -> None:
    cursor.execute(_MAKE_CURSOR, (ledger_id, projection.name))
    cursor.execute(_LOCK_CURSOR.replace("SKIP LOCKED", ""), (ledger_id, projection.name))
    while batch := rows(_READ, (ledger_id, next_seq, next_seq + BATCH)):
        projection.apply(cursor, ledger_id, batch)
        next_seq = batch[-1][0] + 1
    for table in projection.tables:
        name = sql.Identifier(table)
        cursor.execute(
            sql.SQL("DELETE FROM public.{} WHERE ledger_id = %s").format(name), (ledger_id,)
        )
        cursor.execute(sql.SQL("INSERT INTO public.{0} SELECT * FROM pg_temp.{0}").format(name))
    cursor.execute(_MOVE_CURSOR, (next_seq, ledger_id, projection.name))

"""Count appends and their failures as rows. Called by audit/append.py, read by audit/figures.py.

Workers are forked and recycled, so a counter in their memory would fall; a row never does. The
counts of an append stand in its own transaction: they are kept exactly when its entries are.

Two histograms, each a row per ledger and upper edge (audit/sql/0003_append_stats.sql):
`entry` counts every entry once, at its transaction's time divided by the entries;
`transaction` counts every transaction once, at its whole time.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, Final, Literal, Protocol, TypeAlias

import psycopg
from django.db import Error as DjangoDatabaseError

Reason: TypeAlias = Literal["data", "partition", "connection", "other"]
"""Why an append failed; the closed set of a label."""

REASONS: Final[tuple[Reason, ...]] = ("data", "partition", "connection", "other")
ENTRY_EDGES: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1.0)
TRANSACTION_EDGES: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper edges in seconds, the last one (infinity) left out. Add edges, never take one away."""

# The casts let a raw psycopg cursor bind by type; infinity travels as the float it is.
_RECORD_APPEND = """
    INSERT INTO audit_appendstat AS stat (ledger_id, histogram, edge, observations, seconds)
    VALUES (%s::integer, 'entry', %s::float8, %s::bigint, %s::float8),
        (%s::integer, 'transaction', %s::float8, 1, %s::float8)
    ON CONFLICT (ledger_id, histogram, edge) DO UPDATE
    SET observations = stat.observations + excluded.observations,
        seconds = stat.seconds + excluded.seconds
"""
_RECORD_FAILURE = """
    INSERT INTO audit_appendfailure AS failure (reason, failures)
    VALUES (%s::text, 1)
    ON CONFLICT (reason) DO UPDATE
    SET failures = failure.failures + 1
"""


class Cursor(Protocol):
    """What both Django's cursor and psycopg's offer."""

    def execute(self, query: Any, params: Any = ..., /) -> Any:
        """Run one statement."""


def record_append(cursor: Cursor, *, ledger_id: int, entries: int, seconds: float) -> None:
    """Count one append transaction of `entries` ≥ 1 that took `seconds`, in that transaction.

    One statement. The caller holds the ledger's head, so nobody else waits for these rows.
    """
    assert entries > 0, "a transaction that chained nothing is no append"
    each = seconds / entries
    cursor.execute(
        _RECORD_APPEND,
        (
            ledger_id,
            edge_of(each, ENTRY_EDGES),
            entries,
            seconds,
            ledger_id,
            edge_of(seconds, TRANSACTION_EDGES),
            seconds,
        ),
    )


def record_failure(cursor: Cursor, *, reason: Reason) -> None:
    """Count one failed append. Call it after the rollback, in a transaction of its own."""
    cursor.execute(_RECORD_FAILURE, (reason,))


def reason_of(error: BaseException) -> Reason:
    """Tell which of the four reasons a database error is; Django's wrapper is looked through.

    `data`: Postgres refuses the row (SQLSTATE 22*, 23* with a constraint name, 54000).
    `partition`: no month takes it (23514 without a constraint's name). `connection`: the server
    is away or going. All the rest is `other`.
    """
    if isinstance(error, DjangoDatabaseError) and error.__cause__ is not None:
        error = error.__cause__
    if not isinstance(error, psycopg.Error):
        return "other"
    state = error.sqlstate
    if state is None:  # Postgres said nothing: we never reached it, or lost it
        away = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return "connection" if away else "other"
    if state.startswith("22") or state == "54000":
        return "data"
    if state.startswith("23") and error.diag.constraint_name:
        return "data"
    if state == "23514":
        return "partition"
    return "connection" if state.startswith(("08", "57P")) else "other"


def edge_of(seconds: float, edges: tuple[float, ...]) -> float:
    """Return the smallest edge that is not below `seconds`, else infinity."""
    place = bisect_left(edges, seconds)
    return edges[place] if place < len(edges) else float("inf")

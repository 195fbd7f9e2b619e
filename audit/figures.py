"""Read the figures that /metrics and /status show. Reads only; walks indexes, never counts entries.

Every statement is bounded: counts stop at a limit that the figure names, sizes come from
Postgres' own estimates, and the reader gives up after two seconds, since a scrape must never
become the load it measures. Families: audit.collectors.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias

from django.db import connection, transaction

COUNT_LIMIT: Final = 100_000
"""Rows of one ledger that are counted one by one; beyond it a figure is an estimate or a floor."""

STATEMENT_TIMEOUT_MS: Final = 2_000

Histogram: TypeAlias = Literal["entry", "transaction"]
"""Which of the two append histograms; see audit.appendstats."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerFigures:
    """What one ledger shows of itself."""

    ledger: str
    entries: int
    """Entries in the chain: the head's size."""
    newest_received_at: datetime | None
    """When the newest entry was received."""
    inbox_events: int
    """Events waiting to be chained; an estimate above COUNT_LIMIT POSTs."""
    inbox_age_seconds: float
    """Age of the oldest POST waiting, 0 when none waits."""
    quarantine_open: int
    """Open quarantine rows; at least so many when it is COUNT_LIMIT."""
    agents: int
    """Agents seen; at least so many when it is COUNT_LIMIT."""
    verified: float
    """1 intact, 0.5 not proven, 0 tampered."""
    verified_at: datetime | None
    """When the newest verification run ended."""
    broken_entries: int
    """Entries found broken by the newest run whose finding still stands."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TableSize:
    """How large a table is, its partitions and indexes together."""

    table: str
    rows: int
    """Postgres' estimate of live rows, as of its last ANALYZE or VACUUM."""
    size_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class AppendCount:
    """Observations of one append histogram in one bucket, over all ledgers."""

    histogram: Histogram
    edge: float
    """The bucket's upper edge in seconds; infinity for the last."""
    observations: int
    seconds: float
    """Sum of what was observed."""


@contextmanager
def bounded() -> Iterator[None]:
    """Run what is inside in one read-only transaction whose every statement gives up in time."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
            cursor.execute(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS:d}")
        yield


# A finding of tampering stands until a later run that covers the same place finds it intact: the
# newest run alone may have looked at another range. The newest hundred findings are looked at.
_LEDGERS = """
    SELECT ledger.name,
        head.size,
        newest.received_at,
        waiting.events,
        waiting.posts,
        waiting.last_id,
        ends.first_id,
        ends.last_id,
        COALESCE(EXTRACT(EPOCH FROM clock_timestamp() - ends.oldest_received_at), 0)::float8,
        quarantine.open,
        registry.agents,
        standing.result,
        standing.finished_at,
        standing.broken
    FROM audit_ledger AS ledger
    JOIN audit_head AS head ON head.ledger_id = ledger.id
    LEFT JOIN LATERAL (
        SELECT entry.received_at
        FROM audit_entry AS entry
        WHERE entry.ledger_id = ledger.id AND entry.seq = head.size - 1
        LIMIT 1
    ) AS newest ON true
    LEFT JOIN LATERAL (
        SELECT COALESCE(sum(part.count), 0)::bigint AS events,
            count(*)::bigint AS posts,
            max(part.id) AS last_id
        FROM (
            SELECT inbox.id, inbox.count
            FROM audit_inbox AS inbox
            WHERE inbox.ledger_id = ledger.id
            ORDER BY inbox.id
            LIMIT %(limit)s
        ) AS part
    ) AS waiting ON true
    LEFT JOIN LATERAL (
        SELECT oldest.id AS first_id,
            oldest.received_at AS oldest_received_at,
            (
                SELECT max(last.id)
                FROM audit_inbox AS last
                WHERE last.ledger_id = ledger.id
            ) AS last_id
        FROM audit_inbox AS oldest
        WHERE oldest.ledger_id = ledger.id
        ORDER BY oldest.id
        LIMIT 1
    ) AS ends ON true
    LEFT JOIN LATERAL (
        SELECT count(*)::bigint AS open
        FROM (
            SELECT FROM audit_quarantine AS held
            WHERE held.ledger_id = ledger.id AND held.state = 'open'
            LIMIT %(limit)s
        ) AS part
    ) AS quarantine ON true
    LEFT JOIN LATERAL (
        SELECT count(*)::bigint AS agents
        FROM (
            SELECT FROM audit_agent AS agent
            WHERE agent.ledger_id = ledger.id
            LIMIT %(limit)s
        ) AS part
    ) AS registry ON true
    JOIN audit_standing AS standing ON standing.ledger_id = ledger.id
    ORDER BY ledger.name
"""


def ledger_figures() -> list[LedgerFigures]:
    """Return each ledger's figures, by name. Call it inside `bounded()`."""
    with connection.cursor() as cursor:
        cursor.execute(_LEDGERS, {"limit": COUNT_LIMIT})
        return [_ledger_figures(*row) for row in cursor.fetchall()]


_VERIFIED = {"intact": 1.0, "not_proven": 0.5, "tampered": 0.0}


def _ledger_figures(
    ledger: str,
    size: int,
    newest_received_at: datetime | None,
    counted_events: int,
    counted_posts: int,
    last_counted_id: int | None,
    first_id: int | None,
    last_id: int | None,
    age_seconds: float,
    quarantine_open: int,
    agents: int,
    result: str,
    verified_at: datetime | None,
    broken: int,
) -> LedgerFigures:
    inbox_events = counted_events
    if counted_posts == COUNT_LIMIT and last_counted_id and first_id and last_id:
        inbox_events = estimate_waiting(
            counted_events, first_id=first_id, last_counted_id=last_counted_id, last_id=last_id
        )
    return LedgerFigures(
        ledger=ledger,
        entries=size,
        newest_received_at=newest_received_at,
        inbox_events=inbox_events,
        inbox_age_seconds=max(age_seconds, 0.0),
        quarantine_open=quarantine_open,
        agents=agents,
        verified=_VERIFIED[result],
        verified_at=verified_at,
        broken_entries=broken,
    )


def estimate_waiting(counted: int, *, first_id: int, last_counted_id: int, last_id: int) -> int:
    """Stretch a count over the ids up to `last_counted_id` to those up to `last_id`."""
    return round(counted * (last_id - first_id + 1) / (last_counted_id - first_id + 1))


_OLDEST_WAITING = """
    SELECT COALESCE(max(EXTRACT(EPOCH FROM clock_timestamp() - oldest.received_at)), 0)::float8
    FROM audit_ledger AS ledger
    CROSS JOIN LATERAL (
        SELECT inbox.received_at
        FROM audit_inbox AS inbox
        WHERE inbox.ledger_id = ledger.id
        ORDER BY inbox.id
        LIMIT 1
    ) AS oldest
"""


def oldest_waiting_seconds() -> float:
    """Return the age of the oldest POST that waits in any ledger, 0 when none does."""
    with connection.cursor() as cursor:
        cursor.execute(_OLDEST_WAITING)
        (seconds,) = cursor.fetchone()
    return max(float(seconds), 0.0)


# reltuples of a partitioned table itself is kept only by ANALYZE by hand, so its leaves are added.
_SIZES = """
    SELECT whole.relname::text,
        sum(GREATEST(leaf.reltuples, 0))::bigint,
        sum(pg_total_relation_size(leaf.oid))::bigint
    FROM pg_class AS whole
    CROSS JOIN LATERAL (
        SELECT whole.oid AS relid WHERE whole.relkind = 'r'
        UNION ALL
        SELECT tree.relid
        FROM pg_partition_tree(whole.oid) AS tree
        WHERE whole.relkind = 'p' AND tree.isleaf
    ) AS part
    JOIN pg_class AS leaf ON leaf.oid = part.relid
    WHERE whole.relnamespace = 'public'::regnamespace
        AND whole.relkind IN ('r', 'p')
        AND NOT whole.relispartition
        AND whole.relname ~ '^(audit|metrics|tracing|compliance)_'
    GROUP BY whole.relname
    ORDER BY whole.relname
"""


def table_sizes() -> list[TableSize]:
    """Return the size of each table of ours, by name. Asks the file system once a table."""
    with connection.cursor() as cursor:
        cursor.execute(_SIZES)
        return [
            TableSize(table=table, rows=rows, size_bytes=size)
            for table, rows, size in cursor.fetchall()
        ]


_APPENDS = """
    SELECT stat.histogram, stat.edge, sum(stat.observations)::bigint, sum(stat.seconds)
    FROM audit_appendstat AS stat
    GROUP BY stat.histogram, stat.edge
    ORDER BY stat.histogram, stat.edge
"""


def append_counts() -> list[AppendCount]:
    """Return what audit.appendstats has counted, summed over ledgers, edges ascending."""
    with connection.cursor() as cursor:
        cursor.execute(_APPENDS)
        return [
            AppendCount(histogram=histogram, edge=edge, observations=observations, seconds=seconds)
            for histogram, edge, observations, seconds in cursor.fetchall()
        ]


def append_failures() -> dict[str, int]:
    """Return failed appends by reason; a reason that never happened is absent."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reason, failures FROM audit_appendfailure")
        return dict(cursor.fetchall())


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectionLag:
    """How far a projection is behind its ledger."""

    ledger: str
    projection: str
    entries: int
    """Entries chained and not read by it yet."""
    seconds: float
    """Age of the oldest of them since it was received; 0 when there is none."""


# The next seq may lie below the minimum index, where entries were pruned: then the oldest left.
_PROJECTIONS = """
    SELECT ledger.name,
        projection.name,
        GREATEST(head.size - projection.next_seq, 0),
        COALESCE(EXTRACT(EPOCH FROM clock_timestamp() - oldest.received_at), 0)::float8
    FROM audit_projection AS projection
    JOIN audit_ledger AS ledger ON ledger.id = projection.ledger_id
    JOIN audit_head AS head ON head.ledger_id = projection.ledger_id
    LEFT JOIN LATERAL (
        SELECT entry.received_at
        FROM audit_entry AS entry
        WHERE projection.next_seq < head.size
            AND entry.ledger_id = projection.ledger_id
            AND entry.seq >= projection.next_seq
        ORDER BY entry.seq
        LIMIT 1
    ) AS oldest ON true
    ORDER BY ledger.name, projection.name
"""


def projection_lags() -> list[ProjectionLag]:
    """Return the lag of each projection in each ledger it has begun to read."""
    with connection.cursor() as cursor:
        cursor.execute(_PROJECTIONS)
        return [
            ProjectionLag(
                ledger=ledger, projection=projection, entries=entries, seconds=max(seconds, 0.0)
            )
            for ledger, projection, entries, seconds in cursor.fetchall()
        ]


@dataclass(frozen=True, kw_only=True, slots=True)
class UnsealedAge:
    """How long a ledger's oldest entry without a checkpoint has waited for one."""

    ledger: str
    seconds: float
    """0 when the newest checkpoint covers every entry."""


_UNSEALED = """
    SELECT ledger.name,
        COALESCE(EXTRACT(EPOCH FROM clock_timestamp() - oldest.received_at), 0)::float8
    FROM audit_ledger AS ledger
    LEFT JOIN LATERAL (
        SELECT checkpoint.size
        FROM audit_checkpoint AS checkpoint
        WHERE checkpoint.ledger_id = ledger.id
        ORDER BY checkpoint.size DESC
        LIMIT 1
    ) AS sealed ON true
    LEFT JOIN LATERAL (
        SELECT entry.received_at
        FROM audit_entry AS entry
        WHERE entry.ledger_id = ledger.id AND entry.seq = COALESCE(sealed.size, 0)
        LIMIT 1
    ) AS oldest ON true
    ORDER BY ledger.name
"""


def unsealed_ages() -> list[UnsealedAge]:
    """Return the age of each ledger's first entry that no checkpoint covers, by ledger."""
    with connection.cursor() as cursor:
        cursor.execute(_UNSEALED)
        return [
            UnsealedAge(ledger=ledger, seconds=max(seconds, 0.0))
            for ledger, seconds in cursor.fetchall()
        ]


@dataclass(frozen=True, kw_only=True, slots=True)
class AnchorFigures:
    """How one sink or witness does for one ledger."""

    ledger: str
    sink: str
    ok: float
    """1 ok, 0.5 failing, 0 it holds what contradicts us."""
    age_seconds: float
    """Since the first checkpoint that it does not hold was signed; 0 when it holds the newest."""


_ANCHORS = """
    SELECT ledger.name,
        anchor.sink,
        anchor.state,
        COALESCE(EXTRACT(EPOCH FROM clock_timestamp() - missing.signed_at), 0)::float8
    FROM audit_anchor AS anchor
    JOIN audit_ledger AS ledger ON ledger.id = anchor.ledger_id
    LEFT JOIN LATERAL (
        SELECT checkpoint.signed_at
        FROM audit_checkpoint AS checkpoint
        WHERE checkpoint.ledger_id = anchor.ledger_id
            AND checkpoint.size > COALESCE(anchor.size, 0)
        ORDER BY checkpoint.size
        LIMIT 1
    ) AS missing ON true
    ORDER BY ledger.name, anchor.sink
"""
_ANCHORED = {"ok": 1.0, "failing": 0.5, "mismatch": 0.0}


def anchor_figures() -> list[AnchorFigures]:
    """Return how each sink and witness does, by ledger and name."""
    with connection.cursor() as cursor:
        cursor.execute(_ANCHORS)
        return [
            AnchorFigures(
                ledger=ledger, sink=sink, ok=_ANCHORED[state], age_seconds=max(seconds, 0.0)
            )
            for ledger, sink, state, seconds in cursor.fetchall()
        ]


@dataclass(frozen=True, kw_only=True, slots=True)
class DestinationFigures:
    """How far one destination is behind its ledger, and how it does."""

    destination: str
    """Ledger and name: `main/siem`."""
    lag_entries: int
    """Entries chained and not acknowledged by it; while it replays, those it gets again too."""
    ok: float | None
    """1 the last try was taken, 0.5 it fails, 0 it is dead; None while a person paused it."""


_DESTINATIONS = """
    SELECT ledger.name || '/' || destination.name,
        GREATEST(head.size - destination.next_seq, 0),
        CASE
            WHEN destination.state = 'dead' THEN 0.0
            WHEN destination.state = 'paused' THEN NULL
            WHEN destination.failures > 0 THEN 0.5
            ELSE 1.0
        END::float8
    FROM audit_destination AS destination
    JOIN audit_ledger AS ledger ON ledger.id = destination.ledger_id
    JOIN audit_head AS head ON head.ledger_id = destination.ledger_id
    WHERE destination.removed_at IS NULL
    ORDER BY 1
"""


def destination_figures() -> list[DestinationFigures]:
    """Return the lag of each destination that was not removed, by ledger and name."""
    with connection.cursor() as cursor:
        cursor.execute(_DESTINATIONS)
        return [
            DestinationFigures(destination=name, lag_entries=lag, ok=ok)
            for name, lag, ok in cursor.fetchall()
        ]

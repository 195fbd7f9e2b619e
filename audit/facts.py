"""Read what the pages of ledgers show beside their state: head, waiting, projections, months.

Reads only. Every statement walks an index or Postgres' own catalogue and ends at a fixed count;
none counts entries. What is proven of a ledger: state.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from django.db import connection

MOST_HELD: Final = 1_000
"""Open quarantine rows are added up to here; more is said as "at least"."""

MOST_MONTHS: Final = 36
"""Months shown, the newest first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerFacts:
    """What stands on a ledger's page beside its state."""

    head_hash: str
    """The hash of the newest entry in hex; 64 zeros for an empty ledger."""
    origin: str
    created_at: datetime
    oldest_waiting_at: datetime | None
    """When the oldest POST in the inbox was received; None when none waits."""
    held: int
    """Open quarantine rows, counted up to MOST_HELD."""
    run_id: int | None
    """The newest run that ended, and the next two say what it was."""
    run_result: str
    run_finished_at: datetime | None

    @property
    def held_is_exact(self) -> bool:
        """Tell whether every open row was counted."""
        return self.held < MOST_HELD

    def lag_seconds(self, now: datetime) -> float:
        """Return for how long the oldest POST has waited; 0 when none waits."""
        waits_since = self.oldest_waiting_at
        return max((now - waits_since).total_seconds(), 0.0) if waits_since else 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectionLag:
    """How far a projection has read."""

    name: str
    next_seq: int
    behind: int
    """Entries it has not read yet."""
    updated_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Month:
    """One month's partition, and where this ledger's entries of that month begin and end."""

    first_day: datetime
    size_bytes: int
    """Of all ledgers together, indexes too."""
    first_seq: int | None
    """None when this ledger has no entry in it."""
    last_seq: int | None


_FACTS = """
SELECT l.id, encode(h.hash, 'hex'), l.origin, l.created_at, oldest.received_at, held.open,
       run.id, coalesce(run.result, ''), run.finished_at
FROM audit_ledger AS l
JOIN audit_head AS h ON h.ledger_id = l.id
LEFT JOIN LATERAL (
    SELECT received_at
    FROM audit_inbox
    WHERE ledger_id = l.id
    ORDER BY id
    LIMIT 1
) AS oldest ON true
LEFT JOIN LATERAL (
    SELECT count(*) AS open
    FROM (SELECT FROM audit_quarantine WHERE ledger_id = l.id AND state = 'open' LIMIT %s) AS part
) AS held ON true
LEFT JOIN LATERAL (
    SELECT id, result, finished_at
    FROM audit_verification
    WHERE ledger_id = l.id
      AND state = 'done'
    ORDER BY id DESC
    LIMIT 1
) AS run ON true
WHERE l.id = ANY(%s)
"""
_PROJECTIONS = """
SELECT p.name, p.next_seq, greatest(h.size - p.next_seq, 0), p.updated_at
FROM audit_projection AS p
JOIN audit_head AS h ON h.ledger_id = p.ledger_id
WHERE p.ledger_id = %s
ORDER BY p.name
"""
_MONTHS = """
SELECT month.first_day, month.size_bytes, oldest.seq, newest.seq
FROM (
    SELECT to_date(right(c.relname, 6), 'YYYYMM')::timestamp AT TIME ZONE 'UTC' AS first_day,
           pg_total_relation_size(c.oid) AS size_bytes
    FROM pg_inherits AS i
    JOIN pg_class AS c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'public.audit_entry'::regclass
      AND c.relname ~ '^audit_entry_[0-9]{6}$'
    ORDER BY c.relname DESC
    LIMIT %s
) AS month
LEFT JOIN LATERAL (
    SELECT seq
    FROM audit_entry
    WHERE ledger_id = %s
      AND received_at >= month.first_day
      AND received_at < month.first_day + interval '1 month'
    ORDER BY seq
    LIMIT 1
) AS oldest ON true
LEFT JOIN LATERAL (
    SELECT seq
    FROM audit_entry
    WHERE ledger_id = %s
      AND received_at >= month.first_day
      AND received_at < month.first_day + interval '1 month'
    ORDER BY seq DESC
    LIMIT 1
) AS newest ON true
ORDER BY month.first_day DESC
"""


def ledger_facts(ledger_ids: list[int]) -> dict[int, LedgerFacts]:
    """Return the facts of these ledgers by id, in one statement."""
    with connection.cursor() as cursor:
        cursor.execute(_FACTS, [MOST_HELD, ledger_ids])
        return {
            ledger_id: LedgerFacts(
                head_hash=head_hash,
                origin=origin,
                created_at=created_at,
                oldest_waiting_at=oldest,
                held=held,
                run_id=run_id,
                run_result=result,
                run_finished_at=finished_at,
            )
            for (
                ledger_id,
                head_hash,
                origin,
                created_at,
                oldest,
                held,
                run_id,
                result,
                finished_at,
            ) in cursor.fetchall()
        }


def projection_lags(ledger_id: int) -> list[ProjectionLag]:
    """Return how far each projection has read this ledger."""
    with connection.cursor() as cursor:
        cursor.execute(_PROJECTIONS, [ledger_id])
        return [
            ProjectionLag(name=name, next_seq=next_seq, behind=behind, updated_at=updated_at)
            for name, next_seq, behind, updated_at in cursor.fetchall()
        ]


def months(ledger_id: int) -> list[Month]:
    """Return the months that have a partition, the newest first."""
    with connection.cursor() as cursor:
        cursor.execute(_MONTHS, [MOST_MONTHS, ledger_id, ledger_id])
        return [
            Month(
                first_day=first_day.astimezone(UTC),
                size_bytes=size_bytes,
                first_seq=first_seq,
                last_seq=last_seq,
            )
            for first_day, size_bytes, first_seq, last_seq in cursor.fetchall()
        ]

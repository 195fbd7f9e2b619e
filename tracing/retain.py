"""Make days ahead and let old ones go: spans, log lines, and what is summed of traces.

A day of spans is dropped as a whole, so nothing is deleted row by row; traces and profiles are, a
few thousand a transaction. What must be proven is an entry, and entries are another matter:
audit.retain. How long: OBS_TRACES_KEEP_DAYS and OBS_LINES_KEEP_DAYS.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from django.conf import settings

from audit.database import rows
from tracing import days

BATCH: Final = 5_000
"""Rows of one transaction."""

_AHEAD: Final = timedelta(days=2)
_DELETE = {
    "tracing_trace": """
WITH old AS (
    SELECT ledger_id, trace_id
    FROM tracing_trace
    WHERE ended_at < %(before)s
       -- a span may say that it ends in a hundred years; its day goes all the same, and none
       -- begins later than two days after it came
       OR updated_at < %(before)s - interval '2 days'
    LIMIT %(most)s
    FOR UPDATE SKIP LOCKED
),
gone AS (
    DELETE FROM tracing_trace AS t
    USING old
    WHERE (t.ledger_id, t.trace_id) = (old.ledger_id, old.trace_id)
    RETURNING 1
)
SELECT count(*)
FROM gone
""",
    "tracing_profile": """
WITH gone AS (
    DELETE FROM tracing_profile
    WHERE id IN (SELECT id FROM tracing_profile WHERE at < %(before)s LIMIT %(most)s)
    RETURNING 1
)
SELECT count(*)
FROM gone
""",
}

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """What one look has changed."""

    made: int
    """Partitions made."""
    dropped: int
    """Partitions dropped."""
    deleted: int
    """Traces and profiles deleted."""


def keep_days(now: datetime) -> Kept:
    """Make the partitions of the days to come, drop those that are older than is kept."""
    today = now.astimezone(UTC).date()
    ((made,),) = rows("SELECT tracing_make_days(%s, %s)", (today - days.AHEAD, today + _AHEAD))
    dropped = 0
    for table, keep in (
        ("tracing_span", settings.TRACES_KEEP_DAYS),
        ("tracing_line", settings.LINES_KEEP_DAYS),
    ):
        before = days.window(now, keep_days=keep).first
        ((number,),) = rows("SELECT tracing_drop_days(%s, %s)", (table, before))
        dropped += number
    if dropped:
        days.forget()
    oldest = datetime.combine(
        days.window(now, keep_days=settings.TRACES_KEEP_DAYS).first, datetime.min.time(), UTC
    )
    kept = Kept(
        made=made, dropped=dropped, deleted=sum(_delete(table, oldest) for table in _DELETE)
    )
    if kept.dropped or kept.deleted:
        log.info("traces.dropped", days=kept.dropped, rows=kept.deleted)
    return kept


def _delete(table: str, before: datetime) -> int:
    total = 0
    number: int
    while True:
        ((number,),) = rows(_DELETE[table], {"before": before, "most": BATCH})
        total += number
        if number < BATCH:
            return total

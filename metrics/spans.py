"""Add minutes of history up to quarters of an hour, those to three hours, and those to six.

A page that shows a month would read millions of minutes. Spans are a copy: whoever adds to a
minute afterwards, late as it may be, takes the spans that hold it out of metrics_spandone
(`take_out`), and readers fall back on the minutes until they are added up again. So what is read is
what the minutes say, always.

Called by tasks.py each minute. Readers: metrics.operations. Tables: sql/0002_operations.sql.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final, Literal, TypeAlias

import psycopg
import structlog
from django.db import transaction

from audit.database import raw_cursor, rows
from metrics.families import FAMILIES

log = structlog.get_logger(__name__)

Source: TypeAlias = Literal["entries", "processes"]

SOURCES: Final[tuple[Source, ...]] = ("entries", "processes")
QUARTER: Final = 15
LENGTHS: Final = (QUARTER, 180, 360)
"""Minutes of the spans; each but the first is made of those before it. Steps of a chart of a week
are three hours long, those of a month six."""
REST_SECONDS: Final = 60
"""How long a span must be over: what comes a moment late would only take it out again."""
AT_ONCE: Final = 24
"""Quarters added up in one transaction, six hours; writers of minutes wait for its end."""
MOST_TRANSACTIONS: Final = 20
"""In one call; the rest waits for the next."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PLACES: Final = max(len(family.edges) for family in FAMILIES) + 1

# Held to the end of the transaction: no minute of a span changes unseen while it is added up.
_LOCK = "LOCK TABLE metrics_spandone IN SHARE ROW EXCLUSIVE MODE"
_FIRST_DAY = """
SELECT min(to_date(right(relname, 8), 'YYYYMMDD'))
FROM pg_inherits
JOIN pg_class AS part ON part.oid = inhrelid
WHERE inhparent = 'metrics_minute'::regclass
"""
_MISSING = """
SELECT starts_at
FROM generate_series(%(first)s::timestamptz, %(last)s, make_interval(mins => %(minutes)s))
    AS starts_at
WHERE NOT EXISTS (
    SELECT
    FROM metrics_spandone AS done
    WHERE done.source = %(source)s
      AND done.minutes = %(minutes)s
      AND done.starts_at = starts_at.starts_at
)
ORDER BY starts_at DESC
"""
# A sum a place: an aggregate of arrays would cost tens of times as much. Places that a family does
# not have are NULL and go.
_SUMS = f"""
    sum(n),
    nullif(array_remove(ARRAY[{", ".join(f"sum(buckets[{each}])" for each in range(1, _PLACES + 1))}
        ]::bigint[], NULL), '{{}}'),
    sum(total)
"""
_INTO = """
INSERT INTO metrics_span (source, family, minutes, starts_at, ledger_id, labels, n, buckets, total)
"""
_OVER = """
ON CONFLICT (source, family, minutes, starts_at, ledger_id, labels) DO UPDATE
SET n = excluded.n,
    buckets = excluded.buckets,
    total = excluded.total
"""
_BIN = "date_bin('15 minutes', minute, '1970-01-01 00:00:00+00')"
# Sorted as the key is: whoever reads a family finds its rows side by side, and not one a page.
_ADD_UP: Final[dict[Source, str]] = {
    "entries": f"""
{_INTO}
SELECT 'entries', family, 15, {_BIN}, ledger_id, labels, {_SUMS}
FROM metrics_minute
WHERE minute >= %(first)s
  AND minute < %(last)s
  AND {_BIN} = ANY(%(starts)s)
GROUP BY family, {_BIN}, ledger_id, labels
ORDER BY family, {_BIN}, ledger_id, labels
{_OVER}""",  # noqa: S608
    "processes": f"""
{_INTO}
SELECT 'processes', family, 15, {_BIN}, 0, labels, {_SUMS}
FROM metrics_processminute
WHERE minute >= %(first)s
  AND minute < %(last)s
  AND {_BIN} = ANY(%(starts)s)
GROUP BY family, {_BIN}, labels
ORDER BY family, {_BIN}, labels
{_OVER}""",  # noqa: S608
}
_ADD_UP_LONG = f"""
{_INTO}
SELECT source, family, %(minutes)s, %(first)s, ledger_id, labels, {_SUMS}
FROM metrics_span
WHERE source = %(source)s
  AND minutes = %(below)s
  AND starts_at >= %(first)s
  AND starts_at < %(last)s
GROUP BY source, family, ledger_id, labels
ORDER BY family, ledger_id, labels
{_OVER}"""  # noqa: S608
_DONE = """
INSERT INTO metrics_spandone (source, minutes, starts_at)
SELECT %s, %s, unnest(%s::timestamptz[])
ON CONFLICT DO NOTHING
"""
_BELOW_DONE = """
SELECT count(*)
FROM metrics_spandone
WHERE source = %s
  AND minutes = %s
  AND starts_at >= %s
  AND starts_at < %s
"""
_TAKE_OUT = """
DELETE FROM metrics_spandone
WHERE source = %s
  AND (minutes, starts_at) IN (SELECT * FROM unnest(%s::smallint[], %s::timestamptz[]))
"""
_DROP = """
WITH gone AS (
    DELETE FROM metrics_spandone
    WHERE starts_at < %(before)s
)
DELETE FROM metrics_span
WHERE starts_at < %(before)s
"""


def take_out(cursor: psycopg.Cursor[Any], source: Source, minutes: Iterable[datetime]) -> None:
    """Say that these minutes have changed: after they have, in the same transaction."""
    starts = sorted(
        {(length, span_start(minute, length)) for minute in minutes for length in LENGTHS}
    )
    if starts:
        lengths, moments = zip(*starts, strict=True)
        cursor.execute(_TAKE_OUT, (source, list(lengths), list(moments)))


def span_start(moment: datetime, minutes: int) -> datetime:
    """Return where the span of this length begins that holds a moment."""
    length = timedelta(minutes=minutes)
    return _EPOCH + (moment - _EPOCH) // length * length


def add_up(now: datetime) -> int:
    """Add up the spans that are over and whose minutes have changed, the newest first.

    Returns how many quarters were added up. Waits for whoever writes minutes, and they for it.
    """
    made = 0
    ((first_day,),) = rows(_FIRST_DAY)
    if first_day is None:
        return made
    first = datetime.combine(first_day, datetime.min.time(), tzinfo=UTC)
    last = span_start(now - timedelta(seconds=REST_SECONDS), QUARTER) - timedelta(minutes=QUARTER)
    for source in SOURCES:
        for _ in range(MOST_TRANSACTIONS):
            done = _add_up_some(source, first, last)
            made += done
            if done < AT_ONCE:
                break
        for below, minutes in pairwise(LENGTHS):
            _add_up_long(source, minutes, below, first, last)
    if made:
        log.info("metrics.spans", quarters=made)
    return made


def drop(before: datetime) -> None:
    """Forget spans whose minutes policy no longer keeps."""
    with raw_cursor() as cursor:
        cursor.execute(_DROP, {"before": before})


def _add_up_some(source: Source, first: datetime, last: datetime) -> int:
    with transaction.atomic(), raw_cursor() as cursor:
        cursor.execute(_LOCK)
        missing = _missing(cursor, source, QUARTER, first, last)[:AT_ONCE]
        if missing:
            asked = {
                "first": missing[-1],
                "last": missing[0] + timedelta(minutes=QUARTER),
                "starts": missing,
            }
            cursor.execute(_ADD_UP[source], asked)
            cursor.execute(_DONE, (source, QUARTER, missing))
    return len(missing)


def _add_up_long(source: Source, minutes: int, below: int, first: datetime, last: datetime) -> None:
    """Add spans of one length up to those of the next, where all of them are done."""
    length = timedelta(minutes=minutes)
    with raw_cursor() as cursor:
        missing = _missing(cursor, source, minutes, span_start(first, minutes), last)
    for start in missing:
        asked = {
            "source": source,
            "minutes": minutes,
            "below": below,
            "first": start,
            "last": start + length,
        }
        with transaction.atomic(), raw_cursor() as cursor:
            cursor.execute(_LOCK)
            parts = (source, below, start, start + length)
            found = cursor.execute(_BELOW_DONE, parts).fetchone()
            if found is None or found[0] < minutes // below:
                continue
            cursor.execute(_ADD_UP_LONG, asked)
            cursor.execute(_DONE, (source, minutes, [start]))


def _missing(
    cursor: psycopg.Cursor[Any], source: Source, minutes: int, first: datetime, last: datetime
) -> Sequence[datetime]:
    asked = {"source": source, "minutes": minutes, "first": first, "last": last}
    return [start for (start,) in cursor.execute(_MISSING, asked, binary=True).fetchall()]

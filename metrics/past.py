"""Remember what cumulative counts and sizes were a while ago, so that their growth can be told.

Three things: `append`, the histogram of audit.appendstats; `counting`, what counting has cost of
itself and for how many entries; `stores`, rows and bytes by table. A count is remembered when it
has changed, so that what was measured last stands while nothing happens. Used by targets.py and
/status.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

import msgspec
from django.db import transaction

from audit import figures
from audit.database import rows
from metrics.agent_families import EVENTS
from metrics.ledger_families import EVENTS_BACKFILLED
from metrics.platform_families import OVERHEAD_SECONDS

What: TypeAlias = Literal["append", "counting", "stores"]

COUNTS_EVERY: Final = 60
"""Seconds between two memories of counts."""

COUNTS_KEPT: Final = 15
"""Memories of counts: what was measured last is what came since the oldest of them."""

STORES_EVERY: Final = 3_600
STORES_KEPT: Final = 49
"""Two days, and one to compare with."""

_NEWEST = """
SELECT figures::text, extract(epoch FROM clock_timestamp() - at)::float8
FROM metrics_past
WHERE what = %s
ORDER BY at DESC
LIMIT 1
"""
_REMEMBER = """
INSERT INTO metrics_past (what, figures)
VALUES (%s, %s::text::jsonb)
RETURNING at
"""
_FORGET = """
DELETE FROM metrics_past
WHERE what = %s
  AND at < (
      SELECT min(at)
      FROM (SELECT at FROM metrics_past WHERE what = %s ORDER BY at DESC LIMIT %s) AS kept
  )
RETURNING at
"""
_OLDEST = """
SELECT figures::text
FROM metrics_past
WHERE what = %s
ORDER BY at
LIMIT 1
"""
_COUNTING = """
SELECT
    coalesce((
        SELECT (n / 1000000)::float8 FROM metrics_process WHERE family = %s AND labels = 'metrics'
    ), 0),
    coalesce((SELECT sum(n)::float8 FROM metrics_total WHERE family IN (%s, %s)), 0)
"""
_DAY_AGO = """
SELECT at, figures::text
FROM metrics_past
WHERE what = 'stores'
  AND at > clock_timestamp() - interval '25 hours'
ORDER BY at
LIMIT 1
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stores:
    """How large the tables were."""

    at: datetime
    sizes: Mapping[str, tuple[int, int]]
    """Rows and bytes by table."""


def remember() -> None:
    """Remember what has changed and is due. Call it each time the timer runs."""
    for what, now in (("append", append_counts()), ("counting", counting())):
        _remember(what, now, every=COUNTS_EVERY, most=COUNTS_KEPT)
    if _age("stores") >= STORES_EVERY:
        with figures.bounded():
            sizes = {each.table: [each.rows, each.size_bytes] for each in figures.table_sizes()}
        _remember("stores", sizes, every=STORES_EVERY, most=STORES_KEPT)


def append_counts() -> dict[str, float]:
    """Return how many entries were appended at each upper edge in seconds, over all ledgers."""
    return {
        repr(each.edge): each.observations
        for each in figures.append_counts()
        if each.histogram == "entry"
    }


def counting() -> dict[str, float]:
    """Return the seconds that metrics took of themselves, and the entries they counted."""
    names = (OVERHEAD_SECONDS.name, EVENTS.name, EVENTS_BACKFILLED.name)
    ((seconds, entries),) = rows(_COUNTING, names)
    return {"seconds": seconds, "entries": entries}


def grown(what: What, now: Mapping[str, float]) -> dict[str, float]:
    """Return by how much counts have grown since the oldest memory of them; all, without one."""
    found = rows(_OLDEST, (what,))
    before: dict[str, float] = msgspec.json.decode(found[0][0]) if found else {}
    grown = {name: value - before.get(name, 0) for name, value in now.items()}
    # A count that fell began again at 0, as after a restore: all of it is news.
    return dict(now) if min(grown.values(), default=0) < 0 else grown


def stores_a_day_ago() -> Stores | None:
    """Return the sizes of tables a day ago, or the oldest since; None when none are known."""
    found = rows(_DAY_AGO)
    if not found:
        return None
    ((at, text),) = found
    sizes: dict[str, list[int]] = msgspec.json.decode(text)
    return Stores(at=at, sizes={name: (each[0], each[1]) for name, each in sizes.items()})


def _remember(what: str, now: Mapping[str, Any], *, every: int, most: int) -> None:
    found = rows(_NEWEST, (what,))
    if found and (found[0][1] < every or msgspec.json.decode(found[0][0]) == now):
        return
    with transaction.atomic():
        rows(_REMEMBER, (what, msgspec.json.encode(now).decode()))
        rows(_FORGET, (what, what, most))


def _age(what: str) -> float:
    found = rows(_NEWEST, (what,))
    return float(found[0][1]) if found else float("inf")

"""Make the days of minute history that come, drop those that policy no longer keeps.

What is dropped is not made again: a rebuild counts the totals anew, and of minutes those alone that
policy keeps. Called by tasks.py each hour.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import structlog

from audit.database import rows
from metrics import spans
from metrics.rollup import oldest_day

log = structlog.get_logger(__name__)

DAYS_AHEAD: Final = 2
FLUSH_KEPT_DAYS: Final = 2
"""A process that has said nothing for so long is gone, and no flush of it comes twice."""

_MAKE = "SELECT metrics_make_days(%s::date, %s::date)"
_DROP = "SELECT metrics_drop_days(%s::date)"
_FORGET_WORK = """
DELETE FROM metrics_agentwork
WHERE quarter < %s::date
RETURNING 1
"""
_FORGET_FLUSHES = """
DELETE FROM metrics_flush
WHERE at < clock_timestamp() - make_interval(days => %s)
RETURNING process
"""


def keep_days(today: date) -> None:
    """Make the days from yesterday to the day after tomorrow, and drop what is too old; UTC days.

    Each in a transaction of its own: dropping waits for whoever reads, making for nobody.
    """
    ((made,),) = rows(_MAKE, (today - timedelta(days=1), today + timedelta(days=DAYS_AHEAD)))
    ((dropped,),) = rows(_DROP, (oldest_day(today),))
    rows(_FORGET_WORK, (oldest_day(today),))
    spans.drop(datetime.combine(oldest_day(today), time(), tzinfo=UTC))
    forgotten = rows(_FORGET_FLUSHES, (FLUSH_KEPT_DAYS,))
    if made or dropped or forgotten:
        log.info("metrics.days", made=made, dropped=dropped, flushes=len(forgotten))

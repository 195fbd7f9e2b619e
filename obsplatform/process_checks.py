"""Check that background processes live: beat rings, and a worker does what it is rung for.

By what they leave in the database, so that every web process finds the same, wherever they run.
Each function is one check of readiness.py; without either, taking events and chaining go on.
"""

from __future__ import annotations

from typing import Final

from django.db import connection

from metrics.platform_families import COLLECTOR_UP
from obsplatform.finding import Finding

WORKER_DEGRADED_SECONDS: Final = 90  # it is asked for facts each 15 s
BEAT_DEGRADED_SECONDS: Final = 90  # it writes down each fifth task that it rings for

_WORKED = """
SELECT extract(epoch FROM clock_timestamp() - max(at))
FROM metrics_fact
WHERE family = %s
  AND source <> ''
"""
_RANG = """
SELECT extract(epoch FROM clock_timestamp() - max(last_run_at))
FROM django_celery_beat_periodictask
WHERE enabled
"""


def check_worker() -> Finding:
    """See that a Celery worker did lately what beat rings for; never critical."""
    return _lately(
        _seconds(_WORKED, COLLECTOR_UP.name),
        most=WORKER_DEGRADED_SECONDS,
        did="a worker did a task",
        way_out="do a Celery worker, beat and Redis run?",
    )


def check_beat() -> Finding:
    """See that Celery beat has rung lately; never critical."""
    return _lately(
        _seconds(_RANG),
        most=BEAT_DEGRADED_SECONDS,
        did="beat rang",
        way_out="does Celery beat run?",
    )


def _seconds(statement: str, *parameters: str) -> float | None:
    with connection.cursor() as cursor:
        cursor.execute(statement, list(parameters))
        (found,) = cursor.fetchone()
    return None if found is None else max(float(found), 0.0)


def _lately(seconds: float | None, *, most: float, did: str, way_out: str) -> Finding:
    if seconds is None:
        return Finding(status="degraded", detail=f"nothing says that {did} ever; {way_out}")
    if seconds > most:
        return Finding(status="degraded", detail=f"{did} {seconds:.0f} s ago; {way_out}")
    return Finding(status="ok", detail=f"{did} {seconds:.0f} s ago")

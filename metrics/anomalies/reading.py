"""Read what is watched out of minute history, by the quarter of an hour. Writes nothing.

Rows are added up by Postgres, so that what comes here is one row a series and quarter; the busiest
MOST_SERIES of a measure are looked at. Each statement gives up after TIMEOUT_MS. What steps are
made of these: steps.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from django.db import connection, transaction

from audit.database import rows
from metrics.anomalies.multivariate import FEATURES, Work
from metrics.anomalies.steps import Quarter
from metrics.anomalies.watched import Table, Watched

MOST_SERIES: Final = 64
"""Of one measure."""
MOST_AGENTS: Final = 100
"""Whose numbers are looked at together: those that did most."""
TIMEOUT_MS: Final = 30_000

_KEY: Final = """
concat_ws(
    ' ',
    (string_to_array(m.labels, ' '))[%(first)s],
    (string_to_array(m.labels, ' '))[%(second)s]
)
"""
_WHERE: Final = """
WHERE m.family = %(family)s
  AND m.minute >= %(start)s
  AND m.minute < %(end)s
  AND (%(only)s = 0 OR (string_to_array(m.labels, ' '))[%(only)s] = ANY(%(values)s))
"""
_COUNTS: Final = """
SELECT {key}, date_bin('15 minutes', m.minute, 'epoch'), sum(m.n)::float8,
    coalesce(
        sum(m.n) FILTER (WHERE (string_to_array(m.labels, ' '))[%(part)s] = ANY(%(parts)s)), 0
    )::float8
FROM {table} AS m
{where}
GROUP BY 1, 2
"""
_BUCKETS: Final = """
SELECT key, at, array_agg(n ORDER BY place)
FROM (
    SELECT {key} AS key, date_bin('15 minutes', m.minute, 'epoch') AS at, b.place,
        sum(b.n)::bigint AS n
    FROM {table} AS m, unnest(m.buckets) WITH ORDINALITY AS b(n, place)
    {where}
    GROUP BY 1, 2, 3
) AS by_place
GROUP BY 1, 2
"""
_LEVELS: Final = """
SELECT {key}, date_bin('15 minutes', m.minute, 'epoch'), sum(m.value), count(*)::float8
FROM {table} AS m
{where}
GROUP BY 1, 2
"""
_WORK: Final = """
SELECT l.name || ' ' || w.agent, w.quarter,
    CASE WHEN w.what LIKE 'tool %%' THEN 'tools' ELSE w.what END,
    CASE WHEN w.what LIKE 'tool %%' THEN 1 ELSE w.n END::float8
FROM metrics_agentwork AS w
JOIN audit_ledger AS l ON l.id = w.ledger_id
WHERE w.quarter >= %(start)s
  AND w.quarter < %(end)s
  AND (w.ledger_id, w.agent) IN (
      SELECT ledger_id, agent
      FROM metrics_agentwork
      WHERE quarter >= %(start)s
        AND quarter < %(end)s
        AND what = 'calls'
        AND agent NOT IN ('_other', '_none')
      GROUP BY ledger_id, agent
      ORDER BY sum(n) DESC
      LIMIT %(most)s
  )
"""


def _statement(measure: Watched) -> str:
    sorts = {"p95": _BUCKETS, "level": _LEVELS}
    table: Table = measure.table
    return sorts.get(measure.sort, _COUNTS).format(key=_KEY, table=table, where=_WHERE)


@contextmanager
def patient() -> Iterator[None]:
    """Read in one transaction whose statements may take longer than those of pages."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {TIMEOUT_MS:d}")
        yield


def quarters(
    measure: Watched, *, start: datetime, end: datetime
) -> dict[str, dict[datetime, Quarter]]:
    """Return what the series of a measure said in [start, end), by their labels and quarter."""
    found: defaultdict[str, dict[datetime, Quarter]] = defaultdict(dict)
    with patient():
        for key, at, *numbers in rows(_statement(measure), _asked(measure, start, end)):
            found[key][at] = _quarter(measure, numbers)
    busiest = sorted(found, key=lambda key: (-len(found[key]), key))[:MOST_SERIES]
    return {key: found[key] for key in busiest}


def _asked(measure: Watched, start: datetime, end: datetime) -> dict[str, Any]:
    labels = measure.of.labels
    places = [labels.index(name) + 1 for name in measure.by]
    only, values = next(iter(measure.only.items()), ("", ()))
    part, parts = measure.part
    return {
        "family": measure.family,
        "start": start,
        "end": end,
        "first": places[0] if places else 0,
        "second": places[1] if len(places) > 1 else 0,
        "only": labels.index(only) + 1 if only else 0,
        "values": list(values),
        "part": labels.index(part) + 1 if part else 0,
        "parts": list(parts),
    }


def _quarter(measure: Watched, numbers: list[Any]) -> Quarter:
    if measure.sort == "p95":
        edges = len(measure.of.edges) + 1
        buckets = tuple(int(number) for number in numbers[0])
        return Quarter(0.0, buckets=(*buckets, *(0,) * (edges - len(buckets))))
    return Quarter(numbers[0], numbers[1])


def works(*, start: datetime, end: datetime) -> Mapping[str, list[Work]]:
    """Return what agents did in [start, end), by ledger and agent (`main alice`), in order."""
    sums: defaultdict[tuple[str, datetime], defaultdict[str, float]] = defaultdict(
        lambda: defaultdict(float)
    )
    with patient():
        asked = {"start": start, "end": end, "most": MOST_AGENTS}
        for agent, at, what, number in rows(_WORK, asked):
            sums[agent, at][what] += number
    found: defaultdict[str, list[Work]] = defaultdict(list)
    for agent, at in sorted(sums):
        numbers = sums[agent, at]
        found[agent].append(
            Work(at, tuple(numbers[name] / unit for name, (_, unit) in FEATURES.items()))
        )
    return found

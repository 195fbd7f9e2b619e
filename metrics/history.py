"""Keep by the minute what /metrics says of gauges, and how counters grew that are asked of rows.

`metrics_gaugeminute` holds what each kept series said last in a minute. It is written each 15 s
from the same rows and collectors that make the page (series.py, collected.py); a series that is
gone has no row from the next minute on. `MARK` always has one, so that its newest minute is the
newest that was kept.

Some counters and histograms are neither folded from entries nor counted by processes: appends,
their failures and reports are cumulative counts in rows of their apps. What they have grown by
since they were read last is added to `metrics_processminute`, where those of processes are, in one
transaction with the memory of how they stood: each step once, whoever reads. A count that fell
began again at 0, as after a restore, and all of it is news.

At most `MOST_ROWS` rows of gauges a day come of it, at the caps of all families; the demo's few
hundred series make a third. They go with the days of minute history (upkeep.py). Read by
metrics.alerting and metrics.operations.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

import msgspec
import structlog
from django.db import transaction

from audit import measures
from audit.database import raw_connection, raw_cursor, rows
from metrics.agent_families import CUSTOM_GAUGE
from metrics.collected import add_collected
from metrics.families import BY_NAME
from metrics.family import Family
from metrics.increments import Cell
from metrics.kept_series import GAUGES_KEPT, GROWING, MARK, MOST_ROWS
from metrics.rollup import columns_of
from metrics.series import Series, read_series
from metrics.spans import take_out
from metrics.switches import metrics_on
from metrics.text_format import Labels

log = structlog.get_logger(__name__)

__all__ = ["GAUGES_KEPT", "GROWING", "MARK", "MOST_ROWS", "keep_gauges"]

_Counts: TypeAlias = dict[str, list[int]]
"""By family and labels, joined by a space: a counter's whole number, or a histogram's buckets and
then the sum of what was observed; times the family's scale."""

# Held to the end of the transaction, so that two workers do not add one step twice.
_TRY_LOCK = "SELECT pg_try_advisory_xact_lock(hashtext('metrics.history'))"
# A value that stays is not written again: most gauges stand still for minutes.
_KEEP = """
INSERT INTO metrics_gaugeminute AS t (family, labels, minute, value)
SELECT n.family, n.labels, %s, n.value
FROM unnest(%s::text[], %s::text[], %s::float8[]) AS n(family, labels, value)
ON CONFLICT (family, minute, labels) DO UPDATE
SET value = excluded.value
WHERE t.value <> excluded.value
"""
# Of a custom measure a row has the values in the order of its labels; a shown series lost it.
_CUSTOM = "SELECT labels, sum(value)::float8 FROM metrics_gauge WHERE family = %s GROUP BY labels"
_STOOD = "SELECT figures::text FROM metrics_past WHERE what = 'counted' ORDER BY at DESC LIMIT 1"
_FORGET = "DELETE FROM metrics_past WHERE what = 'counted'"
_REMEMBER = "INSERT INTO metrics_past (what, figures) VALUES ('counted', %s::text::jsonb)"
_ADD = """
INSERT INTO metrics_processminute AS t (family, labels, minute, n, buckets, total)
SELECT n.family, n.labels, to_timestamp(n.at), n.n, n.buckets::bigint[], n.total
FROM unnest(%s::text[], %s::text[], %s::numeric[], %s::text[], %s::numeric[], %s::float8[])
    AS n(family, labels, n, buckets, total, at)
ON CONFLICT (family, labels, minute) DO UPDATE
SET n = t.n + excluded.n,
    buckets = CASE WHEN excluded.buckets IS NULL THEN t.buckets
        ELSE metrics_add(t.buckets, excluded.buckets) END,
    total = t.total + excluded.total
"""


def keep_gauges(now: datetime) -> bool:
    """Write what gauges say now into the minute of `now`, and what counters of rows grew by.

    False, and nothing is written, when another worker does so at this moment or metrics are
    switched off. Raises what the database raises.
    """
    if not metrics_on():
        return False
    began = time.thread_time()
    with transaction.atomic():
        ((is_ours,),) = rows(_TRY_LOCK)
        if not is_ours:
            return False
        families = [BY_NAME[name] for name in sorted(GAUGES_KEPT | GROWING)]
        shown = read_series([each for each in families if each is not CUSTOM_GAUGE])
        add_collected(shown, families, ledger=None)
        minute = now.replace(second=0, microsecond=0)
        _keep(shown, minute)
        _add_growth(_counted(shown), minute)
    measures.overhead("metrics", seconds=time.thread_time() - began)
    return True


def _keep(shown: Series, minute: datetime) -> None:
    found = {
        (name, said): value
        for name in GAUGES_KEPT
        for labels, value in shown.numbers.get(name, {}).items()
        if (said := _said(BY_NAME[name], labels)) is not None
    }
    for labels, value in rows(_CUSTOM, (CUSTOM_GAUGE.name,)):
        found[CUSTOM_GAUGE.name, labels] = value / CUSTOM_GAUGE.scale
    kept = sorted(key for key, value in found.items() if not math.isnan(value))
    raw_connection().execute(
        _KEEP,
        (
            minute,
            [family for family, _ in kept],
            [labels for _, labels in kept],
            [float(found[key]) for key in kept],
        ),
    )


def _said(family: Family, labels: Labels) -> str | None:
    """Return the values of labels as rows have them; None when one is missing."""
    by_name = dict(labels)
    if by_name.keys() != set(family.labels):
        log.warning("metrics.gauge_not_kept", family=family.name, labels=sorted(by_name))
        return None
    return " ".join(by_name[label].replace(" ", "_") for label in family.labels)


def _counted(shown: Series) -> _Counts:
    found: _Counts = {}
    for name in GROWING:
        family = BY_NAME[name]
        for labels, number in shown.numbers.get(name, {}).items():
            said = _said(family, labels)
            if said is not None:
                found[f"{name} {said}"] = [round(number * family.scale)]
        for labels, row in shown.distributions.get(name, {}).items():
            said = _said(family, labels)
            if said is not None:
                found[f"{name} {said}"] = [*row.counts, round(row.total * family.scale)]
    return found


def _add_growth(now: _Counts, minute: datetime) -> None:
    """Add what came since counts were remembered; nothing the first time."""
    found = rows(_STOOD)
    if found:
        before: _Counts = msgspec.json.decode(found[0][0])
        if now == before:
            return
        number = int(minute.timestamp()) // 60
        if columns := columns_of([(number, _growth(before, now))]):
            with raw_cursor() as cursor:
                cursor.execute(_ADD, columns)
                take_out(cursor, "processes", (minute,))
    raw_connection().execute(_FORGET)
    raw_connection().execute(_REMEMBER, (msgspec.json.encode(now).decode(),))


def _growth(before: Mapping[str, Sequence[int]], now: Mapping[str, Sequence[int]]) -> Cell:
    """Return the steps of each series, as rows of minutes have them."""
    cell = Cell()
    for key, numbers in now.items():
        family, _, labels = key.partition(" ")
        stood = before.get(key, [0] * len(numbers))
        is_new = len(stood) != len(numbers) or any(
            a < b for a, b in zip(numbers, stood, strict=True)
        )
        grown = list(numbers) if is_new else [a - b for a, b in zip(numbers, stood, strict=True)]
        if not any(grown):
            continue
        values = tuple(labels.split(" ")) if labels else ()
        if BY_NAME[family].kind == "counter":
            cell.counts[family, values] = grown[0]
        else:
            cell.histograms[family, values] = grown
    return cell

"""Count entries into rows, each exactly once: the projection `metrics`.

Its rows and its cursor commit together, so nothing is counted twice or lost, whatever dies when;
`manage.py rebuild metrics` makes the same rows again beside the live ones. What an entry adds is
fold.py's to say; here stands how a batch is written, in one statement a table.

The lists of what labels may say belong to the installation. They are held for the length of a
batch by a lock, kept in the process between batches, and read again when the rows are not those
that the process knows: after a rollback, or when another process has learned.

Who reads the rows: expose.py. Tables: sql/0001_rollups.sql.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar, Final, cast

import msgspec
import psycopg
from django.conf import settings
from django.utils import timezone

from audit import measures
from metrics.fold import FoldState, Increments, Names
from metrics.folding import DAY_MINUTES, QUARTER_MINUTES
from metrics.increments import Cell
from metrics.knowing import known
from metrics.labels import AgentLabel, Key
from metrics.looks import fold_records
from metrics.seen import KEPT_SECONDS, Present
from metrics.spans import take_out
from metrics.switches import metrics_on

NAME: Final = "metrics"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# Taken first and held to the end of the transaction: two that learn would each give the last place.
_LOCK_NAMES = "SELECT pg_advisory_xact_lock(hashtext('metrics.names'))"
_COUNT_NAMES = "SELECT count(*), coalesce(max(id), 0) FROM public.metrics_name"
_NAMES = "SELECT list, value FROM public.metrics_name ORDER BY id"
_LEARN = """
INSERT INTO public.metrics_name (list, value)
SELECT n.list, n.value
FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS n(list, value, place)
ORDER BY n.place
"""
_STATE = "SELECT state::text FROM metrics_state WHERE ledger_id = %s"
_REMEMBER = """
INSERT INTO metrics_state (ledger_id, state)
VALUES (%s, %s::text::jsonb)
ON CONFLICT (ledger_id) DO UPDATE SET state = excluded.state
"""
_ADD_TOTALS = """
INSERT INTO metrics_total AS t (ledger_id, family, labels, n, buckets, total)
SELECT %s, n.family, n.labels, n.n, n.buckets::bigint[], n.total
FROM unnest(%s::text[], %s::text[], %s::numeric[], %s::text[], %s::numeric[])
    AS n(family, labels, n, buckets, total)
ON CONFLICT (ledger_id, family, labels) DO UPDATE
SET n = t.n + excluded.n,
    buckets = CASE WHEN excluded.buckets IS NULL THEN t.buckets
        ELSE metrics_add(t.buckets, excluded.buckets) END,
    total = t.total + excluded.total
"""
_ADD_MINUTES = """
INSERT INTO metrics_minute AS t (ledger_id, family, labels, minute, n, buckets, total)
SELECT %s, n.family, n.labels, to_timestamp(n.at), n.n, n.buckets::bigint[], n.total
FROM unnest(%s::text[], %s::text[], %s::numeric[], %s::text[], %s::numeric[], %s::float8[])
    AS n(family, labels, n, buckets, total, at)
ON CONFLICT (ledger_id, family, labels, minute) DO UPDATE
SET n = t.n + excluded.n,
    buckets = CASE WHEN excluded.buckets IS NULL THEN t.buckets
        ELSE metrics_add(t.buckets, excluded.buckets) END,
    total = t.total + excluded.total
"""
_SET_EXEMPLARS = """
INSERT INTO metrics_exemplar (ledger_id, family, labels, place, trace_id, value, at)
SELECT %s, n.family, n.labels, n.place, n.trace_id, n.value,
    timestamptz 'epoch' + n.us * interval '1 microsecond'
FROM unnest(%s::text[], %s::text[], %s::int[], %s::text[], %s::numeric[], %s::bigint[])
    AS n(family, labels, place, trace_id, value, us)
ON CONFLICT (ledger_id, family, labels, place) DO UPDATE
SET trace_id = excluded.trace_id, value = excluded.value, at = excluded.at
"""
_SET_GAUGES = """
INSERT INTO metrics_gauge (ledger_id, family, labels, value, at)
SELECT %s, n.family, n.labels, n.value, timestamptz 'epoch' + n.us * interval '1 microsecond'
FROM unnest(%s::text[], %s::text[], %s::numeric[], %s::bigint[]) AS n(family, labels, value, us)
ON CONFLICT (ledger_id, family, labels) DO UPDATE SET value = excluded.value, at = excluded.at
"""
_ADD_SPEND = """
INSERT INTO metrics_spend AS s (ledger_id, day, agent, provider, model, nano)
SELECT %s, n.*
FROM unnest(%s::date[], %s::text[], %s::text[], %s::text[], %s::numeric[]) AS n
ON CONFLICT (ledger_id, day, agent, provider, model) DO UPDATE SET nano = s.nano + excluded.nano
"""
_ADD_WORK = """
INSERT INTO metrics_agentwork AS w (ledger_id, quarter, agent, what, n)
SELECT %s, n.*
FROM unnest(%s::timestamptz[], %s::text[], %s::text[], %s::numeric[]) AS n
ON CONFLICT (ledger_id, quarter, agent, what) DO UPDATE SET n = w.n + excluded.n
"""
# What is too old to be counted is not written either: a rebuild reads years.
_SEE = """
INSERT INTO metrics_seen AS s (ledger_id, sort, id, at)
SELECT %s, n.sort, n.id, n.at
FROM (
    SELECT sort, id, timestamptz 'epoch' + us * interval '1 microsecond' AS at
    FROM unnest(%s::text[], %s::bytea[], %s::bigint[]) AS s(sort, id, us)
) AS n
WHERE n.at > clock_timestamp() - make_interval(secs => %s)
ON CONFLICT (ledger_id, sort, id) DO UPDATE SET at = greatest(s.at, excluded.at)
"""
_MAKE_DAYS = "SELECT public.metrics_make_days(%s::date, %s::date)"


@dataclass(slots=True)
class _Learned:
    """The lists as this process knows them, and which rows they were read from."""

    names: Names
    rows: tuple[int, int]
    """How many rows there were, and the greatest id."""


class Rollups:
    """What entries add to metrics; `manage.py rebuild metrics` makes the same rows again."""

    name: ClassVar[str] = NAME
    tables: ClassVar[Sequence[str]] = (
        "metrics_total",
        "metrics_minute",
        "metrics_exemplar",
        "metrics_gauge",
        "metrics_spend",
        "metrics_agentwork",
        "metrics_seen",
        "metrics_state",
    )

    def __init__(self) -> None:
        self._learned: _Learned | None = None

    def is_on(self) -> bool:
        """Return whether metrics are switched on; what comes meanwhile is counted later."""
        return metrics_on()

    def apply(
        self, cursor: psycopg.Cursor[Any], ledger_id: int, batch: Sequence[tuple[int, bytes]]
    ) -> None:
        """Count these entries, in the caller's transaction."""
        began = time.thread_time()
        self._apply(cursor, ledger_id, batch)
        measures.overhead("metrics", seconds=time.thread_time() - began)

    def _apply(
        self, cursor: psycopg.Cursor[Any], ledger_id: int, batch: Sequence[tuple[int, bytes]]
    ) -> None:
        names = self._names(cursor)
        found = cursor.execute(_STATE, (ledger_id,)).fetchone()
        state = FoldState.from_json(msgspec.json.decode(found[0]) if found else None)
        added = fold_records(batch, state, names=names, known=known(cursor))
        self._learn(cursor, names)
        self._add(cursor, ledger_id, added)
        if added.present:
            cursor.execute(_SEE, (ledger_id, *_present(added.present)))
        cursor.execute(_REMEMBER, (ledger_id, msgspec.json.encode(state.as_json()).decode()))

    def _names(self, cursor: psycopg.Cursor[Any]) -> Names:
        cursor.execute(_LOCK_NAMES)
        rows = cursor.execute(_COUNT_NAMES).fetchone()
        if self._learned is None or self._learned.rows != rows:
            names = Names(
                learned=cursor.execute(_NAMES).fetchall(),
                agent_label=cast("AgentLabel", settings.METRICS_AGENT_LABEL),
                max_agents=settings.METRICS_MAX_AGENTS,
            )
            self._learned = _Learned(names, rows or (0, 0))
        return self._learned.names

    def _learn(self, cursor: psycopg.Cursor[Any], names: Names) -> None:
        """Keep what was learned. After a rollback the rows are fewer, and are read again."""
        fresh = names.fresh()
        if fresh:
            cursor.execute(_LEARN, ([name for name, _ in fresh], [value for _, value in fresh]))
            rows = cursor.execute(_COUNT_NAMES).fetchone()
            self._learned = _Learned(names, rows or (0, 0))

    def _add(self, cursor: psycopg.Cursor[Any], ledger_id: int, added: Increments) -> None:
        if columns := columns_of([(0, added.totals)]):
            cursor.execute(_ADD_TOTALS, (ledger_id, *columns[:5]))
        kept = self._kept_minutes(cursor, added.minutes)
        if columns := columns_of(kept):
            cursor.execute(_ADD_MINUTES, (ledger_id, *columns))
            take_out(cursor, "entries", (moment_of(minute) for minute, _ in kept))
        if added.exemplars:
            cursor.execute(_SET_EXEMPLARS, (ledger_id, *_exemplars(added)))
        if added.gauges:
            cursor.execute(_SET_GAUGES, (ledger_id, *_gauges(added)))
        if added.spend:
            cursor.execute(_ADD_SPEND, (ledger_id, *_spend(added)))
        if work := _work(added, oldest_day(timezone.now().date())):
            cursor.execute(_ADD_WORK, (ledger_id, *work))

    def _kept_minutes(
        self, cursor: psycopg.Cursor[Any], minutes: Mapping[int, Cell]
    ) -> list[tuple[int, Cell]]:
        """Return the minutes that policy keeps, in order, and see that their days have a place."""
        first = (oldest_day(timezone.now().date()) - _EPOCH.date()).days * DAY_MINUTES
        kept = [(minute, minutes[minute]) for minute in sorted(minutes) if minute >= first]
        for number in sorted({minute // DAY_MINUTES for minute, _ in kept}):
            day = _EPOCH.date() + timedelta(days=number)
            cursor.execute(_MAKE_DAYS, (day, day))  # asked each time: a rollback takes a day back
        return kept


def oldest_day(today: date) -> date:
    """Return the first UTC day whose minutes are kept."""
    return today - timedelta(days=settings.METRICS_MINUTE_DAYS)


def moment_of(minute: int) -> datetime:
    """Return when a minute since 1970 begins."""
    return _EPOCH + timedelta(minutes=minute)


def columns_of(cells: Iterable[tuple[int, Cell]]) -> tuple[str, ...] | None:
    """Return family, labels, n, buckets, total and minute of each series; None when there is none.

    Cells come with their minute since 1970. Each column is text that Postgres reads as an array,
    minutes in seconds. In one order for all who write, so that two writers wait for each other and
    never for ever.
    """
    lines: list[tuple[int, str, str, int, str, int]] = []
    for minute, cell in cells:
        lines += [
            (minute * 60, family, " ".join(values), number, "NULL", 0)
            for (family, values), number in cell.counts.items()
        ]
        lines += [
            (minute * 60, family, " ".join(values), 0, f'"{_literal(row[:-1])}"', row[-1])
            for (family, values), row in cell.histograms.items()
        ]
    if not lines:
        return None
    lines.sort()  # a series is there once, so that nothing behind its name is compared
    minutes, families, labels, numbers, buckets, sums = zip(*lines, strict=True)
    return (
        _texts(families),
        _texts(labels),
        _literal(numbers),
        f"{{{','.join(buckets)}}}",
        _literal(sums),
        _literal(minutes),
    )


def _literal(numbers: Iterable[int]) -> str:
    """Return whole numbers as Postgres reads an array; a list is sent an element at a time."""
    return f"{{{','.join(map(str, numbers))}}}"


def _texts(texts: Sequence[str]) -> str:
    """Return texts likewise; at least one."""
    joined = '","'.join(texts)
    if "\\" in joined or joined.count('"') != 2 * (len(texts) - 1):  # hardly ever
        joined = '","'.join([each.replace("\\", "\\\\").replace('"', '\\"') for each in texts])
    return f'{{"{joined}"}}'


def _exemplars(added: Increments) -> tuple[str, ...]:
    ordered = sorted(added.exemplars.items(), key=lambda item: item[0])
    return (
        *_series([key for (key, _), _ in ordered]),
        _literal(place for (_, place), _ in ordered),
        _texts([one.trace_id for _, one in ordered]),
        _literal(one.value for _, one in ordered),
        _literal(one.at_us for _, one in ordered),
    )


def _gauges(added: Increments) -> tuple[str, ...]:
    ordered = sorted(added.gauges.items())
    return (
        *_series([key for key, _ in ordered]),
        _literal(one.value for _, one in ordered),
        _literal(one.at_us for _, one in ordered),
    )


def _spend(added: Increments) -> tuple[list[Any], ...]:
    ordered = sorted(added.spend.items())
    return (
        [(_EPOCH + timedelta(days=day)).date() for (day, _, _, _), _ in ordered],
        [agent for (_, agent, _, _), _ in ordered],
        [provider for (_, _, provider, _), _ in ordered],
        [model for (_, _, _, model), _ in ordered],
        [nano for _, nano in ordered],
    )


def _work(added: Increments, first: date) -> tuple[list[Any], ...] | None:
    """Return the columns of what agents did on days that policy keeps; None when nothing is."""
    quarters = {
        number: moment_of(number * QUARTER_MINUTES)
        for number in {quarter for quarter, _, _ in added.work}
    }
    kept = sorted(
        (quarters[quarter], agent, what, number)
        for (quarter, agent, what), number in added.work.items()
        if quarters[quarter].date() >= first
    )
    return tuple(map(list, zip(*kept, strict=True))) if kept else None


def _present(there: Present) -> tuple[Any, ...]:
    return (
        _texts([sort for sort, _ in there]),
        _texts([f"\\x{print_.hex()}" for _, print_ in there]),
        _literal(there.values()),
        KEPT_SECONDS,
    )


def _series(keys: Sequence[Key]) -> tuple[str, str]:
    return _texts([family for family, _ in keys]), _texts([" ".join(values) for _, values in keys])

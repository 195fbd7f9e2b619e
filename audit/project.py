"""Run projections: what is derived from entries and can be dropped and built again.

A projection has a name, tables, a cursor per ledger and `apply(batch)`; its rows and its cursor
commit together, so each entry counts exactly once. Which ones run: `settings.PROJECTIONS`. Those
that stand at the same entry read it together: a batch is fetched once, and each applies it in a
transaction of its own.

A purge takes the entries below the minimum index away and leaves what each projection had counted
of them, its carry (carry.py); whoever builds a projection again begins there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Final, Protocol, TypeAlias, runtime_checkable

import psycopg
import structlog
from django.conf import settings
from django.db import connections
from django.utils.module_loading import import_string
from psycopg import sql

from audit import spans
from audit.carry import Frozen, load_carry, newest_carry, write_carry
from audit.database import raw_connection, raw_cursor, rows
from audit.errors import EntriesMissing, EntriesPruned
from audit.models import Ledger
from audit.pausing import no_collecting
from audit.pruned import minimum_index

log = structlog.get_logger(__name__)

Batch: TypeAlias = Sequence[tuple[int, bytes]]
"""`(seq, record)` of consecutive entries of one ledger."""

BATCH = 4000
"""Entries a transaction, at most. What a batch costs however long it is, above all rows that count,
is shared by as many; what it holds in memory grows with them."""

_TURN_SECONDS = 2.0
"""A slow projection that lags behind must not hold up who waits for the same process."""


class Projection(Protocol):
    """What a projection must offer."""

    name: ClassVar[str]
    tables: ClassVar[Sequence[str]]
    """Its tables, each with a `ledger_id`. `apply` names them without a schema, since a rebuild
    runs it on temporary tables of the same names."""

    def apply(self, cursor: psycopg.Cursor[Any], ledger_id: int, batch: Batch) -> None:
        """Fold the entries into the tables, in the caller's transaction."""


@runtime_checkable
class NamesEntries(Protocol):
    """A projection whose rows name single entries: with the entries, their rows go."""

    def forget(self, cursor: psycopg.Cursor[Any], ledger_id: int, minimum: int) -> None:
        """Remove the rows of entries below this seq, in the caller's transaction.

        Names its tables without a schema, as `apply` does. May be called again and again.
        """


@runtime_checkable
class MayBeOff(Protocol):
    """A projection that can be switched off: its cursor stays, and it reads on when on again."""

    def is_on(self) -> bool:
        """Return whether it reads what is new. Asked outside of a transaction."""


@cache
def projections() -> dict[str, Projection]:
    """Return the projections that run here, by name."""
    made = [import_string(path)() for path in settings.PROJECTIONS]
    return {each.name: each for each in made}


_LOCK_CURSOR = """
SELECT p.next_seq,
       coalesce((SELECT m.minimum FROM audit_minimum AS m WHERE m.ledger_id = p.ledger_id), 0),
       p.next_seq > 0 AND p.updated_at > clock_timestamp() - make_interval(secs => %s)
FROM audit_projection AS p
WHERE p.ledger_id = %s
  AND p.name = %s
FOR UPDATE OF p SKIP LOCKED
"""
_MAKE_CURSOR = """
INSERT INTO audit_projection (ledger_id, name, next_seq)
VALUES (%s, %s, 0)
ON CONFLICT (ledger_id, name) DO NOTHING
"""
_MOVE_CURSOR = """
UPDATE audit_projection
SET next_seq = %s, updated_at = clock_timestamp()
WHERE ledger_id = %s
  AND name = %s
"""
_READ = """
SELECT e.seq, e.record
FROM audit_entry AS e
JOIN audit_head AS h ON h.ledger_id = e.ledger_id
WHERE e.ledger_id = %s
  AND e.seq >= %s
  AND e.seq < %s
  AND e.seq < h.size  -- a stranger beyond the head must not carry the cursor past what is to come
ORDER BY e.seq
"""


def catch_up(ledger_id: int, projection: Projection) -> int:
    """Let a projection read what is new, for a bounded turn, and return how many entries it read.

    Returns 0 at once when another process has the cursor, or when it is switched off.
    """
    return _take_turns(ledger_id, [projection], IMPATIENT)


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """How long a process leaves a projection to the one that moved it last.

    That one has at hand what the projection remembers; another would read all of it again.
    """

    seconds: float
    is_for_own: bool = False
    """Whether a move of its own counts too: whoever has other work gives the next turn away."""


IMPATIENT: Final = Patience(seconds=0)
"""Take whatever nobody holds."""

_left: Final[dict[tuple[int, str], int]] = {}
"""Where this process left each cursor."""


def catch_up_all(ledger_id: int | None = None, *, patience: Patience = IMPATIENT) -> int:
    """Let every projection of one ledger, or of all, read what is new.

    A turn is bounded for each ledger. One that fails holds up no other; the first error is raised
    once all had their turn.
    """
    which = (
        [ledger_id]
        if ledger_id is not None
        else list(Ledger.objects.order_by("id").values_list("id", flat=True))
    )
    return sum(_take_turns(each, list(projections().values()), patience) for each in which)


def _is_on(projection: Projection) -> bool:
    return not isinstance(projection, MayBeOff) or projection.is_on()


def _take_turns(ledger_id: int, projections: Sequence[Projection], patience: Patience) -> int:
    """Let each read a batch in turn, so that entries are fetched once for all that stand there."""
    entries = _Entries(ledger_id)
    failed: Exception | None = None
    done = 0
    going: Sequence[Projection] = [each for each in projections if _is_on(each)]
    until = time.monotonic() + _TURN_SECONDS
    while going and time.monotonic() < until:
        has_more = []
        for each in going:
            try:
                with raw_connection().transaction(), raw_cursor() as cursor:
                    read = _apply_next(cursor, ledger_id, each, entries, patience)
            except Exception as error:
                failed = failed or error
                continue
            done += read
            if read == BATCH:
                has_more.append(each)
        going, patience = has_more, IMPATIENT  # whoever has begun goes on to the end of its turn
    if failed is not None:
        raise failed
    return done


class _Entries:
    """The entries of a ledger for one turn, the last batch of them at hand."""

    def __init__(self, ledger_id: int) -> None:
        self._ledger_id = ledger_id
        self._start = -1
        self._batch: Batch = ()

    def beginning_at(self, seq: int) -> Batch:
        """Return entries from a seq on, BATCH at most."""
        if seq != self._start:
            # What was chained stays as it is, so that only where it begins tells batches apart.
            self._batch = rows(_READ, (self._ledger_id, seq, seq + BATCH))
            self._start = seq
        return self._batch


def _apply_next(
    cursor: psycopg.Cursor[Any],
    ledger_id: int,
    projection: Projection,
    entries: _Entries,
    patience: Patience,
) -> int:
    which = (patience.seconds, ledger_id, projection.name)
    found = cursor.execute(_LOCK_CURSOR, which).fetchone()
    if found is None:
        cursor.execute(_MAKE_CURSOR, (ledger_id, projection.name))
        found = cursor.execute(_LOCK_CURSOR, which).fetchone()
        if found is None:
            return 0  # another process made the cursor and holds it
    next_seq, minimum, was_just_moved = found
    is_ours = _left.get((ledger_id, projection.name)) == next_seq
    if was_just_moved and (patience.is_for_own or not is_ours):
        return 0
    if next_seq < minimum:
        next_seq = _begin_again(cursor, ledger_id, projection)
    batch = entries.beginning_at(next_seq)
    if batch:
        with spans.span("audit.project", projection=projection.name, entries=len(batch)) as span:
            spans.link_to_acts(span, [record for _, record in batch])
            _apply(cursor, ledger_id, projection, batch)
            cursor.execute(_MOVE_CURSOR, (batch[-1][0] + 1, ledger_id, projection.name))
        _left[ledger_id, projection.name] = batch[-1][0] + 1
    return len(batch)


def _apply(
    cursor: psycopg.Cursor[Any], ledger_id: int, projection: Projection, batch: Batch
) -> None:
    with no_collecting():
        projection.apply(cursor, ledger_id, batch)


def _begin_again(cursor: psycopg.Cursor[Any], ledger_id: int, projection: Projection) -> int:
    """Let a projection that came after a purge begin where the entries begin."""
    for table in projection.tables:
        cursor.execute(
            sql.SQL("DELETE FROM {} WHERE ledger_id = %s").format(sql.Identifier(table)),
            (ledger_id,),
        )
    next_seq = _load_carry(cursor, ledger_id, projection)
    cursor.execute(_MOVE_CURSOR, (next_seq, ledger_id, projection.name))
    return next_seq


def _load_carry(cursor: psycopg.Cursor[Any], ledger_id: int, projection: Projection) -> int:
    """Load what was counted before the newest purge; return the seq that the entries begin at.

    A projection that a purge did not know has no carry, and counts what is left.
    """
    minimum = minimum_index(ledger_id)
    carry = newest_carry(ledger_id, projection.name)
    if carry is not None:
        load_carry(cursor, carry, projection.tables)
    counted = carry.to_seq if carry is not None else 0
    if counted < minimum:
        log.warning(
            "projection.gap", name=projection.name, ledger_id=ledger_id, start=counted, end=minimum
        )
    return minimum


# --- Building again ------------------------------------------------------------------------------


def rebuild(
    ledger: Ledger, projection: Projection, *, on_progress: Callable[[int], None] | None = None
) -> int:
    """Build a projection again beside the live rows, then swap in one transaction.

    Begins at seq 0, or with what the newest purge has frozen. Readers see the old rows until the
    new ones stand, so no count falls. Returns the entries read.
    """
    while True:
        try:
            return _rebuild(ledger, projection, on_progress)
        except EntriesPruned as pruned:
            log.info("rebuild.begun_again", name=projection.name, why=str(pruned))


def _rebuild(
    ledger: Ledger, projection: Projection, on_progress: Callable[[int], None] | None
) -> int:
    connection = raw_connection()
    # A statement that was prepared before still means the live tables, not the temporary ones.
    prepare_after, connection.prepare_threshold = connection.prepare_threshold, None
    try:
        with raw_cursor() as cursor, _beside(cursor, projection):
            with connection.transaction():
                start = next_seq = _load_carry(cursor, ledger.id, projection)
            for batch in _up_to_head(ledger.id, next_seq):
                with connection.transaction():
                    _apply(cursor, ledger.id, projection, batch)
                next_seq = batch[-1][0] + 1
                if on_progress is not None:
                    on_progress(next_seq)
            with connection.transaction():
                next_seq = _swap(cursor, ledger.id, projection, next_seq)
    finally:
        connection.prepare_threshold = prepare_after
    return next_seq - start


def _up_to_head(ledger_id: int, next_seq: int) -> Iterator[Batch]:
    """Yield batches up to where the head was when it was reached; it moves on all the while.

    Whoever read on until nothing is new would not end while entries come.
    """
    batch: Batch = _read_on(ledger_id, next_seq)
    while batch:
        yield batch
        if len(batch) < BATCH:
            return
        batch = _read_on(ledger_id, batch[-1][0] + 1)


def _read_on(ledger_id: int, next_seq: int) -> list[Any]:
    """Return the next entries. Raises EntriesPruned when a purge has overtaken the reader."""
    batch = rows(_READ, (ledger_id, next_seq, next_seq + BATCH))
    # Asked after reading: what was not below the minimum by now was all there to be read.
    minimum = minimum_index(ledger_id)
    if next_seq < minimum:
        raise EntriesPruned(f"entries up to #{minimum - 1:,} went while #{next_seq:,} was read")
    return batch


@contextmanager
def _beside(cursor: psycopg.Cursor[Any], projection: Projection) -> Iterator[None]:
    """Have empty temporary tables of a projection, which hide the live ones from its names."""
    for table in projection.tables:
        cursor.execute(
            sql.SQL("CREATE TEMPORARY TABLE {0} (LIKE public.{0} INCLUDING ALL)").format(
                sql.Identifier(table)
            )
        )
    try:
        yield
    finally:
        for table in projection.tables:
            cursor.execute(sql.SQL("DROP TABLE pg_temp.{}").format(sql.Identifier(table)))


def _swap(
    cursor: psycopg.Cursor[Any], ledger_id: int, projection: Projection, next_seq: int
) -> int:
    cursor.execute(_MAKE_CURSOR, (ledger_id, projection.name))
    _hold_cursor(cursor, ledger_id, projection)
    # The live cursor is ours by now, so what was chained until here is all that it can have read.
    for batch in _up_to_head(ledger_id, next_seq):
        _apply(cursor, ledger_id, projection, batch)
        next_seq = batch[-1][0] + 1
    if isinstance(projection, NamesEntries):
        projection.forget(cursor, ledger_id, minimum_index(ledger_id))
    for table in projection.tables:
        name = sql.Identifier(table)
        cursor.execute(
            sql.SQL("DELETE FROM public.{} WHERE ledger_id = %s").format(name), (ledger_id,)
        )
        cursor.execute(sql.SQL("INSERT INTO public.{0} SELECT * FROM pg_temp.{0}").format(name))
    cursor.execute(_MOVE_CURSOR, (next_seq, ledger_id, projection.name))
    return next_seq


def _hold_cursor(cursor: psycopg.Cursor[Any], ledger_id: int, projection: Projection) -> None:
    cursor.execute(_LOCK_CURSOR.replace("SKIP LOCKED", ""), (0, ledger_id, projection.name))


# --- Before and after a purge --------------------------------------------------------------------


def freeze(ledger: Ledger, projection: Projection, *, to_seq: int) -> Generator[int, None, Frozen]:
    """Count up to a seq in a session of its own; yield how far it is, return what was counted.

    From the carry of the purge before and the entries since. Reads what a purge is about to take,
    so call it before. Raises EntriesMissing.
    """
    with (
        _own_session() as connection,
        psycopg.Cursor(connection) as cursor,
        _beside(cursor, projection),
    ):
        with connection.transaction():
            next_seq = _load_carry(cursor, ledger.id, projection)
        while next_seq < to_seq:
            end = min(next_seq + BATCH, to_seq)
            batch = rows(_READ, (ledger.id, next_seq, end))
            if len(batch) != end - next_seq:
                raise EntriesMissing(ledger=ledger.name, start=next_seq, end=end, found=len(batch))
            with connection.transaction():
                _apply(cursor, ledger.id, projection, batch)
            next_seq = end
            yield next_seq
        with connection.transaction():
            if isinstance(projection, NamesEntries):
                projection.forget(cursor, ledger.id, to_seq)
            text = write_carry(cursor, projection.tables)
    return Frozen(projection=projection.name, to_seq=to_seq, rows=text)


@contextmanager
def _own_session() -> Iterator[psycopg.Connection[Any]]:
    """Connect once more: temporary tables must not hide the live ones from the process's rest."""
    own = connections["default"].copy()
    own.ensure_connection()
    try:
        yield own.connection
    finally:
        own.close()


def forget(ledger_id: int, projection: Projection) -> None:
    """Let a projection forget the entries that were pruned, if its rows name single ones."""
    if not isinstance(projection, NamesEntries):
        return
    with raw_connection().transaction(), raw_cursor() as cursor:
        _hold_cursor(cursor, ledger_id, projection)
        projection.forget(cursor, ledger_id, minimum_index(ledger_id))


def cursor_of(ledger_id: int, projection: Projection) -> int:
    """Return the seq that a projection reads next; 0 when it has read nothing yet."""
    found = rows(
        "SELECT next_seq FROM audit_projection WHERE ledger_id = %s AND name = %s",
        (ledger_id, projection.name),
    )
    return int(found[0][0]) if found else 0

"""Let every check see the new entries of a ledger, and keep what they find: a projection.

Its rows are what evaluations are made of, and can be dropped and made again: `manage.py rebuild
tallies` gives the same rows. A ledger begins with the lenses of the catalogue in force at its first
entry and goes on with them, since a lens that has missed entries would count wrong. When the
catalogue, a list or a limit has changed, the tallies are stale until they are rebuilt beside the
live ones: `rebuild_stale`, called by a task. A lens that a purge did not know begins where the
entries begin (`first_seq`).

A batch at a time: read the entries, fetch in one query each what the lenses will ask for and what
falls due, unless all is at hand, let engine.py run, write everything back in one statement a table.
Between batches engine and books stay in the process. Their content follows from the lenses and the
entries alone, so that they may be trusted when they stand at the very entry that the rows stand at;
after a rollback, or when another process went on, they do not, and all is read from the rows.

What a batch reads and writes: book.py. Reading the tallies: tallied.py. All from the entries alone:
scratch.py. Tables: sql/0001_tallies.sql.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import msgspec
import psycopg
import structlog
from psycopg.rows import TupleRow

from compliance.book import TableBooks
from compliance.definitions import Lens
from compliance.engine import REGISTRY, Engine, Timer
from compliance.gather import (
    Batch,
    Ledger,
    leaf_hash,
    minimum_index,
    projections,
    raw_connection,
    rebuild,
    rows,
)
from compliance.in_force import catalogue_in_force
from compliance.kinds.base import DAY_US
from compliance.language.reading import EntryView, ToolRegistry
from compliance.lenses import all_lenses
from compliance.people import Act, act_of, settings_of
from compliance.result import canonical
from compliance.tallied import acts_of, date_of

log = structlog.get_logger(__name__)

NAME: Final = "tallies"
MOST_RUNNING: Final = 4
"""Ledgers whose engine and books stay in a process; each takes some 10 MB."""

_LENSES = "SELECT lens_id, first_seq FROM compliance_lens WHERE ledger_id = %s ORDER BY lens_id"
_DEFINITIONS = """
SELECT lens_id, check_id, kind, definition
FROM compliance_lens
WHERE ledger_id = %s
"""
_ADD_LENSES = """
INSERT INTO compliance_lens (ledger_id, lens_id, check_id, kind, definition, first_seq)
SELECT %s, n.lens_id, n.check_id, n.kind, n.definition, %s
FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[])
  AS n(lens_id, check_id, kind, definition)
ON CONFLICT (ledger_id, lens_id) DO NOTHING
"""
_CLOCK = "SELECT clock, born, next_seq, head_hash FROM compliance_clock WHERE ledger_id = %s"
_MOVE_CLOCK = """
INSERT INTO compliance_clock (ledger_id, clock, born, next_seq, head_hash)
VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (ledger_id) DO UPDATE
SET clock = excluded.clock, next_seq = excluded.next_seq, head_hash = excluded.head_hash
"""
_ADD_DAYS = """
INSERT INTO compliance_day AS d (ledger_id, day, entries, backfilled)
SELECT %s, n.*
FROM unnest(%s::date[], %s::bigint[], %s::bigint[]) AS n
ON CONFLICT (ledger_id, day) DO UPDATE
SET entries = d.entries + excluded.entries, backfilled = d.backfilled + excluded.backfilled
"""
_ADD_ACTS = """
INSERT INTO compliance_act (ledger_id, seq, action, at, act)
SELECT %s, n.*
FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::text[]) AS n
"""
_LIVE_LENSES = "SELECT lens_id FROM public.compliance_lens WHERE ledger_id = %s"
# Held by the session that rebuilds a ledger's stale tallies; a crash lets go of it.
_TRY_LOCK = "SELECT pg_try_advisory_lock(hashtext('compliance.rebuild'), %s)"
_UNLOCK = "SELECT pg_advisory_unlock(hashtext('compliance.rebuild'), %s)"


@dataclass(slots=True)
class _Clock:
    """Where the tallies of a ledger stand."""

    clock: int
    born: int
    next_seq: int
    head_hash: bytes


@dataclass(slots=True)
class _Running:
    """Engine and books of one ledger, as they stand after an entry."""

    lenses: Mapping[str, int]
    """The first entry that each has seen."""
    engine: Engine
    books: TableBooks
    head_hash: bytes | None
    """Of the entry that they stand after; None: nothing is at hand."""


class Tallies:
    """What every check found, by day; `manage.py rebuild tallies` makes the same rows again."""

    name: ClassVar[str] = NAME
    tables: ClassVar[Sequence[str]] = (
        "compliance_lens",
        "compliance_clock",
        "compliance_day",
        "compliance_tally",
        "compliance_bucket",
        "compliance_item",
        "compliance_state",
        "compliance_act",
    )

    def __init__(self) -> None:
        self._running: dict[int, _Running] = {}

    def apply(self, cursor: psycopg.Cursor[Any], ledger_id: int, batch: Batch) -> None:
        """Let all lenses of the ledger see these entries, and write down what they found."""
        lenses, clock = self._begin(cursor, ledger_id, first=batch[0][0])
        # Taken out, and put back at the end: what fails in between leaves nothing half done behind.
        running = self._take(cursor, ledger_id, lenses, clock)
        engine, books = running.engine, running.books
        entries = [engine.read(seq, record, leaf_hash(record)) for seq, record in batch]
        latest = max(engine.clock, *(each.received for each in entries))
        if not books.is_whole:
            books.fetch(engine.slots(entries))
            books.fetch_due(latest)
        for entry in entries:
            engine.see(entry)
        engine.settle()
        books.write()
        _add_days(cursor, ledger_id, entries)
        _add_acts(cursor, ledger_id, filter(None, map(act_of, entries)))
        running.head_hash = leaf_hash(batch[-1][1])
        cursor.execute(
            _MOVE_CLOCK,
            (ledger_id, engine.clock, engine.timer.born, entries[-1].seq + 1, running.head_hash),
        )
        self._put_back(ledger_id, running)

    def _begin(
        self, cursor: psycopg.Cursor[Any], ledger_id: int, *, first: int
    ) -> tuple[dict[str, int], _Clock | None]:
        """Return the lenses of a ledger, with the first entry of each, and where it stands.

        Where the entries begin, those in force that it does not have yet begin, too.
        """
        if first == minimum_index(ledger_id):
            _add_lenses(cursor, ledger_id, lenses_in_force(ledger_id), first)
        lenses = dict(cursor.execute(_LENSES, (ledger_id,)).fetchall())
        found = cursor.execute(_CLOCK, (ledger_id,)).fetchone()
        if found is None:
            return lenses, None
        clock, born, next_seq, head_hash = found
        return lenses, _Clock(clock, born, next_seq, bytes(head_hash))

    def _take(
        self,
        cursor: psycopg.Cursor[Any],
        ledger_id: int,
        lenses: Mapping[str, int],
        clock: _Clock | None,
    ) -> _Running:
        """Return engine and books that stand where the rows stand."""
        running = self._running.pop(ledger_id, None)
        if running is None or running.lenses != lenses:
            running = _start(cursor, ledger_id, lenses)
        running.books.cursor = cursor
        running.books.first_seq = 0 if clock is None else clock.next_seq
        at = None if clock is None else clock.head_hash
        if running.head_hash is None or running.head_hash != at:
            running.books.forget()
            running.books.fetch_all()
            running.engine.timer.clock = 0 if clock is None else clock.clock
            running.engine.timer.born = None if clock is None else clock.born
            running.engine.registry = ToolRegistry()
            running.engine.load_registry()
        return running

    def _put_back(self, ledger_id: int, running: _Running) -> None:
        running.books.cursor = None
        self._running[ledger_id] = running
        while len(self._running) > MOST_RUNNING:
            del self._running[next(iter(self._running))]


def _start(cursor: psycopg.Cursor[Any], ledger_id: int, lenses: Mapping[str, int]) -> _Running:
    """Build the engine of a ledger from the definitions that its rows hold."""
    timer = Timer()
    books = TableBooks(ledger_id, (*lenses, REGISTRY), timer)
    books.cursor = cursor
    definitions = [
        Lens(id=lens_id, check=check, kind=kind, definition=msgspec.json.decode(text))
        for lens_id, check, kind, text in cursor.execute(_DEFINITIONS, (ledger_id,)).fetchall()
    ]
    engine = Engine(definitions, books.book, timer)
    return _Running(lenses=lenses, engine=engine, books=books, head_hash=None)


def _add_lenses(
    cursor: psycopg.Cursor[Any], ledger_id: int, lenses: Mapping[str, Lens], first: int
) -> None:
    known = sorted(lenses.values(), key=lambda each: each.id)
    cursor.execute(
        _ADD_LENSES,
        (
            ledger_id,
            first,
            [each.id for each in known],
            [each.check for each in known],
            [each.kind for each in known],
            [canonical(each.definition).decode() for each in known],
        ),
    )


def _add_days(cursor: psycopg.Cursor[Any], ledger_id: int, entries: Sequence[EntryView]) -> None:
    entries_of = Counter(each.at // DAY_US for each in entries)
    backfilled = Counter(each.at // DAY_US for each in entries if each.is_backfill)
    days = sorted(entries_of)
    cursor.execute(
        _ADD_DAYS,
        (
            ledger_id,
            [date_of(day) for day in days],
            [entries_of[day] for day in days],
            [backfilled[day] for day in days],
        ),
    )


def _add_acts(cursor: psycopg.Cursor[Any], ledger_id: int, acts: Iterable[Act]) -> None:
    found = list(acts)
    if found:
        cursor.execute(
            _ADD_ACTS,
            (
                ledger_id,
                [each.seq for each in found],
                [each.action for each in found],
                [each.at for each in found],
                [msgspec.json.encode(each).decode() for each in found],
            ),
        )


# --- Which lenses, and when they have changed -----------------------------------------------------


def lenses_in_force(ledger_id: int) -> dict[str, Lens]:
    """Return every lens that the catalogue in force needs of a ledger, by id.

    With the lists and limits that people set, as far as the live tallies have read of that.
    """
    return all_lenses(catalogue_in_force(), settings_of(acts_of(ledger_id)))


def is_stale(ledger: Ledger) -> bool:
    """Tell whether a lens in force is not among those that the ledger's tallies hold."""
    held: list[TupleRow] = rows(_LIVE_LENSES, (ledger.id,))
    return bool(held) and not lenses_in_force(ledger.id).keys() <= {each for (each,) in held}


def rebuild_stale(on_progress: Callable[[str, int], None] | None = None) -> int:
    """Rebuild the tallies of every ledger where they are stale; return of how many.

    One process does it at a time; a ledger that another one rebuilds is left to it. `on_progress`
    is told the ledger's name and the seq that is read next.
    """
    rebuilt = 0
    for ledger in Ledger.objects.order_by("id"):
        ((is_ours,),) = rows(_TRY_LOCK, (ledger.id,))
        if not is_ours:
            continue
        try:
            if is_stale(ledger):
                rebuilt += 1
                _rebuild(ledger, on_progress)
        finally:
            # A session that is gone has let go of its locks.
            if not raw_connection().closed:
                rows(_UNLOCK, (ledger.id,))
    return rebuilt


def _rebuild(ledger: Ledger, on_progress: Callable[[str, int], None] | None) -> None:
    log.info("tallies.stale", ledger=ledger.name)

    def tell(next_seq: int) -> None:
        if on_progress is not None:
            on_progress(ledger.name, next_seq)

    read = rebuild(ledger, projections()[NAME], on_progress=tell)
    log.info("tallies.rebuilt", ledger=ledger.name, entries=read)

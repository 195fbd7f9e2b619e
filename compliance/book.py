"""Keep what the lenses of one ledger find in the tables, a batch of entries at a time.

A `TableBook` is the book of memory.py over rows that are read when they are needed and written back
once a batch: what it counts in a batch is added to the rows, what it remembers and keeps stands in
their place. `TableBooks` holds those of one ledger and speaks SQL for all of them, one statement a
table. Rows that were read stay at hand from batch to batch, so that a busy series costs no query;
who may trust them: tally.py. What the numbers mean: memory.py. Tables: sql/0001_tallies.sql.

Tables are named without a schema, since a rebuild works on temporary tables of the same names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, Final

import msgspec
import psycopg

from compliance.engine import Timer
from compliance.kinds.base import Item
from compliance.memory import MemoryBook
from compliance.tallied import date_of, item_of

MOST: Final = 20_000
"""Slots and items that stay at hand after a batch; with more of them, none does.

A ledger with fewer slots has all of them at hand, so that nothing needs to be foreseen or fetched.
"""

_ABSENT: Final = object()
_NO_ROW: Final = (None, None)
_decode: Final = msgspec.json.decode
_encode: Final = msgspec.json.encode

# OFFSET 0: one index step a row. Left to itself the planner reads the whole table for each slot,
# since it takes every JSON text for a hundred rows, and knows nothing of a table that just grew.
_FETCH_SLOTS = """
SELECT wanted.lens_id, s.name, s.value, s.due
FROM json_to_recordset(%s::json) AS wanted(lens_id text, slot text),
     LATERAL (
         SELECT name, value, due
         FROM compliance_state
         WHERE ledger_id = %s
           AND lens_id = wanted.lens_id
           AND slot = decode(wanted.slot, 'hex')
         OFFSET 0
     ) AS s
"""
_FETCH_ALL = """
SELECT lens_id, name, value, due
FROM compliance_state
WHERE ledger_id = %s
LIMIT %s
"""
_FETCH_DUE = """
SELECT lens_id, name, value, due
FROM compliance_state
WHERE ledger_id = %s
  AND due < %s
"""
_FETCH_ITEM = """
SELECT item, state, day, agent_id, environment, seq, other_seq, due, weight, why, evidence,
       is_restated
FROM compliance_item
WHERE ledger_id = %s
  AND lens_id = %s
  AND item = %s
"""
_FETCH_LATEST = """
SELECT latest
FROM compliance_tally
WHERE ledger_id = %s
  AND lens_id = %s
  AND day = %s
  AND environment = ''
  AND agent_id = ''
"""
_WRITE_SLOTS = """
INSERT INTO compliance_state AS s (ledger_id, lens_id, slot, name, value, due)
SELECT %s, n.lens_id, decode(n.slot, 'hex'), n.name, n.value, n.due
FROM json_to_recordset(%s::json) AS n(lens_id text, slot text, name text, value text, due bigint)
ON CONFLICT (ledger_id, lens_id, slot) DO UPDATE
SET value = excluded.value, due = excluded.due
"""
# By place, found in the same way; who writes here holds the cursor, so that no row moves meanwhile.
_DROP_SLOTS = """
DELETE FROM compliance_state
WHERE ctid = ANY (ARRAY(
    SELECT s.ctid
    FROM json_to_recordset(%s::json) AS gone(lens_id text, slot text),
         LATERAL (
             SELECT ctid
             FROM compliance_state
             WHERE ledger_id = %s
               AND lens_id = gone.lens_id
               AND slot = decode(gone.slot, 'hex')
             OFFSET 0
         ) AS s
))
"""
# The long number is 2^256: sums of digests are taken modulo it (items.py).
_WRITE_TALLIES = """
INSERT INTO compliance_tally AS t (ledger_id, lens_id, day, environment, agent_id, passed, failed,
    opened, closed, latest, restated_seq, decided_sum, open_sum)
SELECT %s, n.*
FROM json_to_recordset(%s::json) AS n(lens_id text, day date, environment text, agent_id text,
    passed bigint, failed bigint, opened bigint, closed bigint, latest bigint, restated_seq bigint,
    decided_sum numeric, open_sum numeric)
ON CONFLICT (ledger_id, lens_id, day, environment, agent_id) DO UPDATE
SET passed = t.passed + excluded.passed,
    failed = t.failed + excluded.failed,
    opened = t.opened + excluded.opened,
    closed = t.closed + excluded.closed,
    latest = greatest(t.latest, excluded.latest),
    restated_seq = greatest(t.restated_seq, excluded.restated_seq),
    decided_sum = mod(t.decided_sum + excluded.decided_sum,
        115792089237316195423570985008687907853269984665640564039457584007913129639936),
    open_sum = mod(t.open_sum + excluded.open_sum,
        115792089237316195423570985008687907853269984665640564039457584007913129639936)
"""
_WRITE_BUCKETS = """
INSERT INTO compliance_bucket AS b (ledger_id, lens_id, day, environment, series, agent_id,
    numerator, denominator)
SELECT %s, n.*
FROM json_to_recordset(%s::json) AS n(lens_id text, day date, environment text, series text,
    agent_id text, numerator bigint, denominator bigint)
ON CONFLICT (ledger_id, lens_id, day, environment, series, agent_id) DO UPDATE
SET numerator = b.numerator + excluded.numerator,
    denominator = b.denominator + excluded.denominator
"""
_WRITE_ITEMS = """
INSERT INTO compliance_item AS i (ledger_id, lens_id, item, state, day, environment, agent_id, seq,
    other_seq, due, weight, why, evidence, is_restated)
SELECT %s, n.*
FROM json_to_recordset(%s::json) AS n(lens_id text, item text, state text, day date,
    environment text, agent_id text, seq bigint, other_seq bigint, due bigint, weight bigint,
    why text, evidence text, is_restated boolean)
ON CONFLICT (ledger_id, lens_id, item) DO UPDATE
SET state = excluded.state, day = excluded.day, environment = excluded.environment,
    agent_id = excluded.agent_id, seq = excluded.seq, other_seq = excluded.other_seq,
    due = excluded.due, weight = excluded.weight, why = excluded.why,
    evidence = excluded.evidence, is_restated = excluded.is_restated
"""
_COPY_ITEMS = """
COPY compliance_item (ledger_id, lens_id, item, state, day, environment, agent_id, seq, other_seq,
    due, weight, why, evidence, is_restated)
FROM STDIN (FORMAT BINARY)
"""
_COPIED: Final = (
    "int4", "text", "text", "text", "date", "text", "text", "int8", "int8", "int8", "int8", "text",
    "text", "bool",
)  # fmt: skip
_DROP_ITEMS = """
DELETE FROM compliance_item
WHERE ctid = ANY (ARRAY(
    SELECT i.ctid
    FROM json_to_recordset(%s::json) AS gone(lens_id text, item text),
         LATERAL (
             SELECT ctid
             FROM compliance_item
             WHERE ledger_id = %s
               AND lens_id = gone.lens_id
               AND item = gone.item
             OFFSET 0
         ) AS i
))
"""


_SLOT: Final = ("lens_id", "slot")
_SLOTS: Final = (*_SLOT, "name", "value", "due")
_TALLIES: Final = (
    "lens_id", "day", "environment", "agent_id", "passed", "failed", "opened", "closed", "latest",
    "restated_seq", "decided_sum", "open_sum",
)  # fmt: skip
_BUCKETS: Final = (
    "lens_id", "day", "environment", "series", "agent_id", "numerator", "denominator",
)  # fmt: skip
_ITEM: Final = ("lens_id", "item")
_ITEMS: Final = (
    *_ITEM, "state", "day", "environment", "agent_id", "seq", "other_seq", "due", "weight", "why",
    "evidence", "is_restated",
)  # fmt: skip


def slot_key(name: str) -> str:
    """Return the 16 bytes that a slot of this name stands under, in hex."""
    return sha256(name.encode()).hexdigest()[:32]


class TableBook(MemoryBook):
    """The book of one lens; what is not at hand is read from its rows.

    `tallies` and `buckets` hold what was added since the last write. In `slots` None stands for
    what is known not to be there.
    """

    def __init__(self, lens_id: str, timer: Timer, books: TableBooks) -> None:
        super().__init__(lens_id, timer)
        self.books = books
        self.stored: dict[str, tuple[bytes | None, int | None]] = {}
        """Slots as their rows say: text and due."""
        self.changed: dict[str, None] = {}
        """Slots that were put or dropped since the last write."""
        self.changed_items: dict[str, None] = {}
        self.absent: set[str] = set()
        """Items that are known not to be there."""
        self.latest: dict[int, int | None] = {}
        """The latest match of a day, as far as it was asked for."""

    def get(self, slot: str) -> Any | None:
        """Return what is remembered there, None when nothing is."""
        value = self.slots.get(slot, _ABSENT)
        if value is not _ABSENT:
            return value
        if slot not in self.stored:
            if self.books.is_whole:
                return None
            self.books.fetch({self.lens_id: [slot]})
        text, _ = self.stored[slot]
        self.slots[slot] = found = None if text is None else _decode(text)
        return found

    def put(self, slot: str, value: Any, *, due: int | None = None) -> None:
        """Remember, and tell the timer when it is due."""
        super().put(slot, value, due=due)
        self.changed[slot] = None

    def drop(self, slot: str) -> None:
        """Forget."""
        self.slots[slot] = None
        self.timer.set(self.lens_id, slot, None)
        self.changed[slot] = None

    def mark(self, day: int, at: int) -> None:
        """Note a match of a cadence on its day, when it is later than the latest of the rows."""
        if day not in self.latest:
            self.latest[day] = self.books.latest(self.lens_id, day)
        latest = self.latest[day]
        if latest is None or at > latest:
            self.latest[day] = at
            super().mark(day, at)

    def keep(self, item: Item) -> None:
        """Keep an item itself."""
        name = item.item
        self.items[name] = item
        self.changed_items[name] = None
        if self.absent:
            self.absent.discard(name)

    def kept(self, item: str) -> Item | None:
        """Return a kept item."""
        if item not in self.items and item not in self.absent:
            found = self.books.item(self.lens_id, item)
            if found is None:
                self.absent.add(item)
            else:
                self.items[item] = found
        return self.items.get(item)

    def release(self, item: str) -> None:
        """Keep it no longer."""
        super().release(item)
        self.absent.add(item)
        self.changed_items[item] = None

    def look_ahead(self, slots: Iterable[str]) -> None:
        """Fetch these together."""
        self.books.fetch({self.lens_id: slots})

    def take_in(self, slot: str, text: bytes | None, due: int | None) -> None:
        """Know a slot as its row says; what was put since stands."""
        if slot in self.stored or slot in self.changed:
            return
        self.stored[slot] = (text, due)
        if due is not None:
            self.timer.set(self.lens_id, slot, due)

    def forget(self) -> None:
        """Have nothing at hand."""
        for each in (self.slots, self.items, self.stored, self.latest, self.absent):
            each.clear()
        self.forget_verdicts()  # another process may have filed what the rows will say


class TableBooks:
    """The books of one ledger, and the cursor that reads and writes for them."""

    def __init__(self, ledger_id: int, lens_ids: Iterable[str], timer: Timer) -> None:
        self.ledger_id = ledger_id
        self.timer = timer
        self.books = {each: TableBook(each, timer, self) for each in lens_ids}
        self.cursor: psycopg.Cursor[Any] | None = None
        """That of the batch at work."""
        self.first_seq = 0
        """The first entry of the batch at work."""
        self.is_whole = False
        """Every slot that has a row is at hand; what is not at hand, is not there."""
        self._are_too_many = False
        self.misses = 0
        """Queries for one thing that nobody had foreseen."""

    def book(self, lens_id: str) -> TableBook:
        """Return the book of a lens."""
        return self.books[lens_id]

    def fetch(self, wanted: Mapping[str, Iterable[str]]) -> None:
        """Have these slots at hand, by lens: one query for all that are not."""
        if self.is_whole:
            return
        missing = [
            (lens_id, slot)
            for lens_id, slots in wanted.items()
            for slot in slots
            if slot not in self.books[lens_id].stored and slot not in self.books[lens_id].slots
        ]
        if not missing:
            return
        self.misses += len(missing) == 1
        keys = [(lens_id, slot_key(slot)) for lens_id, slot in missing]
        self._hold(self._query(_FETCH_SLOTS, (_records(_SLOT, keys), self.ledger_id)))
        for lens_id, slot in missing:
            self.books[lens_id].take_in(slot, None, None)

    def fetch_all(self) -> None:
        """Have every slot at hand, unless they are too many.

        Once they were, what a batch asks for is fetched with each batch, as long as this lives.
        """
        if self._are_too_many:
            return
        found = self._query(_FETCH_ALL, (self.ledger_id, MOST + 1))
        self._are_too_many = len(found) > MOST
        if not self._are_too_many:
            self._hold(found)
            self.is_whole = True

    def fetch_due(self, clock: int) -> None:
        """Have every slot at hand that is due before this moment, us."""
        self._hold(self._query(_FETCH_DUE, (self.ledger_id, clock)))

    def latest(self, lens_id: str, day: int) -> int | None:
        """Return the latest match of a day as its row says, us."""
        found = self._query(_FETCH_LATEST, (self.ledger_id, lens_id, date_of(day)))
        return found[0][0] if found else None

    def item(self, lens_id: str, item: str) -> Item | None:
        """Return an item as its row says."""
        self.misses += 1
        found = self._query(_FETCH_ITEM, (self.ledger_id, lens_id, item))
        return item_of(found[0]) if found else None

    def write(self) -> None:
        """Write what the books have counted, remembered and kept, and begin to count anew."""
        self._write_slots()
        self._write_tallies()
        self._write_buckets()
        self._write_items()
        held = sum(
            len(each.stored) + len(each.items) + len(each.absent) for each in self.books.values()
        )
        if held > MOST:
            self._are_too_many = self.is_whole
            self.forget()

    def forget(self) -> None:
        """Have nothing at hand: the rows alone say what is."""
        for each in self.books.values():
            assert not each.changed, "what was put is written first"
            each.forget()
        self.timer.forget_due()
        self.is_whole = False

    def _hold(self, found: Iterable[tuple[str, str, str, int | None]]) -> None:
        for lens_id, slot, text, due in found:
            if lens_id in self.books:
                self.books[lens_id].take_in(slot, text.encode(), due)

    def _write_slots(self) -> None:
        put: list[tuple[Any, ...]] = []
        dropped: list[tuple[Any, ...]] = []
        unknown = _NO_ROW if self.is_whole else None
        for lens_id, book in self.books.items():
            for slot in book.changed:
                value, due = book.slots[slot], self.timer.due(lens_id, slot)
                text = None if value is None else _encode(value)
                is_same = book.stored.get(slot, unknown) == (text, due)
                book.stored[slot] = (text, due)
                if text is None and self.is_whole:
                    del book.stored[slot], book.slots[slot]
                if is_same:
                    continue
                if text is None:
                    dropped.append((lens_id, slot_key(slot)))
                else:
                    put.append((lens_id, slot_key(slot), slot, text.decode(), due))
            book.changed.clear()
        self._write(_WRITE_SLOTS, _SLOTS, put)
        self._remove(_DROP_SLOTS, _SLOT, dropped)

    def _write_tallies(self) -> None:
        tallies = [
            (lens_id, date_of(day), environment, agent, one.passed, one.failed, one.opened,
             one.closed, one.latest, one.restated_seq, str(one.decided_sum),
             str(one.open_sum))
            for lens_id, book in self.books.items()
            for (day, environment, agent), one in book.tallies.items()
        ]  # fmt: skip
        self._write(_WRITE_TALLIES, _TALLIES, tallies)
        for book in self.books.values():
            book.tallies.clear()

    def _write_buckets(self) -> None:
        buckets = [
            (lens_id, date_of(day), environment, series, agent, *counts)
            for lens_id, book in self.books.items()
            for (day, environment, series, agent), counts in book.buckets.items()
        ]
        self._write(_WRITE_BUCKETS, _BUCKETS, buckets)
        for book in self.books.values():
            book.buckets.clear()

    def _write_items(self) -> None:
        fresh: list[tuple[Any, ...]] = []
        kept: list[tuple[Any, ...]] = []
        gone: list[tuple[Any, ...]] = []
        for lens_id, book in self.books.items():
            for name in book.changed_items:
                item = book.items.get(name)
                if item is None:
                    gone.append((lens_id, name))
                elif item.seq >= self.first_seq and name == str(item.seq):
                    fresh.append(_row(self.ledger_id, lens_id, item))
                else:
                    kept.append(_row(self.ledger_id, lens_id, item)[1:])
                if item is not None and item.state == "fail":
                    del book.items[name]  # done with, but for the rare one that is mended later
            book.changed_items.clear()
        self._copy_items(fresh)
        self._write(_WRITE_ITEMS, _ITEMS, kept)
        self._remove(_DROP_ITEMS, _ITEM, gone)

    def _copy_items(self, fresh: list[tuple[Any, ...]]) -> None:
        """Write items that no batch before can have written: entries of this batch by themselves.

        Most items are such, and COPY takes them for a third of what an INSERT does; binary, since
        writing numbers as text costs this process twice as much.
        """
        if not fresh:
            return
        assert self.cursor is not None, "books are written in a batch"
        with self.cursor.copy(_COPY_ITEMS) as copy:
            copy.set_types(_COPIED)
            for row in fresh:
                copy.write_row(row)

    def _write(self, statement: str, names: tuple[str, ...], what: list[tuple[Any, ...]]) -> None:
        if what:
            self._execute(statement, (self.ledger_id, _records(names, what)))

    def _remove(self, statement: str, names: tuple[str, ...], what: list[tuple[Any, ...]]) -> None:
        if what:
            self._execute(statement, (_records(names, what), self.ledger_id))

    def _query(self, statement: str, parameters: tuple[Any, ...]) -> list[Any]:
        return self._execute(statement, parameters).fetchall()

    def _execute(self, statement: str, parameters: tuple[Any, ...]) -> psycopg.Cursor[Any]:
        assert self.cursor is not None, "books are read and written in a batch"
        return self.cursor.execute(statement, parameters)


def _records(names: tuple[str, ...], what: Iterable[tuple[Any, ...]]) -> str:
    """Return rows as JSON: many small values cost far less in one text than as arrays."""
    return _encode([dict(zip(names, row, strict=True)) for row in what]).decode()


def _row(ledger_id: int, lens_id: str, item: Item) -> tuple[Any, ...]:
    return (
        ledger_id,
        lens_id,
        item.item,
        item.state,
        date_of(item.day),
        item.environment,
        item.agent,
        item.seq,
        item.other_seq,
        item.due,
        item.weight,
        item.why,
        _encode(item.evidence).decode(),
        item.is_restated,
    )

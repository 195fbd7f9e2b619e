"""Verify a ledger: derive everything again from the stored bytes and compare.

Three results, never two: `intact`, `tampered` (first bad seq, which field, expected and found) and
`not_proven` (nothing was checked). One pass over a range at a fixed size checks record → hash,
`prev` and `seq` links, `ledger`, every copied column, event keys, and that the chain ends at the
head. It streams in keyset chunks, a short transaction each, in flat memory. Writes nothing but its
own run: `audit_verification`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Literal, TypeAlias

import msgspec
from django.db import connection

from audit.database import raw_cursor, rows
from audit.ledger.columns import ReadRecord, parse_time, read_record
from audit.ledger.record import FORMAT_VERSION, GENESIS
from audit.models import Ledger

Result: TypeAlias = Literal["intact", "tampered", "not_proven"]

CHUNK = 20_000
"""Entries read in one statement, so in one short transaction. They stream: few are held at once."""

_AT_ONCE = 200
"""Rows taken from the stream at once; Postgres prepares the next ones meanwhile."""

NO_CHECKPOINT = "no checkpoint yet: a rewrite by the database's owner would not show"

_CHUNK = """
SELECT e.seq, e.record, e.hash,
       -- Python's years are 1 to 9999; what lies beyond stands in no record, and is nothing here.
       CASE WHEN e.received_at >= '0001-01-01Z' AND e.received_at < '10000-01-01Z'
            THEN e.received_at
       END,
       CASE WHEN e.occurred_at >= '0001-01-01Z' AND e.occurred_at < '10000-01-01Z'
            THEN e.occurred_at
       END,
       e.is_backfill, e.event_id::text, e.agent_id, e.actor_id, e.category, e.action, e.outcome,
       e.severity, e.environment, e.run_id, e.trace_id, e.data_classes, e.key_id,
       k.event_id = e.event_id, k.event_id::text
FROM audit_entry AS e
LEFT JOIN LATERAL (
    SELECT event_id
    FROM audit_eventkey
    WHERE ledger_id = e.ledger_id
      AND seq = e.seq
    OFFSET 0  -- one index step an entry; a hash join would read all keys for each chunk
) AS k ON true
WHERE e.ledger_id = %s
  AND e.seq >= %s
  AND e.seq < %s
ORDER BY e.seq, e.received_at
"""
# A swapped or added row can share a seq with another one, so a chunk may hold more rows than seqs.


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One thing that is not as it was."""

    seq: int
    field: str
    expected: str
    found: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What a run found."""

    ledger: str
    result: Result
    from_seq: int
    to_seq: int
    """One past the last seq that was to be checked."""
    checked: int
    """Entries read and compared."""
    broken: int
    """Entries with at least one fault, and entries that are missing."""
    first: Fault | None
    note: str
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the report for `--json`."""
        return {name: msgspec.to_builtins(getattr(self, name)) for name in self.__slots__}


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far a run is, and all it takes to go on from there."""

    checked: int
    total: int
    seconds: float
    next_seq: int
    """The seq that comes next."""
    broken: int
    """Entries found broken so far."""
    first: Fault | None
    """The first fault so far."""


def verify(
    ledger: Ledger,
    *,
    from_seq: int = 0,
    to_seq: int | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Report:
    """Check the entries from `from_seq` up to, not including, `to_seq` (default: the head).

    `on_progress` is called after each chunk; what it raises ends the run.
    """
    for said in verify_stepwise(ledger, from_seq=from_seq, to_seq=to_seq):
        if isinstance(said, Report):
            return said
        if on_progress is not None:
            on_progress(said)
    raise AssertionError("a run ends with its report")


def verify_stepwise(
    ledger: Ledger,
    *,
    from_seq: int = 0,
    to_seq: int | None = None,
    after: Progress | None = None,
) -> Iterator[Progress | Report]:
    """Check as `verify` does: yield how far it is after each chunk, and the report at the end.

    With `after`, what an earlier run over the same range said last, it goes on from there.
    """
    started = time.perf_counter()
    size, head = _head(ledger)
    end = size if to_seq is None else min(to_seq, size)
    total = max(end - from_seq, 0)
    seq = from_seq if after is None else after.next_seq
    broken = 0 if after is None else after.broken
    first = None if after is None else after.first
    prev = _hash_before(ledger, seq) if total else GENESIS.hex()
    walk = _Walk(
        ledger_name=ledger.name, seq=seq, prev=prev, checked=0 if after is None else after.checked
    )
    for start in range(seq, end, CHUNK):
        for fault in walk.check(_read(ledger, start, min(start + CHUNK, end))):
            broken += 1
            first = first or fault
        yield Progress(
            checked=walk.checked,
            total=total,
            seconds=time.perf_counter() - started,
            next_seq=walk.seq,
            broken=broken,
            first=first,
        )
    for fault in _check_end(ledger, walk, from_seq=from_seq, end=end, size=size, head=head):
        broken += 1
        first = first or fault
    result: Result = "tampered" if first else "intact" if walk.checked else "not_proven"
    yield Report(
        ledger=ledger.name,
        result=result,
        from_seq=from_seq,
        to_seq=end,
        checked=walk.checked,
        broken=broken,
        first=first,
        note="nothing was checked"
        if result == "not_proven"
        else NO_CHECKPOINT
        if result == "intact"
        else "",
        seconds=time.perf_counter() - started,
    )


def _head(ledger: Ledger) -> tuple[int, str]:
    found = rows("SELECT size, hash FROM audit_head WHERE ledger_id = %s", (ledger.id,))
    if not found:
        return 0, GENESIS.hex()
    ((size, head),) = found
    return size, bytes(head).hex()


def _hash_before(ledger: Ledger, seq: int) -> str:
    """Return the hash that the entry `seq` must name as its `prev`; empty when that one is gone."""
    if seq == 0:
        return GENESIS.hex()
    found = rows(
        "SELECT hash FROM audit_entry WHERE ledger_id = %s AND seq = %s LIMIT 1",
        (ledger.id, seq - 1),
    )
    return bytes(found[0][0]).hex() if found else ""


def _read(ledger: Ledger, start: int, stop: int) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a range as Postgres sends them."""
    with raw_cursor() as cursor:
        yield from cursor.stream(_CHUNK, (ledger.id, start, stop), binary=True, size=_AT_ONCE)


class _Walk:
    """Where the check stands: the seq and the `prev` that the next entry must carry."""

    def __init__(self, *, ledger_name: str, seq: int, prev: str, checked: int) -> None:
        self.ledger_name = ledger_name
        self.seq = seq
        self.prev = prev
        self.checked = checked

    def check(self, chunk: Iterable[tuple[Any, ...]]) -> Iterator[Fault]:
        """Yield the first fault of each bad entry; a missing entry is a fault of its own."""
        for row in chunk:
            self.checked += 1
            seq = row[0]
            if seq > self.seq:
                for missing in range(self.seq, seq):
                    yield Fault(seq=missing, field="seq", expected=str(missing), found="no entry")
            elif seq < self.seq:
                yield Fault(seq=seq, field="seq", expected="one entry", found="another one")
                continue
            stored = row[2].hex()
            fault = self._fault(row, stored)
            if fault is not None:
                yield fault
            self.seq, self.prev = seq + 1, stored

    def _fault(self, row: tuple[Any, ...], stored: str) -> Fault | None:
        seq, record = row[:2]
        computed = sha256(b"\x00" + record).hexdigest()
        if computed != stored:
            return Fault(seq=seq, field="hash", expected=computed, found=stored)
        try:
            read = read_record(record)
            columns = read.columns
            times = (parse_time(read.received_at), parse_time(columns.occurred_at))
        except (msgspec.DecodeError, ValueError) as error:
            return Fault(seq=seq, field="record", expected="a record of ours", found=str(error))
        if read.seq != seq:
            return Fault(seq=seq, field="seq", expected=str(seq), found=str(read.seq))
        if read.prev != self.prev:
            return Fault(
                seq=seq, field="prev", expected=self.prev or "the entry before", found=read.prev
            )
        if read.ledger != self.ledger_name:
            return Fault(seq=seq, field="ledger", expected=self.ledger_name, found=read.ledger)
        if read.version != FORMAT_VERSION:
            return Fault(seq=seq, field="v", expected=str(FORMAT_VERSION), found=str(read.version))
        is_as_read = (
            row[3:5] == times
            and row[5] is read.is_backfill
            and row[6] == columns.event_id
            and row[7:17] == columns[2:]
            and row[17] == read.key_id
            and row[18] is True  # the event key holds the same id
        )
        return None if is_as_read else _differing(row, read, times)


_COMPARED = (
    "received_at", "occurred_at", "is_backfill", "event_id", "agent_id", "actor_id", "category",
    "action", "outcome", "severity", "environment", "run_id", "trace_id", "data_classes", "key_id",
    "event key",
)  # fmt: skip


def _differing(row: tuple[Any, ...], read: ReadRecord, times: tuple[datetime, datetime]) -> Fault:
    """Name the first of the columns that is not what the record says."""
    event_id = read.columns.event_id
    expected = (*times, read.is_backfill, event_id, *read.columns[2:], read.key_id, event_id)
    found = (*row[3:18], row[19])
    for name, should, does in zip(_COMPARED, expected, found, strict=True):
        if should != does:
            return Fault(seq=row[0], field=name, expected=_shown(should), found=_shown(does))
    raise AssertionError("two rows that differ have a column that differs")


def _shown(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return "nothing" if value is None else str(value)


def _check_end(
    ledger: Ledger, walk: _Walk, *, from_seq: int, end: int, size: int, head: str
) -> Iterator[Fault]:
    """Yield what is wrong after the last entry: missing ones, strangers beyond it, the head."""
    for missing in range(walk.seq, end):
        yield Fault(seq=missing, field="seq", expected=str(missing), found="no entry")
    if walk.seq < end:
        return
    if end == size and end > from_seq and walk.prev != head:
        yield Fault(seq=size - 1, field="head", expected=walk.prev, found=head)
    if end == size:
        # A range that begins beyond the head holds nothing, and accuses nobody.
        yield from _strangers(ledger, min(from_seq, size), size)


# Two index steps; with OR the planner may walk the whole index in the order of seq instead.
_BEYOND = """
(SELECT seq FROM {table} WHERE ledger_id = %(ledger)s AND seq < 0 ORDER BY seq LIMIT 10)
UNION ALL
(SELECT seq FROM {table} WHERE ledger_id = %(ledger)s AND seq >= %(size)s ORDER BY seq LIMIT 10)
"""


def _strangers(ledger: Ledger, from_seq: int, size: int) -> Iterator[Fault]:
    """Yield entries and event keys that stand where none can be.

    A head that grew meanwhile explains rows past `size`, so it is read again first.
    """
    grown, _ = _head(ledger)
    for table in ("audit_entry", "audit_eventkey"):
        statement = _BEYOND.format(table=table)
        beyond = rows(statement, {"ledger": ledger.id, "size": max(grown, size)})
        now, _ = _head(ledger)
        for (seq,) in beyond:
            if seq < 0 or seq >= now:
                yield Fault(seq=seq, field="seq", expected=f"at most {now - 1}", found=str(seq))
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(*)
            FROM audit_eventkey
            WHERE ledger_id = %s
              AND seq >= %s
              AND seq < %s
            """,
            (ledger.id, from_seq, size),
        )
        (keys,) = cursor.fetchone()
    if keys > size - from_seq:
        yield Fault(
            seq=from_seq,
            field="event key",
            expected=f"{size - from_seq} keys",
            found=f"{keys} keys",
        )

"""Verify the entries of a ledger: each record as its bytes, its row and its place in the chain say.

Verification (verify.py) gives a part of a range at a time, and takes the hashes of the records from
here to the tree. Rows come as a stream, so that few are held at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgspec

from audit.database import raw_cursor
from audit.fault import Fault
from audit.ledger.columns import ReadRecord, parse_time, read_record
from audit.ledger.record import FORMAT_VERSION
from audit.models import Ledger

_AT_ONCE = 200
"""Rows taken from the stream at once; Postgres prepares the next ones meanwhile."""

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


def read_rows(ledger: Ledger, start: int, stop: int) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a range as Postgres sends them."""
    with raw_cursor() as cursor:
        yield from cursor.stream(_CHUNK, (ledger.id, start, stop), binary=True, size=_AT_ONCE)


def no_entry(seq: int) -> Fault:
    """Return the fault of a seq without an entry."""
    return Fault(seq=seq, field="seq", expected=str(seq), found="no entry")


class Walk:
    """Where the check stands: the seq and the `prev` that the next entry must carry."""

    def __init__(self, *, ledger_name: str, seq: int, prev: str, checked: int) -> None:
        self.ledger_name = ledger_name
        self.seq = seq
        self.prev = prev
        self.checked = checked
        self.is_cut_off = False
        """Whether the last seqs that were passed have no entry."""

    def begin(self, seq: int, *, prev: str) -> None:
        """Go to where the entries begin that are kept."""
        self.seq, self.prev = seq, prev

    def go_on(self, seq: int) -> None:
        """Pass over entries that are missing."""
        self.is_cut_off = self.seq < seq
        self.seq = seq

    def check(
        self, chunk: Iterable[tuple[Any, ...]], start: int, leaves: list[bytes | None]
    ) -> Iterator[Fault]:
        """Yield the first fault of each bad entry; a missing entry is a fault of its own.

        Puts the hash of each record to its place in `leaves`, whose first is that of `start`.
        """
        for row in chunk:
            self.checked += 1
            seq = row[0]
            if seq > self.seq:
                yield from map(no_entry, range(self.seq, seq))
            elif seq < self.seq:
                yield Fault(seq=seq, field="seq", expected="one entry", found="another one")
                continue
            computed = leaves[seq - start] = sha256(b"\x00" + row[1]).digest()
            fault = self._fault(row, computed)
            if fault is not None:
                yield fault
            self.seq, self.prev = seq + 1, row[2].hex()

    def _fault(self, row: tuple[Any, ...], computed: bytes) -> Fault | None:
        seq, record, stored = row[:3]
        if computed != stored:
            return Fault(seq=seq, field="hash", expected=computed.hex(), found=stored.hex())
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

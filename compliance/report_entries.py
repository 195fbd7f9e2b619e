"""Read what a report asks of the entries out of the ledger's tables, up to the head of the report.

Every statement is bounded by the head and goes by an index: actions by (ledger, action, seq), a
period by its block range of times, names by seq. Entries come in batches, so that memory stays flat
however many there are. Never writes. The same of an evidence bundle: report_bundle.py.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, time
from typing import Any, Final

import msgspec

from compliance.gather import BATCH, Ledger, format_time, minimum_index, rows
from compliance.report_evidence import (
    Named,
    PopulationCounts,
    Record,
    Seen,
    read_seen,
)
from compliance.tallied import date_of, day_of

NAMED: Final = 1_000
"""Entries that one statement fetches by their seqs."""
WINDOW: Final = 200_000
"""Seqs among which one statement looks for actions."""

_ACTIONS: Final = """
SELECT seq
FROM audit_entry
WHERE ledger_id = %s
  AND action = ANY(%s)
  AND seq >= %s
  AND seq <= %s
ORDER BY seq
"""
_RECORDS: Final = """
SELECT seq, hash, record
FROM audit_entry
WHERE ledger_id = %s
  AND seq = ANY(%s)
  AND seq BETWEEN %s AND %s
ORDER BY seq
"""
_NAMED: Final = """
SELECT seq, event_id, occurred_at, actor_id, action, hash
FROM audit_entry
WHERE ledger_id = %s
  AND seq = ANY(%s)
  AND seq BETWEEN %s AND %s
"""
# What groups are asked for is what the report shows: by agent and environment together there may be
# as many groups as entries.
_COUNTED: Final = """
SELECT (occurred_at AT TIME ZONE 'UTC')::date AS day, agent_id, action, environment,
       count(*), count(*) FILTER (WHERE is_backfill),
       count(*) FILTER (WHERE NOT is_backfill AND received_at > occurred_at + interval '24 hours')
FROM audit_entry
WHERE ledger_id = %(ledger)s
  AND occurred_at >= %(start)s
  AND occurred_at < %(end)s
  AND seq BETWEEN %(first)s AND %(head)s
GROUP BY GROUPING SETS ((day), (day, agent_id), (action), (environment))
"""
_REACH: Final = """
SELECT min(seq), max(seq)
FROM audit_entry
WHERE ledger_id = %(ledger)s
  AND occurred_at >= %(start)s
  AND occurred_at < %(end)s
  AND seq BETWEEN %(first)s AND %(head)s
"""
_LOOKED: Final = """
SELECT record
FROM audit_entry
WHERE ledger_id = %(ledger)s
  AND seq >= %(from)s
  AND seq < %(to)s
  AND occurred_at >= %(start)s
  AND occurred_at < %(end)s
ORDER BY seq
"""
_SIZE: Final = "SELECT size FROM audit_head WHERE ledger_id = %s"


class _Record(msgspec.Struct, gc=False):
    event: dict[str, Any]
    received_at: str
    seq: int
    source: dict[str, Any]


_decode: Final = msgspec.json.Decoder(_Record).decode
_TOOLS: Final = ("tool.registered", "tool.removed")


def record_of(raw: bytes, entry_hash: bytes) -> Record:
    """Return what a record's bytes say. Raises msgspec.DecodeError for what is no record."""
    read = _decode(raw)
    return Record(
        seq=read.seq,
        received_at=read.received_at,
        hash=entry_hash.hex(),
        is_backfill=read.source.get("backfill") is True,
        event=read.event,
        source=read.source,
    )


class LedgerEvidence:
    """The entries of one ledger up to a head (report_evidence.Evidence)."""

    def __init__(self, ledger: Ledger, *, head_seq: int) -> None:
        """Look no further than `head_seq`, the last entry that counts."""
        self._ledger = ledger
        self._head = head_seq
        self._first = minimum_index(ledger.id)

    @property
    def origin(self) -> str:
        """Return the ledger's origin."""
        return self._ledger.origin

    @property
    def first_seq(self) -> int:
        """Return the first entry that is kept: 0, or more after a purge."""
        return self._first

    def records(self, actions: Collection[str], *, to_seq: int | None = None) -> Iterator[Record]:
        """Yield the entries of these actions in the order of seq; see Evidence."""
        last = self._head if to_seq is None else to_seq
        for seqs in self._seqs(sorted(actions), last):
            for some in _some(seqs):
                for _, entry_hash, raw in self._of(_RECORDS, some, last):
                    yield record_of(bytes(raw), bytes(entry_hash))

    def by_seq(self, seqs: Collection[int]) -> Mapping[int, Record]:
        """Return entries by their seqs; those not kept, or past the head, are left out."""
        return {
            seq: record_of(bytes(raw), bytes(entry_hash))
            for some in _some(sorted(set(seqs)))
            for seq, entry_hash, raw in self._of(_RECORDS, some, self._head)
        }

    def named(self, seqs: Collection[int]) -> Mapping[int, Named]:
        """Return what lists say of entries, out of the columns alone."""
        return {
            seq: Named(
                seq=seq,
                entry_id=str(event_id),
                occurred_at=format_time(occurred_at),
                actor=actor,
                action=action,
                hash=bytes(entry_hash).hex(),
            )
            for some in _some(sorted(set(seqs)))
            for seq, event_id, occurred_at, actor, action, entry_hash in self._of(
                _NAMED, some, self._head
            )
        }

    def counted(self, start: int, end: int) -> PopulationCounts:
        """Count the entries that happened on the days [start, end)."""
        counts = PopulationCounts()
        found = rows(_COUNTED, self._asked(start, end))
        for day, agent, action, environment, entries, backfilled, late in found:
            if action is not None:
                counts.actions[action] = entries
            elif environment is not None:
                counts.environments[environment] = entries
            elif agent is not None:
                counts.agent_days[agent, day_of(day)] = entries
            else:
                counts.days[day_of(day)] = (entries, backfilled)
                counts.late += late
        return counts

    def look_through(self, start: int, end: int, *, no_vendors: Collection[str] = ()) -> Seen:
        """Return what the entries of the days [start, end) show at work."""
        seen = Seen(start, end, no_vendors=no_vendors)
        asked = self._asked(start, end)
        registered = self._registrations(start, end)
        ((first, last),) = rows(_REACH, asked)
        if first is None:
            return seen
        following = next(registered, None)
        for at in range(first, last + 1, BATCH):
            window = {"from": at, "to": min(at + BATCH, last + 1)}
            for (raw,) in rows(_LOOKED, asked | window):
                read = read_seen(raw)
                while following is not None and following[0] < read.seq:
                    seen.see(read_seen(following[1]).event)
                    following = next(registered, None)
                seen.see(read.event)
        return seen

    def _registrations(self, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Yield registrations of tools that happened outside of the period, by seq."""
        first, last = _moment(start), _moment(end)
        told = (format_time(first), format_time(last))
        for seqs in self._seqs(sorted(_TOOLS), self._head):
            for some in _some(seqs):
                for seq, _, raw in self._of(_RECORDS, some, self._head):
                    if not told[0] <= read_seen(raw).event.occurred_at < told[1]:
                        yield seq, raw

    def _seqs(self, actions: Sequence[str], last: int) -> Iterator[array[int]]:
        # Seqs first: a planner that is to order records by seq would walk all of them.
        if last > self._head:
            found = rows(_SIZE, (self._ledger.id,))
            last = min(last, found[0][0] - 1) if found else -1
        for at in range(self._first, last + 1, WINDOW):
            until = min(at + WINDOW - 1, last)
            yield array(
                "q", [seq for (seq,) in rows(_ACTIONS, (self._ledger.id, actions, at, until))]
            )

    def _of(self, statement: str, seqs: Sequence[int], last: int) -> list[tuple[Any, ...]]:
        return rows(statement, (self._ledger.id, list(seqs), self._first, last))

    def _asked(self, start: int, end: int) -> dict[str, Any]:
        return {
            "ledger": self._ledger.id,
            "start": _moment(start),
            "end": _moment(end),
            "first": self._first,
            "head": self._head,
        }


def _some(seqs: Sequence[int]) -> Iterator[Sequence[int]]:
    for at in range(0, len(seqs), NAMED):
        yield seqs[at : at + NAMED]


def _moment(day: int) -> datetime:
    return datetime.combine(date_of(day), time(), tzinfo=UTC)

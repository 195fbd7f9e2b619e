"""Read what a report asks of the entries out of an evidence bundle, up to the head of the report.

The bundle was verified before (scratch.check_bundle) and holds every entry. Its records lie one
behind the other; where each begins is noted once, 8 bytes an entry, so that one can be found again
without reading all. Everything else streams. Never writes. The same of the tables:
report_entries.py.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from compliance.gather import Manifest, leaf_hash
from compliance.kinds.base import DAY_US
from compliance.language.reading import us_of
from compliance.report_entries import record_of
from compliance.report_evidence import (
    CountedEvent,
    Named,
    PopulationCounts,
    Record,
    Seen,
    count_in,
    read_seen,
)
from compliance.result import time_text
from compliance.scratch import read_bundle, records_at

_BEGIN: Final = b'{"event":{"action":"'
"""How a record begins: it is canonical JSON, and no name of an event comes before `action`."""


class _Counted(msgspec.Struct, gc=False):
    event: CountedEvent
    received_at: str
    source: dict[str, object]


_read_counted: Final = msgspec.json.Decoder(_Counted).decode


class BundleEvidence:
    """The entries of a bundle up to a head (report_evidence.Evidence). Close it after use."""

    def __init__(self, path: Path, manifest: Manifest, *, head_seq: int) -> None:
        """Note where each entry begins; `manifest` is that of the verified bundle."""
        self._path = path
        self._origin = manifest.origin
        self._size = manifest.count
        self._head = min(head_seq, manifest.count - 1)
        self._file = path.open("rb")
        self._starts = array("Q")
        at = records_at(self._file)
        for _, raw in read_bundle(self._file):
            self._starts.append(at)
            at += len(raw) + 1

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    @property
    def origin(self) -> str:
        """Return the ledger's origin."""
        return self._origin

    @property
    def first_seq(self) -> int:
        """Return 0: a bundle that is evaluated holds every entry."""
        return 0

    def records(self, actions: Collection[str], *, to_seq: int | None = None) -> Iterator[Record]:
        """Yield the entries of these actions in the order of seq; see Evidence."""
        wanted = {action.encode() for action in actions}
        for raw in self._lines(self._head if to_seq is None else to_seq):
            if action_of(raw) in wanted:
                yield record_of(raw, leaf_hash(raw))

    def by_seq(self, seqs: Collection[int]) -> Mapping[int, Record]:
        """Return entries by their seqs; those past the head are left out."""
        return {
            seq: record_of(raw, leaf_hash(raw))
            for seq in sorted(set(seqs))
            if (raw := self._record(seq)) is not None
        }

    def named(self, seqs: Collection[int]) -> Mapping[int, Named]:
        """Return what lists say of entries by their seqs."""
        return {
            seq: Named(
                seq=seq,
                entry_id=str(record.event["id"]),
                occurred_at=record.occurred_at,
                actor=str(record.event["actor"]["id"]),
                action=record.action,
                hash=record.hash,
            )
            for seq, record in self.by_seq(seqs).items()
        }

    def counted(self, start: int, end: int) -> PopulationCounts:
        """Count the entries that happened on the days [start, end)."""
        counts = PopulationCounts()
        first, last = time_text(start * DAY_US), time_text(end * DAY_US)
        for raw in self._lines(self._head):
            read = _read_counted(raw)
            if first <= read.event.occurred_at < last:
                old = read.source.get("backfill") is True
                count_in(counts, read.event, received=us_of(read.received_at), old=old)
        return counts

    def look_through(self, start: int, end: int, *, no_vendors: Collection[str] = ()) -> Seen:
        """Return what the entries of the days [start, end) show at work."""
        seen = Seen(start, end, no_vendors=no_vendors)
        for raw in self._lines(self._head):
            seen.see(read_seen(raw).event)
        return seen

    def _lines(self, last: int) -> Iterator[bytes]:
        # A file of its own, since others may look at single entries in between.
        with self._path.open("rb") as file:
            for seq, raw in read_bundle(file):
                if seq > last:
                    return
                yield raw

    def _record(self, seq: int) -> bytes | None:
        if not 0 <= seq <= self._head:
            return None
        return _line(self._file, self._starts[seq])


def action_of(raw: bytes) -> bytes:
    """Return the action of a record's bytes without reading all of it."""
    assert raw.startswith(_BEGIN), "a record begins with its event's action"
    return raw[len(_BEGIN) : raw.index(b'"', len(_BEGIN))]


def _line(file: BinaryIO, at: int) -> bytes:
    file.seek(at)
    return file.readline()[:-1]

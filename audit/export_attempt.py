"""One attempt at an export while it goes on: what it has done, and when it said so last.

Who works on it: exporting.py.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from audit.database import rows
from audit.errors import ExportStopped, RecordUnreadable
from audit.ledger.record import leaf_hash
from audit.models import Export

_SAY_EVERY = 1.0  # seconds between two notes of how far an export is


# Each of these writes only while the export is still this worker's.
_SAY = """
UPDATE audit_export
SET seen_at = clock_timestamp(), next_seq = %s, entries = %s, first_seq = %s, last_seq = %s
WHERE ledger_id = %s
  AND id = %s
  AND attempt = %s
  AND state = 'running'
RETURNING id
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """An export in the hands of one worker."""

    export: Export
    attempt: int
    """Which taking of the export this is; an older one may write nothing."""

    @property
    def place(self) -> tuple[int, int, int]:
        """Return what names this attempt in the table."""
        return self.export.ledger_id, self.export.id, self.attempt


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """How far an export is."""

    next_seq: int
    """Seqs below it were looked through."""
    size: int
    entries: int
    """Entries written."""
    seconds: float


@dataclass(slots=True)
class Going:
    """One attempt while it goes on: what it has done, and when it said so last."""

    job: Job
    next_seq: int = 0
    entries: int = 0
    first_seq: int | None = None
    last_seq: int | None = None
    minimum: int = 0
    """The minimum index when the attempt began; the file holds nothing below it."""
    changed: list[int] = field(default_factory=list)
    """The first seq whose record does not give its hash, if any."""
    mismatches: int = 0
    began: float = field(default_factory=time.monotonic)
    said_at: float = float("-inf")

    def take(self, next_seq: int, found: list[tuple[int, str, bytes]]) -> None:
        """Count a chunk. Raises RecordUnreadable for a record that is no line of text any more."""
        for seq, digest, record in found:
            if b"\n" in record:
                raise RecordUnreadable(seq=seq)
            if leaf_hash(record).hex() != digest:
                self.mismatches += 1
                self.changed = self.changed or [seq]
        if found:
            self.first_seq = found[0][0] if self.first_seq is None else self.first_seq
            self.last_seq = found[-1][0]
            self.entries += len(found)
        self.next_seq = next_seq

    def say(self, *, at_once: bool = False) -> None:
        """Note how far it is, at most each second. Raises ExportStopped when it is not ours."""
        if not at_once and time.monotonic() - self.said_at < _SAY_EVERY:
            return
        if not rows(
            _SAY,
            (self.next_seq, self.entries, self.first_seq, self.last_seq, *self.job.place),
        ):
            raise ExportStopped("cancelled, or another worker has it")
        self.said_at = time.monotonic()

    def reach(self) -> Reach:
        """Return how far it is."""
        return Reach(
            next_seq=self.next_seq,
            size=self.job.export.size,
            entries=self.entries,
            seconds=time.monotonic() - self.began,
        )

    def warning(self) -> str:
        """Return what the reader must know of the entries; empty when nothing."""
        if not self.changed:
            return ""
        return (
            f"{self.mismatches:,} of these records do not give the hash they were chained with, "
            f"the first at seq {self.changed[0]:,}. Verify the ledger."
        )

"""The ledger that is attacked: sealed twice, published by a sink, and kept by an auditor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from audit.append import append_pending
from audit.held import NoteFile, SinkNotes
from audit.models import Ledger
from audit.seal import seal
from audit.signer import make_key
from audit.sinks import Published
from audit.sinks.file import FileSink
from tests.audit.test_tree import grow_to


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """A ledger with two checkpoints, a file that a sink wrote, and a note that an auditor kept."""

    ledger: Ledger
    sink: FileSink
    kept: NoteFile
    published: Published

    @property
    def size(self) -> int:
        return self.published.size

    @property
    def outside(self) -> list[NoteFile | SinkNotes]:
        return [self.kept, SinkNotes(sinks=[self.sink])]


def seal_twice(ledger: Ledger, sink: FileSink, folder: Path) -> Sealed:
    make_key(ledger.name, origin=ledger.origin)
    grow_to(ledger, 300)
    first = seal(ledger)
    append_pending(ledger.id)  # the entry that announces the key
    grow_to(ledger, 600)
    last = seal(ledger)
    assert first is not None
    assert last is not None
    sink.publish(first)
    sink.publish(last)
    kept = folder / f"{ledger.id}" / "kept.note"
    kept.parent.mkdir()
    kept.write_bytes(last.note)
    return Sealed(ledger=ledger, sink=sink, kept=NoteFile(path=kept), published=last)

"""Read the checkpoints that somebody else holds of a ledger. Owns what verification compares with.

Whoever rewrites a database rewrites its checkpoints too; never those on another disk. A checkpoint
may come from a note that an auditor kept, from the file of the sink `file`, from any sink that
gives back what it took, and from the state file of the signer. None is believed for its own sake:
verify_seals.py opens the notes with the ledger's keys. Publishing: anchor.py.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from audit.database import rows
from audit.errors import HeldUnusable, SignerFailed
from audit.models import Ledger
from audit.signer import keys_path, state_of
from audit.sinks import Sink, SinkFailed, SinkUnreachable

MOST: Final = 10_000
"""Notes of one file that are compared, the newest: each fixes all entries before it."""


SETTLED_AFTER: Final = 60.0
"""Seconds from signing, witnesses asked, to the stored checkpoint, at the very most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldNote:
    """A signed note that somebody holds; nothing of it was checked."""

    place: str
    """For people: a file's name, a sink's."""
    note: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldHead:
    """A size and root that somebody holds without a signature: the signer's own memory."""

    place: str
    size: int
    root: bytes
    is_settled: bool
    """Whether it is old enough that its checkpoint must have been stored since."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """All that places outside the database hold of a ledger."""

    notes: tuple[HeldNote, ...] = ()
    heads: tuple[HeldHead, ...] = ()
    missing: tuple[str, ...] = ()
    """What a place should hold and does not; each a sentence. It proves nothing by itself."""
    silent: tuple[str, ...] = ()
    """Places that could not be asked; each a sentence."""

    def __add__(self, other: Held) -> Held:
        """Return what both hold."""
        return Held(
            notes=self.notes + other.notes,
            heads=self.heads + other.heads,
            missing=self.missing + other.missing,
            silent=self.silent + other.silent,
        )


class Holder(Protocol):
    """Somewhere that holds checkpoints."""

    def held(self, ledger: Ledger, /) -> Held:
        """Return what it holds of this ledger."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NoteFile:
    """A file with one signed note, or with the lines that the sink `file` writes. A `Holder`."""

    path: Path

    def held(self, ledger: Ledger, /) -> Held:
        """Return its notes of this ledger. Raises HeldUnusable when it cannot be read.

        A torn line is none: the sink leaves one where a crash cut it.
        """
        try:
            data = self.path.read_bytes()[:1]
            notes = self._lines(ledger.origin) if data == b"{" else [self.path.read_bytes()]
        except OSError as error:
            raise HeldUnusable(f"{self.path}: {error.strerror or error}") from error
        if not notes or not notes[0]:
            return Held(missing=(f"{self.path} holds no checkpoint of {ledger.origin}",))
        return Held(notes=tuple(HeldNote(place=self.path.name, note=note) for note in notes))

    def _lines(self, origin: str) -> list[bytes]:
        newest: deque[bytes] = deque(maxlen=MOST)
        with self.path.open("rb") as file:
            newest.extend(_notes_of(file, origin))
        return list(newest)


def _notes_of(lines: Iterable[bytes], origin: str) -> Iterator[bytes]:
    for line in lines:
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict) and found.get("origin") == origin and "note" in found:
            yield str(found["note"]).encode()


@dataclass(frozen=True, kw_only=True, slots=True)
class SignerState:
    """The file in which the signer keeps what it signed last. A `Holder`."""

    def held(self, ledger: Ledger, /) -> Held:
        """Return that head; nothing where this process may not read it, or nothing was signed."""
        place = "the signer's state"
        try:
            found = state_of(ledger.name, origin=ledger.origin).read()
            written = keys_path(ledger.name).with_suffix(".state")
            age = time.time() - written.stat().st_mtime if found else 0.0
        except PermissionError:
            return Held()  # web and worker on a machine where only the signer may
        except (OSError, SignerFailed) as error:
            return Held(silent=(f"{place} cannot be read: {error}",))
        if found is None:
            return Held()
        head = HeldHead(
            place=place, size=found.size, root=found.root, is_settled=age > SETTLED_AFTER
        )
        return Held(heads=(head,))


_TAKEN = "SELECT sink FROM audit_anchor WHERE ledger_id = %s AND sink = %s AND size IS NOT NULL"


@dataclass(frozen=True, kw_only=True, slots=True)
class SinkNotes:
    """What the sinks of this installation give back. A `Holder`."""

    sinks: Sequence[Sink]

    def held(self, ledger: Ledger, /) -> Held:
        """Ask each sink that can be read, one after the other; each is bounded by its own time."""
        found = Held()
        for sink in self.sinks:
            if sink.can_read:
                found += _of_sink(ledger, sink)
        return found


def _of_sink(ledger: Ledger, sink: Sink) -> Held:
    try:
        note = sink.newest(ledger.origin)
    except SinkUnreachable as error:
        return Held(silent=(f"{sink.name} could not be asked: {error}",))
    except SinkFailed as error:
        return Held(missing=(str(error),))
    if note is not None:
        return Held(notes=(HeldNote(place=sink.name, note=note),))
    if rows(_TAKEN, (ledger.id, sink.name)):
        return Held(missing=(f"{sink.name} took checkpoints and holds none any more",))
    return Held()


def all_held(ledger: Ledger, holders: Iterable[Holder]) -> Held:
    """Ask each holder in turn."""
    return sum((holder.held(ledger) for holder in holders), start=Held())

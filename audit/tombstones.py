"""Remember outside the database which keys of data subjects were destroyed.

A backup of the database brings keys back that were erased after it was made; this file says which.
It is written before a key is blanked, so that no erasure can be undone by a restore. One line a
key: its id, the ledger's name, the time (UTC), parted by blanks; appended, never changed, mode
0600. Nothing in it tells who the person was. Where it is: `settings.TOMBSTONES`. Who reads it at
each start: erase.py.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from django.conf import settings

from audit.database import rows
from audit.errors import TombstonesUnreadable
from audit.ledger.record import format_time

_LIVING = """
SELECT k.key_id
FROM unnest(%s::text[], %s::uuid[]) AS t(ledger, key_id)
JOIN audit_ledger AS l ON l.name = t.ledger
JOIN audit_subjectkey AS k ON k.ledger_id = l.id AND k.key_id = t.key_id
WHERE k.wrapped IS NOT NULL
   OR k.lookup IS NOT NULL
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tombstone:
    """A key that must not live."""

    key_id: UUID
    ledger: str
    """The ledger's name."""
    buried_at: str
    """When it was decided; UTC, as records write it."""


def bury(key_id: UUID, *, ledger: str) -> None:
    """Write that this key is dead, and return once it is on the disk; a second call writes nothing.

    Raises OSError where the file cannot be written, and TombstonesUnreadable.
    """
    path: Path = settings.TOMBSTONES
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(path) as descriptor:
        text = _text(descriptor)
        whole = text[: text.rfind("\n") + 1]
        if any(each.key_id == key_id for each in _parsed(whole, path)):
            return
        # What a power cut left of a line was never acted upon.
        os.ftruncate(descriptor, len(whole.encode()))
        line = f"{key_id} {ledger} {format_time(datetime.now(UTC))}\n".encode()
        if os.pwrite(descriptor, line, len(whole.encode())) != len(line):
            raise OSError(f"{path}: the disk took half a line")
        os.fsync(descriptor)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # else a power cut may take the new file away
    finally:
        os.close(folder)


def tombstones() -> list[Tombstone]:
    """Return every tombstone, oldest first; none where nothing was ever erased.

    Raises TombstonesUnreadable for a line that is none.
    """
    path: Path = settings.TOMBSTONES
    try:
        text = path.read_text()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise TombstonesUnreadable(f"{path} cannot be read: {error}") from error
    return _parsed(text[: text.rfind("\n") + 1], path)


def is_buried(key_id: UUID) -> bool:
    """Tell whether this key has its tombstone."""
    return any(each.key_id == key_id for each in tombstones())


def living() -> list[Tombstone]:
    """Return the tombstones whose key lives in the database all the same: it was restored."""
    stones = tombstones()
    found = rows(_LIVING, ([each.ledger for each in stones], [each.key_id for each in stones]))
    alive = {key_id for (key_id,) in found}
    return [each for each in stones if each.key_id in alive]


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Hold the file while the block lasts: one writer at a time."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _text(descriptor: int) -> str:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode(errors="surrogateescape")


def _parsed(text: str, path: Path) -> list[Tombstone]:
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            key_id, ledger, buried_at = line.split(" ")
            found.append(Tombstone(key_id=UUID(key_id), ledger=ledger, buried_at=buried_at))
        except ValueError as error:
            raise TombstonesUnreadable(
                f"line {number} of {path} is no tombstone: put the file back from its backup, "
                "which must be as new as the last erasure"
            ) from error
    return found

"""Append entries to files in a folder of their own, synced before they count as sent.

    <OBS_DESTINATION_DIR>/<ledger>/<address>/<day>.<first seq, 19 digits>.ndjson

One stored record a line. A new file begins when the one written last has grown to the size that was
set, or when the day (UTC) is another; a file that was left is never written again. What a crash
tore off within a line is cut before the next batch: it was never acknowledged. A test line goes to
`test.ndjson` beside them.

Nothing outside the folder is ever opened: its name is one plain component, and no link is followed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import Final

from audit.destinations import Batch, NotDelivered
from audit.destinations.lines import record_lines

_SUFFIX: Final = ".ndjson"
_TEST: Final = f"test{_SUFFIX}"
_FOLDER_MODE: Final = 0o750
_FILE_MODE: Final = 0o640  # a collector of another user reads by group
_LOOK: Final = 65_536


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A folder of files that grow."""

    root: Path
    """OBS_DESTINATION_DIR."""
    ledger: str
    name: str
    rotate_bytes: int

    def take(self, batch: Batch, /, *, now: datetime) -> str:
        """Append the batch and sync it. Raises NotDelivered, naming the path."""
        path = self.root / self.ledger / self.name
        try:
            with _opened(self.root, self.ledger, self.name) as folder:
                name = _TEST if batch.is_test else self._file(folder, batch, now)
                _append(folder, name, record_lines(batch))
        except OSError as error:
            raise NotDelivered(f"{path} cannot be written: {error.strerror or error}") from error
        return f"appended to {path / name} and synced"

    def _file(self, folder: int, batch: Batch, now: datetime) -> str:
        """Return the name of the current file, or of a new one when its time has come."""
        day = now.astimezone(UTC).date().isoformat()
        fresh = f"{day}.{batch.first:019d}{_SUFFIX}"
        known = [each for each in os.listdir(folder) if each.endswith(_SUFFIX) and each != _TEST]
        # By when they were written to: after a replay a lower seq is the newer file.
        dated = [(os.stat(each, dir_fd=folder, follow_symlinks=False), each) for each in known]
        if not dated:
            return fresh
        newest, name = max(dated, key=lambda one: (one[0].st_mtime_ns, one[1]))
        is_full = newest.st_size >= self.rotate_bytes
        return fresh if is_full or not name.startswith(day) else name


@contextmanager
def _opened(root: Path, *names: str) -> Iterator[int]:
    """Open a folder below `root`, making what is missing; a link in its place is refused."""
    root.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    opened = [os.open(root, os.O_RDONLY | os.O_DIRECTORY)]
    try:
        for name in names:
            assert PurePath(name).parts == (name,), "one plain component"
            with suppress(FileExistsError):
                os.mkdir(name, _FOLDER_MODE, dir_fd=opened[-1])
                os.fsync(opened[-1])
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
            opened.append(os.open(name, flags, dir_fd=opened[-1]))
        yield opened[-1]
    finally:
        for each in opened:
            os.close(each)


def _append(folder: int, name: str, content: bytes) -> None:
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    is_new = name not in os.listdir(folder)
    with os.fdopen(os.open(name, flags, _FILE_MODE, dir_fd=folder), "r+b") as file:
        file.seek(_end_of_lines(file.fileno()))
        file.truncate()
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        os.fsync(folder)


def _end_of_lines(number: int) -> int:
    """Return the length of a file up to its last line end."""
    end = os.fstat(number).st_size
    while end > 0:
        start = max(end - _LOOK, 0)
        found = os.pread(number, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0

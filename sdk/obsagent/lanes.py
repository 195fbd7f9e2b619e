"""The files of one writer, and reading them in order. Owns a lane's folder below `lanes/`.

    lanes/<name>/lock         held (flock) while its owner lives; the kernel lets go when it dies
    lanes/<name>/<n>.seg      frames, appended; n counts from 1; then zeros, while it is written
    lanes/<name>/sent         "<n> <offset>": up to where the platform has acknowledged

Each process writes a lane of its own, so no two ever write one file. A lane whose lock is free has
no owner any more: whoever gets the lock adopts it, sends what is left and removes it. After a crash
`sent` may be behind: those events are sent again, which is harmless, since ids are idempotent.
Frames: frames.py. Who writes: spool.py.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from obsagent.errors import SpoolDamaged
from obsagent.frames import Gap, read_frames

_SUFFIX = ".seg"
_NEW = ".new-"
_READ_AHEAD = 256 * 1024


NO_WRITER = -1


class Batch(NamedTuple):
    """Some events of a lane, in the order they were recorded."""

    events: list[bytes]
    lane: Lane
    segment: int
    end: int
    """Where the last of them ends in its segment."""
    gaps: list[tuple[Gap, bytes]]
    """What was skipped on the way, with its bytes."""


class Lane:
    """A writer's folder, with its lock held. Reading is one thread's business at a time."""

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder = folder
        self._lock = lock
        self.dropped = 0
        """Bytes of segments that were removed since this process has the lane."""
        self.segment, self.offset = self._position()
        self._reading: tuple[int, int] = (0, -1)  # segment, file descriptor
        self._sent = -1

    @classmethod
    def make(cls, lanes: Path) -> Lane:
        """Make a lane that belongs to this process."""
        name = f"{time.time_ns() // 1_000_000:013d}-{os.getpid()}-{secrets.token_hex(4)}"
        lanes.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = lanes / f"{_NEW}{name}"
        fresh.mkdir(mode=0o700)
        # Locked before it has its name, so that nobody adopts it in between.
        lock = os.open(fresh / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fresh.rename(lanes / name)
        return cls(lanes / name, lock)

    @classmethod
    def adopt(cls, folder: Path) -> Lane | None:
        """Take over a lane whose owner is gone; None when it has one, or is gone itself."""
        try:
            lock = os.open(folder / "lock", os.O_RDWR)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(lock).st_nlink == 0:  # somebody else adopted it and has removed it since
                os.close(lock)
                return None
            lane = cls(folder, lock)
            for segment in lane.segments():
                _cut_zeros(lane.path(segment))
        except BlockingIOError:
            os.close(lock)
            return None
        except BaseException:  # else nobody could adopt it as long as this process lives
            os.close(lock)
            raise
        return lane

    def path(self, segment: int) -> Path:
        """Return where a segment is."""
        return self.folder / f"{segment:08d}{_SUFFIX}"

    def segments(self) -> list[int]:
        """Return the segments that are there, oldest first."""
        names = (each.name for each in self.folder.iterdir())
        return sorted(int(each[: -len(_SUFFIX)]) for each in names if each.endswith(_SUFFIX))

    def read(
        self, *, most: int, most_bytes: int, live: int = NO_WRITER, written: int = 0
    ) -> Batch | None:
        """Return the next events, at most so many and so many bytes, or one; None at the end.

        `live` is the segment that is still written to, with `written` bytes that may be read;
        NO_WRITER when nobody writes any more.
        """
        while True:
            size = written if self.segment == live else self._size(self.segment)
            if size < 0 or (self.offset >= size and self.segment != live):
                if not self._next_segment(live):
                    return None
                continue
            if self.offset >= size:
                return None
            batch = self._read_at(size, most, most_bytes)
            if batch.events or batch.gaps:
                return batch
            raise SpoolDamaged(f"{self.path(self.segment)} at {self.offset}: no frame, no gap")

    def _read_at(self, size: int, most: int, most_bytes: int) -> Batch:
        wanted = min(size - self.offset, max(most_bytes, _READ_AHEAD))
        while True:
            data = os.pread(self._opened(), wanted, self.offset)
            is_whole = self.offset + len(data) >= size
            found = read_frames(data, most=most, is_whole=is_whole)
            if found.payloads or found.gaps or is_whole:
                break
            wanted *= 2  # one record is larger than what was read
        taken, total, end = 0, 0, 0
        for payload, frame_end in zip(found.payloads, found.ends):
            if taken and total + len(payload) > most_bytes:
                break
            taken, total, end = taken + 1, total + len(payload), frame_end
        is_all = taken == len(found.payloads)
        gaps = [gap for gap in found.gaps if is_all or gap.end <= end]
        if is_all and gaps:
            end = max(end, gaps[-1].end)
        return Batch(
            found.payloads[:taken],
            self,
            self.segment,
            self.offset + end,
            [(gap, data[gap.start : gap.end]) for gap in gaps],
        )

    def advance(self, batch: Batch) -> None:
        """Note that the platform has a batch."""
        self.segment, self.offset = batch.segment, batch.end
        if self._sent < 0:
            self._sent = os.open(self.folder / "sent", os.O_WRONLY | os.O_CREAT, 0o600)
        os.pwrite(self._sent, b"%010d %015d\n" % (self.segment, self.offset), 0)

    def unsent_bytes(self) -> int:
        """Return the bytes of frames that were not acknowledged, of a lane without a writer."""
        total = 0
        for segment in self.segments():
            if segment >= self.segment:
                sent = self.offset if segment == self.segment else 0
                # Less than was sent is what a loss of power left of a file that was not synced.
                total += max(0, self._size(segment) - sent)
        return total

    def drop(self, segment: int) -> None:
        """Remove a segment that is all sent."""
        self.dropped += max(self._size(segment), 0)
        if self._reading[0] == segment:
            self._close_reading()
        self.path(segment).unlink(missing_ok=True)

    def let_go(self) -> None:
        """Close the files and the lock; what is left, somebody adopts."""
        self._close_reading()
        held = (self._sent, self._lock)
        self._sent = self._lock = -1
        for opened in held:
            if opened >= 0:
                os.close(opened)

    def remove(self) -> None:
        """Remove the lane, which must be all sent, and let go of it."""
        assert self.unsent_bytes() == 0, "a lane goes when all of it was sent"
        shutil.rmtree(self.folder)
        self.let_go()

    def _next_segment(self, live: int) -> bool:
        """Go to the next segment and remove those before it; False when there is none."""
        following = [each for each in self.segments() if each > self.segment]
        if live > self.segment and live not in following:
            following.append(live)
        if not following:
            return False
        if self._size(self.segment) >= 0:
            self.drop(self.segment)
        self.segment, self.offset = min(following), 0
        return True

    def _size(self, segment: int) -> int:
        try:
            return self.path(segment).stat().st_size
        except FileNotFoundError:
            return -1

    def _opened(self) -> int:
        segment, opened = self._reading
        if segment != self.segment or opened < 0:
            self._close_reading()
            opened = os.open(self.path(self.segment), os.O_RDONLY)
            self._reading = (self.segment, opened)
        return opened

    def _close_reading(self) -> None:
        # Forgotten first: a process that forks while this is being closed must not close it again.
        (_, opened), self._reading = self._reading, (0, -1)
        if opened >= 0:
            os.close(opened)

    def _position(self) -> tuple[int, int]:
        try:
            segment, offset = (self.folder / "sent").read_text().split()
            return int(segment), int(offset)
        except (FileNotFoundError, ValueError):  # none yet, or cut off: from the first again
            return 0, 0


def _cut_zeros(path: Path) -> None:
    """Shorten a file by the zeros at its end: length that a strict writer did not come to use.

    No frame ends in one, since its payload is a JSON object.
    """
    with path.open("r+b") as file:
        size = end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - _READ_AHEAD)
            file.seek(start)
            kept = len(file.read(end - start).rstrip(b"\0"))
            end = start + kept
            if kept:
                break
        if end < size:
            file.truncate(end)


def without_owner(lanes: Path) -> Iterator[Path]:
    """Yield the folders of a spool that could be lanes, oldest first."""
    if not lanes.is_dir():
        return
    for folder in sorted(lanes.iterdir()):
        if folder.is_dir():
            yield folder


def is_fresh(folder: Path) -> bool:
    """Tell whether a lane has not got its name yet; its maker may have died there."""
    return folder.name.startswith(_NEW)

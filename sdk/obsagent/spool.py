"""Record events on disk before the call returns. Owns what a process writes and what is unsent.

    append ─ one write(2) of a frame ─▶ page cache: survives kill -9 of the agent
           └ strict: and fdatasync   ─▶ disk: survives loss of power

In strict mode the file is made longer ahead of what is written, by zeros. A file that grows has its
new length written with each fdatasync, one that is long enough has the record alone: two thirds of
the time, and a third where others write too. What was not used is cut off again, by the writer or
by who adopts the lane.

Each process has a lane of its own (lanes.py); a child after fork begins a new one. What dead
processes left is adopted and sent. The spool never drops: when it holds `most_bytes`, or the disk
is full, an append waits for room or raises SpoolFull, by choice. Nothing here talks to anybody:
sender.py does.

`client_seq` counts here, per agent, in the order of the records, and only what was recorded.
"""

from __future__ import annotations

import errno
import os
import secrets
import socket
import threading
import time
import weakref
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from obsagent.errors import SpoolClosed, SpoolFull
from obsagent.frames import MOST_PAYLOAD, frame
from obsagent.lanes import Batch, Lane, is_fresh, without_owner
from obsagent.receipts import Receipts

MOST_BYTES = 256 * 1024 * 1024
"""Bytes that a spool holds unless told otherwise."""

SEGMENT_BYTES = 4 * 1024 * 1024
"""Bytes of a file of the spool; a file goes when all of it was sent."""

_AHEAD_BYTES = 64 * 1024
"""Bytes by which a strict spool makes its file longer at once; some hundred events."""

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_LOOK_AGAIN = 0.1  # seconds between looks whether a full disk has room
_SMALLEST_DROP = 64 * 1024  # a file shorter than this is not worth a new one
_STALE_SECONDS = 3_600  # a lane without a name that long has no maker

_spools: weakref.WeakSet[Spool] = weakref.WeakSet()


def make_instance_id(given: str | None = None) -> str:
    """Return a name for this running copy of an agent; no two processes have the same."""
    copy = given or f"{socket.gethostname()[:80]}-{os.getpid()}"
    return f"{copy[:180]}-{secrets.token_hex(4)}"


class _Copy:
    """A file's second descriptor, which closes when nobody waits for the disk with it any more.

    The file itself may be closed meanwhile. One a segment: each call of the system lets another
    thread have the interpreter, and one that is busy keeps it for milliseconds.
    """

    __slots__ = ("file",)

    def __init__(self, file: int) -> None:
        self.file = -1
        self.file = os.dup(file)

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        if self.file >= 0:
            close(self.file)


class Spool:
    """The events of one service on this machine that the platform has not acknowledged.

    Safe between threads, processes and forks, in signal handlers, and in subinterpreters, each of
    which has a spool of its own.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        most_bytes: int = MOST_BYTES,
        when_full: str = "block",
        is_strict: bool = False,
        instance: str | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.most_bytes = most_bytes
        self.receipts = Receipts(self.folder)
        self.torn = 0
        """Records that a crash cut off: their call had not returned."""
        self.damaged_bytes = 0
        """Bytes of files that were no frame, set aside under `damaged/`."""
        self._when_full = when_full
        self._is_strict = is_strict
        self._instance = instance
        self._segment_bytes = max(1, min(SEGMENT_BYTES, most_bytes // 4))
        self._closed = False
        self._begin()
        _spools.add(self)

    def _begin(self) -> None:
        """Start without a lane: in a new process, or in a child after fork."""
        self._owner = os.getpid()
        self.instance_id = make_instance_id(self._instance)
        # Reentrant, since a signal handler may record while its thread records.
        self._lock = threading.RLock()
        self._room = threading.Condition(self._lock)
        self._syncing = threading.RLock()
        self._lane: Lane | None = None
        self._file = -1
        self._copy: _Copy | None = None  # of the file, once somebody waited for the disk
        self._segment = 0
        self._written = 0  # bytes of the segment
        self._length = 0  # of the segment's file: with the zeros ahead
        self._position = 0  # bytes of all segments, ever
        self._synced = 0
        self._counts: dict[str, count[int]] = {}
        self._unused: dict[str, list[int]] = {}  # numbers of events that were not recorded
        self._busy: set[int] = set()  # threads that are within append(), or wait there for room
        self._deferred: list[tuple[str, int, bytes]] = []
        self._left: list[Lane] = []  # of dead processes, adopted
        self._foreign_bytes = 0
        self.recorded = 0
        """Events recorded by this process."""

    # Writing

    def append(self, agent_id: str, event: bytes, *, may_wait: bool | None = None) -> int:
        """Record one event, a JSON object without `client_seq`; return its `client_seq`.

        Once this returns the event survives the death of the process, and with `is_strict` the loss
        of power. `may_wait` overrides whether a full spool is waited for. Raises SpoolFull,
        SpoolClosed, OSError of a broken disk; then nothing was recorded.
        """
        with self._lock:
            if threading.get_ident() in self._busy:
                # A signal handler, or a finaliser, within a call of this very thread: the call that
                # it interrupted writes the event before it returns.
                seq = self._number(agent_id)
                self._deferred.append((agent_id, seq, event))
                return seq
            seq, position = self._append_all(agent_id, event, may_wait)
        if self._is_strict:
            self._sync(position)
        return seq

    def _append_all(self, agent_id: str, event: bytes, may_wait: bool | None) -> tuple[int, int]:
        me = threading.get_ident()
        self._busy.add(me)
        try:
            seq = self._append(agent_id, self._number(agent_id), event, may_wait)
            while True:
                while self._deferred:
                    try:
                        self._append_deferred(may_wait)
                    except SpoolFull:  # it is kept, and this event was recorded
                        return seq, self._position
                self._busy.discard(me)
                if not self._deferred:  # else it came between the last two lines
                    return seq, self._position
                self._busy.add(me)
        finally:
            self._busy.discard(me)

    def _append_deferred(self, may_wait: bool | None) -> None:
        """Record the oldest event that came within a call; it stays first when it cannot be."""
        deferred = self._deferred.pop(0)
        _, seq, event = deferred
        try:
            self._append_numbered(frame(b'{"client_seq":%d,%b' % (seq, event[1:])), may_wait)
        except BaseException:
            self._deferred.insert(0, deferred)
            raise

    def _number(self, agent_id: str) -> int:
        """Return the next `client_seq`, in one step that no signal can divide."""
        unused = self._unused.get(agent_id)
        if unused:
            return unused.pop()
        return next(self._counts.setdefault(agent_id, count(1)))

    def _append(self, agent_id: str, seq: int, event: bytes, may_wait: bool | None) -> int:
        try:
            self._append_numbered(frame(b'{"client_seq":%d,%b' % (seq, event[1:])), may_wait)
        except BaseException:
            self._unused.setdefault(agent_id, []).append(seq)
            raise
        return seq

    def _append_numbered(self, data: bytes, may_wait: bool | None) -> None:
        waits = self.waits_when_full if may_wait is None else may_wait
        if len(data) > min(self.most_bytes, MOST_PAYLOAD):
            raise SpoolFull(f"an event of {len(data):,} bytes is larger than the spool may be")
        while True:
            if self._closed:
                raise SpoolClosed("the client is closed; the event was not recorded")
            if self.used_bytes() + len(data) > self.most_bytes:
                reason = f"the spool holds {self.most_bytes:,} bytes that were not sent"
            elif self._write(data):
                self.recorded += 1
                return
            else:
                reason = "the disk is full"
            if not waits:
                raise SpoolFull(f"{reason}; the event was not recorded")
            self._room.wait(_LOOK_AGAIN)

    def _write(self, data: bytes) -> bool:
        """Append a frame to the lane; False when the disk has no room for it."""
        try:
            if self._file < 0 or self._written + len(data) > self._segment_bytes:
                self._open_segment()
            if self._is_strict and self._written + len(data) > self._length:
                self._lengthen()
            written = os.pwrite(self._file, data, self._written)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            return False
        if written != len(data):  # as much as there was room for: take it back
            self._cut_to_written()
            return False
        self._written += written
        self._position += written
        self._length = max(self._length, self._written)
        return True

    def _lengthen(self) -> None:
        """Make the file longer, as far as there is room; the next fdatasync is for this too."""
        more = min(_AHEAD_BYTES, self._segment_bytes - self._length)
        try:
            self._length += os.pwrite(self._file, bytes(max(0, more)), self._length)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise

    def _cut_to_written(self) -> None:
        os.ftruncate(self._file, self._written)
        self._length = self._written

    def _close_segment(self) -> None:
        """Close the file, as long as what is in it."""
        # Always cut: a call that was interrupted behind its write left more than is counted.
        self._cut_to_written()
        # Forgotten first: a fork, a signal or a finaliser may come while it is being closed.
        opened, self._file, self._copy = self._file, -1, None
        os.close(opened)

    def _open_segment(self) -> None:
        lane = self._lane
        if lane is None:
            lane = Lane.make(self.folder / "lanes")
            self._lane = lane
        # One that is there is what an attempt left that failed below: the lane is ours alone.
        opened = os.open(lane.path(self._segment + 1), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            if self._is_strict:
                for folder in (lane.folder, lane.folder.parent):
                    _sync_folder(folder)
            if self._file >= 0:
                if self._is_strict:
                    os.fdatasync(self._file)
                    self._synced = self._position
                self._close_segment()
        except BaseException:
            os.close(opened)
            raise
        # The file last: an interrupt between two of these must not leave records in another's name.
        self._written = self._length = 0
        self._segment += 1
        self._file = opened

    def _sync(self, position: int) -> None:
        """Wait until all up to a position is on disk; threads that wait share one fdatasync."""
        with self._syncing:
            if self._synced >= position:
                return
            with self._lock:
                upto = self._position
                if self._file < 0:  # closed meanwhile: synced then, or acknowledged
                    return
                if self._copy is None:
                    self._copy = _Copy(self._file)
                copy = self._copy
            os.fdatasync(copy.file)
            self._synced = max(self._synced, upto)

    # Reading: one thread at a time, the sender's

    def next_batch(self, *, most: int, most_bytes: int) -> Batch | None:
        """Return the oldest events that were not acknowledged; None when there are none."""
        while self._left:
            lane = self._left[0]
            batch = lane.read(most=most, most_bytes=most_bytes)
            if batch is not None:
                return batch
            lane.remove()
            del self._left[0]
        with self._lock:
            lane_of_ours, live, written = self._lane, self._segment, self._written
        if lane_of_ours is None:
            return None
        return lane_of_ours.read(most=most, most_bytes=most_bytes, live=live, written=written)

    def acknowledge(self, batch: Batch) -> None:
        """Note that the platform has these events, or that they were set aside."""
        self._tell_gaps(batch)  # once, however often the batch was read and sent
        batch.lane.advance(batch)
        with self._lock:
            if batch.lane is not self._lane:
                self._foreign_bytes = max(0, self._foreign_bytes - sum(map(len, batch.events)))
            elif batch.segment == self._segment and batch.end >= max(self._written, _SMALLEST_DROP):
                # All of the live file is sent: begin another one, so that this one goes.
                self._close_segment()
            self._room.notify_all()

    def _tell_gaps(self, batch: Batch) -> None:
        for gap, data in batch.gaps:
            name = f"{batch.lane.folder.name}-{batch.segment}-{batch.end}-{gap.start}"
            self.receipts.set_aside(name, data)
        self.torn += sum(1 for gap, _ in batch.gaps if gap.at_end)
        self.damaged_bytes += sum(len(data) for gap, data in batch.gaps if not gap.at_end)

    def adopt(self) -> int:
        """Take over the lanes whose owners are gone; return how many. Also counts the others.

        Raises OSError or ValueError when one cannot be read, after all others were looked at.
        """
        with self._lock:
            ours = {each.folder for each in (*self._left, *((self._lane,) if self._lane else ()))}
        adopted, foreign = 0, 0
        unread: Exception | None = None
        for folder in without_owner(self.folder / "lanes"):
            # To try the lock of one that is being made would take it from its maker.
            if folder in ours or (is_fresh(folder) and not _is_stale(folder)):
                continue
            try:
                lane = Lane.adopt(folder)
            except (OSError, ValueError) as error:  # one that cannot be read holds up no other
                unread = error
                continue
            if lane is None:
                foreign += _size_of(folder)
            elif is_fresh(folder):  # its maker died before it had a name: it cannot hold anything
                lane.remove()
            else:
                self._left.append(lane)
                adopted += 1
        with self._lock:
            self._foreign_bytes = foreign + sum(each.unsent_bytes() for each in self._left)
        if unread is not None:
            raise unread
        return adopted

    @property
    def waits_when_full(self) -> bool:
        """Whether an append waits for room when there is none."""
        return self._when_full == "block"

    @property
    def is_closed(self) -> bool:
        """Whether it takes no more events."""
        return self._closed

    def used_bytes(self) -> int:
        """Return the bytes of the spool on disk: ours now, others' when last looked."""
        dropped = self._lane.dropped if self._lane is not None else 0
        return self._position - dropped + self._foreign_bytes

    def has_unsent(self) -> bool:
        """Tell whether something of ours, or of what was adopted, was not acknowledged."""
        with self._lock:
            lane = self._lane
            if self._left:
                return True
            return lane is not None and (lane.segment, lane.offset) < (self._segment, self._written)

    def close(self) -> None:
        """Take no more events and let go of all files; what is unsent stays for the next start.

        Not to be called while another thread reads. Raises SpoolFull or OSError when an event of a
        signal handler is still not on disk and cannot be; it is closed all the same.
        """
        unwritten: Exception | None = None
        with self._lock:
            if self._closed:
                return
            try:
                while self._deferred:  # of a signal handler that ended the call it came in
                    self._append_deferred(False)
            except (OSError, SpoolFull) as error:
                unwritten = error
            is_empty = not self.has_unsent()
            self._closed = True
            if self._file >= 0:
                if self._is_strict:  # a thread may wait for it
                    os.fdatasync(self._file)
                self._close_segment()
            lanes, lane = self._left, self._lane
            self._left, self._lane = [], None
            self._room.notify_all()
        for each in lanes:
            each.let_go()
        if lane is not None:
            if is_empty:
                lane.remove()
            else:
                lane.let_go()
        if unwritten is not None:
            raise unwritten

    def _after_fork(self) -> None:
        """Leave everything to the parent: its files and locks are not ours to touch."""
        if self._file >= 0:
            os.close(self._file)
            self._file, self._copy = -1, None
        for lane in (*self._left, *((self._lane,) if self._lane else ())):
            lane.let_go()
        self._begin()


def _after_fork_in_child() -> None:
    for spool in list(_spools):
        spool._after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _size_of(folder: Path) -> int:
    total = 0
    for path in folder.glob("*.seg"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # sent and removed while we look
            continue
    return total


def _is_stale(folder: Path) -> bool:
    try:
        return time.time() - folder.stat().st_mtime > _STALE_SECONDS
    except FileNotFoundError:  # it has its name by now
        return False


def describe(spool: Spool) -> dict[str, Any]:
    """Return what people ask of a spool: how much is in it, and what was lost or refused."""
    return {
        "folder": str(spool.folder),
        "used_bytes": spool.used_bytes(),
        "most_bytes": spool.most_bytes,
        "torn": spool.torn,
        "damaged_bytes": spool.damaged_bytes,
        "rejected": sum(1 for _ in spool.receipts.rejected()),
    }

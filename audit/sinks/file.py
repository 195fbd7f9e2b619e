"""Append every checkpoint to a file of its ledger. On in every installation.

    <folder>/<ledger>.checkpoints   a JSON object a line: origin, size, root (hex), note, signed_at
    <folder>/<ledger>.written       {"origin", "length", "tail", "digest"}: how far the file goes

Worth what the place is worth: on a volume that the database's owner cannot write, or collected
from here by somebody else. Lines are only ever added, so the file may carry an append-only flag.
A line that a crash tore is left where it is and means nothing; the next one starts on its own.
The second file tells a cut or rewritten file from one that is whole, also after a restart.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from django.conf import settings

from audit.sinks import Published, Receipt, SinkFailed, SinkUnreachable

_TAIL = 65_536
"""Bytes that are read from the end at first; a line has some hundred."""

_SUFFIXES = (".checkpoints", ".written")


class FileSink:
    """An append-only file a ledger, synced to disk before a checkpoint counts as published."""

    name = "file"
    can_read: ClassVar[bool] = True

    def __init__(self, folder: Path, *, interval: float) -> None:
        self.interval = interval
        self._folder = folder

    @classmethod
    def from_settings(cls) -> FileSink | None:
        """Return the sink; every installation has it."""
        return cls(settings.ANCHOR_FOLDER, interval=settings.ANCHOR_FILE_SECONDS)

    def publish(self, published: Published, /) -> Receipt:
        """Add a line. Raises SinkFailed: a mismatch when the file was cut or says otherwise."""
        path = self._folder / f"{published.ledger}.checkpoints"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with _held(path) as file:
                _check_whole(path, file)
                if not _is_there(path, _last_line(file), published):
                    _append(path, file, published)
                return Receipt(reference=f"{path}, size {published.size}")
        except OSError as error:
            raise SinkFailed(f"{path} cannot be written: {error.strerror or error}") from error

    def newest(self, origin: str, /) -> bytes | None:
        """Return the note of the last whole line.

        Raises SinkUnreachable, and SinkFailed as a mismatch for a file that was cut or is gone.
        """
        try:
            # By both files: of a ledger whose checkpoints were deleted the other one tells.
            stems = {path.stem for path in self._folder.iterdir() if path.suffix in _SUFFIXES}
            for path in sorted(self._folder / f"{stem}.checkpoints" for stem in stems):
                _check_exists(path)
                with path.open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_SH)
                    _check_whole(path, file)
                    line = _last_line(file)
                if line is not None and line["origin"] == origin:
                    return str(line["note"]).encode()
        except FileNotFoundError:
            return None  # there is no folder yet
        except OSError as error:
            raise SinkUnreachable(f"{self._folder} cannot be read: {error}") from error
        return None


def _check_exists(path: Path) -> None:
    if not path.exists():
        raise SinkFailed(f"{path} is gone; put it back from a copy", is_mismatch=True)


@contextmanager
def _held(path: Path) -> Iterator[BinaryIO]:
    """Open the file to add to it, alone."""
    with path.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _last_line(file: BinaryIO) -> dict[str, Any] | None:
    """Return the last line that is whole; None for a file without one."""
    end = file.seek(0, os.SEEK_END)
    reach = _TAIL
    while True:
        start = file.seek(max(end - reach, 0))
        lines = file.read(end - start).split(b"\n")
        # The first piece may lack its beginning unless it is that of the file.
        for line in reversed(lines if start == 0 else lines[1:]):
            if (found := _parse(line)) is not None:
                return found
        if start == 0:
            return None
        reach *= 8


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None  # torn by a crash; nothing was published by it
    if not isinstance(found, dict) or not {"origin", "size", "root", "note"} <= found.keys():
        return None
    return found


def _is_there(path: Path, last: dict[str, Any] | None, published: Published) -> bool:
    """Tell whether the newest line is this checkpoint already; refuse one that contradicts it."""
    if last is None:
        return False
    if last["origin"] != published.origin:
        raise SinkFailed(
            f"{path} holds checkpoints of {last['origin']}, not of {published.origin};"
            " find out which ledger it belongs to",
            is_mismatch=True,
        )
    if last["size"] > published.size:
        raise SinkFailed(
            f"{path} holds a checkpoint of size {last['size']}, newer than {published.size}:"
            " the database was restored or cut",
            is_mismatch=True,
        )
    if last["size"] == published.size and last["root"] != published.root.hex():
        raise SinkFailed(
            f"{path} holds another root at size {published.size}: history was rewritten",
            is_mismatch=True,
        )
    return bool(last["size"] == published.size)


def _append(path: Path, file: BinaryIO, published: Published) -> None:
    line = json.dumps(
        {
            "origin": published.origin,
            "size": published.size,
            "root": published.root.hex(),
            "note": published.note.decode(),
            "signed_at": published.signed_at.isoformat(),
        },
        ensure_ascii=False,
    )
    end = file.seek(0, os.SEEK_END)
    is_torn = end > 0 and _byte_before(file, end) != b"\n"
    content = b"\n" * is_torn + line.encode() + b"\n"
    file.write(content)
    file.flush()
    os.fsync(file.fileno())
    mark = {"origin": published.origin, "length": end + len(content)}
    _write_mark(path, mark | {"digest": sha256(content[-_TAIL:]).hexdigest(), "tail": len(content)})


def _byte_before(file: BinaryIO, position: int) -> bytes:
    file.seek(position - 1)
    return file.read(1)


def _write_mark(path: Path, mark: dict[str, Any]) -> None:
    """Say how far the file goes. After a crash it may say less than is true, never more."""
    fresh = path.with_suffix(".written.new")
    with fresh.open("w") as opened:
        json.dump(mark, opened)
        opened.flush()
        os.fsync(opened.fileno())
    fresh.replace(path.with_suffix(".written"))


def _check_whole(path: Path, file: BinaryIO) -> None:
    """Refuse a file that does not hold, where it did, what was written last."""
    mark_path = path.with_suffix(".written")
    try:
        mark = json.loads(mark_path.read_text())
        length, tail, digest = int(mark["length"]), int(mark["tail"]), str(mark["digest"])
    except FileNotFoundError:
        return  # nothing was written yet
    except (ValueError, KeyError, TypeError) as error:
        raise SinkFailed(f"{mark_path} cannot be read; restore it beside {path}") from error
    file.seek(max(length - min(tail, _TAIL), 0))
    if sha256(file.read(min(tail, _TAIL))).hexdigest() != digest:
        raise SinkFailed(
            f"{path} was cut or rewritten: its first {length} bytes do not end as they did;"
            " put the file back from a copy",
            is_mismatch=True,
        )

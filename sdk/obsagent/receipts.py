"""What the platform answered, kept in files that people can read. Owns `receipts/`, `rejected/`.

    receipts/<UTC day>.jsonl    {"id", "status", "digest", "event_sha256", "seq"?, "at"}
    rejected/<UTC day>.jsonl    {"at", "error", "event"}: refused by the platform, never thrown away
    damaged/<lane>-<segment>-<offset>   bytes of the spool that are no frame

A line is one write(2) of a file opened for appending, so that processes may share a file. Files of
receipts go after `KEPT_DAYS`; nothing else here is ever removed by the SDK.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

KEPT_DAYS = 90
"""Days that receipts are kept."""

_DAY = 86_400


class Receipts:
    """The answers of one spool. Safe between threads and processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, receipts: Iterable[dict[str, Any]]) -> None:
        """Write receipts down; raises OSError when the disk takes none."""
        at = _now()
        lines = [
            {name: each[name] for name in _KEPT if each.get(name) is not None} | {"at": at}
            for each in receipts
        ]
        if lines:
            self._append("receipts", lines)

    def reject(self, event: bytes, error: Any) -> None:
        """Put an event aside that the platform refused; raises OSError when the disk is full."""
        try:
            said: Any = json.loads(event)
        except ValueError:
            said = event.decode("utf-8", "backslashreplace")
        self._append("rejected", [{"at": _now(), "error": error, "event": said}])

    def set_aside(self, name: str, damaged: bytes) -> None:
        """Keep bytes that are no frame, for people to look at."""
        path = self._made("damaged") / name
        path.write_bytes(damaged)

    def find(self, event_id: str) -> dict[str, Any] | None:
        """Return the newest receipt of an event; None when there is none."""
        for path in sorted((self._folder / "receipts").glob("*.jsonl"), reverse=True):
            found = [each for each in _lines(path) if each.get("id") == event_id]
            if found:
                return found[-1]
        return None

    def rejected(self) -> Iterator[dict[str, Any]]:
        """Yield what was refused, oldest first."""
        for path in sorted((self._folder / "rejected").glob("*.jsonl")):
            yield from _lines(path)

    def forget_old(self) -> None:
        """Remove files of receipts that are older than `KEPT_DAYS`."""
        oldest = time.strftime("%Y-%m-%d", time.gmtime(time.time() - KEPT_DAYS * _DAY))
        for path in (self._folder / "receipts").glob("*.jsonl"):
            if path.stem < oldest:
                path.unlink(missing_ok=True)  # another process may do the same

    def _append(self, kind: str, lines: list[dict[str, Any]]) -> None:
        path = self._made(kind) / f"{_now()[:10]}.jsonl"
        data = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in lines).encode()
        opened = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            written = os.write(opened, data)
            while written < len(data):
                written += os.write(opened, data[written:])
        finally:
            os.close(opened)

    def _made(self, kind: str) -> Path:
        folder = self._folder / kind
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder


_KEPT = ("id", "status", "digest", "event_sha256", "seq", "hash", "state")


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    # What a full disk cut off may end within a character.
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                yield json.loads(line)
            except ValueError:  # the last line of a process that was killed while it wrote
                continue

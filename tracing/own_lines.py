"""Find lines that the platform itself logged, in its files, newest first.

Each line of a file (log_files.py) is a JSON object with `timestamp`, `level`, `event` and `logger`.
Files are read backwards from their ends, the newest file first, and no more than MOST_BYTES of them
together: what lies beyond is said and not searched. A line that is no such object, torn by a full
disk perhaps, is counted and passed over. Reads and never writes; a file that is removed while it is
read is read to its beginning all the same.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from tracing.log_files import files_of

MOST_BYTES: Final = 64 * 1024 * 1024
"""Bytes that one search reads."""
MOST_LINES: Final = 200
"""Lines that one search returns."""
_JITTER: Final = timedelta(minutes=1)
"""How far lines of processes that write at once may be out of order."""
_BLOCK: Final = 256 * 1024
_LONGEST: Final = 1024 * 1024
"""Bytes of one line; the rest of a longer one is passed over."""
LEVELS: Final = ("debug", "info", "warning", "error", "critical")
_FIRST: Final = ("timestamp", "level", "event", "logger")


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnLine:
    """One line."""

    at: datetime
    level: str
    event: str
    logger: str
    fields: Mapping[str, Any]
    """All else that it says."""

    def field(self, name: str) -> str:
        """Return a field as text; empty when it has none."""
        value = self.fields.get(name)
        return "" if value is None else str(value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What a search found."""

    lines: list[OwnLine]
    read_bytes: int
    is_all: bool
    """Every byte of every file was searched; else the search ended at MOST_BYTES or MOST_LINES."""
    unreadable: int
    """Lines that are no JSON object of ours."""
    since: datetime | None = None
    """The oldest line that was looked at."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a line must say. Empty means no restriction; several names must all match."""

    fields: Mapping[str, str] = field(default_factory=dict)
    """By field, its whole value: trace_id, request_id, task_id, agent_id."""
    levels: tuple[str, ...] = ()
    text: str = ""
    """Found anywhere in the line, in small letters or capitals."""
    before: datetime | None = None
    """Lines before it."""
    since: datetime | None = None
    """Lines at it or later."""


def find_lines(folder: Path, wanted: Wanted, *, most: int = MOST_LINES) -> Found:
    """Search the files of a folder. A folder that is not there holds no line."""
    search = _Search(wanted, most)
    for file in files_of(folder):
        if not search.look_into(file):
            break
    return search.found(is_all=search.is_over_all)


class _Search:
    """One search over several files."""

    def __init__(self, wanted: Wanted, most: int) -> None:
        self._wanted, self._most = wanted, most
        self._must = _must_hold(wanted)
        self._lines: list[OwnLine] = []
        self._read = self._unreadable = 0
        self._oldest: datetime | None = None
        self.is_over_all = True

    def look_into(self, file: Path) -> bool:
        """Search one file; tell whether the next one is to be searched too."""
        for raw in _backwards(file):
            if self._read >= MOST_BYTES or len(self._lines) > self._most:
                self.is_over_all = False
                return False
            self._read += len(raw) + 1
            if not self._must.issubset(_words_in(raw, self._must)):
                continue
            line = _line(raw)
            if line is None:
                self._unreadable += 1
                continue
            self._oldest = line.at
            if self._wanted.since is not None and line.at < self._wanted.since - _JITTER:
                return False
            if _fits(line, self._wanted):
                self._lines.append(line)
        return True

    def found(self, *, is_all: bool) -> Found:
        """Return what was found so far, in time: processes that write at once do not quite."""
        self._lines.sort(key=lambda each: each.at, reverse=True)
        return Found(
            lines=self._lines[: self._most],
            read_bytes=self._read,
            is_all=is_all,
            unreadable=self._unreadable,
            since=self._oldest,
        )


def _backwards(file: Path) -> Iterator[bytes]:
    """Yield the lines of a file from its end to its beginning, without their newlines."""
    try:
        opened = file.open("rb")
    except FileNotFoundError:  # its day has just ended
        return
    with opened:
        place = opened.seek(0, os.SEEK_END)
        rest = b""
        while place > 0:
            size = min(_BLOCK, place)
            place -= size
            opened.seek(place)
            block = opened.read(size) + rest
            first, *lines = block.split(b"\n")
            yield from (line for line in reversed(lines) if line)
            rest = first[:_LONGEST]
        if rest:
            yield rest


def _must_hold(wanted: Wanted) -> frozenset[bytes]:
    """Return what the bytes of a line must hold, so that most are passed over unparsed."""
    return frozenset(value.encode() for value in wanted.fields.values() if _is_plain(value))


def _is_plain(value: str) -> bool:
    """Tell whether JSON writes a text as it is."""
    return value.isascii() and value.isprintable() and not set(value) & set('"\\/<>&')


def _words_in(raw: bytes, words: frozenset[bytes]) -> frozenset[bytes]:
    return frozenset(word for word in words if word in raw)


def _line(raw: bytes) -> OwnLine | None:
    try:
        found = json.loads(raw)
        at = datetime.fromisoformat(found["timestamp"])
        level, event = found["level"], found["event"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if at.tzinfo is None or not isinstance(level, str):
        return None
    return OwnLine(
        at=at.astimezone(UTC),
        level=level,
        event=str(event),
        logger=str(found.get("logger", "")),
        fields={name: value for name, value in found.items() if name not in _FIRST},
    )


def _fits(line: OwnLine, wanted: Wanted) -> bool:
    if wanted.levels and line.level not in wanted.levels:
        return False
    if wanted.before is not None and line.at >= wanted.before:
        return False
    if wanted.since is not None and line.at < wanted.since:
        return False
    if any(line.field(name) != value for name, value in wanted.fields.items()):
        return False
    if not wanted.text:
        return True
    said = json.dumps([line.event, line.logger, line.fields], ensure_ascii=False, default=str)
    return wanted.text.casefold() in said.casefold()

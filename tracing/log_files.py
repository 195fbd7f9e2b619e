"""Keep log lines in files: one a day and more where a day is large, the errors once more apart.

`platform-2026-11-21-1.log`, then `-2` when that has its size; the next day begins again at 1. A
file is named by what it holds and never renamed, so all processes of an installation write to the
same one without knowing of each other: each line is one write at the end of the file, which the
system takes whole, and who finds a file full goes on to the next, where the others meet it. Files
of days that are no longer kept are removed by whoever begins a day.

Needs a folder on a disk of this machine: over NFS two writers may meet at one place.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

STEM: Final = "platform"
AGAIN_SECONDS: Final = 60.0
"""How long a folder that cannot be written is left alone."""

_DAY_SECONDS: Final = 86_400


class DatedFile:
    """The file of today, of all processes that write under this name."""

    def __init__(
        self, folder: Path, *, stem: str, suffix: str, most_bytes: int, keep_days: int
    ) -> None:
        self._folder, self._stem, self._suffix = folder, stem, suffix
        self._most_bytes, self._keep_days = most_bytes, keep_days
        self._name = re.compile(
            rf"{re.escape(stem)}-(\d{{4}}-\d{{2}}-\d{{2}})-(\d+){re.escape(suffix)}"
        )
        self._file: int | None = None
        self._day = -1

    def write(self, line: bytes, *, at: float) -> None:
        """Add a line, which ends in a newline; `at` in seconds since 1970. Raises OSError."""
        day = int(at // _DAY_SECONDS)
        if day != self._day:
            self._begin(day)
        elif self._file is None or self._is_over(self._file):
            self._open_next()
        assert self._file is not None, "a file was opened"
        if os.write(self._file, line) != len(line):
            raise OSError("the disk took part of a line")

    def close(self) -> None:
        """Let the file go; the next line opens one again."""
        if self._file is not None:
            os.close(self._file)
        self._file, self._day = None, -1

    def _begin(self, day: int) -> None:
        self._day = day
        self._remove_outlived()
        self._open_next()

    def _is_over(self, file: int) -> bool:
        found = os.fstat(file)
        return found.st_size >= self._most_bytes or found.st_nlink == 0

    def _open_next(self) -> None:
        """Open the newest file of the day that has room."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        self._folder.mkdir(parents=True, exist_ok=True)
        day = _text_of(self._day)
        numbers = [number for found, number in self._found() if found == day]
        number = max(numbers, default=1)
        while self._file is None:
            file = os.open(self._path(day, number), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
            if os.fstat(file).st_size < self._most_bytes:
                self._file = file
            else:
                os.close(file)
                number += 1

    def _path(self, day: str, number: int) -> Path:
        return self._folder / f"{self._stem}-{day}-{number}{self._suffix}"

    def _found(self) -> list[tuple[str, int]]:
        matches = map(self._name.fullmatch, _names(self._folder))
        return [(match[1], int(match[2])) for match in matches if match]

    def _remove_outlived(self) -> None:
        first_kept = _text_of(self._day - self._keep_days + 1)
        for day, number in self._found():
            if day < first_kept:
                with contextlib.suppress(FileNotFoundError):  # another process was faster
                    self._path(day, number).unlink()


class LogFiles:
    """The files of one installation: every line, and once more those from ERROR on."""

    def __init__(self, folder: Path, *, keep_days: int, most_bytes: int, error_file: str) -> None:
        errors = Path(error_file)
        self._all = DatedFile(
            folder, stem=STEM, suffix=".log", most_bytes=most_bytes, keep_days=keep_days
        )
        self._errors = DatedFile(
            folder,
            stem=errors.stem,
            suffix=errors.suffix,
            most_bytes=most_bytes,
            keep_days=keep_days,
        )
        self._away_until = 0.0
        self._writing = threading.Lock()
        os.register_at_fork(after_in_child=self._begin_in_child)

    def write(self, line: str, *, is_error: bool, at: float) -> None:
        """Write a line. Where that fails it is said on stderr, and tried again in a minute."""
        if time.monotonic() < self._away_until:
            return
        text = f"{line}\n".encode(errors="backslashreplace")
        with self._writing:
            try:
                self._all.write(text, at=at)
                if is_error:
                    self._errors.write(text, at=at)
            except OSError as error:
                # Not through logging, which brought us here. The stream has the line as ever.
                sys.stderr.write(f"log files cannot be written: {error}\n")
                self._away_until = time.monotonic() + AGAIN_SECONDS
                self._all.close()
                self._errors.close()

    def _begin_in_child(self) -> None:
        """Have a lock of one's own: a thread of the parent may hold the one that was copied."""
        self._writing = threading.Lock()


def files_of(folder: Path) -> list[Path]:
    """Return the files with every line, the newest first."""
    name = re.compile(rf"{STEM}-(\d{{4}}-\d{{2}}-\d{{2}})-(\d+)\.log")
    found = [(match, folder / match[0]) for match in map(name.fullmatch, _names(folder)) if match]
    return [path for match, path in sorted(found, key=_age, reverse=True)]


def _age(found: tuple[re.Match[str], Path]) -> tuple[str, int]:
    return found[0][1], int(found[0][2])


def _names(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()] if folder.is_dir() else []


def _text_of(day: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).strftime("%Y-%m-%d")

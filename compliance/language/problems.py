"""Collect what is wrong with a catalogue, one line each, all of it and not only the first. Pure.

A line reads `checks.yaml:41: TOOL-01: severity: "hgh" is none of critical, high, medium, low`.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from compliance.language.yaml_lines import Exact, LinedList, LinedMap

MOST = 200
"""Lines that are kept; of a wholly broken file more would help nobody."""


class Problems:
    """The lines so far."""

    def __init__(self) -> None:
        """Begin without any."""
        self._lines: dict[tuple[str, int, str], None] = {}

    def add(self, file: str, line: int, *words: str) -> None:
        """Add a line: where, then what it is about, from the outer to the inner, then what."""
        said = ": ".join(" ".join(word.split()) for word in words if word)
        if len(self._lines) < MOST:
            self._lines[(file, line, said)] = None

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self._lines)

    def lines(self) -> tuple[str, ...]:
        """Return them by file and line."""
        return tuple(f"{file}:{line}: {said}" for file, line, said in sorted(self._lines))


def line_of(node: Any, key: str | int | None = None) -> int:
    """Return the line of a value, or of a member of it."""
    if isinstance(node, LinedMap):
        return node.lines.get(str(key), node.line)
    if isinstance(node, LinedList):
        return node.lines[key] if isinstance(key, int) and key < len(node.lines) else node.line
    return 0


def shown(value: Any) -> str:
    """Return a value as a message shows it: short, strings in quotes."""
    is_text = isinstance(value, str) and not isinstance(value, Exact)
    text = f'"{value}"' if is_text else str(value)
    text = {"True": "true", "False": "false", "None": "nothing"}.get(text, text)
    return text if len(text) <= 60 else f"{text[:57]}…"


def none_of(value: Any, names: Iterable[str]) -> str:
    """Say that a value is none of some names; of many, only the nearest are listed."""
    known = list(names)
    if 0 < len(known) <= 12:
        return f"{shown(value)} is none of {', '.join(known)}"
    near = get_close_matches(str(value), known, n=3)
    return f"{shown(value)} is not known" + (f"; did you mean {' or '.join(near)}?" if near else "")

"""Show bytes that nobody could chain: as laid out JSON, as text, or as a hex dump. Pure.

Returns text; templates escape it and spell hidden characters out. Also compares two events field by
field. Page: audit.admin.quarantine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

MOST_BYTES = 65_536
"""Bytes of a text that are shown."""
MOST_DUMPED = 4_096
"""Bytes of a hex dump that are shown."""
MOST_DIFFERENCES = 100
_ROW = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """Bytes, ready to be read by a person."""

    form: Literal["json", "text", "hex"]
    text: str
    size: int
    left_out: int
    """Bytes that are not shown."""
    event: dict[str, Any]
    """The event inside; empty when there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One field that two events do not have in common."""

    path: str
    chained: str | None
    """None where the field is absent."""
    held: str | None


def show(stored: bytes) -> Content:
    """Return the bytes in the most readable form that leaves nothing out unsaid."""
    size = len(stored)
    try:
        text = stored.decode()
    except UnicodeDecodeError:
        return Content(
            form="hex",
            text=hex_dump(stored[:MOST_DUMPED]),
            size=size,
            left_out=max(size - MOST_DUMPED, 0),
            event={},
        )
    try:
        value = json.loads(text)
        laid_out = json.dumps(value, indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        cut = stored[:MOST_BYTES].decode(errors="ignore")
        return Content(
            form="text", text=cut, size=size, left_out=size - len(cut.encode()), event={}
        )
    event = value if isinstance(value, dict) else {}
    return Content(form="json", text=laid_out, size=size, left_out=0, event=event)


def hex_dump(stored: bytes) -> str:
    """Return the bytes as rows of sixteen: place, hex, and the letters that print."""
    lines = []
    for start in range(0, len(stored), _ROW):
        row = stored[start : start + _ROW]
        letters = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        lines.append(f"{start:06x}  {row.hex(' '):<{3 * _ROW - 1}}  {letters}")
    return "\n".join(lines)


def differences(chained: Mapping[str, Any], held: Mapping[str, Any]) -> list[Difference]:
    """Return the fields in which two events differ, in the order of their paths."""
    first, second = dict(_leaves(chained, "")), dict(_leaves(held, ""))
    return [
        Difference(path=path, chained=first.get(path), held=second.get(path))
        for path in sorted(first.keys() | second.keys())
        if first.get(path) != second.get(path)
    ]


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
        for place, inner in enumerate(value):
            yield from _leaves(inner, f"{path}.{place}")
    else:
        yield path, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

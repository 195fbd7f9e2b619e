"""Take an event apart into what a format has a place for, and what it has none for. Pure.

Used by the renderings: csv_lines.py, ocsf.py, cef.py. None of them leaves a field out in silence.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any


def at(event: Mapping[str, Any], path: str) -> Any:
    """Return what stands at a dotted path such as `agent.id`; None where nothing does."""
    found: Any = event
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def unmapped(event: Mapping[str, Any], mapped: Collection[str]) -> dict[str, Any]:
    """Return the event without the fields of these dotted paths, and without emptied blocks."""
    return _without(event, frozenset(mapped), "")


def _without(block: Mapping[str, Any], mapped: frozenset[str], prefix: str) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in block.items():
        path = prefix + name
        if path in mapped:
            continue
        # Free objects may hold dots in their names, so only blocks that are partly mapped are
        # entered; all others stay whole.
        if isinstance(value, Mapping) and any(each.startswith(f"{path}.") for each in mapped):
            value = _without(value, mapped, f"{path}.")
            if not value:
                continue
        kept[name] = value
    return kept

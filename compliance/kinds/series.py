"""Series: entries that belong together because some of their fields are equal. Pure.

A series has a name that tells it from all others, for slots and for the ids of items: its values
joined by `/`, each escaped as in an address, so that `a/b` and `c` are never `a` and `b/c`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from compliance.kinds.base import DAY_US, Entry

ABSENT = "%"
"""Stands for a missing value; no escaped value looks like it."""


@lru_cache(maxsize=8192)
def _escaped(text: str) -> str:
    return quote(text, safe="@:+,;=")


def named(values: Sequence[Any]) -> str:
    """Return the name of the series of these values; what is no text by its JSON."""
    for value in values:
        if value.__class__ is not str:
            break
    else:
        return "/".join(map(_escaped, values))
    parts = []
    for value in values:
        if value is None:
            parts.append(ABSENT)
        elif isinstance(value, str):
            parts.append(_escaped(value))
        else:
            parts.append(ABSENT + quote(json.dumps(value, sort_keys=True), safe=""))
    return "/".join(parts)


def day_of(entry: Entry, *, by_arrival: bool) -> int:
    """Return the UTC day of the entry, by the clock that the check goes by."""
    return (entry.received if by_arrival else entry.at) // DAY_US


def fields_of(value: Any) -> tuple[str, ...]:
    """Return a definition's field or list of fields as a tuple; nothing when it is absent."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def evidence_of(entry: Entry, paths: Sequence[str]) -> dict[str, Any]:
    """Return the fields a check shows of an entry, those that are missing left out."""
    fields = entry.fields
    return {path: fields[path] for path in paths if path in fields}

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
    try:
        return _named(*values)
    except TypeError:  # a list or an object, which no cache can hold
        return _joined(values)


# Typed, since 1, 1.0 and true are equal and their names are not.
@lru_cache(maxsize=16_384, typed=True)
def _named(*values: Any) -> str:
    return _joined(values)


def _joined(values: Sequence[Any]) -> str:
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

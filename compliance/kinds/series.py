"""Series: entries that belong together because some of their fields are equal. Pure.

A series has a name that tells it from all others, for slots and for the ids of items: its values
joined by `/`, each escaped as in an address, so that `a/b` and `c` are never `a` and `b/c`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final
from urllib.parse import quote

from compliance.kinds.base import DAY_US, Entry
from compliance.kinds.narrowing import Known

ABSENT = "%"
"""Stands for a missing value; no escaped value looks like it."""
_MOST_NAMES: Final = 16_384
"""Names that are kept of the series of one shape."""


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


def naming(
    paths: Sequence[str], known: Known, write: Callable[[Sequence[Any]], str]
) -> Callable[[Entry], str]:
    """Return what writes the name of an entry of one shape, of what stands at these paths.

    `write` makes it of their values, None for one that is missing; of the same ones it is kept.
    """
    # Of text alone: a list cannot be looked up, and 1 and true are equal.
    if not paths or not all(known.is_text(path) for path in paths):
        return lambda entry: write([entry.read(path) for path in paths])
    values_of = itemgetter(*paths)
    names: dict[Any, str] = {}

    def name_of(entry: Entry) -> str:
        values = values_of(entry.fields)
        name = names.get(values)
        if name is None:
            if len(names) >= _MOST_NAMES:
                names.clear()
            # Of one path itemgetter gives no tuple.
            name = names[values] = write(values if len(paths) > 1 else [values])
        return name

    return name_of


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

"""Read one thing that attributes may say under several names. Pure.

The first name that says something usable wins; what is of the wrong type, or beyond what an event
may hold, counts as not said. Which names there are: semconv.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from audit.ledger.canonical import SAFE_INTEGER
from tracing.masked import cut

LONGEST_NAME: Final = 200
"""Characters of a name of something; an event's fields hold no more."""


def first(said: Mapping[str, Any], *names: str) -> Any:
    """Return the first value that is there and not empty."""
    for name in names:
        value = said.get(name)
        if value is not None and value != "":
            return value
    return None


def text(said: Mapping[str, Any], *names: str) -> str:
    """Return the first name of something, at most LONGEST_NAME characters; else empty."""
    for name in names:
        value = said.get(name)
        if value is not None and (found := name_of(value)):
            return found
    return ""


def name_of(value: Any) -> str:
    """Return a name of something, at most LONGEST_NAME characters; empty for what names nothing."""
    if type(value) is str:
        return cut(value, LONGEST_NAME)
    if type(value) is int:  # ids of databases are sent as they are
        return str(value)
    return ""


def long_text(said: Mapping[str, Any], *names: str) -> str:
    """Return the first text, of any length; else empty."""
    value = first(said, *names)
    return value if type(value) is str else ""


def whole(said: Mapping[str, Any], *names: str) -> int | None:
    """Return the first whole number from 0 on, also one sent as a string of digits."""
    for name in names:
        value = said.get(name)
        if value is None:
            continue
        is_digits = type(value) is str and value.isdecimal() and len(value) < 17
        if is_digits or (type(value) is float and value.is_integer()):
            value = int(value)
        if type(value) is int and 0 <= value <= SAFE_INTEGER:
            return value
    return None


def real(said: Mapping[str, Any], *names: str) -> float | None:
    """Return the first number from 0 on."""
    for name in names:
        value: Any = said.get(name)
        is_number = type(value) is int or type(value) is float
        if is_number and 0 <= value <= SAFE_INTEGER and math.isfinite(value):
            found: float = value
            return found
    return None


def ratio(said: Mapping[str, Any], *names: str) -> float | None:
    """Return the first number, where it is from 0 to 1."""
    value = real(said, *names)
    return value if value is not None and value <= 1 else None

"""Where a body breaks the limits that JSON itself does not set. The slow, exact look. Pure.

Owns the limits of nesting, keys, strings and numbers, and names the first place that breaks one.
`audit.parse` calls it only after a quick sign, or to read a body again whose keys might repeat.
Never judges fields (`audit.events`) nor the size of what is stored (`audit.stored`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Final

from audit.errors import EventRejected
from audit.ledger.canonical import SAFE_INTEGER

MAX_SENT: Final = 1_048_576
"""Bytes of one event on the wire: far above what can be stored, so that none costs seconds."""

MAX_DEPTH: Final = 32
"""Nested objects and lists, the event itself being the first."""

MAX_KEYS: Final = 1_024
"""Keys of one object."""

MAX_STRING: Final = 65_536
"""Bytes of one string, in UTF-8."""

_LONGEST_NUMBER = 400  # characters; int() of more is slow, and none so long is in range
_EXPONENT_FROM = 1e21  # from here on the canonical form is no integer any more
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}", re.ASCII)
_LONGEST_NAME = 64


def refuse(raw: bytes, *, at: str, depth: int = 1) -> None:
    """Raise EventRejected for the first place that breaks a limit or is no JSON; else return.

    `depth` is that of the outermost object: 0 where it only wraps the event.
    """
    _look(_read(raw, at=at), path=at, depth=depth)


def check_sent_size(raw: bytes, *, at: str) -> None:
    """Raise EventRejected for an event so large that reading it would be a waste."""
    if len(raw) > MAX_SENT:
        raise EventRejected(
            code="too-large", path=at, message=f"at most {MAX_SENT} bytes an event, as sent"
        )


def has_duplicate_keys(raw: bytes) -> bool:
    """Tell whether any object of this JSON text names a key twice."""
    try:
        _KEY_COUNTER.decode(raw.decode())
    except _KeyTwice:
        return True
    return False


class _KeyTwice(Exception):
    """An object names a key twice."""


class _Members(list[tuple[str, Any]]):
    """The members of an object as written, so that a key written twice is still seen."""


class _OutOfRange:
    """A number that JSON can write and no reader can hold."""


def _once(members: list[tuple[str, Any]]) -> None:
    if len(dict(members)) != len(members):
        raise _KeyTwice


def _integer(text: str) -> int | _OutOfRange:
    return int(text) if len(text) < _LONGEST_NUMBER else _OutOfRange()


def _out_of_range(_constant: str) -> _OutOfRange:
    return _OutOfRange()


_KEY_COUNTER = json.JSONDecoder(object_pairs_hook=_once, parse_int=_integer)
_EXACT = json.JSONDecoder(
    object_pairs_hook=_Members, parse_int=_integer, parse_constant=_out_of_range
)


def _read(raw: bytes, *, at: str) -> Any:
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise EventRejected(
            code="not-utf8", path=at, message=f"no UTF-8 at byte {error.start}"
        ) from error
    if "\0" in text:
        raise EventRejected(code="nul", path=at, message="NUL characters are not accepted")
    try:
        return _EXACT.decode(text)
    except json.JSONDecodeError as error:
        raise EventRejected(
            code="not-json", path=at, message=f"no JSON at character {error.pos}"
        ) from error
    except RecursionError as error:
        raise _too_deep(at) from error


def _look(value: Any, *, path: str, depth: int) -> None:
    if isinstance(value, str):
        _look_at_text(value, path)
    elif isinstance(value, _OutOfRange | int | float):
        _look_at_number(value, path)
    elif isinstance(value, _Members):
        _look_at_keys(value, path=path, depth=depth)
        _look_inside(((_member(path, key), member) for key, member in value), depth=depth)
    elif isinstance(value, list):
        if depth > MAX_DEPTH:
            raise _too_deep(path)
        _look_inside(((f"{path}[{i}]", item) for i, item in enumerate(value)), depth=depth)


def _look_inside(members: Iterable[tuple[str, Any]], *, depth: int) -> None:
    for path, member in members:
        _look(member, path=path, depth=depth + 1)


def _look_at_keys(members: _Members, *, path: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _too_deep(path)
    seen: set[str] = set()
    for key, _value in members:
        _look_at_text(key, _member(path, key))
        if key in seen:
            raise EventRejected(
                code="duplicate-key", path=_member(path, key), message="this key stands twice"
            )
        seen.add(key)
    if len(members) > MAX_KEYS:
        raise EventRejected(
            code="too-many-keys", path=path, message=f"at most {MAX_KEYS} keys an object"
        )


def _look_at_text(text: str, path: str) -> None:
    if "\0" in text:
        raise EventRejected(code="nul", path=path, message="NUL characters are not accepted")
    if _LONE_SURROGATE.search(text) is not None:
        raise EventRejected(
            code="surrogate", path=path, message="half of a surrogate pair is no character"
        )
    if len(text.encode()) > MAX_STRING:
        raise EventRejected(
            code="too-long", path=path, message=f"at most {MAX_STRING} bytes a string"
        )


def _look_at_number(value: _OutOfRange | int | float, path: str) -> None:
    if isinstance(value, bool):
        return
    if isinstance(value, int):
        fits = -SAFE_INTEGER <= value <= SAFE_INTEGER
    elif isinstance(value, float):
        # False for NaN and infinity, which a text like 1e400 turns into.
        size = abs(value)
        fits = size <= SAFE_INTEGER or _EXPONENT_FROM <= size < float("inf")
    else:
        fits = False
    if not fits:
        raise EventRejected(
            code="number-range",
            path=path,
            message=f"numbers end at ±{SAFE_INTEGER} unless written beyond ±1e21; no NaN",
        )


def _too_deep(path: str) -> EventRejected:
    return EventRejected(code="depth", path=path, message=f"nested deeper than {MAX_DEPTH}")


def _member(path: str, key: str) -> str:
    """Return the path of a member; a key is the sender's text, so it is cut and escaped."""
    if _PLAIN_NAME.fullmatch(key) is not None:
        return f"{path}.{key}"
    return f"{path}[{json.dumps(key[:_LONGEST_NAME])}]"

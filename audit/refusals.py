"""From what msgspec says of bad input to our codes, paths and messages. Pure.

Owns the reading of msgspec's messages, so that a new release of it can break one module only.
Never repeats a value: of an enum msgspec names what was sent, here stands what may be sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from audit import limits
from audit.errors import EventRejected
from audit.events import MAX_SUBJECTS, Event
from audit.ledger.canonical import SAFE_INTEGER

_MESSAGE = re.compile(r"(?P<what>.*?)(?: - at (?:`key` in )?`(?P<path>\$[^`]*)`)?", re.DOTALL)
_NAMED = re.compile(r".*?`(?P<name>.*)`", re.DOTALL)
_INDEX = re.compile(r"\[\d+\]")
_LONGEST_NAME: Final = 64

# What a message begins with or holds, and its code; the first that fits.
_CODES: Final = (
    ("Invalid UUID", "bad-id"),
    ("Number out of range", "number-range"),
    ("Integer value out of range", "number-range"),
    ("matching regex", "bad-value"),
    (str(SAFE_INTEGER), "number-range"),
    ("`str` of length <=", "too-long"),
    ("`object` of length <=", "too-many-keys"),
    ("of length", "bad-value"),
    (", got ", "wrong-type"),
    (" >= ", "bad-value"),
    (" <= ", "bad-value"),
)


def explain(error: Exception, raw: bytes, *, at: str) -> EventRejected:
    """Return the rejection that tells why msgspec could not decode these bytes as an event."""
    if not isinstance(error, msgspec.ValidationError):
        # No JSON, or JSON that msgspec cannot hold: NaN, a lone surrogate, a bottomless nest.
        return _slow_look(raw, at=at)
    match = _MESSAGE.fullmatch(str(error))
    assert match is not None, "the pattern fits every text"
    return _rejection(match["what"], match["path"] or "$", raw, at=at)


def _slow_look(raw: bytes, *, at: str) -> EventRejected:
    try:
        limits.refuse(raw, at=at)
    except EventRejected as rejection:
        return rejection
    return EventRejected(code="not-json", path=at, message="this is no JSON")


def _rejection(what: str, path: str, raw: bytes, *, at: str) -> EventRejected:
    place = at + path[1:]
    if what.startswith("Object contains unknown field"):
        return EventRejected(
            code="unknown-field",
            path=f"{place}.{_name(what)}",
            message="no such field; free data goes under details",
        )
    if what.startswith("Object missing required field"):
        return EventRejected(
            code="missing-field", path=f"{place}.{_name(what)}", message="required"
        )
    if what.startswith("Invalid enum value"):
        allowed = _ALLOWED[_INDEX.sub("[]", path)]
        return EventRejected(code="bad-value", path=place, message=f"one of: {allowed}")
    if path == "$.data.subject_ids" and "`array` of length" in what:
        return EventRejected(
            code="too-many-subjects", path=place, message=f"at most {MAX_SUBJECTS} subject ids"
        )
    code = next(code for sign, code in _CODES if sign in what)
    if code == "number-range":
        # The exact look names the member of a free object, which msgspec writes as [...].
        rejection = _slow_look(raw, at=at)
        if rejection.code == code:
            return rejection
    return EventRejected(code=code, path=place, message=what.replace("`", ""))


def _name(what: str) -> str:
    match = _NAMED.fullmatch(what)
    assert match is not None, "msgspec names the field between backquotes"
    # An unknown name is the sender's text: cut, and escaped where it is no plain name.
    name = match["name"][:_LONGEST_NAME]
    return name.encode("unicode_escape").decode("ascii")


def _vocabularies(kind: Any, path: str) -> Iterator[tuple[str, str]]:
    """Walk the schema; yield each path that takes one of a few words, and the words."""
    if isinstance(kind, msgspec.inspect.LiteralType):
        yield path, " ".join(str(word) for word in kind.values)
    elif isinstance(kind, msgspec.inspect.UnionType):
        for option in kind.types:
            yield from _vocabularies(option, path)
    elif isinstance(kind, msgspec.inspect.ListType):
        yield from _vocabularies(kind.item_type, f"{path}[]")
    elif isinstance(kind, msgspec.inspect.StructType):
        for field in kind.fields:
            yield from _vocabularies(field.type, f"{path}.{field.encode_name}")


_ALLOWED: Final = dict(_vocabularies(msgspec.inspect.type_info(Event), "$"))

"""One JSON value, one byte string: RFC 8785 (JCS). Owns the canonical form of every hashed byte.

The `rfc8785` package is the reference. Most values take a faster path, msgspec's encoder, where it
gives the same bytes; three things differ, and each is dealt with here:

- numbers: `number()` says how a float is written, since msgspec writes 2.0 and 1e16 its own way;
- order: msgspec sorts keys by code point, RFC 8785 by UTF-16 unit. The two differ only when a
  character above U+FFFF meets one of U+E000..U+FFFF, which `order_may_differ()` looks for;
- what is no JSON (NaN, a key that is no string, a date) is refused instead of being converted.

Stricter than RFC 8785 in one point: a number whose canonical form is an integer beyond ±(2^53-1) is
refused however it was written, so that parsing canonical bytes always gives them back.
Never touches events: their schema is `audit.events`, their normal form `audit.parse`.
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

import msgspec
import rfc8785

from audit.errors import NotCanonical

JSONValue: TypeAlias = (
    "bool | int | float | str | list[JSONValue] | tuple[JSONValue, ...]"
    " | dict[str, JSONValue] | None"
)
"""What JSON can say. A tuple is written as a list."""

SAFE_INTEGER = 2**53 - 1
"""The largest integer that every JSON reader holds exactly (RFC 8785 §3.2.2.3, ECMA-262)."""

# From here on ECMAScript writes an exponent again (1e+21), so nothing there looks like an integer.
_EXPONENT_FROM = 1e21

# Below this msgspec and ECMAScript disagree on when an exponent starts.
_PLAIN_FROM = 1e-5

_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder().decode

_ABOVE_BMP = re.compile(rb"[\xf0-\xf4]")
_END_OF_BMP = re.compile(rb"[\xee\xef]")


def canonicalise(value: JSONValue) -> bytes:
    """Return the RFC 8785 bytes of a value; raises NotCanonical when it has none."""
    try:
        encoded = _encode(writable(value))
        return reference(value) if order_may_differ(encoded) else encoded
    except UnicodeEncodeError as error:
        raise NotCanonical("a string holds a lone surrogate") from error
    except RecursionError as error:
        raise NotCanonical("nested too deeply") from error


def parse_canonical(data: bytes) -> JSONValue:
    """Return the value of canonical bytes; raises NotCanonical when they are not canonical."""
    try:
        value: JSONValue = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotCanonical("not JSON") from error
    if canonicalise(value) != data:
        raise NotCanonical("JSON, but not in canonical form")
    return value


def reference(value: JSONValue) -> bytes:
    """Return what the reference implementation writes; slow, and right by definition."""
    try:
        return rfc8785.dumps(value)
    except rfc8785.CanonicalizationError as error:
        raise NotCanonical("no canonical form") from error


def order_may_differ(encoded: bytes) -> bool:
    """Tell whether keys sorted by code point could stand in another order by UTF-16 unit."""
    return (
        not encoded.isascii()
        and _ABOVE_BMP.search(encoded) is not None
        and _END_OF_BMP.search(encoded) is not None
    )


def number(value: float) -> float | int | msgspec.Raw:
    """Return what msgspec must be given so that it writes the canonical form of this float."""
    if _PLAIN_FROM <= abs(value) < SAFE_INTEGER and not value.is_integer():
        return value
    if value.is_integer() and abs(value) < _EXPONENT_FROM:
        return integer(int(value))
    return msgspec.Raw(reference(value))


def integer(value: int) -> int:
    """Return the integer; raises NotCanonical when it is beyond ±(2^53-1)."""
    if -SAFE_INTEGER <= value <= SAFE_INTEGER:
        return value
    raise NotCanonical("an integer beyond ±(2^53-1)")


def writable(value: Any) -> Any:
    """Return the value as msgspec must be given it: the same object when nothing has to change.

    Raises NotCanonical for a number without canonical form and for what is no JSON.
    """
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if kind is int:
        return integer(value)
    if kind is float:
        return number(value)
    if kind is dict:
        return _writable_object(value)
    if kind is list or kind is tuple:
        items = [writable(item) for item in value]
        return items if any(map(_is_not, items, value)) else value
    raise NotCanonical(f"{kind.__name__} is no JSON type")


def _writable_object(value: dict[Any, Any]) -> dict[Any, Any]:
    for key in value:
        if type(key) is not str:
            raise NotCanonical("an object's keys must be strings")
    members = {key: writable(member) for key, member in value.items()}
    return members if any(map(_is_not, members.values(), value.values())) else value


def _is_not(left: object, right: object) -> bool:
    return left is not right

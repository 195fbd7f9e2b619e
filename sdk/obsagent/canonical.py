"""One JSON value, one byte string: RFC 8785, with the standard library alone. Pure.

What the platform hashes is written so, hence a digest made here is the one made there. Most values
take the standard library's encoder; what differs is dealt with here:

- numbers: Python writes 2.0 and 1e-05 where ECMAScript writes 2 and 0.00001;
- order: RFC 8785 sorts keys by UTF-16 unit, Python by code point, which differ above U+FFFF.

As on the platform an integer beyond ±(2^53-1) is refused, however it was written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from math import isfinite
from typing import Any

from obsagent.errors import NotCanonical

SAFE_INTEGER = 2**53 - 1
"""The largest integer that every JSON reader holds exactly."""

_EXPONENT_FROM = 1e21
_PLAIN_FROM = 1e-4

_encode = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, sort_keys=True, separators=(",", ":")
).encode
_text = json.JSONEncoder(ensure_ascii=False).encode


def canonicalise(value: Any) -> bytes:
    """Return the RFC 8785 bytes of a value; raises NotCanonical when it has none."""
    try:
        plain = _plain(value)
        text = _written(plain) if _needs_care(plain) else _encode(plain)
        return text.encode()
    except UnicodeEncodeError as error:
        raise NotCanonical("a string holds a lone surrogate") from error
    except RecursionError as error:
        raise NotCanonical("nested too deeply") from error


def digest_of(value: Any) -> str:
    """Return the SHA-256 of a value's canonical form, 64 hex digits.

    Tuples are lists; what is no JSON (a date, an object) counts as its `str()`. Bytes are hashed as
    they stand. Raises NotCanonical for what has no form at all.
    """
    if isinstance(value, (bytes, bytearray)):
        return sha256(value).hexdigest()
    return sha256(canonicalise(as_json(value))).hexdigest()


def hashable(value: Any) -> Any:
    """Return the value, or how Python writes it where it has no canonical form to be hashed in."""
    try:
        canonicalise(as_json(value))
    except (NotCanonical, RecursionError):
        return _shown(value)
    return value


def hashed(value: Any) -> bytes:
    """Return the bytes whose SHA-256 is the value's digest; of what has no form, of its `repr`."""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    try:
        return canonicalise(as_json(value))
    except (NotCanonical, RecursionError):
        return canonicalise(_shown(value))


def _shown(value: Any) -> str:
    return repr(value).encode("utf-8", "backslashreplace").decode()


def as_json(value: Any) -> Any:
    """Return the value with what is no JSON written as text: what can be hashed and sent."""
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if kind is float:
        return value if isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(name): as_json(member) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(each) for each in value]
    if isinstance(value, (set, frozenset)):
        return sorted((as_json(each) for each in value), key=canonicalise)
    return str(value)


def number(value: float) -> str:
    """Return a float as ECMAScript writes it (RFC 8785 section 3.2.2.3)."""
    if not isfinite(value):
        raise NotCanonical("NaN and Infinity have no canonical form")
    if value.is_integer() and abs(value) < _EXPONENT_FROM:
        return str(_integer(int(value)))
    digits, exponent = _digits(abs(value))
    sign = "-" if value < 0 else ""
    point = exponent + 1  # where the decimal point stands, counted in digits from the left
    if 0 < point <= 21:
        whole, fraction = digits[:point].ljust(point, "0"), digits[point:]
        return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    mantissa = digits if len(digits) == 1 else f"{digits[0]}.{digits[1:]}"
    return f"{sign}{mantissa}e{'+' if exponent > 0 else '-'}{abs(exponent)}"


def _digits(value: float) -> tuple[str, int]:
    """Return the shortest digits of a positive float and the power of ten of the first one."""
    mantissa, _, power = repr(value).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits, exponent = whole + fraction, len(whole) - 1 + int(power or 0)
    kept = digits.lstrip("0")
    exponent -= len(digits) - len(kept)
    return kept.rstrip("0"), exponent


def _integer(value: int) -> int:
    if -SAFE_INTEGER <= value <= SAFE_INTEGER:
        return value
    raise NotCanonical("an integer beyond ±(2^53-1)")


def _plain(value: Any) -> Any:
    """Return the value with whole floats as integers; raises NotCanonical for what is no JSON."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if kind is int:
        return _integer(value)
    if kind is float:
        if isfinite(value) and value.is_integer() and abs(value) < _EXPONENT_FROM:
            return _integer(int(value))
        return value
    if kind is dict:
        for name in value:
            if type(name) is not str:
                raise NotCanonical("an object's keys must be strings")
        return {name: _plain(member) for name, member in value.items()}
    if kind is list or kind is tuple:
        return [_plain(each) for each in value]
    raise NotCanonical(f"{kind.__name__} is no JSON type")


def _needs_care(value: Any) -> bool:
    """Tell whether the standard library would write this in another way than RFC 8785."""
    kind = type(value)
    if kind is float:
        return not (isfinite(value) and _PLAIN_FROM <= abs(value) < SAFE_INTEGER)
    if kind is dict:
        return any(not name.isascii() or _needs_care(member) for name, member in value.items())
    if kind is list:
        return any(map(_needs_care, value))
    return False


def _written(value: Any) -> str:
    kind = type(value)
    if kind is float:
        return number(value)
    if kind is dict:
        members = sorted(value.items(), key=lambda member: member[0].encode("utf-16-be"))
        return "{" + ",".join(f"{_text(name)}:{_written(each)}" for name, each in members) + "}"
    if kind is list:
        return "[" + ",".join(map(_written, value)) + "]"
    return _text(value)

"""From the body of a POST to the bytes of its events, in the order sent. Pure.

Owns the three shapes: one JSON event, a JSON list of events, a line each (NDJSON). Never looks into
an event: `audit.parse` does, and one bad event leaves its neighbours alone. So a list in which one
event is no proper JSON (NaN, half a character) is still split, as long as its brackets close.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from audit.errors import EventRejected

NDJSON: Final = "application/x-ndjson"

_WHITE: Final = b" \t\r\n"

# What the search for an event's end must see: a string whole, a bracket, a comma. A string without
# end runs to the end of the body, else each of its quotes would be tried as a beginning.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{},]', re.DOTALL)
# A broken list is split by Python, token by token: not when it is so large that this takes seconds.
_LARGEST_BROKEN: Final = 5 * 1_048_576
_MOST_IN_BROKEN: Final = 5_000

_OPENS, _CLOSES = frozenset({b"[", b"{"}), frozenset({b"]", b"}"})

_split_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_skim = msgspec.json.Decoder(msgspec.Raw).decode


def split_body(body: bytes, content_type: str) -> list[bytes]:
    """Return the bytes of each event; raises EventRejected `not-json` when the body is no JSON.

    The type of the content decides between lines and JSON; its parameters are not looked at. A bad
    line is that line's own rejection, later, not the body's.
    """
    if content_type.partition(";")[0].strip().lower() == NDJSON:
        return [line for line in map(_stripped, body.split(b"\n")) if line]
    body = body.strip(_WHITE)
    if not body.startswith(b"["):
        return [_one(body)]
    try:
        return [bytes(event) for event in _split_list(body)]
    except (ValueError, RecursionError):
        return _split_at_commas(body)


def _stripped(line: bytes) -> bytes:
    return line.strip(_WHITE)


def _one(body: bytes) -> bytes:
    try:
        _skim(body)
    except (ValueError, RecursionError) as error:
        # An object whose brackets close is an event that parse_event can refuse with its place.
        if not body.startswith(b"{") or not _closes_at_its_end(body):
            raise _not_json() from error
    return body


def _tokens(body: bytes) -> Iterator[re.Match[bytes]]:
    if len(body) > _LARGEST_BROKEN:
        raise _not_json()
    return _TOKEN.finditer(body)


def _closes_at_its_end(body: bytes) -> bool:
    depth = 0
    for token in _tokens(body):
        depth += (token[0] in _OPENS) - (token[0] in _CLOSES)
        if depth == 0:
            return token.end() == len(body)
    return False


def _split_at_commas(body: bytes) -> list[bytes]:
    """Split a list at its own commas, seeing only strings and brackets."""
    events: list[bytes] = []
    depth, start = 0, 1
    for token in _tokens(body):
        depth += (token[0] in _OPENS) - (token[0] in _CLOSES)
        if (depth == 1 and token[0] == b",") or depth == 0:
            events.append(body[start : token.start()].strip(_WHITE))
            start = token.end()
            if not events[-1] or len(events) > _MOST_IN_BROKEN:
                raise _not_json()
        if depth == 0:
            break
    if depth != 0 or start != len(body):
        raise _not_json()
    return events


def _not_json() -> EventRejected:
    return EventRejected(code="not-json", path="$", message="the body is no JSON")

"""Which fields checks may read, and what stands in them. Pure; the one door to audit's vocabulary.

Derived from the structures of audit.events, so that a field added there can be read here at once,
and from the fields that the server adds to an entry. gather.py is the door to what audit stores;
this module holds names and types alone, so that the language of checks needs no database.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, get_args, get_origin

import msgspec
from msgspec import Struct, UnsetType

from audit.actions import ACTIONS, expected_fields, is_vendor_action
from audit.events import Event, Time

__all__ = [
    "ACTIONS",
    "FIELDS",
    "SERVER_FIELDS",
    "VALUES",
    "Shape",
    "expected_fields",
    "is_text",
    "is_vendor_action",
]

Shape = Literal["string", "number", "bool", "time", "list", "object"]

SERVER_FIELDS: Final[Mapping[str, Shape]] = {
    "seq": "number",
    "received_at": "time",
    "ledger": "string",
    "prev_hash": "string",
    "entry_hash": "string",
    "ingest.delay_seconds": "number",
    "ingest.key_id": "string",
    "ingest.ip": "string",
    "source.via": "string",
    "source.scope": "string",
    "source.key": "string",
    "source.user": "string",
    "source.ip": "string",
    "source.id": "string",
    "source.backfill": "bool",
    "missing_fields": "list",
}
"""What the server says of an entry, beside the event."""

_CLOSED: Final = frozenset({"details", "personal", "labels"})
"""Free of form: what stands there is never a reason to pass or fail."""


def _fields(struct: type[Struct], prefix: str) -> Iterator[tuple[str, Shape]]:
    hints = typing.get_type_hints(struct, include_extras=True)
    for field in msgspec.structs.fields(struct):
        path = f"{prefix}{field.encode_name}"
        if not prefix and path in _CLOSED:
            continue
        inner = _inner(hints[field.name])
        if isinstance(inner, type) and issubclass(inner, Struct):
            yield from _fields(inner, f"{path}.")
        else:
            yield path, _shape(inner)


def is_text(path: str) -> bool:
    """Tell whether what stands at a path is text, when anything does."""
    return FIELDS[path] in ("string", "time")


def _inner(hint: Any) -> Any:
    """Return a hint without the chance to be absent."""
    if get_origin(hint) not in (typing.Union, types.UnionType):
        return hint
    left = [part for part in get_args(hint) if part is not UnsetType]
    return left[0] if len(left) == 1 else typing.Union[tuple(left)]  # noqa: UP007


def _shape(hint: Any) -> Shape:
    if hint == Time:
        return "time"
    if get_origin(hint) is typing.Annotated:
        return _shape(get_args(hint)[0])
    if get_origin(hint) in (typing.Union, types.UnionType):
        return _shape(get_args(hint)[0])
    if hint is bool:
        return "bool"
    if hint in (int, float):
        return "number"
    origin = get_origin(hint) or hint
    if origin is list:
        return "list"
    return "object" if origin is dict else "string"


def _closed_values(struct: type[Struct], prefix: str) -> Iterator[tuple[str, frozenset[str]]]:
    hints = typing.get_type_hints(struct, include_extras=True)
    for field in msgspec.structs.fields(struct):
        path = f"{prefix}{field.encode_name}"
        inner = _inner(hints[field.name])
        if get_origin(inner) is list:
            (inner,) = get_args(inner)
        if isinstance(inner, type) and issubclass(inner, Struct):
            yield from _closed_values(inner, f"{path}.")
        elif get_origin(inner) is Literal:
            yield path, frozenset(get_args(inner))


FIELDS: Final[Mapping[str, Shape]] = {**dict(_fields(Event, "")), **SERVER_FIELDS}
"""Every path a check may read, and the shape of what stands there."""

VALUES: Final[Mapping[str, frozenset[str]]] = {
    **dict(_closed_values(Event, "")),
    "source.via": frozenset({"api", "admin", "server"}),
    "source.scope": frozenset({"events", "governance", "ops", "server"}),
}
"""The values that can stand in a field, or in its list, where only some can."""

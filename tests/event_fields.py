"""Every field that an event may hold, with its type in the words of docs/events.md.

Read from the schema itself (audit.events), so that the documentation can be compared with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import inspect

from audit.events import Event

_HEX = {32: "32 hex digits", 16: "16 hex digits"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One field of an event."""

    path: str
    """Dotted, without `$`; `[]` after a list of objects."""
    shape: str
    """Its type in words."""
    is_required: bool
    """Whether its own block demands it."""


def event_fields() -> list[Field]:
    """Return every field that holds a value, in the order of the schema."""
    schema = inspect.type_info(Event)
    assert isinstance(schema, inspect.StructType)
    return list(_fields_of(schema, prefix=""))


def _fields_of(struct: inspect.StructType, *, prefix: str) -> Iterator[Field]:
    for field in struct.fields:
        path = f"{prefix}{field.encode_name}"
        kind = _present(field.type)
        if isinstance(kind, inspect.StructType):
            yield from _fields_of(kind, prefix=f"{path}.")
        elif isinstance(kind, inspect.ListType) and isinstance(kind.item_type, inspect.StructType):
            yield from _fields_of(kind.item_type, prefix=f"{path}[].")
        else:
            yield Field(path=path, shape=_shape(kind), is_required=field.required)


def _present(kind: Any) -> Any:
    """Return the type without its "or absent"."""
    if not isinstance(kind, inspect.UnionType):
        return kind
    kinds = [each for each in kind.types if not _is_unset(each)]
    return kinds[0] if len(kinds) == 1 else inspect.UnionType(types=tuple(kinds))


def _is_unset(kind: Any) -> bool:
    return isinstance(kind, inspect.CustomType) and kind.cls is msgspec.UnsetType


def _shape(kind: Any) -> str:
    if isinstance(kind, inspect.Metadata):
        said = kind.extra_json_schema or {}
        return "time" if said.get("format") == "date-time" else _shape(kind.type)
    if isinstance(kind, inspect.LiteralType):
        return " ".join(str(word) for word in kind.values)
    if isinstance(kind, inspect.ListType):
        most = "" if kind.max_length is None else f" (at most {kind.max_length:,})"
        return f"list{most} of {_shape(kind.item_type)}"
    if isinstance(kind, inspect.DictType):
        is_free = isinstance(kind.value_type, inspect.AnyType)
        return "object" if is_free else f"at most {kind.max_length} text pairs"
    return _scalar(kind)


def _scalar(kind: Any) -> str:
    if isinstance(kind, inspect.UnionType):
        (number,) = (each for each in kind.types if isinstance(each, inspect.FloatType))
        least = "" if number.ge is None else f" from {number.ge:g}"
        return f"number{least}" + ("" if number.le is None else f" to {number.le:g}")
    if isinstance(kind, inspect.StrType):
        return _text(kind)
    if isinstance(kind, inspect.BoolType):
        return "boolean"
    if isinstance(kind, inspect.UUIDType):
        return "UUID"
    assert isinstance(kind, inspect.IntType), f"{kind} has no words yet"
    return "integer"


def _text(kind: inspect.StrType) -> str:
    if kind.min_length == 1:
        return "id"
    if kind.pattern is None:
        return "text" if kind.max_length == 200 else f"text to {kind.max_length:,}"
    if kind.max_length == 64:
        return "SHA-256"
    return _HEX.get(kind.max_length or 0, "country code")

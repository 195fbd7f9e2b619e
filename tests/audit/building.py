"""Builders for tests of the border of ingest: events as JSON, values made from the schema."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import msgspec

from audit.events import Event


def event_json(**fields: Any) -> bytes:
    """Return a valid event as compact JSON; `fields` replace members, None removes one."""
    event: dict[str, Any] = {
        "id": "0191e7a4-7c1e-7d3b-8f00-5b6a0c1d2e3f",
        "occurred_at": "2026-10-01T10:00:00.5Z",
        "category": "tool_call",
        "action": "tool.invoke",
        "outcome": "success",
        "agent": {"id": "alice-agent"},
        "actor": {"type": "agent", "id": "alice-agent"},
        "target": {"type": "tool", "id": "search"},
    } | fields
    kept = {name: value for name, value in event.items() if value is not None}
    return json.dumps(kept, separators=(",", ":"), ensure_ascii=False).encode()


def with_tail(tail: str | bytes) -> bytes:
    """Return a valid event with raw text put before its last brace; says what dumps() cannot."""
    more = tail.encode() if isinstance(tail, str) else tail
    return event_json()[:-1] + b"," + more + b"}"


def full_event() -> dict[str, Any]:
    """Return an event in which every field that a client may send has a value."""
    event: dict[str, Any] = _value(EVENT, "$")
    event |= {
        "category": "tool_call",
        "action": "tool.invoke",
        "schema_version": "1.0",
    }
    del event["integrity"]
    event["data"]["subject_ids"] = ["carol"]
    return event


EVENT = msgspec.inspect.type_info(Event)


def fields_of(
    kind: msgspec.inspect.Type = EVENT, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], msgspec.inspect.Type]]:
    """Yield path and type of every field of the schema, blocks before their fields."""
    if isinstance(kind, msgspec.inspect.ListType):
        kind = kind.item_type
        path = (*path, "0")
    if not isinstance(kind, msgspec.inspect.StructType):
        return
    for field in kind.fields:
        for option in options(field.type):
            here = (*path, field.encode_name)
            yield here, option
            yield from fields_of(option, here)


def blocks(kind: msgspec.inspect.Type = EVENT) -> Iterator[msgspec.inspect.StructType]:
    """Yield every block of the schema, the event first."""
    if isinstance(kind, msgspec.inspect.StructType):
        yield kind
        for field in kind.fields:
            for option in options(field.type):
                yield from blocks(option)
    elif isinstance(kind, msgspec.inspect.ListType):
        yield from blocks(kind.item_type)


def options(kind: msgspec.inspect.Type) -> list[msgspec.inspect.Type]:
    """Return what a field may hold, without the mark for absent."""
    kinds = kind.types if isinstance(kind, msgspec.inspect.UnionType) else [kind]
    return [each.type if isinstance(each, msgspec.inspect.Metadata) else each for each in kinds]


def place(event: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """Return the event with the value put at this path of a full event."""
    copy: dict[str, Any] = json.loads(json.dumps(event))
    inner: Any = copy
    for step in path[:-1]:
        inner = inner[int(step)] if isinstance(inner, list) else inner[step]
    inner[path[-1]] = value
    return copy


def _value(kind: msgspec.inspect.Type, path: str) -> Any:
    match kind:
        case msgspec.inspect.StructType():
            return {
                field.encode_name: _value(options(field.type)[0], f"{path}.{field.encode_name}")
                for field in kind.fields
            }
        case msgspec.inspect.ListType():
            return [_value(kind.item_type, path)]
        case msgspec.inspect.LiteralType():
            return kind.values[0]
        case msgspec.inspect.StrType():
            return _text(kind, path)
        case msgspec.inspect.IntType():
            return 1
        case msgspec.inspect.FloatType():
            return 0.5
        case msgspec.inspect.BoolType():
            return True
        case msgspec.inspect.UUIDType():
            return str(uuid.UUID(int=7))
        case msgspec.inspect.DictType():
            return {"key": "value"}
    raise AssertionError(f"no value for {kind} at {path}")


def _text(kind: msgspec.inspect.StrType, path: str) -> str:
    if path.endswith(("_at", "_until")):
        return "2026-10-01T10:00:00Z"
    if kind.pattern is None:
        return "word"
    return "DE" if "A-Z" in kind.pattern else "a" * (kind.max_length or 0)

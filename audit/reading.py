"""Put a record into words for the entry page: one sentence, and its fields block by block.

Pure: takes the parsed record, returns text and small values; templates escape them. What counts
as evidence is the record itself, which the page shows below. Page: audit.admin.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MOST_FIELDS = 200
"""A block shows at most so many fields; the record shows all."""

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_HASH = re.compile(r"[0-9a-f]{64}")
_FIRST = ("agent", "actor", "target", "run", "tool", "model", "data", "decision")
_LAST = ("trace", "labels", "details", "personal")
_MAIN = (
    "reason",
    "error.type",
    "error.message",
    "duration_ms",
    "agent.version",
    "agent.environment",
    "tool.name",
    "tool.risk",
    "model.provider",
    "model.name",
    "usage.cost_usd",
    "data.purpose",
    "data.legal_basis",
    "decision.effect",
    "decision.policy_id",
    "decision.approval_id",
    "auth.method",
    "auth.failure_reason",
    "guardrail.type",
    "guardrail.effect",
    "memory.store",
    "workflow.id",
    "workflow.step",
    "change.id",
    "case.id",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One field of a record, ready to be shown."""

    path: str
    """Where it stands, dotted: `agent.id`."""
    label: str
    """The path in plain words, without its block: `on behalf of, id`."""
    value: str
    kind: str
    """How to show it: time, hash, number or text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """The fields of one block of the event."""

    name: str
    fields: list[Field]
    left_out: int
    """Fields beyond the most a block shows."""


def is_readable(event: Mapping[str, Any]) -> bool:
    """Say whether the event has what a sentence needs; a record that somebody rewrote may not."""
    agent, actor = event.get("agent"), event.get("actor")
    return (
        isinstance(agent, dict)
        and "id" in agent
        and isinstance(actor, dict)
        and isinstance(actor.get("on_behalf_of", {}), dict)
        and isinstance(event.get("target", {}), dict)
        and {"action", "outcome"} <= event.keys()
    )


def sentence(event: Mapping[str, Any]) -> str:
    """Say in one line who did what to what, for whom, and how it went.

    For an event that `is_readable()`.
    """
    agent = str(event["agent"]["id"])
    actor = event["actor"]
    parts = [
        agent,
        "recorded" if _acts_for_itself(actor, agent) is False else "ran",
        event["action"],
    ]
    if _acts_for_itself(actor, agent) is False:
        parts += ["by", party(actor)]
    if target := event.get("target"):
        parts += ["on", party(target)]
    if principal := actor.get("on_behalf_of"):
        parts += ["for", party(principal)]
    text = " ".join(str(part) for part in parts)
    return f"{text}: {event['outcome']}"


def _acts_for_itself(actor: Mapping[str, Any], agent: str) -> bool:
    return actor.get("type") == "agent" and actor.get("id") == agent


def party(block: Mapping[str, Any]) -> str:
    """Name an actor, target or principal: its type, then its id, a digest cut to eight."""
    identifier = str(block.get("id", ""))
    if _HASH.fullmatch(identifier):
        identifier = f"{identifier[:8]}…"
    return f"{block.get('type', '')} {identifier}".strip()


def blocks(event: Mapping[str, Any]) -> list[Block]:
    """Return the event block by block: its own scalars first, then the blocks people ask for."""
    scalars = {name: value for name, value in event.items() if not isinstance(value, dict)}
    nested = [name for name, value in event.items() if isinstance(value, dict)]
    nested.sort(key=_place)
    found = [_block("event", "", scalars)]
    found += [_block(name, f"{name}.", event[name]) for name in nested]
    return [block for block in found if block.fields]


def main_fields(event: Mapping[str, Any]) -> list[Field]:
    """Return the few fields that tell one act from the next, for the expanded row of a list."""
    found = []
    for path in _MAIN:
        value: Any = event
        for step in path.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        if value is not None:
            found.append(field(path, value, label=path.replace(".", " ").replace("_", " ")))
    return found


def _place(name: str) -> tuple[int, str]:
    if name in _FIRST:
        return _FIRST.index(name), name
    if name in _LAST:
        return 100 + _LAST.index(name), name
    return 50, name


def _block(name: str, prefix: str, values: Mapping[str, Any]) -> Block:
    fields = list(_fields(values, prefix, skip=len(prefix)))
    return Block(name=name, fields=fields[:MOST_FIELDS], left_out=max(0, len(fields) - MOST_FIELDS))


def _fields(values: Mapping[str, Any], prefix: str, *, skip: int) -> Iterator[Field]:
    for key, value in values.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            yield from _fields(value, f"{path}.", skip=skip)
        elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
            numbered = {str(place): item for place, item in enumerate(value)}
            yield from _fields(numbered, f"{path}.", skip=skip)
        else:
            yield field(path, value, label=path[skip:].replace(".", ", ").replace("_", " "))


def field(path: str, value: Any, *, label: str) -> Field:
    """Return one field with its value as text and how to show it."""
    text, kind = _shown(value)
    return Field(path=path, label=label, value=text, kind=kind)


def _shown(value: Any) -> tuple[str, str]:
    if value is None:
        return "null", "text"
    if isinstance(value, bool):
        return ("yes" if value else "no"), "text"
    if isinstance(value, int):
        return f"{value:,}", "number"
    if isinstance(value, float):
        return f"{value:,}", "number"
    if isinstance(value, list):
        return (", ".join(_shown(item)[0] for item in value) or "none"), "text"
    if isinstance(value, dict):
        return "empty", "text"
    text = str(value)
    if _TIME.fullmatch(text):
        return text, "time"
    return text, "hash" if _HASH.fullmatch(text) else "text"

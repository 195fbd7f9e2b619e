"""Read the messages of a model and the arguments of a tool out of a span's attributes. Pure.

Four ways to write them are in use, and a span may hold any: the GenAI conventions (messages as a
list in one attribute, or one event a message), OpenLLMetry (`gen_ai.prompt.0.content`),
OpenInference (`llm.input_messages.0.message.content`), and a single text (`input.value`). The first
that says something counts: instrumentations that write two of them write the same twice.
What cannot be read as a message is shown as it stands. In which order a trace tells them:
conversation.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

Attributes: TypeAlias = Mapping[str, Any]
PartKind: TypeAlias = Literal["text", "call", "result", "other"]

CONTENT_NAMES: Final = (
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result",
    "gen_ai.prompt",
    "gen_ai.completion",
    "llm.input_messages",
    "llm.output_messages",
    "llm.prompts",
    "llm.completions",
    "input.value",
    "output.value",
    "traceloop.entity.input",
    "traceloop.entity.output",
    "tool.parameters",
    "tool.result",
    "tool_call.function.arguments",
    "retrieval.documents",
    "embedding.embeddings",
    "reranker.input_documents",
    "reranker.output_documents",
)
"""Attributes that hold what people or models said; with those that begin so and a dot."""
CONTENT_EVENTS: Final = (
    "gen_ai.system.message",
    "gen_ai.user.message",
    "gen_ai.assistant.message",
    "gen_ai.tool.message",
    "gen_ai.choice",
    "gen_ai.content.prompt",
    "gen_ai.content.completion",
    "gen_ai.client.inference.operation.details",
)
"""Events of a span that hold the same."""

_NUMBERED: Final = re.compile(r"(\d{1,4})\.(.+)", re.ASCII | re.DOTALL)
_MOST_MESSAGES: Final = 2_000
"""Of one span; an attribute's name is the sender's, and so is the number in it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A piece of a message."""

    kind: PartKind
    text: str
    """What is said; of a call its arguments, of a result what came back, as text."""
    name: str = ""
    """Of a call: the tool."""
    call_id: str = ""
    """Of a call and its result."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """What somebody said at once."""

    role: str
    """As sent: system, user, assistant, tool, or what a sender calls it."""
    parts: tuple[Part, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """What one call of a model holds."""

    asked: tuple[Message, ...]
    answered: tuple[Message, ...]


def is_content(name: str) -> bool:
    """Tell whether an attribute holds what people or models said."""
    return any(name == each or name.startswith(f"{each}.") for each in CONTENT_NAMES)


def is_content_event(name: str) -> bool:
    """Tell whether an event of a span holds what people or models said."""
    return name in CONTENT_EVENTS


def is_content_line(fields: Any) -> bool:
    """Tell whether a log record is one of the conventions' own, whose body is what was said."""
    name = fields.get("event.name") if isinstance(fields, dict) else None
    return isinstance(name, str) and name.startswith("gen_ai.")


def without_contents(fields: Any) -> Any:
    """Return the fields of a log line without what people or models said; its size stands there."""
    if not isinstance(fields, dict):
        return fields
    is_told = is_content_line(fields)
    return {
        name: f"contents, {len(as_text(value)):,} characters"
        if is_content(name) or (is_told and (name == "body" or name.startswith("body.")))
        else value
        for name, value in fields.items()
    }


def as_text(value: Any) -> str:
    """Return a value as people read it: text as it is, all else as JSON; never raises."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, indent=2)
    except (TypeError, ValueError, RecursionError):
        return str(value)


def said(attributes: Attributes, events: Sequence[Mapping[str, Any]]) -> Said:
    """Return the messages that a call of a model was asked with, and what it answered."""
    asked = _first(
        lambda: (
            _listed(attributes, "gen_ai.system_instructions", "system")
            + _listed(attributes, "gen_ai.input.messages", "user")
        ),
        lambda: _of_events(events, asked=True),
        lambda: _numbered(attributes, "gen_ai.prompt."),
        lambda: _numbered(attributes, "llm.input_messages."),
        lambda: _plain(
            attributes, ("gen_ai.prompt", "traceloop.entity.input", "input.value"), "user"
        ),
    )
    answered = _first(
        lambda: _listed(attributes, "gen_ai.output.messages", "assistant"),
        lambda: _of_events(events, asked=False),
        lambda: _numbered(attributes, "gen_ai.completion."),
        lambda: _numbered(attributes, "llm.output_messages."),
        lambda: _plain(
            attributes,
            ("gen_ai.completion", "traceloop.entity.output", "output.value"),
            "assistant",
        ),
    )
    return Said(asked=asked, answered=answered)


def arguments(attributes: Attributes) -> str | None:
    """Return the arguments of a tool's call as text; None when its sender kept them back."""
    return _any_text(
        attributes,
        "gen_ai.tool.call.arguments",
        "tool_call.function.arguments",
        "tool.parameters",
        "input.value",
        "traceloop.entity.input",
    )


def result(attributes: Attributes) -> str | None:
    """Return what a tool gave back as text; None when its sender kept it back."""
    return _any_text(
        attributes,
        "gen_ai.tool.call.result",
        "tool.result",
        "output.value",
        "traceloop.entity.output",
    )


def _first(*ways: Callable[[], tuple[Message, ...]]) -> tuple[Message, ...]:
    for way in ways:
        found = way()
        if found:
            return found[:_MOST_MESSAGES]
    return ()


def _any_text(attributes: Attributes, *names: str) -> str | None:
    for name in names:
        if attributes.get(name) not in (None, ""):
            return as_text(attributes[name])
    return None


# --- A list in one attribute ---------------------------------------------------------------------


def _listed(attributes: Attributes, name: str, role: str) -> tuple[Message, ...]:
    value = attributes.get(name)
    if value in (None, "", []):
        return ()
    found = _parsed(value)
    if isinstance(found, dict) and isinstance(found.get("messages"), list):
        found = found["messages"]
    if not isinstance(found, list):
        return (Message(role=role, parts=(Part(kind="text", text=as_text(value)),)),)
    if found and all(
        isinstance(each, dict) and "type" in each and "role" not in each for each in found
    ):
        return (Message(role=role, parts=_parts(found)),)  # the parts of one message
    return tuple(_message(each, role) for each in found[:_MOST_MESSAGES])


def _parsed(value: Any) -> Any:
    """Return what a text of JSON holds; a text that is none stays one."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("[", "{"):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _message(value: Any, role: str) -> Message:
    if not isinstance(value, dict):
        return Message(role=role, parts=(Part(kind="text", text=as_text(value)),))
    who = value.get("role")
    parts = list(_parts(value["parts"] if "parts" in value else value.get("content")))
    calls = value.get("tool_calls")
    if isinstance(calls, list):
        parts += [_call(each) for each in calls]
    call_id = value.get("tool_call_id") or value.get("id") or ""
    if who == "tool":
        parts = [
            Part(kind="result", text=each.text, call_id=as_text(call_id))
            if each.kind == "text"
            else each
            for each in parts
        ]
    return Message(role=who if isinstance(who, str) and who else role, parts=tuple(parts))


def _parts(value: Any) -> tuple[Part, ...]:
    value = _parsed(value)
    if value in (None, "", []):
        return ()
    if not isinstance(value, list):
        return (_part(value),)
    return tuple(_part(each) for each in value)


def _part(value: Any) -> Part:
    if not isinstance(value, dict):
        return Part(kind="text", text=as_text(value))
    match value.get("type"):
        case "text" | "reasoning" | "input_text" | "output_text":
            return Part(kind="text", text=as_text(value.get("content", value.get("text", ""))))
        case "tool_call" | "tool_use" | "function_call" | "function":
            return _call(value)
        case "tool_call_response" | "tool_result" | "function_call_output":
            given = next(
                (
                    value[name]
                    for name in ("response", "result", "content", "output")
                    if name in value
                ),
                "",
            )
            call_id = value.get("id") or value.get("tool_use_id") or value.get("call_id") or ""
            return Part(kind="result", text=as_text(given), call_id=as_text(call_id))
    return Part(kind="other", text=as_text(value))


def _call(value: Any) -> Part:
    if not isinstance(value, dict):
        return Part(kind="other", text=as_text(value))
    function = value.get("function")
    inner: dict[str, Any] = function if isinstance(function, dict) else value
    given = next((inner[name] for name in ("arguments", "input", "args") if name in inner), "")
    return Part(
        kind="call",
        text=as_text(given),
        name=as_text(inner.get("name", "")),
        call_id=as_text(value.get("id") or value.get("call_id") or ""),
    )


# --- One event a message -------------------------------------------------------------------------

_ROLES: Final = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
    "gen_ai.choice": "assistant",
    "gen_ai.content.prompt": "user",
    "gen_ai.content.completion": "assistant",
}
_ANSWERS: Final = ("gen_ai.choice", "gen_ai.content.completion")


def _of_events(events: Sequence[Mapping[str, Any]], *, asked: bool) -> tuple[Message, ...]:
    found: list[Message] = []
    for each in events:
        name, held = each.get("name"), each.get("attributes")
        if not isinstance(held, dict):
            continue
        if name == "gen_ai.client.inference.operation.details":
            found += _of_details(held, asked=asked)
        elif name in _ROLES and (name in _ANSWERS) is not asked:
            found += _of_event(name, held)
    return tuple(found)


def _of_details(held: Attributes, *, asked: bool) -> tuple[Message, ...]:
    if not asked:
        return _listed(held, "gen_ai.output.messages", "assistant")
    return _listed(held, "gen_ai.system_instructions", "system") + _listed(
        held, "gen_ai.input.messages", "user"
    )


def _of_event(name: str, held: Attributes) -> tuple[Message, ...]:
    role = _ROLES[name]
    whole = held.get("gen_ai.prompt", held.get("gen_ai.completion"))
    if whole is not None:
        return _listed({"whole": whole}, "whole", role)
    inner = _parsed(held.get("message"))
    body = dict(inner) if isinstance(inner, dict) else dict(held)
    body.setdefault("role", role)
    if isinstance(body.get("tool_calls"), str):
        body["tool_calls"] = _parsed(body["tool_calls"])
    message = _message(body, role)
    return (message,) if message.parts else ()


# --- A number in each attribute's name ------------------------------------------------------------


def _numbered(attributes: Attributes, prefix: str) -> tuple[Message, ...]:
    """Read `prefix0.role`, `prefix0.content`, `prefix0.tool_calls.0.name` and so on."""
    return tuple(
        message
        for held in _by_number(attributes, prefix)
        if (message := _flat_message({_bare(name): value for name, value in held.items()})).parts
    )


def _by_number(attributes: Attributes, prefix: str) -> list[dict[str, Any]]:
    """Return what stands below `prefix<number>.`, in the order of the numbers."""
    found: dict[int, dict[str, Any]] = {}
    for name, value in attributes.items():
        if name.startswith(prefix) and (match := _NUMBERED.fullmatch(name, len(prefix))):
            found.setdefault(int(match[1]), {})[match[2]] = value
    return [found[number] for number in sorted(found)]


def _bare(name: str) -> str:
    """Return OpenInference's `message.content` as `content`."""
    return name.removeprefix("message.")


def _flat_message(held: Attributes) -> Message:
    role = as_text(held.get("role", "")) or "unknown"
    parts = list(_parts(held.get("content")))
    for each in _by_number(held, "contents."):
        text = each.get("message_content.text")
        parts.append(
            Part(kind="text", text=as_text(text))
            if text is not None
            else Part(kind="other", text=as_text(each))
        )
    if role == "tool":
        call_id = as_text(held.get("tool_call_id", ""))
        parts = [Part(kind="result", text=each.text, call_id=call_id) for each in parts]
    for each in _by_number(held, "tool_calls."):
        call = {
            name.removeprefix("tool_call.").removeprefix("function."): value
            for name, value in each.items()
        }
        parts.append(_call(call))
    return Message(role=role, parts=tuple(parts))


def _plain(attributes: Attributes, names: Sequence[str], role: str) -> tuple[Message, ...]:
    """Read one text that is a whole question or answer; a list of messages in it is read so."""
    for name in names:
        value = attributes.get(name)
        if value in (None, ""):
            continue
        inner = _parsed(value)
        if isinstance(inner, dict) and isinstance(inner.get("messages"), list):
            return _listed(inner, "messages", role)
        if (
            isinstance(inner, list)
            and inner
            and all(isinstance(e, dict) and "role" in e for e in inner)
        ):
            return _listed({"messages": inner}, "messages", role)
        return (Message(role=role, parts=(Part(kind="text", text=as_text(value)),)),)
    return ()

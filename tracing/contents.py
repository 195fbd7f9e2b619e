"""Find what was asked and answered in a span, and say contents by their digest. Pure.

Contents come as one attribute, as many (`llm.input_messages.0.message.role`), or in events of the
span; each becomes one value, however it was sent. They stay with the span: an event holds digests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec

from audit.errors import NotCanonical
from audit.ledger.canonical import canonicalise
from tracing.attributes import first

CONTENTS: Final = frozenset(
    {
        *("gen_ai.system_instructions", "gen_ai.input.messages", "gen_ai.output.messages"),
        *("gen_ai.prompt", "gen_ai.completion", "llm.prompts", "input.value", "output.value"),
        *("traceloop.entity.input", "traceloop.entity.output"),
        *(
            f"{prefix}0.{inner}{field}"
            for prefix, inner in (
                *(("llm.input_messages.", "message."), ("llm.output_messages.", "message.")),
                *(("gen_ai.prompt.", ""), ("gen_ai.completion.", "")),
            )
            for field in ("role", "content")
        ),
    }
)
"""Attributes of which one at least is there where a model's span says what was asked or answered;
its events may say it as well."""


def prompt_of(said: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> tuple[Any, Any]:
    """Return what was asked, and the instructions in it, in whichever form they were sent."""
    system = said.get("gen_ai.system_instructions")
    asked = said.get("gen_ai.input.messages")
    if asked is None:
        asked = _unflattened(said, "llm.input_messages.", "message.")
    if asked is None:
        asked = _unflattened(said, "gen_ai.prompt.", "")
    if asked is None:
        asked = first(said, "gen_ai.prompt", "input.value", "llm.prompts", "traceloop.entity.input")
    if asked is None:
        asked = _of_events(events, "gen_ai.content.prompt", "gen_ai.prompt")
    if system is None and type(asked) is list:
        system = next((each.get("content") for each in asked if _is_system(each)), None)
    return asked, system


def response_of(said: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> Any:
    """Return what was answered, in whichever form it was sent; None when it was not."""
    answered = said.get("gen_ai.output.messages")
    if answered is None:
        answered = _unflattened(said, "llm.output_messages.", "message.")
    if answered is None:
        answered = _unflattened(said, "gen_ai.completion.", "")
    if answered is None:
        answered = first(said, "gen_ai.completion", "output.value", "traceloop.entity.output")
    if answered is None:
        answered = _of_events(events, "gen_ai.content.completion", "gen_ai.completion")
    return answered


def _unflattened(said: Mapping[str, Any], prefix: str, inner: str) -> list[dict[str, Any]] | None:
    """Gather `prefix0.inner.role`, `prefix0.inner.content`, `prefix1. …` into a list."""
    if f"{prefix}0.{inner}role" not in said and f"{prefix}0.{inner}content" not in said:
        return None
    messages: dict[int, dict[str, Any]] = {}
    for name, value in said.items():
        if name.startswith(prefix):
            number, _, field = name[len(prefix) :].partition(".")
            if number.isdecimal() and len(number) < 6:
                messages.setdefault(int(number), {})[field.removeprefix(inner)] = value
    return [messages[number] for number in sorted(messages)]


def _is_system(message: Any) -> bool:
    return type(message) is dict and message.get("role") == "system"


def _of_events(events: Sequence[Mapping[str, Any]], name: str, attribute: str) -> Any:
    return next(
        (each.get("attributes", {}).get(attribute) for each in events if each["name"] == name), None
    )


_KEPT_BACK = "__REDACTED__"  # what OpenInference sends in place of what its sender hides


def digest(content: Any) -> str:
    """Return the SHA-256 of a content as it was sent, in hex; empty when there is none.

    JSON, also as text, is taken in its canonical form (RFC 8785), so that the same arguments have
    the same digest whatever spaces or order they came in; any other text as its UTF-8.
    """
    if content is None or content == "" or content == _KEPT_BACK:
        return ""
    if type(content) is str:
        if content[0] not in "{[":
            return sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
        try:
            parsed = msgspec.json.decode(content)
        except (ValueError, RecursionError):
            return sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
        return _digest_of_json(parsed, content)
    return _digest_of_json(content, "")


def _digest_of_json(value: Any, text: str) -> str:
    try:
        encoded = canonicalise(value)
    except NotCanonical:  # a number that JSON's readers do not hold: as it was written, then
        encoded = text.encode() or msgspec.json.encode(value)
    return sha256(encoded).hexdigest()


def size_of(content: Any) -> int | None:
    """Return the bytes of a content as it was sent."""
    if content is None or content == _KEPT_BACK:
        return None
    if type(content) is str:
        return len(content.encode("utf-8", "surrogatepass"))
    return len(msgspec.json.encode(content))

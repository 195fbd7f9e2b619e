"""Make of a log record the event that it tells of, or none. Pure.

A record tells of an event in one of two ways. `obs.action` names the action, and every attribute
`obs.<field>` or `obs.<block>.<field>` a field of it, as docs/events.md spells them. Or its name is
one of the GenAI conventions, `gen_ai.…`: what a model's span tells already is then an act of its
own kind, `x.gen_ai.…`, so that no call is counted twice. Contents stay with the line.
"""

from __future__ import annotations

import re
from typing import Any, Final

from audit.actions import ACTIONS
from tracing.attributes import LONGEST_NAME
from tracing.contents import digest
from tracing.masked import cut
from tracing.otlp import LogRecord, Span
from tracing.semconv import Meaning, meaning_of
from tracing.span_event import Who, actor_block, agent_block, event_of, time_of

ACTION: Final = "obs.action"

_PREFIX: Final = "obs."
_GENAI: Final = "gen_ai."
_INFERENCE: Final = "gen_ai.client.inference.operation.details"
_ODD: Final = re.compile(r"[^a-z0-9]+")
_MESSAGES: Final = ("message", "choice")


def name_of(record: LogRecord) -> str:
    """Return the name of the event that a record is; empty for a plain line."""
    found = record.event_name or record.attributes.get("event.name", "")
    return found if type(found) is str else ""


def event_of_record(record: LogRecord, one: Who, *, at_ns: int) -> dict[str, Any] | None:
    """Return the event that a record tells of, without an id; None for a plain line."""
    action = record.attributes.get(ACTION)
    if type(action) is str and action:
        return _told(record, one, action, at_ns)
    name = name_of(record)
    if not name.startswith(_GENAI):
        return None
    if name == _INFERENCE and not record.span_id:
        return _call(record, one, at_ns)
    return _of_convention(record, one, name, at_ns)


def _told(record: LogRecord, one: Who, action: str, at_ns: int) -> dict[str, Any]:
    meaning = meaning_of("", record.attributes)
    event: dict[str, Any] = _base(record, one, meaning, at_ns) | {
        "category": ACTIONS.get(action, "action"),
        "action": action,
        "outcome": "unknown",
    }
    for name, value in record.attributes.items():
        if not name.startswith(_PREFIX) or value is None:
            continue
        block, _, field = name.removeprefix(_PREFIX).partition(".")
        if not field:
            event[block] = value
            continue
        members = event.setdefault(block, {})
        if type(members) is dict:
            members[field] = value
    return event


def _call(record: LogRecord, one: Who, at_ns: int) -> dict[str, Any]:
    """Return the call of a model that no span tells of."""
    said = {"gen_ai.operation.name": "chat"} | record.attributes
    span = Span(
        trace_id=record.trace_id,
        span_id="",
        parent_id="",
        name=_INFERENCE,
        kind=0,
        start_ns=at_ns,
        end_ns=at_ns,
        status=0,
        status_message="",
        attributes={},
        events=[],
        links=[],
        resource={},
        scope=record.scope,
        dropped=0,
    )
    event = event_of(span, meaning_of(_INFERENCE, said), one, "llm.call")
    del event["duration_ms"]  # a record has one time
    return event


def _of_convention(record: LogRecord, one: Who, name: str, at_ns: int) -> dict[str, Any]:
    verb = _ODD.sub("_", name.removeprefix(_GENAI).lower()).strip("_") or "event"
    is_message = verb.endswith(_MESSAGES)
    meaning = meaning_of("", {"gen_ai.operation.name": "chat"} | record.attributes)
    event = _base(record, one, meaning, at_ns)
    agent = event["agent"]["id"]
    content = record.body if record.body is not None else record.attributes
    event["details"]["otlp"]["content_sha256"] = digest(content)
    return event | {
        "category": "communication" if is_message else "llm_call",
        "action": f"x.gen_ai.{verb}"[:100],
        "outcome": "unknown",
        "target": {"type": "agent", "id": agent}
        if is_message or not meaning.model
        else {"type": "model", "id": meaning.model},
    }


def _base(record: LogRecord, one: Who, meaning: Meaning, at_ns: int) -> dict[str, Any]:
    event: dict[str, Any] = {
        "occurred_at": time_of(at_ns),
        "agent": agent_block(one, meaning),
        "actor": actor_block(one, meaning),
        "details": {
            "otlp": {
                "scope": cut(record.scope, LONGEST_NAME),
                "line": cut(name_of(record), LONGEST_NAME),
            }
        },
    }
    if record.trace_id:
        event["run"] = {"id": record.trace_id}
        event["trace"] = {"trace_id": record.trace_id}
        if record.span_id:
            event["trace"]["span_id"] = record.span_id
    return event

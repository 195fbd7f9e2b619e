"""Make of a span the event that it tells of, or none. Pure.

The fields are filled as docs/otlp.md says, from what the span says and nothing else: what it leaves
out is left out. Contents stay with the span; the event holds their digests. Chains, tasks and
whatever is no act of an agent give no event, and neither does an invocation of an agent within
another one: the outermost is the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha1
from typing import Any, Final
from uuid import UUID

import msgspec

from audit.actions import ACTIONS
from audit.cloudevents import namespace
from audit.ledger.canonical import SAFE_INTEGER
from tracing.attributes import LONGEST_NAME, text
from tracing.contents import digest, size_of
from tracing.masked import cut
from tracing.otlp import Span
from tracing.semconv import Meaning

LONGEST_MESSAGE: Final = 2000
"""Characters of an error's message."""

_TRACEBACK: Final = "Traceback (most recent call last)"

ERROR: Final = 2
"""OTLP's status of a span that failed."""

_ACTIONS: Final = {
    "invoke_agent": "run.completed",
    "execute_tool": "tool.invoke",
    "chat": "llm.call",
    "generate_content": "llm.call",
    "text_completion": "llm.call",
    "embeddings": "llm.embed",
    "retrieval": "llm.retrieve",
    "create_memory": "memory.write",
    "update_memory": "memory.write",
    "upsert_memory": "memory.write",
    "read_memory": "memory.read",
    "search_memory": "memory.search",
    "delete_memory": "memory.delete",
    "handoff": "handoff.completed",
    "plan": "plan.created",
    "loop": "loop.completed",
    "orchestrate": "orchestration.cycled",
    "create_goal": "goal.created",
    "start_goal": "goal.started",
    "complete_goal": "goal.completed",
    "fail_goal": "goal.failed",
    "read_file": "file.read",
    "write_file": "file.written",
    "delete_file": "file.deleted",
    "query_db": "db.queried",
}
_ACTIONS_BY_OUTCOME: Final = {
    "invoke_workflow": ("workflow.completed", "workflow.failed"),
    "execute_step": ("workflow.step_completed", "workflow.step_failed"),
}
_TARGETS: Final = {
    "tool_call": "tool",
    "llm_call": "model",
    "memory": "memory",
    "workflow": "workflow",
    "file": "file",
    "db": "database",
    "goal": "goal",
    "handoff": "agent",
}
_ENVIRONMENTS: Final = {
    "prod": "prod",
    "production": "prod",
    "staging": "staging",
    "stage": "staging",
    "test": "test",
    "testing": "test",
    "dev": "dev",
    "development": "dev",
}
_UNKNOWN_SERVICE: Final = "unknown_service"  # what OpenTelemetry's SDKs say for want of a name


class Who(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a resource says of the agent whose telemetry this is."""

    service: str
    agent_id: str
    """`obs.agent.id`; empty when it is not said."""
    instance: str
    version: str
    environment: str


def who(resource: Mapping[str, Any]) -> Who:
    """Return what a resource says of the agent."""
    environment = text(resource, "deployment.environment.name", "deployment.environment").lower()
    return Who(
        service=text(resource, "service.name"),
        agent_id=text(resource, "obs.agent.id"),
        instance=text(resource, "service.instance.id"),
        version=text(resource, "service.version"),
        environment=_ENVIRONMENTS.get(environment, ""),
    )


def agent_of(one: Who, name: str) -> str:
    """Return the agent's id: its own, else the service's name with the agent's name after a `/`."""
    if one.agent_id:
        return one.agent_id
    service = one.service or _UNKNOWN_SERVICE
    return cut(f"{service}/{name}", LONGEST_NAME) if name else service


def action_of(meaning: Meaning, *, is_error: bool) -> str:
    """Return the action that a span tells of; empty when it tells of none."""
    pair = _ACTIONS_BY_OUTCOME.get(meaning.operation)
    if pair is not None:
        return pair[is_error]
    return _ACTIONS.get(meaning.operation, "")


def told_already(span: Span) -> str:
    """Return the id of the event that the sender posted for this act itself; else empty.

    Our SDK says it as `obs.event.id`, so that an act is one entry however many ways tell of it.
    """
    if "obs.event.id" not in span.attributes:
        return ""
    try:
        return str(UUID(text(span.attributes, "obs.event.id")))
    except ValueError:  # no id: the span speaks for itself, as any other
        return ""


def event_id(ledger: str, trace_id: str, span_id: str) -> UUID:
    """Return the id of a span's event: UUIDv5 of both ids in the ledger's own namespace."""
    # What uuid.uuid5 does, without writing out the namespace each time.
    said = _namespace(ledger) + f"{trace_id}\n{span_id}".encode()
    return UUID(bytes=sha1(said, usedforsecurity=False).digest()[:16], version=5)


@lru_cache(maxsize=256)
def _namespace(ledger: str) -> bytes:
    return namespace(ledger).bytes


def event_of(span: Span, meaning: Meaning, one: Who, action: str) -> dict[str, Any]:
    """Return the event of this action that a span tells of; its id is the caller's to give."""
    is_error = span.status == ERROR
    category = ACTIONS[action]
    event: dict[str, Any] = {
        "occurred_at": time_of(span.end_ns),
        "category": category,
        "action": action,
        "outcome": "error" if is_error else "success",
        "duration_ms": _whole_if_can(max(0, span.end_ns - span.start_ns) // 1000 / 1000),
        "agent": agent_block(one, meaning),
        "actor": actor_block(one, meaning),
        "run": _without_empty(
            {
                "id": span.trace_id,
                "phase": meaning.phase,
                "mode": meaning.mode,
                "goal_id": meaning.goal_id,
            }
        ),
        "trace": _without_empty(
            {
                "trace_id": span.trace_id,
                "span_id": span.span_id,
                "parent_id": span.parent_id,
                "conversation_id": meaning.session,
            }
        ),
        "details": {"otlp": _details(span, meaning)},
    }
    target = _target(category, action, meaning, span)
    if target is not None:
        event["target"] = target
    if is_error:
        error = _error(span, meaning)
        if error:
            event["error"] = error
    _add_blocks(event, category, meaning)
    return event


def time_of(ns: int) -> str:
    """Return nanoseconds since 1970 as a time in UTC, cut to microseconds."""
    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{_second(seconds)}.{rest // 1000:06d}Z"


@lru_cache(maxsize=1024)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()


def agent_block(one: Who, meaning: Meaning) -> dict[str, str]:
    """Return the event's `agent`."""
    return _without_empty(
        {
            "id": agent_of(one, meaning.agent_name),
            "name": meaning.agent_name,
            "role": meaning.agent_role,
            "version": meaning.agent_version or one.version,
            "instance_id": one.instance,
            "environment": one.environment,
        }
    )


def actor_block(one: Who, meaning: Meaning) -> dict[str, str]:
    """Return the event's `actor`: the user that the span names, else the agent itself."""
    actor = (
        {"type": "human", "id": meaning.user}
        if meaning.user
        else {"type": "agent", "id": agent_of(one, meaning.agent_name)}
    )
    if meaning.session:
        actor["session_id"] = meaning.session
    return actor


def _details(span: Span, meaning: Meaning) -> dict[str, str]:
    return _without_empty(
        {
            "span": cut(span.name, LONGEST_NAME),
            "scope": cut(span.scope, LONGEST_NAME),
            "agent_id": meaning.agent_id,
        }
    )


def _target(category: str, action: str, meaning: Meaning, span: Span) -> dict[str, str] | None:
    """Return what the act was on; where it must be named and is not, by the span's own name."""
    kind = _TARGETS.get(category) or _TARGETS.get(action.partition(".")[0])
    if kind is None:
        return None
    name = meaning.subject
    if category == "workflow":
        name = meaning.workflow or meaning.workflow_id or meaning.subject
    if not name and category == "action":
        return None
    return {"type": kind, "id": name or cut(span.name, LONGEST_NAME) or kind}


def _error(span: Span, meaning: Meaning) -> dict[str, str]:
    message = span.status_message or meaning.error_message
    if _TRACEBACK in message:  # the exception's own words, where they were sent as well
        message = meaning.error_message or message
    return _without_empty({"type": meaning.error_type, "message": cut(message, LONGEST_MESSAGE)})


def _add_blocks(event: dict[str, Any], category: str, meaning: Meaning) -> None:
    if category == "tool_call":
        event["tool"] = _tool(meaning)
    elif category == "llm_call":
        event["model"] = _model(meaning)
        event["usage"] = _usage(meaning)
    elif category == "memory":
        event["memory"] = _without_empty(
            {"store": meaning.store, "type": meaning.memory_type, "cache_hit": meaning.cache_hit}
        )
    elif category == "workflow":
        event["workflow"] = _without_empty(
            {
                "id": meaning.workflow_id,
                "name": meaning.workflow,
                "step_id": meaning.step_id,
                "step_type": meaning.step_type,
            }
        )
    elif event["action"] == "plan.created":
        event["plan"] = _without_empty(
            {"quality": _whole_if_can(meaning.quality), "steps": meaning.steps}
        )


def _tool(meaning: Meaning) -> dict[str, Any]:
    size = meaning.result_bytes
    return _without_empty(
        {
            "name": meaning.subject,
            "kind": meaning.tool_kind,
            "server": meaning.tool_server,
            "call_id": meaning.call_id,
            "arguments_hash": digest(meaning.arguments),
            "result_hash": digest(meaning.result),
            "result_bytes": size_of(meaning.result) if size is None else size,
        }
    )


def _model(meaning: Meaning) -> dict[str, Any]:
    return _without_empty(
        {
            "provider": meaning.provider,
            "name": meaning.model,
            "version": meaning.model_version,
            "operation": meaning.model_operation,
            "request_id": meaning.request_id,
            "finish_reason": meaning.finish_reason,
            "temperature": _whole_if_can(meaning.temperature),
            "prompt_hash": digest(meaning.prompt),
            "response_hash": digest(meaning.response),
            "system_prompt_hash": digest(meaning.system_prompt),
        }
    )


def _usage(meaning: Meaning) -> dict[str, Any]:
    return _without_empty(
        {
            "input_tokens": meaning.input_tokens,
            "output_tokens": meaning.output_tokens,
            "cache_read_tokens": meaning.cache_read_tokens,
            "reasoning_tokens": meaning.reasoning_tokens,
            "cost_usd": _whole_if_can(meaning.cost_usd),
        }
    )


def _without_empty(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None and value != ""}


def _whole_if_can(value: float | None) -> float | None:
    """Return 50.0 as 50, which is how the canonical form writes it and spares a second look."""
    if type(value) is float and value.is_integer() and abs(value) <= SAFE_INTEGER:
        return int(value)
    return value

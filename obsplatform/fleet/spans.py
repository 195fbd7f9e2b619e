"""What tracing of the fleet's agents says of tasks that they also post: spans and log lines. Pure.

Made of the events alone, without any chance: the same events, the same spans. Each names the event
that its act is told by (`obs.event.id`), so that none becomes a second entry. A task is a run that
has ended in production; its root is the run, below it stand calls of models, tools and memory.
The format is OTLP's JSON. Times within a task are the events'; a call begins no earlier than the
act before it ended, since stories that take hours are told in minutes. Who sends: manage.py demo.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

import msgspec

from obsplatform.fleet.agents import RESEARCH, WORKERS
from obsplatform.fleet.teller import Event

Json: TypeAlias = dict[str, Any]

_OPERATIONS: Final = {
    "llm.call": "chat",
    "llm.embed": "embeddings",
    "llm.retrieve": "retrieval",
    "tool.invoke": "execute_tool",
    "memory.search": "search_memory",
    "memory.read": "read_memory",
    "memory.write": "create_memory",
    "memory.delete": "delete_memory",
}
_FAILED: Final = frozenset({"error", "failure"})
_SCOPE: Final = "meridian.agents"
_INTERNAL, _CLIENT = 1, 3
_OK, _ERROR = 1, 2
_INFO, _WARN = 9, 13
_TRIES: Final = 4
"""How often the research agent's client sends one call before an answer comes: planted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """A run of an agent, as its tracing tells it."""

    trace_id: str
    ends_at: datetime
    resource: Json
    spans: tuple[Json, ...]
    """As OTLP's JSON has them; the root last, since it ends last."""
    lines: tuple[Json, ...]
    """Log records."""


def tasks(events: Iterable[Event]) -> list[Task]:
    """Return the tasks that end in these events, in the order in which they end."""
    traced = {agent.id for agent in WORKERS}
    by_trace: dict[str, list[Event]] = {}
    for event in events:
        agent = event["agent"]
        if agent["id"] in traced and agent["environment"] == "prod" and "instance_id" in agent:
            by_trace.setdefault(event["trace"]["trace_id"], []).append(event)
    found: list[Task] = []
    loops = True
    for told in by_trace.values():
        if told[-1]["action"] != "run.completed":
            continue
        is_loop = loops and told[0]["agent"]["id"] == RESEARCH.id and _calls_a_tool(told)
        loops = loops and not is_loop
        found.append(_task(told, is_loop=is_loop))
    return sorted(found, key=lambda task: task.ends_at)


def spans_body(told: Sequence[Task]) -> bytes:
    """Return a request to /v1/traces."""
    return msgspec.json.encode(
        {
            "resourceSpans": [
                {
                    "resource": {"attributes": _attributes(task.resource)},
                    "scopeSpans": [{"scope": {"name": _SCOPE}, "spans": task.spans}],
                }
                for task in told
            ]
        }
    )


def lines_body(told: Sequence[Task]) -> bytes:
    """Return a request to /v1/logs."""
    return msgspec.json.encode(
        {
            "resourceLogs": [
                {
                    "resource": {"attributes": _attributes(task.resource)},
                    "scopeLogs": [{"scope": {"name": _SCOPE}, "logRecords": task.lines}],
                }
                for task in told
            ]
        }
    )


# --- One task ------------------------------------------------------------------------------------


def _calls_a_tool(told: Sequence[Event]) -> bool:
    return any(event["action"] == "tool.invoke" for event in told)


def _task(told: Sequence[Event], *, is_loop: bool) -> Task:
    ended = told[-1]
    root = ended["trace"].get("parent_id", ended["trace"]["span_id"])
    spans: list[Json] = []
    lines = [_line(told[0], root, "took a task", _INFO)]
    before = _ns(told[0])
    for event in told[1:-1]:
        if event["action"] in _OPERATIONS:
            span = _call(event, root=root, not_before=before)
            spans.append(span)
            if is_loop and event["action"] == "tool.invoke":
                spans += _tries(event, span)
                lines.append(_line(event, span["spanId"], "no answer yet, sent again", _WARN))
                is_loop = False
            if event["outcome"] in _FAILED:
                why = event.get("error", {}).get("message", "failed")
                lines.append(_line(event, span["spanId"], f"{span['name']}: {why}", _WARN))
        before = _ns(event)
    spans.append(_run(told, root))
    said = "gave the task up" if ended["outcome"] in _FAILED else "ended the task"
    lines.append(_line(ended, root, said, _WARN if ended["outcome"] in _FAILED else _INFO))
    agent = ended["agent"]
    return Task(
        trace_id=ended["trace"]["trace_id"],
        ends_at=datetime.fromisoformat(ended["occurred_at"]),
        resource={
            "service.name": agent["id"],
            "service.version": agent["version"],
            "service.instance.id": agent["instance_id"],
            "deployment.environment.name": agent["environment"],
            "obs.agent.id": agent["id"],
        },
        spans=tuple(spans),
        lines=tuple(lines),
    )


def _run(told: Sequence[Event], root: str) -> Json:
    ended = told[-1]
    agent = ended["agent"]
    said = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": agent["name"]}
    span = _span(ended, f"invoke_agent {agent['name']}", said, start=_ns(told[0]))
    return span | {"spanId": root, "parentSpanId": "", "kind": _INTERNAL}


def _call(event: Event, *, root: str, not_before: int) -> Json:
    operation = _OPERATIONS[event["action"]]
    subject, said = _named(event)
    took = int(event.get("duration_ms", 0) * 1_000_000)
    span = _span(
        event,
        f"{operation} {subject}",
        {"gen_ai.operation.name": operation, **said},
        start=max(not_before, _ns(event) - took),
    )
    return span | {"parentSpanId": root, "kind": _CLIENT}


def _named(event: Event) -> tuple[str, Json]:
    """Return what a call is of, and what its span says of that."""
    if "model" in event:
        model, usage = event["model"], event.get("usage", {})
        said = {
            "gen_ai.provider.name": model["provider"],
            "gen_ai.request.model": model["name"],
            "gen_ai.response.id": model["request_id"],
            "gen_ai.usage.input_tokens": usage.get("input_tokens"),
            "gen_ai.usage.output_tokens": usage.get("output_tokens"),
            "gen_ai.usage.cache_read.input_tokens": usage.get("cache_read_tokens"),
            "gen_ai.usage.cost": usage.get("cost_usd"),
        }
        return model["name"], {name: value for name, value in said.items() if value is not None}
    if "tool" in event:
        tool = event["tool"]
        return tool["name"], {
            "gen_ai.tool.name": tool["name"],
            "gen_ai.tool.call.id": tool["call_id"],
            # What was asked stays with the agent, as for its events: here stands its digest.
            "gen_ai.tool.call.arguments": f'{{"sha256":"{tool["arguments_hash"]}"}}',
        }
    store = event["memory"]["store"]
    return store, {"gen_ai.memory.store.name": store}


def _tries(event: Event, whole: Json) -> list[Json]:
    """Return the same call, sent again and again within the one that the event tells of."""
    begins, ends = int(whole["startTimeUnixNano"]), int(whole["endTimeUnixNano"])
    each = (ends - begins) // _TRIES
    made: list[Json] = []
    for number in range(_TRIES):
        start = begins + number * each
        one = whole | {
            "spanId": hashlib.sha256(f"{event['id']}/{number}".encode()).hexdigest()[:16],
            "parentSpanId": whole["spanId"],
            "startTimeUnixNano": str(start),
            "endTimeUnixNano": str(start + each),
        }
        if number < _TRIES - 1:
            one["status"] = {"code": _ERROR, "message": "no answer in time"}
        made.append(one)
    return made


def _span(event: Event, name: str, said: Mapping[str, Any], *, start: int) -> Json:
    trace = event["trace"]
    about = {**said, "obs.event.id": event["id"]}
    if "conversation_id" in trace:
        about["gen_ai.conversation.id"] = trace["conversation_id"]
    status: Json = {"code": _OK}
    if event["outcome"] in _FAILED:
        error = event.get("error", {})
        status = {"code": _ERROR, "message": error.get("message", event["outcome"])}
        about["error.type"] = error.get("type", event["outcome"])
    return {
        "traceId": trace["trace_id"],
        "spanId": trace["span_id"],
        "name": name,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(_ns(event)),
        "attributes": _attributes(about),
        "status": status,
    }


def _line(event: Event, span_id: str, said: str, severity: int) -> Json:
    return {
        "timeUnixNano": str(_ns(event)),
        "severityNumber": severity,
        "body": {"stringValue": said},
        "traceId": event["trace"]["trace_id"],
        "spanId": span_id,
        "attributes": _attributes(
            {"logger": f"{event['agent']['id']}.tasks", "task_id": event["run"]["id"]}
        ),
    }


def _ns(event: Event) -> int:
    return int(datetime.fromisoformat(event["occurred_at"]).timestamp() * 1000) * 1_000_000


def _attributes(said: Mapping[str, Any]) -> list[Json]:
    return [{"key": name, "value": _value(value)} for name, value in said.items()]


def _value(value: str | int | float) -> Json:
    if isinstance(value, str):
        return {"stringValue": value}
    return {"intValue": str(value)} if isinstance(value, int) else {"doubleValue": value}

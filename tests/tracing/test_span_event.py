"""Each operation gives one action, which the schema of events accepts; the rest gives none."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from audit.parse import parse_event
from tests.tracing.otlp_requests import NOON, body, new_id, span
from tracing import otlp
from tracing.semconv import meaning_of
from tracing.span_event import action_of, event_of, time_of, who

GENAI = "gen_ai.operation.name"

# (what it does, the attributes beside it, on success, on error)
ACTIONS: list[tuple[str, dict[str, Any], str, str]] = [
    ("invoke_agent", {}, "run.completed", "run.completed"),
    ("execute_tool", {"gen_ai.tool.name": "a"}, "tool.invoke", "tool.invoke"),
    ("chat", {"gen_ai.request.model": "a"}, "llm.call", "llm.call"),
    ("generate_content", {}, "llm.call", "llm.call"),
    ("text_completion", {}, "llm.call", "llm.call"),
    ("embeddings", {}, "llm.embed", "llm.embed"),
    ("retrieval", {"gen_ai.data_source.id": "kb"}, "llm.retrieve", "llm.retrieve"),
    ("create_memory", {}, "memory.write", "memory.write"),
    ("update_memory", {}, "memory.write", "memory.write"),
    ("upsert_memory", {}, "memory.write", "memory.write"),
    ("search_memory", {}, "memory.search", "memory.search"),
    ("delete_memory", {}, "memory.delete", "memory.delete"),
    ("invoke_workflow", {}, "workflow.completed", "workflow.failed"),
    ("plan", {"plan.quality": 0.5, "plan.steps": 3}, "plan.created", "plan.created"),
    ("create_agent", {}, "", ""),
    ("create_memory_store", {}, "", ""),
    ("delete_memory_store", {}, "", ""),
    ("rerank", {}, "", ""),
    ("something_new", {}, "", ""),
]
# (the span's name, its attributes, the action)
BY_NAME: list[tuple[str, dict[str, Any], str]] = [
    ("agent.execute", {}, "run.completed"),
    ("agent.loop", {"phase": "act"}, "loop.completed"),
    ("tool.execute", {"tool.name": "a"}, "tool.invoke"),
    ("llm.generate", {"llm.model": "a"}, "llm.call"),
    ("workflow.execute", {"workflow.id": "w"}, "workflow.completed"),
    ("node.fetch", {"node.type": "http"}, "workflow.step_completed"),
    ("node.fetch", {}, ""),
    ("memory.store", {"memory_type": "long"}, "memory.write"),
    ("memory.read", {}, "memory.read"),
    ("memory.rest", {}, ""),
    ("planning.plan", {"quality": 1, "steps": 2}, "plan.created"),
    ("orchestration.cycle", {}, "orchestration.cycled"),
    ("goal.create", {"goal.id": "g", "mode": "auto"}, "goal.created"),
    ("goal.start", {}, "goal.started"),
    ("goal.complete", {}, "goal.completed"),
    ("goal.fail", {}, "goal.failed"),
    ("file.read", {"file.path": "a"}, "file.read"),
    ("file.write", {}, "file.written"),
    ("file.delete", {}, "file.deleted"),
    ("db.query", {"db.system": "postgresql"}, "db.queried"),
    ("GET /users", {"http.request.method": "GET"}, ""),
]


def event(
    name: str,
    attributes: dict[str, Any],
    *,
    resource: dict[str, Any] | None = None,
    **fields: Any,
) -> dict[str, Any] | None:
    """Return the event of a span that came in protobuf, checked against the schema of events."""
    (sent,) = otlp.spans_of(body([span(name, attributes, **fields)], resource=resource))
    meaning = meaning_of(sent.name, sent.attributes, events=sent.events)
    action = action_of(meaning, is_error=sent.status == 2)
    if not action:
        return None
    made = event_of(sent, meaning, who(sent.resource), action)
    parse_event(msgspec.json.encode(made), default_id=None)
    return made


@pytest.mark.parametrize(
    ("operation", "said", "success", "error"), ACTIONS, ids=[each[0] for each in ACTIONS]
)
def test_an_operation_gives_its_action(
    operation: str, said: dict[str, Any], success: str, error: str
) -> None:
    good = event("x", {GENAI: operation, **said})
    bad = event("x", {GENAI: operation, **said}, status=2)

    assert ((good or {}).get("action", ""), (good or {}).get("outcome")) == (
        success,
        "success" if success else None,
    )
    assert ((bad or {}).get("action", ""), (bad or {}).get("outcome")) == (
        error,
        "error" if error else None,
    )


@pytest.mark.parametrize(("name", "said", "action"), BY_NAME)
def test_a_plain_name_gives_its_action(name: str, said: dict[str, Any], action: str) -> None:
    found = event(name, said)

    assert ("" if found is None else found["action"]) == action


@pytest.mark.parametrize(
    ("resource", "said", "agent"),
    [
        ({}, {}, "desk"),
        ({}, {"gen_ai.agent.name": "planner"}, "desk/planner"),
        ({"obs.agent.id": "a-7"}, {"gen_ai.agent.name": "planner"}, "a-7"),
        ({"service.name": ""}, {}, "unknown_service"),
        ({"service.name": "s" * 300}, {"gen_ai.agent.name": "p"}, "s" * 200),
    ],
)
def test_an_agent_is_called_as_its_sender_calls_it(
    resource: dict[str, Any], said: dict[str, Any], agent: str
) -> None:
    found = event("x", {GENAI: "chat", **said}, resource=resource)

    assert found is not None
    assert found["agent"]["id"] == found["actor"]["id"] == agent
    assert found["actor"]["type"] == "agent"


@pytest.mark.parametrize(
    "said",
    [
        {"user.id": "u-1"},
        {"enduser.id": "u-1"},
        {"traceloop.association.properties.user_id": "u-1"},
    ],
)
def test_a_user_that_is_named_is_the_actor(said: dict[str, Any]) -> None:
    found = event("x", {GENAI: "chat", **said})

    assert found is not None
    assert found["actor"] == {"type": "human", "id": "u-1"}


def test_the_resource_says_version_instance_and_environment() -> None:
    resource = {
        "service.version": "1.2",
        "service.instance.id": "i-1",
        "deployment.environment.name": "Production",
    }

    found = event("x", {GENAI: "chat"}, resource=resource)
    odd = event("x", {GENAI: "chat"}, resource={"deployment.environment": "qa-7"})

    assert found is not None
    assert odd is not None
    assert found["agent"] == {
        "id": "desk",
        "version": "1.2",
        "instance_id": "i-1",
        "environment": "prod",
    }
    assert "environment" not in odd["agent"]


def test_an_error_has_its_type_and_message_and_is_no_longer_than_it_may_be() -> None:
    found = event(
        "x",
        {GENAI: "execute_tool", "error.type": "Timeout"},
        status=2,
        message="m" * 5000,
    )
    plain = event("x", {GENAI: "execute_tool"}, status=2)

    assert found is not None
    assert plain is not None
    assert found["error"] == {"type": "Timeout", "message": "m" * 2000}
    assert "error" not in plain


def test_what_is_not_named_is_named_by_the_span_where_a_target_is_needed() -> None:
    tool = event("search.tool", {GENAI: "execute_tool"})
    run = event("run", {GENAI: "invoke_agent"})

    assert tool is not None
    assert run is not None
    assert tool["target"] == {"type": "tool", "id": "search.tool"}
    assert "name" not in tool["tool"]
    assert "target" not in run


def test_contents_are_in_the_event_by_their_digests_alone() -> None:
    secret = "the patient's name"
    call = event(
        "x",
        {
            GENAI: "chat",
            "gen_ai.input.messages": f'[{{"role":"user","content":"{secret}"}}]',
            "gen_ai.output.messages": secret,
            "gen_ai.system_instructions": secret,
        },
    )
    tool = event(
        "x",
        {
            GENAI: "execute_tool",
            "gen_ai.tool.call.arguments": {"q": secret},
            "gen_ai.tool.call.result": secret,
        },
    )

    assert call is not None
    assert tool is not None
    assert call["model"].keys() == {
        "operation",
        "prompt_hash",
        "response_hash",
        "system_prompt_hash",
    }
    assert tool["tool"].keys() == {"arguments_hash", "result_hash", "result_bytes"}
    assert tool["tool"]["result_bytes"] == len(secret)
    assert secret not in msgspec.json.encode([call, tool]).decode()


def test_times_are_cut_to_microseconds_and_a_span_that_ends_before_it_began_took_none() -> None:
    found = event("x", {GENAI: "chat"}, start=NOON + 1999, end=NOON + 1_001_999, trace=new_id(16))
    backwards = event("x", {GENAI: "chat"}, start=NOON, end=NOON - 5)

    assert found is not None
    assert backwards is not None
    assert found["occurred_at"] == time_of(NOON + 1_001_999) == "2026-11-21T12:00:00.001001Z"
    assert (found["duration_ms"], backwards["duration_ms"]) == (1, 0)

"""Each convention says the same in its own words, and what is not said stays empty."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tracing.contents import digest, size_of
from tracing.semconv import Meaning, meaning_of

CALL = {
    "operation": "chat",
    "subject": "gpt-4o",
    "provider": "openai",
    "model": "gpt-4o",
    "model_operation": "chat",
    "input_tokens": 120,
    "output_tokens": 40,
    "session": "s-1",
}
TOOL = {
    "operation": "execute_tool",
    "subject": "search",
    "call_id": "call_1",
    "arguments": '{"q": "tax"}',
    "result": "found",
}

# (convention, the span's name, its attributes, what they mean)
SPELLINGS: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    (
        "GenAI, oldest",
        "chat gpt-4o",
        {
            "gen_ai.system": "openai",
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.prompt_tokens": 120,
            "gen_ai.usage.completion_tokens": 40,
            "session.id": "s-1",
        },
        CALL,
    ),
    (
        "GenAI, newest",
        "chat gpt-4o",
        {
            "gen_ai.provider.name": "openai",
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.response.model": "gpt-4o-2024-08-06",
            "gen_ai.response.id": "resp_1",
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.request.temperature": 0.2,
            "gen_ai.usage.input_tokens": 120,
            "gen_ai.usage.output_tokens": 40,
            "gen_ai.usage.cache_read.input_tokens": 64,
            "gen_ai.usage.reasoning.output_tokens": 8,
            "gen_ai.conversation.id": "s-1",
            "gen_ai.agent.name": "planner",
            "gen_ai.agent.id": "asst_1",
            "gen_ai.agent.version": "2",
        },
        CALL
        | {
            "model_version": "gpt-4o-2024-08-06",
            "request_id": "resp_1",
            "finish_reason": "stop",
            "temperature": 0.2,
            "cache_read_tokens": 64,
            "reasoning_tokens": 8,
            "agent_name": "planner",
            "agent_id": "asst_1",
            "agent_version": "2",
        },
    ),
    (
        "OpenInference",
        "ChatOpenAI",
        {
            "openinference.span.kind": "LLM",
            "llm.provider": "openai",
            "llm.model_name": "gpt-4o",
            "llm.token_count.prompt": 120,
            "llm.token_count.completion": 40,
            "llm.token_count.prompt_details.cache_read": 64,
            "llm.cost.total": 0.0125,
            "llm.input_messages.0.message.role": "system",
            "llm.input_messages.0.message.content": "Be brief.",
            "llm.input_messages.1.message.role": "user",
            "llm.input_messages.1.message.content": "Hello",
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.content": "Hi",
            "session.id": "s-1",
            "user.id": "u-1",
        },
        CALL
        | {
            "cache_read_tokens": 64,
            "cost_usd": 0.0125,
            "user": "u-1",
            "prompt": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Hello"},
            ],
            "response": [{"role": "assistant", "content": "Hi"}],
            "system_prompt": "Be brief.",
        },
    ),
    (
        "OpenLLMetry",
        "openai.chat",
        {
            "llm.request.type": "chat",
            "gen_ai.system": "OpenAI",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.input_tokens": 120,
            "gen_ai.usage.output_tokens": 40,
            "llm.usage.total_tokens": 160,
            "gen_ai.prompt.0.role": "user",
            "gen_ai.prompt.0.content": "Hello",
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.content": "Hi",
            "gen_ai.completion.0.finish_reason": "stop",
            "traceloop.association.properties.session_id": "s-1",
            "traceloop.association.properties.user_id": "u-1",
        },
        CALL
        | {
            "user": "u-1",
            "prompt": [{"role": "user", "content": "Hello"}],
            "response": [{"role": "assistant", "content": "Hi", "finish_reason": "stop"}],
            "finish_reason": "stop",
        },
    ),
    (
        "plain names",
        "llm.generate",
        {
            "llm.provider": "openai",
            "llm.model": "gpt-4o",
            "llm.tokens.prompt": 120,
            "llm.tokens.completion": 40,
            "llm.tokens.total": 160,
            "session.id": "s-1",
        },
        CALL,
    ),
    (
        "GenAI, tool",
        "execute_tool search",
        {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "search",
            "gen_ai.tool.type": "function",
            "gen_ai.tool.call.id": "call_1",
            "gen_ai.tool.call.arguments": '{"q": "tax"}',
            "gen_ai.tool.call.result": "found",
        },
        TOOL | {"tool_kind": "function"},
    ),
    (
        "OpenInference, tool",
        "search",
        {
            "openinference.span.kind": "TOOL",
            "tool.name": "search",
            "tool_call.id": "call_1",
            "input.value": '{"q": "tax"}',
            "output.value": "found",
        },
        TOOL,
    ),
    (
        "OpenLLMetry, tool",
        "search.tool",
        {
            "traceloop.span.kind": "tool",
            "traceloop.entity.name": "search",
            "traceloop.entity.input": '{"q": "tax"}',
            "traceloop.entity.output": "found",
        },
        TOOL | {"call_id": ""},
    ),
    (
        "plain names, tool",
        "tool.execute",
        {"tool.name": "search", "tool.parameters": '{"q": "tax"}', "tool.result_size": 5},
        TOOL | {"call_id": "", "result": None, "result_bytes": 5},
    ),
    (
        "MCP",
        "tools/call search",
        {"mcp.method.name": "tools/call", "gen_ai.tool.name": "search", "server.address": "mcp.x"},
        TOOL
        | {
            "call_id": "",
            "arguments": None,
            "result": None,
            "tool_kind": "mcp",
            "tool_server": "mcp.x",
        },
    ),
    (
        "GenAI, agent",
        "invoke_agent planner",
        {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"},
        {"operation": "invoke_agent", "subject": "planner", "agent_name": "planner"},
    ),
    (
        "OpenInference, agent",
        "Planner",
        {"openinference.span.kind": "AGENT", "agent.name": "planner"},
        {"operation": "invoke_agent", "subject": "planner", "agent_name": "planner"},
    ),
    (
        "OpenLLMetry, agent",
        "planner.agent",
        {"traceloop.span.kind": "agent", "traceloop.entity.name": "planner"},
        {"operation": "invoke_agent", "subject": "planner", "agent_name": "planner"},
    ),
    (
        "plain names, agent",
        "agent.execute",
        {"agent.id": "a-1", "agent.role": "planner", "task": "plan", "error.type": "Boom"},
        {
            "operation": "invoke_agent",
            "agent_id": "a-1",
            "agent_role": "planner",
            "error_type": "Boom",
        },
    ),
    (
        "OpenLLMetry, workflow",
        "report.workflow",
        {"traceloop.span.kind": "workflow", "traceloop.entity.name": "report"},
        {"operation": "invoke_workflow", "subject": "report", "workflow": "report"},
    ),
    (
        "plain names, workflow",
        "workflow.execute",
        {"workflow.id": "w-1", "workflow.name": "report"},
        {
            "operation": "invoke_workflow",
            "subject": "report",
            "workflow": "report",
            "workflow_id": "w-1",
        },
    ),
    (
        "plain names, step",
        "node.fetch",
        {"workflow.id": "w-1", "node.type": "http"},
        {
            "operation": "execute_step",
            "subject": "fetch",
            "workflow_id": "w-1",
            "step_id": "fetch",
            "step_type": "http",
        },
    ),
    (
        "GenAI, memory",
        "search_memory notes",
        {
            "gen_ai.operation.name": "search_memory",
            "gen_ai.memory.store.name": "notes",
            "gen_ai.memory.type": "long_term",
        },
        {
            "operation": "search_memory",
            "subject": "notes",
            "store": "notes",
            "memory_type": "long_term",
        },
    ),
    (
        "plain names, memory",
        "memory.retrieve",
        {"memory_type": "short", "cache_hit": True},
        {"operation": "read_memory", "memory_type": "short", "cache_hit": True},
    ),
    (
        "plain names, planning",
        "planning.plan",
        {"quality": 0.5, "steps": 4},
        {"operation": "plan", "quality": 0.5, "steps": 4},
    ),
    ("plain names, loop", "agent.loop", {"phase": "act"}, {"operation": "loop", "phase": "act"}),
    (
        "plain names, goal",
        "goal.complete",
        {"goal.id": "g-1", "mode": "auto"},
        {"operation": "complete_goal", "subject": "g-1", "goal_id": "g-1", "mode": "auto"},
    ),
    (
        "plain names, file",
        "file.write",
        {"file.path": "a.txt"},
        {"operation": "write_file", "subject": "a.txt"},
    ),
    (
        "plain names, database",
        "db.query",
        {"db.system": "postgresql"},
        {"operation": "query_db", "subject": "postgresql"},
    ),
    (
        "OpenInference, embedding",
        "embed",
        {"openinference.span.kind": "EMBEDDING", "embedding.model_name": "ada"},
        {
            "operation": "embeddings",
            "subject": "ada",
            "model": "ada",
            "model_operation": "embedding",
        },
    ),
    (
        "OpenLLMetry, retriever of LangChain",
        "vector_db_retrieve Rules",
        {
            "gen_ai.operation.name": "vector_db_retrieve",
            "gen_ai.provider.name": "langgraph",
            "gen_ai.task.status": "success",
            "traceloop.span.kind": "task",
            "traceloop.entity.name": "Rules",
            "traceloop.entity.path": "read",
            "traceloop.entity.input": '{"query": "How is claim 4711?"}',
            "traceloop.entity.output": '{"documents": []}',
            "traceloop.association.properties.thread_id": "talk-1",
        },
        {
            "operation": "retrieval",
            "subject": "Rules",
            "provider": "langgraph",
            "model_operation": "retrieval",
            "session": "talk-1",
            "prompt": '{"query": "How is claim 4711?"}',
            "response": '{"documents": []}',
        },
    ),
    (
        "OpenLLMetry, model of LangChain that has no name",
        "GenericFakeChatModel.chat",
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "langchain",
            "gen_ai.request.model": "unknown",
            "gen_ai.response.model": "unknown",
            "gen_ai.usage.input_tokens": 31,
            "gen_ai.usage.output_tokens": 7,
            "gen_ai.usage.total_tokens": 38,
            "traceloop.association.properties.thread_id": "talk-1",
        },
        {
            "operation": "chat",
            "provider": "langchain",
            "model_operation": "chat",
            "input_tokens": 31,
            "output_tokens": 7,
            "session": "talk-1",
        },
    ),
    (
        "OpenInference, model of LangChain",
        "GenericFakeChatModel",
        {
            "openinference.span.kind": "LLM",
            "llm.provider": "genericfakechatmodel",
            "llm.finish_reason": "tool_calls",
            "llm.invocation_parameters": '{"_type": "generic-fake-chat-model"}',
            "llm.token_count.prompt": 31,
            "llm.token_count.completion": 7,
            "llm.token_count.total": 38,
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.content": "How is claim 4711?",
            "metadata": '{"thread_id": "talk-1"}',
            "session.id": "talk-1",
        },
        {
            "operation": "chat",
            "provider": "genericfakechatmodel",
            "model_operation": "chat",
            "finish_reason": "tool_calls",
            "input_tokens": 31,
            "output_tokens": 7,
            "session": "talk-1",
            "prompt": [{"role": "user", "content": "How is claim 4711?"}],
        },
    ),
    (
        "OpenInference, handoff of openai-agents",
        "handoff to letters",
        {"openinference.span.kind": "TOOL", "input.value": "claims", "output.value": "letters"},
        {"operation": "handoff", "subject": "letters"},
    ),
    (
        "OpenInference, a tool whose name reads like a handoff",
        "handoff to letters",
        {"openinference.span.kind": "TOOL", "tool.name": "handoff to letters"},
        {"operation": "execute_tool", "subject": "handoff to letters"},
    ),
    (
        "OpenLLMetry, handoff of openai-agents",
        "claims → letters.handoff",
        {
            "gen_ai.operation.name": "handoff",
            "gen_ai.provider.name": "openai",
            "gen_ai.agent.name": "claims",
            "gen_ai.handoff.from_agent": "claims",
            "gen_ai.handoff.to_agent": "letters",
            "traceloop.span.kind": "handoff",
        },
        {"operation": "handoff", "subject": "letters", "agent_name": "claims"},
    ),
    ("OpenInference, chain", "x", {"openinference.span.kind": "CHAIN"}, {"operation": "chain"}),
    ("OpenLLMetry, task", "x.task", {"traceloop.span.kind": "task"}, {"operation": "task"}),
    ("a web server", "GET /", {"http.request.method": "GET", "db.system": "x"}, {}),
]


@pytest.mark.parametrize(
    ("convention", "name", "said", "expected"), SPELLINGS, ids=[each[0] for each in SPELLINGS]
)
def test_every_convention_meets_in_one_meaning(
    convention: str, name: str, said: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert meaning_of(name, said) == Meaning(**expected)


@pytest.mark.parametrize(
    "said",
    [
        {"gen_ai.usage.input_tokens": -1},
        {"gen_ai.usage.input_tokens": "many"},
        {"gen_ai.usage.input_tokens": 1.5},
        {"gen_ai.usage.input_tokens": 2**60},
        {"gen_ai.usage.input_tokens": True},
        {"gen_ai.request.model": ["a"]},
        {"gen_ai.request.model": {"a": 1}},
        {"gen_ai.request.temperature": "hot"},
        {"llm.cost.total": -0.5},
        {"gen_ai.response.finish_reasons": [{"a": 1}]},
    ],
)
def test_what_is_of_the_wrong_type_counts_as_not_said(said: dict[str, Any]) -> None:
    expected = Meaning(operation="chat", model_operation="chat")

    assert meaning_of("x", {"gen_ai.operation.name": "chat", **said}) == expected


def test_names_are_cut_and_numbers_may_come_as_text() -> None:
    found = meaning_of(
        "x",
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "m" * 900,
            "gen_ai.usage.input_tokens": "12",
            "gen_ai.usage.output_tokens": 3.0,
        },
    )

    assert (len(found.model), found.input_tokens, found.output_tokens) == (200, 12, 3)


def test_an_exception_told_as_an_event_is_the_error() -> None:
    events: list[dict[str, Any]] = [
        {"name": "note"},
        {
            "name": "exception",
            "attributes": {"exception.type": "KeyError", "exception.message": "'x'"},
        },
    ]

    found = meaning_of("x", {"gen_ai.operation.name": "chat"}, events=events)

    assert (found.error_type, found.error_message) == ("KeyError", "'x'")


def test_contents_of_events_are_read_as_well() -> None:
    events = [
        {"name": "gen_ai.content.prompt", "attributes": {"gen_ai.prompt": "Hello"}},
        {"name": "gen_ai.content.completion", "attributes": {"gen_ai.completion": "Hi"}},
    ]

    found = meaning_of("x", {"gen_ai.operation.name": "chat"}, events=events)

    assert (found.prompt, found.response) == ("Hello", "Hi")


def test_the_same_arguments_have_one_digest_however_they_were_written() -> None:
    value = {"b": [1, 2.0], "a": "ü"}

    assert (
        digest(value)
        == digest(json.dumps(value))
        == digest('{ "a":"\\u00fc", "b":[1,2] }')
        != digest('{"a":"u"}')
    )
    assert digest("plain") != digest('"plain"')
    assert digest(None) == digest("") == ""
    assert len(digest('{"n": 123456789012345678901}')) == 64


def test_what_its_sender_kept_back_has_no_digest_and_no_size() -> None:
    """OpenInference sends this mark in its place, the same one for everything."""
    assert digest("__REDACTED__") == ""
    assert size_of("__REDACTED__") is None

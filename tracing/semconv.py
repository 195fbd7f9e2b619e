"""Read what a span means, whichever convention its sender follows. Pure.

Four ways of saying the same are known: OpenTelemetry's GenAI conventions (the oldest spelling and
the newest), OpenInference, OpenLLMetry, and the plain names that agents' own tracing has long used
(`agent.execute`, `tool.execute`, `llm.generate`). They meet in one Meaning, whose operation is
spelled as `gen_ai.operation.name` is. What a span does not say stays empty: nothing is guessed.
Which event a meaning makes: span_event.py. The table for people: docs/otlp.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from tracing.attributes import LONGEST_NAME, first, long_text, name_of, ratio, real, text, whole
from tracing.contents import prompt_of, response_of
from tracing.operation import HANDOFF, operation_of

_MODEL_OPERATIONS: Final = {
    "chat": "chat",
    "generate_content": "chat",
    "text_completion": "completion",
    "embeddings": "embedding",
    "retrieval": "retrieval",
}


class Meaning(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a span says, in one spelling. Empty or None: it does not say."""

    operation: str = ""
    """As `gen_ai.operation.name`; empty for a span of no agent."""
    subject: str = ""
    """The tool, model, memory store, workflow, agent or file that it names."""
    agent_name: str = ""
    agent_id: str = ""
    """The sender's own; some make a new one for each run."""
    agent_version: str = ""
    agent_role: str = ""
    session: str = ""
    user: str = ""
    provider: str = ""
    model: str = ""
    model_version: str = ""
    """The model that answered, where it is another name than the one asked."""
    model_operation: str = ""
    request_id: str = ""
    finish_reason: str = ""
    temperature: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_usd: float | None = None
    call_id: str = ""
    tool_kind: str = ""
    tool_server: str = ""
    arguments: Any = None
    result: Any = None
    result_bytes: int | None = None
    prompt: Any = None
    response: Any = None
    system_prompt: Any = None
    store: str = ""
    memory_type: str = ""
    cache_hit: bool | None = None
    workflow_id: str = ""
    workflow: str = ""
    step_id: str = ""
    step_type: str = ""
    phase: str = ""
    mode: str = ""
    goal_id: str = ""
    quality: float | None = None
    steps: int | None = None
    error_type: str = ""
    error_message: str = ""


def meaning_of(
    name: str, said: Mapping[str, Any], *, events: Sequence[Mapping[str, Any]] = ()
) -> Meaning:
    """Return what a span of this name, these attributes and these events means."""
    operation = operation_of(name, said)
    if not operation:
        return _plain(said, events)
    common = _common(said) | _failure(said, events)
    if operation in _MODEL_OPERATIONS or operation == "rerank":
        fields = _of_model(operation, said, events)
    elif operation == "execute_tool":
        fields = _of_tool(said)
    elif operation.endswith(("_memory", "_memory_store")):
        fields = _of_memory(said)
    elif operation in {"invoke_workflow", "execute_step"}:
        fields = _of_workflow(operation, name, said)
    elif operation == "handoff":
        fields = _of_handoff(name, said)
    else:
        fields = _of_other(operation, said, common)
    return Meaning(operation=operation, **common, **fields)


def _plain(said: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> Meaning:
    session, user = _session(said), _user(said)
    if not session and not user and not events:
        return _NOTHING
    return Meaning(session=session, user=user, **_failure(said, events))


_NOTHING: Final = Meaning()


# --- What all spans may say ----------------------------------------------------------------------


def _common(said: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {"session": _session(said), "user": _user(said)}
    if agent := text(said, "gen_ai.agent.name", "agent.name"):
        fields["agent_name"] = agent
    elif said.get("traceloop.span.kind") == "agent":
        fields["agent_name"] = text(said, "traceloop.entity.name")
    if agent := text(said, "gen_ai.agent.id", "agent.id"):
        fields["agent_id"] = agent
    if version := text(said, "gen_ai.agent.version"):
        fields["agent_version"] = version
    if role := text(said, "agent.role"):
        fields["agent_role"] = role
    return fields


def _session(said: Mapping[str, Any]) -> str:
    return text(
        said,
        "gen_ai.conversation.id",
        "session.id",
        "traceloop.association.properties.session_id",
        "traceloop.association.properties.thread_id",
    )


def _user(said: Mapping[str, Any]) -> str:
    return text(said, "user.id", "enduser.id", "traceloop.association.properties.user_id")


def _failure(said: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    found = {
        "error_type": text(said, "error.type", "exception.type"),
        "error_message": long_text(said, "error.message", "exception.message"),
    }
    for event in reversed(events):
        if event["name"] == "exception":
            told = event.get("attributes", {})
            found["error_type"] = found["error_type"] or text(told, "exception.type")
            found["error_message"] = found["error_message"] or long_text(told, "exception.message")
            break
    return found


# --- What each kind may say ----------------------------------------------------------------------


def _of_model(
    operation: str, said: Mapping[str, Any], events: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    asked = _model_name(
        said, "gen_ai.request.model", "llm.model_name", "embedding.model_name", "llm.model"
    )
    answered = _model_name(said, "gen_ai.response.model")
    prompt, system = prompt_of(said, events)
    reasons = said.get("gen_ai.response.finish_reasons")
    reason = reasons[0] if type(reasons) is list and reasons else reasons
    model = asked or answered
    return {
        "subject": model or text(said, "gen_ai.data_source.id", "traceloop.entity.name"),
        "provider": text(
            said, "gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system"
        ).lower(),
        "model": model,
        "model_version": answered if asked and answered != asked else "",
        "model_operation": _model_operation(operation, said),
        "request_id": text(said, "gen_ai.response.id"),
        "finish_reason": name_of(reason)
        or text(said, "gen_ai.completion.0.finish_reason", "llm.finish_reason"),
        "temperature": real(said, "gen_ai.request.temperature"),
        "input_tokens": whole(
            said,
            "gen_ai.usage.input_tokens",
            "gen_ai.usage.prompt_tokens",
            "llm.token_count.prompt",
            "llm.usage.prompt_tokens",
            "llm.tokens.prompt",
        ),
        "output_tokens": whole(
            said,
            "gen_ai.usage.output_tokens",
            "gen_ai.usage.completion_tokens",
            "llm.token_count.completion",
            "llm.usage.completion_tokens",
            "llm.tokens.completion",
        ),
        "cache_read_tokens": whole(
            said,
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_read_input_tokens",
            "llm.token_count.prompt_details.cache_read",
            "llm.usage.cache_read_input_tokens",
        ),
        "reasoning_tokens": whole(
            said,
            "gen_ai.usage.reasoning.output_tokens",
            "gen_ai.usage.reasoning_tokens",
            "llm.token_count.completion_details.reasoning",
            "llm.usage.reasoning_tokens",
        ),
        "cost_usd": real(said, "llm.cost.total", "gen_ai.usage.cost", "gen_ai.cost.total"),
        "prompt": prompt,
        "response": response_of(said, events),
        "system_prompt": system,
    }


def _model_name(said: Mapping[str, Any], *names: str) -> str:
    """Return a model's name; OpenLLMetry writes `unknown` where it has found none."""
    found = text(said, *names)
    return "" if found == "unknown" else found


def _model_operation(operation: str, said: Mapping[str, Any]) -> str:
    """Return the kind of call; OpenInference's LLM says it by what stands in it alone."""
    if (
        "openinference.span.kind" in said
        and "gen_ai.operation.name" not in said
        and operation == "chat"
        and "llm.input_messages.0.message.role" not in said
    ):
        return ""
    return _MODEL_OPERATIONS.get(operation, "")


def _of_tool(said: Mapping[str, Any]) -> dict[str, Any]:
    # traceloop's input and OpenInference's value are of the tool where the span is one.
    is_traceloop = said.get("traceloop.span.kind") == "tool"
    subject = text(said, "gen_ai.tool.name", "tool.name", "tool_call.function.name")
    if not subject and is_traceloop:
        subject = text(said, "traceloop.entity.name")
    is_mcp = "mcp.method.name" in said
    result = first(
        said, "gen_ai.tool.call.result", "output.value", "traceloop.entity.output", "tool.result"
    )
    return {
        "subject": subject,
        "call_id": text(said, "gen_ai.tool.call.id", "tool_call.id", "tool.call_id"),
        "tool_kind": "mcp" if is_mcp else _tool_kind(said),
        "tool_server": text(said, "server.address") if is_mcp else "",
        "arguments": first(
            said,
            "gen_ai.tool.call.arguments",
            "tool_call.function.arguments",
            "input.value",
            "traceloop.entity.input",
            "tool.parameters",
        ),
        "result": result,
        "result_bytes": whole(said, "tool.result_size"),
    }


def _tool_kind(said: Mapping[str, Any]) -> str:
    return "function" if said.get("gen_ai.tool.type") == "function" else ""


def _of_memory(said: Mapping[str, Any]) -> dict[str, Any]:
    store = text(
        said, "gen_ai.memory.store.name", "gen_ai.memory.store.id", "memory.store", "memory_store"
    )
    hit = said.get("cache_hit", said.get("memory.cache_hit"))
    return {
        "subject": store,
        "store": store,
        "memory_type": text(said, "gen_ai.memory.type", "memory.type", "memory_type"),
        "cache_hit": hit if type(hit) is bool else None,
    }


def _of_workflow(operation: str, name: str, said: Mapping[str, Any]) -> dict[str, Any]:
    workflow = text(
        said, "gen_ai.workflow.name", "traceloop.workflow.name", "workflow.name", "workflow_name"
    )
    if not workflow and operation == "invoke_workflow":
        workflow = text(said, "traceloop.entity.name")
    fields: dict[str, Any] = {
        "workflow": workflow,
        "workflow_id": text(said, "workflow.id"),
    }
    fields["subject"] = workflow or fields["workflow_id"]
    if operation == "execute_step":
        fields["step_id"] = text(said, "node.id") or name.partition(".")[2][:LONGEST_NAME]
        fields["step_type"] = text(said, "node.type")
        fields["subject"] = fields["step_id"]
    return fields


def _of_handoff(name: str, said: Mapping[str, Any]) -> dict[str, Any]:
    to = text(said, "gen_ai.handoff.to_agent")
    if not to and name.startswith(HANDOFF):
        to = name[len(HANDOFF) :][:LONGEST_NAME]
    return {"subject": to}


def _of_other(operation: str, said: Mapping[str, Any], common: Mapping[str, Any]) -> dict[str, Any]:
    if operation in {"invoke_agent", "create_agent"}:
        return {"subject": common.get("agent_name", "")}
    if operation == "plan":
        return {
            "quality": ratio(said, "plan.quality", "quality"),
            "steps": whole(said, "plan.steps", "steps"),
        }
    if operation == "loop":
        return {"phase": text(said, "phase", "loop.phase")}
    if operation.endswith("_goal"):
        goal = text(said, "goal.id", "goal_id")
        return {"subject": goal, "goal_id": goal, "mode": text(said, "mode", "goal.mode")}
    if operation.endswith("_file"):
        return {"subject": text(said, "file.path", "file.name", "path")}
    if operation == "query_db":
        return {"subject": text(said, "db.namespace", "db.name", "db.system.name", "db.system")}
    return {}

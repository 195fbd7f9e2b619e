"""Read what a span means, whichever convention its sender follows. Pure.

Four ways of saying the same are known: OpenTelemetry's GenAI conventions (the oldest spelling and
the newest), OpenInference, OpenLLMetry, and the plain names that agents' own tracing has long used
(`agent.execute`, `tool.execute`, `llm.generate`). They meet in one Meaning, whose operation is
spelled as `gen_ai.operation.name` is. What a span does not say stays empty: nothing is guessed.
Which event a meaning makes: span_event.py. The table for people: docs/otlp.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from tracing.attributes import LONGEST_NAME, first, long_text, name_of, ratio, real, text, whole
from tracing.contents import CONTENTS, prompt_of, response_of
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
    common = _common(said, events)
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
    fields = _PLAIN.of(said)
    if not fields.get("session") and not fields.get("user") and not events:
        return _NOTHING
    _add_failure(fields, events)
    return Meaning(**fields)


_NOTHING: Final = Meaning()


# --- Reading by name -----------------------------------------------------------------------------


class _Field(NamedTuple):
    """A field of Meaning, and where it is said."""

    name: str
    read: Callable[..., Any]
    names: tuple[str, ...]
    """The first that says something usable wins."""


class _Fields:
    """Fields that are read together.

    Spans of one instrumentation have the same attributes, and few of the names that are known:
    which fields to read is found once for each set of names.
    """

    def __init__(self, *fields: _Field) -> None:
        self._fields = fields
        self._names = frozenset(name for field in fields for name in field.names)
        self._there: dict[frozenset[str], tuple[_Field, ...]] = {}

    def of(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields that have a name among the attributes; no other is said."""
        there = self._names.intersection(said)
        fields = self._there.get(there)
        if fields is None:
            fields = self._among(there)
        return {name: read(said, *names) for name, read, names in fields}

    def _among(self, there: frozenset[str]) -> tuple[_Field, ...]:
        if len(self._there) >= _MOST_REMEMBERED:
            self._there.clear()  # sets made up by a sender must not fill the memory
        found = self._there[there] = tuple(
            field._replace(names=names)
            for field in self._fields
            if (names := tuple(name for name in field.names if name in there))
        )
        return found


_MOST_REMEMBERED: Final = 4096


# --- What all spans may say ----------------------------------------------------------------------


_EVERY: Final = (
    _Field(
        "session",
        text,
        (
            "gen_ai.conversation.id",
            "session.id",
            "traceloop.association.properties.session_id",
            "traceloop.association.properties.thread_id",
        ),
    ),
    _Field("user", text, ("user.id", "enduser.id", "traceloop.association.properties.user_id")),
    _Field("error_type", text, ("error.type", "exception.type")),
    _Field("error_message", long_text, ("error.message", "exception.message")),
)
_PLAIN: Final = _Fields(*_EVERY)
_COMMON: Final = _Fields(
    *_EVERY,
    _Field("agent_name", text, ("gen_ai.agent.name", "agent.name")),
    _Field("agent_id", text, ("gen_ai.agent.id", "agent.id")),
    _Field("agent_version", text, ("gen_ai.agent.version",)),
    _Field("agent_role", text, ("agent.role",)),
)


def _common(said: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    fields = _COMMON.of(said)
    if not fields.get("agent_name") and said.get("traceloop.span.kind") == "agent":
        fields["agent_name"] = text(said, "traceloop.entity.name")
    _add_failure(fields, events)
    return fields


def _add_failure(fields: dict[str, Any], events: Sequence[Mapping[str, Any]]) -> None:
    """Fill in from the last exception of the span what its attributes do not say."""
    for event in reversed(events):
        if event["name"] == "exception":
            told = event.get("attributes", {})
            if not fields.get("error_type"):
                fields["error_type"] = text(told, "exception.type")
            if not fields.get("error_message"):
                fields["error_message"] = long_text(told, "exception.message")
            break


# --- What each kind may say ----------------------------------------------------------------------


def _model_name(said: Mapping[str, Any], *names: str) -> str:
    """Return a model's name; OpenLLMetry writes `unknown` where it has found none."""
    found = text(said, *names)
    return "" if found == "unknown" else found


def _provider(said: Mapping[str, Any], *names: str) -> str:
    return text(said, *names).lower()


def _finish_reason(said: Mapping[str, Any], *names: str) -> str:
    """Return why the model ended; of several answers, why the first did."""
    reasons = said.get(_FINISH_REASONS)
    reason = reasons[0] if type(reasons) is list and reasons else reasons
    return name_of(reason) or text(said, *(name for name in names if name != _FINISH_REASONS))


_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"

_MODEL: Final = _Fields(
    _Field(
        "model",
        _model_name,
        ("gen_ai.request.model", "llm.model_name", "embedding.model_name", "llm.model"),
    ),
    _Field("model_version", _model_name, ("gen_ai.response.model",)),
    _Field("subject", text, ("gen_ai.data_source.id", "traceloop.entity.name")),
    _Field(
        "provider",
        _provider,
        ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system"),
    ),
    _Field("request_id", text, ("gen_ai.response.id",)),
    _Field(
        "finish_reason",
        _finish_reason,
        (_FINISH_REASONS, "gen_ai.completion.0.finish_reason", "llm.finish_reason"),
    ),
    _Field("temperature", real, ("gen_ai.request.temperature",)),
    _Field(
        "input_tokens",
        whole,
        (
            "gen_ai.usage.input_tokens",
            "gen_ai.usage.prompt_tokens",
            "llm.token_count.prompt",
            "llm.usage.prompt_tokens",
            "llm.tokens.prompt",
        ),
    ),
    _Field(
        "output_tokens",
        whole,
        (
            "gen_ai.usage.output_tokens",
            "gen_ai.usage.completion_tokens",
            "llm.token_count.completion",
            "llm.usage.completion_tokens",
            "llm.tokens.completion",
        ),
    ),
    _Field(
        "cache_read_tokens",
        whole,
        (
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_read_input_tokens",
            "llm.token_count.prompt_details.cache_read",
            "llm.usage.cache_read_input_tokens",
        ),
    ),
    _Field(
        "reasoning_tokens",
        whole,
        (
            "gen_ai.usage.reasoning.output_tokens",
            "gen_ai.usage.reasoning_tokens",
            "llm.token_count.completion_details.reasoning",
            "llm.usage.reasoning_tokens",
        ),
    ),
    _Field("cost_usd", real, ("llm.cost.total", "gen_ai.usage.cost", "gen_ai.cost.total")),
)


def _of_model(
    operation: str, said: Mapping[str, Any], events: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    fields = _MODEL.of(said)
    asked, answered = fields.get("model", ""), fields.get("model_version", "")
    fields["model"] = asked or answered
    fields["model_version"] = answered if asked and answered != asked else ""
    fields["subject"] = fields["model"] or fields.get("subject", "")
    fields["model_operation"] = _model_operation(operation, said)
    if events or not CONTENTS.isdisjoint(said):
        fields["prompt"], fields["system_prompt"] = prompt_of(said, events)
        fields["response"] = response_of(said, events)
    return fields


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


_TOOL: Final = _Fields(
    _Field("subject", text, ("gen_ai.tool.name", "tool.name", "tool_call.function.name")),
    _Field("call_id", text, ("gen_ai.tool.call.id", "tool_call.id", "tool.call_id")),
    _Field(
        "arguments",
        first,
        (
            "gen_ai.tool.call.arguments",
            "tool_call.function.arguments",
            "input.value",
            "traceloop.entity.input",
            "tool.parameters",
        ),
    ),
    _Field(
        "result",
        first,
        ("gen_ai.tool.call.result", "output.value", "traceloop.entity.output", "tool.result"),
    ),
    _Field("result_bytes", whole, ("tool.result_size",)),
)


def _of_tool(said: Mapping[str, Any]) -> dict[str, Any]:
    fields = _TOOL.of(said)
    # traceloop's input and OpenInference's value are of the tool where the span is one.
    if not fields.get("subject") and said.get("traceloop.span.kind") == "tool":
        fields["subject"] = text(said, "traceloop.entity.name")
    if "mcp.method.name" in said:
        fields["tool_kind"], fields["tool_server"] = "mcp", text(said, "server.address")
    else:
        fields["tool_kind"] = _tool_kind(said)
    return fields


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

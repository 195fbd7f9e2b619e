"""OpenAI Agents: a tracing processor that turns traces, tools, models and handoffs into acts.

    set_trace_processors([ObservedRuns(obs)])  # instead of the library's own exporter
    add_trace_processor(ObservedRuns(obs))     # beside it

A trace is the run, an agent is a span within it. What a model was asked and answered, arguments and
results leave as digests. The library keeps errors raised here from the agent and logs them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from obsagent.acts import Act, Acts, ModelCall, ToolCall
from obsagent.adapters.calls import Calls, Going, named
from obsagent.canonical import digest_of, hashable
from obsagent.errors import NotConfigured
from obsagent.event import cut
from obsagent.observability import Observability

try:
    from agents import TracingProcessor
except ImportError as missing:
    raise NotConfigured("openai-agents is missing; pip install 'obsagent[openai]'") from missing

UNNAMED_MODEL = "unnamed"
_LONGEST_MESSAGE = 2_000


class AgentsError(Exception):
    """The library told of an error; its own exception is not told."""


class ObservedRuns(TracingProcessor):
    """Records what the library's tracing tells of. One may serve many runs at once."""

    def __init__(
        self, obs: Observability, *, provider: str = "openai",
        tools: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:  # fmt: skip
        """Make a processor.

        `provider` is whose models answer, since the library does not tell; `tools` says more of
        tools by name: `{"pay": {"risk": "high"}}`.
        """
        self._obs = obs
        self._calls = Calls(obs)
        self._provider = provider
        self._tools = tools or {}
        self._failed: set[str] = set()

    def on_trace_start(self, trace: Any) -> None:
        """Begin a run."""
        self._calls.begin_run(
            trace.trace_id,
            run_id=named(trace.trace_id),
            name=trace.name,
            conversation=getattr(trace, "group_id", None),
        )

    def on_trace_end(self, trace: Any) -> None:
        """End a run; one in which an agent failed is an error."""
        failed = trace.trace_id in self._failed
        self._failed.discard(trace.trace_id)
        self._calls.end(trace.trace_id, AgentsError("an agent failed") if failed else None)

    def on_span_start(self, span: Any) -> None:
        """Begin an act, or note an agent; what tells nothing is passed over."""
        data = span.span_data
        parent = span.parent_id or span.trace_id
        begin = _BEGIN.get(data.type)
        if begin is None:
            self._calls.same_as(span.span_id, parent)
            return
        begin(self, span.span_id, parent, data)

    def on_span_end(self, span: Any) -> None:
        """End an act with what it gave; this is when the library tells of it."""
        going = self._calls.get(span.span_id)
        if going is None:
            return
        data = span.span_data
        tell = _TELL.get(data.type)
        error = _error(span.error)
        if error is not None and data.type == "agent":
            self._failed.add(span.trace_id)
        try:
            if tell is not None:
                tell(self, going, data)
        finally:  # what cannot be told must not cost the act's end
            self._calls.end(span.span_id, error)

    def force_flush(self) -> None:
        """Send what was recorded."""
        self._obs.flush()

    def shutdown(self) -> None:
        """Send what was recorded; the rest of the agent may go on recording."""
        self._obs.flush()

    # How each begins

    def _agent(self, key: str, parent: str, data: Any) -> None:
        above = self._calls.get(parent)
        fields = dict(above.fields) if above is not None else {}
        going = self._calls.begin(
            key,
            parent,
            name=f"invoke_agent {data.name}",
            attributes={
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.agent.name": data.name,
                "gen_ai.conversation.id": fields.get("trace", {}).get("conversation_id"),
            },
            carried={"agent": {"name": named(data.name)}},
        )
        run = self._calls.get(going.root)
        if run is not None and run.act is not None:
            going.note(**{"obs.event.id": run.act.id})  # it is within the run, which is recorded

    def _tool(self, key: str, parent: str, data: Any) -> None:
        name = named(data.name)
        server = (data.mcp_data or {}).get("server")
        told = {"kind": "mcp", "server": server} if data.mcp_data else {}
        more = {**told, **self._tools.get(name, {})}
        self._calls.begin(
            key,
            parent,
            name=f"execute_tool {name}",
            attributes={"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name},
            make=lambda acts, fields: acts.tool(name, **{**fields, **more}),
        )

    def _model(self, key: str, parent: str, data: Any) -> None:
        model = getattr(data, "model", None)
        settings = getattr(data, "model_config", None) or {}
        self._calls.begin(
            key,
            parent,
            name=f"chat {model}" if model else "chat",
            attributes={
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": self._provider,
                "gen_ai.request.model": model,
            },
            make=lambda acts, fields: acts.llm(
                named(model or UNNAMED_MODEL), provider=self._provider,
                temperature=settings.get("temperature"), **fields,
            ),
        )  # fmt: skip

    def _handoff(self, key: str, parent: str, data: Any) -> None:
        self._calls.begin(
            key,
            parent,
            name="handoff",
            attributes={"gen_ai.operation.name": "handoff"},
            make=lambda acts, fields: _to_agent(acts, "handoff.completed", fields),
        )

    def _guardrail(self, key: str, parent: str, data: Any) -> None:
        self._calls.begin(key, parent, name=f"guardrail {data.name}", attributes={})

    # What each tells at its end

    def _tell_tool(self, going: Going, data: Any) -> None:
        if isinstance(going.act, ToolCall):
            arguments = _parsed(data.input)
            going.act.set(tool={"arguments_hash": digest_of(hashable(arguments))})
            if data.output is not None:
                going.act.result(hashable(data.output))

    def _tell_generation(self, going: Going, data: Any) -> None:
        used = data.usage or {}
        self._tell_model(
            going, data.model, prompt=data.input, response=data.output,
            used={name: used.get(name) for name in ("input_tokens", "output_tokens")},
        )  # fmt: skip

    def _tell_response(self, going: Going, data: Any) -> None:
        response = data.response
        if response is None:
            self._tell_model(going, None, prompt=data.input, response=None, used={})
            return
        usage = response.usage
        used = {}
        if usage is not None:
            used = {
                "input_tokens": usage.input_tokens,
                "output_tokens": usage.output_tokens,
                "cache_read_tokens": getattr(usage.input_tokens_details, "cached_tokens", None),
                "reasoning_tokens": getattr(usage.output_tokens_details, "reasoning_tokens", None),
            }
        output = [each.model_dump(mode="json") for each in response.output]
        self._tell_model(going, response.model, prompt=data.input, response=output, used=used)
        if isinstance(going.act, ModelCall):
            going.act.set(model={"request_id": response.id})
            if response.instructions is not None:
                digest = digest_of(hashable(response.instructions))
                going.act.set(model={"system_prompt_hash": digest})

    def _tell_model(
        self, going: Going, model: Any, *, prompt: Any, response: Any, used: dict[str, Any]
    ) -> None:
        going.note(
            **{
                "gen_ai.response.model": model,
                "gen_ai.usage.input_tokens": used.get("input_tokens"),
                "gen_ai.usage.output_tokens": used.get("output_tokens"),
            }
        )
        if not isinstance(going.act, ModelCall):
            return
        if prompt is not None:
            going.act.set(model={"prompt_hash": digest_of(hashable(prompt))})
        if response is not None:
            going.act.response(hashable(response))
        if used:
            going.act.usage(**used)
        if model:
            name = named(model)
            going.act.set(model={"name": name}, target={"type": "model", "id": name})

    def _tell_handoff(self, going: Going, data: Any) -> None:
        going.note(**{"gen_ai.handoff.from_agent": data.from_agent,
                      "gen_ai.handoff.to_agent": data.to_agent})  # fmt: skip
        if going.act is not None:
            going.act.set(
                target={"type": "agent", "id": named(data.to_agent or UNNAMED_MODEL)},
                details={"from": data.from_agent},
            )

    def _tell_guardrail(self, going: Going, data: Any) -> None:
        if not data.triggered or not self._obs.is_component_enabled("audit"):
            return
        self._obs.client.event(
            "guardrail.triggered",
            **going.fields,
            target={"type": "guardrail", "id": named(data.name)},
            guardrail={"type": named(data.name), "effect": "blocked"},
        )
        run = self._calls.get(going.root)
        if run is not None and run.act is not None:
            run.act.outcome("denied", reason=f"guardrail {named(data.name)}")


_BEGIN = {
    "agent": ObservedRuns._agent,
    "function": ObservedRuns._tool,
    "generation": ObservedRuns._model,
    "response": ObservedRuns._model,
    "handoff": ObservedRuns._handoff,
    "guardrail": ObservedRuns._guardrail,
}
_TELL = {
    "function": ObservedRuns._tell_tool,
    "generation": ObservedRuns._tell_generation,
    "response": ObservedRuns._tell_response,
    "handoff": ObservedRuns._tell_handoff,
    "guardrail": ObservedRuns._tell_guardrail,
}


def _to_agent(acts: Acts, action: str, fields: dict[str, Any]) -> Act:
    """Return an act whose target is an agent that is known at its end alone."""
    return acts.act(action, **{**fields, "target": {"type": "agent", "id": "unnamed"}})


def _parsed(text: Any) -> Any:
    """Return arguments as they are meant: the library has them as JSON text."""
    try:
        return json.loads(text) if isinstance(text, str) else text or {}
    except ValueError:
        return text


def _error(told: Mapping[str, Any] | None) -> AgentsError | None:
    if told is None:
        return None
    more = (told.get("data") or {}).get("error")
    text = f"{told.get('message', '')}: {more}" if more else str(told.get("message", ""))
    return AgentsError(cut(text, _LONGEST_MESSAGE))

"""LangChain and LangGraph: a callback that turns runs, models, tools and retrievers into acts.

    graph.invoke(task, {"callbacks": [ObservedCalls(obs)]})

The outermost chain or graph is the run; a graph's nodes are spans within it. Prompts, answers,
arguments and documents leave as digests. An act that cannot be recorded raises into the agent, as
all acts do. An interrupt of LangGraph is no error: the run is `pending`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from obsagent.acts import ModelCall, ToolCall
from obsagent.adapters.calls import Calls, Going, named
from obsagent.canonical import hashable
from obsagent.errors import NotConfigured
from obsagent.observability import Observability

try:
    from langchain_core.callbacks import BaseCallbackHandler
except ImportError as missing:
    raise NotConfigured("langchain-core is missing; pip install 'obsagent[langchain]'") from missing

UNNAMED_MODEL = "unnamed"

_STEERING = "GraphBubbleUp"
"""What LangGraph calls the exceptions by which it steers; none of them is an error."""

_INTERRUPT = "GraphInterrupt"


class ObservedCalls(BaseCallbackHandler):
    """Records what LangChain tells of. One may serve many runs and threads at once."""

    raise_error = True  # else LangChain logs what could not be recorded, and goes on
    run_inline = True  # in the caller's context: who acts is known there

    def __init__(
        self, obs: Observability, *, tools: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        """Make a callback. `tools` says more of tools by name: `{"pay": {"risk": "high"}}`."""
        super().__init__()
        self._calls = Calls(obs)
        self._asked: dict[str, str] = {}
        """The models that were asked for by name, of the calls that go on."""
        self._tools = tools or {}

    # Chains: the outermost is the run, a node of a graph is a span

    def on_chain_start(
        self, serialized: dict[str, Any] | None, inputs: Any, *, run_id: UUID,
        parent_run_id: UUID | None = None, metadata: dict[str, Any] | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        """Begin a run, or note a node of a graph."""
        name = _name(serialized, kwargs)
        said = metadata or {}
        parent = _key(parent_run_id)
        if parent is None:
            self._calls.begin_run(
                str(run_id), run_id=str(run_id), name=name, conversation=_conversation(said)
            )
        elif said.get("langgraph_node") == name:
            self._calls.begin(
                str(run_id), parent, name=name, attributes={"langgraph.node": name,
                "langgraph.step": said.get("langgraph_step")},
            )  # fmt: skip
        else:
            self._calls.same_as(str(run_id), parent)

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **_: Any) -> None:
        """End a run or a node."""
        self._calls.end(str(run_id))

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """End a run or a node that failed, or was interrupted."""
        self._end_with(error, run_id)

    # Models

    def on_chat_model_start(
        self, serialized: dict[str, Any] | None, messages: Sequence[Sequence[Any]], *,
        run_id: UUID, parent_run_id: UUID | None = None, metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        """Begin a call of a chat model."""
        told = [_message(each) for batch in messages for each in batch]
        system = next((each["content"] for each in told if each["role"] == "system"), None)
        self._model(serialized, told, system, "chat", run_id, parent_run_id, metadata, kwargs)

    def on_llm_start(
        self, serialized: dict[str, Any] | None, prompts: Sequence[str], *, run_id: UUID,
        parent_run_id: UUID | None = None, metadata: dict[str, Any] | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        """Begin a call of a model that completes text."""
        told = list(prompts)
        self._model(serialized, told, None, "completion", run_id, parent_run_id, metadata, kwargs)

    def _model(
        self, serialized: dict[str, Any] | None, prompt: Any, system: Any, operation: str,
        run_id: UUID, parent_run_id: UUID | None, metadata: dict[str, Any] | None,
        kwargs: dict[str, Any],
    ) -> None:  # fmt: skip
        said, asked = metadata or {}, kwargs.get("invocation_params") or {}
        model = said.get("ls_model_name") or asked.get("model") or asked.get("model_name")
        if model:
            self._asked[str(run_id)] = str(model)
        provider = named(said.get("ls_provider") or _name(serialized, kwargs)).lower()
        self._calls.begin(
            str(run_id),
            _key(parent_run_id),
            name=f"{operation} {model}" if model else operation,
            attributes={
                "gen_ai.operation.name": "chat" if operation == "chat" else "text_completion",
                "gen_ai.provider.name": provider,
                "gen_ai.request.model": model,
            },
            make=lambda acts, fields: acts.llm(
                named(model or UNNAMED_MODEL), provider=provider, operation=operation,
                prompt=hashable(prompt), system_prompt=None if system is None else hashable(system),
                temperature=said.get("ls_temperature"), **fields,
            ),
        )  # fmt: skip

    def on_llm_end(self, response: Any, *, run_id: UUID, **_: Any) -> None:
        """End a call of a model with what it answered and used."""
        asked = self._asked.pop(str(run_id), None)
        going = self._calls.get(str(run_id))
        try:
            if going is not None:
                self._tell_answer(going, response, asked)
        finally:  # an answer of another shape must not cost the act's end
            self._calls.end(str(run_id))

    def _tell_answer(self, going: Going, response: Any, asked: str | None) -> None:
        answers = [each for batch in response.generations for each in batch]
        message = getattr(answers[0], "message", None) if answers else None
        used = _usage(message, response.llm_output or {})
        told = dict(getattr(message, "response_metadata", None) or {})
        model = told.get("model_name") or told.get("model")
        reason = told.get("finish_reason") or told.get("stop_reason")
        going.note(**{
            "gen_ai.response.model": model,
            "gen_ai.response.finish_reasons": [reason] if reason else None,
            "gen_ai.usage.input_tokens": used.get("input_tokens"),
            "gen_ai.usage.output_tokens": used.get("output_tokens"),
        })  # fmt: skip
        if isinstance(going.act, ModelCall):
            going.act.response(hashable([_answer(each) for each in answers]), finish_reason=reason)
            going.act.usage(**used)
            _tell_model(going.act, asked, model)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """End a call of a model that failed."""
        self._asked.pop(str(run_id), None)
        self._end_with(error, run_id)

    # Tools

    def on_tool_start(
        self, serialized: dict[str, Any] | None, input_str: str, *, run_id: UUID,
        parent_run_id: UUID | None = None, inputs: dict[str, Any] | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        """Begin a call of a tool."""
        name = named(_name(serialized, kwargs))
        arguments = hashable(input_str if inputs is None else inputs)
        call_id = kwargs.get("tool_call_id")
        more = dict(self._tools.get(name, {}))
        self._calls.begin(
            str(run_id),
            _key(parent_run_id),
            name=f"execute_tool {name}",
            attributes={
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": name,
                "gen_ai.tool.call.id": call_id,
            },
            make=lambda acts, fields: acts.tool(
                name, arguments=arguments, call_id=call_id, **{**fields, **more}
            ),
        )

    def on_tool_end(self, output: Any, *, run_id: UUID, **_: Any) -> None:
        """End a call of a tool with its result; a message of status `error` is a failure."""
        going = self._calls.get(str(run_id))
        if going is not None:
            if isinstance(going.act, ToolCall):
                going.act.result(hashable(getattr(output, "content", output)))
            if getattr(output, "status", None) == "error":
                going.fail("ToolError", str(getattr(output, "content", "")))
        self._calls.end(str(run_id))

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """End a call of a tool that failed, was refused, or was interrupted."""
        self._end_with(error, run_id)

    # Retrievers

    def on_retriever_start(
        self, serialized: dict[str, Any] | None, query: str, *, run_id: UUID,
        parent_run_id: UUID | None = None, metadata: dict[str, Any] | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        """Begin a retrieval."""
        name = named(_name(serialized, kwargs))
        provider = named((metadata or {}).get("ls_vector_store_provider") or "langchain").lower()
        self._calls.begin(
            str(run_id),
            _key(parent_run_id),
            name=f"retrieval {name}",
            attributes={"gen_ai.operation.name": "retrieval", "gen_ai.data_source.id": name},
            make=lambda acts, fields: acts.llm(
                name, provider=provider, operation="retrieval", prompt=hashable(query), **fields
            ),
        )

    def on_retriever_end(self, documents: Sequence[Any], *, run_id: UUID, **_: Any) -> None:
        """End a retrieval with the digest of what was found."""
        going = self._calls.get(str(run_id))
        if going is not None and isinstance(going.act, ModelCall):
            going.act.response([each.page_content for each in documents])
        self._calls.end(str(run_id))

    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """End a retrieval that failed."""
        self._end_with(error, run_id)

    def _end_with(self, error: BaseException, run_id: UUID) -> None:
        names = {each.__name__ for each in type(error).__mro__}
        if _INTERRUPT in names:
            self._wait(self._calls.get(str(run_id)))
        self._calls.end(str(run_id), None if _STEERING in names else error)

    def _wait(self, going: Going | None) -> None:
        """Say that an act, and the run around it, wait for somebody."""
        if going is not None:
            for each in (going, self._calls.get(going.root)):
                if each is not None and each.act is not None:
                    each.act.outcome("pending", reason="LangGraph: interrupted")


def _tell_model(act: ModelCall, asked: str | None, answered: Any) -> None:
    """Say which model answered: as the version, or as the name where none was asked for."""
    if not answered or asked == answered:
        return
    name = named(answered)
    if asked is None:
        act.set(model={"name": name}, target={"type": "model", "id": name})
    else:
        act.set(model={"version": name})


def _name(serialized: dict[str, Any] | None, told: Mapping[str, Any]) -> str:
    """Return what a runnable is called: its own name, else its class."""
    said = serialized or {}
    return str(told.get("name") or said.get("name") or (said.get("id") or ["chain"])[-1])


def _key(run_id: UUID | None) -> str | None:
    return None if run_id is None else str(run_id)


def _conversation(said: Mapping[str, Any]) -> str | None:
    found = said.get("thread_id") or said.get("session_id") or said.get("conversation_id")
    return None if found is None else str(found)


def _message(message: Any) -> dict[str, Any]:
    calls = getattr(message, "tool_calls", None)
    told = {"role": message.type, "content": message.content}
    return {**told, "tool_calls": calls} if calls else told


def _answer(generation: Any) -> Any:
    message = getattr(generation, "message", None)
    return generation.text if message is None else _message(message)


def _usage(message: Any, output: Mapping[str, Any]) -> dict[str, int | None]:
    used = getattr(message, "usage_metadata", None)
    if used:
        return {
            "input_tokens": used.get("input_tokens"),
            "output_tokens": used.get("output_tokens"),
            "cache_read_tokens": (used.get("input_token_details") or {}).get("cache_read"),
            "reasoning_tokens": (used.get("output_token_details") or {}).get("reasoning"),
        }
    told = output.get("token_usage") or {}
    return {
        "input_tokens": told.get("prompt_tokens"),
        "output_tokens": told.get("completion_tokens"),
    }

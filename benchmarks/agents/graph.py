"""A LangGraph agent with a fake model: reads, asks, calls a tool, calls a forbidden one, answers.

    python -m benchmarks.agents.graph openllmetry|openinference|obsagent

The task is the same whoever watches. `obsagent` takes its endpoint, key and spool from its own
variables and its agent's name from OBSAGENT_AGENT.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypedDict

from benchmarks.agents import loopback

QUESTION = "How is claim 4711?"
ANSWER = "Claim 4711 is open."


def main() -> None:
    loopback.only_loopback()
    watch = {"openllmetry": _openllmetry, "openinference": _openinference, "obsagent": _obsagent}
    watch[sys.argv[1]]()


def _openllmetry() -> None:
    from opentelemetry.instrumentation.langchain import LangchainInstrumentor

    _instrumented(LangchainInstrumentor(), "opentelemetry-instrumentation-langchain")


def _openinference() -> None:
    from openinference.instrumentation.langchain import LangChainInstrumentor

    _instrumented(LangChainInstrumentor(), "openinference-instrumentation-langchain")


def _instrumented(instrumentor: Any, distribution: str) -> None:
    from benchmarks.agents.watching import over_otlp, tell

    provider = over_otlp()
    instrumentor.instrument(tracer_provider=provider)
    answer = run([])
    provider.shutdown()
    tell(answer, "langgraph", "langchain-core", distribution, "opentelemetry-sdk")


def _obsagent() -> None:
    from obsagent import Observability, acting_for
    from obsagent.adapters.langchain import ObservedCalls

    from benchmarks.agents.watching import tell

    with Observability(os.environ["OBSAGENT_AGENT"]) as obs:
        with acting_for("u-19"):
            answer = run([ObservedCalls(obs)])
        assert obs.flush(30), obs.client.stats()
        assert obs.client.stats()["rejected"] == 0, obs.client.stats()
    tell(answer, "langgraph", "langchain-core", "opentelemetry-sdk")


def run(callbacks: Sequence[Any]) -> str:
    """Run the task and return the agent's answer."""
    from langchain_core.messages import HumanMessage

    config = {"callbacks": list(callbacks), "configurable": {"thread_id": "talk-1"}}
    state = graph().invoke({"messages": [HumanMessage(QUESTION)]}, config)
    return str(state["messages"][-1].content)


def graph() -> Any:
    """Return the agent: read → ask ⇄ tools."""
    from langchain_core.messages import BaseMessage
    from langgraph.graph import END, START, StateGraph
    from langgraph.graph.message import add_messages
    from langgraph.prebuilt import ToolNode

    class State(TypedDict):
        messages: Annotated[list[BaseMessage], add_messages]

    # LangGraph reads the names of the state's types from here.
    globals().update(Annotated=Annotated, BaseMessage=BaseMessage, add_messages=add_messages)
    model, retriever = _model(), _retriever()
    building = StateGraph(State)
    building.add_node("read", lambda state: _read(retriever, state["messages"][-1].content))
    building.add_node("ask", lambda state: {"messages": [model.invoke(state["messages"])]})
    building.add_node("tools", ToolNode(_tools(), handle_tool_errors=True))
    building.add_edge(START, "read")
    building.add_edge("read", "ask")
    building.add_conditional_edges(
        "ask", lambda state: "tools" if state["messages"][-1].tool_calls else END
    )
    building.add_edge("tools", "ask")
    return building.compile(name="claims")


def _read(retriever: Any, question: str) -> dict[str, Any]:
    retriever.invoke(question)
    return {}


def _model() -> Any:
    from langchain_core.language_models.fake_chat_models import GenericFakeChatModel

    return GenericFakeChatModel(messages=iter(_said()))


def _said() -> list[Any]:
    from langchain_core.messages import AIMessage

    told = {"model_name": "acme-1"}
    return [
        AIMessage(
            content="",
            tool_calls=[{"name": "look_up", "args": {"claim": 4711}, "id": "call-1"}],
            usage_metadata={"input_tokens": 31, "output_tokens": 7, "total_tokens": 38},
            response_metadata={**told, "finish_reason": "tool_calls"},
        ),
        AIMessage(
            content="",
            tool_calls=[{"name": "send_letter", "args": {"claim": 4711}, "id": "call-2"}],
            usage_metadata={"input_tokens": 45, "output_tokens": 8, "total_tokens": 53},
            response_metadata={**told, "finish_reason": "tool_calls"},
        ),
        AIMessage(
            content=ANSWER,
            usage_metadata={"input_tokens": 52, "output_tokens": 9, "total_tokens": 61},
            response_metadata={**told, "finish_reason": "stop"},
        ),
    ]


def _tools() -> list[Callable[..., Any]]:
    from langchain_core.tools import tool

    @tool
    def look_up(claim: int) -> str:
        """Look a claim up."""
        return f"claim {claim}: open"

    @tool
    def send_letter(claim: int) -> str:
        """Send a letter about a claim."""
        raise PermissionError(f"nobody approved the letter about {claim}")

    return [look_up, send_letter]


def _retriever() -> Any:
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever

    class Rules(BaseRetriever):
        """Knows one rule."""

        def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Any]:
            return [Document("A claim is open until it is paid.")]

    return Rules()


if __name__ == "__main__":
    main()

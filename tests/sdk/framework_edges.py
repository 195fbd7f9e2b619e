"""Rare turns of frameworks with the SDK's adapters, run in their environment by test_senders.py.

Each turn records to a platform of the standard library in this process; what it took is printed as
JSON, by turn. Not a test itself: the frameworks are not in our own environment.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

from agents import (
    Agent,
    GuardrailFunctionOutput,
    InputGuardrail,
    InputGuardrailTripwireTriggered,
    Runner,
    set_trace_processors,
)
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, interrupt
from obsagent import Observability, context
from obsagent.adapters.langchain import ObservedCalls
from obsagent.adapters.openai_agents import ObservedRuns

from benchmarks.agents import graph, handing_on
from tests.sdk.core.platform import platform

Turn = Callable[[Observability], None]


class State(TypedDict):
    """What the graphs here pass on."""

    messages: Annotated[list[Any], add_messages]


@tool
def wait(seconds: float) -> str:
    """Wait."""
    time.sleep(seconds)
    return f"waited {seconds}"


@tool
def ask_a_person(what: str) -> str:
    """Ask."""
    return str(interrupt(what))


def tool_graph(*names: str, **arguments: Any) -> Any:
    """Return a graph of one step that calls these tools at once."""
    calls = [
        {"name": name, "args": arguments, "id": f"call-{place}"} for place, name in enumerate(names)
    ]
    building = StateGraph(State)
    building.add_node("ask", lambda _: {"messages": [AIMessage(content="", tool_calls=calls)]})
    building.add_node("tools", ToolNode([wait, ask_a_person]))
    building.add_edge(START, "ask")
    building.add_edge("ask", "tools")
    building.add_edge("tools", END)
    return building


def tools_at_once_in_a_loop(obs: Observability) -> None:
    built = tool_graph("wait", "wait", "wait", seconds=0.05).compile(name="claims")
    config = {"callbacks": [ObservedCalls(obs)]}

    async def both() -> None:
        await asyncio.gather(*(built.ainvoke({"messages": []}, config) for _ in range(2)))

    asyncio.run(both())


def a_person_is_asked_and_answers(obs: Observability) -> None:
    built = tool_graph("ask_a_person", what="Send it?").compile(
        name="claims", checkpointer=InMemorySaver()
    )
    config = {"callbacks": [ObservedCalls(obs)], "configurable": {"thread_id": "talk-1"}}
    built.invoke({"messages": []}, config)
    built.invoke(Command(resume="yes"), config)


def a_chain_fails(obs: Observability) -> None:
    def fail(_: Any) -> None:
        raise ValueError("not a claim")

    try:
        (RunnableLambda(lambda x: x) | RunnableLambda(fail)).invoke(
            1, {"callbacks": [ObservedCalls(obs)], "run_name": "chain"}
        )
    except ValueError:
        return
    raise AssertionError("the chain did not fail")


def a_model_streams_alone(obs: Observability) -> None:
    model = GenericFakeChatModel(messages=iter([AIMessage(content="all is well")]))
    said = "".join(
        str(part.content) for part in model.stream("Well?", {"callbacks": [ObservedCalls(obs)]})
    )
    assert said == "all is well", said


def a_run_within_an_act_of_ours(obs: Observability) -> None:
    with obs.acts.run("outer"):
        graph.run([ObservedCalls(obs, tools={"send_letter": {"risk": "high"}})])
        obs.event("plan.created", plan={"steps": 1})


def a_guardrail_triggers(obs: Observability) -> None:
    set_trace_processors([ObservedRuns(obs)])

    def forbid(_context: Any, _agent: Any, _input: Any) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(output_info="no", tripwire_triggered=True)

    agent = Agent(
        name="claims",
        model=handing_on._model(),
        input_guardrails=[InputGuardrail(guardrail_function=forbid, run_in_parallel=False)],
    )
    try:
        asyncio.run(Runner.run(agent, "Pay me."))
    except InputGuardrailTripwireTriggered:
        return
    raise AssertionError("the guardrail did not trigger")


TURNS: tuple[Turn, ...] = (
    tools_at_once_in_a_loop,
    a_person_is_asked_and_answers,
    a_chain_fails,
    a_model_streams_alone,
    a_run_within_an_act_of_ours,
    a_guardrail_triggers,
)


def main() -> None:
    told: dict[str, Any] = {}
    for turn in TURNS:
        with platform() as server, tempfile.TemporaryDirectory() as spool:
            with Observability(
                "bot", endpoint=server.url, key="x", spool=spool, enable_tracing=False
            ) as obs:
                turn(obs)
                assert obs.client.flush(30), obs.client.stats()
            assert context.current() == {}, turn
            told[turn.__name__] = list(server.events.values())
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()

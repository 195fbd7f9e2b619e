"""Two agents of openai-agents with a fake model: looks up, hands on, may not send, answers.

    python -m benchmarks.agents.handing_on openllmetry|openinference|obsagent

The fake model opens the span of its call itself, as the library's own model does. The library's own
exporter is switched off first, so that nothing of it wants to leave the machine.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

from benchmarks.agents import loopback

QUESTION = "How is claim 4711?"
ANSWER = "Claim 4711 is open."


def main() -> None:
    loopback.only_loopback()
    from agents import set_trace_processors

    set_trace_processors([])
    watch = {"openllmetry": _openllmetry, "openinference": _openinference, "obsagent": _obsagent}
    watch[sys.argv[1]]()


def _openllmetry() -> None:
    from opentelemetry.instrumentation.openai_agents import OpenAIAgentsInstrumentor

    _instrumented(OpenAIAgentsInstrumentor(), "opentelemetry-instrumentation-openai-agents")


def _openinference() -> None:
    from openinference.instrumentation.openai_agents import OpenAIAgentsInstrumentor

    _instrumented(OpenAIAgentsInstrumentor(), "openinference-instrumentation-openai-agents")


def _instrumented(instrumentor: Any, distribution: str) -> None:
    from benchmarks.agents.watching import over_otlp, tell

    provider = over_otlp()
    instrumentor.instrument(tracer_provider=provider)
    answer = asyncio.run(run())
    provider.shutdown()
    tell(answer, "openai-agents", distribution, "opentelemetry-sdk")


def _obsagent() -> None:
    from agents import add_trace_processor
    from obsagent import Observability, acting_for
    from obsagent.adapters.openai_agents import ObservedRuns

    from benchmarks.agents.watching import tell

    with Observability(os.environ["OBSAGENT_AGENT"]) as obs:
        add_trace_processor(ObservedRuns(obs))
        with acting_for("u-19"):
            answer = asyncio.run(run())
        assert obs.flush(30), obs.client.stats()
        assert obs.client.stats()["rejected"] == 0, obs.client.stats()
    tell(answer, "openai-agents", "opentelemetry-sdk")


async def run() -> str:
    """Run the task and return the agents' answer."""
    from agents import Agent, RunConfig, Runner, function_tool

    @function_tool
    def look_up(claim: int) -> str:
        """Look a claim up."""
        return f"claim {claim}: open"

    @function_tool
    def send_letter(claim: int) -> str:
        """Send a letter about a claim."""
        raise PermissionError(f"nobody approved the letter about {claim}")

    model = _model()
    letters = Agent(name="letters", instructions="Write.", model=model, tools=[send_letter])
    claims = Agent(
        name="claims", instructions="Be brief.", model=model, tools=[look_up], handoffs=[letters]
    )
    result = await Runner.run(
        claims, QUESTION, run_config=RunConfig(workflow_name="claims", group_id="talk-1")
    )
    return str(result.final_output)


def _model() -> Any:
    from agents import Model, ModelResponse, Usage
    from agents.tracing import response_span
    from openai.types.responses import Response, ResponseUsage
    from openai.types.responses.response_usage import InputTokensDetails, OutputTokensDetails

    said = iter(_said())

    class Scripted(Model):
        """Says what it was told to say."""

        async def get_response(
            self, system_instructions: Any, input: Any, *_: Any, **__: Any
        ) -> ModelResponse:
            with response_span() as span:
                output = next(said)
                span.span_data.input = input
                span.span_data.response = Response(
                    id="resp-1",
                    created_at=time.time(),
                    model="acme-1",
                    object="response",
                    output=output,
                    instructions=system_instructions,
                    parallel_tool_calls=False,
                    tool_choice="auto",
                    tools=[],
                    usage=ResponseUsage(
                        input_tokens=31,
                        input_tokens_details=InputTokensDetails(
                            cached_tokens=0, cache_write_tokens=0
                        ),
                        output_tokens=7,
                        output_tokens_details=OutputTokensDetails(reasoning_tokens=0),
                        total_tokens=38,
                    ),
                )
            usage = Usage(requests=1, input_tokens=31, output_tokens=7, total_tokens=38)
            return ModelResponse(output=output, usage=usage, response_id="resp-1")

        async def stream_response(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
            raise RuntimeError("the task asks for whole answers, never for a stream")
            yield

    return Scripted()


def _said() -> list[list[Any]]:
    from openai.types.responses import (
        ResponseFunctionToolCall,
        ResponseOutputMessage,
        ResponseOutputText,
    )

    def call(name: str, arguments: str) -> list[Any]:
        return [
            ResponseFunctionToolCall(
                type="function_call", call_id=f"call-{name}", name=name, arguments=arguments
            )
        ]

    text = ResponseOutputText(type="output_text", text=ANSWER, annotations=[])
    message = ResponseOutputMessage(
        id="msg-1", type="message", role="assistant", status="completed", content=[text]
    )
    return [
        call("look_up", '{"claim": 4711}'),
        call("transfer_to_letters", "{}"),
        call("send_letter", '{"claim": 4711}'),
        [message],
    ]


if __name__ == "__main__":
    main()

"""A sender of its own: spans made by OpenTelemetry's SDK alone, after the GenAI conventions.

A run that asks a model, calls a tool, calls one that may not be, and asks again.
"""

from __future__ import annotations

from benchmarks.agents import loopback


def main() -> None:
    loopback.only_loopback()
    from opentelemetry.trace import SpanKind, Status, StatusCode

    from benchmarks.agents.watching import over_otlp, tell

    provider = over_otlp()
    tracer = provider.get_tracer("plain-agent", "1.0")
    run = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "claims",
           "gen_ai.conversation.id": "talk-1"}  # fmt: skip
    chat = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "acme",
            "gen_ai.request.model": "acme-1", "gen_ai.conversation.id": "talk-1"}  # fmt: skip

    def ask(tokens: int, reason: str) -> None:
        with tracer.start_as_current_span(
            "chat acme-1", kind=SpanKind.CLIENT, attributes=chat
        ) as span:
            span.set_attributes(
                {
                    "gen_ai.usage.input_tokens": tokens,
                    "gen_ai.usage.output_tokens": 7,
                    "gen_ai.response.finish_reasons": [reason],
                }
            )

    with tracer.start_as_current_span("invoke_agent claims", attributes=run):
        ask(31, "tool_calls")
        for name in ("look_up", "send_letter"):
            said = {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": name,
                "gen_ai.tool.call.id": f"call-{name}",
                "gen_ai.tool.call.arguments": '{"claim": 4711}',
            }
            with tracer.start_as_current_span(f"execute_tool {name}", attributes=said) as span:
                if name == "send_letter":
                    span.set_attribute("error.type", "PermissionError")
                    span.set_status(Status(StatusCode.ERROR, "nobody approved the letter"))
        ask(52, "stop")
    provider.shutdown()
    tell("Claim 4711 is open.", "opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http")


if __name__ == "__main__":
    main()

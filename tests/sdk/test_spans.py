"""Spans through OpenTelemetry: names, attributes, parents, headers; and events carry them."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from obsagent.acts import Acts
from obsagent.client import Client
from obsagent.observability import Observability
from obsagent.tracing import Tracing
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.sdk.core.platform import platform


class Traced:
    """A tracing whose spans stay in memory."""

    def __init__(self, sample_ratio: float = 1.0) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracing = Tracing(
            "svc",
            endpoint="http://127.0.0.1:9",
            key="k",
            agent_id="alice",
            sample_ratio=sample_ratio,
            exporter=self.exporter,
        )

    def spans(self) -> Sequence[ReadableSpan]:
        """Return what was exported, in the order it ended."""
        assert self.tracing.force_flush()
        return self.exporter.get_finished_spans()


@pytest.fixture
def traced() -> Iterator[Traced]:
    made = Traced()
    yield made
    made.tracing.shutdown()


def test_each_kind_of_span_has_the_conventions_name_and_attributes(traced: Traced) -> None:
    tracing = traced.tracing
    with tracing.agent("alice", role="clerk"), tracing.workflow("intake"):
        with tracing.node("s1", node_type="tool"), tracing.tool("send", {"to": 7}, call_id="c1"):
            pass
        with tracing.llm("gpt-x", provider="acme") as span:
            span.update({"usage": {"input_tokens": 5, "output_tokens": 7}, "status": "ok"})
        with tracing.memory("search", memory_type="episodic"):
            pass

    by_name = {each.name: each for each in traced.spans()}
    assert list(by_name) == [
        "execute_tool send",
        "node.s1",
        "chat gpt-x",
        "memory.search",
        "invoke_workflow intake",
        "invoke_agent alice",
    ]
    tool = dict(by_name["execute_tool send"].attributes or {})
    assert tool["gen_ai.operation.name"] == "execute_tool"
    assert tool["gen_ai.tool.call.id"] == "c1"
    model = dict(by_name["chat gpt-x"].attributes or {})
    assert (model["gen_ai.usage.input_tokens"], model["gen_ai.usage.output_tokens"]) == (5, 7)
    assert dict(by_name["chat gpt-x"].resource.attributes)["obs.agent.id"] == "alice"
    parent = by_name["invoke_workflow intake"].parent
    assert parent is not None
    assert parent.span_id == by_name["invoke_agent alice"].context.span_id


def test_secrets_in_a_tools_parameters_are_taken_out_and_long_ones_cut(traced: Traced) -> None:
    with traced.tracing.tool("send", "Authorization: Bearer sesame1234 " + "x" * 5_000):
        pass

    (span,) = traced.spans()
    told = str((span.attributes or {})["tool.parameters"])
    assert "sesame" not in told
    assert len(told) == 1_000


def test_an_exception_goes_through_and_is_on_the_span_without_secrets(traced: Traced) -> None:
    with pytest.raises(KeyError), traced.tracing.span("work"):
        raise KeyError("Bearer sesame1234567890abc")

    (span,) = traced.spans()
    assert span.status.status_code.name == "ERROR"
    assert [event.name for event in span.events] == ["exception"]
    told = dict(span.events[0].attributes or {})
    assert told.keys() == {"exception.type", "exception.message"}
    assert told["exception.type"] == "KeyError"
    assert "sesame" not in span.to_json()


def test_functions_are_traced_sync_and_async(traced: Traced) -> None:
    @traced.tracing.traced("plain")
    def plain() -> int:
        return 1

    @traced.tracing.traced("turn")
    async def turn() -> int:
        return plain()

    assert asyncio.iscoroutinefunction(turn)
    assert asyncio.run(turn()) == 1
    inner, outer = traced.spans()
    assert inner.parent is not None
    assert inner.parent.span_id == outer.context.span_id


def test_a_span_is_entered_in_an_async_block_and_stands_around_a_function(traced: Traced) -> None:
    async def work() -> None:
        async with traced.tracing.span("outer", step=None):
            with traced.tracing.span("inner"):
                await asyncio.sleep(0)

    @traced.tracing.span("around")
    def twice() -> None:
        """Do nothing."""

    asyncio.run(work())
    twice()
    twice()

    inner, outer, *around = traced.spans()
    assert (inner.name, outer.name) == ("inner", "outer")
    assert inner.parent is not None
    assert inner.parent.span_id == outer.context.span_id
    assert not outer.attributes
    assert [each.name for each in around] == ["around", "around"]
    assert all(each.parent is None for each in around), "what was current is so again"


def test_a_trace_goes_on_in_another_service(traced: Traced) -> None:
    with traced.tracing.span("caller"):
        headers = traced.tracing.headers()
    carried = {"Traceparent": headers["traceparent"]}
    with traced.tracing.continued(carried), traced.tracing.span("callee"):
        pass

    caller, callee = traced.spans()
    assert caller.context.trace_id == callee.context.trace_id


def test_a_ratio_of_nothing_exports_nothing() -> None:
    traced = Traced(sample_ratio=0.0)
    with traced.tracing.span("work"):
        pass

    assert traced.spans() == ()
    traced.tracing.shutdown()


def test_events_within_a_span_carry_its_trace(traced: Traced, tmp_path: Path) -> None:
    client = Client("http://127.0.0.1:9", "k", agent="alice", spool=tmp_path, exit_seconds=0.1)
    logging.getLogger("obsagent").setLevel(logging.CRITICAL)
    with traced.tracing.span("work"):
        client.event("run.started")
    batch = client.spool.next_batch(most=1, most_bytes=1_000)
    client.close()

    (span,) = traced.spans()
    assert batch is not None
    assert json.loads(batch.events[0])["trace"] == {
        "trace_id": f"{span.context.trace_id:032x}",
        "span_id": f"{span.context.span_id:016x}",
    }


@pytest.fixture
def acts(traced: Traced, tmp_path: Path) -> Iterator[Acts]:
    """Return acts with spans, whose events stay in a spool."""
    client = Client("http://127.0.0.1:9", "k", agent="alice", spool=tmp_path, exit_seconds=0.1)
    logging.getLogger("obsagent").setLevel(logging.CRITICAL)
    yield Acts(client, tracing=lambda: traced.tracing)
    client.close()


def events_of(acts: Acts) -> dict[str, dict[str, Any]]:
    """Return what was recorded, by id."""
    batch = acts.client.spool.next_batch(most=100, most_bytes=100_000)
    assert batch is not None
    return {event["id"]: event for event in map(json.loads, batch.events)}


def test_each_act_has_a_span_that_names_its_event(traced: Traced, acts: Acts) -> None:
    with acts.run(mode="chat"), acts.workflow("intake"), acts.step("s1", step_type="tool"):
        with acts.tool("send", arguments={"to": 7}):
            pass
        with acts.llm("gpt-x", provider="acme", operation="completion") as call:
            call.usage(input_tokens=5, output_tokens=7)
        with acts.memory("read", store="notes", type="episodic"):
            pass
        with acts.data_access("read", target_type="t", target_id="1", purpose="p", classes=["pii"]):
            pass
        with acts.act("tool.invoke", target={"type": "tool", "id": "x"}, tool={"name": "x"}):
            pass

    events = events_of(acts)
    names = {}
    for span in traced.spans():
        names[span.name] = dict(span.attributes or {})
        event = events[str(names[span.name]["obs.event.id"])]
        assert event["trace"]["span_id"] == f"{span.context.span_id:016x}"
        parent = span.parent and f"{span.parent.span_id:016x}"
        assert event["trace"].get("parent_id") == parent
    assert list(names) == [
        "execute_tool send",
        "text_completion gpt-x",
        "memory.read",
        "data.read",
        "execute_tool x",
        "node.s1",
        "invoke_workflow intake",
        "invoke_agent alice",
    ]
    assert names["text_completion gpt-x"]["gen_ai.usage.output_tokens"] == 7
    assert len({event["trace"]["trace_id"] for event in events.values()}) == 1


def test_a_span_that_was_opened_for_the_act_is_taken_for_its_own(
    traced: Traced, acts: Acts
) -> None:
    with traced.tracing.tool("send", {"to": 7}), acts.tool("send"), acts.tool("send"):
        pass

    inner, outer = traced.spans()
    assert inner.parent is not None
    assert inner.parent.span_id == outer.context.span_id
    told = {str((each.attributes or {})["obs.event.id"]) for each in (inner, outer)}
    assert told == set(events_of(acts))


def test_an_act_that_failed_has_a_span_that_did(traced: Traced, acts: Acts) -> None:
    async def work() -> None:
        async with acts.tool("send"):
            raise KeyError("k")

    with pytest.raises(KeyError):
        asyncio.run(work())
    with acts.tool("send") as call:
        call.fail("Refused")

    for span, why in zip(traced.spans(), ("KeyError", "Refused"), strict=True):
        assert span.status.status_code.name == "ERROR"
        assert (span.attributes or {})["error.type"] == why


def test_a_platform_that_is_away_never_raises_out_of_a_span(tmp_path: Path) -> None:
    with platform() as gone:
        url = gone.url
    obs = Observability("svc", endpoint=url, key="k", spool=tmp_path, exit_seconds=0.1)
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)

    with obs.span("work") as span:
        span.set_attribute("a", 1)

    assert "tracing" in obs.get_enabled_components()
    obs.shutdown_now()

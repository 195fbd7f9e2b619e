"""Adapters of frameworks: what begins and ends anywhere is one act, one span, one entry.

Frameworks themselves run in an environment of their own: test_senders.py.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from django.urls import path
from obsagent import Observability, context
from obsagent.acts import ToolCall
from obsagent.adapters.asgi import AskedByRequest
from obsagent.adapters.asking import asked_by
from obsagent.adapters.calls import Calls
from obsagent.adapters.mcp import observed
from obsagent.canonical import hashable
from obsagent.errors import NotConfigured
from obsagent.tracing import Tracing
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pytest_django import Settings

from tests.sdk.core.platform import Platform, platform

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE_ID, SPAN_ID = TRACEPARENT.split("-")[1:3]


@pytest.fixture
def server() -> Iterator[Platform]:
    with platform() as running:
        yield running


@pytest.fixture
def obs(server: Platform, tmp_path: Path) -> Iterator[Observability]:
    """Return an agent that records, without spans."""
    made = Observability(
        "bot", endpoint=server.url, key="obs_live_x", spool=tmp_path, enable_tracing=False
    )
    with made:
        yield made


@pytest.fixture
def spans(obs: Observability) -> InMemorySpanExporter:
    """Turn spans on, and return those that ended."""
    kept = InMemorySpanExporter()
    obs._tracing = Tracing("bot", endpoint="", key="", agent_id="bot", exporter=kept)
    obs.set_component("tracing", True)
    return kept


def recorded(obs: Observability, server: Platform) -> list[dict[str, Any]]:
    assert obs.client.flush(10)
    return list(server.events.values())


def tool(calls: Calls, key: str, parent: str | None) -> None:
    calls.begin(
        key,
        parent,
        name="execute_tool search",
        attributes={"gen_ai.operation.name": "execute_tool"},
        make=lambda acts, fields: acts.tool("search", **fields),
    )


# --- What goes on --------------------------------------------------------------------------------


def test_a_run_that_begins_and_ends_in_other_threads_is_one_run(
    obs: Observability, server: Platform, spans: InMemorySpanExporter
) -> None:
    calls = Calls(obs)

    def elsewhere(*work: Any) -> None:
        thread = threading.Thread(target=work[0], args=work[1:])
        thread.start()
        thread.join()

    with asked_by({}, "u-19"):
        calls.begin_run("r", run_id="run-1", name="claims", conversation="talk-1")
    elsewhere(tool, calls, "t", "r")
    elsewhere(calls.end, "t", PermissionError("not approved"))
    calls.end("r")

    started, called, completed = recorded(obs, server)
    assert [each["action"] for each in (started, called, completed)] == [
        "run.started",
        "tool.invoke",
        "run.completed",
    ]
    assert {each["run"]["id"] for each in (started, called, completed)} == {"run-1"}
    assert {each["actor"]["id"] for each in (started, called, completed)} == {"u-19"}
    assert (called["outcome"], called["error"]["type"]) == ("denied", "PermissionError")
    assert called["trace"]["conversation_id"] == "talk-1"
    obs._tracing.force_flush()  # type: ignore[union-attr]  # the fixture made it
    inner, outer = spans.get_finished_spans()
    assert inner.parent is not None
    assert inner.parent.span_id == outer.context.span_id
    assert inner.attributes is not None
    assert inner.attributes["obs.event.id"] == called["id"]
    assert called["trace"]["span_id"] == f"{inner.context.span_id:016x}"
    assert (len(calls), context.current()) == (0, {})


def test_what_did_not_end_within_its_run_is_recorded_as_unknown(
    obs: Observability, server: Platform
) -> None:
    calls = Calls(obs)
    calls.begin_run("r", run_id="run-1", name="claims")
    tool(calls, "t", "r")

    calls.end("r")
    calls.end("t")  # too late: it was told already

    outcomes = {each["action"]: each["outcome"] for each in recorded(obs, server)}
    assert outcomes == {
        "run.started": "success",
        "tool.invoke": "unknown",
        "run.completed": "success",
    }


def test_what_tells_nothing_is_passed_over_and_what_is_unknown_ends_nothing(
    obs: Observability, server: Platform, spans: InMemorySpanExporter
) -> None:
    calls = Calls(obs)
    calls.begin_run("r", run_id="run-1", name="claims")
    calls.same_as("turn", "r")
    calls.same_as("lost", "nobody")

    tool(calls, "t", "turn")
    for key in ("t", "turn", "lost", "never"):
        calls.end(key)
    calls.end("r")

    assert [each["run"]["id"] for each in recorded(obs, server)] == ["run-1"] * 3
    obs._tracing.force_flush()  # type: ignore[union-attr]  # the fixture made it
    assert [each.name for each in spans.get_finished_spans()] == [
        "execute_tool search",
        "invoke_agent claims",
    ]


def test_with_the_audit_trail_off_spans_speak_for_themselves(
    obs: Observability, server: Platform, spans: InMemorySpanExporter
) -> None:
    obs.set_component("audit", False)
    calls = Calls(obs)

    calls.begin_run("r", run_id="run-1", name="claims")
    tool(calls, "t", "r")
    calls.end("t")
    calls.end("r")

    obs._tracing.force_flush()  # type: ignore[union-attr]  # the fixture made it
    ended = spans.get_finished_spans()
    assert len(ended) == 2
    assert all("obs.event.id" not in (each.attributes or {}) for each in ended)
    assert server.events == {}


def test_arguments_without_a_canonical_form_are_hashed_as_python_writes_them() -> None:
    assert hashable({"n": 2**60}) == repr({"n": 2**60})
    assert hashable({"n": 1}) == {"n": 1}


@pytest.mark.parametrize(
    ("adapter", "library", "extra"),
    [("langchain", "langchain_core", "langchain"), ("openai_agents", "agents", "openai")],
)
def test_an_adapter_without_its_framework_names_the_extra(
    adapter: str, library: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, f"obsagent.adapters.{adapter}", raising=False)

    with pytest.raises(NotConfigured, match=rf"pip install 'obsagent\[{extra}\]'"):
        importlib.import_module(f"obsagent.adapters.{adapter}")


# --- MCP -----------------------------------------------------------------------------------------


class Session:
    """What the adapter asks of a session of MCP."""

    server_info = SimpleNamespace(name="claims-desk")

    async def call_tool(self, name: str, arguments: dict[str, Any] | None = None) -> Any:
        if name == "away":
            raise ConnectionError("the server is away")
        text = SimpleNamespace(model_dump=lambda **_: {"type": "text", "text": f"{name} says no"})
        return SimpleNamespace(content=[text], is_error=name == "broken")


def test_calls_of_tools_over_mcp_are_acts_with_their_server(
    obs: Observability, server: Platform
) -> None:
    session = observed(Session(), obs, tools={"search": {"risk": "low"}})

    asyncio.run(session.call_tool("search", {"q": "tax"}))
    asyncio.run(session.call_tool("broken"))
    with pytest.raises(ConnectionError):
        asyncio.run(session.call_tool("away"))

    search, broken, away = recorded(obs, server)
    assert [each["outcome"] for each in (search, broken, away)] == ["success", "failure", "error"]
    assert (
        search["tool"].items()
        >= {
            "name": "search",
            "kind": "mcp",
            "server": "claims-desk",
            "risk": "low",
        }.items()
    )
    assert len(search["tool"]["result_hash"]) == 64
    assert broken["error"] == {"type": "ToolError", "message": "broken says no"}
    assert away["error"]["type"] == "ConnectionError"


# --- Web services --------------------------------------------------------------------------------


def what_is_carried() -> dict[str, Any]:
    """Return who acts, and in which trace, as an event of this moment would say it."""
    return {**context.current(), "trace": context.trace_of_span()}


def view(request: HttpRequest) -> HttpResponse:
    told = what_is_carried()
    return HttpResponse(f"{told.get('actor')} {told['trace'].get('trace_id')}")


async def async_view(request: HttpRequest) -> HttpResponse:
    return view(request)


urlpatterns = [path("act", view), path("act-async", async_view)]


@pytest.fixture
def service(settings: Settings, database: None) -> None:
    """Make Django a service of its own with the middleware in it."""
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "obsagent.adapters.django.asked_by_request",
    ]
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"


def test_a_request_of_django_carries_who_asks_and_its_trace(service: None) -> None:
    user = get_user_model()(username="alice-of-adapters")
    user.save()
    client = Client()
    client.force_login(user)

    answer = client.get("/act", headers={"traceparent": TRACEPARENT})

    block = {"type": "human", "id": str(user.pk)}
    assert answer.content.decode() == f"{block} {TRACE_ID}"
    assert Client().get("/act").content == b"None None"
    assert context.current() == {}


def test_an_async_request_of_django_carries_the_same(service: None) -> None:
    async def ask() -> bytes:
        answer = await AsyncClient().get("/act-async", headers={"traceparent": TRACEPARENT})
        return bytes(answer.content)

    assert asyncio.run(ask()) == f"None {TRACE_ID}".encode()


def test_a_request_of_asgi_carries_who_asks_and_its_trace() -> None:
    seen: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(what_is_carried())

    async def nothing(*_: Any) -> None:
        return None

    served = AskedByRequest(app, actor=lambda scope: scope["user"])
    headers = [(b"traceparent", TRACEPARENT.encode()), (b"cookie", b"\xff")]
    for kind in ("http", "lifespan"):
        scope = {"type": kind, "headers": headers, "user": {"type": "service", "id": "desk"}}
        asyncio.run(served(scope, nothing, nothing))

    http, lifespan = seen
    assert http["actor"] == {"type": "service", "id": "desk"}
    assert http["trace"] == {"trace_id": TRACE_ID, "span_id": SPAN_ID}
    assert lifespan == {"trace": {}}


def test_without_opentelemetry_events_carry_the_trace_all_the_same(
    obs: Observability, server: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.trace.propagation.tracecontext", None)

    with asked_by({"traceparent": TRACEPARENT}, None), obs.acts.tool("search") as call:
        assert isinstance(call, ToolCall)

    (event,) = recorded(obs, server)
    assert event["trace"] == {"trace_id": TRACE_ID, "parent_id": SPAN_ID}


@pytest.mark.parametrize(
    "header", ["", "none", f"ff{TRACEPARENT[2:]}", f"00-{'0' * 32}-{SPAN_ID}-01", TRACEPARENT[:-1]]
)
def test_a_header_that_names_no_trace_is_passed_over(header: str) -> None:
    with asked_by({"traceparent": header}, None):
        assert what_is_carried() == {"trace": {}}

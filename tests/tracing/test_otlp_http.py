"""OTLP over HTTP: what is answered 200 is stored, chained and findable; what is not is told so."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from google.rpc.status_pb2 import Status
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from pytest_django import Settings

from audit import measures
from audit.admit import forget_limits
from audit.append import append_pending
from audit.cloudevents import namespace
from audit.models import Entry, Inbox, Ledger
from tests.audit.test_admit import wait_in_inbox
from tests.conftest import entries as all_entries
from tests.tracing.otlp_requests import SECOND, body, json_body, logs, new_id, span
from tracing.arrival import ITEMS_LIMIT
from tracing.models import Line, Span, Trace
from tracing.otlp_http import JSON, PROTOBUF

NOW = int(datetime.now(UTC).timestamp()) * SECOND


@pytest.fixture
def key(ledger: Ledger, api_key: Callable[..., str]) -> str:
    forget_limits()
    return api_key(ledger, "events:write")


def send(
    key: str,
    content: bytes,
    *,
    to: str = "/v1/traces",
    media: str = PROTOBUF,
    **headers: str,
) -> HttpResponse:
    answer = Client().generic(
        "POST",
        to,
        content,
        content_type=media,
        headers={"Authorization": f"Bearer {key}", **headers},
    )
    assert isinstance(answer, HttpResponse)
    return answer


def told(answer: HttpResponse) -> ExportTraceServiceResponse:
    found = ExportTraceServiceResponse()
    found.ParseFromString(answer.content)
    return found


def recent(name: str, /, attributes: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return span(name, attributes, **({"start": NOW} | fields))


def entries(ledger: Ledger) -> list[Entry]:
    """Return what agents did: the making of the key is left out."""
    return [each for each in all_entries(ledger) if each.action != "credential.issued"]


def a_run() -> list[dict[str, Any]]:
    """Return an agent's run with a call of a model and of a tool, as exporters send it."""
    trace, root = new_id(16), new_id(8)
    return [
        recent(
            "chat gpt-4o",
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "gpt-4o",
                "gen_ai.usage.input_tokens": 120,
                "gen_ai.usage.output_tokens": 40,
                "gen_ai.conversation.id": "talk-1",
                "gen_ai.input.messages": '[{"role":"user","content":"Hello"}]',
            },
            trace=trace,
            parent=root,
            start=NOW + 1,
        ),
        recent(
            "execute_tool search",
            {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": "search",
                "gen_ai.tool.call.id": "call_1",
                "gen_ai.tool.call.arguments": '{"q":"tax"}',
                "gen_ai.tool.call.result": "found",
            },
            trace=trace,
            parent=root,
            start=NOW + 2,
            status=2,
            message="it broke",
        ),
        recent(
            "invoke_agent planner",
            {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"},
            trace=trace,
            id=root,
        ),
    ]


@pytest.mark.parametrize("encoding", ["protobuf", "json", "gzip"])
def test_a_run_is_stored_chained_and_findable(ledger: Ledger, key: str, encoding: str) -> None:
    run = a_run()
    if encoding == "json":
        answer = send(key, json_body(run), media=f"{JSON}; charset=utf-8")
    elif encoding == "gzip":
        answer = send(key, gzip.compress(body(run)), **{"Content-Encoding": "gzip"})
    else:
        answer = send(key, body(run))

    assert (answer.status_code, answer.content) == (200, b"{}" if encoding == "json" else b"")
    assert answer["Content-Type"] == (JSON if encoding == "json" else PROTOBUF)
    append_pending(ledger.id)
    chained = {each.action: each for each in entries(ledger)}
    assert chained.keys() == {"llm.call", "tool.invoke", "run.completed"}
    stored = {each.name: each for each in Span.objects.filter(ledger_id=ledger.id)}
    tool = stored["execute_tool search"]
    assert (tool.operation, tool.subject, tool.status) == ("execute_tool", "search", 2)
    assert tool.event_id == chained["tool.invoke"].event_id
    assert len(tool.arguments_sha256) == 64
    trace = Trace.objects.get(ledger_id=ledger.id)
    assert (trace.name, trace.spans, trace.errors, trace.made_events, trace.has_root) == (
        "invoke_agent planner",
        3,
        1,
        3,
        True,
    )
    assert (trace.agent_id, trace.session_id) == ("desk/planner", "talk-1")
    assert (trace.input_tokens, trace.output_tokens) == (120, 40)


def test_an_act_that_was_posted_as_an_event_gives_no_second_one(ledger: Ledger, key: str) -> None:
    """Our SDK says so of its own spans; what is no id says nothing."""
    posted = str(uuid4())
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}

    send(key, body([recent("told", {**tool, "obs.event.id": posted})]))
    send(key, body([recent("not told", {**tool, "obs.event.id": "none"})]))
    append_pending(ledger.id)

    stored = {each.name: each for each in Span.objects.filter(ledger_id=ledger.id)}
    assert [each.event_id for each in entries(ledger)] == [stored["not told"].event_id]
    assert stored["told"].event_id == UUID(posted)
    assert stored["told"].operation == "execute_tool"


def test_an_error_is_told_by_the_exception_and_not_by_its_traceback(
    ledger: Ledger, key: str
) -> None:
    """OpenInference's LangChain puts the traceback into the status."""
    exception = {
        "name": "exception",
        "attributes": {"exception.type": "PermissionError", "exception.message": "not approved"},
    }
    failed = recent(
        "send",
        {"openinference.span.kind": "TOOL", "tool.name": "send"},
        status=2,
        message="PermissionError('not approved')Traceback (most recent call last):\n  File ...",
        events=[exception],
    )

    send(key, body([failed]))
    append_pending(ledger.id)

    event = json.loads(bytes(entries(ledger)[0].record))["event"]
    assert event["error"] == {"type": "PermissionError", "message": "not approved"}


def test_an_event_says_what_the_span_says_and_nothing_else(ledger: Ledger, key: str) -> None:
    run = a_run()
    call = run[0]

    send(key, body(run))
    append_pending(ledger.id)

    entry = next(each for each in entries(ledger) if each.action == "llm.call")
    record = json.loads(bytes(entry.record))
    event = record["event"]
    expected = uuid5(namespace(ledger.name), f"{call['trace']}\n{call['id']}")
    assert UUID(event.pop("id")) == expected
    assert record["source"]["id"] == f"{call['trace']}\n{call['id']}"
    assert event.pop("occurred_at").endswith("Z")
    assert len(event["model"].pop("prompt_hash")) == 64
    assert event == {
        "category": "llm_call",
        "action": "llm.call",
        "outcome": "success",
        "duration_ms": 50,
        "agent": {"id": "desk"},
        "actor": {"type": "agent", "id": "desk", "session_id": "talk-1"},
        "target": {"type": "model", "id": "gpt-4o"},
        "run": {"id": call["trace"]},
        "trace": {
            "trace_id": call["trace"],
            "span_id": call["id"],
            "parent_id": call["parent"],
            "conversation_id": "talk-1",
        },
        "model": {"provider": "openai", "name": "gpt-4o", "operation": "chat"},
        "usage": {"input_tokens": 120, "output_tokens": 40},
        "details": {"otlp": {"span": "chat gpt-4o", "scope": "tests"}},
    }


def test_a_retry_adds_nothing(ledger: Ledger, key: str) -> None:
    run = a_run()
    for _ in range(2):
        assert send(key, body(run)).status_code == 200
    append_pending(ledger.id)

    assert send(key, body([*run, recent("new")])).status_code == 200
    append_pending(ledger.id)

    assert Span.objects.filter(ledger_id=ledger.id).count() == 4
    assert Trace.objects.filter(ledger_id=ledger.id).count() == 2
    assert Trace.objects.get(ledger_id=ledger.id, name="invoke_agent planner").spans == 3
    assert len(entries(ledger)) == 3


def test_retries_at_the_same_time_add_nothing(ledger: Ledger, key: str) -> None:
    spans = [each for _ in range(20) for each in a_run()]
    contents = [body(spans), body(spans[::-1]), body(spans[10:]), body(spans[:50])]
    answers: list[int] = []

    def retry(content: bytes) -> None:
        answers.append(send(key, content).status_code)
        connection.close()

    threads = [threading.Thread(target=retry, args=(each,)) for each in contents]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    append_pending(ledger.id)

    assert answers == [200] * 4
    assert Span.objects.filter(ledger_id=ledger.id).count() == 60
    assert {each.spans for each in Trace.objects.filter(ledger_id=ledger.id)} == {3}
    assert len(entries(ledger)) == 60


def test_only_the_outermost_invocation_is_a_run(ledger: Ledger, key: str) -> None:
    trace, ids = new_id(16), [new_id(8) for _ in range(4)]
    agent = {"gen_ai.operation.name": "invoke_agent"}
    chain = {"openinference.span.kind": "CHAIN"}

    send(
        key,
        body(
            [
                recent("inner", agent, trace=trace, id=ids[2], parent=ids[1]),
                recent("between", chain, trace=trace, id=ids[1], parent=ids[0]),
                recent("outer", agent, trace=trace, id=ids[0]),
            ]
        ),
    )
    send(key, body([recent("later", agent, trace=trace, id=ids[3], parent=ids[1])]))
    append_pending(ledger.id)

    (entry,) = entries(ledger)
    assert entry.action == "run.completed"
    told_of = Span.objects.filter(ledger_id=ledger.id).exclude(event_id=None)
    assert [each.name for each in told_of] == ["outer"]
    assert Trace.objects.get(ledger_id=ledger.id).made_events == 1


def test_bad_spans_are_told_and_do_not_take_others_with_them(ledger: Ledger, key: str) -> None:
    good = recent("good")
    bad = [
        recent("short trace id", trace="ab" * 4),
        recent("no span id", id=""),
        recent("zeros", trace="00" * 16),
        recent("odd parent", parent="ab"),
        recent("no times", start=0, end=0),
        recent("beyond time", start=2**63),
    ]

    answer = send(key, body([*bad, good]))

    assert answer.status_code == 200
    partial = told(answer).partial_success
    assert partial.rejected_spans == 6
    assert "4 have no trace id" in partial.error_message
    assert "2 have no time" in partial.error_message
    assert [each.name for each in Span.objects.filter(ledger_id=ledger.id)] == ["good"]


def test_a_span_older_than_what_is_kept_gives_its_event_alone(
    ledger: Ledger, key: str, settings: Settings
) -> None:
    settings.TRACES_KEEP_DAYS = 3
    old = NOW - 5 * 86_400 * SECOND
    kept = NOW - 2 * 86_400 * SECOND
    said = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}

    answer = send(key, body([recent("old", said, start=old), recent("kept", said, start=kept)]))
    append_pending(ledger.id)

    assert told(answer).partial_success.rejected_spans == 1
    assert "outside of the days kept" in told(answer).partial_success.error_message
    assert [each.name for each in Span.objects.filter(ledger_id=ledger.id)] == ["kept"]
    assert len(entries(ledger)) == 2


SECRETS = {
    "http.request.header.authorization": "Bearer canary.Zq81Kd07Vn35aaaa1111",
    "db_password": "hunter2-Zq81Kd07Vn35-f6",
    "note": "use sk-proj-Zq81Kd07Vn35jjjj1010jjjj now",
    "gen_ai.tool.call.arguments": '{"password": "hunter2-Zq81Kd07Vn35-e5", "max_tokens": 4096}',
    "nested": {"deep": [{"api_key": "canary-Zq81Kd07Vn35-c3"}]},
    "url.full": "https://x.example/?token=Zq81Kd07Vn35qqqq",
}


def test_secrets_are_masked_before_anything_is_stored(ledger: Ledger, key: str) -> None:
    said = SECRETS | {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "search",
        "gen_ai.usage.input_tokens": 120,
        "llm.token_count.prompt": 120,
        "session.id": "talk-1",
    }
    sent = recent(
        "execute_tool",
        said,
        status=2,
        message="password=Zq81Kd07Vn35-status",
        events=[
            {
                "name": "exception",
                "attributes": {"exception.message": "token: Zq81Kd07Vn35-event"},
            }
        ],
    )

    assert send(key, body([sent], resource={"api_key": "Zq81Kd07Vn35-resource"})).status_code == 200
    assert send(key, logs([{"body": "token=Zq81Kd07Vn35-line", "at": NOW}]), to="/v1/logs")
    append_pending(ledger.id)

    (stored,) = Span.objects.filter(ledger_id=ledger.id)
    (line,) = Line.objects.filter(ledger_id=ledger.id)
    (entry,) = entries(ledger)
    everything = (
        json.dumps(
            [stored.attributes, stored.events, stored.resource, stored.status_message, line.message]
        )
        + bytes(entry.record).decode()
    )
    assert "Zq81Kd07Vn35" not in everything
    assert stored.attributes["gen_ai.usage.input_tokens"] == 120
    assert stored.attributes["llm.token_count.prompt"] == 120
    assert stored.attributes["session.id"] == stored.session_id == "talk-1"
    assert '"max_tokens": 4096' in stored.attributes["gen_ai.tool.call.arguments"]


def test_an_attribute_of_ten_megabytes_is_cut_and_says_so(ledger: Ledger, key: str) -> None:
    answer = send(
        key,
        gzip.compress(body([recent("big", {"text": "x" * 10_000_000}), recent("small")])),
        **{"Content-Encoding": "gzip"},
    )

    assert answer.status_code == 200
    big = Span.objects.get(ledger_id=ledger.id, name="big").attributes["text"]
    assert 65_536 < len(big) < 66_000
    assert "cut from 10,000,000 characters, sha256" in big
    assert Span.objects.filter(ledger_id=ledger.id).count() == 2


def test_many_long_attributes_are_left_out_beyond_a_megabyte(ledger: Ledger, key: str) -> None:
    said = {f"a{number:03}": "\u00fc" * 60_000 for number in range(30)}

    assert send(key, body([recent("big", said)])).status_code == 200

    found = Span.objects.get(ledger_id=ledger.id).attributes
    assert len(found) == 30
    assert found["a000"] == "\u00fc" * 60_000
    assert found["a029"].startswith("… left out: ")
    assert len(json.dumps(found, ensure_ascii=False).encode()) < 1_200_000


def test_nul_and_what_json_cannot_say_are_stored_all_the_same(ledger: Ledger, key: str) -> None:
    said = {"a\0b": "c\0d", "real": float("nan"), "tab\t": "line\nback\\slash\r"}

    assert send(key, body([recent("x\0y\t\\", said)])).status_code == 200

    found = Span.objects.get(ledger_id=ledger.id)
    assert found.name == "x\ufffdy\t\\"
    assert found.attributes == {
        "a\ufffdb": "c\ufffdd",
        "real": "nan",
        "tab\t": "line\nback\\slash\r",
    }


def test_fifty_thousand_spans_come_in_one_request_and_no_more(ledger: Ledger, key: str) -> None:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add().scope_spans.add()
    for _ in range(ITEMS_LIMIT):
        made = group.spans.add()
        made.trace_id, made.span_id = b"t" * 16, bytes.fromhex(new_id(8))
        made.start_time_unix_nano = made.end_time_unix_nano = NOW

    assert send(key, request.SerializeToString()).status_code == 200
    assert Trace.objects.get(ledger_id=ledger.id).spans == ITEMS_LIMIT

    group.spans.add()
    refused = send(key, request.SerializeToString())
    assert refused.status_code == 413
    assert "50,000" in status_of(refused).message


def waiting(ledger: Ledger) -> int:
    """Return how many requests wait to be chained, but for the making of the key."""
    return Inbox.objects.filter(ledger=ledger).count() - 1


def status_of(answer: HttpResponse) -> Status:
    found = Status()
    found.ParseFromString(answer.content)
    return found


@pytest.mark.parametrize(
    ("content", "media", "headers", "status", "code"),
    [
        (b"\x0a\xff", PROTOBUF, {}, 400, 3),
        (b"\x0a\x02\x12\xff", PROTOBUF, {}, 400, 3),
        (b'{"resourceSpans": 1}', JSON, {}, 400, 3),
        (b"[" * 100_000, JSON, {}, 400, 3),
        (b"not gzip", PROTOBUF, {"Content-Encoding": "gzip"}, 400, 3),
        (gzip.compress(b"\0" * 30_000_000), PROTOBUF, {"Content-Encoding": "gzip"}, 413, 8),
        (b"\0" * 6_000_000, PROTOBUF, {}, 413, 8),
        (b"", "text/plain", {}, 415, 3),
        (b"\x0a", PROTOBUF, {"Content-Encoding": "br"}, 415, 3),
        (b"\x0a", PROTOBUF, {"Authorization": "Bearer nothing"}, 401, 16),
        (b"", JSON, {"Authorization": ""}, 401, 16),
    ],
)
def test_a_refusal_has_the_type_of_its_request(
    ledger: Ledger,
    key: str,
    content: bytes,
    media: str,
    headers: dict[str, str],
    status: int,
    code: int,
) -> None:
    answer = send(key, content, media=media, **headers)

    assert answer.status_code == status
    if media == PROTOBUF:
        assert answer["Content-Type"] == PROTOBUF
        found = status_of(answer)
        assert (found.code, bool(found.message)) == (code, True)
    else:
        assert answer["Content-Type"] == JSON
        assert json.loads(answer.content)["code"] == code
    assert waiting(ledger) == 0


def test_a_key_without_the_scope_is_refused(ledger: Ledger, api_key: Callable[..., str]) -> None:
    assert send(api_key(ledger, "entries:read"), body([recent("x")])).status_code == 403


def test_another_address_and_another_method_are_told(key: str) -> None:
    assert send(key, b"", to="/v1/spans").status_code == 404
    answer = Client().get("/v1/traces")
    assert (answer.status_code, answer["Allow"]) == (405, "POST")


def test_a_key_over_its_rate_is_told_when_to_come_back(
    ledger: Ledger, api_key: Callable[..., str]
) -> None:
    forget_limits()
    key = api_key(ledger, "events:write", events_per_second=1)
    send(key, body([recent("x") for _ in range(50)]))

    answer = send(key, body([recent("x")]))

    assert answer.status_code == 429
    assert int(answer["Retry-After"]) >= 1
    assert status_of(answer).code == 8


def test_a_full_inbox_is_told_as_a_post_of_events_is(
    ledger: Ledger, key: str, settings: Settings
) -> None:
    settings.INBOX_LIMIT = 1
    append_pending(ledger.id)  # what the making of the key has left
    wait_in_inbox(ledger, count=2, age=timedelta(minutes=5))

    answer = send(key, body([recent("x")]))

    assert answer.status_code == 503
    assert int(answer["Retry-After"]) >= 1
    assert not Span.objects.filter(ledger_id=ledger.id).exists()


def test_what_is_not_committed_is_not_answered_200_and_the_retry_is_whole(
    ledger: Ledger, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_run()

    def cut(*_: object, **__: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with monkeypatch.context() as patched:
        patched.setattr("tracing.receive_spans.stored_spans.store", cut)
        answer = send(key, body(run))
    connection.close()

    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    assert not Span.objects.filter(ledger_id=ledger.id).exists()
    assert waiting(ledger) == 0
    assert send(key, body(run)).status_code == 200
    append_pending(ledger.id)
    assert (Span.objects.filter(ledger_id=ledger.id).count(), len(entries(ledger))) == (3, 3)


ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2)
    ),
    max_leaves=5,
)
KNOWN = st.sampled_from(
    [
        "gen_ai.operation.name",
        "gen_ai.tool.name",
        "gen_ai.tool.call.arguments",
        "gen_ai.request.model",
        "gen_ai.usage.input_tokens",
        "gen_ai.input.messages",
        "gen_ai.response.finish_reasons",
        "gen_ai.conversation.id",
        "openinference.span.kind",
        "traceloop.span.kind",
        "llm.input_messages.0.message.role",
        "llm.cost.total",
        "user.id",
        "error.type",
        "plan.quality",
    ]
)
OPERATIONS = st.sampled_from(
    ["chat", "execute_tool", "invoke_agent", "plan", "search_memory", "invoke_workflow", "odd"]
)


@hypothesis(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(OPERATIONS, st.dictionaries(KNOWN, ODD, max_size=5), st.text(max_size=8))
def test_whatever_attributes_say_the_span_is_stored(
    ledger: Ledger, key: str, operation: str, said: dict[str, Any], name: str
) -> None:
    sent = recent(name, {**said, "gen_ai.operation.name": operation}, status=2, message=name)

    answer = send(key, body([sent]))

    assert answer.status_code == 200
    assert told(answer).partial_success.rejected_spans == 0
    assert Span.objects.filter(ledger_id=ledger.id, trace_id=sent["trace"]).count() == 1


@pytest.fixture
def counting() -> Iterator[None]:
    was_gathering = measures.is_gathering()
    measures.gather(True)
    measures.drain()
    yield
    measures.gather(was_gathering)


@pytest.mark.usefixtures("counting")
def test_spans_that_are_kept_and_those_that_are_not_are_counted(ledger: Ledger, key: str) -> None:
    send(key, body([recent("good"), recent("good too"), recent("bad", trace="ab" * 4)]))

    counted = [each for each in measures.drain() if each[0].startswith("obs_spans")]
    assert counted == [
        ("obs_spans_total", ("otlp",), 2, None),
        ("obs_spans_dropped_total", ("otlp",), 1, None),
    ]

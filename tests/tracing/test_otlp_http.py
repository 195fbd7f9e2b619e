"""OTLP over HTTP: what is answered 200 is stored, chained and findable.

What is refused: test_otlp_http_refusals.py. What spans may hold: test_otlp_http_contents.py.
"""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from uuid import UUID, uuid4, uuid5

import pytest
from django.db import connection
from pytest_django import Settings

from audit import measures
from audit.append import append_pending
from audit.cloudevents import namespace
from audit.models import Ledger
from tests.tracing.otlp_posting import NOW, a_run, entries, key, recent, send, told
from tests.tracing.otlp_requests import SECOND, body, json_body, new_id
from tracing.models import Span, Trace
from tracing.otlp_http import JSON, PROTOBUF
from tracing.trace_spans import spans_of

__all__ = ["key"]  # fixtures, which pytest finds by their names here


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


def test_a_trace_is_called_as_its_spans_are_whatever_stands_in_their_names(
    ledger: Ledger, key: str
) -> None:
    one = recent(
        "C:\\reports\tof\nMay\0",
        {"gen_ai.operation.name": "invoke_agent", "session.id": "a\\talk"},
    )

    send(key, body([one], resource={"service.name": "CORP\\desk"}))

    trace, stored = Trace.objects.get(ledger_id=ledger.id), Span.objects.get(ledger_id=ledger.id)
    assert trace.name == stored.name == "C:\\reports\tof\nMay\ufffd"
    assert trace.service == stored.service == "CORP\\desk"
    assert trace.agent_id == stored.agent_id == "CORP\\desk"
    assert trace.session_id == stored.session_id == "a\\talk"


def test_a_span_that_ends_before_it_began_is_found_in_its_trace(ledger: Ledger, key: str) -> None:
    trace = new_id(16)
    late = recent("late", trace=trace, start=NOW + 2 * SECOND, end=NOW - SECOND)

    for sent in ([late], [recent("first", trace=trace), late | {"id": new_id(8)}]):
        assert send(key, body(sent)).status_code == 200

        kept = Trace.objects.get(ledger_id=ledger.id)
        assert kept.spans == spans_of(kept).count()
    assert kept.spans == 3

"""OTLP over HTTP: what is refused is told so, by type, by limit, and for how long."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pytest_django import Settings

from audit.admit import forget_limits
from audit.append import append_pending
from audit.models import Ledger
from tests.audit.test_admit import wait_in_inbox
from tests.tracing.otlp_posting import (
    NOW,
    a_run,
    entries,
    key,
    recent,
    send,
    status_of,
    told,
    waiting,
)
from tests.tracing.otlp_requests import body, new_id
from tracing.arrival import ITEMS_LIMIT
from tracing.models import Span, Trace
from tracing.otlp_http import JSON, PROTOBUF

__all__ = ["key"]  # fixtures, which pytest finds by their names here


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


def test_one_id_twice_within_a_microsecond_does_not_keep_its_neighbours_out(
    ledger: Ledger, key: str
) -> None:
    at = NOW - NOW % 1000
    first = recent("first", start=at + 1)

    answer = send(key, body([first, first | {"name": "second", "start": at + 2}, recent("third")]))

    assert answer.status_code == 200
    kept = Span.objects.filter(ledger_id=ledger.id)
    assert sorted(each.name for each in kept) == ["first", "third"]


def test_no_number_of_tokens_keeps_spans_out(ledger: Ledger, key: str) -> None:
    trace = new_id(16)
    most = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 2**53 - 1}

    for _ in range(2):
        many = [recent("chat", most, trace=trace) for _ in range(1025)]
        assert send(key, body(many)).status_code == 200

    kept = Trace.objects.get(ledger_id=ledger.id)
    assert (kept.spans, kept.input_tokens) == (2050, 2**63 - 1)

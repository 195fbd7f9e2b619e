"""Log records become lines, and events where they say so; points become allowed measures."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from audit.admit import forget_limits
from audit.append import append_pending
from audit.models import Ledger
from metrics import custom
from tests.conftest import entries
from tests.tracing.otlp_requests import SECOND, logs, new_id, pairs
from tracing.models import Line

NOW = int(time.time()) * SECOND


@pytest.fixture
def key(ledger: Ledger, api_key: Callable[..., str]) -> str:
    forget_limits()
    return api_key(ledger, "events:write")


def send(key: str, content: bytes, *, to: str = "/v1/logs") -> HttpResponse:
    answer = Client().generic(
        "POST",
        to,
        content,
        content_type="application/x-protobuf",
        headers={"Authorization": f"Bearer {key}"},
    )
    assert isinstance(answer, HttpResponse)
    assert answer.status_code == 200, answer.content
    return answer


def partial(answer: HttpResponse) -> tuple[int, str]:
    found = ExportLogsServiceResponse()
    found.ParseFromString(answer.content)
    return found.partial_success.rejected_log_records, found.partial_success.error_message


def acts(ledger: Ledger) -> list[dict[str, Any]]:
    """Return the chained events, but for the making of the key."""
    append_pending(ledger.id)
    found = [json.loads(bytes(each.record))["event"] for each in entries(ledger)]
    return [each for each in found if each["action"] != "credential.issued"]


def test_a_record_becomes_a_line_that_can_be_searched(ledger: Ledger, key: str) -> None:
    trace, span = new_id(16), new_id(8)
    record = {
        "body": "Agent execution completed",
        "at": NOW,
        "severity": 13,
        "trace": trace,
        "span": span,
        "attributes": {"task_id": "t-1", "duration": 1.5, "password": "hunter2"},
    }

    assert partial(send(key, logs([record], resource={"host.name": "a"}))) == (0, "")

    line = Line.objects.get(ledger_id=ledger.id)
    assert (line.message, line.severity, line.service, line.agent_id) == (
        "Agent execution completed",
        13,
        "desk",
        "desk",
    )
    assert (line.trace_id, line.span_id, line.task_id, line.logger) == (trace, span, "t-1", "tests")
    assert line.fields == {
        "task_id": "t-1",
        "duration": 1.5,
        "password": "***REDACTED***",
        "resource": {"host.name": "a"},
    }
    assert line.event_id is None
    assert acts(ledger) == []


def test_a_retry_of_lines_adds_none(ledger: Ledger, key: str) -> None:
    record = {"body": "x", "at": NOW, "attributes": {"obs.action": "run.started"}}
    first, second = logs([record]), logs([record, {"body": "y", "at": NOW}])

    for content in (first, first, second):
        send(key, content)

    assert sorted(each.message for each in Line.objects.filter(ledger_id=ledger.id)) == ["x", "y"]
    assert len(acts(ledger)) == 1


def test_a_body_that_is_a_map_is_kept_whole(ledger: Ledger, key: str) -> None:
    send(key, logs([{"body": {"event": "started", "size": 3}, "at": NOW}]))

    line = Line.objects.get(ledger_id=ledger.id)
    assert (line.message, line.fields["body"]) == ("started", {"event": "started", "size": 3})


def test_a_record_that_names_an_action_is_an_event(ledger: Ledger, key: str) -> None:
    record = {
        "body": "Read a customer's file",
        "at": NOW,
        "trace": "ab" * 16,
        "span": "cd" * 8,
        "attributes": {
            "obs.action": "data.read",
            "obs.outcome": "denied",
            "obs.target.type": "file",
            "obs.target.id": "customer-7",
            "obs.data.purpose": "support",
            "obs.data.classes": ["pii"],
            "user.id": "u-1",
        },
    }

    send(key, logs([record]))

    (event,) = acts(ledger)
    assert (event["category"], event["action"], event["outcome"]) == (
        "data_access",
        "data.read",
        "denied",
    )
    assert event["target"] == {"type": "file", "id": "customer-7"}
    assert event["data"] == {"purpose": "support", "classes": ["pii"]}
    assert event["actor"] == {"type": "human", "id": "u-1"}
    assert event["trace"] == {"trace_id": "ab" * 16, "span_id": "cd" * 8}
    assert str(Line.objects.get(ledger_id=ledger.id).event_id) == event["id"]


@pytest.mark.parametrize(
    ("attributes", "why"),
    [
        ({"obs.action": "data.red"}, "no action"),
        ({"obs.action": "approval.granted", "obs.target.type": "a", "obs.target.id": "b"}, "scope"),
        ({"obs.action": "run.started", "obs.colour": "red"}, "colour"),
        ({"obs.action": "tool.invoke"}, "target"),
    ],
)
def test_an_event_that_is_refused_leaves_its_line_and_says_why(
    ledger: Ledger, key: str, attributes: dict[str, Any], why: str
) -> None:
    answer = send(key, logs([{"body": "x", "at": NOW, "attributes": attributes}]))

    number, message = partial(answer)
    assert number == 0
    assert message.startswith("1 gave no event")
    assert why in message
    assert Line.objects.get(ledger_id=ledger.id).event_id is None


def test_genai_events_never_count_a_call_twice(ledger: Ledger, key: str) -> None:
    said = {
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 12,
    }
    inference = "gen_ai.client.inference.operation.details"

    send(
        key,
        logs(
            [
                {"event_name": "gen_ai.user.message", "body": {"content": "Hello"}, "at": NOW},
                {
                    "event_name": inference,
                    "attributes": said,
                    "at": NOW,
                    "trace": "ab" * 16,
                    "span": "cd" * 8,
                },
                {"event_name": inference, "attributes": said, "at": NOW},
            ]
        ),
    )

    found = {each["action"]: each for each in acts(ledger)}
    assert found.keys() == {
        "x.gen_ai.user_message",
        "x.gen_ai.client_inference_operation_details",
        "llm.call",
    }
    assert found["llm.call"]["usage"] == {"input_tokens": 12}
    assert "duration_ms" not in found["llm.call"]
    message = found["x.gen_ai.user_message"]
    assert message["category"] == "communication"
    assert len(message["details"]["otlp"]["content_sha256"]) == 64
    assert "Hello" not in json.dumps(message)


def test_what_was_said_is_in_no_message(ledger: Ledger, key: str) -> None:
    send(key, logs([{"event_name": "gen_ai.content.prompt", "body": "an illness", "at": NOW}]))

    line = Line.objects.get(ledger_id=ledger.id)
    assert line.message == "gen_ai.content.prompt"
    assert line.fields["body"] == "an illness"


def test_a_record_whose_ids_are_zeros_or_cut_short_is_of_no_trace(ledger: Ledger, key: str) -> None:
    zeros = {"trace": "0" * 32, "span": "0" * 16}
    answer = send(
        key,
        logs(
            [
                {"attributes": {"obs.action": "run.started"}, "at": NOW, **zeros},
                {"attributes": {"obs.action": "run.completed"}, "at": NOW, "trace": "abcdef"},
                {
                    "event_name": "gen_ai.client.inference.operation.details",
                    "attributes": {"gen_ai.request.model": "gpt-4o"},
                    "at": NOW,
                    **zeros,
                },
            ]
        ),
    )

    found = acts(ledger)
    assert partial(answer) == (0, "")
    assert sorted(each["action"] for each in found) == ["llm.call", "run.completed", "run.started"]
    assert [each["run"] for each in found if each.get("run")] == []
    assert [each["trace"] for each in found if each.get("trace")] == []


def test_a_record_without_a_time_gets_ours_and_an_old_one_is_told(ledger: Ledger, key: str) -> None:
    old = NOW - 90 * 86_400 * SECOND
    answer = send(key, logs([{"body": "now", "at": 0}, {"body": "old", "at": old}]))

    assert partial(answer)[0] == 1
    assert [each.message for each in Line.objects.filter(ledger_id=ledger.id)] == ["now"]


# --- Metrics --------------------------------------------------------------------------------------


@pytest.fixture
def allowed(ledger: Ledger) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE metrics_custommetric")
    for name, kind, labels in (
        ("questions.answered", "counter", "topic"),
        ("queue.depth", "gauge", "gen_ai_agent"),
    ):
        custom.allow(custom.Draft(name=name, kind=kind, labels=labels, help="For a test."), by="a")
    yield
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE metrics_custommetric")


def metrics() -> bytes:
    """Return deltas of an allowed counter, an allowed gauge, and what is not allowed."""
    request = ExportMetricsServiceRequest()
    part = request.resource_metrics.add()
    part.resource.attributes.extend(pairs({"service.name": "desk"}))
    group = part.scope_metrics.add().metrics

    def point(to: Any, labels: dict[str, Any], number: float) -> None:
        made = to.data_points.add()
        made.time_unix_nano, made.as_double = NOW, number
        made.attributes.extend(pairs(labels))

    for name, temporality, labels in (
        ("questions.answered", 1, {"topic": "tax"}),
        ("questions.answered", 2, {"topic": "rent"}),
        ("questions.answered", 1, {"user": "u-1"}),
        ("unheard.of", 1, {}),
    ):
        made = group.add()
        made.name = name
        made.sum.is_monotonic, made.sum.aggregation_temporality = True, temporality
        point(made.sum, labels, 2.0)
    gauge = group.add()
    gauge.name = "queue.depth"
    point(gauge.gauge, {"gen_ai.agent": "planner"}, 1.5)
    point(gauge.gauge, {"gen_ai.agent": "writer"}, float("nan"))
    sent: bytes = request.SerializeToString()
    return sent


@pytest.mark.usefixtures("allowed")
def test_what_is_allowed_becomes_a_measure_and_the_rest_is_refused_by_name(
    ledger: Ledger, key: str
) -> None:
    for _ in range(2):  # a retry counts once
        answer = send(key, metrics(), to="/v1/metrics")

    told = ExportMetricsServiceResponse()
    told.ParseFromString(answer.content)
    assert told.partial_success.rejected_data_points == 4
    message = told.partial_success.error_message
    assert "'unheard.of' refused: it is not allowed" in message
    assert "'questions.answered' refused: it is cumulative: send deltas" in message
    assert "has the label 'user', which is not allowed" in message
    assert "'queue.depth' refused: it is no finite number" in message
    assert [each["measure"] for each in acts(ledger)] == [
        {
            "name": "questions.answered",
            "type": "counter",
            "value": 2,
            "labels": {"topic": "tax"},
        },
        {
            "name": "queue.depth",
            "type": "gauge",
            "value": 1.5,
            "labels": {"gen_ai_agent": "planner"},
        },
    ]

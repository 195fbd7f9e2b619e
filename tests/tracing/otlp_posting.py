"""What tests of OTLP over HTTP share: a key, spans of now, how they are sent, what is answered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from audit.admit import forget_limits
from audit.models import Entry, Inbox, Ledger
from tests.conftest import entries as all_entries
from tests.tracing.otlp_requests import SECOND, new_id, span
from tracing.otlp_http import PROTOBUF

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


def waiting(ledger: Ledger) -> int:
    """Return how many requests wait to be chained, but for the making of the key."""
    return Inbox.objects.filter(ledger=ledger).count() - 1


def status_of(answer: HttpResponse) -> Status:
    found = Status()
    found.ParseFromString(answer.content)
    return found

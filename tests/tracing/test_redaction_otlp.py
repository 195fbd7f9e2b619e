"""No secret of the corpus that comes over OTLP is seen again; no innocent word is touched.

The corpus goes out in whatever a sender can write into: names, values, nested values, links,
resources, bodies, labels. It is looked for in every row of the database, and where people look.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from psycopg import sql

from audit.admit import forget_limits
from audit.append import append_pending
from audit.database import rows
from audit.exportfile import path_of
from audit.models import Ledger
from audit.redact import REPLACEMENT
from audit.seal import seal
from audit.signer import make_key
from metrics import custom
from tests.audit.exporting import made
from tests.conftest import entries
from tests.metrics.deciding import client
from tests.tracing.otlp_posting import NOW, recent, send
from tests.tracing.otlp_requests import body, json_body, logs, new_id, pairs
from tests.tracing.redaction.corpus import INNOCENT_FIELDS, INNOCENT_TEXTS, SECRETS, Secret
from tests.tracing.test_redaction import in_groups, said, seen
from tracing.models import Line, Span, Trace
from tracing.otlp_http import JSON, PROTOBUF

TRACES, LINES = "/admin/tracing/trace/", "/admin/tracing/line/"
SESSION = "a talk"
IN_HEX = re.compile(r"\\\\x((?:[0-9a-f]{2})+)")
LINK = {"trace": "ab" * 16, "id": "cd" * 8}


@pytest.fixture(autouse=True)
def _alone(alone: None) -> None:
    """Every row there is gets looked through: those of this test's own."""


@pytest.fixture
def key(ledger: Ledger, api_key: Callable[..., str]) -> str:
    forget_limits()
    return api_key(ledger, "events:write", "entries:read")


def left_in_database() -> dict[str, list[str]]:
    """Return the secrets that can be seen in the rows of each table of ours."""
    tables = rows(
        "SELECT relname FROM pg_class"
        " WHERE relkind IN ('r', 'p') AND NOT relispartition"
        " AND relname ~ '^(audit|metrics|tracing)_'"
    )
    found = {table: seen(_rows_of(table)) for (table,) in tables}
    assert {"audit_inbox", "audit_entry", "tracing_span", "tracing_line"} <= found.keys()
    return {table: secrets for table, secrets in found.items() if secrets}


def _rows_of(table: str) -> str:
    """Return every row of a table as text, and what its bytes, written in hex, say."""
    every = sql.SQL("SELECT t::text FROM {} AS t").format(sql.Identifier(table)).as_string()
    text = "\n".join(row for (row,) in rows(every))
    return text + "".join(
        bytes.fromhex(found).decode(errors="replace") for found in IN_HEX.findall(text)
    )


# --- Spans ---------------------------------------------------------------------------------------


def spans_with(group: list[Secret]) -> list[dict[str, Any]]:
    """Return a run of an agent that says each secret wherever a span can say something."""
    trace, root = new_id(16), new_id(8)
    names = [said(each)[:150] for each in group]
    talk = [
        {"role": "user", "parts": [{"type": "text", "content": said(each)} for each in group]},
        {
            "role": "assistant",
            "parts": [
                {"type": "tool_call", "id": "c", "name": "t", "arguments": each.value}
                for each in group
            ],
        },
    ]
    run = recent(
        f"invoke_agent {names[0]}",
        {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": names[0],
            "gen_ai.agent.id": names[1],
            "gen_ai.conversation.id": SESSION,
            "user.id": names[2],
            "gen_ai.input.messages": json.dumps(talk),
            "all": {str(number): each.value for number, each in enumerate(group)},
        },
        trace=trace,
        id=root,
    )
    return [run, *(_call(each, number, trace, root) for number, each in enumerate(group))]


def _call(secret: Secret, number: int, trace: str, root: str) -> dict[str, Any]:
    text = said(secret)
    is_tool = number % 2 == 0
    return recent(
        text,
        {
            "gen_ai.operation.name": "execute_tool" if is_tool else "chat",
            "gen_ai.tool.name" if is_tool else "gen_ai.request.model": text,
            "gen_ai.tool.call.id" if is_tool else "gen_ai.response.id": text,
            "gen_ai.tool.call.arguments": json.dumps(secret.value),
            "gen_ai.tool.call.result": text,
            "error.type": text,
            "given": secret.value,
            "listed": [secret.value, [text], {"deeper": secret.value}],
            "in.json": json.dumps({"deep": [secret.value]}),
            **(secret.value if isinstance(secret.value, dict) else {}),
        },
        trace=trace,
        parent=root,
        start=NOW + number,
        status=2,
        message=text,
        events=[
            {
                "name": "exception",
                "attributes": {
                    "exception.type": "ValueError",
                    "exception.message": text,
                    "exception.stacktrace": f"Traceback (most recent call last):\n{text}",
                },
            },
            {"name": text, "attributes": {"given": secret.value}},
        ],
        links=[LINK | {"attributes": {"given": secret.value, "listed": [text]}}],
    )


def resource_with(group: list[Secret]) -> dict[str, Any]:
    texts = list(map(said, group))
    return {
        "service.name": f"desk {texts[0]}"[:150],
        "service.instance.id": texts[1],
        "service.version": texts[2],
        "process.command_args": texts,
        "process.environment": [each.value for each in group],
    }


def send_spans(key: str) -> list[str]:
    """Send every secret in spans, in both encodings; return the traces."""
    found = []
    for number, group in enumerate(in_groups(SECRETS, 56)):
        run = spans_with(group)
        encode, media = ((body, PROTOBUF), (json_body, JSON))[number % 2]
        answer = send(key, encode(run, resource=resource_with(group)), media=media)
        assert answer.status_code == 200, answer.content
        found.append(run[0]["trace"])
    return found


def test_no_secret_in_a_span_is_stored_chained_shown_or_exported(ledger: Ledger, key: str) -> None:
    traces = send_spans(key)
    assert left_in_database() == {}  # the inbox among it
    append_pending(ledger.id)
    assert left_in_database() == {}
    assert Span.objects.filter(ledger_id=ledger.id).count() == len(SECRETS) + len(traces)
    acts = [each for each in entries(ledger) if each.action != "credential.issued"]
    assert len(acts) > len(SECRETS) * 0.9  # a name may hold no end of line
    assert {each.action for each in acts} == {"run.completed", "tool.invoke", "llm.call"}

    auditor = client("auditor")
    for address in (
        f"{TRACES}?ledger={ledger.name}",
        f"{TRACES}session/?ledger={ledger.name}&id={SESSION}",
    ):
        assert_masked(auditor, address)
    for trace in traces:
        place = f"{TRACES}{ledger.name}/{trace}/"
        auditor.post(f"{place}read/", {"reason": "looking for secrets"})
        root, *calls = Span.objects.filter(ledger_id=ledger.id, trace_id=trace).order_by("start_ns")
        for below in ("", "spans/", "?show=conversation", f"{root.span_id}/?part=1"):
            assert_masked(auditor, place + below)
        for call in calls[::8]:
            assert_masked(auditor, f"{place}{call.span_id}/?part=1")
        assert_masked(Client(), f"/api/v1/traces/{trace}", key)
    assert_masked(Client(), "/api/v1/traces", key)
    assert_masked(Client(), "/api/v1/entries?limit=500", key)
    make_key(ledger.name, origin=ledger.origin)
    assert seal(ledger) is not None
    for form in ("ndjson", "csv", "cef"):
        exported = path_of(made(ledger, form)).read_text()
        assert REPLACEMENT in exported
        assert seen(exported) == []


def assert_masked(who: Client, address: str, key: str = "") -> None:
    answer = who.get(address, headers={"Authorization": f"Bearer {key}"} if key else {})
    assert answer.status_code == 200, address
    text = answer.content.decode()
    assert REPLACEMENT in text, address
    assert seen(text) == [], address


def test_what_is_masked_in_a_span_is_masked_alike_in_its_event(ledger: Ledger, key: str) -> None:
    send(
        key,
        body(
            [
                recent(
                    "invoke_agent",
                    {
                        "gen_ai.operation.name": "invoke_agent",
                        "gen_ai.agent.name": "bot password=hunter2-hunter2",
                    },
                )
            ],
        ),
    )
    append_pending(ledger.id)

    (act,) = (each for each in entries(ledger) if each.action == "run.completed")
    (span,) = Span.objects.filter(ledger_id=ledger.id)
    assert span.agent_id == f"desk/bot password={REPLACEMENT}"
    assert act.agent_id == span.agent_id == Trace.objects.get(ledger_id=ledger.id).agent_id


# --- Log records ---------------------------------------------------------------------------------


def records_with(secret: Secret) -> list[dict[str, Any]]:
    """Return a plain line, one with fields, one that tells of an act, and a convention's."""
    text, value = said(secret), secret.value
    about = {"given": value, "listed": [text], "logger": text, "task_id": text}
    told = {
        "obs.action": "tool.invoke",
        "obs.target.type": "tool",
        "obs.target.id": text[:150],
        "obs.tool.name": text[:150],
        "obs.reason": text,
        "obs.labels.a": text,
        "obs.details.given": value,
        "obs.error.message": text,
    }
    message = {"gen_ai.request.model": text, "gen_ai.conversation.id": text}
    return [
        {"body": text, "attributes": about, "at": NOW},
        {"body": {"message": text, "given": value}, "attributes": {"exception.message": text}},
        {"body": value, "attributes": told, "at": NOW, "event_name": text},
        {"body": {"content": text}, "attributes": message, "event_name": "gen_ai.choice"},
    ]


def test_no_secret_in_a_log_record_is_stored_chained_or_shown(ledger: Ledger, key: str) -> None:
    for group in in_groups(SECRETS, 56):
        records = [{"at": NOW} | each for secret in group for each in records_with(secret)]
        answer = send(key, logs(records, resource=resource_with(group)), to="/v1/logs")
        assert answer.status_code == 200, answer.content
    append_pending(ledger.id)

    assert left_in_database() == {}
    assert Line.objects.filter(ledger_id=ledger.id).count() == 4 * len(SECRETS)
    acts = {each.action for each in entries(ledger)}
    assert {"tool.invoke", "x.gen_ai.choice"} <= acts
    assert_masked(client("auditor"), f"{LINES}?ledger={ledger.name}")
    after = ""
    while after is not None:
        address = f"/api/v1/lines?limit=500{after and '&after='}{after}"
        listed = Client().get(address, headers={"Authorization": f"Bearer {key}"})
        assert seen(listed.content.decode()) == []
        after = listed.json()["next"]


# --- Labels of metrics ---------------------------------------------------------------------------


@pytest.fixture
def _allowed(ledger: Ledger) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE metrics_custommetric")
        custom.allow(
            custom.Draft(name="queue.depth", kind="gauge", labels="topic", help="For a test."),
            by="a",
        )
        yield
        cursor.execute("TRUNCATE metrics_custommetric")


@pytest.mark.usefixtures("_allowed")
def test_no_secret_in_a_metric_is_stored_or_chained(ledger: Ledger, key: str) -> None:
    request = ExportMetricsServiceRequest()
    part = request.resource_metrics.add()
    part.resource.attributes.extend(pairs(resource_with(SECRETS[:8])))
    group = part.scope_metrics.add().metrics
    for number, secret in enumerate(SECRETS):
        for name, labels in (
            ("queue.depth", {"topic": secret.value}),
            (said(secret), {"topic": "x"}),
            ("queue.depth", {said(secret): "x"}),
        ):
            gauge = group.add()
            gauge.name = name
            point = gauge.gauge.data_points.add()
            point.time_unix_nano, point.as_double = NOW + number, 1.0
            point.attributes.extend(pairs(labels))

    answer = send(key, request.SerializeToString(), to="/v1/metrics")
    append_pending(ledger.id)

    assert answer.status_code == 200
    assert sum(each.action == "metric.recorded" for each in entries(ledger)) == len(SECRETS)
    assert left_in_database() == {}


# --- Innocent words ------------------------------------------------------------------------------


def test_innocent_words_stay_in_spans_lines_and_their_events(ledger: Ledger, key: str) -> None:
    spans = [
        recent(
            text,
            INNOCENT_FIELDS | {"said": INNOCENT_TEXTS, "in.json": json.dumps(INNOCENT_FIELDS)},
            status=2,
            message=text,
            events=[{"name": text, "attributes": INNOCENT_FIELDS}],
        )
        for text in INNOCENT_TEXTS[:8]
    ]
    told = {"obs.action": "tool.invoke", "obs.target.type": "tool", "obs.target.id": "search"}
    records = [{"body": each, "attributes": INNOCENT_FIELDS, "at": NOW} for each in INNOCENT_TEXTS]
    records += [
        {
            "at": NOW,
            "body": "told",
            "attributes": told
            | {"obs.reason": text, "obs.details.fields": INNOCENT_FIELDS, "obs.tool.name": text},
        }
        for text in INNOCENT_TEXTS
    ]
    assert send(key, body(spans)).content == b""
    assert send(key, logs(records), to="/v1/logs").content == b""
    append_pending(ledger.id)

    for span in Span.objects.filter(ledger_id=ledger.id):
        assert span.attributes["said"] == INNOCENT_TEXTS
        assert INNOCENT_FIELDS.items() <= span.attributes.items()
        assert span.events[0]["attributes"] == INNOCENT_FIELDS
        assert span.name == span.status_message == span.events[0]["name"]
        assert span.name in INNOCENT_TEXTS
    lines = Line.objects.filter(ledger_id=ledger.id)
    assert {each.message for each in lines} == {*INNOCENT_TEXTS, "told"}
    acts = [e.parsed()["event"] for e in entries(ledger) if e.action == "tool.invoke"]
    assert {each["reason"] for each in acts} == set(INNOCENT_TEXTS)
    assert {each["tool"]["name"] for each in acts} == set(INNOCENT_TEXTS)

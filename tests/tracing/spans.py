"""Spans in the database as a receiver leaves them: a realistic run of an agent, loops, long traces.

Written by SQL of our own, so that pages are tested without a sender. A run is `invoke_agent` with
the model's calls and the tools that it asked for, as the GenAI conventions say it.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

MS = 1_000_000
MODEL = "example-large"


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One span as the table has it."""

    span_id: str = field(default_factory=lambda: secrets.token_hex(8))
    parent_id: str = ""
    name: str = "step"
    start_ns: int = 0
    duration_ns: int = MS
    kind: int = 1
    status: int = 0
    status_message: str = ""
    operation: str = ""
    subject: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: Decimal | None = None
    arguments_sha256: str = ""
    event_id: UUID | None = None
    scope: str = "opentelemetry.instrumentation.example 0.1"
    attributes: Mapping[str, Any] = field(default_factory=dict)
    resource: Mapping[str, Any] = field(default_factory=lambda: {"service.name": "claims"})
    events: Sequence[Mapping[str, Any]] = ()
    links: Sequence[Mapping[str, Any]] = ()


def new_trace_id() -> str:
    """Return a trace id that nothing else has."""
    return secrets.token_hex(16)


def keep_trace(
    connection: psycopg.Connection[Any],
    ledger_id: int,
    spans: Sequence[Kept],
    *,
    trace_id: str | None = None,
    service: str = "claims",
    agent: str = "claims-adjudicator",
    session: str = "session-1",
) -> str:
    """Store spans and the row of their trace in one transaction; return the trace's id."""
    trace_id = trace_id or new_trace_id()
    days = sorted({_moment(each.start_ns).date() for each in spans})
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("SELECT tracing_make_days(%s, %s)", (days[0], days[-1]))
        columns = (
            "ledger_id, trace_id, span_id, started_at, start_ns, duration_ns, parent_id, name,"
            " kind, status, status_message, service, agent_id, session_id, operation, subject,"
            " input_tokens, output_tokens, cost_usd, arguments_sha256, event_id, scope, attributes,"
            " resource, events, links, received_at"
        )
        with cursor.copy(f"COPY tracing_span ({columns}) FROM STDIN") as copy:
            for each in spans:
                copy.write_row((
                    ledger_id, trace_id, each.span_id, _moment(each.start_ns), each.start_ns,
                    each.duration_ns, each.parent_id, each.name, each.kind, each.status,
                    each.status_message, service, agent, session, each.operation, each.subject,
                    each.input_tokens, each.output_tokens, each.cost_usd, each.arguments_sha256,
                    each.event_id, each.scope, Jsonb(each.attributes), Jsonb(each.resource),
                    Jsonb(list(each.events)), Jsonb(list(each.links)), datetime.now(UTC),
                ))  # fmt: skip
        cursor.execute(
            """
            INSERT INTO tracing_trace (
                ledger_id, trace_id, started_at, ended_at, name, service, agent_id, session_id,
                has_root, spans, errors, made_events, input_tokens, output_tokens, cost_usd,
                updated_at
            )
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, now())
            """,
            _summed(spans, ledger_id, trace_id, service, agent, session),
        )
    return trace_id


def _summed(
    spans: Sequence[Kept], ledger_id: int, trace_id: str, service: str, agent: str, session: str
) -> tuple[Any, ...]:
    roots = [each for each in spans if not each.parent_id]
    first = min(roots or spans, key=lambda each: each.start_ns)
    return (
        ledger_id,
        trace_id,
        _moment(min(each.start_ns for each in spans)),
        _moment(max(each.start_ns + each.duration_ns for each in spans)),
        first.name,
        service,
        agent,
        session,
        bool(roots),
        len(spans),
        sum(each.status == 2 for each in spans),
        sum(each.event_id is not None for each in spans),
        sum(each.input_tokens or 0 for each in spans),
        sum(each.output_tokens or 0 for each in spans),
        sum((each.cost_usd or Decimal(0) for each in spans), Decimal(0)),
    )


def _moment(ns: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=ns // 1_000)


def now_ns() -> int:
    """Return the present, in nanoseconds since 1970."""
    return int(datetime.now(UTC).timestamp() * 1e6) * 1_000


def text(role: str, said: str) -> dict[str, Any]:
    """Return a message as the GenAI conventions write it."""
    return {"role": role, "parts": [{"type": "text", "content": said}]}


def call(number: int, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message that asks for a tool."""
    part = {"type": "tool_call", "id": f"call-{number}", "name": tool, "arguments": arguments}
    return {"role": "assistant", "parts": [part]}


def back(number: int, result: str) -> dict[str, Any]:
    """Return a message that gives a tool's result back."""
    part = {"type": "tool_call_response", "id": f"call-{number}", "response": result}
    return {"role": "tool", "parts": [part]}


def agent_run(
    *,
    at_ns: int,
    lookups: int = 2,
    fails: bool = False,
    is_looping: bool = False,
    hides: bool = False,
    events: Mapping[str, UUID] | None = None,
) -> list[Kept]:
    """Return a run: the model asks for a look-up, reads it, and so on, then answers.

    `fails`: the last look-up ends in an error; `is_looping`: all have the same arguments; `hides`:
    contents were kept back. `events`: ids of the events made, by `run`, `chat` and `tool` of each.
    """
    events = events or {}
    run = Kept(
        name="invoke_agent claims-adjudicator",
        operation="invoke_agent",
        subject="claims-adjudicator",
        start_ns=at_ns,
        duration_ns=(400 + lookups * 900) * MS,
        event_id=events.get("run"),
        attributes={
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": "claims-adjudicator",
        },
    )
    spans, at = [run], at_ns + 20 * MS
    talk = [
        text("system", "You decide over claims. Look up before you decide."),
        text("user", "Is claim 4711 of the flood in May covered?"),
    ]
    for number in range(lookups):
        claim = 4711 if is_looping else 4711 + number
        arguments = {"claim": claim, "fields": ["cause", "amount"]}
        result = json.dumps({"claim": claim, "cause": "flood", "amount": 1200 + number})
        has_failed = fails and number == lookups - 1
        asked = call(number, "claims.lookup", arguments)
        spans.append(_chat(run, at, 500, talk, asked, hides=hides, event_id=events.get("chat")))
        at += 510 * MS
        spans += _tool(
            run,
            at,
            360,
            arguments,
            result,
            fails=has_failed,
            hides=hides,
            event_id=events.get("tool"),
        )
        at += 380 * MS
        talk = [*talk, asked, back(number, "timed out" if has_failed else result)]
    answer = text("assistant", "Yes. The flood of May is covered; 1,200 euros are to be paid.")
    spans.append(_chat(run, at, 330, talk, answer, hides=hides, event_id=None))
    return spans


def _chat(
    run: Kept,
    at: int,
    took_ms: int,
    asked: list[Any],
    answer: Any,
    *,
    hides: bool,
    event_id: UUID | None,
) -> Kept:
    contents = {} if hides else {"gen_ai.input.messages": asked, "gen_ai.output.messages": [answer]}
    return Kept(
        parent_id=run.span_id,
        name=f"chat {MODEL}",
        operation="chat",
        subject=MODEL,
        kind=3,
        start_ns=at,
        duration_ns=took_ms * MS,
        input_tokens=800 + 40 * len(asked),
        output_tokens=64,
        cost_usd=Decimal("0.0042"),
        event_id=event_id,
        attributes={
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "example",
            "gen_ai.request.model": MODEL,
            "gen_ai.usage.input_tokens": 800 + 40 * len(asked),
            "gen_ai.usage.output_tokens": 64,
            **contents,
        },
    )


def _tool(
    run: Kept,
    at: int,
    took_ms: int,
    arguments: Mapping[str, Any],
    result: str,
    *,
    fails: bool,
    hides: bool,
    event_id: UUID | None,
) -> list[Kept]:
    contents = {} if hides else {
        "gen_ai.tool.call.arguments": json.dumps(arguments),
        **({} if fails else {"gen_ai.tool.call.result": result}),
    }  # fmt: skip
    tool = Kept(
        parent_id=run.span_id,
        name="execute_tool claims.lookup",
        operation="execute_tool",
        subject="claims.lookup",
        start_ns=at,
        duration_ns=took_ms * MS,
        status=2 if fails else 1,
        status_message="the claims store did not answer within 300 ms" if fails else "",
        arguments_sha256=hashlib.sha256(json.dumps(arguments).encode()).hexdigest(),
        event_id=event_id,
        attributes={"gen_ai.tool.name": "claims.lookup", **contents},
        events=[
            {
                "name": "exception",
                "at_ns": at + took_ms * MS,
                "attributes": {
                    "exception.type": "TimeoutError",
                    "exception.message": "the claims store did not answer within 300 ms",
                },
            }
        ] if fails else [],
    )  # fmt: skip
    query = Kept(
        parent_id=tool.span_id,
        name="SELECT claims",
        kind=3,
        start_ns=at + 10 * MS,
        duration_ns=(took_ms - 40) * MS,
        status=tool.status,
        attributes={
            "db.system.name": "postgresql",
            "db.query.text": "SELECT * FROM claims WHERE id = $1",
        },
    )
    return [tool, query]


def long_run(*, at_ns: int, spans: int) -> list[Kept]:
    """Return a trace of many spans: an agent whose steps call tools, side by side and nested."""
    run = Kept(
        name="invoke_agent indexer", operation="invoke_agent", subject="indexer",
        start_ns=at_ns, duration_ns=(spans + 10) * MS,
    )  # fmt: skip
    found, step = [run], run
    for number in range(1, spans):
        if number % 10 == 1:
            step = Kept(
                parent_id=run.span_id, name=f"step {number // 10}", start_ns=at_ns + number * MS,
                duration_ns=10 * MS,
            )  # fmt: skip
            found.append(step)
            continue
        found.append(
            Kept(
                parent_id=step.span_id, name="execute_tool index.write", operation="execute_tool",
                subject="index.write", start_ns=at_ns + number * MS, duration_ns=MS,
                status=2 if number % 997 == 0 else 0,
                arguments_sha256=hashlib.sha256(str(number).encode()).hexdigest(),
            )
        )  # fmt: skip
    return found


def keep_lines(
    connection: psycopg.Connection[Any], ledger_id: int, lines: Sequence[Mapping[str, Any]]
) -> None:
    """Store log lines; each may leave out all but `message`."""
    for number, line in enumerate(lines):
        at = line.get("at") or datetime.now(UTC)
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute("SELECT tracing_make_days(%s, %s)", (at.date(), at.date()))
            cursor.execute(
                """
                INSERT INTO tracing_line (
                    ledger_id, at, digest, received_at, severity, service, agent_id, task_id,
                    trace_id, span_id, logger, message, fields, event_id
                )
                VALUES (%s, %s, %s, now(), %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
                """,
                (
                    ledger_id, at, line.get("digest") or secrets.token_bytes(16),
                    line.get("severity", 9), line.get("service", "claims"),
                    line.get("agent_id", "claims-adjudicator"), line.get("task_id", ""),
                    line.get("trace_id", ""), line.get("span_id", ""),
                    line.get("logger", "claims.agent"), line["message"],
                    Jsonb(line.get("fields", {"number": number})), line.get("event_id"),
                ),
            )  # fmt: skip

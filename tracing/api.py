"""The API of traces and log lines: what the pages show, for programs.

Operations of the one API of audit.api, added by settings.API_ROUTERS. A key reads its own ledger
and needs `entries:read`. What people and models said is not given: reading it takes a person and a
reason (tracing.admin.one_trace); the names of attributes that hold it are. Parses, calls one verb,
answers.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from django.http import HttpRequest, HttpResponse
from ninja import Path, Router, Schema
from pydantic import Field

from audit.api_answers import answer_json, grant_of, not_found, unreadable, wrong_ledger
from audit.ledger.record import format_time
from audit.query import LIST_SECONDS, Unreadable, read_limit, time_limit
from tracing import line_query, trace_query
from tracing.filters import Filter
from tracing.line_query import level_of, read_line_filter
from tracing.message_shapes import (
    is_content,
    is_content_event,
    is_content_line,
    without_contents,
)
from tracing.models import Line, Span, Trace
from tracing.trace_query import get_trace, read_trace_filter
from tracing.trace_spans import spans_of
from tracing.trace_words import KINDS, STATUSES, by_number

router = Router()

MOST_SPANS: Final = 2_000
"""Spans of one answer; `after` asks for those that follow."""
_PAGING: Final = ("after", "limit")

_SAID: Final = {
    "agent": "An agent's id.",
    "service": "The `service.name` of the sender.",
    "session": "A session's id.",
    "status": "`error` where a span failed, else `ok`.",
    "name": "Any part of a trace's name.",
    "longer": "It took longer: `200ms`, `1.5s`, `2min`.",
    "cost": "It cost more, in US dollars.",
    "operation": "A span of this operation is in it, such as `execute_tool`.",
    "subject": "A span of this tool, model, memory or workflow is in it.",
    "level": f"One of {', '.join(line_query.LEVELS)}.",
    "task": "A task's id.",
    "trace": "A trace id of 32 hexadecimal digits.",
    "logger": "A logger's name.",
    "text": "Any part of the message.",
    "from": "The first moment that counts, RFC 3339 with its offset.",
    "to": "The first moment that does not.",
    "ledger": "The key's own ledger; there is no other.",
    "after": "The `next` of the page before.",
    "limit": "Rows of a page, 1 to 500; 50 unless told.",
}


def _parameters(*names: str) -> dict[str, Any]:
    """Return what the document says of a query string that is read as a filter."""
    return {
        "parameters": [
            {
                "in": "query",
                "name": name,
                "required": False,
                "description": _SAID[name],
                "schema": {"type": "string"},
            }
            for name in (*names, "from", "to", "ledger", *_PAGING)
        ]
    }


TraceId = Annotated[str, Path(pattern="^[0-9a-fA-F]{32}$")]


class TraceItem(Schema):
    """A trace, summed over its spans."""

    trace_id: str
    ledger: str
    name: str = Field(description="Of the span without a parent, or of the earliest.")
    service: str
    agent_id: str
    session_id: str
    started_at: str
    ended_at: str
    duration_ms: float
    status: str = Field(description="`error` when any span failed, else `ok`.")
    has_root: bool = Field(description="A span without a parent has come in.")
    spans: int
    errors: int
    events: int = Field(description="Spans that became events.")
    input_tokens: int
    output_tokens: int
    cost_usd: float


class TracePageAnswer(Schema):
    """Some traces, newest first."""

    items: list[TraceItem]
    next: str | None = Field(description="Pass it as `after` for the next page; null on the last.")


class SpanItem(Schema):
    """A span as it was sent, secrets masked, and what it was understood as."""

    span_id: str
    parent_id: str
    name: str
    kind: str
    status: str
    status_message: str
    start_ns: str = Field(description="Since 1970; a string, since JSON's numbers end before.")
    duration_ns: int
    operation: str = Field(description="As `gen_ai.operation.name`; empty when it is none of ours.")
    subject: str = Field(description="The tool, model, memory or workflow that it names.")
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    event_id: str | None = Field(description="Of the event made of it; GET /api/v1/events/{id}.")
    scope: str
    attributes: dict[str, Any]
    contents: list[str] = Field(description="Names of attributes that hold what was said.")
    resource: dict[str, Any]
    events: list[dict[str, Any]]
    links: list[dict[str, Any]]


class TraceWhole(TraceItem):
    """A trace with spans, in time."""

    items: list[SpanItem]
    next: str | None = Field(
        description="Pass it as `after` for more spans; null when all are here."
    )


class LineItem(Schema):
    """A log line."""

    at: str
    level: str
    severity: int = Field(description="OTLP's number, 1 to 24.")
    message: str
    logger: str
    service: str
    agent_id: str
    task_id: str
    trace_id: str
    span_id: str
    fields: Any


class LinePageAnswer(Schema):
    """Some log lines, newest first."""

    items: list[LineItem]
    next: str | None = Field(description="Pass it as `after` for the next page; null on the last.")


@router.get(
    "/traces",
    response=TracePageAnswer,
    tags=["traces"],
    summary="List traces",
    openapi_extra=_parameters(*trace_query.READERS),
)
def list_traces(request: HttpRequest) -> HttpResponse:
    """Newest first, a page at a time. The filters are those of the page of traces."""
    grant = grant_of(request)
    asked = read_trace_filter(request.GET, ledger=grant.ledger_name, beside=_PAGING)
    if asked.ledger != grant.ledger_name and "ledger" not in asked.errors:
        return wrong_ledger(grant)
    limit, wrong = _paging(request, asked)
    if wrong:
        return unreadable(wrong)
    try:
        with time_limit(LIST_SECONDS):
            found = trace_query.page(
                trace_query.matching(asked), after=request.GET.get("after"), size=limit
            )
    except Unreadable as problem:
        return unreadable({"after": str(problem)})
    items = [_trace(each, grant.ledger_name) for each in found.traces]
    return answer_json({"items": items, "next": found.older})


@router.get(
    "/traces/{id}",
    response=TraceWhole,
    tags=["traces"],
    summary="Read a trace",
    openapi_extra={
        "parameters": [
            {
                "in": "query",
                "name": "after",
                "required": False,
                "description": "The `next` of the answer before: a number of spans.",
                "schema": {"type": "string", "pattern": "^[0-9]{1,7}$"},
            }
        ]
    },
)
def trace_whole(request: HttpRequest, id: TraceId) -> HttpResponse:
    """Give a trace with its spans in time, at most 2,000 at once; `after` is a number of spans."""
    grant = grant_of(request)
    wrong = {name: "is no parameter here; known: after" for name in request.GET if name != "after"}
    first = request.GET.get("after", "0")
    if not (first.isascii() and first.isdigit() and len(first) < 8):
        wrong["after"] = "is the `next` of the answer before"
    if wrong:
        return unreadable(wrong)
    trace = get_trace(grant.ledger_id, id)
    if trace is None:
        return not_found("Nothing is kept of this trace; GET /api/v1/traces lists those kept.")
    begins = int(first)
    with time_limit(LIST_SECONDS):
        ordered = spans_of(trace).order_by("started_at", "start_ns", "span_id")
        found = list(ordered[begins : begins + MOST_SPANS + 1])
    following = str(begins + MOST_SPANS) if len(found) > MOST_SPANS else None
    return answer_json(
        _trace(trace, grant.ledger_name)
        | {"items": [_span(each) for each in found[:MOST_SPANS]], "next": following}
    )


@router.get(
    "/lines",
    response=LinePageAnswer,
    tags=["lines"],
    summary="List log lines",
    openapi_extra=_parameters(*line_query.READERS),
)
def list_lines(request: HttpRequest) -> HttpResponse:
    """Newest first, a page at a time: lines that were sent in over OTLP."""
    grant = grant_of(request)
    asked = read_line_filter(request.GET, ledger=grant.ledger_name, beside=_PAGING)
    if asked.ledger != grant.ledger_name and "ledger" not in asked.errors:
        return wrong_ledger(grant)
    limit, wrong = _paging(request, asked)
    if wrong:
        return unreadable(wrong)
    try:
        with time_limit(LIST_SECONDS):
            found = line_query.page(
                line_query.matching(asked), after=request.GET.get("after"), size=limit
            )
    except Unreadable as problem:
        return unreadable({"after": str(problem)})
    return answer_json({"items": [_line(each) for each in found.lines], "next": found.older})


# --- Reading what is asked, writing what is answered ----------------------------------------------


def _paging(request: HttpRequest, asked: Filter) -> tuple[int, dict[str, str]]:
    """Return how many rows a page shall have, and all that is wrong with the query string."""
    wrong = dict(asked.errors)
    for name in _PAGING:
        if len(request.GET.getlist(name)) > 1:
            wrong[name] = "is given more than once"
    try:
        return read_limit(request.GET.get("limit")), wrong
    except Unreadable as problem:
        return 0, wrong | {"limit": str(problem)}


def _trace(trace: Trace, ledger: str) -> dict[str, Any]:
    return {
        "trace_id": trace.trace_id,
        "ledger": ledger,
        "name": trace.name,
        "service": trace.service,
        "agent_id": trace.agent_id,
        "session_id": trace.session_id,
        "started_at": format_time(trace.started_at),
        "ended_at": format_time(trace.ended_at),
        "duration_ms": _ms(trace.started_at, trace.ended_at),
        "status": "error" if trace.errors else "ok",
        "has_root": trace.has_root,
        "spans": trace.spans,
        "errors": trace.errors,
        "events": trace.made_events,
        "input_tokens": trace.input_tokens,
        "output_tokens": trace.output_tokens,
        "cost_usd": float(trace.cost_usd),
    }


def _ms(begins: datetime, ends: datetime) -> float:
    return (ends - begins).total_seconds() * 1_000


def _span(span: Span) -> dict[str, Any]:
    attributes = span.attributes or {}
    return {
        "span_id": span.span_id,
        "parent_id": span.parent_id,
        "name": span.name,
        "kind": by_number(KINDS, span.kind),
        "status": by_number(STATUSES, span.status),
        "status_message": span.status_message,
        "start_ns": str(span.start_ns),
        "duration_ns": span.duration_ns,
        "operation": span.operation,
        "subject": span.subject,
        "input_tokens": span.input_tokens,
        "output_tokens": span.output_tokens,
        "cost_usd": None if span.cost_usd is None else float(span.cost_usd),
        "event_id": None if span.event_id is None else str(span.event_id),
        "scope": span.scope,
        "attributes": {name: each for name, each in attributes.items() if not is_content(name)},
        "contents": sorted(name for name in attributes if is_content(name)),
        "resource": span.resource or {},
        "events": [_event(each) for each in span.events or []],
        "links": span.links or [],
    }


def _event(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event of a span, without what was said in it."""
    held = event.get("attributes")
    if not isinstance(held, dict):
        return event
    if is_content_event(str(event.get("name", ""))):
        return event | {"attributes": {}}
    return event | {
        "attributes": {name: each for name, each in held.items() if not is_content(name)}
    }


def _line(line: Line) -> dict[str, Any]:
    return {
        "at": format_time(line.at),
        "level": level_of(line.severity),
        "severity": line.severity,
        "message": line.fields["event.name"] if is_content_line(line.fields) else line.message,
        "logger": line.logger,
        "service": line.service,
        "agent_id": line.agent_id,
        "task_id": line.task_id,
        "trace_id": line.trace_id,
        "span_id": line.span_id,
        "fields": without_contents(line.fields),
    }

"""The page of one span: what it says, its events, links and resource, the entry made of it.

The waterfall asks for the same as a part (`?part=1`) and puts it beside its rows. What people and
models said stands only for those who gave a reason: one_trace.may_read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from audit.readonly import ReadOnlyModelAdmin
from tracing.admin.addresses import listed, span_url, trace_url
from tracing.admin.one_trace import Opened, jaeger_url, may_read, open_trace, outside
from tracing.durations import format_duration
from tracing.message_shapes import as_text, is_content, is_content_event
from tracing.models import Span
from tracing.trace_query import stored_traces
from tracing.trace_spans import EntryAt, entries_of, get_span, span_lines
from tracing.trace_words import KINDS, STATUSES, by_number, format_usd
from tracing.waterfall import waterfall


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """One attribute."""

    name: str
    value: str
    is_kept_back: bool = False
    """It holds what was said, and this person gave no reason to read it; `value` is its size."""


def span_page(
    admin: ReadOnlyModelAdmin, request: HttpRequest, ledger: str, trace_id: str, span_id: str
) -> HttpResponse:
    """Show one span."""
    opened = open_trace(ledger, trace_id)
    span = get_span(opened.trace, span_id)
    if span is None:
        raise Http404("nothing is kept of this span")
    reads = may_read(request, opened.trace)
    entry = _entry(opened, span.event_id)
    name = opened.ledger.name
    attributes = said(span.attributes, reads=reads)
    context: dict[str, Any] = {
        "span": span,
        "trace": opened.trace,
        "shown": opened.ledger,
        "duration": format_duration(span.duration_ns),
        "began": format_duration(max(span.start_ns - _first_ns(opened), 0)),
        "kind": by_number(KINDS, span.kind),
        "status": by_number(STATUSES, span.status),
        "cost": format_usd(span.cost_usd) if span.cost_usd else "",
        "attributes": attributes,
        "resource": said(span.resource, reads=True),
        "events": [_event(each, span, reads=reads) for each in span.events],
        "links": _links(opened, span.links),
        "entry": entry,
        "is_waiting": span.event_id is not None and entry is None,
        "trace_url": trace_url(name, opened.trace.trace_id, span=span.span_id),
        "span_url": span_url(name, opened.trace.trace_id, span.span_id),
        "conversation_url": trace_url(name, opened.trace.trace_id, show="conversation"),
        "parent_url": span_url(name, opened.trace.trace_id, span.parent_id)
        if span.parent_id
        else "",
        "lines_url": listed("tracing_line_changelist", ledger=name, trace=opened.trace.trace_id),
        "jaeger_url": jaeger_url(opened.trace.trace_id),
        "has_kept_back": any(each.is_kept_back for each in attributes),
    }
    if request.GET.get("part") == "1":
        answer = TemplateResponse(request, "tracing/span_part.html", context)
        answer["Cache-Control"] = "no-store"
        return answer
    frame = admin.frame(
        request,
        title=f"Span {span.name}"[:80],
        strip=opened.ledger,
        object=opened.trace,
        outside=_outside(opened, span.span_id),
    )
    return TemplateResponse(request, "tracing/span.html", frame | context)


def said(values: Mapping[str, Any] | None, *, reads: bool) -> list[Said]:
    """Return attributes by name; contents only of whom `reads` lets read them."""
    found = []
    for name, value in sorted((values or {}).items()):
        text = as_text(value)
        if is_content(name) and not reads:
            found.append(Said(name=name, value=f"{len(text):,}", is_kept_back=True))
        else:
            found.append(Said(name=name, value=text))
    return found


def _first_ns(opened: Opened) -> int:
    began = opened.trace.started_at
    return int(began.timestamp()) * 1_000_000_000 + began.microsecond * 1_000


def _entry(opened: Opened, event_id: UUID | None) -> EntryAt | None:
    if event_id is None:
        return None
    return entries_of(opened.ledger.id, [event_id]).get(event_id)


def _event(event: Mapping[str, Any], span: Span, *, reads: bool) -> dict[str, Any]:
    held = event.get("attributes")
    values = held if isinstance(held, dict) else {}
    name, at = as_text(event.get("name", "")), event.get("at_ns")
    if is_content_event(name) and not reads:
        kept = len(as_text(values))
        shown = [Said(name="contents", value=f"{kept:,}", is_kept_back=True)] if values else []
    else:
        shown = said(values, reads=reads)
    after = format_duration(at - span.start_ns) if isinstance(at, int) and at else ""
    return {"name": name, "after": after, "attributes": shown}


def _links(opened: Opened, links: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    named = [
        (as_text(each.get("trace_id", "")), as_text(each.get("span_id", ""))) for each in links
    ]
    known = stored_traces(opened.ledger.id, {trace for trace, _ in named})
    return [
        {
            "trace_id": trace,
            "span_id": span,
            "url": trace_url(opened.ledger.name, trace, span=span) if trace in known else "",
        }
        for trace, span in named
    ]


def _outside(opened: Opened, span_id: str) -> str:
    spans = span_lines(opened.trace)
    rows = waterfall(spans).rows
    return next((outside(row) for row in rows if spans[row.index].span_id == span_id), "")

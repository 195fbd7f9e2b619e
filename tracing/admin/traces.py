"""The list of traces, and the timeline of a session over its traces.

Traces are read and nothing else. Filters: tracing.trace_query. One trace: one_trace.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from audit.models import Ledger
from audit.query import LIST_SECONDS, QueryTooSlow, Unreadable, time_limit
from audit.readonly import ReadOnlyModelAdmin
from tracing.admin import one_span, one_trace
from tracing.admin.addresses import listed, session_url, trace_url
from tracing.admin.filter_form import (
    PAGING,
    chips,
    form,
    newest_url,
    place_url,
    read_ledger,
    sent_on,
)
from tracing.admin.sending import sending_lines
from tracing.durations import format_duration
from tracing.models import Trace
from tracing.trace_query import (
    MOST_IN_SESSION,
    TracePage,
    matching,
    page,
    read_trace_filter,
    session_traces,
    stored_form,
)
from tracing.trace_words import format_usd

_TEXTS: Final = {
    "agent": ("Agent", "support-bot"),
    "service": ("Service", "service.name"),
    "session": ("Session", "a session's id"),
    "name": ("Name has", "part of a name"),
    "operation": ("Operation", "execute_tool, chat"),
    "subject": ("Tool or model", "its name"),
    "longer": ("Longer than", "200ms, 1.5s, 2min"),
    "cost": ("Cost over, in US dollars", "0.25"),
}
_CHOICES: Final = {"status": ("Status", ("error", "ok"))}


@dataclass(frozen=True, kw_only=True, slots=True)
class TraceLine:
    """One row of a list of traces."""

    trace: Trace
    url: str
    entries_url: str
    session_url: str
    duration: str
    duration_ns: int
    cost: str
    offset: float = 0.0
    """Of a session: where it begins, in per cent."""
    width: float = 0.0
    pause: str = ""
    """Of a session: how long nothing happened before it."""

    @property
    def state(self) -> str:
        """Return the word of the trace."""
        if self.trace.errors:
            return "error"
        return "ok" if self.trace.has_root else "rootless"

    @property
    def tokens(self) -> int:
        """Return the tokens of questions and answers together."""
        return self.trace.input_tokens + self.trace.output_tokens


class TraceAdmin(ReadOnlyModelAdmin):
    """Traces of one ledger, the newest first."""

    def get_urls(self) -> list[URLPattern]:
        """Add sessions, and a trace by its ledger with what stands below it."""
        of = "<str:ledger>/<str:trace_id>/"
        return [
            path("session/", self.page(self.session), name="tracing_trace_session"),
            *super().get_urls(),  # before what stands below a ledger: both have two steps
            path(of, self.page(self.at), name="tracing_trace_at"),
            path(f"{of}spans/", self.page(one_trace.spans_file), name="tracing_trace_spans"),
            path(
                f"{of}read/",
                one_trace.guarded_read(self),
                name="tracing_trace_read",
            ),
            path(f"{of}<str:span_id>/", self.page(self.span), name="tracing_span_at"),
        ]

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show 25 traces that match what the address says."""
        if (elsewhere := sent_on(request)) is not None:
            return elsewhere
        ledgers, shown = read_ledger(request)
        asked = read_trace_filter(request.GET, ledger=shown.name if shown else "", beside=PAGING)
        errors = dict(asked.errors)
        found = TracePage(traces=[], newer=None, older=None)
        too_slow = False
        if shown is not None and not errors:
            try:
                with time_limit(LIST_SECONDS):
                    found = page(
                        matching(asked),
                        after=request.GET.get("after"),
                        before=request.GET.get("before"),
                    )
            except QueryTooSlow:
                too_slow = True
            except Unreadable as problem:
                errors |= {name: str(problem) for name in PAGING if name in request.GET}
        context = self.frame(
            request,
            title="Traces",
            strip=shown,
            shown=shown,
            ledgers=ledgers,
            lines=[trace_line(each, shown.name) for each in found.traces] if shown else [],
            newer_url=place_url(request, before=found.newer),
            older_url=place_url(request, after=found.older),
            newest_url=newest_url(request),
            form=form(
                request, errors, ledger=shown.name if shown else "", texts=_TEXTS, choices=_CHOICES
            ),
            chips=chips(request, errors),
            clear_url=listed("tracing_trace_changelist", ledger=shown.name if shown else ""),
            errors=errors,
            too_slow=too_slow,
            most_seconds=LIST_SECONDS,
            is_filtered=asked.is_narrow,
            sending=sending_lines(request, "traces"),
        )
        return TemplateResponse(request, "tracing/traces.html", context)

    def row_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send on to a trace that is known by its id alone, in whichever ledger it is kept."""
        ledgers = dict(Ledger.objects.values_list("id", "name"))
        wanted = stored_form(object_id.lower())
        found = Trace.objects.filter(ledger_id__in=list(ledgers), trace_id=wanted)
        known = found.order_by("-started_at").values_list("ledger_id", flat=True).first()
        if known is None:
            raise Http404("nothing is kept of this trace")
        return HttpResponseRedirect(trace_url(ledgers[known], object_id))

    def at(self, request: HttpRequest, ledger: str, trace_id: str) -> HttpResponse:
        """Show one trace."""
        return one_trace.trace_page(self, request, ledger, trace_id)

    def span(self, request: HttpRequest, ledger: str, trace_id: str, span_id: str) -> HttpResponse:
        """Show one span."""
        return one_span.span_page(self, request, ledger, trace_id, span_id)

    def session(self, request: HttpRequest) -> HttpResponse:
        """Show the traces of a session in time."""
        _, shown = read_ledger(request)
        session = request.GET.get("id", "")
        traces = session_traces(shown.id, session) if shown is not None and session else []
        if not traces or shown is None:
            raise Http404("no trace that is kept is of this session")
        context = self.frame(
            request,
            title=f"Session {session[:40]}",
            opts=None,
            strip=shown,
            shown=shown,
            session=session,
            lines=session_lines(traces, shown.name),
            most=MOST_IN_SESSION if len(traces) == MOST_IN_SESSION else 0,
            sums=_sums(traces),
            list_url=listed("tracing_trace_changelist", ledger=shown.name, session=session),
        )
        return TemplateResponse(request, "tracing/session.html", context)


def trace_line(trace: Trace, ledger: str) -> TraceLine:
    """Return the row of a trace in a list."""
    took = _ns(trace)
    return TraceLine(
        trace=trace,
        url=trace_url(ledger, trace.trace_id),
        entries_url=listed("audit_entry_changelist", ledger=ledger, trace=trace.trace_id),
        session_url=session_url(ledger, trace.session_id) if trace.session_id else "",
        duration=format_duration(took),
        duration_ns=took,
        cost=format_usd(trace.cost_usd),
    )


def session_lines(traces: Sequence[Trace], ledger: str) -> list[TraceLine]:
    """Return the rows of a session with their places on its timeline and the pauses between."""
    begins = min(each.started_at for each in traces)
    whole = max((max(each.ended_at for each in traces) - begins).total_seconds(), 1e-9)
    found, reached = [], begins
    for each in traces:
        line = trace_line(each, ledger)
        pause = (each.started_at - reached).total_seconds()
        reached = max(reached, each.ended_at)
        found.append(
            TraceLine(
                trace=each,
                url=line.url,
                entries_url=line.entries_url,
                session_url="",
                duration=line.duration,
                duration_ns=line.duration_ns,
                cost=line.cost,
                offset=round(100 * (each.started_at - begins).total_seconds() / whole, 3),
                width=round(100 * line.duration_ns / 1e9 / whole, 3),
                pause=format_duration(int(pause * 1e9)) if pause > 0 else "",
            )
        )
    return found


def _ns(trace: Trace) -> int:
    took = trace.ended_at - trace.started_at
    return ((took.days * 86_400 + took.seconds) * 1_000_000 + took.microseconds) * 1_000


def _sums(traces: Sequence[Trace]) -> dict[str, object]:
    begins, ends = min(each.started_at for each in traces), max(each.ended_at for each in traces)
    return {
        "traces": len(traces),
        "errors": sum(each.errors for each in traces),
        "failed": sum(each.errors > 0 for each in traces),
        "tokens": sum(each.input_tokens + each.output_tokens for each in traces),
        "cost": format_usd(sum((each.cost_usd for each in traces), Decimal(0))),
        "duration": format_duration(int((ends - begins).total_seconds() * 1e9)),
        "busy": format_duration(sum(_ns(each) for each in traces)),
        "begins": begins,
        "ends": ends,
        "agents": sorted({each.agent_id for each in traces if each.agent_id}),
    }

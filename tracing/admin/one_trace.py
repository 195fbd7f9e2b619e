"""The page of one trace: waterfall, conversation, shapes, log lines, entries; its spans as JSON.

The waterfall stands in the page as a table, MOST_DRAWN rows at a time; with scripts all rows come
as one file and are drawn as one scrolls (templates/static/obs/waterfall.js). What was said in a
trace is shown for an hour to whoever gave a reason, which is an entry: tracing.contents_read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    JsonResponse,
)
from django.template.response import TemplateResponse
from django.utils import timezone

from audit.admin.lines import lines as entry_lines
from audit.kept import kept_entries
from audit.models import Ledger
from audit.query import LIST_SECONDS, QueryTooSlow, time_limit
from audit.readonly import ReadOnlyModelAdmin
from audit.state import LedgerState, ledger_state
from tracing import contents_read
from tracing.admin.addresses import listed, session_url, span_url, trace_url
from tracing.admin.line_rows import line_rows, own_rows
from tracing.admin.told import told
from tracing.conversation import conversation
from tracing.critical_path import Gap, critical_path, gaps, path_times
from tracing.durations import format_duration
from tracing.line_query import PAGE_LINES, matching, page, read_line_filter
from tracing.models import Trace
from tracing.own_lines import Wanted, find_lines
from tracing.span_shapes import findings, shapes
from tracing.trace_query import get_trace
from tracing.trace_spans import (
    MOST_SPANS,
    OTHER_TRACES,
    SpanLine,
    entries_of,
    span_lines,
    telling_spans,
    usual_shapes,
)
from tracing.trace_words import format_usd, sentence
from tracing.waterfall import Row, Waterfall, waterfall

TABS: Final = {
    "waterfall": "Waterfall",
    "conversation": "Conversation",
    "shapes": "Shapes",
    "logs": "Logs",
    "entries": "Entries",
}
MOST_DRAWN: Final = 200
"""Rows that stand in the page itself."""
MOST_GAPS: Final = 10
GAP_SHARE: Final = 50
"""A gap is shown that is at least this part of its trace: one fiftieth."""
MOST_ENTRIES: Final = 50
READ_SECONDS: Final = 3600
"""How long one reason lets its person read the contents of one trace."""
_READ: Final = "tracing_read"


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """A trace that a page shows, with its ledger."""

    trace: Trace
    ledger: LedgerState


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawn:
    """One row of the waterfall as the page shows it."""

    row: Row
    span: SpanLine
    url: str
    duration: str
    offset: float
    """Where the bar begins, in per cent of the trace."""
    width: float
    path: str
    """How long the trace waited for it; empty when it is not on the path."""
    indent: int
    """Steps that its name stands in from the left; deep ones stop moving."""
    outside: str
    """What is odd about its times; empty when nothing is."""


def open_trace(ledger: str, trace_id: str) -> Opened:
    """Return what an address names. Raises Http404."""
    shown = ledger_state(name=ledger)
    trace = get_trace(shown.id, trace_id) if shown is not None else None
    if shown is None or trace is None:
        raise Http404("nothing is kept of this trace in this ledger")
    return Opened(trace=trace, ledger=shown)


def trace_page(
    admin: ReadOnlyModelAdmin,
    request: HttpRequest,
    ledger: str,
    trace_id: str,
    *,
    show: str = "",
    **more: Any,
) -> HttpResponse:
    """Show one tab of a trace, that of the address unless told."""
    opened = open_trace(ledger, trace_id)
    trace, shown = opened.trace, opened.ledger
    show = show or request.GET.get("show", "waterfall")
    if show not in TABS:
        raise Http404("a trace has no such tab")
    spans = span_lines(trace)
    drawn = waterfall(spans)
    path = path_times(drawn, critical_path(drawn))
    context = admin.frame(
        request,
        title=f"Trace {trace.name or trace.trace_id[:8]}"[:80],
        strip=shown,
        shown=shown,
        object=trace,
        trace=trace,
        show=show,
        tabs=[
            (word, trace_url(shown.name, trace.trace_id, show=name if name != "waterfall" else ""),
             name == show)
            for name, word in TABS.items()
        ],
        sentence=sentence(trace.agent_id, drawn, spans, path),
        duration=format_duration(drawn.duration_ns),
        cost=format_usd(trace.cost_usd),
        session_url=session_url(shown.name, trace.session_id) if trace.session_id else "",
        agent_url=listed("tracing_trace_changelist", ledger=shown.name, agent=trace.agent_id),
        entries_url=listed("audit_entry_changelist", ledger=shown.name, trace=trace.trace_id),
        jaeger_url=jaeger_url(trace.trace_id),
        left_out=max(trace.spans - len(spans), 0),
        **more,
    )  # fmt: skip
    context |= _TAB_CONTENTS[show](request, opened, spans, drawn, path)
    return TemplateResponse(request, "tracing/trace.html", context)


def jaeger_url(trace_id: str) -> str:
    """Return where Jaeger shows the same trace; empty when there is none."""
    return f"{settings.JAEGER_UI_URL}/trace/{trace_id}" if settings.JAEGER_UI_URL else ""


# --- The waterfall -------------------------------------------------------------------------------


def _waterfall_tab(
    request: HttpRequest,
    opened: Opened,
    spans: Sequence[SpanLine],
    drawn: Waterfall,
    path: Mapping[int, int],
) -> dict[str, Any]:
    first = _first_row(request, len(drawn.rows))
    shown = range(first, min(first + MOST_DRAWN, len(drawn.rows)))
    here = request.path
    found = _gaps(drawn)
    return {
        "rows": [_drawn(at, drawn, spans, path, opened) for at in shown],
        "row_count": len(drawn.rows),
        "first_row": first + 1,
        "last_row": shown.stop,
        "previous_url": f"{here}?from={max(first - MOST_DRAWN, 0)}" if first else "",
        "next_url": f"{here}?from={shown.stop}" if shown.stop < len(drawn.rows) else "",
        "ticks": [format_duration(drawn.duration_ns * part // 4) for part in range(5)],
        "gaps": [_gap_line(each, drawn, spans, opened) for each in found],
        "orphans": sum(row.is_orphan for row in drawn.rows),
        "rings": sum(row.is_cut for row in drawn.rows),
        "early": sum(row.before_ns > 0 for row in drawn.rows),
        "late": sum(row.after_ns > 0 for row in drawn.rows),
    }


def _first_row(request: HttpRequest, rows: int) -> int:
    asked = request.GET.get("from", "0")
    if not (asked.isascii() and asked.isdigit() and len(asked) < 8):
        raise Http404("a row is known by its number")
    return int(asked) if int(asked) < rows else 0


def _gaps(drawn: Waterfall) -> tuple[Gap, ...]:
    return gaps(drawn, least_ns=max(drawn.duration_ns // GAP_SHARE, 1), most=MOST_GAPS)


def _drawn(
    at: int,
    drawn: Waterfall,
    spans: Sequence[SpanLine],
    path: Mapping[int, int],
    opened: Opened,
) -> Drawn:
    row = drawn.rows[at]
    span = spans[row.index]
    whole = max(drawn.duration_ns, 1)
    return Drawn(
        row=row,
        span=span,
        url=span_url(opened.ledger.name, opened.trace.trace_id, span.span_id),
        duration=format_duration(span.duration_ns),
        offset=round(100 * row.offset_ns / whole, 3),
        width=round(100 * row.duration_ns / whole, 3),
        path=format_duration(path[at]) if at in path else "",
        indent=min(row.depth, 12),
        outside=outside(row),
    )


def outside(row: Row) -> str:
    """Return what is odd about the place or the times of a row; empty when nothing is."""
    said = []
    if row.is_orphan:
        said.append("its parent is not here")
    if row.is_cut:
        said.append("its parents form a ring, cut here")
    if row.before_ns:
        said.append(f"begins {format_duration(row.before_ns)} before its parent")
    if row.after_ns:
        said.append(f"ends {format_duration(row.after_ns)} after its parent")
    return "; ".join(said)


def _gap_line(
    gap: Gap, drawn: Waterfall, spans: Sequence[SpanLine], opened: Opened
) -> dict[str, Any]:
    span = None if gap.row is None else spans[drawn.rows[gap.row].index]
    whole = max(drawn.duration_ns, 1)
    return {
        "duration": format_duration(gap.duration_ns),
        "share": round(100 * gap.duration_ns / whole),
        "begins": format_duration(gap.start_ns - drawn.start_ns),
        "name": span.name if span else "",
        "span_id": span.span_id if span else "",
        "url": trace_url(opened.ledger.name, opened.trace.trace_id, span=span.span_id)
        if span
        else "",
    }


def spans_file(request: HttpRequest, ledger: str, trace_id: str) -> HttpResponse:
    """Give every row of the waterfall as JSON, for the script that draws them.

    Words that come again and again stand once, in `words`; a row names them by their place.
    """
    opened = open_trace(ledger, trace_id)
    spans = span_lines(opened.trace)
    drawn = waterfall(spans)
    segments = critical_path(drawn)
    path = path_times(drawn, segments)
    words: dict[str, int] = {}

    def word(text: str) -> int:
        return words.setdefault(text, len(words))

    rows = []
    for at, row in enumerate(drawn.rows):
        span = spans[row.index]
        flags = (
            span.is_error
            | row.is_orphan << 1
            | row.is_cut << 2
            | (span.event_id is not None) << 3
            | (at in path) << 4
        )
        rows.append([
            span.span_id, row.depth, row.below, row.offset_ns, row.duration_ns, word(span.name),
            word(span.service), word(span.operation), word(span.subject), flags, path.get(at, 0),
            row.before_ns, row.after_ns,
        ])  # fmt: skip
    answer = JsonResponse(
        {
            "duration_ns": drawn.duration_ns,
            "rows": rows,
            "words": list(words),
            "path": [
                [each.row, each.start_ns - drawn.start_ns, each.end_ns - each.start_ns]
                for each in segments
                if each.row is not None
            ],
            "gaps": [
                [each.row, each.start_ns - drawn.start_ns, each.duration_ns]
                for each in _gaps(drawn)
                if each.row is not None
            ],
        }
    )
    answer["Cache-Control"] = "no-store"
    return answer


# --- The conversation ----------------------------------------------------------------------------


def _conversation_tab(
    request: HttpRequest,
    opened: Opened,
    spans: Sequence[SpanLine],
    drawn: Waterfall,
    path: Mapping[int, int],
) -> dict[str, Any]:
    calls = sum(each.operation in {"chat", "generate_content", "text_completion"} for each in spans)
    tools = sum(each.operation == "execute_tool" for each in spans)
    found: dict[str, Any] = {
        "calls": calls,
        "tools": tools,
        "most_reason": contents_read.MOST_REASON,
        "may_read": may_read(request, opened.trace),
    }
    if found["may_read"] and (calls or tools):
        talk = conversation(telling_spans(opened.trace))
        found |= {"talk": talk, "moments": told(talk, opened.ledger.name, opened.trace)}
    return found


def may_read(request: HttpRequest, trace: Trace) -> bool:
    """Tell whether this person gave a reason for this trace within the last hour."""
    until = request.session.get(_READ, {}).get(_name(trace), 0)
    return bool(until > timezone.now().timestamp())


def guarded_read(admin: ReadOnlyModelAdmin) -> Callable[..., HttpResponse]:
    """Return the view that takes a reason: by POST, of somebody who may see spans."""

    def read(request: HttpRequest, ledger: str, trace_id: str) -> HttpResponse:
        if not request.user.has_perm("tracing.view_span"):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        opened = open_trace(ledger, trace_id)
        reason = request.POST.get("reason", "")
        by = request.user.get_username()
        try:
            contents_read.tell_reading(
                Ledger.objects.get(id=opened.ledger.id), opened.trace, by=by, reason=reason
            )
        except contents_read.NotRead as refused:
            answer = trace_page(
                admin,
                request,
                ledger,
                trace_id,
                show="conversation",
                refusal=str(refused),
                reason=reason,
            )
            answer.status_code = 400
            return answer
        now = timezone.now().timestamp()
        known = request.session.get(_READ, {})
        kept = {name: until for name, until in known.items() if until > now}
        request.session[_READ] = kept | {_name(opened.trace): now + READ_SECONDS}
        return HttpResponseRedirect(
            trace_url(opened.ledger.name, opened.trace.trace_id, show="conversation")
        )

    wrapped: Callable[..., HttpResponse] = admin.admin_site.admin_view(read)
    return wrapped


def _name(trace: Trace) -> str:
    return f"{trace.ledger_id}/{trace.trace_id}"


# --- Shapes, log lines, entries ------------------------------------------------------------------


def _shapes_tab(
    request: HttpRequest,
    opened: Opened,
    spans: Sequence[SpanLine],
    drawn: Waterfall,
    path: Mapping[int, int],
) -> dict[str, Any]:
    try:
        with time_limit(LIST_SECONDS):
            usual, traces = usual_shapes(opened.trace)
        too_slow = False
    except QueryTooSlow:
        usual, traces, too_slow = {}, 0, True
    at = {each.span_id: each for each in spans}
    return {
        "findings": [
            (each, trace_url(opened.ledger.name, opened.trace.trace_id, span=each.span_id))
            for each in findings(spans, usual, traces=traces)
        ],
        "shapes": [
            {
                "shape": each,
                "total": format_duration(each.total_ns),
                "median": format_duration(each.median_ns),
                "longest": format_duration(each.longest_ns),
                "usual": format_duration(each.usual.median_ns) if each.usual else "",
                "url": trace_url(
                    opened.ledger.name, opened.trace.trace_id, span=each.longest_span_id
                ),
            }
            for each in shapes(list(at.values()), usual)
        ],
        "others": traces,
        "most_others": OTHER_TRACES,
        "too_slow": too_slow,
    }


def _logs_tab(
    request: HttpRequest,
    opened: Opened,
    spans: Sequence[SpanLine],
    drawn: Waterfall,
    path: Mapping[int, int],
) -> dict[str, Any]:
    trace = opened.trace
    asked = read_line_filter({"trace": trace.trace_id}, ledger=opened.ledger.name)
    found = page(matching(asked))
    own = find_lines(
        settings.LOG_DIR,
        Wanted(
            fields={"trace_id": trace.trace_id},
            since=trace.started_at - timedelta(minutes=5),
        ),
    )
    return {
        "lines": line_rows(found.lines, opened.ledger.name, reads=may_read(request, opened.trace)),
        "more_url": listed(
            "tracing_line_changelist", ledger=opened.ledger.name, trace=trace.trace_id
        )
        if found.older
        else "",
        "most_lines": PAGE_LINES,
        "own": own,
        "own_lines": own_rows(own.lines),
    }


def _entries_tab(
    request: HttpRequest,
    opened: Opened,
    spans: Sequence[SpanLine],
    drawn: Waterfall,
    path: Mapping[int, int],
) -> dict[str, Any]:
    if not request.user.has_perm("audit.view_entry"):
        return {"entry_lines": [], "made": 0, "waiting": 0}
    named = kept_entries(opened.ledger.id).filter(trace_id=opened.trace.trace_id)
    made = [each.event_id for each in spans if each.event_id is not None]
    chained = entries_of(opened.ledger.id, made)
    return {
        "entry_lines": entry_lines(named.order_by("-seq")[:MOST_ENTRIES], opened.ledger),
        "most_entries": MOST_ENTRIES,
        "made": len(made),
        "waiting": len(set(made)) - len(chained),
    }


_TAB_CONTENTS: Final[dict[str, Callable[..., dict[str, Any]]]] = {
    "waterfall": _waterfall_tab,
    "conversation": _conversation_tab,
    "shapes": _shapes_tab,
    "logs": _logs_tab,
    "entries": _entries_tab,
}
assert _TAB_CONTENTS.keys() == TABS.keys(), "every tab has contents"
assert MOST_DRAWN <= MOST_SPANS, "a page is part of what is read"

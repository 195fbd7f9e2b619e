"""Ask for traces of one ledger: filters, and pages by key.

    ledger agent service session status name longer cost operation subject from to

The newest come first. Every page is found by the trace that it follows, never by OFFSET, and
nothing here counts. `operation` and `subject` look into the spans of each trace that the other
filters leave, so a rare one without a time range may take longer than a list is given: then it is
stopped and says so. Writes nothing. One trace's spans: trace_spans.py.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from audit.database import rows
from audit.models import Ledger
from tracing.filters import (
    Asked,
    Filter,
    Reader,
    format_place,
    one_of,
    parse_place,
    read_duration,
    read_filter,
    read_text,
    read_usd,
)
from tracing.models import Span, Trace

READERS: Final[dict[str, Reader]] = {
    "agent": read_text,
    "service": read_text,
    "session": read_text,
    "status": one_of(("error", "ok")),
    "name": read_text,
    "longer": read_duration,
    "cost": read_usd,
    "operation": read_text,
    "subject": read_text,
}
"""Every filter beside ledger, from and to, in the order of chips."""
SINGLE: Final = ("name", "longer", "cost")
PAGE_TRACES: Final = 25
MOST_IN_SESSION: Final = 200

_HAS = "SELECT EXISTS (SELECT FROM tracing_trace WHERE ledger_id = %s AND trace_id = %s)"


@dataclass(frozen=True, kw_only=True, slots=True)
class TracePage:
    """Some traces, newest first, and the places that lead to the neighbours."""

    traces: list[Trace]
    newer: str | None
    """What to ask `before`; None on the newest page."""
    older: str | None
    """What to ask `after`; None on the last page."""


def read_trace_filter(params: Asked, *, ledger: str, beside: tuple[str, ...] = ()) -> Filter:
    """Read a query string as a filter over traces."""
    return read_filter(params, READERS, ledger=ledger, single=SINGLE, beside=beside)


def matching(asked: Filter) -> QuerySet[Trace]:
    """Return the traces that match; none when something could not be read."""
    if asked.errors:
        return Trace.objects.none()
    found = Trace.objects.filter(ledger_id=_ledger_id(asked.ledger))
    for column, name in (("agent_id", "agent"), ("service", "service"), ("session_id", "session")):
        if asked.of(name):
            found = found.filter(**{f"{column}__in": asked.of(name)})
    if len(asked.of("status")) == 1:
        found = (
            found.filter(errors__gt=0) if "error" in asked.of("status") else found.filter(errors=0)
        )
    for text in asked.of("name"):
        found = found.filter(name__icontains=text)
    for ns in asked.of("longer"):
        found = found.annotate(took=F("ended_at") - F("started_at"))
        found = found.filter(took__gt=timedelta(microseconds=int(ns) // 1_000))
    for usd in asked.of("cost"):
        found = found.filter(cost_usd__gt=Decimal(usd))
    if asked.from_ is not None:
        found = found.filter(started_at__gte=asked.from_)
    if asked.to is not None:
        found = found.filter(started_at__lt=asked.to)
    within = {f"{name}__in": asked.of(name) for name in ("operation", "subject") if asked.of(name)}
    if within:
        found = found.filter(Exists(_spans_of_outer().filter(**within)))
    return found


def page(
    found: QuerySet[Trace],
    *,
    after: str | None = None,
    before: str | None = None,
    size: int = PAGE_TRACES,
) -> TracePage:
    """Return the page of older traces `after` a place, or of newer ones `before` it.

    Raises Unreadable for a place that none of ours gave. One more than shown is read, which tells
    whether there is a next page.
    """
    if before is not None:
        at, trace_id = parse_place(before)
        newer = found.filter(
            Q(started_at__gt=at) | Q(trace_id__lt=trace_id), started_at__gte=at
        ).order_by("started_at", "-trace_id")
        shown = list(newer[: size + 1])
        has_more, shown = len(shown) > size, shown[:size][::-1]
        return TracePage(
            traces=shown,
            newer=_place(shown[0]) if shown and has_more else None,
            older=_place(shown[-1]) if shown else None,
        )
    if after is not None:
        at, trace_id = parse_place(after)
        found = found.filter(Q(started_at__lt=at) | Q(trace_id__gt=trace_id), started_at__lte=at)
    shown = list(found.order_by("-started_at", "trace_id")[: size + 1])
    has_more, shown = len(shown) > size, shown[:size]
    return TracePage(
        traces=shown,
        newer=_place(shown[0]) if shown and after is not None else None,
        older=_place(shown[-1]) if has_more else None,
    )


def session_traces(ledger_id: int, session: str) -> list[Trace]:
    """Return the newest traces of a session, oldest first; at most MOST_IN_SESSION."""
    newest = Trace.objects.filter(ledger_id=ledger_id, session_id=stored_form(session))
    return list(newest.order_by("-started_at", "trace_id")[:MOST_IN_SESSION])[::-1]


def get_trace(ledger_id: int, trace_id: str) -> Trace | None:
    """Return one trace, or None when nothing is kept of it."""
    wanted = stored_form(trace_id.lower())
    return Trace.objects.filter(ledger_id=ledger_id, trace_id=wanted).first()


def stored_form(said: str) -> str:
    """Return what an address says as a row may hold it: Postgres refuses to look for NUL."""
    return said.replace("\0", "\ufffd")


def has_trace(ledger_id: int, trace_id: str) -> bool:
    """Tell whether anything is kept of a trace."""
    ((found,),) = rows(_HAS, (ledger_id, trace_id.lower()))
    return bool(found)


def stored_traces(ledger_id: int, trace_ids: Collection[str]) -> set[str]:
    """Return those of some traces of which anything is kept."""
    if not trace_ids:
        return set()
    found = Trace.objects.filter(ledger_id=ledger_id, trace_id__in=list(trace_ids))
    return set(found.values_list("trace_id", flat=True))


def _place(trace: Trace) -> str:
    return format_place(trace.started_at, trace.trace_id)


def _ledger_id(name: str) -> int:
    """Return a ledger's number; 0, which none has, for a name that none has."""
    return Ledger.objects.filter(name=name).values_list("id", flat=True).first() or 0


def _spans_of_outer() -> QuerySet[Span]:
    """Match the spans of each trace; their times let Postgres leave out the other days."""
    return Span.objects.filter(
        ledger_id=OuterRef("ledger_id"),
        trace_id=OuterRef("trace_id"),
        started_at__gte=OuterRef("started_at"),
        started_at__lte=OuterRef("ended_at"),
    )

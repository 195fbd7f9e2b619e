"""Read the spans of one trace: all of them briefly, one in full, and what is usual elsewhere.

The times of the trace's own row bound every statement, so that Postgres looks into the days of the
trace and no others. Writes nothing. Rows, path, shapes: waterfall.py, critical_path.py,
span_shapes.py. Lists of traces: trace_query.py.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet

from audit.database import rows
from audit.pruned import minimum_index
from tracing.conversation import MODEL
from tracing.models import Span, Trace
from tracing.span_shapes import Key, Usual
from tracing.trace_query import stored_form

ERROR: Final = 2
"""OTLP's status of a span that failed."""
MOST_SPANS: Final = 20_000
"""Spans of one trace that are read; a trace may have more, and the page says so."""
MOST_TELLING: Final = 2_000
"""Spans of models, tools and agents that a conversation reads."""
OTHER_TRACES: Final = 50
"""Traces before it that one is held against."""
_MOST_OF_ONE: Final = 1_000

_BRIEF: Final = (
    "span_id", "parent_id", "start_ns", "duration_ns", "name", "kind", "status", "service",
    "agent_id", "operation", "subject", "input_tokens", "output_tokens", "cost_usd",
    "arguments_sha256", "event_id",
)  # fmt: skip

_USUAL = """
WITH others AS (
    SELECT trace_id, started_at, ended_at
    FROM tracing_trace
    WHERE ledger_id = %(ledger)s
      AND agent_id = %(agent)s
      AND started_at < %(before)s
    ORDER BY started_at DESC
    LIMIT %(traces)s
)
SELECT s.operation, s.name, s.subject, count(DISTINCT s.trace_id), count(*),
       percentile_disc(0.5) WITHIN GROUP (ORDER BY s.duration_ns),
       percentile_disc(0.95) WITHIN GROUP (ORDER BY s.duration_ns)
FROM others AS o,
     LATERAL (
         SELECT trace_id, operation, name, subject, duration_ns
         FROM tracing_span
         WHERE ledger_id = %(ledger)s
           AND trace_id = o.trace_id
           AND started_at BETWEEN o.started_at AND o.ended_at
         LIMIT %(spans)s
     ) AS s
GROUP BY s.operation, s.name, s.subject
UNION ALL
SELECT NULL, NULL, NULL, count(*), 0, 0, 0
FROM others
"""
_ENTRIES = """
SELECT k.event_id, e.seq, encode(e.hash, 'hex')
FROM audit_eventkey AS k
JOIN audit_entry AS e ON e.ledger_id = k.ledger_id AND e.seq = k.seq
WHERE k.ledger_id = %s
  AND k.event_id = ANY(%s)
  AND k.seq >= %s
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class SpanLine:
    """A span without what it holds."""

    span_id: str
    parent_id: str
    start_ns: int
    duration_ns: int
    name: str
    kind: int
    status: int
    service: str
    agent_id: str
    operation: str
    subject: str
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: Decimal | None
    arguments_sha256: str
    event_id: UUID | None

    @property
    def is_error(self) -> bool:
        """Tell whether it failed."""
        return self.status == ERROR


@dataclass(frozen=True, kw_only=True, slots=True)
class TellingSpan:
    """A span with what was said in it."""

    span_id: str
    operation: str
    subject: str
    agent_id: str
    start_ns: int
    duration_ns: int
    status: int
    attributes: Mapping[str, Any]
    events: Sequence[Mapping[str, Any]]

    @property
    def is_error(self) -> bool:
        """Tell whether it failed."""
        return self.status == ERROR


@dataclass(frozen=True, kw_only=True, slots=True)
class EntryAt:
    """The entry that was made of a span."""

    seq: int
    hash: str


def spans_of(trace: Trace) -> QuerySet[Span]:
    """Return the spans of a trace."""
    return Span.objects.filter(
        ledger_id=trace.ledger_id,
        trace_id=trace.trace_id,
        started_at__gte=trace.started_at,
        started_at__lte=trace.ended_at,
    )


def span_lines(trace: Trace) -> list[SpanLine]:
    """Return the spans of a trace in time, at most MOST_SPANS of them."""
    found = spans_of(trace).order_by("started_at", "start_ns", "span_id")
    return [
        SpanLine(**dict(zip(_BRIEF, each, strict=True)))
        for each in found.values_list(*_BRIEF)[:MOST_SPANS]
    ]


def get_span(trace: Trace, span_id: str) -> Span | None:
    """Return one span with all it holds; of two with one id the earlier."""
    wanted = stored_form(span_id.lower())
    return spans_of(trace).filter(span_id=wanted).order_by("started_at").first()


def telling_spans(trace: Trace) -> list[TellingSpan]:
    """Return the spans in which something was said, in time, at most MOST_TELLING of them."""
    found = spans_of(trace).filter(operation__in=[*MODEL, "execute_tool", "invoke_agent"])
    names = ("span_id", "operation", "subject", "agent_id", "start_ns", "duration_ns", "status",
             "attributes", "events")  # fmt: skip
    return [
        TellingSpan(**dict(zip(names, each, strict=True)))
        for each in found.order_by("started_at", "start_ns").values_list(*names)[:MOST_TELLING]
    ]


def usual_shapes(trace: Trace) -> tuple[dict[Key, Usual], int]:
    """Return what is usual in the agent's traces before this one, and how many those are."""
    found = rows(
        _USUAL,
        {
            "ledger": trace.ledger_id,
            "agent": trace.agent_id,
            "before": trace.started_at,
            "traces": OTHER_TRACES,
            "spans": _MOST_OF_ONE,
        },
    )
    usual: dict[Key, Usual] = {}
    number = 0
    for operation, name, subject, traces, spans, middle, high in found:
        if name is None:
            number = traces
        else:
            usual[Key(operation, name, subject)] = Usual(
                traces=traces, spans=spans, median_ns=middle, p95_ns=high
            )
    return usual, number


def entries_of(ledger_id: int, event_ids: Collection[UUID]) -> dict[UUID, EntryAt]:
    """Return the entries that were made of events; one that waits or was pruned is not there."""
    if not event_ids:
        return {}
    found = rows(_ENTRIES, (ledger_id, list(event_ids), minimum_index(ledger_id)))
    return {event_id: EntryAt(seq=seq, hash=digest) for event_id, seq, digest in found}

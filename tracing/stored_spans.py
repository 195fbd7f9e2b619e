"""Write spans and the traces they make, in the caller's transaction. The only writer of both.

A span is known by ledger, trace and id. `store` writes all of its rows or, when one of them is
there already, none: it raises AlreadyStored, and the caller asks which. Times, caps and masks are
the caller's: receive_spans.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import psycopg

from audit.database import raw_cursor, rows
from tracing.copying import NULL, line
from tracing.otlp import Span
from tracing.semconv import Meaning
from tracing.span_event import ERROR, time_of

_COPY = """
COPY tracing_span
    (ledger_id, trace_id, span_id, started_at, start_ns, duration_ns, parent_id, name, kind, status,
     status_message, service, agent_id, session_id, operation, subject, input_tokens, output_tokens,
     cost_usd, arguments_sha256, scope, attributes, events, links, received_at, resource, event_id)
FROM STDIN
"""
_KNOWN = """
SELECT u.position
FROM unnest(%(traces)s::text[], %(spans)s::text[], %(starts)s::timestamptz[])
         WITH ORDINALITY AS u(trace_id, span_id, started_at, position),
     LATERAL (
         SELECT
         FROM tracing_span
         WHERE ledger_id = %(ledger_id)s
           AND trace_id = u.trace_id
           AND span_id = u.span_id
           AND started_at = u.started_at
         OFFSET 0  -- one step in the index of one day for each
     ) AS s
"""
# Of the span itself upwards, as far as there are parents: a hundred at most, and a day back.
_INVOKED_ABOVE = """
WITH RECURSIVE up AS (
    SELECT u.position, u.trace_id, u.started_at, s.parent_id, s.operation, 1 AS height
    FROM unnest(%(traces)s::text[], %(spans)s::text[], %(starts)s::timestamptz[])
             WITH ORDINALITY AS u(trace_id, span_id, started_at, position),
         LATERAL (
             SELECT parent_id, operation
             FROM tracing_span
             WHERE ledger_id = %(ledger_id)s
               AND trace_id = u.trace_id
               AND span_id = u.span_id
               AND started_at BETWEEN u.started_at - interval '1 day'
                   AND u.started_at + interval '1 minute'
             LIMIT 1
         ) AS s
    UNION ALL
    SELECT up.position, up.trace_id, up.started_at, s.parent_id, s.operation, up.height + 1
    FROM up,
         LATERAL (
             SELECT parent_id, operation
             FROM tracing_span
             WHERE ledger_id = %(ledger_id)s
               AND trace_id = up.trace_id
               AND span_id = up.parent_id
               AND started_at BETWEEN up.started_at - interval '1 day'
                   AND up.started_at + interval '1 minute'
             LIMIT 1
         ) AS s
    WHERE up.operation <> 'invoke_agent'
      AND up.parent_id <> ''
      AND up.height < 100
)
SELECT DISTINCT position
FROM up
WHERE operation = 'invoke_agent'
"""
# The root says what a trace is called; without one the earliest span does, until the root comes.
# Sums of tokens end where a bigint does: what a sender makes up must not keep its spans out.
_ADD_TRACES = """
INSERT INTO tracing_trace AS t
    (ledger_id, trace_id, started_at, ended_at, name, service, agent_id, session_id, has_root,
     spans, errors, made_events, input_tokens, output_tokens, cost_usd, updated_at)
SELECT %(ledger_id)s, u.*, %(received_at)s
FROM unnest(
    %(trace_ids)s::text[], %(started)s::timestamptz[], %(ended)s::timestamptz[], %(names)s::text[],
    %(services)s::text[], %(agents)s::text[], %(sessions)s::text[], %(roots)s::boolean[],
    %(spans)s::bigint[], %(errors)s::bigint[], %(events)s::bigint[], %(input)s::bigint[],
    %(output)s::bigint[], %(cost)s::numeric[]
) AS u
ON CONFLICT (ledger_id, trace_id) DO UPDATE
SET started_at = least(t.started_at, EXCLUDED.started_at),
    ended_at = greatest(t.ended_at, EXCLUDED.ended_at),
    name = CASE WHEN (EXCLUDED.has_root, t.started_at) > (t.has_root, EXCLUDED.started_at)
        THEN EXCLUDED.name ELSE t.name END,
    service = CASE WHEN (EXCLUDED.has_root, t.started_at) > (t.has_root, EXCLUDED.started_at)
        THEN EXCLUDED.service ELSE t.service END,
    agent_id = CASE WHEN t.agent_id = ''
            OR (EXCLUDED.agent_id <> '' AND EXCLUDED.started_at < t.started_at)
        THEN EXCLUDED.agent_id ELSE t.agent_id END,
    session_id = CASE WHEN t.session_id = '' THEN EXCLUDED.session_id ELSE t.session_id END,
    has_root = t.has_root OR EXCLUDED.has_root,
    spans = t.spans + EXCLUDED.spans,
    errors = t.errors + EXCLUDED.errors,
    made_events = t.made_events + EXCLUDED.made_events,
    input_tokens = least(t.input_tokens::numeric + EXCLUDED.input_tokens, 9223372036854775807),
    output_tokens = least(t.output_tokens::numeric + EXCLUDED.output_tokens, 9223372036854775807),
    cost_usd = t.cost_usd + EXCLUDED.cost_usd,
    updated_at = EXCLUDED.updated_at
"""


_MOST: Final = 2**63 - 1
"""What a bigint holds."""


class AlreadyStored(Exception):
    """At least one of the spans is stored already; none of them was written now."""


class Row(msgspec.Struct, kw_only=True, gc=False):
    """A span on its way into the table."""

    span: Span
    meaning: Meaning
    name: str
    service: str
    agent_id: str
    """Empty for a span of no agent."""
    session: str
    started_at: str
    cells: str
    """Every column as COPY reads it, but for the resource and the event's id, which stand last."""
    resource: str
    """The cell that all spans of a resource share."""
    event: dict[str, Any] | None
    """The event it tells of."""
    event_id: str = ""
    """Of the event once it was received; empty before, and when there is none."""

    def key(self) -> tuple[str, str]:
        """Return by what it is known."""
        return self.span.trace_id, self.span.span_id


def store(found: Sequence[Row], *, ledger_id: int, received_at: datetime) -> None:
    """Write spans and add them to their traces. Raises AlreadyStored.

    The rows are sorted by their keys, so that two requests with the same spans wait for each other
    in one order and never in a circle.
    """
    text = "".join(f"{row.cells}\t{row.resource}\t{row.event_id or NULL}\n" for row in found)
    try:
        with raw_cursor() as cursor:
            with cursor.copy(_COPY) as copy:
                copy.write(text.encode())
            cursor.execute(_ADD_TRACES, _traces(found, ledger_id, received_at))
    except psycopg.errors.UniqueViolation as error:
        raise AlreadyStored from error


def known(found: Sequence[Row], *, ledger_id: int) -> set[int]:
    """Return the places of those that are stored already."""
    return {position - 1 for (position,) in rows(_KNOWN, _keys(found, ledger_id))}


def invoked_above(parents: Sequence[tuple[str, str, str]], *, ledger_id: int) -> set[int]:
    """Return the places of those `(trace, span, time)` that are, or are within, an agent's run."""
    if not parents:
        return set()
    asked = {
        "ledger_id": ledger_id,
        "traces": [trace for trace, _, _ in parents],
        "spans": [span for _, span, _ in parents],
        "starts": [at for _, _, at in parents],
    }
    return {position - 1 for (position,) in rows(_INVOKED_ABOVE, asked)}


def cells_of(columns: Iterable[str]) -> str:
    """Return the cells of a row without its last two."""
    return line(columns)[:-1]


def _keys(found: Sequence[Row], ledger_id: int) -> dict[str, object]:
    return {
        "ledger_id": ledger_id,
        "traces": [row.span.trace_id for row in found],
        "spans": [row.span.span_id for row in found],
        "starts": [row.started_at for row in found],
    }


class _Trace(msgspec.Struct, gc=False):
    first: Row
    """Of the root, else of the earliest span."""
    start_ns: int
    end_ns: int
    agent_id: str = ""
    agent_ns: int = 2**63
    session: str = ""
    has_root: bool = False
    spans: int = 0
    errors: int = 0
    events: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0

    def add(self, row: Row) -> None:
        span, meaning = row.span, row.meaning
        is_root = not span.parent_id
        if (is_root, self.first.span.start_ns) > (self.has_root, span.start_ns):
            self.first = row
        self.has_root = self.has_root or is_root
        self.start_ns = min(self.start_ns, span.start_ns)
        # Its start too: spans are looked for within these times, and one may end before it began.
        self.end_ns = max(self.end_ns, span.start_ns, span.end_ns)
        if meaning.operation and row.agent_id and span.start_ns < self.agent_ns:
            self.agent_id, self.agent_ns = row.agent_id, span.start_ns
        self.session = self.session or row.session
        self.spans += 1
        self.errors += span.status == ERROR
        self.events += row.event_id != ""
        self.input_tokens += meaning.input_tokens or 0
        self.output_tokens += meaning.output_tokens or 0
        self.cost_usd += meaning.cost_usd or 0.0


def _traces(found: Iterable[Row], ledger_id: int, received_at: datetime) -> dict[str, object]:
    traces: dict[str, _Trace] = {}
    for row in found:
        span = row.span
        one = traces.get(span.trace_id)
        if one is None:
            one = traces[span.trace_id] = _Trace(row, span.start_ns, span.start_ns)
        one.add(row)
    each = list(traces.values())
    return {
        "ledger_id": ledger_id,
        "received_at": received_at,
        "trace_ids": list(traces),
        "started": [time_of(one.start_ns) for one in each],
        "ended": [time_of(one.end_ns) for one in each],
        "names": [one.first.name for one in each],
        "services": [one.first.service for one in each],
        "agents": [one.agent_id for one in each],
        "sessions": [one.session for one in each],
        "roots": [one.has_root for one in each],
        "spans": [one.spans for one in each],
        "errors": [one.errors for one in each],
        "events": [one.events for one in each],
        "input": [min(one.input_tokens, _MOST) for one in each],
        "output": [min(one.output_tokens, _MOST) for one in each],
        "cost": [repr(round(one.cost_usd, 9)) for one in each],
    }

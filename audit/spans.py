"""Spans of the chain's own work, and the traces that a batch of it joins. Pure.

Uses OpenTelemetry's API alone, which does nothing until somebody sets spans up: a POST then pays
0.2 µs for it and a batch 5 µs. A batch has many senders and so no parent: its span links to the
traces that it joins, MOST_LINKS of them at most. Who makes and sends spans: tracing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import msgspec
from opentelemetry import trace
from opentelemetry.trace import Span, SpanContext, SpanKind, TraceFlags
from opentelemetry.util.types import AttributeValue

from audit.ledger.record import event_of

MOST_LINKS: Final = 32
"""Links of one span; a batch may join thousands of traces."""

_LOOKED_AT: Final = 256
"""Records of a batch that are read for a trace to link to."""

_TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_tracer: Final = trace.get_tracer("obsplatform.audit")


class _Trace(msgspec.Struct):
    trace_id: str | None = None
    span_id: str | None = None


class _Traced(msgspec.Struct):
    trace: _Trace | None = None


_traced: Final = msgspec.json.Decoder(_Traced)


def traceparent(sent: str) -> str:
    """Return the W3C traceparent of what is done now: of our span, or as it was sent."""
    span = trace.get_current_span()
    if not span.is_recording():
        return sent
    own = span.get_span_context()
    return f"00-{own.trace_id:032x}-{own.span_id:016x}-{own.trace_flags & 1:02x}"


@contextmanager
def span(name: str, *, began: int | None = None, **attributes: AttributeValue) -> Iterator[Span]:
    """Do something within a span; `began` in nanoseconds since 1970 where it began before.

    Attributes are named `obs.…`, with dots for the underscores of a name here.
    """
    named = {f"obs.{key}": value for key, value in attributes.items()}
    with _tracer.start_as_current_span(
        name, kind=SpanKind.INTERNAL, attributes=named, start_time=began
    ) as made:
        yield made


def link_to_senders(made: Span, traceparents: Iterable[str]) -> None:
    """Link a span to those who sent what it works on, each once."""
    if not made.is_recording():
        return
    for parent in _firsts(filter(None, map(_parsed, traceparents))):
        made.add_link(parent)


def link_to_acts(made: Span, records: Sequence[bytes]) -> None:
    """Link a span to the acts that these records tell of, where their events name a span."""
    if not made.is_recording():
        return
    acts = filter(None, map(_act, records[-_LOOKED_AT:]))
    for act in _firsts(acts):
        made.add_link(act)


def _firsts(found: Iterable[SpanContext]) -> list[SpanContext]:
    """Return the first of each trace, MOST_LINKS at most."""
    by_trace: dict[int, SpanContext] = {}
    for each in found:
        if len(by_trace) == MOST_LINKS:
            break
        by_trace.setdefault(each.trace_id, each)
    return list(by_trace.values())


def _parsed(text: str) -> SpanContext | None:
    match = _TRACEPARENT.fullmatch(text)
    if match is None:
        return None
    return _context(match[1], match[2], int(match[3], 16))


def _act(record: bytes) -> SpanContext | None:
    if b'"trace"' not in record:
        return None
    event = event_of(record)
    found = None if event is None else _traced.decode(event).trace
    if found is None or not found.trace_id or not found.span_id:
        return None
    return _context(found.trace_id, found.span_id, TraceFlags.SAMPLED)


def _context(trace_id: str, span_id: str, flags: int) -> SpanContext | None:
    made = SpanContext(
        int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(flags)
    )
    return made if made.is_valid else None

"""Take spans in: redact, store, and receive the events that they tell of.

Five thousand spans make a transaction. When `receive_spans` returns, every span that it counts as
taken is committed with its trace and its event, and a retry adds nothing: a span is known by
ledger, trace, id and start, and only one that is new gives an event. One that cannot be kept is
told why and does not take its neighbours with it; one that is older than what is kept still gives
its event. What an event says: span_event.py. The rows: stored_spans.py. The ways in: take.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
import psycopg
from django.conf import settings
from django.db import transaction

from audit.ledger.record import format_time
from audit.receive import Incoming, receive
from tracing import counted_spans, days, span_event, stored_spans
from tracing.arrival import AT_ONCE, TRIES, Arrival, Taken, TakenMeanwhile, mask, note_refused
from tracing.contents import digest
from tracing.copying import cell, json_cell, number_cell
from tracing.masked import cut
from tracing.nesting import Nesting
from tracing.otlp import Span
from tracing.semconv import Meaning, meaning_of
from tracing.span_event import Who, who
from tracing.stored_spans import AlreadyStored, Row

_LONGEST_NAME: Final = 500
_TRACE_ID, _SPAN_ID = 32, 16
_NO_IDS: Final = frozenset({"0" * _TRACE_ID, "0" * _SPAN_ID})


def receive_spans(spans: Iterable[Span], arrival: Arrival) -> Taken:
    """Store spans and receive their events; see the module for what may be relied on.

    Raises a database error when it is unknown what is safe: sending the same again is then right.
    """
    result = Taken()
    good = _sound(spans, result)
    window = days.window(arrival.received_at, keep_days=settings.TRACES_KEEP_DAYS)
    rows: list[Row] = []
    outside: list[Row] = []
    whos: dict[int, tuple[Who, str]] = {}  # one for all spans of a resource
    cells = _Cells()
    meanings = [meaning_of(each.name, each.attributes, events=each.events) for each in good]
    inner = Nesting(good, meanings).inner(
        lambda parents: stored_spans.invoked_above(parents, ledger_id=arrival.ledger_id)
    )
    received = format_time(arrival.received_at)
    for place, (span, meaning) in enumerate(zip(good, meanings, strict=True)):
        found = whos.get(id(span.resource))
        if found is None:
            resource = json_cell(mask().json(span.resource))
            found = whos[id(span.resource)] = who(span.resource), resource
        row = _row(
            span, meaning, *found, cells, ledger_id=str(arrival.ledger_id), received_at=received
        )
        row.event = None if place in inner else _event(span, meaning, found[0])
        day = days.day_of(span.start_ns)
        assert day is not None, "a span without a time is not sound"
        (rows if window.holds(day) else outside).append(row)
    result.reject(
        len(outside),
        f"began outside of the days kept ({window}): their events are received all the same",
    )
    days.make(day for row in rows if (day := days.day_of(row.span.start_ns)) is not None)
    rows.sort(key=Row.key)
    for part in _parts(outside):
        _receive(part, arrival, result)
    for part in _parts(rows):
        _store(part, arrival, result)
    counted_spans.count("otlp", result.taken, dropped=result.rejected)
    return result


def _sound(spans: Iterable[Span], result: Taken) -> list[Span]:
    """Return the spans that can be kept: each once, with ids and times."""
    good: dict[tuple[str, str, int], Span] = {}
    without_ids = without_times = 0
    for sent in spans:
        span = sent
        if not _has_ids(span):
            without_ids += 1
        elif days.day_of(span.start_ns) is None or days.day_of(span.end_ns) is None:
            without_times += 1
        else:
            if span.parent_id in _NO_IDS:
                span = msgspec.structs.replace(sent, parent_id="")
            # By microseconds, as they are stored: two rows of one key would never go in.
            good.setdefault((span.trace_id, span.span_id, span.start_ns // 1000), span)
    result.reject(without_ids, "have no trace id of 16 bytes or no span id of 8")
    result.reject(without_times, "have no time of start and end after 1970")
    return list(good.values())


def _has_ids(span: Span) -> bool:
    return (
        len(span.trace_id) == _TRACE_ID
        and len(span.span_id) == _SPAN_ID
        and len(span.parent_id) in {0, _SPAN_ID}
        and span.trace_id not in _NO_IDS
        and span.span_id not in _NO_IDS
    )


def _parts(rows: Sequence[Row]) -> Iterator[list[Row]]:
    for start in range(0, len(rows), AT_ONCE):
        yield list(rows[start : start + AT_ONCE])


def _event(span: Span, meaning: Meaning, one: Who) -> dict[str, Any] | None:
    if span_event.told_already(span):
        return None
    action = span_event.action_of(meaning, is_error=span.status == span_event.ERROR)
    return span_event.event_of(span, meaning, one, action) if action else None


class _Cells(dict[str, str]):
    """Texts of a request as clean cells: names of spans, agents and models come again in it."""

    def __init__(self) -> None:
        super().__init__()
        self._texts: dict[str, str] = {}

    def __missing__(self, text: str) -> str:
        clean = mask().text(text).replace("\0", "\ufffd")
        made = self[text] = cell(clean)
        if made != clean:
            self._texts[made] = clean
        return made

    def text_in(self, made: str) -> str:
        """Return the text in a cell: the row of a trace is no COPY, and takes it as it is."""
        return self._texts.get(made, made)


def _row(
    span: Span,
    meaning: Meaning,
    one: Who,
    resource: str,
    cells: _Cells,
    *,
    ledger_id: str,
    received_at: str,
) -> Row:
    attributes, events, links = mask().parts(span.attributes, span.events, span.links)
    if span.dropped:
        attributes = _with_dropped(attributes, span.dropped)
    name = cells[cut(span.name, _LONGEST_NAME)]
    service = cells[one.service]
    is_agents = meaning.operation or one.agent_id
    agent_id = cells[span_event.agent_of(one, meaning.agent_name)] if is_agents else ""
    session = cells[meaning.session]
    started_at = span_event.time_of(span.start_ns)
    is_tool = meaning.operation == "execute_tool"
    line = stored_spans.cells_of(
        (
            ledger_id,
            span.trace_id,
            span.span_id,
            started_at,
            str(span.start_ns),
            str(max(0, span.end_ns - span.start_ns)),
            span.parent_id,
            name,
            str(span.kind if 0 <= span.kind <= 5 else 0),
            str(span.status if 0 <= span.status <= 2 else 0),
            cells[span.status_message],
            service,
            agent_id,
            session,
            cells[meaning.operation],
            cells[meaning.subject],
            number_cell(meaning.input_tokens),
            number_cell(meaning.output_tokens),
            number_cell(meaning.cost_usd),
            digest(meaning.arguments) if is_tool else "",
            cells[cut(span.scope, _LONGEST_NAME)],
            json_cell(attributes),
            json_cell(events),
            json_cell(links),
            received_at,
        )
    )
    return Row(
        span=span,
        meaning=meaning,
        name=cells.text_in(name),
        service=cells.text_in(service),
        agent_id=cells.text_in(agent_id),
        session=cells.text_in(session),
        started_at=started_at,
        cells=line,
        resource=resource,
        event=None,
    )


def _with_dropped(attributes: str, dropped: int) -> str:
    """Keep what the sender says it left out itself."""
    told = f'"otel.dropped":{dropped}'
    return f"{{{told}}}" if attributes == "{}" else f"{{{told},{attributes[1:]}"


def _store(part: list[Row], arrival: Arrival, result: Taken) -> None:
    """Store rows and receive their events together; those that are known already are left out."""
    for left in reversed(range(TRIES)):
        told = Taken()
        try:
            with transaction.atomic():
                _receive(part, arrival, told)
                stored_spans.store(
                    part, ledger_id=arrival.ledger_id, received_at=arrival.received_at
                )
        except AlreadyStored:
            # Whoever stored them has committed by now: we waited for it.
            known = stored_spans.known(part, ledger_id=arrival.ledger_id)
            result.known += len(known)
            part = [row for place, row in enumerate(part) if place not in known]
            if not part:
                return
        except psycopg.errors.CheckViolation:
            if not left:
                raise
            days.forget()  # the day was dropped since we saw it
            days.make(day for row in part if (day := days.day_of(row.span.start_ns)) is not None)
        except psycopg.errors.DeadlockDetected:
            if not left:
                raise
        else:
            result.taken += len(part)
            result.notes += told.notes
            return
    raise TakenMeanwhile


def _receive(part: Sequence[Row], arrival: Arrival, result: Taken) -> None:
    """Receive the events of these rows, and let each row know its event's id."""
    telling = [row for row in part if row.event is not None]
    for row in part:
        row.event_id = span_event.told_already(row.span)
    if not telling:
        return
    receipts = receive(
        [_incoming(row, arrival) for row in telling],
        **arrival.of_receive(),
    )
    for row, receipt in zip(telling, receipts, strict=True):
        if receipt.status in {"received", "duplicate"}:
            row.event_id = receipt.id or ""
    note_refused(receipts, result)


def _incoming(row: Row, arrival: Arrival) -> Incoming:
    span = row.span
    assert row.event is not None, "only what tells of an event comes in"
    return Incoming(
        raw=mask().event(row.event),
        default_id=span_event.event_id(arrival.ledger_name, span.trace_id, span.span_id),
        source_id=f"{span.trace_id}\n{span.span_id}",
    )

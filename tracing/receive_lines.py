"""Take log records in: redact, store as lines, and receive the events that some of them tell of.

As receive_spans.py for spans, and with the same promises. A line is known by ledger, time and the
digest of the whole record, so that a retry adds none. Which records tell of an event, and of which:
line_event.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, Final
from uuid import uuid5

import msgspec
import psycopg
from django.conf import settings
from django.db import transaction

from audit.cloudevents import namespace
from audit.database import raw_cursor, rows
from audit.ledger.record import format_time
from audit.receive import Incoming, receive
from tracing import days
from tracing.arrival import AT_ONCE, TRIES, Arrival, Taken, TakenMeanwhile, mask, note_refused
from tracing.attributes import text
from tracing.copying import NULL, cell, json_cell, line
from tracing.line_event import event_of_record, name_of
from tracing.masked import cut
from tracing.otlp import LogRecord
from tracing.span_event import Who, agent_of, time_of, who

INFO: Final = 9
"""OTLP's number of the level that a line has which says none."""

_COPY = """
COPY tracing_line
    (ledger_id, at, digest, received_at, severity, service, agent_id, task_id, trace_id, span_id,
     logger, message, fields, event_id)
FROM STDIN
"""
_KNOWN = """
SELECT u.position
FROM unnest(%(times)s::timestamptz[], %(digests)s::bytea[])
         WITH ORDINALITY AS u(at, digest, position),
     LATERAL (
         SELECT
         FROM tracing_line
         WHERE ledger_id = %(ledger_id)s
           AND at = u.at
           AND digest = u.digest
         OFFSET 0  -- one step in the index of one day for each
     ) AS l
"""
_LEVELS: Final = {
    "TRACE": 1,
    "DEBUG": 5,
    "INFO": 9,
    "WARN": 13,
    "WARNING": 13,
    "ERROR": 17,
    "FATAL": 21,
    "CRITICAL": 21,
}
_LENGTHS: Final = {"trace_id": 32, "span_id": 16}
_LONGEST_LOGGER: Final = 200

_exactly = msgspec.json.Encoder(order="deterministic").encode


class _Line(msgspec.Struct, kw_only=True, gc=False):
    at_ns: int
    at: str
    digest: bytes
    cells: str
    """Every column as COPY reads it, but for the event's id, which stands last."""
    event: dict[str, Any] | None
    event_id: str = ""


def receive_lines(records: Iterable[LogRecord], arrival: Arrival) -> Taken:
    """Store log records as lines and receive their events. Raises as `receive_spans` does."""
    result = Taken()
    window = days.window(arrival.received_at, keep_days=settings.LINES_KEEP_DAYS)
    whos: dict[int, tuple[Who, dict[str, Any]]] = {}
    found: dict[tuple[str, bytes], _Line] = {}
    outside: list[_Line] = []
    without_time = 0
    for record in records:
        about = whos.get(id(record.resource))
        if about is None:
            about = whos[id(record.resource)] = who(record.resource), record.resource
        at_ns = record.at_ns or int(arrival.received_at.timestamp() * 1_000_000) * 1000
        day = days.day_of(at_ns)
        if day is None:
            without_time += 1
            continue
        one = _line(record, about[0], arrival, at_ns)
        if window.holds(day):
            found.setdefault((one.at, one.digest), one)
        else:
            outside.append(one)
    result.reject(without_time, "have no time after 1970")
    result.reject(
        len(outside),
        f"are outside of the days kept ({window}): their events are received all the same",
    )
    days.make(day for one in found.values() if (day := days.day_of(one.at_ns)) is not None)
    for start in range(0, len(outside), AT_ONCE):
        _receive(outside[start : start + AT_ONCE], arrival, result)
    lines = sorted(found.values(), key=lambda one: (one.at, one.digest))
    for start in range(0, len(lines), AT_ONCE):
        _store(lines[start : start + AT_ONCE], arrival, result)
    return result


def _line(record: LogRecord, one: Who, arrival: Arrival, at_ns: int) -> _Line:
    clean = mask().text
    said = record.attributes
    at = time_of(at_ns)
    digest = sha256(_exactly(record)).digest()[:16]
    record = msgspec.structs.replace(  # an id of zeros is none; some senders write so
        record, trace_id=_id(record.trace_id, "trace_id"), span_id=_id(record.span_id, "span_id")
    )
    agent = text(said, "gen_ai.agent.name", "agent.name")
    agent_id = text(said, "obs.agent.id", "agent_id") or (
        agent_of(one, agent) if one.service or one.agent_id or agent else ""
    )
    cells = line(
        (
            str(arrival.ledger_id),
            at,
            f"\\\\x{digest.hex()}",
            format_time(arrival.received_at),
            str(_severity(record)),
            cell(clean(one.service)),
            cell(clean(agent_id)),
            cell(clean(text(said, "task_id", "task.id", "celery.task_id"))),
            record.trace_id,
            record.span_id,
            cell(clean(_logger(record))),
            cell(clean(_message(record))),
            json_cell(mask().parts(_fields(record), [], [])[0]),
        )
    )
    event = event_of_record(record, one, at_ns=at_ns)
    return _Line(at_ns=at_ns, at=at, digest=digest, cells=cells[:-1], event=event)


def _severity(record: LogRecord) -> int:
    if 1 <= record.severity <= 24:
        return record.severity
    return _LEVELS.get(record.severity_text.upper(), INFO)


def _id(said: str, kind: str) -> str:
    """Return an id of the right length that is not all zeros; else none."""
    return said if len(said) == _LENGTHS[kind] and said.strip("0") else ""


def _logger(record: LogRecord) -> str:
    return text(record.attributes, "logger", "logger.name") or cut(record.scope, _LONGEST_LOGGER)


def _message(record: LogRecord) -> str:
    body, name = record.body, name_of(record)
    if name.startswith("gen_ai."):  # its body is what was said, which no list may show or look into
        return name
    if type(body) is dict:
        return text(body, "message", "event", "msg") or name
    if type(body) is str:
        return body or name
    return name if body is None else msgspec.json.encode(body).decode()


def _fields(record: LogRecord) -> dict[str, Any]:
    fields = dict(record.attributes)
    is_told = name_of(record).startswith("gen_ai.")
    if type(record.body) is dict or (is_told and record.body is not None):
        fields["body"] = record.body
    if record.event_name:
        fields["event.name"] = record.event_name
    about = {name: value for name, value in record.resource.items() if name != "service.name"}
    return fields | {"resource": about} if about else fields


def _store(part: list[_Line], arrival: Arrival, result: Taken) -> None:
    for left in reversed(range(TRIES)):
        told = Taken()
        try:
            with transaction.atomic():
                _receive(part, arrival, told)
                _copy(part)
        except psycopg.errors.UniqueViolation:
            known = _known(part, arrival.ledger_id)
            result.known += len(known)
            part = [one for place, one in enumerate(part) if place not in known]
            if not part:
                return
        except psycopg.errors.CheckViolation:
            if not left:
                raise
            days.forget()  # the day was dropped since we saw it
            days.make(day for one in part if (day := days.day_of(one.at_ns)) is not None)
        except psycopg.errors.DeadlockDetected:
            if not left:
                raise
        else:
            result.taken += len(part)
            result.notes += told.notes
            return
    raise TakenMeanwhile


def _copy(part: Sequence[_Line]) -> None:
    written = "".join(f"{one.cells}\t{one.event_id or NULL}\n" for one in part)
    with raw_cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.write(written.encode())


def _known(part: Sequence[_Line], ledger_id: int) -> set[int]:
    asked = {
        "ledger_id": ledger_id,
        "times": [one.at for one in part],
        "digests": [one.digest for one in part],
    }
    return {position - 1 for (position,) in rows(_KNOWN, asked)}


def _receive(part: Sequence[_Line], arrival: Arrival, result: Taken) -> None:
    telling = [one for one in part if one.event is not None]
    for one in part:
        one.event_id = ""
    if not telling:
        return
    within = namespace(arrival.ledger_name)
    receipts = receive(
        [
            Incoming(
                raw=mask().event(one.event),
                default_id=uuid5(within, f"{one.at}\n{one.digest.hex()}"),
            )
            for one in telling
            if one.event is not None
        ],
        **arrival.of_receive(),
    )
    for one, receipt in zip(telling, receipts, strict=True):
        if receipt.status in {"received", "duplicate"}:
            one.event_id = receipt.id or ""
    note_refused(receipts, result)

"""What is copied out of a record into columns, for filters.

One definition for the writer, who fills the columns, and for verification, which compares them.
Defaults that a record leaves out (environment `prod`, severity `info`) are read here.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import msgspec


class Columns(NamedTuple):
    """The copied columns, in the order in which the writer and verification name them."""

    event_id: str
    """Lower-case UUID text."""
    occurred_at: str
    """As the record writes it: UTC, six digits, `Z`."""
    agent_id: str
    actor_id: str
    category: str
    action: str
    outcome: str
    severity: str
    environment: str
    run_id: str | None
    trace_id: str | None
    data_classes: list[str] | None


class _Agent(msgspec.Struct, gc=False):
    id: str
    environment: str = "prod"


class _Identified(msgspec.Struct, gc=False):
    id: str | None = None


class _Actor(msgspec.Struct, gc=False):
    id: str


class _Trace(msgspec.Struct, gc=False):
    trace_id: str | None = None


class _Data(msgspec.Struct, gc=False):
    classes: list[str] | None = None


class _Event(msgspec.Struct, gc=False):
    id: str
    occurred_at: str
    category: str
    action: str
    outcome: str
    agent: _Agent
    actor: _Actor
    severity: str = "info"
    run: _Identified | None = None
    trace: _Trace | None = None
    data: _Data | None = None


class _Source(msgspec.Struct, gc=False):
    key: str | None = None
    backfill: bool = False


class _Record(msgspec.Struct, gc=False):
    event: _Event
    ledger: str
    prev: str
    received_at: str
    seq: int
    source: _Source
    v: int


_decode_event = msgspec.json.Decoder(_Event).decode
_decode_source = msgspec.json.Decoder(_Source).decode
_decode_record = msgspec.json.Decoder(_Record).decode


def _columns(event: _Event) -> Columns:
    run, trace, data = event.run, event.trace, event.data
    return Columns(
        event.id,
        event.occurred_at,
        event.agent.id,
        event.actor.id,
        event.category,
        event.action,
        event.outcome,
        event.severity,
        event.agent.environment,
        run.id if run is not None else None,
        trace.trace_id if trace is not None else None,
        data.classes if data is not None else None,
    )


def columns_of_event(event: bytes) -> Columns:
    """Return what the writer copies out of a canonical event.

    Raises msgspec.DecodeError when the bytes are no event, which only a defect can cause.
    """
    return _columns(_decode_event(event))


def columns_of_source(source: bytes) -> tuple[str | None, bool]:
    """Return `(key_id, is_backfill)` of a record's source."""
    found = _decode_source(source)
    return found.key, found.backfill


class ReadRecord(NamedTuple):
    """A record taken apart, as verification compares it."""

    columns: Columns
    ledger: str
    prev: str
    received_at: str
    seq: int
    key_id: str | None
    is_backfill: bool
    version: int


def read_record(record: bytes) -> ReadRecord:
    """Take a record apart. Raises msgspec.DecodeError when it is none."""
    found = _decode_record(record)
    source = found.source
    return ReadRecord(
        _columns(found.event),
        found.ledger,
        found.prev,
        found.received_at,
        found.seq,
        source.key,
        source.backfill,
        found.v,
    )


def parse_time(text: str) -> datetime:
    """Return the moment that a record's time text names."""
    return datetime.fromisoformat(text)

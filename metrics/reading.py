"""Read the record of an entry as a fold needs it. Pure.

Takes the bytes as they are stored; the form of a record is told in audit.ledger.record. Whose
counters it feeds: fold.py.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from metrics.folding import Seen
from metrics.seen import Who

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_US: Final = 86_400_000_000
_SECOND_US: Final = 1_000_000


class _Record(msgspec.Struct, gc=False):
    event: dict[str, Any]
    ledger: str
    received_at: str
    source: dict[str, Any]


_decode = msgspec.json.Decoder(_Record).decode


def read_record(seq: int, record: bytes) -> Seen:
    """Return an entry as fold takes it."""
    read = _decode(record)
    return Seen(
        seq=seq,
        received_us=_us(read.received_at),
        occurred_us=_us(read.event["occurred_at"]),
        is_backfill=bool(read.source.get("backfill", False)),
        ledger=read.ledger,
        event=read.event,
    )


class _Agent(msgspec.Struct, gc=False):
    id: str
    environment: str = "prod"


class _Tool(msgspec.Struct, gc=False):
    name: str | None = None
    risk: str | None = None
    result_bytes: int | float | None = None


class _Model(msgspec.Struct, gc=False):
    provider: str | None = None
    name: str | None = None


class _Usage(msgspec.Struct, gc=False):
    input_tokens: int | float | None = None
    output_tokens: int | float | None = None
    cache_read_tokens: int | float | None = None
    reasoning_tokens: int | float | None = None
    cost_usd: int | float | None = None


class _Error(msgspec.Struct, gc=False):
    type: str | None = None


class _Trace(msgspec.Struct, gc=False):
    trace_id: str | None = None
    conversation_id: str | None = None


class _Human(msgspec.Struct, gc=False):
    type: str
    id: str


class _Actor(msgspec.Struct, gc=False):
    type: str
    id: str
    on_behalf_of: _Human | None = None
    session_id: str | None = None


class _Source(msgspec.Struct, gc=False):
    backfill: bool = False


class Event(msgspec.Struct, gc=False):
    """The few fields of an event that most entries are counted by."""

    outcome: str
    occurred_at: datetime
    agent: _Agent
    severity: str | None = None
    duration_ms: int | float | None = None
    tool: _Tool | None = None
    model: _Model | None = None
    usage: _Usage | None = None
    error: _Error | None = None
    trace: _Trace | None = None
    actor: _Actor | None = None


class Brief(msgspec.Struct, gc=False):
    """The few fields of a record that most entries are counted by."""

    event: Event
    received_at: datetime
    source: _Source

    def who(self) -> Who:
        """Return the ids of agent, user and session, as seen.py has them of an event."""
        event = self.event
        actor, agent = event.actor, event.agent.id
        if actor is None:
            return agent, None, None
        human = actor if actor.type == "human" else actor.on_behalf_of
        user = human.id if human is not None and human.type == "human" else None
        session = actor.session_id
        if session is None and event.trace is not None:
            session = event.trace.conversation_id
        return agent, user, session


_BEGINNING: Final = b'{"event":{"action":"'
"""Of every record: its members and the event's are in order of their names (RFC 8785)."""


_ACTION: Final = len(_BEGINNING)


def action_of(record: bytes) -> bytes:
    """Return the action without decoding the record, which begins as each that is chained does."""
    return record[_ACTION : record.find(b'"', _ACTION)]


decode_brief: Final = msgspec.json.Decoder(Brief).decode
"""Return the few fields; raises msgspec.ValidationError where one is of an unexpected type."""


def _us(moment: str) -> int:
    return since(datetime.fromisoformat(moment))


def since(moment: datetime) -> int:
    """Return microseconds since 1970."""
    since = moment - _EPOCH
    return since.days * _DAY_US + since.seconds * _SECOND_US + since.microseconds

"""Builders for tests of quarantine: a conflict as it happens, any other misfit as append has it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from audit.database import raw_connection, raw_cursor
from audit.ledger.canonical import canonicalise
from audit.models import Ledger, Quarantine
from audit.quarantine import Misfit, quarantine
from tests.conftest import EVENTS, chain, make_event, post


def hold(
    ledger: Ledger, event: dict[str, Any], *, stored: bytes | None = None, **fields: Any
) -> Quarantine:
    """Put an event into quarantine as append does: refused, unless `fields` say another reason.

    `stored` are the bytes to keep when they are not the event's own.
    """
    stored = canonicalise(event) if stored is None else stored
    event_id = event["id"]
    values: dict[str, Any] = {
        "ledger_id": ledger.id,
        "received_at": datetime(2026, 11, 20, 12, 0, tzinfo=UTC),
        "event_id": uuid.UUID(event_id),
        "digest": sha256(stored).digest(),
        "reason": Quarantine.REFUSED,
        "error": "54000: row is too big",
        "key_id": "testkey1",
        "source": EVENTS.source(),
        "source_id": "",
        "request_id": "request-1",
        "traceparent": "",
        "event": stored,
    }
    with raw_connection().transaction(), raw_cursor() as cursor:
        quarantine(cursor, Misfit(**values | fields))
    return Quarantine.objects.get(ledger=ledger, event_id=event_id)


def conflict(ledger: Ledger) -> Quarantine:
    """Chain one event and send other content under its id."""
    event = make_event(details={"amount": 10})
    chain(ledger, [event])
    post(ledger, [event | {"outcome": "failure", "details": {"amount": 99}}])
    return Quarantine.objects.get(ledger=ledger, event_id=event["id"])

"""What tests of receiving share: one event received, and all that is stored of it."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any

from audit.database import rows
from audit.ledgers import open_ledger
from audit.models import Inbox, Ledger
from audit.receive import Incoming, Receipt, Sender, receive
from tests.conftest import EVENTS


def statuses(receipts: list[Receipt]) -> list[str]:
    return [each.status for each in receipts]


def stored(ledger: Ledger) -> list[dict[str, Any]]:
    """Return the events that wait in the inbox."""
    found = Inbox.objects.filter(ledger=ledger).order_by("id")
    return [json.loads(line) for each in found for line in bytes(each.events).split(b"\n")]


def receive_one(ledger: Ledger, incoming: Incoming, *, sender: Sender = EVENTS) -> Receipt:
    (receipt,) = receive(
        [incoming],
        ledger_id=ledger.id,
        ledger_name=ledger.name,
        sender=sender,
        received_at=datetime.now(UTC),
    )
    return receipt


def everything_stored(ledger: Ledger) -> bytes:
    """Return every byte that this ledger's rows hold, of every table that may hold an event."""
    found = b""
    for table in ("audit_inbox", "audit_entry", "audit_quarantine", "audit_subjectkey"):
        for row in rows(
            f"SELECT to_jsonb(t)::text FROM {table} AS t WHERE ledger_id = %s", (ledger.id,)
        ):
            found += row[0].encode()
    for statement in (
        "SELECT events || digests || source FROM audit_inbox WHERE ledger_id = %s",
        "SELECT record FROM audit_entry WHERE ledger_id = %s",
        "SELECT event || source FROM audit_quarantine WHERE ledger_id = %s",
    ):
        found += b"".join(bytes(row[0]) for row in rows(statement, (ledger.id,)))
    return found


def receiving_ledger() -> Ledger:
    """Return one more ledger of the test's own."""
    return open_ledger(f"t.{uuid.uuid4().hex[:16]}")

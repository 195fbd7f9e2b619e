"""Rows put straight into the inbox with SQL, past every check of the API."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import psycopg

SOURCE = b'{"key":"faults01","scope":"events","via":"api"}'
_INSERT = """
INSERT INTO audit_inbox (ledger_id, received_at, count, event_ids, digests, source, events)
VALUES (
    %(ledger)s, coalesce(%(at)s, now()), %(count)s, %(ids)s, %(digests)s, %(source)s, %(events)s
)
"""


def canonical(event: dict[str, Any]) -> bytes:
    """Return the canonical bytes of an event of plain ASCII and without floats."""
    return json.dumps(event, sort_keys=True, separators=(",", ":")).encode()


def put(
    connection: psycopg.Connection[Any],
    ledger_id: int,
    events: Sequence[bytes],
    ids: Sequence[str],
    *,
    at: datetime | None = None,
    instead: Mapping[str, Any] | None = None,
) -> None:
    """Insert one row; `instead` replaces what a row of these events would hold."""
    row = {
        "ledger": ledger_id,
        "at": at,
        "count": len(events),
        "ids": [UUID(each) for each in ids],
        "digests": b"".join(sha256(each).digest() for each in events),
        "source": SOURCE,
        "events": b"\n".join(events),
    }
    connection.execute(_INSERT, row | dict(instead or {}))

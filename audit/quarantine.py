"""Keep what was accepted and cannot be chained. Nothing here is ever deleted.

Called by receive.py and append.py inside their transactions. Telling about it: announce.py.
What a person does about it: settle.py.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

CONFLICT = "the id is taken by an event with other content"

_PUT = """
INSERT INTO audit_quarantine
    (ledger_id, received_at, event_id, digest, reason, error, key_id, source, source_id, request_id,
     traceparent, event)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (ledger_id, event_id, digest) DO UPDATE
SET state = 'open'  -- it was replayed and cannot be chained this time either
WHERE audit_quarantine.state = 'replayed'
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Misfit:
    """What cannot be chained, as the inbox held it (redacted, pseudonymised, encrypted)."""

    ledger_id: int
    received_at: datetime
    event_id: UUID
    digest: bytes
    reason: str
    error: str
    key_id: str
    source: bytes
    source_id: str
    request_id: str
    traceparent: str
    event: bytes


def quarantine(cursor: psycopg.Cursor[Any], misfit: Misfit) -> None:
    """Keep one event in the caller's transaction; the same event a second time changes nothing.

    But one that came back from a replay is open again.
    """
    cursor.execute(_PUT, astuple(misfit))

"""Leave entries about what came to quarantine. Putting it there: quarantine.py."""

from __future__ import annotations

from collections import Counter

from django.db import transaction

from audit.database import rows
from audit.models import Ledger, Quarantine
from audit.receive import receive_own

_UNANNOUNCED = """
UPDATE audit_quarantine
SET is_announced = true
WHERE ledger_id = %s
  AND id = ANY(
      SELECT id
      FROM audit_quarantine
      WHERE ledger_id = %s
        AND NOT is_announced
      ORDER BY id
      LIMIT 1000
      FOR UPDATE SKIP LOCKED
  )
RETURNING event_id::text, reason, key_id, error
"""


def announce_quarantined(ledger: Ledger) -> int:
    """Leave an entry about what came to quarantine since the last call; return how many rows.

    Called once a minute: conflicts become one `audit.id_conflict` a key with their count, since a
    client in a loop would else fill the ledger; anything else is told one by one.
    """
    with transaction.atomic():
        found = rows(_UNANNOUNCED, (ledger.id, ledger.id))
        conflicts = Counter(
            key_id for _, reason, key_id, _ in found if reason == Quarantine.CONFLICT
        )
        for key_id, count in sorted(conflicts.items()):
            receive_own(
                ledger,
                "audit.id_conflict",
                target={"type": "api_key", "id": key_id or "none"},
                details={"count": count},
            )
        for event_id, reason, key_id, error in found:
            if reason != Quarantine.CONFLICT:
                receive_own(
                    ledger,
                    "audit.event_quarantined",
                    outcome="error",
                    error={"type": reason, "message": error[:500]},
                    target={"type": "event", "id": event_id},
                    details={"key": key_id},
                )
    return len(found)

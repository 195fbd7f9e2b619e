"""Blank the content of what lies in quarantine longer than its ledger's policy.

The row stays: when it came, from whom, its digest, why it could not be chained, who settled it.
Nothing is blanked while any hold of the ledger stands, since nobody can tell what is in content
that could not be chained. Policies: retain.py. The rule in Postgres: audit/sql/0012_retention.sql.
"""

from __future__ import annotations

from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from audit.database import rows
from audit.models import Ledger
from audit.receive import receive_own
from audit.retain import policies

MOST: Final = 1_000
"""Rows that one transaction blanks."""

# Content is kept for the longest policy that any of its words may stand for, and under any hold.
_BLANK = """
UPDATE audit_quarantine
SET event = ''
WHERE ledger_id = %(ledger)s
  AND id = ANY(
      SELECT q.id
      FROM audit_quarantine AS q
      WHERE q.ledger_id = %(ledger)s
        AND q.event <> ''
        AND q.received_at <= now() - make_interval(days => greatest(
            %(days)s,
            CASE WHEN position('"phi"'::bytea IN q.event) > 0 THEN %(phi_days)s END,
            (SELECT max(r.days)
             FROM audit_retention AS r
             WHERE r.ledger_id = q.ledger_id
               AND r.kind <> 'ledger'
               AND position(convert_to('"' || r.name || '"', 'UTF8') IN q.event) > 0)
        ))
        AND NOT EXISTS (
            SELECT FROM audit_hold AS h WHERE h.ledger_id = q.ledger_id AND h.released_at IS NULL
        )
      ORDER BY q.id
      LIMIT %(most)s
      FOR UPDATE SKIP LOCKED
  )
RETURNING id, received_at
"""


def blank_quarantine(ledger: Ledger) -> int:
    """Blank what is older than its policy; return how many rows. Leaves `audit.purged`."""
    kept_by = policies(ledger)
    values: dict[str, Any] = {
        "ledger": ledger.id,
        "days": kept_by.days,
        "phi_days": kept_by.phi_days,
        "most": MOST,
    }
    count = 0
    while blanked := _blank_some(ledger, values):
        count += blanked
    return count


def _blank_some(ledger: Ledger, values: dict[str, Any]) -> int:
    with transaction.atomic():
        found = rows(_BLANK, values)
        if found:
            age = timezone.now() - max(received_at for _, received_at in found)
            receive_own(
                ledger,
                "audit.purged",
                target={"type": "quarantine", "id": ledger.name},
                integrity={"retention_days": values["days"], "purged_min_age_days": age.days},
                details={
                    "quarantined": len(found),
                    "first": min(number for number, _ in found),
                    "last": max(number for number, _ in found),
                },
            )
    return len(found)

"""Count what waits for a person in one ledger: approvals, signatures, findings, reports, expiries.

Each figure stops at MOST, so that no page counts a big table. Only reads. Lists of it: the pages of
compliance.admin. Expiries: remind.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from django.db import connection

from compliance.acting import today
from compliance.remind import DAYS

MOST: Final = 1_000
SHOWN_DAYS: Final = 30
"""For so long a delivery that failed is shown; sending it again takes it away at once."""

# What ends is told as remind.py tells it: a statement that is renewed needs nobody any more.
_WAITING: Final = """
WITH ends AS (
    SELECT s.expires_on
    FROM compliance_statement AS s
    WHERE s.ledger_id = %(ledger)s
      AND s.state = 'signed'
      AND s.expires_on BETWEEN %(now)s AND %(until)s
      AND NOT EXISTS (
          SELECT FROM compliance_statement AS r
          WHERE r.ledger_id = s.ledger_id AND r.renews_id = s.id AND r.state = 'signed'
      )
    UNION ALL
    SELECT expires_on
    FROM compliance_decision
    WHERE ledger_id = %(ledger)s
      AND state = 'approved'
      AND kind IN ('waiver', 'scope')
      AND expires_on BETWEEN %(now)s AND %(until)s
),
not_made AS (
    SELECT
    FROM compliance_slot AS slot
    JOIN compliance_schedule AS schedule
      ON schedule.ledger_id = slot.ledger_id AND schedule.id = slot.schedule_id
    WHERE slot.ledger_id = %(ledger)s
      AND slot.state = 'failed'
      AND schedule.removed_at IS NULL
      AND NOT EXISTS (
          SELECT FROM compliance_slot AS later
          WHERE later.ledger_id = slot.ledger_id
            AND later.schedule_id = slot.schedule_id
            AND later.due_at > slot.due_at
            AND later.state = 'done'
      )
),
not_sent AS (
    SELECT
    FROM compliance_delivery
    WHERE ledger_id = %(ledger)s
      AND state = 'failed'
      AND asked_at > clock_timestamp() - make_interval(days => %(shown_days)s)
)
SELECT
    (SELECT count(*) FROM (
        SELECT FROM compliance_decision
        WHERE ledger_id = %(ledger)s AND state = 'asked' LIMIT %(most)s
    ) AS asked),
    (SELECT count(*) FROM (
        SELECT FROM compliance_statement
        WHERE ledger_id = %(ledger)s AND state = 'draft' LIMIT %(most)s
    ) AS drafts),
    (SELECT count(*) FROM (
        SELECT FROM compliance_finding
        WHERE ledger_id = %(ledger)s AND state = 'open' AND due < %(now)s LIMIT %(most)s
    ) AS late),
    (SELECT count(*) FROM (SELECT FROM not_made LIMIT %(most)s) AS failed),
    (SELECT count(*) FROM (SELECT FROM not_sent LIMIT %(most)s) AS unsent),
    (SELECT count(*) FROM (SELECT FROM ends LIMIT %(most)s) AS ending),
    (SELECT min(expires_on) FROM ends)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """What waits for a person; each figure is at most MOST."""

    approvals: int
    signatures: int
    overdue: int
    not_made: int
    """Slots that failed, without a later one of their schedule that is done."""
    not_sent: int
    """Deliveries that failed."""
    expiring: int
    """What ends within 60 days."""
    soonest: int | None
    """Days until the first of them ends."""

    def __bool__(self) -> bool:
        """Tell whether anything does."""
        return any(
            (
                self.approvals,
                self.signatures,
                self.overdue,
                self.not_made,
                self.not_sent,
                self.expiring,
            )
        )


def waiting(ledger_id: int) -> Waiting:
    """Return what waits for a person in a ledger, in one query."""
    now = today()
    asked: dict[str, int | date] = {
        "ledger": ledger_id,
        "now": now,
        "until": now + timedelta(days=max(DAYS)),
        "most": MOST,
        "shown_days": SHOWN_DAYS,
    }
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, asked)
        found = cursor.fetchone()
    approvals, signatures, overdue, not_made, not_sent, expiring, soonest = found
    return Waiting(
        approvals=approvals,
        signatures=signatures,
        overdue=overdue,
        not_made=not_made,
        not_sent=not_sent,
        expiring=expiring,
        soonest=None if soonest is None else (soonest - now).days,
    )

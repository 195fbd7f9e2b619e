"""Count what waits for a person in one ledger: approvals, signatures, overdue findings, expiries.

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
    (SELECT count(*) FROM (SELECT FROM ends LIMIT %(most)s) AS ending),
    (SELECT min(expires_on) FROM ends)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """What waits for a person; each figure is at most MOST."""

    approvals: int
    signatures: int
    overdue: int
    expiring: int
    """What ends within 60 days."""
    soonest: int | None
    """Days until the first of them ends."""

    def __bool__(self) -> bool:
        """Tell whether anything does."""
        return any((self.approvals, self.signatures, self.overdue, self.expiring))


def waiting(ledger_id: int) -> Waiting:
    """Return what waits for a person in a ledger, in one query."""
    now = today()
    asked: dict[str, int | date] = {
        "ledger": ledger_id,
        "now": now,
        "until": now + timedelta(days=max(DAYS)),
        "most": MOST,
    }
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, asked)
        approvals, signatures, overdue, expiring, soonest = cursor.fetchone()
    return Waiting(
        approvals=approvals,
        signatures=signatures,
        overdue=overdue,
        expiring=expiring,
        soonest=None if soonest is None else (soonest - now).days,
    )

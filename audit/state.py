"""Say what is known of each ledger now, for the strip on every page and the front page.

One statement, each part a walk down an index: never a count of entries. What is proven is what the
view audit_standing says, the one definition for pages, metrics and the API. Runs: audit.runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import connection

MOST_LEDGERS = 200
"""Ledgers that a page lists; one that is asked for by name is found beyond them."""

INBOX_LOOK = 10_000
"""At most so many inbox rows are added up; more is said as "at least"."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerState:
    """One ledger: how long, how fresh, what waits, and what verification has shown."""

    id: int
    name: str
    is_read_only: bool
    size: int
    """Entries in the chain, which is one more than the last seq."""
    newest_at: datetime | None
    waiting: int
    """Events received and not chained yet."""
    waiting_is_exact: bool
    """False when the inbox holds more rows than are added up."""
    result: str
    """intact, tampered or not_proven."""
    intact_to: int
    """Runs that join found the entries below this seq intact; 0 when none did."""
    verified_at: datetime | None
    """When the newest run finished; None when none did."""
    bad_seq: int | None
    """The first bad entry of a finding that still stands."""
    bad_field: str

    @property
    def last_seq(self) -> int:
        """Return the seq of the last entry; -1 when there is none."""
        return self.size - 1

    @property
    def last_intact_seq(self) -> int:
        """Return the last seq that was found intact; -1 when none was."""
        return self.intact_to - 1

    @property
    def word(self) -> str:
        """Return the one word of the ledger's state: tampered, empty, intact or chained."""
        if self.result == "tampered":
            return "tampered"
        if self.size == 0:
            return "empty"
        return "intact" if self.result == "intact" else "chained"

    def entry_state(self, seq: int) -> str:
        """Return verified, tampered or chained; after a first bad entry nothing is verified."""
        if self.result == "tampered":
            if seq == self.bad_seq:
                return "tampered"
            if self.bad_seq is None or seq > self.bad_seq:
                return "chained"
        return "verified" if seq < self.intact_to else "chained"


_STATES = """
    SELECT l.id, l.name, l.is_read_only, h.size, newest.received_at, inbox.events, inbox.rows,
           standing.result, standing.intact_to, standing.finished_at, run.bad_seq, run.bad_field
      FROM audit_ledger AS l
      JOIN audit_head AS h ON h.ledger_id = l.id
      JOIN audit_standing AS standing ON standing.ledger_id = l.id
      LEFT JOIN audit_verification AS run
        ON run.ledger_id = l.id AND run.id = standing.finding_id
      LEFT JOIN LATERAL (
           SELECT e.received_at
             FROM audit_entry AS e
            WHERE e.ledger_id = l.id AND e.seq = h.size - 1
      ) AS newest ON true
      LEFT JOIN LATERAL (
           SELECT coalesce(sum(waiting.count), 0) AS events, coalesce(sum(1), 0) AS rows
             FROM (
                  SELECT i.count FROM audit_inbox AS i WHERE i.ledger_id = l.id LIMIT %(look)s
             ) AS waiting
      ) AS inbox ON true
     WHERE (%(name)s::text IS NULL OR l.name = %(name)s)
       AND (%(id)s::integer IS NULL OR l.id = %(id)s)
     ORDER BY l.name <> %(first)s, l.name
     LIMIT %(most)s
"""


def ledger_states(*, also: str = "") -> list[LedgerState]:
    """Return the state of each ledger, the platform's own first, at most MOST_LEDGERS.

    `also` names one that is there even beyond that number, when it exists.
    """
    found = _states()
    if also and also not in {one.name for one in found}:
        found += _states(name=also)
    return found


def ledger_state(*, name: str | None = None, ledger_id: int | None = None) -> LedgerState | None:
    """Return the state of one ledger, or None when there is none of that name or id."""
    assert (name is None) != (ledger_id is None), "a ledger is asked for by name or by id"
    return next(iter(_states(name=name, ledger_id=ledger_id)), None)


def own_state() -> LedgerState | None:
    """Return the state of the platform's own ledger, else of the first there is."""
    return next(iter(_states(most=1)), None)


def _states(
    *, name: str | None = None, ledger_id: int | None = None, most: int = MOST_LEDGERS
) -> list[LedgerState]:
    with connection.cursor() as cursor:
        cursor.execute(
            _STATES,
            {
                "look": INBOX_LOOK,
                "name": None if name is None else name.replace("\0", ""),
                "id": ledger_id,
                "first": settings.LEDGER,
                "most": most,
            },
        )
        return [
            LedgerState(
                id=ledger_id,
                name=name,
                is_read_only=is_read_only,
                size=size,
                newest_at=newest_at,
                waiting=int(waiting),
                waiting_is_exact=inbox_rows < INBOX_LOOK,
                result=result,
                intact_to=intact_to,
                verified_at=verified_at,
                bad_seq=bad_seq,
                bad_field=bad_field or "",
            )
            for (
                ledger_id,
                name,
                is_read_only,
                size,
                newest_at,
                waiting,
                inbox_rows,
                result,
                intact_to,
                verified_at,
                bad_seq,
                bad_field,
            ) in cursor.fetchall()
        ]

"""Say what is known of each ledger now, for the strip on every page and the front page.

Two statements, each a walk down an index: never a count of entries. It says no more
than was proven: a verified range is the range of one finished run. Runs: audit.verify.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import connection

from audit.models import Verification

INBOX_LOOK = 10_000
"""At most so many inbox rows are added up; more is said as "at least"."""

_RUNS_LOOK = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerState:
    """One ledger: how long, how fresh, what waits, and what its last verification found."""

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
    run: Verification | None
    """The newest finished verification of a range."""

    @property
    def last_seq(self) -> int:
        """Return the seq of the last entry; -1 when there is none."""
        return self.size - 1

    @property
    def verified_to(self) -> int | None:
        """Return the last seq of the newest run's range, which ends before its `to_seq`."""
        return self.run.to_seq - 1 if self.run is not None else None

    @property
    def word(self) -> str:
        """Return the one word of the ledger's state: empty, tampered, intact or chained."""
        if self.size == 0:
            return "empty"
        if self.run is not None and self.run.result == "tampered":
            return "tampered"
        if self.run is not None and self.run.result == "intact":
            return "intact"
        return "chained"


_STATES = """
    SELECT l.id, l.name, l.is_read_only, h.size, newest.received_at,
           inbox.events, inbox.rows, run.id
      FROM audit_ledger AS l
      JOIN audit_head AS h ON h.ledger_id = l.id
      LEFT JOIN LATERAL (
           SELECT e.received_at
             FROM audit_entry AS e
            WHERE e.ledger_id = l.id AND e.seq = h.size - 1
      ) AS newest ON true
      LEFT JOIN LATERAL (
           SELECT coalesce(sum(waiting.count), 0) AS events, coalesce(sum(1), 0) AS rows
             FROM (
                  SELECT i.count FROM audit_inbox AS i WHERE i.ledger_id = l.id LIMIT %s
             ) AS waiting
      ) AS inbox ON true
      LEFT JOIN LATERAL (
           SELECT v.id
             FROM audit_verification AS v
            WHERE v.ledger_id = l.id AND v.state = 'done' AND v.kind <> 'sample'
            ORDER BY v.id DESC
            LIMIT 1
      ) AS run ON true
     ORDER BY l.name <> %s, l.name
     LIMIT 200
"""


def ledger_states() -> list[LedgerState]:
    """Return the state of each ledger, the platform's own first, at most 200."""
    with connection.cursor() as cursor:
        cursor.execute(_STATES, [INBOX_LOOK, settings.LEDGER])
        rows = cursor.fetchall()
    run_ids = [row[7] for row in rows if row[7] is not None]
    runs = {run.ledger_id: run for run in Verification.objects.filter(id__in=run_ids)}
    return [
        LedgerState(
            id=row[0],
            name=row[1],
            is_read_only=row[2],
            size=row[3],
            newest_at=row[4],
            waiting=int(row[5]),
            waiting_is_exact=row[6] < INBOX_LOOK,
            run=runs.get(row[0]),
        )
        for row in rows
    ]


def finished_runs(ledger_id: int) -> list[Verification]:
    """Return the newest finished verifications of ranges of one ledger, newest first."""
    return list(
        Verification.objects.filter(ledger_id=ledger_id, state="done")
        .exclude(kind="sample")
        .order_by("-id")[:_RUNS_LOOK]
    )


def entry_state(seq: int, runs: Iterable[Verification]) -> str:
    """Return `verified`, `tampered` or `chained`, as the newest run that covered the entry says."""
    for run in runs:
        if not run.from_seq <= seq < run.to_seq:
            continue
        if run.result == "intact":
            return "verified"
        if run.result == "tampered" and run.bad_seq == seq:
            return "tampered"
        return "chained"
    return "chained"

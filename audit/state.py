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
    sealed_size: int = 0
    """Size of the newest checkpoint: every seq below it is sealed; 0 before the first."""
    sealed_at: datetime | None = None
    """When that was signed."""
    sealing: str = ""
    """How signing goes: ok, or no_key, wrong_key, no_tiles, behind, forked, failed; empty when
    nobody has tried yet."""
    sealing_error: str = ""
    """Why nothing is signed, and what to do."""
    sealing_since: datetime | None = None
    """Since when signing goes as `sealing` says."""
    sealing_tried_at: datetime | None = None
    """When it was tried last."""
    failing_anchors: tuple[str, ...] = ()
    """Sinks and witnesses that did not take the newest checkpoint they were given."""
    contradicting_anchors: tuple[str, ...] = ()
    """Sinks and witnesses that hold, or give, what does not fit what was signed."""
    witnessed: str = ""
    """How many of the witnesses that the policy asks for have cosigned it, such as 2 of 3."""
    is_public: bool = False
    """Whether hash tiles and checkpoints are for everyone."""
    read_only_reason: str = ""
    succeeded_by: str = ""
    """The ledger that follows this one, which takes and signs nothing any more."""
    doubt_id: int | None = None
    """The newest run that read entries and could not prove them, while no later one could."""
    minimum: int = 0
    """The minimum index: the lowest seq that is kept, since what lies below was pruned."""

    @property
    def is_contradicted(self) -> bool:
        """Tell whether the ledger does not continue what was signed or anchored."""
        return self.sealing in {"behind", "forked"} and not self.succeeded_by

    @property
    def is_unsigned(self) -> bool:
        """Tell whether something that can be mended keeps the ledger from being signed."""
        return self.sealing not in {"", "ok"} and not self.is_contradicted

    @property
    def unsealed(self) -> int:
        """Return how many entries no checkpoint covers."""
        return max(self.size - self.sealed_size, 0)

    @property
    def kept(self) -> int:
        """Return how many entries a reader may find."""
        return self.size - self.minimum

    @property
    def last_sealed_seq(self) -> int:
        """Return the last seq that a checkpoint covers; -1 when none does."""
        return self.sealed_size - 1

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
        """Say in one word how it stands, the worst first: tampered, ended, behind and so on."""
        if self.result == "tampered":
            return "tampered"
        if self.succeeded_by:
            return "ended"
        if self.is_contradicted:
            return self.sealing
        if self.doubt_id is not None:
            return "not_proven"
        if self.size == 0:
            return "empty"
        return "intact" if self.result == "intact" else "chained"

    def entry_state(self, seq: int) -> str:
        """Return tampered, verified, sealed or chained; after a bad entry never more than that."""
        if self.result == "tampered":
            if seq == self.bad_seq:
                return "tampered"
            if self.bad_seq is None or seq > self.bad_seq:
                return "chained"
        if seq < self.intact_to:
            return "verified"
        return "sealed" if seq < self.sealed_size else "chained"


_STATES = """
    SELECT l.id, l.name, l.is_read_only, h.size, newest.received_at, inbox.events, inbox.rows,
           standing.result, standing.intact_to, standing.finished_at, run.bad_seq, run.bad_field,
           coalesce(sealed.size, 0), sealed.signed_at, coalesce(sealing.state, ''),
           coalesce(sealing.error, ''), coalesce(sealing.witnessed, ''), l.is_public,
           l.read_only_reason, standing.doubt_id, l.succeeded_by, sealing.since,
           sealing.tried_at, anchors.failing,
           anchors.contradicting, coalesce(least.minimum, 0)
      FROM audit_ledger AS l
      JOIN audit_head AS h ON h.ledger_id = l.id
      JOIN audit_standing AS standing ON standing.ledger_id = l.id
      LEFT JOIN audit_verification AS run
        ON run.ledger_id = l.id AND run.id = standing.finding_id
      LEFT JOIN audit_sealing AS sealing ON sealing.ledger_id = l.id
      LEFT JOIN audit_minimum AS least ON least.ledger_id = l.id
      LEFT JOIN LATERAL (
           SELECT array_agg(a.sink ORDER BY a.sink) FILTER (WHERE a.state = 'failing') AS failing,
                  array_agg(a.sink ORDER BY a.sink) FILTER (WHERE a.state = 'mismatch')
                      AS contradicting
             FROM audit_anchor AS a
            WHERE a.ledger_id = l.id
      ) AS anchors ON true
      LEFT JOIN LATERAL (
           SELECT c.size, c.signed_at
             FROM audit_checkpoint AS c
            WHERE c.ledger_id = l.id
            ORDER BY c.size DESC
            LIMIT 1
      ) AS sealed ON true
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
                sealed_size=sealed_size,
                sealed_at=sealed_at,
                sealing=sealing,
                sealing_error=sealing_error,
                witnessed=witnessed,
                is_public=is_public,
                read_only_reason=read_only_reason,
                doubt_id=doubt_id,
                succeeded_by=succeeded_by,
                sealing_since=sealing_since,
                sealing_tried_at=sealing_tried_at,
                failing_anchors=tuple(failing or ()),
                contradicting_anchors=tuple(contradicting or ()),
                minimum=minimum,
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
                sealed_size,
                sealed_at,
                sealing,
                sealing_error,
                witnessed,
                is_public,
                read_only_reason,
                doubt_id,
                succeeded_by,
                sealing_since,
                sealing_tried_at,
                failing,
                contradicting,
                minimum,
            ) in cursor.fetchall()
        ]

"""Say what has become of an event: received, chained, sealed, pruned, quarantined. Reads only.

The sender asks by id after a 202. Waiting inside a POST: audit.wait. States: docs/api.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from audit.database import rows
from audit.kept import PrunedEntry, pruned_entry

INBOX_LOOK = 10_000
"""The newest inbox rows that are searched for an id."""

State = Literal["received", "chained", "sealed", "pruned", "quarantined"]

_CHAINED = """
SELECT k.seq, e.hash,
       k.seq < (SELECT max(size) FROM audit_checkpoint WHERE ledger_id = k.ledger_id)
FROM audit_eventkey AS k
LEFT JOIN audit_entry AS e ON e.ledger_id = k.ledger_id AND e.seq = k.seq
WHERE k.ledger_id = %s
  AND k.event_id = %s
"""
_WAITING = """
SELECT 1
FROM (
    SELECT event_ids
    FROM audit_inbox
    WHERE ledger_id = %s
    ORDER BY id DESC
    LIMIT %s
) AS newest
WHERE %s = ANY (newest.event_ids)
LIMIT 1
"""
_QUARANTINED = """
SELECT reason
FROM audit_quarantine
WHERE ledger_id = %s
  AND event_id = %s
ORDER BY id DESC
LIMIT 1
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Whereabouts:
    """Where an event is."""

    state: State
    seq: int | None = None
    """Its place in the chain, once chained."""
    hash: str | None = None
    """The entry's hash in hex, once chained; of one that was pruned, from its tile."""
    reason: str | None = None
    """Why it could not be chained, when it is in quarantine."""
    pruned: PrunedEntry | None = None
    """Who let its entry go, and when."""


def whereis(event_id: UUID, *, ledger_id: int) -> Whereabouts | None:
    """Return where the event of this ledger is, or None when nothing is known of it.

    An id that is chained and has a conflicting twin in quarantine is chained. Of a ledger with more
    than 10,000 inbox rows the older ones are not searched.
    """
    # Chaining moves an event from the inbox to the chain between two looks, so look there again.
    return (
        _chained(event_id, ledger_id)
        or _waiting(event_id, ledger_id)
        or _chained(event_id, ledger_id)
        or _quarantined(event_id, ledger_id)
    )


def _chained(event_id: UUID, ledger_id: int) -> Whereabouts | None:
    for seq, leaf, is_sealed in rows(_CHAINED, (ledger_id, event_id)):
        # Event keys stay, so an id of long ago is still told from one that was never sent.
        pruned = pruned_entry(ledger_id, seq)
        if pruned is not None:
            return Whereabouts(state="pruned", seq=seq, hash=pruned.hash, pruned=pruned)
        if leaf is not None:
            state: State = "sealed" if is_sealed else "chained"
            return Whereabouts(state=state, seq=seq, hash=bytes(leaf).hex())
    return None


def _waiting(event_id: UUID, ledger_id: int) -> Whereabouts | None:
    found = rows(_WAITING, (ledger_id, INBOX_LOOK, event_id))
    return Whereabouts(state="received") if found else None


def _quarantined(event_id: UUID, ledger_id: int) -> Whereabouts | None:
    for (reason,) in rows(_QUARANTINED, (ledger_id, event_id)):
        return Whereabouts(state="quarantined", reason=reason)
    return None

"""Hold an answer until its events are chained, or sealed, or ten seconds have gone."""

from __future__ import annotations

import time
from collections.abc import Collection
from uuid import UUID

from audit.database import rows
from audit.sealed import sealed_size

LONGEST = 10.0
"""Seconds; then the answer is 202 and the sender asks again by id."""

_PAUSE = 0.03

_CHAINED = """
SELECT u.event_id::text, k.seq, e.hash
FROM unnest(%s::uuid[]) AS u(event_id),
     LATERAL (
         SELECT seq
         FROM audit_eventkey
         WHERE ledger_id = %s
           AND event_id = u.event_id
         OFFSET 0  -- one index step an id, whatever the statistics say
     ) AS k
JOIN audit_entry AS e ON e.ledger_id = %s AND e.seq = k.seq
"""


def wait_until_chained(
    event_ids: Collection[UUID], *, ledger_id: int, longest: float = LONGEST
) -> dict[str, tuple[int, str]]:
    """Return `(seq, hash)` by event id for what was chained in time; the rest is left out."""
    ends = time.monotonic() + longest
    found: dict[str, tuple[int, str]] = {}
    open_ids = {str(each) for each in event_ids}
    while open_ids:
        for event_id, seq, leaf in rows(_CHAINED, (sorted(open_ids), ledger_id, ledger_id)):
            found[event_id] = (seq, bytes(leaf).hex())
            open_ids.discard(event_id)
        if not open_ids or time.monotonic() >= ends:
            break
        time.sleep(_PAUSE)
    return found


def wait_until_sealed(
    event_ids: Collection[UUID], *, ledger_id: int, longest: float = LONGEST
) -> tuple[dict[str, tuple[int, str]], int]:
    """Return what was chained in time, as `wait_until_chained` does, and how far it is sealed."""
    ends = time.monotonic() + longest
    found = wait_until_chained(event_ids, ledger_id=ledger_id, longest=longest)
    last = max((seq for seq, _ in found.values()), default=-1)
    sealed = sealed_size(ledger_id)
    while sealed <= last and time.monotonic() < ends:
        time.sleep(_PAUSE)
        sealed = sealed_size(ledger_id)
    return found, sealed

"""Find what a reader may find of a ledger: the entries it keeps, and what is told of the others.

What lies below the minimum index is gone for every reader from the moment its purge has begun,
while its rows still leave one batch at a time. Its hash stands in the tiles, so that whoever holds
the old record can still prove it; who let it go stands in the purge. Writes nothing. The minimum
index: pruned.py. Pruning: retain.py.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from audit.database import rows
from audit.models import Entry
from audit.pruned import minimum_index, purge_of
from audit.verify_tree import leaf_of_tile

_MINIMUMS = """
SELECT m.ledger_id, m.minimum
FROM audit_minimum AS m
JOIN audit_ledger AS l ON l.id = m.ledger_id
WHERE l.name = ANY(%s)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class PrunedEntry:
    """What is known of an entry that was pruned."""

    seq: int
    hash: str | None
    """64 hex digits, from its tile; None when somebody took the tile away."""
    plan_id: int
    """The number of the purge."""
    from_seq: int
    """The first seq that went with it."""
    to_seq: int
    """One past the last, which was the minimum index then."""
    pruned_at: datetime
    """When the purge began."""
    approvers: tuple[str, str]

    def __str__(self) -> str:
        """Read as a sentence for whoever asked for the entry."""
        first, second = self.approvers
        return (
            f"Entry {self.seq} was pruned on {self.pruned_at:%Y-%m-%d} with every other one below "
            f"seq {self.to_seq}, approved by {first} and {second}."
        )


def kept_entries(ledger_id: int) -> QuerySet[Entry]:
    """Return the entries of a ledger that a reader may find."""
    return Entry.objects.filter(ledger_id=ledger_id, seq__gte=minimum_index(ledger_id))


def minimum_indexes(names: Collection[str]) -> dict[int, int]:
    """Return the minimum index by the id of each of these ledgers that was ever pruned."""
    found: dict[int, int] = dict(rows(_MINIMUMS, (list(names),)))
    return found


def pruned_entry(ledger_id: int, seq: int) -> PrunedEntry | None:
    """Return what is known of an entry that was pruned; None when it was not."""
    purge = purge_of(ledger_id, seq)
    if purge is None:
        return None
    leaf = leaf_of_tile(ledger_id, seq)
    return PrunedEntry(
        seq=seq,
        hash=None if leaf is None else leaf.hex(),
        plan_id=purge.plan_id,
        from_seq=purge.from_seq,
        to_seq=purge.to_seq,
        pruned_at=purge.begun_at,
        approvers=(purge.first_approver, purge.second_approver),
    )

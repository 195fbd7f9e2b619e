"""Ask the tables of the projection `tallies` for one item, or for what is pending. Only reads.

What people act on is looked up here: the entry of a failing item, whether it still fails, and
whether a check has items that are not decided yet. Everything else of those tables: tallied.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from django.db import connection

MOST: Final = 20

_ITEM = """
SELECT i.state, i.seq, i.why, i.day
FROM compliance_lens AS l
JOIN compliance_item AS i ON i.ledger_id = l.ledger_id AND i.lens_id = l.lens_id
WHERE l.ledger_id = %s
  AND l.check_id = %s
  AND i.item = %s
ORDER BY i.state, i.seq
LIMIT 1
"""
_PENDING = """
SELECT DISTINCT i.item
FROM compliance_lens AS l
JOIN compliance_item AS i ON i.ledger_id = l.ledger_id AND i.lens_id = l.lens_id
WHERE l.ledger_id = %s
  AND l.check_id = %s
  AND i.state = 'pending'
  AND i.day <= %s
ORDER BY i.item
LIMIT %s
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptItem:
    """An item that a check keeps by itself."""

    state: str
    """`fail`, `pending` or `fact`."""
    seq: int
    """The entry it is about."""
    why: str
    day: date


def kept_item(ledger_id: int, check: str, item: str) -> KeptItem | None:
    """Return an item of a check, a failing one before others; None when none of this id is kept."""
    with connection.cursor() as cursor:
        cursor.execute(_ITEM, [ledger_id, check, item])
        found = cursor.fetchone()
    if found is None:
        return None
    return KeptItem(state=found[0], seq=found[1], why=found[2], day=found[3])


def pending_items(ledger_id: int, check: str, last: date) -> list[str]:
    """Return the ids of a check's undecided items that began up to a day, at most MOST."""
    with connection.cursor() as cursor:
        cursor.execute(_PENDING, [ledger_id, check, last, MOST])
        return [item for (item,) in cursor.fetchall()]

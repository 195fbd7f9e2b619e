"""Count the entries that are older than their policy keeps, and still there. Reads only.

An entry is kept by the longest policy that covers it: its ledger's, its category's or one of its
data classes'. On hold it must stay, so it is not overdue. A purge takes entries from the front, so
the oldest are looked at, up to a bound. Policies: retain.py; what stops a purge: dryrun.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from audit.database import rows
from audit.models import Ledger
from audit.retain import policies

MOST_LOOKED_AT: Final = 100_000
"""Entries of a ledger that are looked at, the oldest; beyond it a figure is a floor."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Overdue:
    """What of a ledger is kept for too long."""

    ledger: str
    kept: int
    """Entries that are there."""
    by_policy: dict[str, int] = field(default_factory=dict)
    """Overdue ones by the policy that kept them longest: `ledger`, `category:NAME` or
    `data_class:NAME`; every policy that somebody has set, and `ledger`, is there."""


_KEPT = """
SELECT h.size - coalesce(m.minimum, 0), coalesce(m.minimum, 0)
FROM audit_head AS h
LEFT JOIN audit_minimum AS m ON m.ledger_id = h.ledger_id
WHERE h.ledger_id = %s
"""
# No policy is shorter than the ledger's, so younger entries are not looked at.
_OVERDUE = """
WITH policy AS (
    SELECT * FROM unnest(%(kinds)s::text[], %(names)s::text[], %(days)s::int[])
        AS p(kind, name, days)
), hold AS MATERIALIZED (
    SELECT kind, value FROM audit_hold WHERE ledger_id = %(ledger)s AND released_at IS NULL
), old AS (
    SELECT e.seq, e.received_at, e.category, e.data_classes, e.agent_id
    FROM audit_entry AS e
    WHERE e.ledger_id = %(ledger)s
      AND e.seq >= %(first)s
      AND e.seq < %(first)s + %(most)s
      AND e.received_at <= now() - make_interval(days => %(least)s)
)
SELECT longest.name, count(*)
FROM old
CROSS JOIN LATERAL (
    SELECT concat_ws(':', p.kind, nullif(p.name, '')) AS name, p.days
    FROM policy AS p
    WHERE p.kind = 'ledger'
       OR (p.kind = 'category' AND p.name = old.category)
       OR (p.kind = 'data_class' AND p.name = ANY(old.data_classes))
    ORDER BY p.days DESC, p.kind = 'ledger' DESC, p.kind, p.name
    LIMIT 1
) AS longest
WHERE old.received_at <= now() - make_interval(days => longest.days)
  AND NOT EXISTS (
      SELECT FROM hold
      WHERE hold.kind = 'ledger' OR (hold.kind = 'agent' AND hold.value = old.agent_id)
  )
  -- A hold of these kinds is found in the record itself, which is read for it alone.
  AND NOT EXISTS (
      SELECT FROM hold
      JOIN audit_entry AS e
        ON e.ledger_id = %(ledger)s AND e.seq = old.seq AND e.received_at = old.received_at
      WHERE (hold.kind = 'subject' AND position(convert_to(hold.value, 'UTF8') IN e.record) > 0)
         OR (hold.kind = 'case'
             AND position(convert_to('"case":{', 'UTF8') IN e.record) > 0
             AND convert_from(e.record, 'UTF8')::jsonb #>> '{event,case,id}' = hold.value)
  )
GROUP BY longest.name
"""


def overdue(ledger: Ledger, *, most: int = MOST_LOOKED_AT) -> Overdue:
    """Return how many of the ledger's oldest entries are overdue, by policy."""
    ((kept, first),) = rows(_KEPT, (ledger.id,))
    standing = policies(ledger)
    names = [
        ("ledger", ""),
        *(("category", name) for name in sorted(standing.categories)),
        *(("data_class", name) for name in sorted({*standing.data_classes, "phi"})),
    ]
    found: dict[str, int] = dict(
        rows(
            _OVERDUE,
            {
                "ledger": ledger.id,
                "first": first,
                "most": most,
                "least": standing.days,
                "kinds": [kind for kind, _ in names],
                "names": [name for _, name in names],
                "days": [standing.days_of(*each) for each in names],
            },
        )
    )
    # The default of phi shows where it keeps something, like any that somebody has set.
    shown = {"ledger", *found}
    shown |= {f"category:{name}" for name in standing.categories}
    shown |= {f"data_class:{name}" for name in standing.data_classes}
    return Overdue(
        ledger=ledger.name,
        kept=kept,
        by_policy={name: found.get(name, 0) for name in sorted(shown)},
    )

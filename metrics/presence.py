"""Count who was there lately, from fingerprints: rows 5, 46 and 47 of the requirements.

Agents are counted by ledger, users once wherever they were. What is older than 25 hours goes, and
beyond a million rows the oldest go. Who is there: seen.py.
"""

from __future__ import annotations

from typing import Final

from audit.database import rows
from metrics import agent_families as families
from metrics.facts import Facts
from metrics.seen import KEPT_SECONDS, SORTS

AGENT_SECONDS: Final = 300
SESSION_SECONDS: Final = 900
WINDOWS: Final = {"1h": 3_600, "24h": 86_400}
"""Windows of active users, in seconds."""

MOST_ROWS: Final = 1_000_000
_AT_ONCE: Final = 50_000
"""Rows that one statement takes away."""

_COUNT = """
SELECT
    (SELECT count(*) FROM metrics_seen
     WHERE sort = 'agent' AND at > clock_timestamp() - make_interval(secs => %(agent)s)),
    (SELECT count(*) FROM metrics_seen
     WHERE sort = 'session' AND at > clock_timestamp() - make_interval(secs => %(session)s))
"""
_USERS = """
SELECT count(DISTINCT id)
FROM metrics_seen
WHERE sort = 'user'
  AND at > clock_timestamp() - make_interval(secs => %s)
"""
# Rows that the projection holds are left for the next turn: nobody waits here for anybody.
_FORGET = """
DELETE FROM metrics_seen AS gone
USING (
    SELECT ledger_id, sort, id
    FROM metrics_seen
    WHERE sort = %(sort)s
      AND at <= %(before)s
    ORDER BY at
    LIMIT %(most)s
    FOR UPDATE SKIP LOCKED
) AS old
WHERE (gone.ledger_id, gone.sort, gone.id) = (old.ledger_id, old.sort, old.id)
RETURNING 1
"""
_OLD = "SELECT clock_timestamp() - make_interval(secs => %s)"
_OVER = "SELECT count(*) - %s FROM metrics_seen"
_OLDEST = """
DELETE FROM metrics_seen AS gone
USING (
    SELECT ledger_id, sort, id
    FROM metrics_seen
    ORDER BY at
    LIMIT %s
    FOR UPDATE SKIP LOCKED
) AS old
WHERE (gone.ledger_id, gone.sort, gone.id) = (old.ledger_id, old.sort, old.id)
RETURNING 1
"""


def presence() -> Facts:
    """Return how many agents, users and sessions were there lately."""
    ((agents, sessions),) = rows(_COUNT, {"agent": AGENT_SECONDS, "session": SESSION_SECONDS})
    facts: Facts = {
        (families.AGENTS_ACTIVE.name, ()): agents,
        (families.SESSIONS_ACTIVE.name, ()): sessions,
    }
    for window, seconds in WINDOWS.items():
        ((users,),) = rows(_USERS, (seconds,))
        facts[families.ACTIVE_USERS.name, (window,)] = users
    return facts


def forget_old(*, most: int = MOST_ROWS) -> int:
    """Remove what is too old, and the oldest beyond `most`; return how many rows went."""
    ((before,),) = rows(_OLD, (KEPT_SECONDS,))
    gone = sum(
        len(rows(_FORGET, {"sort": sort, "before": before, "most": _AT_ONCE})) for sort in SORTS
    )
    ((over,),) = rows(_OVER, (most,))
    if over > 0:
        gone += len(rows(_OLDEST, (over,)))
    return gone

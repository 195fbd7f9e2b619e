"""Count the connections to the platform's database by what they do: row 68 of the requirements.

Postgres shows the state of a session to its own role and to monitors alone, and none of our roles
is one. But everybody sees which sessions there are and which locks they hold, and a session holds
a lock on its own virtual transaction exactly while it works.
"""

from __future__ import annotations

from audit.database import rows
from metrics.facts import Facts
from metrics.platform_families import DB_CONNECTIONS

# Whoever waits for a lock works too, and counts as waiting alone. Autovacuum has no user.
_COUNT = """
WITH session AS (
    SELECT pid
    FROM pg_stat_activity
    WHERE datname = current_database()
      AND usesysid IS NOT NULL
), lock AS MATERIALIZED (
    SELECT pid,
        bool_or(NOT granted) AS is_waiting,
        bool_or(locktype = 'virtualxid' AND granted) AS is_working
    FROM pg_locks
    GROUP BY pid
)
SELECT
    count(*) FILTER (WHERE lock.is_working AND NOT lock.is_waiting),
    count(*) FILTER (WHERE lock.is_waiting),
    count(*)
FROM session
LEFT JOIN lock USING (pid)
"""


def db_connections() -> Facts:
    """Return connections that are in a statement or transaction, wait for a lock, or do nothing.

    The one that asks counts as active.
    """
    ((active, waiting, whole),) = rows(_COUNT)
    counts = {"active": active, "idle": whole - active - waiting, "waiting": waiting}
    return {(DB_CONNECTIONS.name, (state,)): count for state, count in counts.items()}

"""Say how many entries came in since a moment, without counting them.

`seq` has no gaps and entries are chained nearly in the order they were received, so the first entry
of a span is found by halving: twenty steps for a million entries, each one look into one index. A
handful at the edge may stand the wrong way round, by as much as POSTs overtook each other.
What is known of a ledger now: state.py.
"""

from __future__ import annotations

from datetime import datetime

from django.db import connection

# `low` is below the wanted seq or on it, `high` on it or above. Asking for a row that is new enough
# lets Postgres leave out the older months; a seq that was purged counts as older.
_FIRST_SINCE = """
WITH RECURSIVE search (low, high) AS (
    SELECT 0::bigint, %(size)s::bigint
    UNION ALL
    SELECT
        CASE WHEN is_new THEN low ELSE middle + 1 END,
        CASE WHEN is_new THEN middle ELSE high END
    FROM (
        SELECT low, high, (low + high) / 2 AS middle
        FROM search
        WHERE low < high
    ) AS half,
    LATERAL (
        SELECT EXISTS (
            SELECT
            FROM audit_entry AS e
            WHERE e.ledger_id = %(ledger_id)s
              AND e.seq = half.middle
              AND e.received_at >= %(moment)s
        ) AS is_new
    ) AS looked
)
SELECT low
FROM search
WHERE low >= high
"""


def first_seq_since(ledger_id: int, *, size: int, moment: datetime) -> int:
    """Return the first seq received at or after the moment; `size` when none was.

    `size` is the length of the ledger as the caller shows it, so that his figures agree.
    """
    with connection.cursor() as cursor:
        cursor.execute(_FIRST_SINCE, {"ledger_id": ledger_id, "size": size, "moment": moment})
        ((seq,),) = cursor.fetchall()
    return int(seq)

"""Leave entries that say that the platform is at work: each hour what waits, each day what is kept.

A ledger that nobody writes to has no clock: no deadline in it ever runs out, and nobody can tell a
quiet day from a dead platform. So each ledger that has begun gets `system.queue_reported` each
hour and `audit.retention_reported` each day. Whether one is due is read from what is chained and
what waits, never from a schedule, so a second beat writes nothing twice and a missed hour is made
up within minutes. Called by audit.tasks; rules of retention: retain.py.
"""

from __future__ import annotations

from typing import Final

from django.conf import settings
from django.db import transaction

from audit.database import rows
from audit.models import Ledger
from audit.pruned import minimum_index
from audit.receive import Sender, receive_own
from audit.retain import policies

QUEUE: Final = "system.queue_reported"
RETENTION: Final = "audit.retention_reported"
HOUR: Final = 3600
DAY: Final = 86_400
_OWN: Final = Sender(via="server", scope="server", scopes=frozenset()).source()

# Held to the end of the transaction that writes, so that two workers do not both find it due.
_TRY_LOCK = "SELECT pg_try_advisory_xact_lock(hashtext('audit.pulse'), %s)"
# Nothing is due in a ledger without entries: it is born with its first. A read-only one takes none.
_IS_DUE = """
SELECT 1
FROM audit_ledger AS l
JOIN audit_head AS h ON h.ledger_id = l.id
WHERE l.id = %(ledger)s
  AND NOT l.is_read_only
  AND h.size > 0
  AND NOT EXISTS (
      SELECT FROM audit_inbox AS i
      WHERE i.ledger_id = l.id
        AND i.source = %(source)s  -- the platform's own, so the rest of a backlog is not read
        AND position(convert_to('"action":"' || %(action)s || '"', 'UTF8') IN i.events) > 0
  )
  AND coalesce((
      SELECT e.received_at
      FROM audit_entry AS e
      WHERE e.ledger_id = l.id
        AND e.action = %(action)s
        AND e.agent_id = 'platform'
      ORDER BY e.seq DESC
      LIMIT 1
  ) <= clock_timestamp() - make_interval(secs => %(seconds)s), true)
"""
# A checkpoint covers the entries since the one before; the first of them waited the longest. What
# is not chained or sealed yet is as late as its oldest is old.
_QUEUE = """
SELECT waiting.events,
       greatest(waiting.seconds, late.seconds, 0)::double precision
FROM (
    SELECT coalesce(sum(i.count), 0)::bigint AS events,
           extract(epoch FROM clock_timestamp() - min(i.received_at)) AS seconds
    FROM audit_inbox AS i
    WHERE i.ledger_id = %(ledger)s
) AS waiting
CROSS JOIN (
    SELECT max(extract(epoch FROM c.signed_at - e.received_at)) AS seconds
    FROM (
        SELECT newest.signed_at, lag(newest.size) OVER (ORDER BY newest.size) AS first
        FROM (
            SELECT signed_at, size
            FROM audit_checkpoint
            WHERE ledger_id = %(ledger)s
            ORDER BY size DESC
            LIMIT %(most)s
        ) AS newest
        WHERE newest.signed_at > clock_timestamp() - make_interval(secs => %(seconds)s)
    ) AS c
    JOIN audit_entry AS e ON e.ledger_id = %(ledger)s AND e.seq = c.first
) AS late
"""


def report_queue(ledger: Ledger) -> bool:
    """Leave `system.queue_reported` when the last one is an hour old; tell whether it did.

    `system.queue_depth` is how many events wait to be chained, `system.max_lag_seconds` the longest
    time from received to sealed of the past hour, or the age of the oldest event that waits.
    """
    with transaction.atomic():
        if not _is_due(ledger, QUEUE, HOUR):
            return False
        most = int(HOUR / settings.SEAL_INTERVAL) + 1
        ((waiting, lag),) = rows(_QUEUE, {"ledger": ledger.id, "seconds": HOUR, "most": most})
        receive_own(
            ledger,
            QUEUE,
            target={"type": "ledger", "id": ledger.name},
            system={"queue_depth": waiting, "max_lag_seconds": round(lag, 3)},
        )
    return True


def report_retention(ledger: Ledger) -> bool:
    """Leave `audit.retention_reported` when the last one is a day old; tell whether it did.

    `integrity.retention_days` is how long every entry is kept, `integrity.oldest_seq` the minimum
    index; longer policies of categories and data classes stand in `details`.
    """
    with transaction.atomic():
        if not _is_due(ledger, RETENTION, DAY):
            return False
        kept = policies(ledger)
        receive_own(
            ledger,
            RETENTION,
            target={"type": "ledger", "id": ledger.name},
            integrity={
                "retention_days": kept.days,
                "oldest_seq": minimum_index(ledger.id),
            },
            details={
                "categories": dict(kept.categories),
                "data_classes": {**kept.data_classes, "phi": kept.days_of("data_class", "phi")},
            },
        )
    return True


def _is_due(ledger: Ledger, action: str, seconds: int) -> bool:
    ((is_ours,),) = rows(_TRY_LOCK, (ledger.id,))
    where = {"ledger": ledger.id, "action": action, "seconds": seconds, "source": _OWN}
    return bool(is_ours and rows(_IS_DUE, where))

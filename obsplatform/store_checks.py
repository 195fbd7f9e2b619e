"""Check the audit store: it answers quickly, can be written, is verified, and costs have prices.

Each function is one check of readiness.py: it reads and returns a Finding, and never writes.
"""

from __future__ import annotations

import time
from typing import Final
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.db import connection

from metrics.agent_families import LLM_COST
from metrics.labels import normalise
from metrics.platform_families import REFUSED
from obsplatform.finding import Finding, told

SLOW_PAGE_SECONDS: Final = 0.1
PAGE: Final = 50
VERIFIED_DEGRADED_SECONDS: Final = 600  # a sample is verified each minute
COST_DAYS: Final = 1  # of requests to models that are looked at

_LONGEST = "SELECT ledger_id, size FROM audit_head ORDER BY size DESC LIMIT 1"
# Not joined with the above: the planner would read the whole table for a size it does not know.
_PAGE_OF_ENTRIES = """
SELECT seq, received_at, agent_id, action, outcome
FROM audit_entry
WHERE ledger_id = %s
  AND seq >= %s
  AND seq < %s
ORDER BY seq DESC
"""


def check_queries() -> Finding:
    """Read a page of the longest ledger's newest entries, and see how long it takes."""
    started = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute(_LONGEST)
        ledger_id, size = cursor.fetchone() or (0, 0)
        cursor.execute(_PAGE_OF_ENTRIES, [ledger_id, size - PAGE, size])
        found = len(cursor.fetchall())
    took = time.perf_counter() - started
    detail = f"a page of {found} entries took {took * 1000:.1f} ms"
    return Finding(status="ok" if took <= SLOW_PAGE_SECONDS else "degraded", detail=detail)


# Who appends: the role of the worker's address, where this process knows it. A web server in a
# container does not: then its own role, or whichever may append and neither owns the table, as the
# role of migrations does, nor is a superuser.
_MAY_WRITE = """
WITH allowed AS MATERIALIZED (
    SELECT rolname, oid, rolcanlogin AND NOT rolsuper AS may_log_in,
        has_table_privilege(oid, 'audit_entry', 'INSERT')
            AND has_table_privilege(oid, 'audit_head', 'UPDATE')
            AND has_table_privilege(oid, 'audit_inbox', 'DELETE') AS may_append
    FROM pg_roles
), asked AS (
    SELECT coalesce(
        nullif(%s, ''),
        (
            SELECT rolname::text
            FROM allowed
            WHERE may_append
              AND (
                  rolname = current_user
                  OR (
                      may_log_in
                      AND oid <> (SELECT relowner FROM pg_class WHERE oid = 'audit_entry'::regclass)
                  )
              )
            ORDER BY rolname <> current_user, rolname
            LIMIT 1
        ),
        current_user::text
    ) AS name
)
SELECT pg_is_in_recovery(),
    current_setting('default_transaction_read_only')::boolean,
    has_table_privilege('audit_inbox', 'INSERT'),
    allowed.rolname,
    allowed.may_append
FROM asked
LEFT JOIN allowed ON allowed.rolname = asked.name
"""
_READ_ONLY = """
SELECT name
FROM audit_ledger
WHERE is_read_only
  AND succeeded_by = ''
ORDER BY name
"""


def check_store() -> Finding:
    """See that rights and modes let events be kept and chained: a check itself writes nothing."""
    appends = unquote(urlsplit(settings.DATABASE_URLS["worker"]).username or "")
    with connection.cursor() as cursor:
        cursor.execute(_MAY_WRITE, [appends])
        is_standby, reads_only, may_receive, found, may_append = cursor.fetchone()
        cursor.execute(_READ_ONLY)
        closed = [name for (name,) in cursor.fetchall()]
    problems = []
    if is_standby:
        problems.append("this Postgres is a standby, which takes no writes")
    if reads_only:
        problems.append("default_transaction_read_only is on")
    if not may_receive and settings.DATABASE_ROLE == "web":
        problems.append("this role may not write to the inbox")
    if found is None:
        problems.append(f"there is no role {appends} to append with")
    elif not may_append:
        problems.append(f"{found} may not append entries")
    if problems:
        return told(problems, fine="", status="critical")
    return told(
        [f"{name} takes no events, see its page" for name in closed],
        fine=f"the inbox takes events and {found} appends them",
    )


_STALE = """
SELECT ledger.name, standing.result = 'tampered',
    extract(epoch FROM clock_timestamp() - coalesce(standing.finished_at, oldest.received_at))
FROM audit_ledger AS ledger
JOIN audit_head AS head ON head.ledger_id = ledger.id
JOIN audit_standing AS standing ON standing.ledger_id = ledger.id
LEFT JOIN audit_minimum AS least ON least.ledger_id = ledger.id
LEFT JOIN LATERAL (
    SELECT entry.received_at
    FROM audit_entry AS entry
    WHERE entry.ledger_id = ledger.id AND entry.seq >= coalesce(least.minimum, 0)
    ORDER BY entry.seq
    LIMIT 1
) AS oldest ON true
WHERE head.size > 0
  AND ledger.succeeded_by = ''
  AND (standing.result = 'tampered'
       OR coalesce(standing.finished_at, oldest.received_at)
           < clock_timestamp() - make_interval(secs => %s))
ORDER BY 2 DESC, 3 DESC
"""


def check_chain() -> Finding:
    """See that no ledger is tampered and each was verified lately; taking events goes on anyway."""
    with connection.cursor() as cursor:
        cursor.execute(_STALE, [VERIFIED_DEGRADED_SECONDS])
        problems = [
            f"{name} is tampered; see its verifications"
            if is_tampered
            else f"{name} was not verified for {age:.0f} s; do beat and a worker run?"
            for name, is_tampered, age in cursor.fetchall()
        ]
    return told(problems, fine="every ledger was verified lately and none is tampered")


# By ledger, since rows are found by it.
_WITHOUT_COST = """
SELECT coalesce(sum(refused.n), 0)
FROM audit_ledger AS ledger
CROSS JOIN LATERAL (
    SELECT sum(m.n) AS n
    FROM metrics_minute AS m
    WHERE m.ledger_id = ledger.id
      AND m.family = %s
      AND m.labels = %s
      AND m.minute > clock_timestamp() - make_interval(days => %s)
) AS refused
"""
_MODELS = "SELECT value FROM metrics_name WHERE list = 'model' ORDER BY id"
_PRICED = "SELECT DISTINCT provider, model FROM metrics_price WHERE removed_at IS NULL"


def check_prices() -> Finding:
    """See that requests to models have a cost, their own or by the price table."""
    with connection.cursor() as cursor:
        cursor.execute(_WITHOUT_COST, [REFUSED.name, f"{LLM_COST.name} missing", COST_DAYS])
        (without_cost,) = cursor.fetchone()
        cursor.execute(_MODELS)
        models = [value for (value,) in cursor.fetchall()]
        cursor.execute(_PRICED)
        priced = {f"{normalise(who)} {normalise(model)}" for who, model in cursor.fetchall()}
    unpriced = [model.replace(" ", "/") for model in models if model not in priced]
    if not without_cost or not unpriced:
        return Finding(status="ok", detail=f"{len(priced)} models have a price; no cost is missing")
    found = told([f"no price for {each}" for each in unpriced], fine="")
    return Finding(
        status="degraded",
        detail=f"{int(without_cost):,} requests of a day have no cost; {found.detail}",
    )

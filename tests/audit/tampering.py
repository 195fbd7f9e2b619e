"""Change a ledger behind its back, as a superuser can: triggers and event triggers are off for the
length of one transaction, which puts them back, so that a failure in between leaves no gap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import psycopg

Connection: TypeAlias = psycopg.Connection[Any]
AsRole: TypeAlias = Callable[[str], Connection]

GUARDED = (
    *("audit_entry", "audit_eventkey", "audit_head", "audit_ledger", "audit_tile"),
    *("audit_checkpoint", "audit_cosignature", "audit_signingkey", "audit_anchorreceipt"),
    *("audit_purge", "audit_purgeplan", "audit_purgeapproval"),
)

_TRIGGERS = """
SELECT t.tgrelid::regclass::text, t.tgname
FROM pg_trigger AS t
JOIN pg_class AS c ON c.oid = t.tgrelid
WHERE t.tgenabled = 'A'
  AND NOT t.tgisinternal
  AND c.relname LIKE 'audit\\_%'
ORDER BY c.relispartition DESC, 1, 2
"""


@contextmanager
def tampering(superuser: Connection) -> Iterator[Connection]:
    """Run a superuser's transaction in which no trigger of the ledger fires."""
    with superuser.transaction():
        events = superuser.execute("SELECT evtname FROM pg_event_trigger").fetchall()
        for (name,) in events:
            superuser.execute(f"ALTER EVENT TRIGGER {name} DISABLE")
        triggers = superuser.execute(_TRIGGERS).fetchall()
        for table in GUARDED:
            superuser.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        yield superuser
        for table, trigger in triggers:
            superuser.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}")
        for (name,) in events:
            superuser.execute(f"ALTER EVENT TRIGGER {name} ENABLE ALWAYS")


def guards(connection: Connection) -> list[tuple[Any, ...]]:
    """Return every guard of the ledger that stands, and fail when one is lost."""
    lost = connection.execute("SELECT fact FROM obs_guard.lost").fetchall()
    assert lost == [], f"a guard is lost: {lost}"
    events = connection.execute("SELECT evtname, evtenabled FROM pg_event_trigger ORDER BY 1")
    return [*connection.execute(_TRIGGERS).fetchall(), *events.fetchall()]

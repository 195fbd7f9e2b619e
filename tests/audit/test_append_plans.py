"""What append asks Postgres goes by index, whatever statistics said when its plans were made."""

from __future__ import annotations

from django.conf import settings
from django.db import connection

from audit.append import append_once
from audit.database import rows
from audit.models import Ledger
from tests.conftest import make_event, post

_BIG = ("audit_eventkey", "audit_entry")
_TIMES = 12
"""A prepared statement gets a plan for any values from its sixth time on, and keeps it."""


def test_a_plan_made_while_all_was_empty_reads_no_table_whole_later(alone: None) -> None:
    ledger = Ledger.objects.get(name=settings.LEDGER)
    with connection.cursor() as cursor:
        # To Postgres a table analysed while empty is one that holds nothing.
        cursor.execute("VACUUM ANALYZE audit_eventkey, audit_entry, audit_inbox")
    before = _read_whole()

    for _ in range(_TIMES):
        post(ledger, [make_event() for _ in range(20)])
        done = append_once(ledger.id, batch=100)
        assert done is not None
        assert done.entries == 20

    assert _read_whole() == before


def _read_whole() -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT 1")
    found = rows(
        "SELECT relname::text, seq_scan FROM pg_stat_user_tables"
        " WHERE relname = ANY(%s) OR relname LIKE 'audit\\_entry\\_%%' ORDER BY relname",
        (list(_BIG),),
    )
    return dict(found)

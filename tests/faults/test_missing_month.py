"""A month without a partition is made by whoever chains the first event of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from audit.ledgers import open_ledger
from audit.models import Ledger
from tests.conftest import make_event
from tests.faults.inbox import canonical, put
from tests.faults.trap import owner
from tests.faults.verifier import verify
from tests.faults.writers import writers


def test_events_of_a_month_that_has_no_partition_are_chained_in_a_new_one(ledger: Ledger) -> None:
    """Four writers at once, on four ledgers, so that they race for it."""
    ledgers = [ledger, *(open_ledger(f"{ledger.name}.{n}") for n in range(3))]
    with owner() as connection:
        day = _first_free_month(connection)
        for each in ledgers:
            for at in (datetime.now(UTC), day, day + timedelta(days=40)):
                events = [make_event() for _ in range(20)]
                rows = [canonical(event) for event in events]
                put(connection, each.id, rows, [event["id"] for event in events], at=at)

        with writers() as competing:
            for each in ledgers:
                competing.start(each.id, batch=5000)
            competing.finish()

        assert not competing.broken, "".join(competing.log)
        assert [verify(connection, each.name).size for each in ledgers] == [60] * 4
        assert _has_partition(connection, day)
        assert _has_partition(connection, day + timedelta(days=40))


def _first_free_month(connection: psycopg.Connection[Any]) -> datetime:
    """Return the first day of the first month ahead that has no partition yet."""
    day = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while _has_partition(connection, day):
        day = (day + timedelta(days=32)).replace(day=1)
    return day


def _has_partition(connection: psycopg.Connection[Any], day: datetime) -> bool:
    found = connection.execute(
        "SELECT to_regclass('audit_entry_' || to_char(%s AT TIME ZONE 'UTC', 'YYYYMM'))", [day]
    ).fetchone()
    return found != (None,)

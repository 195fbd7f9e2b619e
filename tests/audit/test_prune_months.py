"""What goes with a purge besides entries: months of the table, and content in quarantine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from audit.append import append_pending
from audit.blank import blank_quarantine
from audit.database import rows
from audit.models import Ledger, Quarantine
from audit.prune import drop_months, work_through_plans
from tests.audit.holding import hold
from tests.audit.retaining import (
    again,
    agreed,
    folders,
    make_ready,
    old,
    proposed,
    purge_entry,
    purged,
    seed,
    standing_hold,
)
from tests.audit.tampering import AsRole
from tests.conftest import make_event

__all__ = ["folders", "old"]  # fixtures, which pytest finds by their names here


def months() -> set[str]:
    return {
        name
        for (name,) in rows(
            "SELECT right(inhrelid::regclass::text, 6) FROM pg_inherits "
            "WHERE inhparent = 'audit_entry'::regclass"
        )
    }


def test_a_month_goes_when_all_its_entries_are_pruned(ledger: Ledger) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=1_200)
    seed(ledger, 512, days=1_200)
    make_ready(ledger)
    assert f"{long_ago:%Y%m}" in months()

    purged(ledger)

    assert f"{long_ago:%Y%m}" not in months()
    assert f"{datetime.now(UTC):%Y%m}" in months()


def test_a_month_that_somebody_reads_is_dropped_later(ledger: Ledger, as_role: AsRole) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=1_300)
    seed(ledger, 512, days=1_300)
    make_ready(ledger)
    plan = agreed(proposed(ledger))
    reader = as_role("read")
    with reader.transaction():
        reader.execute("SELECT FROM audit_entry LIMIT 1")
        work_through_plans(ledger.id)
        assert again(plan).state == "done"
        assert f"{long_ago:%Y%m}" in months()

    drop_months(datetime.now(UTC).date())

    assert f"{long_ago:%Y%m}" not in months()


def test_content_in_quarantine_goes_with_its_policy_and_its_row_stays(
    ledger: Ledger, as_role: AsRole
) -> None:
    now = datetime.now(UTC)
    aged: dict[str, Any] = {"received_at": now - timedelta(days=366)}
    gone = hold(ledger, make_event(), **aged)
    young = hold(ledger, make_event(), received_at=now - timedelta(days=364))
    phi = hold(
        ledger,
        make_event(category="data_access", action="data.read", data={"classes": ["phi"]}),
        **aged,
    )

    standing_hold(as_role("owner"), ledger, "case", "c-1")
    assert blank_quarantine(ledger) == 0  # nobody knows what a hold holds in there
    rows(
        "UPDATE audit_hold SET released_at = now(), released_by = 'bob', release_reason = 'over' "
        "WHERE ledger_id = %s RETURNING id",
        (ledger.id,),
    )
    assert blank_quarantine(ledger) == 1
    assert blank_quarantine(ledger) == 0

    content = dict(Quarantine.objects.filter(ledger=ledger).values_list("id", "event"))
    assert bytes(content[gone.id]) == b""
    assert content[young.id]
    assert content[phi.id]
    append_pending(ledger.id)
    event = purge_entry(ledger)
    assert event["target"] == {"type": "quarantine", "id": ledger.name}
    assert event["integrity"] == {"retention_days": 365, "purged_min_age_days": 366}

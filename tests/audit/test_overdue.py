"""Entries that are older than their policy keeps, and still there."""

from __future__ import annotations

from typing import Any

from audit.append import append_pending
from audit.database import rows
from audit.hold import apply_hold
from audit.models import Ledger
from audit.overdue import Overdue, overdue
from audit.retain import set_policy
from tests.audit.retaining import backdate
from tests.conftest import GOVERNANCE, chain, make_event, post


def received(ledger: Ledger, *events: dict[str, Any], days: int) -> None:
    """Chain events that were received so many days ago."""
    append_pending(ledger.id)
    receipts = post(ledger, events, sender=GOVERNANCE)
    assert {each.status for each in receipts} == {"received"}
    backdate(ledger, days=days)
    append_pending(ledger.id)


def of_class(name: str) -> dict[str, Any]:
    return make_event(data={"classes": [name]})


def test_an_empty_ledger_and_a_young_one_owe_nothing(ledger: Ledger) -> None:
    assert overdue(ledger) == Overdue(ledger=ledger.name, kept=0, by_policy={"ledger": 0})

    chain(ledger, [make_event()])

    assert overdue(ledger) == Overdue(ledger=ledger.name, kept=1, by_policy={"ledger": 0})


def test_what_is_older_than_its_ledgers_policy_is_what_sql_says(ledger: Ledger) -> None:
    set_policy(ledger, kind="ledger", name="", days=30, by="alice")
    received(ledger, *(make_event() for _ in range(5)), days=31)
    received(ledger, *(make_event() for _ in range(3)), days=29)

    found = overdue(ledger)

    ((kept, old),) = rows(
        "SELECT count(*), count(*) FILTER (WHERE received_at <= now() - interval '30 days') "
        "FROM audit_entry WHERE ledger_id = %s",
        (ledger.id,),
    )
    assert (kept, old) == (9, 5)  # the change of the policy is an entry, too
    assert found == Overdue(ledger=ledger.name, kept=kept, by_policy={"ledger": old})


def test_an_entry_is_kept_by_the_longest_policy_that_covers_it(ledger: Ledger) -> None:
    received(ledger, make_event(), of_class("phi"), of_class("pii"), days=400)
    set_policy(ledger, kind="data_class", name="pii", days=390, by="alice")
    assert overdue(ledger).by_policy == {"data_class:pii": 1, "ledger": 1}  # phi: six years

    set_policy(ledger, kind="data_class", name="pii", days=500, by="alice")
    set_policy(ledger, kind="category", name="tool_call", days=401, by="alice")

    assert overdue(ledger).by_policy == {"category:tool_call": 0, "data_class:pii": 0, "ledger": 0}


def test_what_is_on_hold_is_not_overdue(ledger: Ledger) -> None:
    bob = make_event(agent={"id": "bob-agent"}, actor={"type": "agent", "id": "bob-agent"})
    case = make_event(case={"id": "case-7"})
    received(ledger, make_event(), bob, case, days=400)
    assert overdue(ledger).by_policy["ledger"] == 3

    for kind, value, left in (("agent", "bob-agent", 2), ("case", "case-7", 1), ("ledger", "", 0)):
        apply_hold(
            ledger, kind=kind, value=value, matter="claim", reason="a court asks", by="alice"
        )
        assert overdue(ledger).by_policy["ledger"] == left


def test_a_bounded_number_of_entries_is_looked_at(ledger: Ledger) -> None:
    received(ledger, *(make_event() for _ in range(9)), days=400)

    assert overdue(ledger, most=4).by_policy == {"ledger": 4}

"""Between the yes of two people and the act, and each way around the second person."""

from __future__ import annotations

import psycopg
import pytest

from audit.append import append_pending
from audit.errors import NotPurged
from audit.models import Carry, Entry, Ledger
from audit.prune import work_on_a_plan, work_through_plans
from audit.pruned import minimum_index
from audit.retain import set_policy, withdraw_purge
from tests.audit.pruning import person
from tests.audit.retaining import (
    again,
    agreed,
    folders,
    make_ready,
    old,
    proposed,
    purged,
    seed,
    standing_hold,
)
from tests.audit.tampering import AsRole

__all__ = ["folders", "old"]  # fixtures, which pytest finds by their names here


# --- Between yes and the act ----------------------------------------------------------------------


def test_a_hold_applied_after_two_people_approved_refuses_the_purge(
    old: Ledger, as_role: AsRole
) -> None:
    plan = agreed(proposed(old))
    number = standing_hold(as_role("owner"), old, "agent", "agent-3")

    work_through_plans(old.id)

    plan = again(plan)
    assert plan.state == "refused"
    assert f"hold {number}" in plan.note
    assert (minimum_index(old.id), Carry.objects.filter(ledger=old).count()) == (0, 0)
    append_pending(old.id)
    denied = Entry.objects.filter(ledger=old, action="approval.denied").get().parsed()["event"]
    assert (denied["outcome"], denied["details"]["plan"]) == ("denied", plan.id)


def test_a_policy_lengthened_after_two_people_approved_refuses_the_purge(old: Ledger) -> None:
    plan = agreed(proposed(old))
    set_policy(old, kind="category", name="tool_call", days=800, by="carol")

    work_through_plans(old.id)

    assert again(plan).state == "refused"
    assert "800 days for tool_call" in again(plan).note
    assert Entry.objects.filter(ledger=old, seq__lt=512).count() == 512


def test_postgres_itself_refuses_what_is_held_where_nobody_looked(
    old: Ledger, as_role: AsRole
) -> None:
    plan = agreed(proposed(old))
    standing_hold(as_role("owner"), old, "agent", "agent-3")

    with pytest.raises(psycopg.Error, match="must stay: held") as refused:
        as_role("worker").execute("SELECT audit_prune(%s, %s, 100)", (old.id, plan.id))

    assert refused.value.sqlstate == "OBS02"


def test_a_purge_that_is_withdrawn_does_not_begin(
    old: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.prune.GRACE", 0.0)
    plan = agreed(proposed(old))
    going = work_on_a_plan(None)
    going = work_on_a_plan(going)  # it is being frozen
    withdraw_purge(plan, by="carol")
    while going is not None:
        going = work_on_a_plan(going)

    assert (again(plan).state, minimum_index(old.id)) == ("withdrawn", 0)
    assert not Carry.objects.filter(ledger=old).exists()


def test_a_purge_that_has_begun_cannot_be_withdrawn(
    old: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.prune.GRACE", 0.0)
    monkeypatch.setattr("audit.prune.MOST", 100)
    plan = agreed(proposed(old))
    going = work_on_a_plan(None)
    while going is not None and again(plan).state == "approved":
        going = work_on_a_plan(going)
    assert (again(plan).state, again(plan).deleted) == ("pruning", 100)

    with pytest.raises(NotPurged, match="has begun and cannot be stopped"):
        withdraw_purge(plan, by="carol")


# --- Ways around two people, in the database ------------------------------------------------------


def test_a_plan_that_nobody_approved_is_refused_however_its_state_came_about(
    old: Ledger, as_role: AsRole
) -> None:
    plan = proposed(old)
    web = as_role("web")
    web.execute(
        "UPDATE audit_purgeplan SET state = 'approved' WHERE ledger_id = %s AND id = %s",
        (old.id, plan.id),
    )

    work_through_plans(old.id)

    assert again(plan).state == "refused"
    assert "approval of two people" in again(plan).note
    assert (minimum_index(old.id), Entry.objects.filter(ledger=old, seq=0).exists()) == (0, True)


def test_a_plan_said_to_be_pruning_prunes_nothing(old: Ledger, as_role: AsRole) -> None:
    plan = proposed(old)
    as_role("web").execute(
        "UPDATE audit_purgeplan SET state = 'pruning' WHERE ledger_id = %s AND id = %s",
        (old.id, plan.id),
    )

    work_through_plans(old.id)

    assert again(plan).state == "refused"
    assert "append-only" in again(plan).note
    assert Entry.objects.filter(ledger=old, seq__lt=512).count() == 512


WAYS_AROUND = (
    "DELETE FROM audit_entry WHERE ledger_id = %(ledger)s AND seq >= 512",
    "INSERT INTO audit_purge (ledger_id, from_seq, to_seq, plan_id, first_approver, "
    "second_approver) VALUES (%(ledger)s, 512, 768, %(plan)s, 'alice', 'bob')",
    "UPDATE audit_purge SET to_seq = 1024 WHERE ledger_id = %(ledger)s",
    "DELETE FROM audit_purge WHERE ledger_id = %(ledger)s",
    "UPDATE audit_purgeplan SET to_seq = 768 WHERE ledger_id = %(ledger)s AND id = %(plan)s",
    "UPDATE audit_purgeplan SET report = '{}' WHERE ledger_id = %(ledger)s AND id = %(plan)s",
    "DELETE FROM audit_purgeplan WHERE ledger_id = %(ledger)s AND id = %(plan)s",
    "UPDATE audit_purgeapproval SET user_id = -1 WHERE ledger_id = %(ledger)s",
    "DELETE FROM audit_purgeapproval WHERE ledger_id = %(ledger)s",
    "SELECT audit_prune(%(ledger)s, %(plan)s, 100)",
    "UPDATE audit_carry SET rows = '' WHERE ledger_id = %(ledger)s",
    "DELETE FROM audit_carry WHERE ledger_id = %(ledger)s",
    "TRUNCATE audit_purge",
    "TRUNCATE audit_purgeapproval",
    "TRUNCATE audit_purgeplan",
    "TRUNCATE audit_carry",
)


@pytest.mark.parametrize("role", ["web", "worker", "owner"])
def test_a_role_is_refused_each_way_around_the_second_person(
    old: Ledger, as_role: AsRole, role: str
) -> None:
    purged(old)
    seed(old, 600)
    make_ready(old)
    plan = agreed(proposed(old), person())
    kept = Entry.objects.filter(ledger=old).count()
    connection = as_role(role)

    for statement in WAYS_AROUND:
        with pytest.raises(psycopg.Error) as refused:
            connection.execute(statement, {"ledger": old.id, "plan": plan.id})
        assert refused.value.sqlstate in {"OBS01", "OBS02", "42501"}, statement

    assert Entry.objects.filter(ledger=old).count() == kept
    assert again(plan).state == "proposed"

"""What must stay stays, whoever asks for a purge, and the report says why."""

from __future__ import annotations

from typing import Any

import pytest

from audit.append import append_pending
from audit.database import rows
from audit.exportfile import path_of
from audit.models import Export, Ledger, Projection
from audit.project import catch_up_all
from audit.prune import work_through_plans
from audit.pruned import minimum_index
from audit.retain import set_policy, withdraw_purge
from audit.runs import run_verification
from tests.audit.exporting import made
from tests.audit.retaining import (
    again,
    agreed,
    folders,
    make_ready,
    old,
    proposed,
    purged,
    report_of,
    sealed,
    seed,
    standing_hold,
    why,
)
from tests.audit.tampering import AsRole, tampering

__all__ = ["folders", "old"]  # fixtures, which pytest finds by their names here


def test_what_is_young_stays(old: Ledger) -> None:
    seed(old, 300, days=364)
    seed(old, 300, days=500)
    make_ready(old)

    plan = proposed(old)

    ((reason, seq), *_) = why(plan)
    assert (reason, 700 <= seq < 720) == ("young", True)
    assert plan.to_seq == 512
    assert "is kept 365 days" in report_of(plan).blockers[0].sentence


def test_a_longer_policy_of_a_category_or_class_keeps_its_entries(old: Ledger) -> None:
    set_policy(old, kind="data_class", name="pii", days=401, by="alice")
    append_pending(old.id)

    plan = proposed(old)

    assert (plan.state, plan.to_seq) == ("nothing", None)
    blocker = report_of(plan).blockers[0]
    assert (blocker.seq, blocker.why, blocker.what) == (0, "young", "data_class:pii")
    assert "401 days for pii data" in blocker.sentence
    assert plan.note == blocker.sentence


@pytest.mark.parametrize(
    ("kind", "value", "first"),
    [("ledger", "", 0), ("agent", "agent-4", 4), ("case", "c-1", 9)],
)
def test_what_is_held_stays_and_the_report_names_the_hold(
    old: Ledger, as_role: AsRole, kind: str, value: str, first: int
) -> None:
    number = standing_hold(as_role("owner"), old, kind, value)

    plan = proposed(old)

    blocker = report_of(plan).blockers[0]
    assert (blocker.why, blocker.seq, blocker.what) == ("held", first, str(number))
    assert f"hold {number}" in blocker.sentence
    assert "Doe v. Acme" in blocker.sentence
    assert plan.state == "nothing"


def test_what_no_verified_bundle_holds_stays(ledger: Ledger) -> None:
    seed(ledger, 700)
    sealed(ledger)
    run_verification(ledger, kind="manual")
    catch_up_all(ledger.id)

    first = proposed(ledger)
    assert why(first)[0] == ("not_exported", 0)
    assert "manage.py exportledger" in first.note
    made(ledger, query={"agent": ["agent-1"]})
    assert proposed(ledger).state == "nothing"  # a part of the entries is no copy
    bundle = made(ledger)
    path_of(bundle).write_bytes(path_of(bundle).read_bytes().replace(b"agent-1", b"agent-9", 1))
    changed = proposed(ledger)
    assert changed.state == "nothing"
    assert f"Bundle {bundle.id} does not count: its file was changed" in changed.note
    path_of(bundle).unlink()
    assert "its file is gone" in proposed(ledger).note

    made(ledger)

    assert proposed(ledger).to_seq == 512
    assert Export.objects.filter(ledger=ledger, verified_at__isnull=False).count() == 1


def test_bundles_count_together_as_long_as_no_entry_is_between_them(old: Ledger) -> None:
    purged(old)
    seed(old, 600)
    make_ready(old)  # begins at the minimum index
    plan = proposed(old)
    assert plan.to_seq is not None
    rows(
        "UPDATE audit_export SET first_seq = 701, entries = last_seq - 700 "
        "WHERE ledger_id = %s AND last_seq > 700 RETURNING id",
        (old.id,),
    )
    withdraw_purge(plan, by="alice")

    assert why(proposed(old))[0] == ("not_exported", 700)


def test_what_no_verification_found_intact_stays(ledger: Ledger) -> None:
    seed(ledger, 700)
    sealed(ledger)
    made(ledger)
    catch_up_all(ledger.id)

    assert why(proposed(ledger))[0] == ("not_verified", 0)
    run_verification(ledger, kind="manual", to_seq=300)

    plan = proposed(ledger)
    assert plan.to_seq == 256
    assert ("not_verified", 300) in why(plan)


def test_nothing_goes_while_something_is_found_changed(
    old: Ledger, as_role: AsRole, superuser: Any
) -> None:
    plan = agreed(proposed(old))
    with tampering(superuser) as connection:
        connection.execute(
            "UPDATE audit_entry SET outcome = 'denied' WHERE ledger_id = %s AND seq = 600",
            (old.id,),
        )
    assert run_verification(old, kind="manual").result == "tampered"

    work_through_plans(old.id)

    assert again(plan).state == "refused"
    assert "found something changed" in again(plan).note
    assert minimum_index(old.id) == 0


def test_what_a_projection_has_not_read_stays(old: Ledger) -> None:
    Projection.objects.filter(ledger=old, name="agents").update(next_seq=300)

    plan = proposed(old)

    assert (plan.to_seq, why(plan)[0]) == (256, ("not_counted", 300))


def test_less_than_a_block_stays(ledger: Ledger) -> None:
    seed(ledger, 200)
    make_ready(ledger)

    plan = proposed(ledger)

    assert plan.state == "nothing"
    assert "blocks of 256" in plan.note

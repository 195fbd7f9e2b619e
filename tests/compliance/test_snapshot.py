"""A sealed result: row and entry together, never changed, restated by the next."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import psycopg
import pytest
from django.db import transaction

from audit.append import append_pending
from audit.models import Entry, Ledger
from compliance.kinds.base import DAY_US
from compliance.models import Snapshot
from compliance.result import as_json, canonical, from_json
from compliance.snapshot import MOST_DETAILS, NotSealable, seal_snapshot
from tests.compliance.results import a_control, a_leg, a_result
from tests.conftest import entries


def details_of(entry: Entry) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(bytes(entry.record))["event"]["details"]
    return said


def test_row_and_entry_say_the_same(ledger: Ledger) -> None:
    result = a_result(ledger=ledger.name)

    snapshot = seal_snapshot(ledger, result, kind="period", by="alice")
    append_pending(ledger.id)

    (entry,) = entries(ledger)
    said = details_of(entry)
    assert entry.action == "audit.snapshot_sealed"
    assert entry.actor_id == "alice"
    assert snapshot.event_id == entry.event_id
    assert said["snapshot"] == str(snapshot.id)
    assert said["digest"] == snapshot.digest == result.digest
    assert said["evidenced"] == snapshot.evidenced == "25.7"
    assert said["head_hash"] == snapshot.head_hash
    assert said["hashes"] == result.hashes
    assert {lens: each[1] for lens, each in said["lenses"].items()} == {
        check.lens: check.state for check in result.checks
    }


def test_the_row_holds_the_whole_result(ledger: Ledger) -> None:
    result = a_result(ledger=ledger.name)

    snapshot = seal_snapshot(ledger, result, kind="posture")
    snapshot.refresh_from_db()

    assert from_json(snapshot.as_json()) == result
    assert bytes(snapshot.result) == canonical(as_json(result))
    assert (snapshot.start_day, snapshot.end_day) == (date(2026, 10, 23), date(2026, 11, 22))
    assert (snapshot.cap, snapshot.band) == (49, "not enough evidence")
    assert snapshot.made_by == "platform"


OVER = a_result().end * DAY_US


def test_the_same_result_is_sealed_once(ledger: Ledger) -> None:
    first = seal_snapshot(ledger, a_result(), kind="period")
    second = seal_snapshot(ledger, a_result(), kind="period")

    assert first.id == second.id
    assert Snapshot.objects.filter(ledger=ledger).count() == 1


def test_another_result_of_the_period_restates_the_old_one_which_stays(ledger: Ledger) -> None:
    old = seal_snapshot(ledger, a_result(as_of=OVER), kind="period")
    new = seal_snapshot(ledger, a_result(as_of=OVER, backfilled=1), kind="period")
    newest = seal_snapshot(ledger, a_result(as_of=OVER, backfilled=2), kind="period")
    append_pending(ledger.id)

    assert (old.restates, new.restates, newest.restates) == (None, old.id, new.id)
    assert Snapshot.objects.filter(ledger=ledger).count() == 3
    assert [details_of(entry)["restates"] for entry in entries(ledger)] == [
        None,
        str(old.id),
        str(new.id),
    ]


def test_a_period_that_is_over_is_sealed_once_however_far_the_ledger_grows(ledger: Ledger) -> None:
    old = seal_snapshot(ledger, a_result(as_of=OVER), kind="period")

    later = seal_snapshot(ledger, a_result(as_of=OVER, head_seq=9001), kind="period")

    assert later.id == old.id
    assert later.head_seq == old.head_seq


def test_while_a_period_lasts_its_next_result_restates_nothing(ledger: Ledger) -> None:
    seal_snapshot(ledger, a_result(), kind="posture")

    later = seal_snapshot(ledger, a_result(head_seq=9001), kind="posture")

    assert later.restates is None


def test_the_row_and_its_entry_name_one_moment(ledger: Ledger) -> None:
    snapshot = seal_snapshot(ledger, a_result(), kind="period")
    append_pending(ledger.id)

    (entry,) = entries(ledger)
    assert entry.occurred_at == snapshot.made_at


def test_a_posture_a_period_and_another_environment_restate_nothing_of_each_other(
    ledger: Ledger,
) -> None:
    seal_snapshot(ledger, a_result(), kind="period")

    posture = seal_snapshot(ledger, a_result(), kind="posture")
    staging = seal_snapshot(ledger, a_result(environment="staging"), kind="period")
    everywhere = seal_snapshot(ledger, a_result(environment=None), kind="period")

    assert posture.restates is staging.restates is everywhere.restates is None


def test_one_agents_view_is_never_sealed(ledger: Ledger) -> None:
    with pytest.raises(NotSealable, match="alice-agent alone"):
        seal_snapshot(ledger, a_result(agent="alice-agent"), kind="period")


def test_row_and_entry_are_kept_or_lost_together(ledger: Ledger) -> None:
    with transaction.atomic():
        seal_snapshot(ledger, a_result(), kind="period")
        transaction.set_rollback(True)

    assert append_pending(ledger.id) == 0
    assert not Snapshot.objects.filter(ledger=ledger).exists()


def test_a_result_without_a_score_is_sealed_with_its_reason(ledger: Ledger) -> None:
    snapshot = seal_snapshot(ledger, a_result(assured=None), kind="posture")

    assert snapshot.evidenced is None
    assert snapshot.as_json()["numbers"]["reason"]


def test_more_lenses_than_an_event_can_hold_are_named_by_their_hash(ledger: Ledger) -> None:
    many = [a_control(f"c{i}", a_leg(f"c{i}", f"K-{i}", "pass")) for i in range(300)]

    seal_snapshot(ledger, a_result(controls=tuple(many)), kind="period")
    append_pending(ledger.id)

    said = details_of(entries(ledger)[0])
    assert "lenses" not in said
    assert len(said["lenses_sha256"]) == 64
    assert len(canonical(said)) < MOST_DETAILS


@pytest.mark.parametrize("role", ["owner", "worker", "web"])
def test_nobody_changes_or_deletes_a_sealed_result(ledger: Ledger, as_role: Any, role: str) -> None:
    snapshot = seal_snapshot(ledger, a_result(), kind="period")
    connection = as_role(role)

    for statement in (
        "UPDATE compliance_snapshot SET evidenced = '100.0' WHERE id = %s",
        "DELETE FROM compliance_snapshot WHERE id = %s",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement, [snapshot.id])

"""Purges: what may go goes, for good and provably; what must stay stays, whoever asks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import psycopg
import pytest
from django.db import connections

from audit.append import append_pending
from audit.blank import blank_quarantine
from audit.carry import Frozen, load_carry, newest_carry
from audit.database import raw_cursor, rows
from audit.errors import CarryUnreadable, NotPurged
from audit.exportfile import path_of
from audit.ledger.merkle import (
    check_consistency,
    check_inclusion,
    prove_consistency,
    prove_inclusion,
    root_of,
)
from audit.models import (
    Agent,
    Carry,
    CheckpointNote,
    Entry,
    Export,
    Head,
    Ledger,
    Projection,
    Purge,
    Quarantine,
)
from audit.project import catch_up, catch_up_all, projections, rebuild
from audit.prune import drop_months, is_any_waiting, work_on_a_plan, work_through_plans
from audit.pruned import minimum_index
from audit.retain import PlanReport, propose_purge, set_policy, withdraw_purge
from audit.runs import run_verification
from audit.tree import tree_of
from tests.audit.exporting import made
from tests.audit.holding import hold
from tests.audit.pruning import person
from tests.audit.retaining import (
    again,
    agreed,
    make_ready,
    projected,
    proposed,
    purged,
    sealed,
    seed,
)
from tests.audit.tampering import AsRole, tampering
from tests.conftest import make_event, post
from tests.installation import ROOT
from tests.sizes import size


@pytest.fixture(autouse=True)
def _folders(settings: Any, tmp_path: Path) -> None:
    settings.EXPORT_DIR = str(tmp_path / "exports")


@pytest.fixture
def old(ledger: Ledger) -> Ledger:
    """Return a ledger of 700 entries of more than a year ago, ready to be pruned."""
    seed(ledger, 700)
    return make_ready(ledger)


def report_of(plan: Any) -> PlanReport:
    report = PlanReport.of(plan)
    assert report is not None
    return report


def why(plan: Any) -> list[tuple[str, int]]:
    return [(each.why, each.seq) for each in report_of(plan).blockers]


def purge_entry(ledger: Ledger) -> dict[str, Any]:
    """Return the event of the newest audit.purged."""
    entry = Entry.objects.filter(ledger=ledger, action="audit.purged").order_by("-seq")[0]
    event: dict[str, Any] = entry.parsed()["event"]
    return event


def standing_hold(owner: psycopg.Connection[Any], ledger: Ledger, kind: str, value: str) -> int:
    ((number,),) = owner.execute(
        "INSERT INTO audit_hold (ledger_id, kind, value, matter, reason, applied_by) "
        "VALUES (%s, %s, %s, 'Doe v. Acme', 'a court asks', 'bob') RETURNING id",
        (ledger.id, kind, value),
    ).fetchall()
    return int(number)


# --- The whole way --------------------------------------------------------------------------------


def test_thousands_of_entries_go_and_all_that_was_ever_signed_still_verifies(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each act takes several steps, and no step ends where another does.
    monkeypatch.setattr("audit.verify.CHUNK", size(1_900, 20_480))
    monkeypatch.setattr("audit.prune.PART", size(1_280, 20_480))
    monkeypatch.setattr("audit.dryrun.PART", size(1_280, 20_480))
    monkeypatch.setattr("audit.prune.MOST", size(1_000, 5_000))
    monkeypatch.setattr("audit.project.BATCH", size(1_100, 4_000))
    total = size(4_250, 70_250)
    for count in (1, 999, size(1_000, 19_000), size(1_000, 30_000)):
        seed(ledger, count)
        sealed(ledger)
    seed(ledger, total - Head.objects.get(ledger=ledger).size)
    make_ready(ledger)
    plan = agreed(proposed(ledger))
    minimum = total - total % 256  # the greatest that age lets go
    assert plan.to_seq == minimum
    last = Entry.objects.get(ledger=ledger, seq=minimum - 1)
    chained = threading.Event()
    stop = threading.Event()

    def go_on_receiving() -> None:
        try:
            while not stop.is_set():
                post(ledger, [make_event() for _ in range(20)])
                append_pending(ledger.id)
                if minimum_index(ledger.id):
                    chained.set()
                stop.wait(0.1)
        finally:
            connections.close_all()

    agents = threading.Thread(target=go_on_receiving)
    agents.start()
    try:
        before = Head.objects.get(ledger=ledger).size
        work_through_plans(ledger.id)
        assert chained.wait(60)
    finally:
        stop.set()
        agents.join(60)

    append_pending(ledger.id)
    plan = again(plan)
    assert (plan.state, plan.deleted) == ("done", plan.to_seq)
    assert Head.objects.get(ledger=ledger).size > before
    kept = list(Entry.objects.filter(ledger=ledger).order_by("seq").values_list("seq", flat=True))
    assert kept == list(range(minimum, Head.objects.get(ledger=ledger).size))
    sealed(ledger)
    notes = list(CheckpointNote.objects.filter(ledger=ledger).order_by("size"))
    assert len(notes) >= 6
    newest = notes[-1]
    for note in notes:
        tree = tree_of(ledger.id, size=note.size)
        assert root_of(note.size, tree).hex() == note.root
        check_consistency(
            prove_consistency(
                old_size=note.size,
                new_size=newest.size,
                hashes=tree_of(ledger.id, size=newest.size),
            ),
            old_size=note.size,
            old_root=bytes.fromhex(note.root),
            new_size=newest.size,
            new_root=bytes.fromhex(newest.root),
        )
    # Who kept a record of what went can prove it still; and what stays proves as before.
    tree = tree_of(ledger.id, size=newest.size)
    for entry in [last, *Entry.objects.filter(ledger=ledger).order_by("seq")[:300:7]]:
        check_inclusion(
            prove_inclusion(index=entry.seq, size=newest.size, hashes=tree),
            size=newest.size,
            root=bytes.fromhex(newest.root),
            index=entry.seq,
            leaf=bytes.fromhex(entry.hash),
        )
    assert run_verification(ledger, kind="manual").result == "intact"


def test_the_report_counts_what_would_go_and_names_what_ends_it(old: Ledger) -> None:
    plan = proposed(old)

    report = report_of(plan)
    assert (plan.state, plan.from_seq, plan.to_seq) == ("proposed", 0, 512)
    assert (report.entries, report.to_seq, report.days) == (512, 512, 365)
    assert sum(report.by_category.values()) == 512
    assert report.by_category["data_access"] == report.by_data_class["pii"] == 171
    assert report.oldest == report.newest
    # The bundle and the checkpoint end where they were made; nothing younger was looked at.
    assert all(each.seq >= 512 for each in report.blockers)
    assert Entry.objects.filter(ledger=old, seq=0).exists()


def test_the_entry_says_what_went_on_whose_word_and_what_projections_had_counted(
    old: Ledger,
) -> None:
    last = Entry.objects.get(ledger=old, seq=511)
    plan = purged(old)

    event = purge_entry(old)

    assert event["integrity"] == {
        "from_seq": 0,
        "to_seq": 511,
        "oldest_seq": 512,
        "head_hash": last.hash,
        "retention_days": 365,
        "purged_min_age_days": 400,
    }
    purge = Purge.objects.get(ledger=old)
    assert event["details"]["approvers"] == [purge.first_approver, purge.second_approver]
    assert event["details"]["entries"] == 512
    assert event["details"]["plan"] == plan.id
    assert event["details"]["carry"] == {
        each.projection: each.digest for each in Carry.objects.filter(ledger=old)
    }
    assert event["details"]["carry"].keys() == projections().keys()
    assert event["reason"] == "a year is over"


def test_a_second_purge_begins_where_the_first_ended(old: Ledger) -> None:
    purged(old)
    seed(old, 600)
    make_ready(old)

    plan = purged(old)

    assert (plan.from_seq, plan.state) == (512, "done")
    assert plan.to_seq is not None
    assert plan.to_seq > 1_024
    assert minimum_index(old.id) == plan.to_seq
    assert run_verification(old, kind="manual").result == "intact"


def test_the_append_loop_does_the_same_step_by_step(
    old: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.prune.GRACE", 0.0)
    plan = propose_purge(old, reason="a year is over", by="alice")
    assert is_any_waiting(old)
    going = work_on_a_plan(None)
    while going is not None:
        going = work_on_a_plan(going)
        # What else the loop does on the same connection meets the live tables.
        catch_up_all(old.id)
    plan = agreed(again(plan))
    before = projected(old)["audit_agent"]
    going = work_on_a_plan(None)
    while going is not None:
        going = work_on_a_plan(going)
        catch_up_all(old.id)

    assert again(plan).state == "done"
    assert projected(old)["audit_agent"] == before
    assert not is_any_waiting(old)


def test_a_plan_that_another_worker_has_is_left_to_it(old: Ledger, as_role: AsRole) -> None:
    plan = propose_purge(old, reason="a year is over", by="alice")
    other = as_role("worker")
    other.execute("SELECT pg_advisory_lock(hashtext('audit.prune'), %s)", (old.id,))

    assert not work_through_plans(old.id)

    assert again(plan).state == "asked"
    other.close()
    deadline = time.monotonic() + 10
    while not work_through_plans(old.id):
        assert time.monotonic() < deadline
    assert again(plan).state == "proposed"


def test_a_look_that_was_broken_off_goes_on_where_it_stood(
    old: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.dryrun.PART", 256)
    monkeypatch.setattr("audit.prune.GRACE", 0.0)
    plan = propose_purge(old, reason="a year is over", by="alice")
    going = work_on_a_plan(None)
    while going is not None and again(plan).next_seq < 256:
        going = work_on_a_plan(going)
    assert again(plan).state == "asked"
    del going  # as a worker that is told to end

    work_through_plans(old.id)

    assert (again(plan).state, report_of(again(plan)).entries) == ("proposed", 512)
    assert sum(report_of(again(plan)).by_category.values()) == 512


# --- What must stay -------------------------------------------------------------------------------


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


# --- Crashes --------------------------------------------------------------------------------------


def test_a_worker_killed_amid_pruning_is_followed_by_one_that_ends_it(ledger: Ledger) -> None:
    seed(ledger, 3_000)
    make_ready(ledger)
    plan = agreed(proposed(ledger))
    script = (
        "import django; django.setup()\n"
        "from audit import prune\n"
        "prune.MOST = 25\n"
        f"prune.work_through_plans({ledger.id})\n"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=os.environ
        | {"DJANGO_SETTINGS_MODULE": "obsplatform.settings", "OBS_DATABASE_ROLE": "worker"},
    )
    try:
        deadline = time.monotonic() + 60
        while again(plan).deleted < 125:
            assert worker.poll() is None, "the worker ended before it was killed"
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait(30)
    assert again(plan).state == "pruning"
    assert 0 < Entry.objects.filter(ledger=ledger, seq__lt=plan.to_seq).count() < 3_000

    deadline = time.monotonic() + 30
    while again(plan).state == "pruning" and time.monotonic() < deadline:
        work_through_plans(ledger.id)  # Postgres may still hold the lock of the one that is gone

    assert (again(plan).state, again(plan).deleted) == ("done", plan.to_seq)
    append_pending(ledger.id)
    assert Entry.objects.filter(ledger=ledger, action="audit.purged").count() == 1
    assert Purge.objects.filter(ledger=ledger).count() == 1
    assert run_verification(ledger, kind="manual").result == "intact"


# --- Projections ----------------------------------------------------------------------------------


def test_every_projection_built_again_after_one_and_two_purges_has_the_same_rows(
    old: Ledger,
) -> None:
    for _ in range(2):
        purged(old)
        catch_up_all(old.id)
        live = projected(old)
        assert live["audit_agent"]
        for projection in projections().values():
            rebuild(old, projection)

        assert projected(old) == live

        seed(old, 600)
        make_ready(old)


def test_a_projection_whose_rows_name_entries_forgets_those_that_went(old: Ledger) -> None:
    of_subjects = "SELECT count(*) FROM audit_subjectentry WHERE ledger_id = %s AND seq < %s"
    assert rows(of_subjects, (old.id, 512)) == [(171,)]

    purged(old)

    assert rows(of_subjects, (old.id, 512)) == [(0,)]
    assert rows(of_subjects, (old.id, 10_000))[0][0] > 0


def test_a_carry_is_the_same_bytes_from_every_server_and_comes_back_as_it_was(
    old: Ledger,
) -> None:
    rows("SELECT set_config('timezone', 'Asia/Kolkata', false)")
    try:
        purged(old)
    finally:
        rows("SELECT set_config('timezone', 'UTC', false)")

    frozen = newest_carry(old.id, "agents")

    assert frozen is not None
    assert frozen.to_seq == 512
    head, _, body = frozen.rows.partition(b"\n")
    assert head == b"obsplatform carry v1"
    assert body.startswith(b"audit_agent\tagent_id\t")
    assert b"2025-09-01 10:00:00+00" in body
    assert sum(int(each.entries) for each in Agent.objects.filter(ledger=old)) > 512


def test_a_carry_that_was_changed_or_is_of_another_form_is_not_loaded(old: Ledger) -> None:
    with raw_cursor() as cursor:
        for text, said in (
            (b"obsplatform carry v2\n", "of a form"),
            (b"obsplatform carry v1\naudit_gone\tid\n\\.\n", "which this version does not have"),
        ):
            frozen = Frozen(projection="agents", to_seq=256, rows=text)
            with pytest.raises(CarryUnreadable, match=said):
                load_carry(cursor, frozen, ["audit_agent"])
    rows(
        "INSERT INTO audit_carry (ledger_id, to_seq, projection, digest, rows) "
        "VALUES (%s, 256, 'agents', sha256('x'), 'y') RETURNING to_seq",
        (old.id,),
    )
    with pytest.raises(CarryUnreadable, match="not the one that was kept"):
        newest_carry(old.id, "agents")


class Latecomer:
    """A projection that no purge has known."""

    name: ClassVar[str] = "latecomer"
    tables: ClassVar[Sequence[str]] = ("audit_agentday",)

    def apply(self, cursor: psycopg.Cursor[Any], ledger_id: int, batch: Any) -> None:
        cursor.execute(
            "INSERT INTO audit_agentday AS d (ledger_id, agent_id, day, entries, failures, denied) "
            "VALUES (%s, 'late', '2000-01-01', %s, 0, 0) ON CONFLICT (ledger_id, agent_id, day) "
            "DO UPDATE SET entries = d.entries + excluded.entries",
            (ledger_id, len(batch)),
        )


def test_a_projection_that_comes_after_a_purge_begins_at_the_minimum_index(old: Ledger) -> None:
    purged(old)
    size = Head.objects.get(ledger=old).size

    assert catch_up(old.id, Latecomer()) == size - 512

    assert rebuild(old, Latecomer()) == size - 512


def test_a_purge_that_overtakes_a_rebuild_makes_it_begin_again(
    old: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.project.BATCH", 100)
    plan = agreed(proposed(old))
    began: list[int] = []

    def purge_meanwhile(read: int) -> None:
        if not began:
            began.append(read)
            done = threading.Thread(target=_work_and_close, args=(old.id,))
            done.start()
            done.join(60)

    rebuild(old, projections()["agents"], on_progress=purge_meanwhile)

    assert again(plan).state == "done"
    live = projected(old)
    catch_up_all(old.id)
    rebuild(old, projections()["agents"])
    assert projected(old)["audit_agent"] == live["audit_agent"]
    assert sum(Agent.objects.filter(ledger=old).values_list("entries", flat=True)) == 700


def _work_and_close(ledger_id: int) -> None:
    try:
        work_through_plans(ledger_id)
    finally:
        connections.close_all()


# --- Months and quarantine ------------------------------------------------------------------------


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


def test_a_worker_may_do_all_of_it(old: Ledger, as_role: AsRole) -> None:
    plan = agreed(proposed(old))
    script = (
        "import django; django.setup()\n"
        "from audit.models import Ledger\n"
        "from audit.blank import blank_quarantine\n"
        "from audit.prune import drop_months, work_through_plans\n"
        "from django.utils import timezone\n"
        f"assert work_through_plans({old.id})\n"
        f"blank_quarantine(Ledger.objects.get(id={old.id}))\n"
        "drop_months(timezone.now().date())\n"
    )
    subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=os.environ
        | {"DJANGO_SETTINGS_MODULE": "obsplatform.settings", "OBS_DATABASE_ROLE": "worker"},
        check=True,
        timeout=120,
    )

    assert again(plan).state == "done"

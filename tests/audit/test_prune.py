"""Purges: what may go goes, for good and provably; the whole way, and when a worker is killed.

What stays: test_prune_stays.py. Two people: test_prune_two_people.py. Projections and carries:
test_prune_projections.py. Months and quarantine: test_prune_months.py.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from django.db import connections

from audit.append import append_pending
from audit.ledger.merkle import (
    check_consistency,
    check_inclusion,
    prove_consistency,
    prove_inclusion,
    root_of,
)
from audit.models import Carry, CheckpointNote, Entry, Head, Ledger, Purge
from audit.project import catch_up_all, projections
from audit.prune import is_any_waiting, work_on_a_plan, work_through_plans
from audit.pruned import minimum_index
from audit.retain import propose_purge
from audit.runs import run_verification
from audit.tree import tree_of
from tests.audit.retaining import (
    again,
    agreed,
    folders,
    make_ready,
    old,
    projected,
    proposed,
    purge_entry,
    purged,
    report_of,
    sealed,
    seed,
)
from tests.audit.tampering import AsRole
from tests.conftest import make_event, post
from tests.installation import ROOT
from tests.sizes import size

__all__ = ["folders", "old"]  # fixtures, which pytest finds by their names here


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

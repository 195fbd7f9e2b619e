"""After a purge: what is kept verifies as before, in every run and every range.

Readers and pages: test_pruned_readers.py. Exports: test_pruned_exports.py.
"""

from __future__ import annotations

import pytest

from audit import verify as verify_module
from audit.models import Ledger, Purge, Verification
from audit.pruned import minimum_index
from audit.run_queue import ask_for_run
from audit.runs import run_verification, verify_new, verify_sample, work_through_queue
from audit.verify import Progress, Report, verify, verify_stepwise
from tests.audit.let_go import MINIMUM, let_go, old, owner, pruned, tampered_at
from tests.audit.pruning import approved_plan, keep_no_longer, prune
from tests.audit.tampering import Connection, tampering

__all__ = ["old", "owner", "pruned"]  # fixtures, which pytest finds by their names here


# --- Verification ---------------------------------------------------------------------------------


def test_what_is_kept_is_intact_and_the_note_says_what_went_and_by_whom(pruned: Ledger) -> None:
    purge = Purge.objects.get(ledger=pruned)

    report = verify(pruned)

    assert (report.result, report.from_seq, report.pruned) == ("intact", MINIMUM, MINIMUM)
    assert report.checked == report.to_seq - MINIMUM
    assert report.sealed_to == report.to_seq
    assert (
        f"#0 to #511 were pruned, last by {purge.first_approver} and {purge.second_approver}"
        in report.note
    )


@pytest.mark.parametrize("chunk", [97, 512, 20_480])
def test_it_is_the_same_in_chunks_of_any_size(
    pruned: Ledger, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(verify_module, "CHUNK", chunk)

    assert verify(pruned).result == "intact"


@pytest.mark.parametrize(("start", "end"), [(0, None), (0, 100), (3, 600), (511, 512), (511, 513)])
def test_a_range_that_begins_below_the_minimum_index_is_not_proven_and_names_what_went(
    pruned: Ledger, start: int, end: int | None
) -> None:
    report = verify(pruned, from_seq=start, to_seq=end)

    assert (report.result, report.broken) == ("not_proven", 0)
    last = min(MINIMUM, report.to_seq) - 1
    assert f"#{start} to #{last} were pruned" in report.note
    assert report.checked == max(report.to_seq - MINIMUM, 0)


@pytest.mark.parametrize("start", [MINIMUM, MINIMUM + 1, 600])
def test_a_range_at_or_above_the_minimum_index_is_proven(pruned: Ledger, start: int) -> None:
    report = verify(pruned, from_seq=start)

    assert report.result == "intact", report
    assert report.checked == report.to_seq - start


def test_the_first_entry_that_is_kept_must_continue_the_last_hash_of_its_tile(
    pruned: Ledger, superuser: Connection
) -> None:
    with tampering(superuser):
        superuser.execute(
            "UPDATE audit_tile SET hashes = set_byte(hashes, 8191, 255 - get_byte(hashes, 8191)) "
            "WHERE ledger_id = %s AND level = 0 AND index = 1",
            (pruned.id,),
        )

    for start in (MINIMUM, 100):
        report = verify(pruned, from_seq=start, to_seq=600)

        assert report.result == "tampered"
    tampered_at(verify(pruned, from_seq=MINIMUM, to_seq=600), seq=MINIMUM, field="prev")


TILES = [
    ("a hash", "UPDATE audit_tile SET hashes = set_byte(hashes, 7, 255 - get_byte(hashes, 7)) "
     "WHERE ledger_id = %s AND level = 0 AND index = 0", "tile/0/000 root", 0),
    ("a hash and its root", "UPDATE audit_tile SET hashes = hashes || '', root = sha256(root) "
     "WHERE ledger_id = %s AND level = 0 AND index = 1", "tile/0/001 root", 256),
    ("a tile deleted", "DELETE FROM audit_tile WHERE ledger_id = %s AND level = 0 AND index = 1",
     "tile/0/001", 256),
    ("an old root", "UPDATE audit_checkpoint SET root = sha256(root) "
     "WHERE ledger_id = %s AND size = 300", "checkpoint 300 root", 299),
    ("an event key", "DELETE FROM audit_eventkey WHERE ledger_id = %s AND seq = 17",
     "event key", 0),
    ("a kept entry deleted", "DELETE FROM audit_entry WHERE ledger_id = %s AND seq = 512",
     "seq", 512),
    ("another kept entry", "DELETE FROM audit_entry WHERE ledger_id = %s AND seq = 640",
     "seq", 640),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "field", "seq"), [t[1:] for t in TILES],
                         ids=[t[0] for t in TILES])  # fmt: skip
def test_tiles_and_old_checkpoints_of_what_was_pruned_are_still_checked(
    pruned: Ledger, superuser: Connection, statement: str, field: str, seq: int
) -> None:
    with tampering(superuser):
        assert superuser.execute(statement, (pruned.id,)).rowcount == 1

    tampered_at(verify(pruned), seq=seq, field=field)


def test_a_purge_without_its_entry_is_tampering_and_the_entry_must_say_what_went(
    old: Ledger, owner: Connection, superuser: Connection
) -> None:
    prune(owner, old, to_seq=256)
    finished = "UPDATE audit_purgeplan SET finished_at = finished_at - interval '1 hour' "

    assert verify(old).result == "not_proven"  # its entry may be on its way
    with tampering(superuser):
        superuser.execute(finished + "WHERE ledger_id = %s", (old.id,))
    tampered_at(verify(old), seq=0, field="purge")
    let_go(old, to_seq=256, oldest_seq=512)
    tampered_at(verify(old), seq=0, field="purge")
    let_go(old, to_seq=256, approvers=["mallory", "mallory's friend"])
    tampered_at(verify(old), seq=0, field="purge")
    let_go(old, to_seq=256, head_hash="00" * 32)
    tampered_at(verify(old), seq=0, field="purge")
    let_go(old, to_seq=256)
    assert verify(old).result == "intact"


def test_entries_left_below_are_fine_while_a_purge_goes_on_and_a_fault_after_it(
    old: Ledger, owner: Connection, superuser: Connection
) -> None:
    keep_no_longer(owner, old)
    plan = approved_plan(owner, old, to_seq=MINIMUM)
    owner.execute("SELECT audit_prune(%s, %s, 100)", (old.id, plan))
    assert minimum_index(old.id) == MINIMUM

    report = verify(old)

    assert report.result == "not_proven"
    assert "is not chained yet" in report.note
    let_go(old)
    assert verify(old).result == "intact"
    row = superuser.execute(
        "SELECT * FROM audit_entry WHERE ledger_id = %s AND seq = 200", (old.id,)
    ).fetchone()
    assert row is not None
    while owner.execute("SELECT audit_prune(%s, %s, 100)", (old.id, plan)).fetchone() != (0,):
        pass
    assert verify(old).result == "intact"
    with tampering(superuser):
        places = ", ".join(["%s"] * len(row))
        superuser.execute(f"INSERT INTO audit_entry VALUES ({places})", row)
    tampered_at(verify(old), seq=200, field="seq")


def test_a_second_purge_begins_where_the_first_ended_and_needs_an_entry_of_its_own(
    old: Ledger, owner: Connection
) -> None:
    prune(owner, old, to_seq=256)
    let_go(old, to_seq=256)
    prune(owner, old, to_seq=512)

    assert verify(old).result == "not_proven"
    let_go(old, from_seq=256, to_seq=512)
    assert (verify(old).result, verify(old).from_seq) == ("intact", 512)


def test_a_purge_that_overtakes_a_run_accuses_nobody(
    old: Ledger, owner: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify_module, "CHUNK", 50)
    steps = verify_stepwise(old)
    first = next(steps)
    assert isinstance(first, Progress)
    assert first.next_seq == 50

    prune(owner, old, to_seq=MINIMUM)
    let_go(old)
    *_, report = steps

    assert isinstance(report, Report)
    assert (report.result, report.from_seq) == ("intact", MINIMUM), report
    assert report.checked == 50 + report.to_seq - MINIMUM


# --- Runs -----------------------------------------------------------------------------------------


def test_runs_over_all_of_a_ledger_begin_at_the_minimum_index_and_are_intact(
    pruned: Ledger,
) -> None:
    ask_for_run(pruned, requested_by="Alice")
    assert work_through_queue(pruned) == 1
    verify_new(pruned)
    for _ in range(5):
        verify_sample(pruned)

    found = Verification.objects.filter(ledger=pruned)
    assert {each.kind for each in found} == {"manual", "new", "sample"}
    for each in found:
        assert each.result == "intact", each.note
        assert each.from_seq >= MINIMUM


def test_a_run_that_was_asked_for_before_a_purge_is_intact_after_it(
    old: Ledger, owner: Connection
) -> None:
    run_id = ask_for_run(old, requested_by="Alice")
    prune(owner, old, to_seq=MINIMUM)
    let_go(old)

    work_through_queue(old)

    run = Verification.objects.get(ledger=old, id=run_id)
    assert (run.result, run.from_seq) == ("intact", 0), run.note
    assert run.checked == run.to_seq - MINIMUM


def test_a_run_that_was_told_to_begin_below_is_not_proven_by_hand_too(pruned: Ledger) -> None:
    report = run_verification(pruned, kind="manual", from_seq=0)

    assert report.result == "not_proven"

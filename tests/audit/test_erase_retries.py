"""Retries of what was erased: still a duplicate by its id, and still a conflict."""

from __future__ import annotations

from audit import erase
from audit.append import append_pending
from audit.erasing import work_through_erasures
from audit.models import Erasure, Inbox, Ledger, Quarantine, SubjectKey
from tests.audit.erasing import CAROL, about, again, erased, own_tombstones
from tests.audit.pruning import old_entries, prune
from tests.audit.tampering import AsRole
from tests.conftest import chain, entries, make_event, post

__all__ = ["own_tombstones"]  # fixtures, which pytest finds by their names here


def test_a_retry_after_an_erasure_is_a_duplicate_by_its_id_alone(ledger: Ledger) -> None:
    event, other = about(), about()
    chain(ledger, [event, other])
    erased(ledger)
    size, keys = len(entries(ledger)), SubjectKey.objects.filter(ledger=ledger).count()

    (first,) = post(ledger, [event])
    changed, fresh = post(ledger, [other | {"outcome": "failure"}, make_event()])

    assert (first.status, first.seq, first.digest) == ("duplicate", 0, None)
    assert first.event_sha256 is not None
    assert (changed.status, fresh.status) == ("duplicate", "received")
    append_pending(ledger.id)
    assert len(entries(ledger)) == size + 1
    assert not Quarantine.objects.filter(ledger=ledger).exists()
    assert SubjectKey.objects.filter(ledger=ledger).count() == keys


def test_a_retry_is_a_duplicate_too_when_the_person_has_come_back(ledger: Ledger) -> None:
    event = about()
    chain(ledger, [event])
    erased(ledger)
    chain(ledger, [about()])

    (receipt,) = post(ledger, [event])

    assert (receipt.status, receipt.seq) == ("duplicate", 0)


def test_a_retry_without_personal_data_is_still_compared(ledger: Ledger) -> None:
    event = make_event(data={"subject_ids": [CAROL]})
    chain(ledger, [event])
    erased(ledger)
    keys = SubjectKey.objects.filter(ledger=ledger).count()

    (same,) = post(ledger, [event])
    assert SubjectKey.objects.filter(ledger=ledger).count() == keys
    (other,) = post(ledger, [event | {"outcome": "failure"}])

    assert (same.status, other.status) == ("duplicate", "conflict")


def test_other_content_under_the_id_of_somebody_else_is_a_conflict(ledger: Ledger) -> None:
    event, plain = about("dave"), make_event()
    chain(ledger, [event, plain, about()])
    erased(ledger)

    taken = post(ledger, [about(id=event["id"]), about(id=plain["id"])])

    assert [each.status for each in taken] == ["conflict", "conflict"]


def test_a_retry_that_waited_beside_its_first_is_dropped_when_chained(ledger: Ledger) -> None:
    """Both are accepted, the second under a new key: only chaining can tell."""
    event = about()
    post(ledger, [event])
    done = erase.ask_for_erasure(ledger, CAROL, case_id="DSR-1", reason="a letter", by="alice")
    _erase_before_chaining(ledger, done)

    (again_,) = post(ledger, [event])
    append_pending(ledger.id)

    assert again_.status == "received"
    assert not Quarantine.objects.filter(ledger=ledger).exists()
    held = [e.parsed()["event"] for e in entries(ledger) if "personal" in e.parsed()["event"]]
    assert [each["personal"]["key_id"] for each in held] == [str(done.key_id)]


def _erase_before_chaining(ledger: Ledger, asked: Erasure) -> None:
    work_through_erasures(ledger)
    erase.confirm_erasure(again(asked), CAROL, reason="a letter", by="bob")
    work_through_erasures(ledger)
    assert again(asked).state == "done"
    assert Inbox.objects.filter(ledger=ledger).exists()


def test_a_retry_of_a_pruned_entry_is_a_duplicate_by_its_id_alone(
    ledger: Ledger, as_role: AsRole
) -> None:
    event = about()
    old_entries(ledger, [event, *(make_event() for _ in range(300))])
    erased(ledger)
    prune(as_role("owner"), ledger, to_seq=256)

    (receipt,) = post(ledger, [event])

    assert (receipt.status, receipt.seq) == ("duplicate", 0)

"""Verification runs: rows always, entries when it matters, and never feeding themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from audit.append import append_pending
from audit.models import Inbox, Ledger, Verification
from audit.runs import run_verification, verify_new, verify_sample
from audit.seal import seal
from audit.signer import make_key
from audit.state import ledger_state
from audit.verify import Progress
from tests.audit.tampering import Connection, tampering
from tests.conftest import chain, entries, make_event


@pytest.fixture
def five(ledger: Ledger) -> Ledger:
    """Return a ledger of five entries."""
    chain(ledger, [make_event() for _ in range(5)])
    return ledger


def told(ledger: Ledger) -> list[dict[str, Any]]:
    """Chain what waits and return the events about verification, oldest first."""
    append_pending(ledger.id)
    events = [each.parsed()["event"] for each in entries(ledger)]
    return [each for each in events if each["action"].startswith("audit.chain_")]


def damage(ledger: Ledger, superuser: Connection, seq: int) -> None:
    with tampering(superuser):
        superuser.execute(
            "UPDATE audit_entry SET outcome = 'denied' WHERE ledger_id = %s AND seq = %s",
            (ledger.id, seq),
        )


def mend(ledger: Ledger, superuser: Connection, seq: int) -> None:
    with tampering(superuser):
        superuser.execute(
            "UPDATE audit_entry SET outcome = 'success' WHERE ledger_id = %s AND seq = %s",
            (ledger.id, seq),
        )


def test_a_run_by_hand_is_kept_and_leaves_an_entry(five: Ledger) -> None:
    report = run_verification(five, kind="manual", requested_by="Alice", from_seq=1, to_seq=4)

    run = Verification.objects.get(ledger=five)
    assert (run.kind, run.state, run.requested_by, run.result) == (
        *("manual", "done", "Alice", "intact"),
    )
    assert (run.from_seq, run.to_seq, run.checked, run.broken) == (1, 4, 3, 0)
    assert run.finished_at is not None
    assert run.finished_at >= run.started_at
    (event,) = told(five)
    assert (event["action"], event["outcome"]) == ("audit.chain_verified", "success")
    assert event["integrity"] == {"from_seq": 1, "to_seq": 4}
    assert event["details"]["checked"] == report.checked == 3
    assert event["details"]["run"] == run.id


@pytest.mark.parametrize("kind", ["manual", "nightly"])
def test_what_was_found_stands_in_the_row_and_in_the_entry(
    five: Ledger, superuser: Connection, kind: Any
) -> None:
    damage(five, superuser, 3)

    run_verification(five, kind=kind)

    run = Verification.objects.get(ledger=five)
    assert (run.result, run.bad_seq, run.bad_field, run.broken) == ("tampered", 3, "outcome", 1)
    assert (run.expected, run.found) == ("success", "denied")
    (event,) = told(five)
    assert (event["action"], event["outcome"]) == ("audit.chain_broken", "failure")
    assert event["severity"] == "critical"
    assert (event["details"]["seq"], event["details"]["field"]) == (3, "outcome")
    assert event["error"]["type"] == "chain_broken"


def test_a_run_that_checked_nothing_never_passes_for_a_success(ledger: Ledger) -> None:
    report = run_verification(ledger, kind="nightly")

    assert report.result == "not_proven"
    (event,) = told(ledger)
    assert (event["action"], event["outcome"]) == ("audit.chain_verified", "unknown")
    assert event["details"]["result"] == "not_proven"


def test_a_run_that_is_broken_off_is_kept_as_failed_and_leaves_no_entry(five: Ledger) -> None:
    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_verification(five, kind="manual", on_progress=stop)

    run = Verification.objects.get(ledger=five)
    assert (run.state, run.result) == ("failed", None)
    assert run.finished_at is not None
    assert told(five) == []
    again = verify_new(five)
    assert again is not None  # a failed run has reached nothing
    assert (again.from_seq, again.checked) == (0, 5)


def test_each_run_over_what_is_new_begins_where_the_last_one_ended(five: Ledger) -> None:
    first = verify_new(five)
    chain(five, [make_event() for _ in range(2)])  # and the entry about the first run
    second = verify_new(five)

    assert first is not None
    assert second is not None
    assert [(each.from_seq, each.to_seq, each.result) for each in (first, second)] == [
        (0, 5, "intact"),
        (5, 8, "intact"),
    ]
    assert verify_new(five) is None


def test_a_whole_run_by_hand_counts_for_what_is_new_and_a_later_range_does_not(
    five: Ledger,
) -> None:
    run_verification(five, kind="manual", from_seq=3)
    report = verify_new(five)
    assert report is not None
    assert report.from_seq == 0

    run_verification(five, kind="manual")
    append_pending(five.id)

    report = verify_new(five)
    assert report is not None
    assert report.from_seq == 5


def test_a_sample_stays_within_the_ledger_and_an_empty_one_has_none(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert verify_sample(ledger) is None
    assert verify_new(ledger) is None
    assert not Verification.objects.filter(ledger=ledger).exists()
    chain(ledger, [make_event() for _ in range(10)])
    monkeypatch.setattr("audit.runs.SAMPLE", 4)

    seen = set()
    for _ in range(60):
        report = verify_sample(ledger)
        assert report is not None
        assert (report.result, report.checked) == ("intact", 4)
        seen.add(report.from_seq)

    assert seen <= set(range(7))
    assert len(seen) > 1


def test_minute_after_minute_an_intact_ledger_does_not_grow_by_being_verified(
    five: Ledger,
) -> None:
    for _ in range(10):
        verify_new(five)
        verify_sample(five)
        append_pending(five.id)

    assert [each["action"] for each in told(five)] == ["audit.chain_verified"]
    assert len(entries(five)) == 6


def test_minute_after_minute_a_finding_is_told_once_and_never_taken_back_by_an_intact_stretch(
    five: Ledger, superuser: Connection
) -> None:
    verify_new(five)
    verify_sample(five)
    assert [each["action"] for each in told(five)] == ["audit.chain_verified"]
    damage(five, superuser, 2)

    for _ in range(10):
        verify_new(five)
        verify_sample(five)
        append_pending(five.id)

    assert [each["action"] for each in told(five)] == ["audit.chain_verified", "audit.chain_broken"]
    results = Verification.objects.filter(ledger=five, kind="sample").values_list("result")
    assert list(results)[1:] == [("tampered",)] * 10


def test_a_second_finding_elsewhere_is_told_too(five: Ledger, superuser: Connection) -> None:
    damage(five, superuser, 3)
    verify_sample(five)
    verify_sample(five)
    damage(five, superuser, 1)
    verify_sample(five)
    verify_sample(five)

    found = [each["details"]["seq"] for each in told(five)]

    assert found == [3, 1]


def test_the_same_finding_after_it_was_mended_is_told_again(
    five: Ledger, superuser: Connection
) -> None:
    damage(five, superuser, 2)
    verify_sample(five)
    mend(five, superuser, 2)
    assert run_verification(five, kind="nightly").result == "intact"
    damage(five, superuser, 2)
    verify_sample(five)
    verify_sample(five)

    assert [each["action"] for each in told(five)] == [
        *("audit.chain_broken", "audit.chain_verified", "audit.chain_broken")
    ]


def test_minute_after_minute_what_is_not_proven_is_told_once(
    five: Ledger, superuser: Connection, settings: Any, tmp_path: Path
) -> None:
    settings.SIGNING_DIR = tmp_path / "signing"
    make_key(five.name, origin=five.origin)
    seal(five)
    append_pending(five.id)  # the entry that announces the key
    with tampering(superuser):
        superuser.execute("DELETE FROM audit_checkpoint WHERE ledger_id = %s", (five.id,))

    for _ in range(5):
        verify_sample(five)
        append_pending(five.id)

    results = Verification.objects.filter(ledger=five).values_list("result", flat=True)
    assert set(results) == {"not_proven"}
    (event,) = told(five)
    assert (event["action"], event["outcome"]) == ("audit.chain_verified", "unknown")
    assert event["details"]["result"] == "not_proven"


def test_a_ledger_whose_checkpoints_are_gone_is_not_proven_until_a_run_can_prove_it(
    ledger: Ledger, superuser: Connection, settings: Any, tmp_path: Path
) -> None:
    settings.SIGNING_DIR = tmp_path
    make_key(ledger.name, origin=ledger.origin)
    chain(ledger, [make_event() for _ in range(5)])
    sealed = seal(ledger)
    assert sealed is not None
    run_verification(ledger, kind="manual")
    before = ledger_state(name=ledger.name)
    with tampering(superuser):
        superuser.execute("DELETE FROM audit_checkpoint WHERE ledger_id = %s", (ledger.id,))

    report = run_verification(ledger, kind="manual")
    doubted = ledger_state(name=ledger.name)
    with tampering(superuser):
        superuser.execute(
            "INSERT INTO audit_checkpoint (ledger_id, size, root, note) VALUES (%s, %s, %s, %s)",
            (ledger.id, sealed.size, sealed.root, sealed.note),
        )
    run_verification(ledger, kind="manual")
    after = ledger_state(name=ledger.name)

    assert before is not None
    assert doubted is not None
    assert after is not None
    assert report.result == "not_proven"
    assert [each.word for each in (before, doubted, after)] == ["intact", "not_proven", "intact"]
    assert (doubted.doubt_id, after.doubt_id) == (report_id(ledger, 2), None)


def report_id(ledger: Ledger, number: int) -> int:
    runs_so_far = Verification.objects.filter(ledger=ledger).order_by("id")
    return runs_so_far[number - 1].id


def test_a_forged_seq_larger_than_a_number_may_be_is_told_all_the_same(
    five: Ledger, superuser: Connection
) -> None:
    forged = 2**62
    with tampering(superuser):
        superuser.execute(
            "UPDATE audit_eventkey SET seq = %s WHERE ledger_id = %s AND seq = 4", (forged, five.id)
        )
        superuser.execute(
            "UPDATE audit_entry SET seq = %s WHERE ledger_id = %s AND seq = 4", (forged, five.id)
        )
        superuser.execute(
            "UPDATE audit_head SET size = %s WHERE ledger_id = %s", (forged + 1, five.id)
        )

    report = run_verification(five, kind="nightly")

    assert report.result == "tampered"
    (waiting,) = Inbox.objects.filter(ledger=five)
    assert b"audit.chain_broken" in bytes(waiting.events)

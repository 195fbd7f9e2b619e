"""Verification that goes on where it stopped, or while the ledger grows and is signed."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from audit import run_queue, verify_entries
from audit import verify as verify_module
from audit.held import Holder, SignerState, SinkNotes
from audit.models import Ledger, Verification
from audit.runs import verify_new
from audit.seal import seal
from audit.signer import make_key
from audit.sinks.file import FileSink
from audit.verify import Progress, Report, verify, verify_stepwise
from tests.audit.tampering import Connection
from tests.audit.test_tree import grow_to
from tests.audit.verifying_seals import change, sealed
from tests.conftest import chain, make_event
from tests.sizes import size as times

__all__ = ["sealed"]  # fixtures, which pytest finds by their names here


def steps(ledger: Ledger, after: Progress | None = None) -> tuple[list[Progress], Report]:
    *progress, report = verify_stepwise(ledger, after=after)
    assert isinstance(report, Report)
    return [each for each in progress if isinstance(each, Progress)], report


@pytest.mark.parametrize("chunk", [100, 256, 299])
def test_a_run_that_goes_on_anywhere_says_the_same_as_one_that_never_stopped(
    sealed: Ledger, superuser: Connection, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(verify_module, "CHUNK", chunk)
    progress, whole = steps(sealed)
    for each in progress:
        _, again = steps(sealed, after=each)
        said = (again.result, again.sealed_to, again.note)
        assert said == ("intact", 700, whole.note), (each, again.first)

    change(
        superuser,
        "UPDATE audit_tile SET root = sha256(root) "
        "WHERE ledger_id = %s AND level = 0 AND index = 2",
        sealed,
    )

    # What was changed behind a run that stopped: whatever it has passed, it does not read again.
    for each in progress:
        _, again = steps(sealed, after=each)
        assert again.result == ("tampered" if each.next_seq < 768 else "intact"), each


def test_a_run_over_what_is_new_reads_no_older_record(
    sealed: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    original = verify_entries.read_rows

    def watched(ledger: Ledger, start: int, stop: int) -> Any:
        read.append(start)
        return original(ledger, start, stop)

    monkeypatch.setattr(verify_module, "read_rows", watched)
    verify_new(sealed)
    grow_to(sealed, 1100)
    seal(sealed)

    report = verify_new(sealed)

    assert read == [0, 900]
    assert report is not None
    assert report.from_seq == 900
    assert (report.result, report.sealed_to) == ("intact", report.to_seq)


def test_two_runs_over_what_is_new_never_go_side_by_side(sealed: Ledger) -> None:
    run = run_queue.ask_for_run(sealed, kind="new")

    assert verify_new(sealed) is None

    Verification.objects.filter(ledger=sealed, id=run).update(state="failed")
    assert verify_new(sealed) is not None


def test_verifying_while_the_ledger_grows_and_is_sealed_raises_no_false_alarm(
    sealed: Ledger, settings: Any
) -> None:
    failures: list[BaseException] = []
    sink = FileSink(settings.ANCHOR_FOLDER, interval=0)

    def grow() -> None:
        try:
            for _ in range(times(15, 40)):
                chain(sealed, [make_event() for _ in range(23)])
                published = seal(sealed)
                if published is not None:
                    sink.publish(published)
        except BaseException as error:  # told to the test, which fails with it
            failures.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=grow)
    thread.start()
    holders: list[Holder] = [SignerState(), SinkNotes(sinks=[sink])]
    seen = []
    while thread.is_alive():
        seen += [verify(sealed, holders=holders), verify(sealed, from_seq=850)]
    thread.join()

    assert not failures, failures
    assert [each for each in seen if each.result != "intact"] == []
    last = verify(sealed, holders=holders)
    assert (last.result, last.sealed_to) == ("intact", last.to_seq)


def test_the_first_checkpoint_may_be_signed_while_a_run_is_going(
    ledger: Ledger, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SIGNING_DIR = tmp_path / "signing"
    monkeypatch.setattr(verify_module, "CHUNK", 100)
    grow_to(ledger, 300)
    going = verify_stepwise(ledger)
    next(going)
    make_key(ledger.name, origin=ledger.origin)
    seal(ledger)

    *_, report = going

    assert isinstance(report, Report)
    assert (report.result, report.sealed_to) == ("intact", 300), report

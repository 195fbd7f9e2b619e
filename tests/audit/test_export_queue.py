"""The queue of exports: how far each is, and what follows a worker that stops or dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from django.conf import settings
from django.db import OperationalError, connection

from audit import exporting, tasks
from audit.export import cancel_export, resume_export
from audit.exportfile import parts, path_of
from audit.exporting import take_export, work_on_an_export, work_through_exports
from audit.models import Export, Ledger
from tests.audit.exporting import again, ask, begun, finish, lose_worker, made, thirty, told

__all__ = ["thirty"]  # fixtures, which pytest finds by their names here


def test_how_far_it_is_stands_in_the_row(thirty: Ledger) -> None:
    working = begun(thirty, chunks=2)

    export = Export.objects.get(ledger=thirty)
    assert (export.state, export.next_seq, export.entries) == ("running", 20, 20)
    assert export.percent() == 66
    assert not path_of(export).exists()
    del working


@pytest.mark.parametrize("signal_", [GeneratorExit, KeyboardInterrupt, SystemExit])
def test_a_worker_that_is_asked_to_end_puts_its_export_back(
    thirty: Ledger, signal_: type[BaseException]
) -> None:
    working = begun(thirty, chunks=1)

    with pytest.raises(signal_):
        working.throw(signal_)

    export = Export.objects.get(ledger=thirty)
    assert (export.state, export.lost) == ("queued", 0)
    finish(thirty)
    assert again(export).state == "done"


def test_a_cancelled_export_stops_and_leaves_no_file_and_no_entry(thirty: Ledger) -> None:
    working = begun(thirty, chunks=1)
    export = Export.objects.select_related("ledger").get(ledger=thirty)

    assert cancel_export(export, by="bob")

    assert list(working) == []
    assert (again(export).state, again(export).cancelled_by) == ("cancelled", "bob")
    assert export.id not in parts()
    assert told(thirty) == []
    assert not cancel_export(export, by="bob")


def test_a_cancelled_export_is_resumed_and_comes_to_the_same_file(thirty: Ledger) -> None:
    untouched = made(thirty)
    export = ask(thirty)
    cancel_export(export, by="bob")

    assert resume_export(export)
    assert not resume_export(export)

    finish(thirty)
    assert again(export).sha256 == untouched.sha256


def test_when_its_worker_was_lost_another_begins_again_by_itself(thirty: Ledger) -> None:
    first = made(thirty)
    stuck = begun(thirty, chunks=2)
    export = Export.objects.filter(ledger=thirty).latest("id")
    assert take_export(ledger_id=thirty.id, waited=0.0) is None  # it may only be slow
    lose_worker(export)

    finish(thirty)

    assert (again(export).state, again(export).lost) == ("done", 1)
    assert again(export).sha256 == first.sha256
    assert list(stuck) == []  # the late worker finds that it is another's, and harms nothing
    assert sha256(path_of(export).read_bytes()).hexdigest() == first.sha256


def test_an_export_that_loses_every_worker_is_given_up_with_a_reason(thirty: Ledger) -> None:
    export = ask(thirty)
    for _ in range(exporting.MOST_LOST + 1):
        assert take_export(ledger_id=thirty.id, waited=0.0) is not None
        lose_worker(export)

    assert take_export(ledger_id=thirty.id, waited=0.0) is None

    assert again(export).state == "failed"
    assert "lost" in again(export).note


def test_without_redis_the_append_loop_makes_it_chunk_by_chunk(
    thirty: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.exporting.GRACE", 0.0)
    Export.objects.exclude(ledger=thirty).filter(state__in=Export.GOING).update(state="cancelled")
    export = ask(thirty, "ndjson")

    going = work_on_an_export(None)
    steps = 1
    while (going := work_on_an_export(going)) is not None:
        steps += 1

    assert again(export).state == "done"
    assert steps == 3 + 1  # three chunks and the file
    assert work_on_an_export(None) is None


def test_the_tasks_make_and_expire(thirty: Ledger) -> None:
    export = ask(thirty, "ndjson")

    tasks.export_run(thirty.id)
    tasks.expire_exports()

    assert again(export).state == "done"
    assert path_of(export).exists()


def test_a_database_that_is_away_leaves_the_export_to_a_later_attempt(thirty: Ledger) -> None:
    working = begun(thirty, chunks=1)
    export = Export.objects.get(ledger=thirty)
    connection.connection.close()  # as if the server had gone

    with pytest.raises(OperationalError):
        list(working)

    connection.close()
    assert again(export).state == "running"
    lose_worker(export)
    finish(thirty)
    assert again(export).state == "done"


def test_a_full_disk_is_a_failure_with_a_reason_and_can_be_resumed(
    thirty: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    export = ask(thirty, "ndjson")
    with monkeypatch.context() as patch:
        patch.setattr(settings, "EXPORT_DIR", blocked / "exports")
        work_through_exports(thirty)

    assert again(export).state == "failed"
    assert "NotADirectoryError" in again(export).note
    assert resume_export(again(export))
    work_through_exports(thirty)
    assert again(export).state == "done"


def test_kill_9_of_the_worker_costs_time_and_no_byte(thirty: Ledger) -> None:
    """A real process dies in the middle; what it left is never served, and the file is the same."""
    reference = made(thirty)
    export = ask(thirty)
    script = (
        "import django, os, signal; django.setup()\n"
        "from audit import export_attempt, exporting, query\n"
        "query.CHUNK = 10; export_attempt._SAY_EVERY = 0.0\n"
        f"job = exporting.take_export(ledger_id={thirty.id}, waited=0.0)\n"
        "working = exporting.work_on_export(job); next(working); next(working)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "obsplatform.settings"},
        timeout=60,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert again(export).state == "running"
    assert not path_of(export).exists()
    assert export.id in parts()
    lose_worker(export)

    finish(thirty)

    assert again(export).sha256 == reference.sha256
    assert export.id not in parts()

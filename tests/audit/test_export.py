"""Exports: rows that wait, files that are whole or not there, bundles that a stranger verifies."""

from __future__ import annotations

import csv
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Generator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import OperationalError, connection
from django.utils import timezone

from audit import exporting, tasks
from audit.append import append_pending
from audit.errors import ExportStopped, NoCheckpoint, NotExported
from audit.export import ask_for_export, cancel_export, expire_exports, resume_export
from audit.exportfile import parts, path_of
from audit.exporting import take_export, work_on_an_export, work_on_export, work_through_exports
from audit.ledger.checkpoint import Checkpoint, format_checkpoint
from audit.manifests import sign_waiting_manifests
from audit.models import CheckpointNote, Export, Ledger
from audit.seal import seal
from audit.signer import drop_older_keys, make_key
from tests.audit.exporting import ask, finish, made, sealed, signing, vkey, wanted
from tests.audit.tampering import Connection, tampering
from tests.conftest import chain, entries, make_event

SIZE = 30


@pytest.fixture
def thirty(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """Return a sealed ledger of thirty entries that is read ten at a time, each chunk told."""
    sealed(ledger, SIZE)
    monkeypatch.setattr("audit.query.CHUNK", 10)
    monkeypatch.setattr("audit.exporting._SAY_EVERY", 0.0)
    return ledger


def told(ledger: Ledger) -> list[dict[str, Any]]:
    """Chain what waits and return the events about exports."""
    append_pending(ledger.id)
    events = [each.parsed()["event"] for each in entries(ledger)]
    return [each for each in events if each["action"] == "audit.exported"]


def again(export: Export) -> Export:
    return Export.objects.select_related("ledger").get(id=export.id)


def begun(ledger: Ledger, *, chunks: int, format: str = "bundle") -> Generator[object, None, None]:
    """Ask for an export, take it and do so many chunks; the rest is the caller's."""
    ask(ledger, format)
    job = take_export(ledger_id=ledger.id, waited=0.0)
    assert job is not None
    working = work_on_export(job)
    assert isinstance(working, Generator)
    for _ in range(chunks):
        next(working)
    return working


def lose_worker(export: Export) -> None:
    """Let an export look as it does half a minute after its worker was killed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE audit_export SET state = 'running', seen_at = now() - interval '31 s' "
            "WHERE id = %s",
            [export.id],
        )


def verify(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the verify.py of a bundle as a stranger would: isolated, without this project."""
    with ZipFile(path) as bundle:
        script = path.parent / f"{path.stem}.verify.py"
        script.write_bytes(bundle.read("verify.py"))
    try:
        return subprocess.run(
            [sys.executable, "-I", "-S", str(script), str(path), *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        script.unlink()


# --- From asking to the file ----------------------------------------------------------------------


def test_a_bundle_of_everything_verifies_offline_with_the_key_from_outside(thirty: Ledger) -> None:
    export = made(thirty, renderings=["csv", "ocsf", "cef"])

    done = verify(path_of(export), "--key", vkey(thirty))

    assert done.returncode == 0, done.stdout + done.stderr
    assert (export.entries, export.first_seq, export.last_seq) == (SIZE, 0, SIZE - 1)
    assert export.size == SIZE
    with ZipFile(path_of(export)) as bundle:
        records = bundle.read("records.ndjson").splitlines()
        assert records == [bytes(each.record) for each in entries(thirty)[:SIZE]]
        rows = bundle.read("entries.csv").decode("utf-8-sig").splitlines()
        assert len(list(csv.DictReader(rows))) == SIZE
        assert len(bundle.read("entries.ocsf.ndjson").splitlines()) == SIZE
        assert len(bundle.read("entries.cef").splitlines()) == SIZE


def test_with_no_key_from_outside_nothing_is_proven(thirty: Ledger) -> None:
    done = verify(path_of(made(thirty)))

    assert done.returncode == 3, done.stdout


def test_a_filtered_bundle_verifies_and_holds_what_matches(thirty: Ledger) -> None:
    export = made(thirty, query={"outcome": "denied"})

    done = verify(path_of(export), "--key", vkey(thirty), "--json")

    assert done.returncode == 0, done.stdout + done.stderr
    assert export.entries == 10
    with ZipFile(path_of(export)) as bundle:
        found = [json.loads(each) for each in bundle.read("records.ndjson").splitlines()]
    assert [each["seq"] for each in found] == list(range(0, SIZE, 3))


def test_one_flipped_byte_is_found(thirty: Ledger) -> None:
    path = path_of(made(thirty))
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    broken = path.with_name("broken.zip")
    broken.write_bytes(data)

    done = subprocess.run(
        [sys.executable, "-m", "audit.ledger", "verify", str(broken), "--key", vkey(thirty)],
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1, done.stdout


def test_the_same_query_and_size_make_the_same_bytes(thirty: Ledger) -> None:
    first = made(thirty, query={"outcome": ["denied", "success"]}, renderings=["cef", "csv"])
    chain(thirty, [make_event()])
    seal(thirty)
    second = made(
        thirty, query={"outcome": ["success", "denied"]}, renderings=["csv", "cef"], size=SIZE
    )

    assert first.sha256 == second.sha256 == sha256(path_of(second).read_bytes()).hexdigest()
    assert first.file_size == second.file_size == path_of(second).stat().st_size


def test_an_export_answers_at_its_tree_size_whatever_comes_after(thirty: Ledger) -> None:
    chain(thirty, [make_event() for _ in range(5)])
    seal(thirty)

    old, new = made(thirty, "ndjson", size=SIZE), made(thirty, "ndjson")

    assert len(path_of(old).read_bytes().splitlines()) == SIZE
    assert new.size > SIZE
    assert len(path_of(new).read_bytes().splitlines()) == new.size


@pytest.mark.parametrize("format", ["csv", "ocsf", "cef", "ndjson"])
def test_a_rendering_alone_needs_no_signature(thirty: Ledger, format: str) -> None:
    export = ask(thirty, format, query={"outcome": "denied"})

    work_through_exports(thirty)

    export = again(export)
    assert (export.state, export.entries) == ("done", 10)
    lines = path_of(export).read_bytes().splitlines()
    assert len(lines) == (11 if format == "csv" else 10)


def test_an_export_that_matches_nothing_is_made_and_proves_nothing(thirty: Ledger) -> None:
    export = made(thirty, query={"agent": "nobody"})

    assert export.entries == 0
    assert verify(path_of(export), "--key", vkey(thirty)).returncode == 3


def test_the_file_is_for_this_user_alone_and_no_part_of_it_is_left(thirty: Ledger) -> None:
    export = made(thirty, renderings=["csv"])

    assert stat.S_IMODE(path_of(export).stat().st_mode) == 0o600
    assert stat.S_IMODE(Path(settings.EXPORT_DIR).stat().st_mode) == 0o700
    assert export.id not in parts()


def test_each_export_is_an_entry_that_says_who_what_and_the_sum(thirty: Ledger) -> None:
    export = made(thirty, query={"outcome": "denied"})

    (event,) = told(thirty)

    assert event["actor"] == {"type": "human", "id": "alice"}
    assert event["target"] == {"type": "ledger", "id": thirty.name}
    assert event["details"] == {
        "export": export.id,
        "format": "bundle",
        "renderings": [],
        "query": {"ledger": [thirty.name], "outcome": ["denied"]},
        "size": SIZE,
        "entries": 10,
        "first_seq": 0,
        "last_seq": 27,
        "bytes": export.file_size,
        "sha256": sha256(path_of(export).read_bytes()).hexdigest(),
        "via": "admin",
    }


def test_no_export_holds_personal_data_in_clear(ledger: Ledger) -> None:
    event = make_event(
        category="data_access",
        action="data.read",
        data={"subject_ids": ["carol-4711"], "classes": ["pii"]},
        personal={"name": "Carol Danvers"},
    )
    chain(ledger, [event])
    make_key(ledger.name, origin=ledger.origin)
    seal(ledger)

    for export in (
        made(ledger, renderings=["csv", "ocsf", "cef"]),
        *(made(ledger, format) for format in ("csv", "ocsf", "cef", "ndjson")),
    ):
        data = path_of(export).read_bytes()
        assert b"Danvers" not in data
        assert b"carol-4711" not in data
        assert b"ciphertext" in data


# --- What cannot be exported ----------------------------------------------------------------------


def test_without_a_checkpoint_the_way_out_is_said(ledger: Ledger) -> None:
    chain(ledger, [make_event()])

    with pytest.raises(NoCheckpoint, match=r"makesigningkey.*seal --follow"):
        wanted(ledger)


def test_a_size_without_a_checkpoint_names_the_nearest(thirty: Ledger) -> None:
    with pytest.raises(NoCheckpoint, match=f"size 12; the nearest are {SIZE}"):
        wanted(thirty, size=12)


@pytest.mark.parametrize(
    ("format", "options", "said"),
    [
        ("pdf", {}, "the formats are bundle"),
        ("bundle", {"renderings": ["xml"]}, "there are csv, ocsf, cef"),
        ("csv", {"renderings": ["cef"]}, "only a bundle holds renderings"),
        ("bundle", {"query": {"outcome": "maybe"}}, "outcome is one of"),
        ("bundle", {"query": {"colour": "red"}}, "colour is no filter"),
        ("bundle", {"query": {"ledger": ["a", "b"]}}, "an export is of one ledger"),
        ("bundle", {"query": {"agent": ["x" * 199 + str(n) for n in range(99)]}}, "longer than"),
    ],
)
def test_what_cannot_be_exported_is_refused_with_a_reason(
    thirty: Ledger, format: str, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(NotExported, match=said):
        wanted(thirty, format, **options)


def test_more_exports_than_the_disk_should_bear_are_refused(
    thirty: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.export.MOST_GOING", 1)
    ask(thirty)

    with pytest.raises(NotExported, match="cancel one"):
        ask(thirty)


# --- The queue ------------------------------------------------------------------------------------


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
        "from audit import exporting, query\n"
        "query.CHUNK = 10; exporting._SAY_EVERY = 0.0\n"
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


# --- The signature --------------------------------------------------------------------------------


def test_the_worker_is_free_while_the_signature_is_awaited(thirty: Ledger) -> None:
    export = ask(thirty)

    assert work_through_exports(thirty) == 1

    assert again(export).state == "signing"
    assert not path_of(export).exists()
    assert work_through_exports(thirty) == 0
    assert told(thirty) == []


def test_a_signed_bundle_whose_part_was_lost_is_made_again_and_ended(thirty: Ledger) -> None:
    reference = made(thirty)
    export = ask(thirty)
    work_through_exports(thirty)
    sign_waiting_manifests(thirty, signing(thirty))
    for path in parts()[export.id]:
        path.write_bytes(path.read_bytes()[:1000])

    work_through_exports(thirty)

    assert again(export).state == "done"
    assert again(export).sha256 == reference.sha256


def test_only_a_manifest_of_this_very_ledger_is_given_to_the_signer(
    thirty: Ledger, superuser: Connection
) -> None:
    signed: list[str] = []

    def sign(text: str) -> bytes:
        signed.append(text)
        return signing(thirty)(text)

    note = CheckpointNote.objects.get(ledger=thirty, size=SIZE)
    checkpoint = format_checkpoint(
        Checkpoint(origin=thirty.origin, size=SIZE + 7, root=bytes.fromhex(note.root))
    )
    good = ask(thirty)
    work_through_exports(thirty)
    text = again(good).manifest
    assert text is not None
    forged = {
        "no manifest": checkpoint,
        "another ledger's": text.replace(f"ledger {thirty.name}", "ledger another"),
        "another origin's": text.replace(f"origin {thirty.origin}", "origin example.com/other"),
        "another size": text.replace(f"size {SIZE}", f"size {SIZE + 1}"),
        "another root": text.replace(text.split("root ")[1][:43], "A" * 43),
        "another checkpoint": text.replace(sha256(bytes(note.note)).hexdigest(), "0" * 64),
    }
    for forgery in forged.values():
        assert forgery != text
        superuser.execute("UPDATE audit_export SET manifest = %s WHERE id = %s", (forgery, good.id))

        assert sign_waiting_manifests(thirty, sign) == 0

        assert again(good).state == "failed"
        assert again(good).note.startswith("Its manifest was not signed")
        superuser.execute("UPDATE audit_export SET state = 'signing' WHERE id = %s", (good.id,))
    assert signed == []
    superuser.execute("UPDATE audit_export SET manifest = %s WHERE id = %s", (text, good.id))
    assert sign_waiting_manifests(thirty, sign) == 1
    assert signed == [text]


def test_when_the_key_changed_meanwhile_the_manifest_is_written_again(thirty: Ledger) -> None:
    export = ask(thirty)
    work_through_exports(thirty)
    make_key(thirty.name, origin=thirty.origin)
    chain(thirty, [make_event()])
    seal(thirty)  # announces the new key beside the old one
    drop_older_keys(thirty.name)

    assert sign_waiting_manifests(thirty, signing(thirty)) == 0
    assert again(export).state == "queued"
    finish(thirty)

    assert again(export).state == "done"


def test_of_a_ledger_that_went_read_only_nothing_is_signed(thirty: Ledger) -> None:
    export = ask(thirty)
    work_through_exports(thirty)
    Ledger.objects.filter(id=thirty.id).update(is_read_only=True, read_only_reason="behind")
    thirty.refresh_from_db()

    assert sign_waiting_manifests(thirty, signing(thirty)) == 0

    assert again(export).state == "failed"
    assert "read-only" in again(export).note
    with pytest.raises(NotExported, match="no bundle can be made"):
        wanted(thirty)
    assert wanted(thirty, "ndjson").size == SIZE


def test_the_sealing_process_signs_what_waits(thirty: Ledger) -> None:
    export = ask(thirty)
    work_through_exports(thirty)

    call_command("seal", "--ledger", thirty.name)
    work_through_exports(thirty)

    assert again(export).state == "done"


# --- A ledger that somebody changed ---------------------------------------------------------------


def test_a_changed_record_is_said_in_words_and_found_by_the_verifier(
    thirty: Ledger, superuser: Connection
) -> None:
    with tampering(superuser):
        superuser.execute(
            "UPDATE audit_entry SET record = replace(convert_from(record, 'UTF8'), 'alice', "
            "'mallo')::bytea WHERE ledger_id = %s AND seq = 4",
            (thirty.id,),
        )

    export = made(thirty)

    assert "first at seq 4" in export.warning
    done = verify(path_of(export), "--key", vkey(thirty))
    assert done.returncode == 1
    assert "4" in done.stdout


@pytest.mark.parametrize("content", ["no json", '{"event":{}}', "two\nlines"])
def test_a_record_that_is_none_any_more_fails_the_export_by_its_seq(
    thirty: Ledger, superuser: Connection, content: str
) -> None:
    with tampering(superuser):
        superuser.execute(
            "UPDATE audit_entry SET record = %s WHERE ledger_id = %s AND seq = 4",
            (content.encode(), thirty.id),
        )
    export = ask(thirty, renderings=["csv"])

    work_through_exports(thirty)

    assert again(export).state == "failed"
    assert "entry 4 " in again(export).note
    assert export.id not in parts()


# --- The end of its time --------------------------------------------------------------------------


def test_a_file_goes_when_its_time_is_over_and_the_row_stays(thirty: Ledger) -> None:
    export = made(thirty)
    assert export.expires_at is not None
    days = (export.expires_at - timezone.now()).total_seconds() / 86_400
    assert settings.EXPORT_DAYS - 1 < days <= settings.EXPORT_DAYS
    assert expire_exports(timezone.now()) == 0

    expire_exports(export.expires_at + timedelta(seconds=1))

    assert not path_of(export).exists()
    assert (again(export).state, again(export).sha256) == ("expired", export.sha256)


def test_what_a_dead_attempt_left_is_swept(thirty: Ledger) -> None:
    export = ask(thirty)
    work_through_exports(thirty)
    assert export.id in parts()
    expire_exports(timezone.now())
    assert export.id in parts()  # it waits for its signature

    cancel_export(export, by="bob")
    expire_exports(timezone.now())

    assert export.id not in parts()


def test_a_stopped_export_says_so(thirty: Ledger) -> None:
    ask_for_export(wanted(thirty), via="command", requested_by="exportledger")
    job = take_export(ledger_id=thirty.id, waited=0.0)
    assert job is not None
    going = exporting._Going(job)
    cancel_export(job.export, by="bob")

    with pytest.raises(ExportStopped):
        going.say(at_once=True)

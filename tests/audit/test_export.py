"""Exports: from asking to the file, what cannot be exported, and the end of their time.

Workers that stop or die: test_export_queue.py. Who signs: test_export_signing.py.
"""

from __future__ import annotations

import csv
import json
import stat
import subprocess
import sys
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from django.conf import settings
from django.utils import timezone

from audit.errors import ExportStopped, NoCheckpoint, NotExported
from audit.export import ask_for_export, cancel_export, expire_exports
from audit.export_attempt import Going
from audit.exportfile import parts, path_of
from audit.exporting import take_export, work_through_exports
from audit.models import Ledger
from audit.seal import seal
from audit.signer import make_key
from tests.audit.exporting import SIZE, again, ask, made, thirty, told, verify, vkey, wanted
from tests.audit.tampering import Connection, tampering
from tests.conftest import chain, entries, make_event

__all__ = ["thirty"]  # fixtures, which pytest finds by their names here


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
    going = Going(job)
    cancel_export(job.export, by="bob")

    with pytest.raises(ExportStopped):
        going.say(at_once=True)

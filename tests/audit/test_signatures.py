"""The sealing process signs manifests of reports of its own ledger, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from io import StringIO
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import connection
from psycopg import Error as PostgresError
from psycopg.errors import InsufficientPrivilege

from audit.exporting import work_through_exports
from audit.ledger.checkpoint import Checkpoint, format_checkpoint
from audit.ledger.errors import ManifestMalformed
from audit.ledger.manifest import HEADER, FileSum
from audit.ledger.note import open_note
from audit.ledger.reportmanifest import (
    REPORT_HEADER,
    ReportManifest,
    format_report_manifest,
    parse_report_manifest,
)
from audit.manifests import sign_waiting_manifests
from audit.models import CheckpointNote, Entry, Ledger
from audit.seal import known_keys, seal
from audit.signatures import (
    PATIENCE,
    Refused,
    Signed,
    ask_for_signature,
    ledgers_with_waiting_texts,
    sign_waiting_texts,
    signature_of,
)
from tests.audit.exporting import ask, sealed, signing
from tests.audit.exporting import made as made_export
from tests.audit.tampering import AsRole, Connection, tampering
from tests.conftest import chain, make_event

ROOT = Path(__file__).parents[2]
SIZE = 12


@pytest.fixture
def twelve(ledger: Ledger) -> Ledger:
    """Return a ledger of twelve entries and a few of its own, whose head is signed."""
    return sealed(ledger, SIZE)


def manifest_of(ledger: Ledger, seq: int = SIZE - 1) -> ReportManifest:
    """Return what a report says that was made of this ledger up to an entry."""
    return ReportManifest(
        origin=ledger.origin,
        ledger=ledger.name,
        report="0" * 32,
        framework="soc2",
        start="2026-10-01",
        end="2026-11-01",
        snapshot=str(uuid4()),
        head_seq=seq,
        head_hash=Entry.objects.get(ledger=ledger, seq=seq).hash,
        files=(FileSum(name="report.json", size=2, sha256=sha256(b"{}").hexdigest()),),
    )


def text_of(ledger: Ledger, seq: int = SIZE - 1) -> str:
    """Return the text of such a manifest."""
    return format_report_manifest(manifest_of(ledger, seq))


def never(text: str) -> bytes:
    """Stand for the key where nothing may be signed."""
    raise AssertionError(f"this text was given to the signer:\n{text}")


@pytest.fixture
def put(superuser: Connection) -> Callable[[Ledger, str], None]:
    """Return what writes any text into the table, as whoever broke in would."""

    def put(ledger: Ledger, text: str) -> None:
        superuser.execute(
            "INSERT INTO audit_signature (ledger_id, id, text) VALUES (%s, %s, %s)",
            (ledger.id, uuid4(), text),
        )

    return put


def refusals(ledger: Ledger) -> list[str]:
    """Return why texts of a ledger were refused."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT refusal FROM audit_signature WHERE ledger_id = %s AND note IS NULL"
            " AND settled_at IS NOT NULL ORDER BY asked_at",
            [ledger.id],
        )
        return [refusal for (refusal,) in cursor.fetchall()]


def test_a_manifest_of_this_ledger_is_signed_by_its_key(twelve: Ledger) -> None:
    text = text_of(twelve)
    named = ask_for_signature(twelve, text)
    assert signature_of(twelve, named) is None
    assert twelve in ledgers_with_waiting_texts()

    assert sign_waiting_texts(twelve, signing(twelve)) == 1

    found = signature_of(twelve, named)
    assert isinstance(found, Signed)
    opened = open_note(found.note, keys=known_keys(twelve))
    assert opened.text == text
    assert twelve not in ledgers_with_waiting_texts()


def test_the_seal_command_signs_what_waits(twelve: Ledger) -> None:
    named = ask_for_signature(twelve, text_of(twelve))

    call_command("seal", ledger=twelve.name, stdout=StringIO())

    assert isinstance(signature_of(twelve, named), Signed)


@pytest.mark.usefixtures("alone")
def test_the_sealing_process_signs_within_its_patience_also_what_is_not_sealed_yet(
    twelve: Ledger,
) -> None:
    chain(twelve, [make_event() for _ in range(3)])
    sealed_one = ask_for_signature(twelve, text_of(twelve))
    newer = ask_for_signature(twelve, text_of(twelve, SIZE + 1))
    process = subprocess.Popen(
        [sys.executable, "manage.py", "seal", "--follow"],
        cwd=ROOT,
        env=os.environ | {"OBS_DATABASE_ROLE": "worker"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        ends = time.monotonic() + PATIENCE.total_seconds()
        while not all(signature_of(twelve, each) for each in (sealed_one, newer)):
            assert time.monotonic() < ends, "not signed in time"
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0

    assert isinstance(signature_of(twelve, sealed_one), Signed)
    assert isinstance(signature_of(twelve, newer), Signed)


def test_the_same_text_has_one_signature_however_often_it_is_asked_for(twelve: Ledger) -> None:
    text = text_of(twelve)
    first = ask_for_signature(twelve, text)
    sign_waiting_texts(twelve, signing(twelve))

    again = ask_for_signature(twelve, text)

    assert again == first
    assert isinstance(signature_of(twelve, again), Signed)
    assert sign_waiting_texts(twelve, never) == 0


def test_every_entry_of_the_tree_can_be_the_head_of_a_report(twelve: Ledger) -> None:
    texts = [text_of(twelve, seq) for seq in range(SIZE)]
    for text in texts:
        ask_for_signature(twelve, text)

    assert sign_waiting_texts(twelve, signing(twelve)) == SIZE


def test_a_head_that_no_checkpoint_covers_waits_for_one(twelve: Ledger) -> None:
    chain(twelve, [make_event() for _ in range(3)])
    last = Entry.objects.filter(ledger=twelve).order_by("-seq").values_list("seq", flat=True)[0]
    named = ask_for_signature(twelve, text_of(twelve, last))

    assert sign_waiting_texts(twelve, never) == 0
    assert signature_of(twelve, named) is None
    assert seal(twelve) is not None

    assert sign_waiting_texts(twelve, signing(twelve)) == 1


def test_a_ledger_without_a_checkpoint_signs_nothing_and_refuses_nothing(ledger: Ledger) -> None:
    chain(ledger, [make_event() for _ in range(3)])
    named = ask_for_signature(ledger, text_of(ledger, 2))

    assert sign_waiting_texts(ledger, never) == 0

    assert signature_of(ledger, named) is None


def wrong_texts(ledger: Ledger) -> Iterator[tuple[str, str]]:
    """Yield texts that may never be signed, each with a word of the reason."""
    good = manifest_of(ledger)
    text = format_report_manifest(good)
    note = CheckpointNote.objects.filter(ledger=ledger).latest("size")
    root = bytes.fromhex(note.root)
    checkpoint = Checkpoint(origin=ledger.origin, size=note.size, root=root)
    yield "no manifest", format_checkpoint(checkpoint)
    yield "no manifest", format_checkpoint(replace(checkpoint, size=note.size + 7))
    yield "no manifest", f"cosignature/v1\ntime 1\n{format_checkpoint(checkpoint)}"
    yield "no manifest", f"{HEADER}\n{text.partition(chr(10))[2]}"
    yield "no manifest", text + format_checkpoint(checkpoint)
    yield "no manifest", format_checkpoint(checkpoint) + text
    yield "no manifest", text.replace(REPORT_HEADER, f"{ledger.origin}\n{note.size}")
    yield "no manifest", text.replace(REPORT_HEADER, f" {REPORT_HEADER}")
    yield "no manifest", text.replace("\n", "\r\n")
    yield "no manifest", text[:-1]
    yield "no manifest", text + "\n"
    yield "no manifest", "hello\n"
    yield "another ledger", format_report_manifest(replace(good, ledger="another"))
    yield "another ledger", format_report_manifest(replace(good, origin="example.org/another"))
    yield "another hash", format_report_manifest(replace(good, head_hash="0" * 64))
    yield "another hash", format_report_manifest(replace(good, head_seq=good.head_seq - 1))
    yield "no entry", format_report_manifest(replace(good, head_seq=10**6))


def test_nothing_but_a_true_manifest_is_given_to_the_signer(
    twelve: Ledger, put: Callable[[Ledger, str], None]
) -> None:
    texts = list(wrong_texts(twelve))
    for _, text in texts:
        put(twelve, text)

    assert sign_waiting_texts(twelve, never) == 0

    for (why, text), refusal in zip(texts, refusals(twelve), strict=True):
        assert refusal.startswith("not signed: "), text
        assert why in refusal, text


def test_the_manifest_of_an_evidence_bundle_is_not_signed_here(
    twelve: Ledger, put: Callable[[Ledger, str], None]
) -> None:
    made_export(twelve)
    with connection.cursor() as cursor:
        cursor.execute("SELECT manifest FROM audit_export WHERE ledger_id = %s", [twelve.id])
        ((text,),) = cursor.fetchall()
    put(twelve, text)

    assert sign_waiting_texts(twelve, never) == 0

    assert "no manifest of a report" in refusals(twelve)[0]


def test_the_manifest_of_a_report_is_not_signed_as_that_of_a_bundle(
    twelve: Ledger, superuser: Connection
) -> None:
    export = ask(twelve)
    work_through_exports(twelve)
    superuser.execute(
        "UPDATE audit_export SET manifest = %s WHERE id = %s", (text_of(twelve), export.id)
    )

    assert sign_waiting_manifests(twelve, never) == 0


def test_an_entry_that_was_changed_in_the_table_is_not_in_the_signed_tree(
    twelve: Ledger, superuser: Connection
) -> None:
    forged = sha256(b"forged").digest()
    with tampering(superuser) as free:
        free.execute(
            "UPDATE audit_entry SET hash = %s WHERE ledger_id = %s AND seq = 5", (forged, twelve.id)
        )
    text = format_report_manifest(replace(manifest_of(twelve), head_seq=5, head_hash=forged.hex()))
    named = ask_for_signature(twelve, text)

    assert sign_waiting_texts(twelve, never) == 0

    found = signature_of(twelve, named)
    assert isinstance(found, Refused)
    assert "not in the tree that was signed" in found.why


def test_a_read_only_ledger_signs_no_report_any_more(twelve: Ledger) -> None:
    named = ask_for_signature(twelve, text_of(twelve))
    twelve.is_read_only, twelve.read_only_reason = True, "forked"

    assert sign_waiting_texts(twelve, never) == 0

    found = signature_of(twelve, named)
    assert isinstance(found, Refused)
    assert "read-only" in found.why


def test_what_was_refused_is_tried_again_when_it_is_asked_for_again(twelve: Ledger) -> None:
    text = text_of(twelve)
    named = ask_for_signature(twelve, text)
    twelve.is_read_only = True
    sign_waiting_texts(twelve, never)
    twelve.is_read_only = False

    assert ask_for_signature(twelve, text) == named

    assert signature_of(twelve, named) is None
    assert sign_waiting_texts(twelve, signing(twelve)) == 1


def test_nobody_can_ask_for_another_text(twelve: Ledger) -> None:
    with pytest.raises(ManifestMalformed):
        ask_for_signature(twelve, "example.org/audit/main\n7\nAAAA\n")


def test_an_id_that_nobody_asked_for_is_said_to_be_unknown(twelve: Ledger) -> None:
    with pytest.raises(LookupError, match="nobody asked"):
        signature_of(twelve, uuid4())


@pytest.mark.parametrize("role", ["web", "read"])
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO audit_signature (ledger_id, id, text) VALUES ({}, gen_random_uuid(), 'x')",
        "UPDATE audit_signature SET note = 'x', settled_at = now() WHERE ledger_id = {}",
        "UPDATE audit_signature SET text = 'x' WHERE ledger_id = {}",
        "DELETE FROM audit_signature WHERE ledger_id = {}",
    ],
)
def test_who_makes_no_reports_may_only_look(
    twelve: Ledger, as_role: AsRole, role: str, statement: str
) -> None:
    ask_for_signature(twelve, text_of(twelve))
    connected = as_role(role)

    with pytest.raises(InsufficientPrivilege):
        connected.execute(statement.format(twelve.id))

    looked = connected.execute(
        "SELECT count(*) FROM audit_signature WHERE ledger_id = %s", (twelve.id,)
    )
    assert looked.fetchone() == (1,)


def test_a_text_stays_as_it_was_asked_for_and_signed(twelve: Ledger, superuser: Connection) -> None:
    ask_for_signature(twelve, text_of(twelve))
    sign_waiting_texts(twelve, signing(twelve))

    for change in (
        "UPDATE audit_signature SET text = 'another' WHERE ledger_id = %s",
        "UPDATE audit_signature SET note = 'another' WHERE ledger_id = %s",
        "UPDATE audit_signature SET note = NULL, settled_at = NULL WHERE ledger_id = %s",
        "DELETE FROM audit_signature WHERE ledger_id = %s",
    ):
        with pytest.raises(PostgresError, match="stays as it was asked for"):
            superuser.execute(change, (twelve.id,))


def test_every_flipped_bit_of_a_text_makes_it_another_or_none(twelve: Ledger) -> None:
    text = text_of(twelve).encode()
    told = parse_report_manifest(text.decode())
    for at in range(len(text)):
        for bit in range(8):
            flipped = bytearray(text)
            flipped[at] ^= 1 << bit
            try:
                found = parse_report_manifest(flipped.decode())
            except (ManifestMalformed, UnicodeDecodeError):
                continue
            assert found != told
            assert format_report_manifest(found).encode() == flipped

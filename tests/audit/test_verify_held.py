"""Verification against what others hold: kept notes, lines of sinks, the state of the signer."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from audit import run_queue, runs
from audit.held import Held, NoteFile, SignerState, SinkNotes
from audit.ledger.checkpoint import Checkpoint, format_checkpoint
from audit.ledger.note import make_signing_key, sign_note
from audit.models import CheckpointNote, Ledger, Verification
from audit.runs import verify_new
from audit.signer import keys_path
from audit.sinks import Published
from audit.sinks.file import FileSink
from audit.verify import verify
from tests.audit.tampering import Connection
from tests.audit.verifying import verifychain
from tests.audit.verifying_seals import note_at, sealed

__all__ = ["sealed"]  # fixtures, which pytest finds by their names here


def test_a_kept_note_that_the_ledger_continues_is_named(sealed: Ledger, tmp_path: Path) -> None:
    kept = tmp_path / "october.note"
    kept.write_bytes(note_at(sealed, 600))

    code, said = verifychain(sealed, "--anchor", str(kept))

    assert code == 0
    # verifychain reads the signer's state by itself.
    held = "continues what is held by october.note (size 600), the signer's state (size 700)"
    assert held in said["note"]


def test_every_line_of_a_sinks_file_is_compared(sealed: Ledger, tmp_path: Path) -> None:
    lines = [
        json.dumps({"origin": sealed.origin, "note": note_at(sealed, size).decode()})
        for size in (300, 600, 700)
    ]
    file = tmp_path / "x.checkpoints"
    file.write_text("\n".join([lines[0], '{"torn', *lines[1:]]) + "\n")

    held = NoteFile(path=file).held(sealed)

    assert len(held.notes) == 3
    assert verify(sealed, holders=[NoteFile(path=file)]).result == "intact"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "holds no checkpoint of"),
        (b'{"origin": "x"}\n', "holds no checkpoint of"),
        (b"no note at all\n", "no signed note"),
    ],
)
def test_a_file_without_a_note_of_this_ledger_proves_nothing(
    sealed: Ledger, tmp_path: Path, content: bytes, why: str
) -> None:
    file = tmp_path / "x"
    file.write_bytes(content)

    report = verify(sealed, holders=[NoteFile(path=file)])

    assert report.result == "not_proven"
    assert why in report.note


def test_another_ledgers_note_accuses_nobody(sealed: Ledger, tmp_path: Path) -> None:
    stranger = make_signing_key(name="another.example/log", seed=bytes(32))
    text = format_checkpoint(Checkpoint(origin=stranger.key.name, size=5, root=bytes(32)))
    file = tmp_path / "x"
    file.write_bytes(sign_note(text, signers=[stranger]))

    report = verify(sealed, holders=[NoteFile(path=file)])

    assert report.result == "not_proven"
    assert "not signed by" in report.note


def test_the_signers_state_is_compared_and_absent_where_nothing_was_signed(
    sealed: Ledger, superuser: Connection
) -> None:
    assert "the signer's state (size 700)" in verify(sealed, holders=[SignerState()]).note
    keys_path(sealed.name).with_suffix(".state").write_text(
        json.dumps({"origin": sealed.origin, "size": 700, "root": bytes(32).hex()})
    )

    report = verify(sealed, holders=[SignerState()])

    assert report.first is not None
    assert (report.first.seq, report.first.field) == (699, "the signer's state root")
    keys_path(sealed.name).with_suffix(".state").unlink()
    assert SignerState().held(sealed) == Held()


def test_a_run_by_hand_and_by_night_compares_with_the_sinks_and_a_background_one_does_not(
    sealed: Ledger, settings: Any
) -> None:
    FileSink(settings.ANCHOR_FOLDER, interval=0).publish(_published(sealed, 700))

    for kind in ("manual", "nightly"):
        run_queue.ask_for_run(sealed, kind=kind)
    runs.work_through_queue(sealed)
    verify_new(sealed)

    notes = dict(Verification.objects.filter(ledger=sealed).values_list("kind", "note"))
    assert "continues what is held by file (size 700)" in notes["manual"]
    assert "continues what is held by file (size 700)" in notes["nightly"]
    assert Verification.objects.filter(ledger=sealed, result="intact").count() == len(notes)


def test_a_sink_that_cannot_be_asked_is_shown_and_proves_nothing_against_the_ledger(
    sealed: Ledger, tmp_path: Path
) -> None:
    (tmp_path / "blocked").write_text("a file where a folder should be")
    sink = FileSink(tmp_path / "blocked", interval=0)

    report = verify(sealed, holders=[SinkNotes(sinks=[sink])])

    assert report.result == "intact"
    assert "file could not be asked" in report.note


def _published(ledger: Ledger, size: int) -> Published:
    row = CheckpointNote.objects.get(ledger=ledger, size=size)
    return Published(
        ledger=ledger.name,
        origin=ledger.origin,
        size=size,
        root=bytes.fromhex(row.root),
        note=bytes(row.note),
        signed_at=datetime.now(UTC),
    )

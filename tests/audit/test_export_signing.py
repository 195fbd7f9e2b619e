"""The signature of a bundle: awaited by nobody, and given to a manifest of this ledger alone."""

from __future__ import annotations

from hashlib import sha256

import pytest
from django.core.management import call_command

from audit.errors import NotExported
from audit.exportfile import parts, path_of
from audit.exporting import work_through_exports
from audit.ledger.checkpoint import Checkpoint, format_checkpoint
from audit.manifests import sign_waiting_manifests
from audit.models import CheckpointNote, Ledger
from audit.seal import seal
from audit.signer import drop_older_keys, make_key
from tests.audit.exporting import SIZE, again, ask, finish, made, signing, thirty, told, wanted
from tests.audit.tampering import Connection
from tests.conftest import chain, make_event

__all__ = ["thirty"]  # fixtures, which pytest finds by their names here


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

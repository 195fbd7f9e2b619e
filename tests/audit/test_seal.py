"""Sealing: a checkpoint is signed only if it continues all that was signed before it."""

from __future__ import annotations

import stat
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from audit.append import append_pending
from audit.database import rows
from audit.errors import (
    LedgerBehind,
    LedgerForked,
    SignerFailed,
    SigningKeyMissing,
    SigningKeyWrong,
    TilesMissing,
)
from audit.ledger.checkpoint import open_checkpoint
from audit.ledger.note import format_verifier_key
from audit.ledgers import open_ledger
from audit.models import AgentKey, CheckpointNote, Head, Ledger, Sealing
from audit.seal import grown_ledgers, known_keys, seal
from audit.signer import keys_path, make_key, signers_of, state_of
from audit.state import ledger_state
from tests.audit.tampering import Connection, tampering
from tests.audit.test_tree import grow_to, root_by_hand
from tests.conftest import chain, entries, make_event


@pytest.fixture
def keys(settings: Any, tmp_path: Path) -> Path:
    """Keep signing keys in a folder of the test's own."""
    settings.SIGNING_DIR = tmp_path / "signing"
    settings.SIGNER_COMMAND = ""
    return tmp_path / "signing"


@pytest.fixture
def signed(ledger: Ledger, keys: Path) -> Ledger:
    """Return a ledger with a key, ten entries and a checkpoint over them."""
    make_key(ledger.name, origin=ledger.origin)
    grow_to(ledger, 10)
    assert seal(ledger) is not None
    append_pending(ledger.id)  # the entry that announces the key
    return ledger


def told(ledger: Ledger) -> tuple[str, str]:
    """Return what people see of sealing."""
    found = Sealing.objects.get(ledger=ledger)
    return found.state, found.error


def stopped(ledger: Ledger) -> bool:
    ledger.refresh_from_db()
    return ledger.is_read_only


def actions(ledger: Ledger) -> list[str]:
    append_pending(ledger.id)
    return [each.action for each in entries(ledger)]


def test_a_checkpoint_says_size_and_root_and_opens_with_the_ledgers_key(
    ledger: Ledger, keys: Path
) -> None:
    key = make_key(ledger.name, origin=ledger.origin)
    leaves = grow_to(ledger, 700)

    sealed = seal(ledger)

    assert sealed is not None
    kept = CheckpointNote.objects.get(ledger=ledger)
    found = open_checkpoint(bytes(kept.note), origin=ledger.origin, keys=[key])
    assert (found.checkpoint.size, found.checkpoint.root) == (700, root_by_hand(leaves))
    assert (kept.size, kept.root, bytes(kept.note)) == (700, sealed.root.hex(), sealed.note)
    assert told(ledger) == ("ok", "")


def test_what_has_not_grown_is_not_signed_again(signed: Ledger) -> None:
    seal(signed)

    assert seal(signed) is None
    assert signed not in grown_ledgers()
    assert CheckpointNote.objects.filter(ledger=signed).count() == 2


def test_an_empty_ledger_is_not_signed(ledger: Ledger, keys: Path) -> None:
    make_key(ledger.name, origin=ledger.origin)

    assert seal(ledger) is None


def test_the_key_and_its_state_are_for_their_owner_alone(signed: Ledger) -> None:
    for path in (keys_path(signed.name), keys_path(signed.name).with_suffix(".state")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_first_use_of_a_key_is_an_entry(signed: Ledger) -> None:
    (announced,) = [e for e in entries(signed) if e.action == "audit.key_announced"]

    (vkey,) = map(format_verifier_key, known_keys(signed))
    assert announced.parsed()["event"]["details"]["vkey"] == vkey


def test_without_a_key_nothing_is_signed_and_it_says_how_to_make_one(
    ledger: Ledger, keys: Path
) -> None:
    grow_to(ledger, 3)

    with pytest.raises(SigningKeyMissing, match=f"makesigningkey --ledger {ledger.name}"):
        seal(ledger)
    assert told(ledger)[0] == "no_key"
    assert not stopped(ledger)


def test_another_key_signs_nothing(signed: Ledger) -> None:
    keys_path(signed.name).unlink()
    make_key(signed.name, origin=signed.origin)

    with pytest.raises(SigningKeyWrong, match="has never signed"):
        seal(signed)
    assert told(signed)[0] == "wrong_key"


def test_a_key_of_another_ledger_signs_nothing(ledger: Ledger, keys: Path) -> None:
    make_key(ledger.name, origin="another.example/log")
    grow_to(ledger, 3)

    with pytest.raises(SignerFailed, match=r"is for another\.example/log"):
        seal(ledger)


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        ("nonsense\n", 0o600, "a signing key starts with"),
        (None, 0o644, "can be read by others"),
    ],
)
def test_a_key_file_that_cannot_be_used_is_told(
    signed: Ledger, content: str | None, mode: int, said: str
) -> None:
    path = keys_path(signed.name)
    if content is not None:
        path.write_text(content)
    path.chmod(mode)

    with pytest.raises(SignerFailed, match=said):
        seal(signed)
    assert told(signed)[0] == "failed"


# --- Rotation -------------------------------------------------------------------------------------


def test_both_keys_sign_while_they_overlap_and_old_checkpoints_stay_verifiable(
    signed: Ledger,
) -> None:
    (old,) = known_keys(signed)
    new = make_key(signed.name, origin=signed.origin)

    sealed = seal(signed)
    assert sealed is not None
    for key in (old, new):
        open_checkpoint(sealed.note, origin=signed.origin, keys=[key])
    call_command("makesigningkey", ledger=signed.name, drop_older=True, stdout=StringIO())
    chain(signed, [make_event()])
    last = seal(signed)

    assert last is not None
    opened = open_checkpoint(last.note, origin=signed.origin, keys=[old, new]).opened
    assert [each.key for each in opened.signed] == [new]
    assert known_keys(signed) == [new, old]
    assert actions(signed).count("audit.key_announced") == 2
    first = CheckpointNote.objects.filter(ledger=signed).order_by("size")[0]
    open_checkpoint(bytes(first.note), origin=signed.origin, keys=known_keys(signed))


def test_the_older_key_is_not_dropped_before_the_new_one_has_signed(signed: Ledger) -> None:
    call_command("makesigningkey", ledger=signed.name, rotate=True, stdout=StringIO())

    with pytest.raises(CommandError, match="has not signed yet"):
        call_command("makesigningkey", ledger=signed.name, drop_older=True)


def test_a_lost_key_is_not_replaced_in_silence(signed: Ledger) -> None:
    keys_path(signed.name).unlink()

    with pytest.raises(CommandError, match=r"put .* back\. If the key is lost for good: .*succeed"):
        call_command("makesigningkey", ledger=signed.name)
    with pytest.raises(CommandError, match="put it back first"):
        call_command("makesigningkey", ledger=signed.name, rotate=True)


# --- A key store ----------------------------------------------------------------------------------

_STORE = """
import base64, pathlib, sys
sys.path.insert(0, {root!r})
from audit.ledger.note import format_verifier_key, make_signing_key
key = make_signing_key(name=pathlib.Path({folder!r}, "origin").read_text(), seed=bytes({seed}))
if sys.argv[1] == "keys":
    print(format_verifier_key(key.key))
elif sys.argv[1] == "sign":
    {sign}
"""


def key_store(folder: Path, settings: Any, ledger: Ledger, sign: str) -> None:
    """Put a command in the place of the key files, as a key store's client would be."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "origin").write_text(ledger.origin)
    script = folder / "store.py"
    root = str(Path(__file__).parents[2])
    script.write_text(_STORE.format(root=root, folder=str(folder), seed=32, sign=sign))
    settings.SIGNER_COMMAND = f"{sys.executable} {script}"


_SIGNS = "print(base64.b64encode(key.sign(sys.stdin.buffer.read())).decode())"


def test_a_command_signs_in_the_place_of_a_file(ledger: Ledger, keys: Path, settings: Any) -> None:
    key_store(keys, settings, ledger, _SIGNS)
    grow_to(ledger, 5)

    sealed = seal(ledger)

    (signer,) = signers_of(ledger.name, origin=ledger.origin)
    assert sealed is not None
    open_checkpoint(sealed.note, origin=ledger.origin, keys=[signer.key])
    assert not keys_path(ledger.name).exists()


@pytest.mark.parametrize(
    ("sign", "said"),
    [
        ("print(base64.b64encode(bytes(64)).decode())", "gave no signature of"),
        ("print('x')", "gave no signature of"),
        ("sys.exit('the store is sealed')", "ended with 1: the store is sealed"),
    ],
)
def test_a_command_that_does_not_sign_right_is_told_and_nothing_is_shown(
    ledger: Ledger, keys: Path, settings: Any, sign: str, said: str
) -> None:
    key_store(keys, settings, ledger, sign)
    grow_to(ledger, 5)

    with pytest.raises(SignerFailed, match=said):
        seal(ledger)
    assert not CheckpointNote.objects.filter(ledger=ledger).exists()
    assert state_of(ledger.name, origin=ledger.origin).read() is None


# --- Behind and forked ----------------------------------------------------------------------------


def cut_to(ledger: Ledger, size: int, superuser: Connection) -> None:
    """Make a ledger as it was at this size, as a restored backup would."""
    with tampering(superuser):
        for table in ("audit_entry", "audit_eventkey"):
            superuser.execute(
                f"DELETE FROM {table} WHERE ledger_id = %s AND seq >= %s", (ledger.id, size)
            )
        superuser.execute(
            "DELETE FROM audit_checkpoint WHERE ledger_id = %s AND size > %s", (ledger.id, size)
        )
        superuser.execute(
            "UPDATE audit_head AS h SET size = %s, hash = (SELECT hash FROM audit_entry "
            "WHERE ledger_id = h.ledger_id AND seq = %s) WHERE ledger_id = %s",
            (size, size - 1, ledger.id),
        )


def test_a_restored_ledger_is_behind_and_takes_no_more(
    signed: Ledger, superuser: Connection
) -> None:
    chain(signed, [make_event() for _ in range(5)])
    seal(signed)
    cut_to(signed, 11, superuser)

    with pytest.raises(LedgerBehind, match="has 11 entries, but 16 were signed"):
        seal(signed)
    assert told(signed)[0] == "behind"
    assert stopped(signed)
    assert signed.read_only_reason.startswith(f"{signed.name} has 11 entries")
    assert actions(signed)[-1] == "audit.anchor_mismatch"
    with pytest.raises(LedgerBehind):
        seal(signed)
    assert actions(signed).count("audit.anchor_mismatch") == 1


def test_a_rewritten_ledger_is_forked_however_long_it_grew_meanwhile(
    signed: Ledger, superuser: Connection
) -> None:
    chain(signed, [make_event() for _ in range(5)])
    seal(signed)
    cut_to(signed, 9, superuser)
    chain(signed, [make_event() for _ in range(20)])  # the same platform, another history

    with pytest.raises(LedgerForked, match="does not continue what was signed at size 16"):
        seal(signed)
    assert told(signed)[0] == "forked"
    assert stopped(signed)


def test_without_its_state_file_it_still_continues_its_own_checkpoints(
    signed: Ledger, superuser: Connection
) -> None:
    chain(signed, [make_event() for _ in range(5)])
    seal(signed)
    keys_path(signed.name).with_suffix(".state").unlink()
    with tampering(superuser):
        superuser.execute(
            "UPDATE audit_entry SET hash = sha256('forged') WHERE ledger_id = %s AND seq = 3",
            (signed.id,),
        )
    chain(signed, [make_event()])

    with pytest.raises(LedgerForked, match="at size 16"):
        seal(signed)


def test_a_stored_checkpoint_that_was_changed_is_a_fork(
    signed: Ledger, superuser: Connection
) -> None:
    with tampering(superuser):
        superuser.execute(
            "UPDATE audit_checkpoint "
            "SET note = overlay(note PLACING 'x' FROM octet_length(note) - 5) WHERE ledger_id = %s",
            (signed.id,),
        )

    with pytest.raises(LedgerForked, match="in its own table is not what was signed"):
        seal(signed)


def test_a_note_that_others_gave_back_is_continued_too(
    signed: Ledger, superuser: Connection
) -> None:
    chain(signed, [make_event() for _ in range(5)])
    anchored = seal(signed)
    assert anchored is not None
    cut_to(signed, 12, superuser)
    keys_path(signed.name).with_suffix(".state").unlink()  # restored with the rest
    chain(signed, [make_event() for _ in range(9)])

    with pytest.raises(LedgerForked):
        seal(signed, anchored=[anchored.note])


def test_what_was_signed_and_not_stored_is_signed_again_at_the_same_root(
    signed: Ledger, superuser: Connection
) -> None:
    chain(signed, [make_event()])
    lost = seal(signed)
    assert lost is not None
    with tampering(superuser):  # as if the process had died between signing and storing
        superuser.execute(
            "DELETE FROM audit_checkpoint WHERE ledger_id = %s AND size = %s",
            (signed.id, lost.size),
        )

    again = seal(signed)

    assert again is not None
    assert (again.size, again.root) == (lost.size, lost.root)


def test_without_tiles_nothing_is_signed(signed: Ledger, superuser: Connection) -> None:
    grow_to(signed, 300)
    with tampering(superuser):
        superuser.execute("DELETE FROM audit_tile WHERE ledger_id = %s", (signed.id,))
        superuser.execute("DELETE FROM audit_checkpoint WHERE ledger_id = %s", (signed.id,))
    keys_path(signed.name).with_suffix(".state").unlink()

    with pytest.raises(TilesMissing, match="filltiles"):
        seal(signed)
    assert told(signed)[0] == "no_tiles"
    assert not stopped(signed)


# --- The way out ----------------------------------------------------------------------------------


def test_a_new_ledger_follows_and_its_first_entry_names_the_old_head_and_checkpoint(
    signed: Ledger, superuser: Connection, api_key: Any
) -> None:
    api_key(signed, "events:write")
    newest = CheckpointNote.objects.filter(ledger=signed).order_by("-size")[0]
    name = f"{signed.name}.2"
    out = StringIO()

    call_command("succeed", signed.name, reason="restored a backup", stdout=out)

    new = Ledger.objects.get(name=name)
    append_pending(new.id)
    first = entries(new)[0].parsed()["event"]
    head = Head.objects.get(ledger=signed)
    assert first["action"] == "audit.ledger_succeeded"
    assert first["target"]["id"] == signed.name
    assert (first["details"]["size"], first["details"]["head"]) == (head.size, head.hash)
    assert first["details"]["checkpoint"] == bytes(newest.note).decode()
    assert stopped(signed)
    assert AgentKey.objects.get(ledger=new).scopes == ["events:write"]
    assert seal(new) is not None
    assert signed.succeeded_by == name
    shown = ledger_state(name=signed.name)
    assert shown is not None
    assert (shown.word, shown.is_contradicted) == ("ended", False)
    assert signed not in grown_ledgers()
    assert "1 API keys moved over" in out.getvalue()


def test_a_name_that_is_taken_and_an_empty_reason_are_refused(signed: Ledger) -> None:
    other = open_ledger(f"{signed.name}.other")

    with pytest.raises(CommandError, match="there is a ledger"):
        call_command("succeed", signed.name, reason="x", name=other.name)
    with pytest.raises(CommandError, match="say why"):
        call_command("succeed", signed.name, reason=" ")
    assert not stopped(signed)


def test_the_command_seals_all_and_says_what_could_not_be(signed: Ledger) -> None:
    chain(signed, [make_event()])
    out = StringIO()

    call_command("seal", ledger=signed.name, stdout=out)

    size = Head.objects.get(ledger=signed).size
    assert f"{signed.name}: sealed at size {size:,}" in out.getvalue()
    ((newest,),) = rows("SELECT max(size) FROM audit_checkpoint WHERE ledger_id = %s", (signed.id,))
    assert newest == size


def test_the_command_fails_when_a_ledger_cannot_be_sealed(ledger: Ledger, keys: Path) -> None:
    grow_to(ledger, 2)
    errors = StringIO()

    with pytest.raises(CommandError, match="1 ledgers could not be sealed"):
        call_command("seal", ledger=ledger.name, stderr=errors)
    assert f"{ledger.name}: not sealed: no signing key" in errors.getvalue()

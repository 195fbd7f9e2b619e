"""Verification of what was signed: ranges, keys from outside, tiles above tiles.

What others hold: test_verify_held.py. Resuming: test_verify_resumed.py. Attacks, each by its name:
attacks/.
"""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from audit.append import append_pending
from audit.fill import fill_tiles
from audit.ledger.merkle import check_inclusion, prove_inclusion, root_of
from audit.ledger.note import (
    COSIGNATURE,
    add_signatures,
    cosign,
    format_note,
    format_verifier_key,
    make_signing_key,
    parse_note,
)
from audit.models import Entry, Ledger
from audit.seal import known_keys, seal
from audit.signer import make_key
from audit.tree import tree_of
from audit.verify import NO_CHECKPOINT, verify
from tests.audit.let_go import let_go
from tests.audit.pruning import prune
from tests.audit.retaining import seed
from tests.audit.tampering import AsRole, Connection, tampering
from tests.audit.test_tree import grow_to
from tests.audit.verifying import verifychain
from tests.audit.verifying_seals import change, note_at, sealed
from tests.conftest import chain, make_event

__all__ = ["sealed"]  # fixtures, which pytest finds by their names here


# --- What is said ---------------------------------------------------------------------------------


def test_the_note_says_up_to_where_it_is_sealed_by_whom_and_what_is_not_yet(
    sealed: Ledger,
) -> None:
    (key,) = known_keys(sealed)

    report = verify(sealed)

    assert (report.result, report.sealed_to) == ("intact", 700)
    assert report.note == (
        f"sealed up to #699 by {key}; by the database's own word for its keys; --key VKEY checks "
        "them; witnessed by nobody; no checkpoint covers #700 to #899 yet"
    )


@pytest.mark.parametrize(
    ("start", "end", "sealed_to", "uncovered"),
    [
        (0, 300, 300, None),
        (0, 200, 200, None),
        (300, 600, 600, None),
        (310, 320, 320, None),
        (256, 768, 700, "#700 to #767"),
        (650, 900, 700, "#700 to #899"),
        (750, 800, 700, "#750 to #799"),
    ],
)
def test_a_range_is_sealed_as_far_as_a_checkpoint_covers_it(
    sealed: Ledger, start: int, end: int, sealed_to: int, uncovered: str | None
) -> None:
    report = verify(sealed, from_seq=start, to_seq=end)

    assert (report.result, report.sealed_to) == ("intact", sealed_to), report
    assert (f"no checkpoint covers {uncovered} yet" in report.note) == (uncovered is not None)
    assert ("sealed up to" in report.note) == (sealed_to > start)


def test_a_record_changed_with_its_hash_and_link_is_found_by_a_range_in_the_middle_of_a_tile(
    sealed: Ledger, superuser: Connection
) -> None:
    """No tile ends in the range and no checkpoint: the one that covers it tells."""
    change(
        superuser,
        "UPDATE audit_entry SET hash = sha256(hash) WHERE ledger_id = %s AND seq = 640",
        sealed,
    )

    report = verify(sealed, from_seq=641, to_seq=650)

    assert report.result == "tampered"
    assert report.first is not None
    assert (report.first.seq, report.first.field) == (641, "prev")
    assert report.broken == 1  # tile and checkpoint hold what #640 was


def test_the_tiles_above_a_stretch_are_checked_with_it(
    sealed: Ledger, superuser: Connection
) -> None:
    change(
        superuser,
        "UPDATE audit_tile SET hashes = set_byte(hashes, 8191, 255 - get_byte(hashes, 8191)) "
        "WHERE ledger_id = %s AND level = 0 AND index = 1",
        sealed,
    )

    # The last hash of the tile is that of #511, right of the stretch; the tile's root tells.
    report = verify(sealed, from_seq=270, to_seq=290)

    assert report.first is not None
    assert (report.first.seq, report.first.field) == (256, "tile/0/001 root")


# --- Keys from outside ----------------------------------------------------------------------------


def test_a_key_from_outside_takes_the_place_of_the_databases_own_word(sealed: Ledger) -> None:
    vkey = format_verifier_key(known_keys(sealed)[0])

    code, said = verifychain(sealed, "--key", vkey)

    assert (code, said["result"], said["sealed_to"]) == (0, "intact", 700)
    assert "own word" not in said["note"]


def test_a_ledger_that_another_key_signed_is_not_proven(sealed: Ledger) -> None:
    (real,) = known_keys(sealed)
    other = make_signing_key(name=sealed.origin, seed=bytes(32)).key

    code, said = verifychain(sealed, "--key", format_verifier_key(other))

    assert (code, said["result"]) == (3, "not_proven")
    assert f"checkpoint 700 is signed by {real}, by no key that was given" in said["note"]


def test_rotated_keys_verify_with_either_while_both_sign_and_then_with_the_new_one(
    sealed: Ledger,
) -> None:
    (old,) = known_keys(sealed)
    new = make_key(sealed.name, origin=sealed.origin)
    seal(sealed)
    append_pending(sealed.id)
    call_command("makesigningkey", ledger=sealed.name, drop_older=True, stdout=StringIO())
    assert [verify(sealed, keys=[key]).result for key in (old, new)] == ["intact", "intact"]
    chain(sealed, [make_event()])
    seal(sealed)

    assert verify(sealed, keys=[new]).result == "intact"
    assert verify(sealed, keys=[old, new]).result == "intact"
    assert verify(sealed, keys=[old]).result == "not_proven"
    assert verify(sealed).result == "intact"


def test_a_witness_counts_once_its_key_is_named(sealed: Ledger, superuser: Connection) -> None:
    witness = make_signing_key(name="w.example", seed=bytes(range(32)), algorithm=COSIGNATURE)
    note = parse_note(note_at(sealed, 700))
    line = cosign(note.text, signer=witness, moment=1_800_000_000)
    with tampering(superuser):
        superuser.execute(
            "UPDATE audit_checkpoint SET note = %s WHERE ledger_id = %s AND size = 700",
            (format_note(add_signatures(note, [line])), sealed.id),
        )

    assert "cosignatures of w.example not checked" in verify(sealed).note
    assert "witnessed by w.example" in verify(sealed, keys=[witness.key]).note


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--key", "nonsense"), "no key"),
        (("--key", "FOREIGN"), "is of another ledger"),
        (("--anchor", "/nowhere/kept.note"), "No such file"),
    ],
)
def test_what_the_verifier_brings_must_be_usable(
    ledger: Ledger, arguments: tuple[str, str], said: str
) -> None:
    foreign = make_signing_key(name="another.example/log", seed=bytes(32)).key
    given = [each.replace("FOREIGN", format_verifier_key(foreign)) for each in arguments]

    with pytest.raises(CommandError, match=said) as refused:
        call_command("verifychain", "--ledger", ledger.name, *given)
    assert refused.value.returncode == 2


# --- Before tiles, before checkpoints -------------------------------------------------------------


def test_before_tiles_were_made_the_chain_is_intact_and_the_note_says_so(
    ledger: Ledger, superuser: Connection
) -> None:
    grow_to(ledger, 600)
    change(superuser, "DELETE FROM audit_tile WHERE ledger_id = %s", ledger)

    whole, part = verify(ledger), verify(ledger, from_seq=300)

    assert (whole.result, part.result) == ("intact", "intact")
    assert whole.note == f"{NO_CHECKPOINT}; no tiles from #0 on: run manage.py filltiles"
    list(fill_tiles(ledger))
    assert verify(ledger).note == NO_CHECKPOINT


def test_a_tile_missing_amid_others_is_a_fault_before_the_first_checkpoint_too(
    ledger: Ledger, superuser: Connection
) -> None:
    grow_to(ledger, 600)
    change(
        superuser,
        "DELETE FROM audit_tile WHERE ledger_id = %s AND level = 0 AND index = 0",
        ledger,
    )

    report = verify(ledger)

    assert report.first is not None
    assert (report.first.seq, report.first.field) == (0, "tile/0/000")


def test_a_head_of_a_trillion_entries_ends_the_run_all_the_same(
    sealed: Ledger, superuser: Connection
) -> None:
    change(superuser, "UPDATE audit_head SET size = 1000000000000 WHERE ledger_id = %s", sealed)

    report = verify(sealed)

    assert report.first is not None
    assert (report.first.seq, report.first.found) == (900, "no entry")
    assert report.broken >= 10**12 - 900


# --- A tile above tiles ---------------------------------------------------------------------------


LARGE = 65_536 + 300


@pytest.fixture
def large(ledger: Ledger) -> Ledger:
    """Return a ledger of more than a year ago with a full tile of the second level."""
    seed(ledger, LARGE)
    return ledger


def test_tiles_of_the_second_level_are_checked_by_all_and_by_a_stretch_below_them(
    large: Ledger, superuser: Connection, as_role: AsRole
) -> None:
    leaf = Entry.objects.get(ledger=large, seq=9).hash
    root = root_of(LARGE, tree_of(large.id, size=LARGE))
    assert verify(large).result == "intact"
    place = "WHERE ledger_id = %s AND level = 1 AND index = 0"

    (kept,) = superuser.execute(f"SELECT hashes, root FROM audit_tile {place}", (large.id,))
    flipped = "hashes = set_byte(hashes, 32 * 9, 255 - get_byte(hashes, 32 * 9))"
    for statement, start, end, field in (
        (flipped, 0, None, "tile/1/000 hash 9"),
        (flipped, 9 * 256 + 5, 11 * 256, "tile/1/000 hash 9"),
        ("root = sha256(root)", 0, None, "tile/1/000 root"),
        ("root = sha256(root)", 9 * 256, 11 * 256, "tile/1/000 root"),
    ):
        change(superuser, f"UPDATE audit_tile SET {statement} {place}", large)

        report = verify(large, from_seq=start, to_seq=end)

        assert report.first is not None, (statement, start)
        assert report.first.field == field, (statement, start)
        with tampering(superuser):
            superuser.execute(
                f"UPDATE audit_tile SET hashes = %s, root = %s {place}", (*kept, large.id)
            )

    # The tiles stay when what is below them goes, and prove as before.
    make_key(large.name, origin=large.origin)
    assert seal(large) is not None
    append_pending(large.id)  # the entry that announces the key
    assert seal(large) is not None
    prune(as_role("owner"), large, to_seq=LARGE - LARGE % 256)
    let_go(large, to_seq=LARGE - LARGE % 256)
    assert verify(large).result == "intact"
    tree = tree_of(large.id, size=LARGE)
    assert root_of(LARGE, tree) == root
    check_inclusion(
        prove_inclusion(index=9, size=LARGE, hashes=tree),
        size=LARGE,
        root=root,
        index=9,
        leaf=bytes.fromhex(leaf),
    )

"""One thing of a sealed ledger changed or deleted: found by verification, at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.ledger.note import format_verifier_key, make_signing_key
from audit.ledgers import open_ledger
from audit.seal import known_keys
from audit.verify import verify
from tests.audit.attacks.finding import found_by_verification, not_proven
from tests.audit.attacks.sealed import Sealed, seal_twice
from tests.audit.forging import forget_seals
from tests.audit.tampering import Connection, tampering


def test_an_untouched_ledger_is_intact_to_everybody(sealed: Sealed) -> None:
    key = known_keys(sealed.ledger)

    report = verify(sealed.ledger, keys=key, holders=sealed.outside)

    assert (report.result, report.sealed_to, report.broken) == ("intact", 600, 0)
    assert f"sealed up to #599 by {key[0]}" in report.note
    assert "continues what is held by" in report.note
    assert "own word" not in report.note


# --- One thing changed ----------------------------------------------------------------------------

Row = tuple[str, str, int, str]
CHANGES: list[Row] = [
    ("edit a record", "UPDATE audit_entry SET record = replace(encode(record, 'escape'), "
     "'search', 'Search')::bytea WHERE ledger_id = %s AND seq = 100", 100, "hash"),
    ("edit a record and its hash", "UPDATE audit_entry SET record = "
     "replace(encode(record, 'escape'), 'search', 'Search')::bytea, hash = sha256('\\x00' || "
     "replace(encode(record, 'escape'), 'search', 'Search')::bytea) "
     "WHERE ledger_id = %s AND seq = 100", 100, "tile/0/000 hash 100"),
    ("edit a column", "UPDATE audit_entry SET outcome = 'denied' "
     "WHERE ledger_id = %s AND seq = 100", 100, "outcome"),
    ("edit a hash of a tile", "UPDATE audit_tile SET hashes = "
     "set_byte(hashes, 7 * 32, 255 - get_byte(hashes, 7 * 32)) "
     "WHERE ledger_id = %s AND level = 0 AND index = 1", 263, "tile/0/001 hash 7"),
    ("edit the root of a tile", "UPDATE audit_tile SET root = sha256(root) "
     "WHERE ledger_id = %s AND level = 0 AND index = 1", 256, "tile/0/001 root"),
    ("delete a tile", "DELETE FROM audit_tile WHERE ledger_id = %s AND level = 0 AND index = 1",
     256, "tile/0/001"),
    ("add a tile beyond the head", "INSERT INTO audit_tile SELECT ledger_id, level, 2, hashes, "
     "root FROM audit_tile WHERE ledger_id = %s AND level = 0 AND index = 1", 512, "tile/0/002"),
    ("add a tile of a level that cannot be", "INSERT INTO audit_tile SELECT ledger_id, 63, index, "
     "hashes, root FROM audit_tile WHERE ledger_id = %s AND level = 0 AND index = 1",
     2**63 - 1, "tile/63/001"),
    ("edit a checkpoint's note", "UPDATE audit_checkpoint SET note = "
     "replace(encode(note, 'escape'), E'\\n300\\n', E'\\n301\\n')::bytea "
     "WHERE ledger_id = %s AND size = 300", 299, "checkpoint 300 note"),
    ("edit a checkpoint's root", "UPDATE audit_checkpoint SET root = sha256(root) "
     "WHERE ledger_id = %s AND size = 300", 299, "checkpoint 300 root"),
    ("edit a checkpoint's size", "UPDATE audit_checkpoint SET size = 299 "
     "WHERE ledger_id = %s AND size = 300", 298, "checkpoint 299 size"),
    ("move a checkpoint beyond the head", "UPDATE audit_checkpoint SET size = 900 "
     "WHERE ledger_id = %s AND size = 600", 600, "checkpoint 900 size"),
    ("delete one entry", "DELETE FROM audit_entry WHERE ledger_id = %s AND seq = 100", 100, "seq"),
    ("delete the tail", "DELETE FROM audit_entry WHERE ledger_id = %s AND seq >= 550", 550, "seq"),
    ("delete all entries", "DELETE FROM audit_entry WHERE ledger_id = %s", 0, "seq"),
    ("swap a signing key in the table", "UPDATE audit_signingkey SET vkey = '{forger}' "
     "WHERE ledger_id = %s", 299, "checkpoint 300 note"),
    ("add a signing key to the table", "INSERT INTO audit_signingkey (ledger_id, first_size, vkey) "
     "VALUES (%s, 600, '{forger}')", 599, "signing key"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("attack", "statement", "seq", "field"), CHANGES, ids=[c[0] for c in CHANGES]
)
def test_one_thing_changed_is_found_by_verification_alone(
    sealed: Sealed, superuser: Connection, attack: str, statement: str, seq: int, field: str
) -> None:
    forger = make_signing_key(name=sealed.ledger.origin, seed=bytes(range(32))).key
    statement = statement.replace("{forger}", format_verifier_key(forger))
    with tampering(superuser):
        assert superuser.execute(statement, (sealed.ledger.id,)).rowcount >= 1

    found_by_verification(attack, verify(sealed.ledger), seq=seq, field=field)


def columns_of(superuser: Connection, table: str) -> list[str]:
    found = superuser.execute(
        "SELECT attname FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        (table,),
    )
    return [name for (name,) in found]


def test_an_entry_duplicated(sealed: Sealed, superuser: Connection) -> None:
    names = columns_of(superuser, "audit_entry")
    later = [f"{n} + interval '1 second'" if n == "received_at" else n for n in names]
    with tampering(superuser):
        superuser.execute(
            f"INSERT INTO audit_entry ({', '.join(names)}) SELECT {', '.join(later)} "
            "FROM audit_entry WHERE ledger_id = %s AND seq = 100",
            (sealed.ledger.id,),
        )

    found_by_verification("duplicate an entry", verify(sealed.ledger), seq=100, field="seq")


def test_two_entries_reordered(sealed: Sealed, superuser: Connection) -> None:
    with tampering(superuser):
        for old, new in ((100, 10_000), (101, 100), (10_000, 101)):
            superuser.execute(
                "UPDATE audit_entry SET seq = %s WHERE ledger_id = %s AND seq = %s",
                (new, sealed.ledger.id, old),
            )

    found_by_verification("reorder two entries", verify(sealed.ledger), seq=100, field="seq")


def test_two_ledgers_swapped(sealed: Sealed, superuser: Connection, tmp_path: Path) -> None:
    other = seal_twice(open_ledger(f"{sealed.ledger.name}.b"), sealed.sink, tmp_path).ledger
    one = sealed.ledger
    with tampering(superuser):
        for ledger_id, name, origin in (
            (other.id, "swapped", "swapped"),
            (one.id, other.name, other.origin),
            (other.id, one.name, one.origin),
        ):
            superuser.execute(
                "UPDATE audit_ledger SET name = %s, origin = %s WHERE id = %s",
                (name, origin, ledger_id),
            )
    one.refresh_from_db()

    found_by_verification("swap two ledgers", verify(one), seq=0, field="ledger")


# --- Checkpoints deleted --------------------------------------------------------------------------


def test_the_newest_checkpoint_deleted(sealed: Sealed, superuser: Connection) -> None:
    with tampering(superuser):
        superuser.execute(
            "DELETE FROM audit_checkpoint WHERE ledger_id = %s AND size = 600", (sealed.ledger.id,)
        )

    attack = "delete the newest checkpoint"
    report = verify(sealed.ledger, holders=sealed.outside)
    not_proven(attack, report, why="there was a checkpoint of size 600", by="a kept checkpoint")


def test_all_checkpoints_deleted(sealed: Sealed, superuser: Connection) -> None:
    with tampering(superuser):
        superuser.execute("DELETE FROM audit_checkpoint WHERE ledger_id = %s", (sealed.ledger.id,))

    attack = "delete all checkpoints"
    not_proven(attack, verify(sealed.ledger), why="there was a checkpoint of size 300, as the sig")


def test_all_checkpoints_and_keys_deleted(sealed: Sealed, superuser: Connection) -> None:
    with tampering(superuser):
        forget_seals(superuser, sealed.ledger)

    attack = "delete all checkpoints and keys"
    report = verify(sealed.ledger)
    not_proven(attack, report, why="there was a checkpoint of size 300, as the entry that")


def test_the_file_of_an_anchor_deleted(sealed: Sealed, superuser: Connection) -> None:
    for path in sealed.sink._folder.glob(f"{sealed.ledger.name}.checkpoints"):
        path.unlink()

    report = verify(sealed.ledger, holders=sealed.outside)
    not_proven("delete the anchors' file", report, why="is gone; put it back from a copy")

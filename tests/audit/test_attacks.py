"""Attacks: what somebody with the whole database, or more, can do, and who finds it.

Each is done for real and must come out *tampered* or *not proven*, at its place and by its cause.
What finds it is one of three: verification with nothing but the database, the sealer before it
signs, and somebody outside who kept a checkpoint. Where verification alone is fooled, the test says
so: that is what the other two are for. A table of all stands at the end of the session's output.
docs/threat-model.md tells the same in words.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections
from psycopg.conninfo import conninfo_to_dict

from audit.append import append_pending
from audit.database import raw_connection
from audit.errors import LedgerBehind, LedgerForked, SigningKeyWrong
from audit.exportfile import path_of
from audit.held import NoteFile, SinkNotes
from audit.ledger.errors import NotConsistent
from audit.ledger.merkle import check_consistency, prove_consistency, root_of
from audit.ledger.note import format_verifier_key, make_signing_key, openssl_verify
from audit.ledger.offline import Trust, verify_bundle
from audit.ledgers import open_ledger
from audit.models import Entry, Ledger
from audit.receive import receive_own
from audit.seal import known_keys, seal
from audit.signer import make_key, signers_of
from audit.sinks import Published
from audit.sinks.file import FileSink
from audit.tree import tree_of
from audit.verify import Report, verify
from audit.verify_tree import leaf_of_tile
from tests.audit.exporting import made
from tests.audit.forging import cut_to, forget_seals, resign, rewrite, size_of
from tests.audit.tampering import AsRole, Connection, tampering
from tests.audit.test_tree import grow_to
from tests.conftest import chain, make_event
from tests.sizes import size as times

FLIPS = times(240, 1_000)
BUNDLE_FLIPS = times(40, 200)


@dataclass(frozen=True, kw_only=True)
class Found:
    """A line of the table."""

    attack: str
    by: str
    result: str
    cause: str


_TABLE: list[Found] = []


@pytest.fixture(scope="module", autouse=True)
def _table(request: pytest.FixtureRequest) -> Iterator[None]:
    """Print what was found, by whom, once all attacks are done."""
    yield
    lines = [f"| {each.attack} | {each.by} | {each.result} | {each.cause} |" for each in _TABLE]
    writer = request.config.get_terminal_writer()
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        for line in ("", "| attack | found by | result | cause |", "|---|---|---|---|", *lines):
            writer.line(line)


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """A ledger with two checkpoints, a file that a sink wrote, and a note that an auditor kept."""

    ledger: Ledger
    sink: FileSink
    kept: NoteFile
    published: Published

    @property
    def size(self) -> int:
        return self.published.size

    @property
    def outside(self) -> list[NoteFile | SinkNotes]:
        return [self.kept, SinkNotes(sinks=[self.sink])]


@pytest.fixture
def sealed(ledger: Ledger, settings: Any, tmp_path: Path) -> Sealed:
    settings.SIGNING_DIR = tmp_path / "signing"
    settings.SIGNER_COMMAND = ""
    sink = FileSink(tmp_path / "anchors", interval=0)
    return seal_twice(ledger, sink, tmp_path)


def seal_twice(ledger: Ledger, sink: FileSink, folder: Path) -> Sealed:
    make_key(ledger.name, origin=ledger.origin)
    grow_to(ledger, 300)
    first = seal(ledger)
    append_pending(ledger.id)  # the entry that announces the key
    grow_to(ledger, 600)
    last = seal(ledger)
    assert first is not None
    assert last is not None
    sink.publish(first)
    sink.publish(last)
    kept = folder / f"{ledger.id}" / "kept.note"
    kept.parent.mkdir()
    kept.write_bytes(last.note)
    return Sealed(ledger=ledger, sink=sink, kept=NoteFile(path=kept), published=last)


# --- Who looks ------------------------------------------------------------------------------------


def found_by_verification(attack: str, report: Report, *, seq: int, field: str) -> None:
    """Demand that it is tampered, first at this seq and field."""
    assert report.result == "tampered", report
    assert report.first is not None
    assert (report.first.seq, report.first.field) == (seq, field)
    assert report.first.expected != report.first.found
    tell(attack, "verification", "tampered", f"#{seq} {field}")


def not_proven(attack: str, report: Report, *, why: str, by: str = "verification") -> None:
    assert report.result == "not_proven", report
    assert why in report.note
    tell(attack, by, "not proven", report.note)


def found_outside(attack: str, sealed: Sealed, *, field: str, seq: int) -> None:
    """Demand that whoever kept a checkpoint finds it, with our command and without."""
    report = verify(sealed.ledger, holders=sealed.outside)
    assert report.result == "tampered", report
    assert report.first is not None
    assert (report.first.seq, report.first.field) == (seq, field)
    tell(attack, "a checkpoint kept outside", "tampered", f"#{seq} {field}")
    published, size = sealed.published, size_of(sealed.ledger)
    if size >= published.size:
        tree = tree_of(sealed.ledger.id, size=size)
        proof = prove_consistency(old_size=published.size, new_size=size, hashes=tree)
        with pytest.raises(NotConsistent):
            check_consistency(
                proof,
                old_size=published.size,
                old_root=published.root,
                new_size=size,
                new_root=root_of(size, tree),
            )


def refused_by_sealer(attack: str, sealed: Sealed, kind: type[Exception]) -> None:
    """Demand that the sealer signs nothing on top of it."""
    with pytest.raises(kind) as refused:
        seal(sealed.ledger)
    tell(attack, "the sealer", kind.__name__, str(refused.value))


def fooled(report: Report) -> None:
    """Say that verification alone cannot see it; another finder must."""
    assert report.result == "intact"
    assert "database's own word" in report.note or "no checkpoint yet" in report.note


def tell(attack: str, by: str, result: str, cause: str) -> None:
    _TABLE.append(Found(attack=attack, by=by, result=result, cause=cause[:140]))


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


# --- All of it ------------------------------------------------------------------------------------


def forge(superuser: Connection, ledger: Ledger, *, vkey: str | None = None) -> None:
    """Rewrite history from entry 100 on, every copy of it included, but no signature.

    With `vkey`, that key is announced in the place of the real one; with an empty one, none is.
    """

    def edit(seq: int, said: dict[str, Any]) -> None:
        event = said["event"]
        if seq == 100:
            event["outcome"] = "denied"
        if event["action"] == "audit.key_announced" and vkey is not None:
            event["details"]["vkey"] = vkey
            event["action"] = "audit.key_announced" if vkey else "audit.chain_verified"

    rewrite(superuser, ledger, edit=edit)
    superuser.execute(
        "UPDATE audit_entry SET outcome = 'denied' WHERE ledger_id = %s AND seq = 100", (ledger.id,)
    )
    if vkey == "":
        superuser.execute(
            "UPDATE audit_entry SET action = 'audit.chain_verified' "
            "WHERE ledger_id = %s AND action = 'audit.key_announced'",
            (ledger.id,),
        )


def test_everything_rewritten_without_the_key(sealed: Sealed, superuser: Connection) -> None:
    attack = "rewrite all: hashes, tiles, head; no key"
    with tampering(superuser):
        forge(superuser, sealed.ledger)

    found_by_verification(attack, verify(sealed.ledger), seq=299, field="checkpoint 300 root")
    found_outside(attack, sealed, seq=299, field="checkpoint 300 root")
    chain(sealed.ledger, [make_event()])
    refused_by_sealer(attack, sealed, LedgerForked)


def test_everything_rewritten_and_all_seals_deleted(sealed: Sealed, superuser: Connection) -> None:
    attack = "rewrite all, delete checkpoints and keys"
    with tampering(superuser):
        forge(superuser, sealed.ledger, vkey="")
        forget_seals(superuser, sealed.ledger)

    fooled(verify(sealed.ledger))
    found_outside(attack, sealed, seq=599, field="kept.note root")
    refused_by_sealer(attack, sealed, LedgerForked)


def test_everything_rewritten_with_the_stolen_key(sealed: Sealed, superuser: Connection) -> None:
    attack = "rewrite all, sign with the stolen key"
    ledger = sealed.ledger
    with tampering(superuser):
        forge(superuser, ledger)
        resign(superuser, ledger, signers_of(ledger.name, origin=ledger.origin))

    fooled(verify(ledger))
    found_outside(attack, sealed, seq=599, field="kept.note root")
    refused_by_sealer(attack, sealed, LedgerForked)


def test_everything_rewritten_and_signed_with_another_key(
    sealed: Sealed, superuser: Connection
) -> None:
    attack = "rewrite all, sign with a key of one's own"
    ledger = sealed.ledger
    real = known_keys(ledger)
    forger = make_signing_key(name=ledger.origin, seed=bytes(range(32)))
    vkey = format_verifier_key(forger.key)

    with tampering(superuser):
        forge(superuser, ledger, vkey=vkey)
        resign(superuser, ledger, [forger])
        superuser.execute(
            "UPDATE audit_signingkey SET vkey = %s WHERE ledger_id = %s", (vkey, ledger.id)
        )

    fooled(verify(ledger))
    not_proven(attack, verify(ledger, keys=real), why="by no key that was given", by="--key")
    found_outside(attack, sealed, seq=599, field="kept.note root")
    refused_by_sealer(attack, sealed, SigningKeyWrong)


def test_the_tail_cut_off_whole(sealed: Sealed, superuser: Connection) -> None:
    attack = "cut the tail off: entries, tiles, checkpoints, head"
    with tampering(superuser):
        cut_to(superuser, sealed.ledger, 450)

    assert verify(sealed.ledger).result == "intact"
    found_outside(attack, sealed, seq=450, field="kept.note size")
    refused_by_sealer(attack, sealed, LedgerBehind)


def test_yesterdays_backup_restored_and_grown_past_the_old_size(
    sealed: Sealed, superuser: Connection
) -> None:
    attack = "restore yesterday's backup, go on"
    with tampering(superuser):
        cut_to(superuser, sealed.ledger, 450)
    grow_to(sealed.ledger, 700)

    assert verify(sealed.ledger).result == "intact"
    found_outside(attack, sealed, seq=599, field="kept.note root")
    refused_by_sealer(attack, sealed, LedgerForked)


def test_the_whole_ledger_deleted(sealed: Sealed, superuser: Connection) -> None:
    attack = "delete the whole ledger"
    with tampering(superuser):
        cut_to(superuser, sealed.ledger, 0)
        forget_seals(superuser, sealed.ledger)

    not_proven(attack, verify(sealed.ledger), why="nothing was checked")
    found_outside(attack, sealed, seq=0, field="kept.note size")
    refused_by_sealer(attack, sealed, LedgerBehind)


# --- Purges that nobody approved ------------------------------------------------------------------


def forge_purge(superuser: Connection, ledger: Ledger, *, to_seq: int, begun: str) -> None:
    """Delete entries and write the row of a purge for them, which no function would write."""
    with tampering(superuser):
        superuser.execute(
            "DELETE FROM audit_entry WHERE ledger_id = %s AND seq < %s", (ledger.id, to_seq)
        )
        superuser.execute(
            "INSERT INTO audit_purge (ledger_id, from_seq, to_seq, plan_id, begun_at, "
            "first_approver, second_approver) VALUES (%s, 0, %s, 1, now() + %s::interval, %s, %s)",
            (ledger.id, to_seq, begun, *APPROVERS),
        )


APPROVERS = ("alice", "bob")


@pytest.mark.parametrize(("to_seq", "begun"), [(256, "-1 day"), (256, "1 day"), (512, "-1 day")])
def test_entries_deleted_under_a_forged_purge(
    sealed: Sealed, superuser: Connection, to_seq: int, begun: str
) -> None:
    forge_purge(superuser, sealed.ledger, to_seq=to_seq, begun=begun)

    attack = "delete entries under a forged purge"
    found_by_verification(attack, verify(sealed.ledger), seq=0, field="purge")


def test_all_entries_deleted_under_a_purge_beyond_the_head(
    sealed: Sealed, superuser: Connection
) -> None:
    grow_to(sealed.ledger, 768)
    forge_purge(superuser, sealed.ledger, to_seq=1024, begun="-1 day")

    attack = "delete all entries under a purge beyond the head"
    found_by_verification(attack, verify(sealed.ledger), seq=0, field="purge")


def test_a_purge_moved_on_beyond_what_its_entry_says(sealed: Sealed, superuser: Connection) -> None:
    forge_purge(superuser, sealed.ledger, to_seq=256, begun="-1 day")
    leave_purged(sealed.ledger, to_seq=256)
    assert verify(sealed.ledger).result == "intact"
    with tampering(superuser):
        superuser.execute("UPDATE audit_purge SET to_seq = 512 WHERE to_seq = 256 AND ledger_id = "
                          "%s", (sealed.ledger.id,))  # fmt: skip
        superuser.execute(
            "DELETE FROM audit_entry WHERE ledger_id = %s AND seq < 512", (sealed.ledger.id,)
        )

    attack = "move a purge on, delete more"
    found_by_verification(attack, verify(sealed.ledger), seq=0, field="purge")


def test_a_purge_forged_with_its_entry(sealed: Sealed, superuser: Connection) -> None:
    """Nothing that holds hashes tells: the tiles stay, so every root is still the same."""
    attack = "forge a purge and have its entry chained"
    before = made(sealed.ledger)
    forge_purge(superuser, sealed.ledger, to_seq=256, begun="-1 day")
    leave_purged(sealed.ledger, to_seq=256)

    fooled(verify(sealed.ledger))
    fooled(verify(sealed.ledger, holders=sealed.outside))
    told = Entry.objects.get(ledger=sealed.ledger, action="audit.purged")
    assert told.parsed()["event"]["details"]["approvers"] == list(APPROVERS)
    tell(attack, "whom its entry names", "nothing by hashes", f"#{told.seq} names alice and bob")
    with path_of(before).open("rb") as file:
        found = verify_bundle(file, trust=Trust(keys=tuple(known_keys(sealed.ledger))))
    assert (found.result, before.first_seq) == ("intact", 0)
    tell(attack, "a bundle of before", "intact", "it still holds and proves every record")


def leave_purged(ledger: Ledger, *, to_seq: int) -> None:
    """Have the entry of a purge chained, as somebody with the worker in his hand could."""
    leaf = leaf_of_tile(ledger.id, to_seq - 1)
    assert leaf is not None
    receive_own(
        ledger,
        "audit.purged",
        integrity={
            "from_seq": 0,
            "to_seq": to_seq - 1,
            "oldest_seq": to_seq,
            "head_hash": leaf.hex(),
        },
        details={"approvers": list(APPROVERS)},
    )
    append_pending(ledger.id)


# --- A thousand flipped bits ----------------------------------------------------------------------


@pytest.fixture
def tampered_connection(as_role: AsRole) -> Iterator[None]:
    """Let verification run inside a superuser's transaction, in which no trigger fires.

    So that a flip is seen by it and by nobody else, and is taken back by a rollback.
    """
    place = conninfo_to_dict(as_role("superuser").info.dsn)
    wrapper = connection.copy()
    wrapper.settings_dict |= {
        "USER": place["user"],
        "PASSWORD": conninfo_to_dict(_superuser_url())["password"],
    }
    ordinary = connections["default"]
    connections["default"] = wrapper
    try:
        yield
    finally:
        connections["default"] = ordinary
        wrapper.close()


def _superuser_url() -> str:
    return os.environ["OBS_TEST_SUPERUSER_URL"]


_FLIP_BYTES = """
UPDATE {table} SET {column} = set_bit({column}::bytea, %s, 1 - get_bit({column}::bytea, %s))
WHERE ledger_id = %s AND {where}
"""
_COLUMNS = {
    "received_at": "received_at + make_interval(secs => power(2, {n} %% 20) / 1e6)",
    "occurred_at": "occurred_at + make_interval(secs => power(2, {n} %% 20) / 1e6)",
    "is_backfill": "NOT is_backfill",
    "event_id": "encode(set_bit(uuid_send(event_id), {n} %% 128, "
    "1 - get_bit(uuid_send(event_id), {n} %% 128)), 'hex')::uuid",
    **{
        name: f"overlay({name} PLACING chr(ascii({name}) # 1) FROM 1)"
        for name in (
            *("agent_id", "actor_id", "category", "action", "outcome", "severity"),
            *("environment", "run_id", "key_id"),
        )
    },
}
KINDS = ("record", "hash", "column", "event key", "tile hashes", "tile root", "note", "root")


def flip(ledger: Ledger, chance: random.Random, number: int) -> tuple[str, str, int]:
    """Flip one bit, of kinds and columns in turn; return its kind, what, and of which entry."""
    turn, kind = number // len(KINDS), KINDS[number % len(KINDS)]
    seq, size = chance.randrange(600), chance.choice([300, 600])
    at_seq, at_tile = f"seq = {seq}", f"level = 0 AND index = {chance.randrange(2)}"
    table, column, where = {
        "record": ("audit_entry", "record", at_seq),
        "hash": ("audit_entry", "hash", at_seq),
        "tile hashes": ("audit_tile", "hashes", at_tile),
        "tile root": ("audit_tile", "root", at_tile),
        "note": ("audit_checkpoint", "note", f"size = {size}"),
        "root": ("audit_checkpoint", "root", f"size = {size}"),
    }.get(kind, ("", "", ""))
    with connection.cursor() as cursor:
        if table:
            cursor.execute(
                f"SELECT bit_length({column}) FROM {table} WHERE ledger_id = %s AND {where}",
                (ledger.id,),
            )
            bit = chance.randrange(cursor.fetchone()[0])
            cursor.execute(
                _FLIP_BYTES.format(table=table, column=column, where=where), (bit, bit, ledger.id)
            )
            what = f"{kind}, bit {bit}, {where}"
        elif kind == "event key":
            becomes = _COLUMNS["event_id"].format(n=chance.randrange(128))
            cursor.execute(
                f"UPDATE audit_eventkey SET event_id = {becomes} WHERE ledger_id = %s AND {at_seq}",
                (ledger.id,),
            )
            what = f"{kind}, {where or at_seq}"
        else:
            column, becomes = list(_COLUMNS.items())[turn % len(_COLUMNS)]
            becomes = becomes.format(n=chance.randrange(128))
            cursor.execute(
                f"UPDATE audit_entry SET {column} = {becomes} WHERE ledger_id = %s AND {at_seq}",
                (ledger.id,),
            )
            what = f"{column}, {at_seq}"
        assert cursor.rowcount == 1, what
    return kind, what, seq


@pytest.mark.usefixtures("tampered_connection")
def test_of_hundreds_of_flipped_bits_every_one_is_found(
    sealed: Sealed, settings: Any, tmp_path: Path
) -> None:
    settings.EXPORT_DIR = tmp_path / "exports"
    chance = random.Random(4)

    missed = [
        *missed_in_the_database(sealed.ledger, chance, FLIPS - BUNDLE_FLIPS),
        *missed_in_a_bundle(sealed.ledger, chance, BUNDLE_FLIPS),
    ]

    assert missed == []
    tell(
        f"{FLIPS:,} single bits flipped: entries, keys, tiles, checkpoints, bundles",
        "verification, offline verifier",
        "tampered",
        f"{FLIPS - len(missed):,} found",
    )


def missed_in_the_database(ledger: Ledger, chance: random.Random, flips: int) -> list[object]:
    missed: list[object] = []
    with tampering(raw_connection()) as raw:
        for number in range(flips):
            with raw.transaction(force_rollback=True):
                kind, what, seq = flip(ledger, chance, number)
                report = verify(ledger)
            first = report.first
            is_entry = kind in {"record", "hash", "column", "event key"}
            if report.result != "tampered" or first is None or (is_entry and first.seq != seq):
                missed.append((what, report))
        assert verify(ledger).result == "intact"
    return missed


def missed_in_a_bundle(ledger: Ledger, chance: random.Random, flips: int) -> list[object]:
    data = path_of(made(ledger)).read_bytes()
    trust = Trust(keys=tuple(known_keys(ledger)))
    missed: list[object] = []
    for _ in range(flips):
        bit = chance.randrange(8 * len(data))
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        verdict = verify_bundle(BytesIO(flipped), trust=trust, verify=openssl_verify)
        if verdict.result != "tampered" or verdict.finding is None:
            missed.append((bit, verdict))
    assert verify_bundle(BytesIO(data), trust=trust, verify=openssl_verify).result == "intact"
    return missed

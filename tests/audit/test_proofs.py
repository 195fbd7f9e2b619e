"""Proofs that are handed out hold for whoever checks them with the ledger's key."""

from __future__ import annotations

import html
import random
import re
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from audit.admin.entry_proof import path_of
from audit.append import append_pending
from audit.database import rows
from audit.ledger.checkpoint import Checkpoint, format_checkpoint, open_checkpoint
from audit.ledger.errors import LedgerFact
from audit.ledger.merkle import check_consistency, node_hash, prove_inclusion
from audit.ledger.note import cosign as made_cosignature
from audit.ledger.note import format_signature, format_verifier_key, make_signing_key
from audit.ledger.proof import check_proof, parse_proof
from audit.ledger.record import leaf_hash
from audit.ledger.tiles import TileHashes
from audit.models import Entry, Ledger
from audit.proofs import checkpoint_at, list_checkpoints, newest_checkpoint
from audit.seal import known_keys, seal
from audit.signer import make_key as make_ledger_key
from tests.audit.desk import auditor, get, main_ledger, make_client
from tests.audit.ledger.trees import TileTree
from tests.audit.reading import Reader, assert_problem
from tests.audit.tampering import Connection, tampering
from tests.audit.test_seal import keys
from tests.audit.test_tree import grow_to, leaves_of, root_by_hand
from tests.conftest import chain, entries, make_event, post

__all__ = ["auditor", "keys", "main_ledger"]  # fixtures, found by their names here

ApiKey = Callable[..., str]
SIZES = (3, 256, 300)
WITNESS = make_signing_key(name="witness.example.org", seed=bytes([3]) * 32).as_cosigner()


@pytest.fixture
def sealed(ledger: Ledger, keys: Path) -> Ledger:
    """Return a ledger with checkpoints of three sizes, and nothing beyond the last."""
    make_ledger_key(ledger.name, origin=ledger.origin)
    for size in SIZES:
        grow_to(ledger, size)
        seal(ledger)
        append_pending(ledger.id)
    return ledger


@pytest.fixture
def alice(sealed: Ledger, api_key: ApiKey) -> Reader:
    """Return a reader of that ledger; the entry about her key waits in the inbox."""
    return Reader(api_key(sealed, "entries:read"))


def record(ledger: Ledger, seq: int) -> bytes:
    return bytes(Entry.objects.get(ledger=ledger, seq=seq).record)


# --- Proofs of entries ----------------------------------------------------------------------------


def test_every_entry_is_proven_by_the_newest_checkpoint(sealed: Ledger, alice: Reader) -> None:
    for seq in (0, 1, 2, 3, 254, 255, 256, 257, 298, 299):
        answer = alice.get(f"entries/{sealed.name}/{seq}/proof")

        assert answer.status_code == 200
        proof = parse_proof(answer.content)
        leaf = leaf_hash(record(sealed, seq))
        signed = check_proof(proof, leaf=leaf, origin=sealed.origin, keys=known_keys(sealed))
        assert (proof.index, signed.checkpoint.size) == (seq, 300)


def test_a_proof_is_a_file_with_a_name_of_its_own(sealed: Ledger, alice: Reader) -> None:
    answer = alice.get(f"entries/{sealed.name}/7/proof")

    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer["Content-Disposition"] == f'attachment; filename="{sealed.name}-7.tlog-proof"'
    assert answer["Cache-Control"] == "no-store"


def test_an_older_checkpoint_that_covers_the_entry_may_be_asked_for(
    sealed: Ledger, alice: Reader
) -> None:
    answer = alice.get(f"entries/{sealed.name}/2/proof?size=256")

    proof = parse_proof(answer.content)
    leaf = leaf_hash(record(sealed, 2))
    signed = check_proof(proof, leaf=leaf, origin=sealed.origin, keys=known_keys(sealed))
    assert signed.checkpoint.size == 256


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ("2/proof?size=255", 409, "no-checkpoint"),
        ("3/proof?size=3", 409, "no-checkpoint"),
        ("2/proof?size=99999", 409, "no-checkpoint"),
        ("2/proof?size=0", 400, "parameter"),
        ("2/proof?size=x", 400, "parameter"),
        ("9223372036854775807/proof", 404, "not-found"),
        ("5000/proof", 404, "not-found"),
        ("-1/proof", 400, "parameter"),
    ],
)
def test_what_cannot_be_proven_is_refused_by_name(
    sealed: Ledger, alice: Reader, asked: str, status: int, code: str
) -> None:
    assert_problem(alice.get(f"entries/{sealed.name}/{asked}"), status, code)


def test_an_entry_that_is_not_sealed_yet_says_when_to_ask_again(
    sealed: Ledger, alice: Reader
) -> None:
    append_pending(sealed.id)  # the entry about her key

    answer = alice.get(f"entries/{sealed.name}/300/proof")

    said = assert_problem(answer, 409, "not-sealed")
    assert "sealed up to #299" in said["detail"]
    assert answer["Retry-After"] == "1"


def test_where_nothing_is_signed_at_all_it_says_so(
    ledger: Ledger, keys: Path, api_key: ApiKey
) -> None:
    alice = Reader(api_key(ledger, "entries:read"))
    chain(ledger, [make_event()])
    rows(
        "INSERT INTO audit_sealing (ledger_id, state, error, tried_at, since)"
        " VALUES (%s, 'no_key', 'why', now(), now()) RETURNING ledger_id",
        (ledger.id,),
    )

    answer = alice.get(f"entries/{ledger.name}/0/proof")

    said = assert_problem(answer, 409, "not-sealed")
    assert "no_key" in said["detail"]
    assert answer["Retry-After"] == "60"


def test_a_tile_that_is_gone_is_told(sealed: Ledger, alice: Reader, superuser: Connection) -> None:
    with tampering(superuser) as cursor:
        cursor.execute("DELETE FROM audit_tile WHERE ledger_id = %s", (sealed.id,))

    answer = alice.get(f"entries/{sealed.name}/2/proof")

    assert_problem(answer, 503, "tree-incomplete")


def test_a_proof_made_of_a_changed_tile_does_not_hold(
    sealed: Ledger, alice: Reader, superuser: Connection
) -> None:
    with tampering(superuser) as cursor:
        cursor.execute(
            "UPDATE audit_tile SET hashes = set_byte(hashes, 40, get_byte(hashes, 40) # 1)"
            " WHERE ledger_id = %s AND level = 0 AND index = 0",
            (sealed.id,),
        )

    proof = parse_proof(alice.get(f"entries/{sealed.name}/2/proof").content)

    with pytest.raises(LedgerFact):
        check_proof(
            proof,
            leaf=leaf_hash(record(sealed, 2)),
            origin=sealed.origin,
            keys=known_keys(sealed),
        )


# --- Consistency and checkpoints ------------------------------------------------------------------


def test_growth_is_proven_between_any_sizes_that_were_sealed(sealed: Ledger, alice: Reader) -> None:
    leaves = leaves_of(sealed)
    for old, new in ((3, 256), (3, 300), (256, 300), (1, 300), (255, 257), (300, 300)):
        found = alice.get(f"ledgers/{sealed.name}/consistency?from={old}&to={new}").json()

        roots = [bytes.fromhex(found[each]["root"]) for each in ("old", "new")]
        assert roots == [root_by_hand(leaves[:old]), root_by_hand(leaves[:new])]
        check_consistency(
            [b64decode(each) for each in found["hashes"]],
            old_size=old,
            old_root=roots[0],
            new_size=new,
            new_root=roots[1],
        )
        for size, each in ((old, found["old"]), (new, found["new"])):
            assert (each["checkpoint"] is not None) == (size in SIZES)
            if size in SIZES:
                signed = open_checkpoint(
                    each["checkpoint"].encode(), origin=found["origin"], keys=known_keys(sealed)
                )
                assert signed.checkpoint.root.hex() == each["root"]


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ("from=3&to=301", 409, "not-sealed"),
        ("from=256&to=3", 400, "parameter"),
        ("from=0&to=3", 400, "parameter"),
        ("from=3", 400, "parameter"),
        ("to=3", 400, "parameter"),
        ("from=3&to=9223372036854775808", 400, "parameter"),
    ],
)
def test_growth_that_cannot_be_proven_is_refused(
    sealed: Ledger, alice: Reader, asked: str, status: int, code: str
) -> None:
    assert_problem(alice.get(f"ledgers/{sealed.name}/consistency?{asked}"), status, code)


def test_checkpoints_are_listed_newest_first_a_page_at_a_time(
    sealed: Ledger, alice: Reader
) -> None:
    first = alice.get(f"ledgers/{sealed.name}/checkpoints?limit=2").json()
    second = alice.get(f"ledgers/{sealed.name}/checkpoints?limit=2&after={first['next']}").json()

    assert [each["size"] for each in first["items"] + second["items"]] == [300, 256, 3]
    assert (first["next"], second["next"]) == ("256", None)
    for each in first["items"]:
        found = checkpoint_at(sealed.id, each["size"])
        assert found is not None
        assert (each["note"].encode(), each["root"]) == (found.note, found.root.hex())
        assert (each["cosigned_by"], each["witnessed"]) == ([], None)


def test_a_checkpoint_says_who_has_cosigned_it(
    sealed: Ledger, alice: Reader, settings: Any, tmp_path: Path
) -> None:
    newest = newest_checkpoint(sealed.id)
    assert newest is not None
    text = format_checkpoint(Checkpoint(origin=sealed.origin, size=300, root=newest.root))
    line = format_signature(made_cosignature(text, signer=WITNESS, moment=1_795_212_414))
    rows(
        "INSERT INTO audit_cosignature (ledger_id, size, witness, line) VALUES (%s, %s, %s, %s)"
        " RETURNING size",
        (sealed.id, 300, str(WITNESS.key), line),
    )
    settings.WITNESS_POLICY = str(tmp_path / "policy")
    (tmp_path / "policy").write_text(f"witness w {format_verifier_key(WITNESS.key)}\nquorum w\n")

    items = alice.get(f"ledgers/{sealed.name}/checkpoints").json()["items"]

    assert [each["cosigned_by"] for each in items] == [["witness.example.org"], [], []]
    assert [each["witnessed"] for each in items] == ["1 of 1", "0 of 1", "0 of 1"]


@pytest.mark.parametrize("path", ["entries/{}/0/proof", "ledgers/{}/consistency?from=3&to=256",
                                  "ledgers/{}/checkpoints"])  # fmt: skip
def test_a_key_reads_proofs_of_its_own_ledger_alone(
    sealed: Ledger, database: None, api_key: ApiKey, path: str
) -> None:
    other = Ledger.objects.get(name=settings.LEDGER)

    assert_problem(Client().get(f"/api/v1/{path.format(sealed.name)}"), 401, "key-missing")
    elsewhere = Reader(api_key(other, "entries:read"))
    assert_problem(elsewhere.get(path.format(sealed.name)), 403, "wrong-ledger")
    writer = Reader(api_key(sealed, "events:write"))
    assert_problem(writer.get(path.format(sealed.name)), 403, "scope-missing")


def test_checkpoints_are_read_by_key_and_never_counted(sealed: Ledger) -> None:
    assert [each.size for each in list_checkpoints(sealed.id, most=2, after=256)] == [3]


# --- The page of an entry -------------------------------------------------------------------------


def test_the_sides_of_a_path_lead_to_the_root_of_every_tree_to_64() -> None:
    leaves = [random.Random(seq).randbytes(32) for seq in range(64)]
    tree = TileTree()
    for size in range(1, 65):
        tree.append(leaves[size - 1 : size])
        reader = TileHashes(size=size, tiles=tree)
        for index in range(size):
            found = leaves[index]
            hashes = prove_inclusion(index=index, size=size, hashes=reader)
            for sibling, (side, _) in zip(hashes, path_of(index=index, size=size), strict=True):
                is_left = side == "left"
                found = node_hash(
                    left=sibling if is_left else found, right=found if is_left else sibling
                )
            assert found == tree.edge.root()


def page_of(client: Client, entry: Entry) -> str:
    return html.unescape(get(client, f"/admin/audit/entry/{entry.hash}/change/"))


def test_the_page_of_a_sealed_entry_shows_checkpoint_and_steps(
    sealed: Ledger, auditor: Client
) -> None:
    entry = Entry.objects.get(ledger=sealed, seq=41)

    page = page_of(auditor, entry)

    newest = newest_checkpoint(sealed.id)
    assert newest is not None
    assert newest.root.hex() in page
    assert str(known_keys(sealed)[0]) in page
    assert "over 300 entries" in page
    assert page.count("the hash over #") == 9
    assert "Check this proof" in page
    assert f"/admin/audit/entry/{entry.hash}/proof/" in page


def test_the_page_of_an_entry_that_is_not_sealed_says_so(ledger: Ledger, auditor: Client) -> None:
    (entry,) = chain(ledger, [make_event()])

    page = page_of(auditor, entry)

    assert "Not sealed: no checkpoint covers entry #0; the ledger is sealed nowhere yet" in page
    assert auditor.get(f"/admin/audit/entry/{entry.hash}/proof/").status_code == 404


def test_the_lines_of_the_page_check_the_files_of_the_page(
    sealed: Ledger, auditor: Client, tmp_path: Path
) -> None:
    """Each file under the name that the server gives it; for curl, which needs a real server."""
    entry = Entry.objects.get(ledger=sealed, seq=41)
    at = f"/admin/audit/entry/{entry.hash}"
    for address in (f"{at}/proof/", f"{at}/record/", "/verify.py"):
        answer = auditor.get(address)
        (name,) = re.findall(r'filename="([^"]+)"', answer["Content-Disposition"])
        (tmp_path / name).write_bytes(answer.content)
    page = page_of(auditor, entry)
    lines = re.search(r"# the hash of the record.*?(?=\n# the key as)", page, re.DOTALL)
    assert lines is not None
    assert "curl -O http://testserver/verify.py\n" in lines[0]
    script = re.sub(r"^curl .*$", "", lines[0], flags=re.MULTILINE)

    ended = subprocess.run(
        ["bash", "-ec", script.replace("python3", f"{sys.executable} -I -S")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert entry.hash in ended.stdout
    assert "INTACT" in ended.stdout


def test_the_list_says_which_entries_are_sealed(sealed: Ledger, auditor: Client) -> None:
    post(sealed, [make_event()])
    append_pending(sealed.id)

    page = get(auditor, f"/admin/audit/entry/?ledger={sealed.name}")

    assert re.findall(r"obs-badge[^>]*>.*?</span>\s*(sealed|chained)", page, re.DOTALL)
    assert page.count("sealed") > 20


# --- The switch -----------------------------------------------------------------------------------


def switch(client: Client, ledger: Ledger, **form: str) -> Any:
    fields = {"is_public": "yes", "reason": "asked by Bob", "confirm": ledger.name} | form
    return client.post(f"/admin/audit/ledger/{ledger.name}/public/", fields, follow=True)


def changes(ledger: Ledger) -> list[dict[str, Any]]:
    append_pending(ledger.id)
    events = [each.parsed()["event"] for each in entries(ledger)]
    return [each for each in events if each["action"] == "audit.config_changed"]


def test_an_administrator_opens_and_closes_the_log_and_leaves_entries(sealed: Ledger) -> None:
    administrator = make_client("administrator")
    address = f"/ledger/{sealed.name}/checkpoint"
    assert Client().get(address).status_code == 401

    assert "It is public now" in switch(administrator, sealed).content.decode()
    assert Client().get(address).status_code == 200

    assert "It is private now" in switch(administrator, sealed, is_public="no").content.decode()
    assert Client().get(address).status_code == 401
    first, second = changes(sealed)
    assert first["details"] == {"setting": "is_public", "before": False, "after": True}
    assert second["details"] == {"setting": "is_public", "before": True, "after": False}
    assert first["reason"] == "asked by Bob"
    assert first["target"] == {"type": "ledger", "id": sealed.name}
    assert first["actor"]["type"] == "human"


@pytest.mark.parametrize(
    "form",
    [{"confirm": "main"}, {"confirm": ""}, {"reason": " "}, {"reason": "x" * 501},
     {"is_public": "maybe"}, {"is_public": "no"}],
)  # fmt: skip
def test_the_switch_stays_unless_it_is_confirmed(sealed: Ledger, form: dict[str, str]) -> None:
    page = switch(make_client("administrator"), sealed, **form).content.decode()

    assert "othing was changed" in page
    assert not Ledger.objects.get(id=sealed.id).is_public
    assert changes(sealed) == []


@pytest.mark.parametrize(("who", "status"), [("auditor", 403), ("nobody", 403)])
def test_nobody_else_may_touch_the_switch(sealed: Ledger, who: str, status: int) -> None:
    assert switch(make_client(who), sealed).status_code == status
    assert not Ledger.objects.get(id=sealed.id).is_public


def test_the_switch_wants_a_form_of_ours(sealed: Ledger) -> None:
    forged = make_client("administrator", enforce_csrf_checks=True)

    assert switch(forged, sealed).status_code == 403
    assert not Ledger.objects.get(id=sealed.id).is_public


def test_the_ledgers_page_shows_the_switch_to_administrators(
    sealed: Ledger, auditor: Client
) -> None:
    address = f"/admin/audit/ledger/{sealed.name}/change/"

    assert "Make it public" in get(make_client("administrator"), address)
    assert "Make it public" not in get(auditor, address)

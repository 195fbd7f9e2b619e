"""After a purge: the API, lists, tiles and pages tell what went, and by whom."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from audit.append import append_pending
from audit.database import rows
from audit.ledger.merkle import check_consistency, check_inclusion
from audit.ledger.record import format_time
from audit.models import Entry, Ledger, Purge, Verification
from audit.proofs import list_checkpoints, newest_checkpoint, prove_entry, prove_growth
from audit.runs import run_verification
from audit.state import ledger_state
from audit.verify_tree import leaf_of_tile
from tests.audit.desk import get, make_client
from tests.audit.let_go import MINIMUM, old, owner, pruned
from tests.audit.pruning import approved_plan, keep_no_longer
from tests.audit.reading import NDJSON, Reader, assert_problem, streamed
from tests.audit.tampering import Connection

__all__ = ["old", "owner", "pruned"]  # fixtures, which pytest finds by their names here


ROOT = Path(__file__).parents[2]


@pytest.fixture
def reader(pruned: Ledger, api_key: Callable[..., str]) -> Reader:
    found = Reader(api_key(pruned, "entries:read"))
    append_pending(pruned.id)
    return found


def test_the_api_tells_of_a_pruned_entry_what_went_and_by_whom(
    pruned: Ledger, reader: Reader
) -> None:
    leaf = leaf_of_tile(pruned.id, 17)
    purge = Purge.objects.get(ledger=pruned)
    ((event_id,),) = rows(
        "SELECT event_id::text FROM audit_eventkey WHERE ledger_id = %s AND seq = 17", (pruned.id,)
    )
    told = {
        "from": 0,
        "to": MINIMUM,
        "at": format_time(purge.begun_at),
        "approvers": [purge.first_approver, purge.second_approver],
    }

    gone = assert_problem(reader.get(f"entries/{pruned.name}/17"), 410, "pruned")
    event = reader.get(f"events/{event_id}").json()
    kept = reader.get(f"entries/{pruned.name}/{MINIMUM}").json()

    assert leaf is not None
    assert gone["purge"] == told
    assert event["state"] == "pruned"
    assert (event["seq"], event["hash"], event["purge"]) == (17, leaf.hex(), told)
    assert kept["seq"] == MINIMUM
    assert_problem(reader.get(f"entries/by-hash/{leaf.hex()}"), 404, "not-found")
    assert reader.get("ledgers").json()["items"][0]["minimum_index"] == MINIMUM


def test_lists_and_streams_begin_at_the_minimum_index_even_while_entries_are_left_below(
    old: Ledger, owner: Connection, api_key: Callable[..., str]
) -> None:
    keep_no_longer(owner, old)
    plan = approved_plan(owner, old, to_seq=MINIMUM)
    owner.execute("SELECT audit_prune(%s, %s, 100)", (old.id, plan))
    reader = Reader(api_key(old, "entries:read"))

    page = reader.get("entries?limit=500").json()
    stream = streamed(reader.get("entries", Accept=NDJSON))

    assert Entry.objects.filter(ledger=old, seq=300).exists()
    assert min(each["seq"] for each in page["items"]) == MINIMUM
    assert page["next"] is None
    assert stream[0]["seq"] == MINIMUM
    assert_problem(reader.get(f"entries/{old.name}/300"), 410, "pruned")


def test_entry_bundles_below_are_gone_and_every_tile_checkpoint_and_proof_stays(
    pruned: Ledger, reader: Reader
) -> None:
    said = {"Authorization": f"Bearer {reader.token}"}

    def log(path: str) -> Any:
        return reader.client.get(f"/ledger/{pruned.name}/{path}", headers=said)

    assert_problem(log("tile/entries/000"), 404, "pruned")
    assert_problem(log("tile/entries/001"), 404, "pruned")
    assert log("tile/entries/002.p/100").status_code == 200
    assert len(log("tile/0/000").content) == 8192
    size = newest_checkpoint(pruned.id)
    assert size is not None
    for seq in (0, 17, MINIMUM - 1, MINIMUM):
        for each in list_checkpoints(pruned.id, most=10):
            if seq < each.size:
                proof, against = prove_entry(pruned.id, seq, size=each.size)
                leaf = leaf_of_seq(pruned, seq)
                check_inclusion(
                    proof.hashes, size=against.size, root=against.root, index=seq, leaf=leaf
                )
    for old_size in (1, 255, 256, 300, MINIMUM, MINIMUM + 1):
        grown = prove_growth(pruned.id, old_size=old_size, new_size=size.size)
        check_consistency(
            grown.hashes,
            old_size=old_size,
            old_root=grown.old_root,
            new_size=size.size,
            new_root=size.root,
        )
    answer = reader.get(f"entries/{pruned.name}/17/proof")
    assert answer.status_code == 200


def leaf_of_seq(ledger: Ledger, seq: int) -> bytes:
    found = leaf_of_tile(ledger.id, seq) if seq < MINIMUM else None
    if found is None:
        found = bytes.fromhex(Entry.objects.get(ledger=ledger, seq=seq).hash)
    return found


def test_the_verifier_of_the_documentation_verifies_what_is_kept(
    pruned: Ledger, reader: Reader, tmp_path: Path
) -> None:
    text = (ROOT / "docs" / "ledger-format.md").read_text()
    (program,) = re.findall(r"```python\n(import hashlib.*?)```", text, re.DOTALL)
    verifier = tmp_path / "verifier.py"
    verifier.write_text(program)
    before = leaf_of_seq(pruned, MINIMUM - 1).hex()
    stream = reader.get("entries", Accept=NDJSON).getvalue()

    def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, str(verifier), pruned.name, *arguments]
        return subprocess.run(command, input=stream, capture_output=True, timeout=60, check=False)

    kept = stream.count(b"\n")
    assert run(str(MINIMUM), before).stdout.startswith(f"{kept} entries hold together".encode())
    assert run(str(MINIMUM), "00" * 32).returncode == 1
    assert run().returncode == 1


def words(page: str) -> str:
    """Return what a page says, without its tags."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())


def test_the_page_of_a_pruned_entry_says_who_let_it_go_and_gives_its_proof(pruned: Ledger) -> None:
    auditor = make_client("auditor")
    leaf = leaf_of_tile(pruned.id, 17)
    purge = Purge.objects.get(ledger=pruned)
    address = f"/admin/audit/entry/{pruned.name}/17/"

    page = get(auditor, address)
    proof = auditor.get(f"{address}proof/")
    jumped = auditor.get(f"/admin/audit/entry/go/?q=%2317&ledger={pruned.name}")

    assert leaf is not None
    said = words(page)
    assert leaf.hex() in said
    assert f"{purge.first_approver} and {purge.second_approver}" in said
    assert "kept from #512" in said
    assert (proof.status_code, proof["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert jumped["Location"] == address


def test_the_first_entry_that_is_kept_shows_that_the_one_before_was_pruned(pruned: Ledger) -> None:
    auditor = make_client("auditor")
    leaf = leaf_of_tile(pruned.id, MINIMUM - 1)
    assert leaf is not None
    first = Entry.objects.get(ledger=pruned, seq=MINIMUM)

    page = get(auditor, f"/admin/audit/entry/{first.hash}/change/")

    assert first.parsed()["prev"] == leaf.hex()
    assert f'data-prev="{leaf.hex()}"' in page
    assert "#511 was pruned; its tile holds this hash" in words(page)


def test_the_ledgers_page_and_the_list_say_from_where_entries_are_kept(pruned: Ledger) -> None:
    auditor = make_client("auditor")
    run_verification(pruned, kind="manual")
    shown = ledger_state(name=pruned.name)
    assert shown is not None

    ledger = get(auditor, f"/admin/audit/ledger/{pruned.name}/change/")
    listed = get(auditor, f"/admin/audit/entry/?ledger={pruned.name}")

    assert (shown.minimum, shown.word) == (MINIMUM, "intact")
    assert "#512 what lies below was pruned" in words(ledger)
    assert "those below #512 were pruned" in words(listed)


def test_blanks_in_the_form_of_a_verification_mean_all_that_is_kept(pruned: Ledger) -> None:
    administrator = make_client("administrator")

    administrator.post(f"/admin/audit/ledger/{pruned.name}/verify/", {"from_seq": "", "to_seq": ""})

    run = Verification.objects.get(ledger=pruned)
    assert run.from_seq == MINIMUM

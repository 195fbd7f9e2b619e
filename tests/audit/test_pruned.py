"""After a purge: what is kept verifies as before, and readers are told what went, and by whom."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from django.core.management import CommandError, call_command

from audit import verify as verify_module
from audit.append import append_pending
from audit.database import rows
from audit.errors import NotExported
from audit.exportfile import path_of
from audit.exporting import take_export, work_on_export
from audit.ledger.merkle import check_consistency, check_inclusion
from audit.ledger.note import format_verifier_key
from audit.ledger.offline import Trust, Verdict, verify_bundle
from audit.ledger.record import format_time
from audit.models import Entry, Export, Ledger, Purge, Verification
from audit.proofs import list_checkpoints, newest_checkpoint, prove_entry, prove_growth
from audit.pruned import minimum_index
from audit.receive import Incoming, receive, receive_own
from audit.runs import ask_for_run, run_verification, verify_new, verify_sample, work_through_queue
from audit.seal import known_keys, seal
from audit.signer import make_key
from audit.state import ledger_state
from audit.verify import Progress, Report, verify, verify_stepwise
from audit.verify_tree import leaf_of_tile
from tests.audit.desk import get, make_client
from tests.audit.exporting import ask, finish, made, wanted
from tests.audit.pruning import approved_plan, keep_no_longer, old_entries, prune
from tests.audit.tampering import AsRole, Connection, tampering
from tests.audit.test_api import NDJSON, Reader, assert_problem, streamed
from tests.conftest import EVENTS, make_event

ROOT = Path(__file__).parents[2]
SIZE, MINIMUM = 700, 512


@pytest.fixture
def owner(as_role: AsRole) -> Connection:
    return as_role("owner")


@pytest.fixture
def old(ledger: Ledger, settings: Any, tmp_path: Path) -> Ledger:
    """Return a ledger of 700 entries of more than a year ago, sealed at 300 and beyond them."""
    settings.SIGNING_DIR = tmp_path / "signing"
    settings.SIGNER_COMMAND = ""
    settings.EXPORT_DIR = str(tmp_path / "exports")
    make_key(ledger.name, origin=ledger.origin)
    old_entries(ledger, [make_event() for _ in range(300)])
    receive(
        [Incoming(raw=json.dumps(make_event()).encode()) for _ in range(SIZE - 300)],
        ledger_id=ledger.id,
        ledger_name=ledger.name,
        sender=EVENTS,
        received_at=datetime.now(UTC) - timedelta(days=400),
        request_id="test",
    )
    # Now, so that the entry that announces the key, which is of today, comes after all of them.
    assert seal(ledger) is not None
    append_pending(ledger.id)
    assert seal(ledger) is not None
    return ledger


def let_go(ledger: Ledger, *, to_seq: int = MINIMUM, from_seq: int = 0, **other: Any) -> None:
    """Leave the entry that names a purge, as whoever prunes leaves it."""
    leaf = leaf_of_tile(ledger.id, to_seq - 1)
    assert leaf is not None
    said = {
        "from_seq": from_seq,
        "to_seq": to_seq - 1,
        "oldest_seq": to_seq,
        "head_hash": leaf.hex(),
    }
    purge = Purge.objects.get(ledger=ledger, to_seq=to_seq)
    approvers = [purge.first_approver, purge.second_approver]
    details = {"approvers": other.pop("approvers", approvers)}
    receive_own(ledger, "audit.purged", integrity=said | other, details=details)
    append_pending(ledger.id)


@pytest.fixture
def pruned(old: Ledger, owner: Connection) -> Ledger:
    """Return that ledger when its first 512 entries are pruned, and the entry says so."""
    assert prune(owner, old, to_seq=MINIMUM) == MINIMUM
    let_go(old)
    assert seal(old) is not None
    return old


def tampered_at(report: Report, *, seq: int, field: str) -> None:
    assert report.result == "tampered", report
    assert report.first is not None
    assert (report.first.seq, report.first.field) == (seq, field), report.first


# --- Verification ---------------------------------------------------------------------------------


def test_what_is_kept_is_intact_and_the_note_says_what_went_and_by_whom(pruned: Ledger) -> None:
    purge = Purge.objects.get(ledger=pruned)

    report = verify(pruned)

    assert (report.result, report.from_seq, report.pruned) == ("intact", MINIMUM, MINIMUM)
    assert report.checked == report.to_seq - MINIMUM
    assert report.sealed_to == report.to_seq
    assert (
        f"#0 to #511 were pruned, last by {purge.first_approver} and {purge.second_approver}"
        in report.note
    )


@pytest.mark.parametrize("chunk", [97, 512, 20_480])
def test_it_is_the_same_in_chunks_of_any_size(
    pruned: Ledger, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(verify_module, "CHUNK", chunk)

    assert verify(pruned).result == "intact"


@pytest.mark.parametrize(("start", "end"), [(0, None), (0, 100), (3, 600), (511, 512), (511, 513)])
def test_a_range_that_begins_below_the_minimum_index_is_not_proven_and_names_what_went(
    pruned: Ledger, start: int, end: int | None
) -> None:
    report = verify(pruned, from_seq=start, to_seq=end)

    assert (report.result, report.broken) == ("not_proven", 0)
    last = min(MINIMUM, report.to_seq) - 1
    assert f"#{start} to #{last} were pruned" in report.note
    assert report.checked == max(report.to_seq - MINIMUM, 0)


@pytest.mark.parametrize("start", [MINIMUM, MINIMUM + 1, 600])
def test_a_range_at_or_above_the_minimum_index_is_proven(pruned: Ledger, start: int) -> None:
    report = verify(pruned, from_seq=start)

    assert report.result == "intact", report
    assert report.checked == report.to_seq - start


def test_the_first_entry_that_is_kept_must_continue_the_last_hash_of_its_tile(
    pruned: Ledger, superuser: Connection
) -> None:
    with tampering(superuser):
        superuser.execute(
            "UPDATE audit_tile SET hashes = set_byte(hashes, 8191, 255 - get_byte(hashes, 8191)) "
            "WHERE ledger_id = %s AND level = 0 AND index = 1",
            (pruned.id,),
        )

    for start in (MINIMUM, 100):
        report = verify(pruned, from_seq=start, to_seq=600)

        assert report.result == "tampered"
    tampered_at(verify(pruned, from_seq=MINIMUM, to_seq=600), seq=MINIMUM, field="prev")


TILES = [
    ("a hash", "UPDATE audit_tile SET hashes = set_byte(hashes, 7, 255 - get_byte(hashes, 7)) "
     "WHERE ledger_id = %s AND level = 0 AND index = 0", "tile/0/000 root", 0),
    ("a hash and its root", "UPDATE audit_tile SET hashes = hashes || '', root = sha256(root) "
     "WHERE ledger_id = %s AND level = 0 AND index = 1", "tile/0/001 root", 256),
    ("a tile deleted", "DELETE FROM audit_tile WHERE ledger_id = %s AND level = 0 AND index = 1",
     "tile/0/001", 256),
    ("an old root", "UPDATE audit_checkpoint SET root = sha256(root) "
     "WHERE ledger_id = %s AND size = 300", "checkpoint 300 root", 299),
    ("an event key", "DELETE FROM audit_eventkey WHERE ledger_id = %s AND seq = 17",
     "event key", 0),
    ("a kept entry deleted", "DELETE FROM audit_entry WHERE ledger_id = %s AND seq = 512",
     "seq", 512),
    ("another kept entry", "DELETE FROM audit_entry WHERE ledger_id = %s AND seq = 640",
     "seq", 640),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "field", "seq"), [t[1:] for t in TILES],
                         ids=[t[0] for t in TILES])  # fmt: skip
def test_tiles_and_old_checkpoints_of_what_was_pruned_are_still_checked(
    pruned: Ledger, superuser: Connection, statement: str, field: str, seq: int
) -> None:
    with tampering(superuser):
        assert superuser.execute(statement, (pruned.id,)).rowcount == 1

    tampered_at(verify(pruned), seq=seq, field=field)


def test_a_purge_without_its_entry_is_tampering_and_the_entry_must_say_what_went(
    old: Ledger, owner: Connection, superuser: Connection
) -> None:
    prune(owner, old, to_seq=256)
    finished = "UPDATE audit_purgeplan SET finished_at = finished_at - interval '1 hour' "

    assert verify(old).result == "not_proven"  # its entry may be on its way
    with tampering(superuser):
        superuser.execute(finished + "WHERE ledger_id = %s", (old.id,))
    tampered_at(verify(old), seq=0, field="purge")
    let_go(old, to_seq=256, oldest_seq=512)
    tampered_at(verify(old), seq=0, field="purge")
    let_go(old, to_seq=256, approvers=["mallory", "mallory's friend"])
    tampered_at(verify(old), seq=0, field="purge")
    let_go(old, to_seq=256, head_hash="00" * 32)
    tampered_at(verify(old), seq=0, field="purge")
    let_go(old, to_seq=256)
    assert verify(old).result == "intact"


def test_entries_left_below_are_fine_while_a_purge_goes_on_and_a_fault_after_it(
    old: Ledger, owner: Connection, superuser: Connection
) -> None:
    keep_no_longer(owner, old)
    plan = approved_plan(owner, old, to_seq=MINIMUM)
    owner.execute("SELECT audit_prune(%s, %s, 100)", (old.id, plan))
    assert minimum_index(old.id) == MINIMUM

    report = verify(old)

    assert report.result == "not_proven"
    assert "is not chained yet" in report.note
    let_go(old)
    assert verify(old).result == "intact"
    row = superuser.execute(
        "SELECT * FROM audit_entry WHERE ledger_id = %s AND seq = 200", (old.id,)
    ).fetchone()
    assert row is not None
    while owner.execute("SELECT audit_prune(%s, %s, 100)", (old.id, plan)).fetchone() != (0,):
        pass
    assert verify(old).result == "intact"
    with tampering(superuser):
        places = ", ".join(["%s"] * len(row))
        superuser.execute(f"INSERT INTO audit_entry VALUES ({places})", row)
    tampered_at(verify(old), seq=200, field="seq")


def test_a_second_purge_begins_where_the_first_ended_and_needs_an_entry_of_its_own(
    old: Ledger, owner: Connection
) -> None:
    prune(owner, old, to_seq=256)
    let_go(old, to_seq=256)
    prune(owner, old, to_seq=512)

    assert verify(old).result == "not_proven"
    let_go(old, from_seq=256, to_seq=512)
    assert (verify(old).result, verify(old).from_seq) == ("intact", 512)


def test_a_purge_that_overtakes_a_run_accuses_nobody(
    old: Ledger, owner: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify_module, "CHUNK", 50)
    steps = verify_stepwise(old)
    first = next(steps)
    assert isinstance(first, Progress)
    assert first.next_seq == 50

    prune(owner, old, to_seq=MINIMUM)
    let_go(old)
    *_, report = steps

    assert isinstance(report, Report)
    assert (report.result, report.from_seq) == ("intact", MINIMUM), report
    assert report.checked == 50 + report.to_seq - MINIMUM


# --- Runs -----------------------------------------------------------------------------------------


def test_runs_over_all_of_a_ledger_begin_at_the_minimum_index_and_are_intact(
    pruned: Ledger,
) -> None:
    ask_for_run(pruned, requested_by="Alice")
    assert work_through_queue(pruned) == 1
    verify_new(pruned)
    for _ in range(5):
        verify_sample(pruned)

    found = Verification.objects.filter(ledger=pruned)
    assert {each.kind for each in found} == {"manual", "new", "sample"}
    for each in found:
        assert each.result == "intact", each.note
        assert each.from_seq >= MINIMUM


def test_a_run_that_was_asked_for_before_a_purge_is_intact_after_it(
    old: Ledger, owner: Connection
) -> None:
    run_id = ask_for_run(old, requested_by="Alice")
    prune(owner, old, to_seq=MINIMUM)
    let_go(old)

    work_through_queue(old)

    run = Verification.objects.get(ledger=old, id=run_id)
    assert (run.result, run.from_seq) == ("intact", 0), run.note
    assert run.checked == run.to_seq - MINIMUM


def test_a_run_that_was_told_to_begin_below_is_not_proven_by_hand_too(pruned: Ledger) -> None:
    report = run_verification(pruned, kind="manual", from_seq=0)

    assert report.result == "not_proven"


# --- Readers --------------------------------------------------------------------------------------


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


# --- Exports --------------------------------------------------------------------------------------


def verdict_on(export: Export, ledger: Ledger) -> Verdict:
    with path_of(export).open("rb") as file:
        return verify_bundle(file, trust=Trust(keys=tuple(known_keys(ledger))))


def test_a_bundle_of_before_still_verifies_and_one_of_after_begins_at_the_minimum_index(
    old: Ledger, owner: Connection
) -> None:
    before = made(old)
    prune(owner, old, to_seq=MINIMUM)
    let_go(old)

    after = made(old)

    assert (before.first_seq, after.first_seq) == (0, MINIMUM)
    of_before, of_after = verdict_on(before, old), verdict_on(after, old)
    assert (of_before.result, of_after.result) == ("intact", "intact")
    assert of_before.manifest is not None
    assert of_after.manifest is not None
    assert of_before.manifest.left_out.startswith("Nothing below seq")
    assert of_after.manifest.is_dense()
    purge = Purge.objects.get(ledger=old)
    assert of_after.manifest.left_out.startswith(
        f"Entries 0 to 511, which were pruned, last on {purge.begun_at:%Y-%m-%d} with the "
        f"approval of {purge.first_approver} and {purge.second_approver}; nothing from there"
    )
    append_pending(old.id)
    said = Entry.objects.filter(ledger=old, action="audit.exported").order_by("-seq")
    spans = [each.parsed()["event"]["integrity"]["from_seq"] for each in said]
    assert spans == [MINIMUM, 0]


def test_the_verifier_that_travels_says_where_a_bundle_begins(pruned: Ledger) -> None:
    export = made(pruned)
    key = format_verifier_key(known_keys(pruned)[0])
    with ZipFile(path_of(export)) as bundle:
        verifier = path_of(export).with_suffix(".py")
        verifier.write_bytes(bundle.read("verify.py"))

    done = subprocess.run(
        [sys.executable, str(verifier), str(path_of(export)), "--key", key],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "none before seq 512" in done.stdout
    assert "Entries 0 to 511, which were pruned" in done.stdout


@pytest.mark.parametrize("query", [{}, {"outcome": "success"}])
def test_an_export_that_a_purge_overtakes_is_made_again_with_what_is_kept(
    old: Ledger, owner: Connection, monkeypatch: pytest.MonkeyPatch, query: dict[str, str]
) -> None:
    monkeypatch.setattr("audit.query.CHUNK", 100)
    export = ask(old, query=query)
    job = take_export(ledger_id=old.id, waited=0.0)
    assert job is not None
    going = work_on_export(job)
    next(going)

    prune(owner, old, to_seq=MINIMUM)
    list(going)
    export.refresh_from_db()
    assert export.state == "queued"
    finish(old)

    export.refresh_from_db()
    assert (export.state, export.first_seq) == ("done", MINIMUM), export.note
    assert verdict_on(export, old).result == "intact"


def test_a_tree_size_of_which_nothing_is_kept_cannot_be_exported(
    pruned: Ledger, tmp_path: Path
) -> None:
    with pytest.raises(NotExported, match=r"no entry of .* below tree size 300 is kept"):
        wanted(pruned, size=300)
    with pytest.raises(CommandError, match="no entry of") as refused:
        call_command(
            *("exportledger", "--ledger", pruned.name, "--out", str(tmp_path / "x.zip")),
            *("--size", "300"),
        )
    assert refused.value.returncode == 2


def test_an_export_that_waited_while_all_it_asks_for_was_pruned_fails_and_says_so(
    old: Ledger, owner: Connection
) -> None:
    export = ask(old, "ndjson", size=300)
    prune(owner, old, to_seq=MINIMUM)

    finish(old)

    export.refresh_from_db()
    assert export.state == "failed"
    assert "every entry below tree size 300 was pruned" in export.note


# --- Pages ----------------------------------------------------------------------------------------


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

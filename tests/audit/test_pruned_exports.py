"""After a purge: bundles of before and after verify; an export that was overtaken is made again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
from django.core.management import CommandError, call_command

from audit.append import append_pending
from audit.errors import NotExported
from audit.exportfile import path_of
from audit.exporting import take_export, work_on_export
from audit.ledger.note import format_verifier_key
from audit.ledger.offline import Trust, Verdict, verify_bundle
from audit.models import Entry, Export, Ledger, Purge
from audit.seal import known_keys
from tests.audit.exporting import ask, finish, made, wanted
from tests.audit.let_go import MINIMUM, let_go, old, owner, pruned
from tests.audit.pruning import prune
from tests.audit.tampering import Connection

__all__ = ["old", "owner", "pruned"]  # fixtures, which pytest finds by their names here


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

"""`manage.py exportledger`: a file that is whole, figures, and a clear end when something lacks."""

from __future__ import annotations

import json
import threading
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from audit.manifests import sign_waiting_manifests
from audit.models import Export, Ledger
from tests.audit.exporting import sealed, signing
from tests.conftest import chain, make_event


@pytest.fixture
def ten(ledger: Ledger) -> Ledger:
    """Return a sealed ledger of ten entries."""
    return sealed(ledger, 10)


def run(ledger: Ledger, out: Path, *arguments: str) -> str:
    said = StringIO()
    call_command(
        *("exportledger", "--ledger", ledger.name, "--out", str(out), *arguments), stdout=said
    )
    return said.getvalue()


def sign_soon(ledger: Ledger, stop: threading.Event) -> None:
    """Sign as the sealing process does, until told to stop."""
    while not stop.wait(0.05):
        sign_waiting_manifests(ledger, signing(ledger))
    connection.close()


@pytest.fixture
def sealer(ten: Ledger) -> Any:
    """Sign what waits while the test runs."""
    stop = threading.Event()
    thread = threading.Thread(target=sign_soon, args=(ten, stop))
    thread.start()
    yield thread
    stop.set()
    thread.join(timeout=10)


@pytest.mark.usefixtures("sealer")
def test_a_bundle_is_made_signed_and_put_where_it_was_asked_for(
    ten: Ledger, tmp_path: Path
) -> None:
    out = tmp_path / "october.zip"

    said = json.loads(run(ten, out, "--outcome", "denied", "--with", "csv", "--json"))

    assert said["sha256"] == sha256(out.read_bytes()).hexdigest()
    assert (said["entries"], said["size"], said["bytes"]) == (4, 10, out.stat().st_size)
    assert said["query"] == {"ledger": [ten.name], "outcome": ["denied"]}
    with ZipFile(out) as bundle:
        assert "entries.csv" in bundle.namelist()
    export = Export.objects.get(id=said["export"])
    assert (export.state, export.via, export.requested_by) == ("done", "command", "exportledger")
    assert [each.name for each in tmp_path.iterdir()] == ["october.zip"]


@pytest.mark.parametrize("format", ["csv", "ocsf", "cef", "ndjson"])
def test_a_rendering_alone_is_there_at_once(ten: Ledger, tmp_path: Path, format: str) -> None:
    said = run(ten, tmp_path / "out", "--format", format)

    assert "10 entries" in said


def test_when_no_signature_comes_it_says_what_to_look_at(ten: Ledger, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"is manage.py seal --follow running") as error:
        run(ten, tmp_path / "out.zip", "--wait", "0.3")

    assert error.value.returncode == 4
    assert not (tmp_path / "out.zip").exists()
    assert Export.objects.get(ledger=ten).state == "signing"


def test_a_file_that_is_there_is_not_replaced_unasked(ten: Ledger, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("mine")

    with pytest.raises(CommandError, match="--force") as error:
        run(ten, out, "--format", "csv")

    assert (error.value.returncode, out.read_text()) == (2, "mine")
    run(ten, out, "--format", "csv", "--force")
    assert out.read_text() != "mine"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--outcome", "maybe"], "outcome is one of"),
        (["--from", "2026-10-01"], "needs a time of day"),
        (["--size", "7"], "the nearest are 10"),
        (["--format", "csv", "--with", "cef"], "only a bundle"),
    ],
)
def test_wrong_use_is_named_and_makes_nothing(
    ten: Ledger, tmp_path: Path, arguments: list[str], said: str
) -> None:
    with pytest.raises(CommandError, match=said) as error:
        run(ten, tmp_path / "out", *arguments)

    assert error.value.returncode == 2
    assert list(tmp_path.iterdir()) == []
    assert not Export.objects.filter(ledger=ten).exists()


def test_a_ledger_without_a_checkpoint_says_what_to_do(ledger: Ledger, tmp_path: Path) -> None:
    chain(ledger, [make_event()])

    with pytest.raises(CommandError, match="makesigningkey"):
        run(ledger, tmp_path / "out")


def test_a_ledger_that_is_none_names_those_there_are(ten: Ledger, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=ten.name):
        call_command("exportledger", "--ledger", "t.none", "--out", str(tmp_path / "out"))


def test_nowhere_to_put_it_is_said_before_anything_is_made(ten: Ledger, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="there is no folder"):
        run(ten, tmp_path / "nowhere" / "out")

    assert not Export.objects.filter(ledger=ten).exists()

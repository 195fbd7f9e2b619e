"""The verifiers are anyone's: served as a bundle carries them, and able to do nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import pytest
from django.test import Client

from audit.ledger.manifest import VERIFY_HTML, VERIFY_PY
from audit.ledger.proof import format_proof
from audit.models import Entry, Ledger
from audit.proofs import prove_entry, verifier_keys
from tests.audit.exporting import sealed
from tests.audit.ledger.bundles import bundle, unpack
from tests.audit.ledger.bundles import ledger as in_memory

ADDRESSES = ("/verify.py", "/verify.html")


@pytest.mark.parametrize(
    ("name", "kind"), [(VERIFY_PY, "text/x-python"), (VERIFY_HTML, "text/html")]
)
def test_anyone_gets_the_file_that_a_bundle_carries(database: None, name: str, kind: str) -> None:
    answer = Client().get(f"/{name}")

    assert answer.status_code == 200
    assert answer["Content-Type"] == f"{kind}; charset=utf-8"
    assert answer.content == unpack(bundle(in_memory(9), range(9)))[name]
    assert not answer.cookies
    assert "Vary" not in answer


def test_verify_py_is_saved_and_not_shown(database: None) -> None:
    assert Client().get("/verify.py")["Content-Disposition"] == 'attachment; filename="verify.py"'


def test_the_page_may_run_its_own_script_and_nothing_else(database: None) -> None:
    answer = Client().get("/verify.html")

    page = answer.content.decode()
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    policy = dict(each.split(" ", 1) for each in answer["Content-Security-Policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'",
        "style-src": f"'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }


@pytest.mark.parametrize("address", ADDRESSES)
def test_whoever_has_it_is_told_so(database: None, address: str) -> None:
    first = Client().get(address)

    again = Client().get(address, headers={"If-None-Match": first["ETag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert first["Cache-Control"] == "public, no-cache"


@pytest.mark.parametrize("address", ADDRESSES)
def test_it_is_only_read(database: None, address: str) -> None:
    client = Client(enforce_csrf_checks=False)

    assert client.head(address).status_code == 200
    assert client.head(address).content == b""
    assert client.post(address).status_code == client.delete(address).status_code == 405


def test_a_stranger_checks_an_entry_with_what_the_platform_gives(
    ledger: Ledger, tmp_path: Path
) -> None:
    sealed(ledger, 20)
    proof, _ = prove_entry(ledger.id, 7)
    (tmp_path / "verify.py").write_bytes(Client().get("/verify.py").content)
    (tmp_path / "7.tlog-proof").write_bytes(format_proof(proof))
    (tmp_path / "record.json").write_bytes(bytes(Entry.objects.get(ledger=ledger, seq=7).record))
    command = ["proof", "7.tlog-proof", "--record", "record.json", "--key"]

    done = subprocess.run(
        [sys.executable, "-I", "-S", "verify.py", *command, verifier_keys(ledger)[0]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("INTACT\n  entry 7 is in the tree of size ")

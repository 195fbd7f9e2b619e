"""The command `erase`: from a preview to the end, with the id from stdin."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError

from audit.append import append_pending
from audit.models import Ledger
from tests.audit.erasing import CAROL, about, last_action, own_tombstones
from tests.conftest import chain

__all__ = ["own_tombstones"]  # fixtures, which pytest finds by their names here


# Each with its own stdin and exit code, as from a shell: starting Django is most of the time.
_ONE_AFTER_ANOTHER = """
import contextlib, io, json, sys
from django.core.management import execute_from_command_line

said = []
for arguments in json.loads(sys.argv[1]):
    sys.stdin, out, err, code = io.StringIO(sys.argv[2] + "\\n"), io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            execute_from_command_line(["manage.py", "erase", *arguments])
        except SystemExit as ended:
            code = ended.code
    said.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(said))
"""


def run(*arguments: str) -> Any:
    """Run the command as a process of its own."""
    return subprocess.run(
        [sys.executable, "manage.py", "erase", *arguments],
        cwd=settings.BASE_DIR,
        input=f"{CAROL}\n",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def run_each(*commands: tuple[str, ...]) -> list[tuple[int, str, str]]:
    """Run the command several times in one process; return exit code, stdout and stderr of each."""
    done = subprocess.run(
        [sys.executable, "-c", _ONE_AFTER_ANOTHER, json.dumps(commands), CAROL],
        cwd=settings.BASE_DIR,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "obsplatform.settings"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return [(code, out, err) for code, out, err in json.loads(done.stdout.splitlines()[-1])]


def test_the_command_does_all_of_it_and_reads_the_id_from_stdin(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OBS_TOMBSTONES", str(tmp_path / "stones"))
    monkeypatch.setenv("OBS_DATABASE_ROLE", "worker")
    chain(ledger, [about()])
    of = ("-", "--ledger", ledger.name, "--json")

    found, unlooked, preview = run_each(
        ("find", *of),
        ("run", *of, "--reason", "a letter"),
        ("preview", *of, "--case", "DSR-1", "--reason", "a letter"),
    )
    ready = json.loads(preview[1])
    done = json.loads(run("run", *of).stdout)
    append_pending(ledger.id)
    pdf = tmp_path / "certificate.pdf"
    number = str(done["erasure"])
    certified, _, gone = run_each(
        ("certificate", number, "--ledger", ledger.name),
        ("certificate", number, "--ledger", ledger.name, "--pdf", str(pdf)),
        ("find", *of),
    )

    assert json.loads(found[1])["entries"] == 1
    assert unlooked[0] == 1
    assert "erase preview" in unlooked[2]
    assert (ready["state"], ready["entries"], done["state"]) == ("ready", 1, "done")
    assert "CERTIFICATE OF ERASURE" in certified[1]
    assert pdf.read_bytes().startswith(b"%PDF")
    assert gone[0] == 1
    assert (tmp_path / "stones").read_text().startswith(done["key_id"])
    assert last_action(ledger)["actor"] == {"type": "system", "id": "platform"}


def test_the_command_refuses_what_it_cannot_understand(ledger: Ledger) -> None:
    with pytest.raises(CommandError, match="there is no ledger"):
        call_command("erase", "find", "x", ledger="nowhere")
    with pytest.raises(CommandError, match="name the subject"):
        call_command("erase", "find", ledger=ledger.name)
    with pytest.raises(CommandError, match="by its number"):
        call_command("erase", "certificate", "x", ledger=ledger.name)
    with pytest.raises(CommandError, match="has no erasure"):
        call_command("erase", "certificate", "999999999", ledger=ledger.name)

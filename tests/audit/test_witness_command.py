"""The witness as a command: its key, its logs, and one history though it is killed."""

from __future__ import annotations

import http.client
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from audit.ledger.checkpoint import parse_checkpoint
from audit.ledger.note import (
    Note,
    format_note,
    format_verifier_key,
    open_note,
    parse_note,
    parse_signatures,
    parse_verifier_key,
)
from audit.management.commands.witness import Command
from tests.audit.sinks.publishing import LOG_KEY, Log
from tests.audit.witnessed import HASH, LOG, add, call, port, server, start

__all__ = ["port", "server", "start"]  # fixtures, which pytest finds by their names here


ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def process(state: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str, int]]:
    """Run `manage.py witness` with no database to be had; killed at the end by its own pid."""
    environment = os.environ | {
        "OBS_DATA": str(state.parent / "data"),
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    }
    command = [sys.executable, "manage.py", "witness", "--name", "witness.example"]
    known = ["--log", format_verifier_key(LOG_KEY.key)]
    running = subprocess.Popen(
        [*command, *(arguments or known), "--state", str(state), "--port", "0"],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert running.stdout is not None
        vkey, url = running.stdout.readline().strip(), running.stdout.readline().strip()
        assert url, running.stderr.read() if running.stderr else ""
        yield running, vkey, int(url.rstrip("/").rpartition(":")[2])
    finally:
        running.kill()
        running.communicate()


def test_the_command_prints_the_key_that_signs(tmp_path: Path) -> None:
    with process(tmp_path / "state") as (running, vkey, port):
        answered = add(port, 0, 5)

        key = parse_verifier_key(vkey)
        note = Note(
            text=parse_note(LOG.note(5)).text, signatures=parse_signatures(answered.body.decode())
        )
        assert open_note(format_note(note), keys=[key]).keys() == {key}
        running.terminate()
        assert running.wait(20) == 0


def test_the_logs_of_a_policy_are_known(tmp_path: Path) -> None:
    policy = tmp_path / "policy"
    policy.write_text(f"log {format_verifier_key(LOG_KEY.key)}\nquorum none\n")

    with process(tmp_path / "state", "--policy", str(policy)) as (_, _, port):
        assert add(port, 0, 5).status == 200


@pytest.mark.parametrize("arguments", [[], ["--log", "garbage"], ["--policy", "/nowhere"]])
def test_without_a_log_it_does_not_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    # As manage.py does, without a process of its own.
    with pytest.raises(SystemExit) as ended:
        Command().run_from_argv(
            ["manage.py", "witness", "--name", "w", "--state", str(tmp_path / "s"), *arguments]
        )

    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "--log" in said or "--policy" in said


def test_two_processes_on_one_folder_cosign_one_history(tmp_path: Path) -> None:
    with process(tmp_path / "state") as (_, _, one), process(tmp_path / "state") as (_, _, two):
        answers: list[int] = []

        def ask(port: int, log: Log) -> None:
            answers.append(add(port, 0, 5, log=log).status)

        threads = [
            threading.Thread(target=ask, args=(port, Log(word=word)))
            for word in ("leaf", "other", "third")
            for port in (one, two)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

    assert answers.count(200) == 1


def test_killed_at_any_moment_it_never_cosigns_two_histories(tmp_path: Path) -> None:
    """Whatever it cosigned before a kill, nothing that contradicts it is cosigned after."""
    seen: dict[int, bytes] = {}
    chance = random.Random(41)
    size = 1
    for turn in range(4):
        log = Log(word="leaf" if turn % 2 == 0 else "other")
        with process(tmp_path / "state") as (running, _, port):
            alarm = threading.Timer(chance.uniform(0.05, 0.4), running.kill)
            if turn == 0:  # so that there is a history to keep
                assert add(port, 0, size).status == 200
                seen[size] = LOG.root(size)
            alarm.start()
            while True:
                try:
                    shown = call(port, "GET", f"/{HASH}/checkpoint")
                    old = (
                        parse_checkpoint(parse_note(shown.body).text).size
                        if shown.status == 200
                        else 0
                    )
                    size = max(size, old) + 1
                    if add(port, old, size, log=log).status == 200:
                        assert seen.setdefault(size, log.root(size)) == log.root(size)
                    else:
                        # What the other history began is not continued by this one.
                        assert turn % 2 == 1
                except (OSError, http.client.HTTPException):
                    break
            alarm.join()
    assert seen
    assert all(root == LOG.root(size) for size, root in seen.items())
    with process(tmp_path / "state") as (_, _, port):
        last = parse_checkpoint(parse_note(call(port, "GET", f"/{HASH}/checkpoint").body).text)
        assert last.size >= max(seen)
        assert last.root == LOG.root(last.size)

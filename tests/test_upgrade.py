"""An installation made by the code before the newest migration goes on with this code.

A migration on main is never edited, and none may lose, change or unprove what an older version
has chained. So older code itself makes an installation here, from the history of this very
checkout, newer code takes it over, and this code takes it over from that.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from tests.conftest import make_event
from tests.installation import ROOT, data_folder, started
from tests.sizes import size

PORT = 18_900
COMMITS = size(1, 2)  # each is an installation to start; who added the older migrations ran this
ENTRIES = 700  # more than two tiles of 256
HANGS = 120  # seconds; a bound against hanging, not a claim about speed


def git(*arguments: str) -> bytes:
    return subprocess.run(
        ["git", *arguments], cwd=ROOT, check=True, capture_output=True, timeout=60
    ).stdout


def commits_before_new_migrations() -> list[str]:
    """Return the newest commits that lack a migration which is here now, committed or not.

    The first came right before the newest migration, the next before the ones before it.
    """
    here = {str(each.relative_to(ROOT)) for each in ROOT.glob("*/migrations/0*.py")}
    found: list[str] = []
    try:
        history = git("log", "--first-parent", "--format=%H", "--", "*/migrations/0*.py")
        for commit in ["HEAD", *(f"{each}^" for each in history.decode().split())]:
            there = set(git("ls-tree", "-r", "--name-only", commit).decode().splitlines())
            if not here <= there:
                found.append(git("rev-parse", commit).decode().strip())
                here &= there
            if len(found) == COMMITS:
                break
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        pytest.skip(f"needs git and the history of this checkout: {error}")
    assert found, "every commit has every migration"
    return found


@pytest.fixture
def older_codes() -> Iterator[list[Path]]:
    """Return checkouts of these commits, the oldest first."""
    with tempfile.TemporaryDirectory(prefix="obs-older-") as folder:
        found: list[Path] = []
        for commit in reversed(commits_before_new_migrations()):
            # A zip: Python before 3.11.4 takes a tar apart only without looking where its
            # members go.
            archive = git("archive", "--format=zip", commit)
            found.append(Path(folder) / commit)
            with ZipFile(io.BytesIO(archive)) as files:
                files.extractall(found[-1])
        yield found


def post(ready: dict[str, Any], events: list[dict[str, Any]], *, wait: str) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{ready['url']}/api/v1/events?wait={wait}",
        data=json.dumps(events).encode(),
        headers={"Authorization": f"Bearer {ready['key']}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def post_until(state: str, ready: dict[str, Any], events: list[dict[str, Any]]) -> list[Any]:
    """Post until all are in this state, and return the receipts: one POST does not wait long."""
    ends = time.monotonic() + HANGS
    while True:
        receipts: list[Any] = post(ready, events, wait=state)["receipts"]
        if all(each["state"] in {state, "sealed"} for each in receipts):
            return receipts
        assert time.monotonic() < ends, receipts[-1]


def verified(ready: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "manage.py", "verifychain", "--json"],
        cwd=ROOT,
        env=ready["environment"],
        capture_output=True,
        timeout=120,
        check=False,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == {"intact": 0, "tampered": 1, "not_proven": 3}[found["result"]]
    return found


@pytest.mark.timeout(600)
def test_what_older_code_has_chained_is_kept_verified_and_sealed_by_this_code(
    older_codes: list[Path],
) -> None:
    before: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    kept: list[dict[str, Any]] = []
    with data_folder() as data:
        for code in older_codes:
            with started(data, code=code, port=PORT) as ready:
                who = {"personal": {"name": "Carol"}, "data": {"subject_ids": ["carol"]}}
                more = [make_event(**who) for _ in range(ENTRIES)]
                kept += post_until("chained", ready, more)
                events += more
                before.append(ready)

        with started(data, port=PORT) as after:
            again = post(after, events, wait="chained")
            (new,) = post_until("sealed", after, [make_event()])
            report = verified(after)

    assert len(kept) == len(events)
    for name in ("user", "password", "key"):
        assert [each[name] for each in before] == [after[name]] * len(older_codes)
    assert again["duplicate"] == len(events)
    assert [each["hash"] for each in again["receipts"]] == [each["hash"] for each in kept]
    assert new["seq"] >= len(events)
    assert (report["result"], report["broken"]) == ("intact", 0)
    assert report["checked"] > len(events)

"""The examples in other languages do what they say, against a whole installation."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import playwright
import pytest
from obsagent.canonical import digest_of
from obsagent.trail import Trail
from obsagent.transport import Transport

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
_STRIPS_TYPES = (22, 6)
_SECONDS = 60


def trail_of(installation: dict[str, Any]) -> Trail:
    return Trail(Transport(installation["url"], installation["key"], timeout=30))


def run(
    installation: dict[str, Any], *command: str | Path, **more: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env={
            "PATH": "/usr/bin:/bin",
            "OBS_URL": installation["url"],
            "OBS_KEY": installation["key"],
            **more,
        },
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl: apt-get install curl")
def test_the_script_for_curl_sends_an_event_and_a_span_and_may_be_run_again(
    installation: dict[str, Any],
) -> None:
    script, event_id = EXAMPLES / "send.sh", str(uuid4())
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    first = run(installation, "sh", script, event_id, at)
    again = run(installation, "sh", script, event_id, at)

    assert first.returncode == 0, first.stderr + first.stdout
    assert again.returncode == 0, again.stderr + again.stdout
    receipts, answered, ids = first.stdout.splitlines()[-3:]
    assert json.loads(receipts)["receipts"][0]["status"] == "received"
    assert json.loads(again.stdout.splitlines()[0])["receipts"][0]["status"] == "duplicate"
    assert answered == "{}"
    told, trace = ids.split()
    assert told == event_id
    trail = trail_of(installation)
    state = trail.event(event_id)
    assert state is not None
    assert state["state"] == "sealed"
    assert trail.get(f"/api/v1/traces/{trace}")["spans"] == 1


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl: apt-get install curl")
def test_the_script_for_curl_ends_with_an_error_when_it_was_refused(
    installation: dict[str, Any],
) -> None:
    refused = run(installation, "sh", EXAMPLES / "send.sh", OBS_KEY="obs_live_wrong")
    unset = run(installation, "sh", EXAMPLES / "send.sh", OBS_KEY="")

    assert refused.returncode != 0
    assert "OBS_KEY" in unset.stderr


def node_with_types() -> str | None:
    """Return a Node that runs TypeScript by itself: that of the machine, or Playwright's own."""
    of_playwright = Path(playwright.__file__).parent / "driver" / "node"
    for node in filter(None, (shutil.which("node"), shutil.which(of_playwright))):
        said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True)
        version = tuple(map(int, re.findall(r"\d+", said.stdout)[:2]))
        if version >= _STRIPS_TYPES:
            return node
    return None


def test_the_example_in_typescript_sends_an_event(installation: dict[str, Any]) -> None:
    node = node_with_types()
    if node is None:
        pytest.skip("needs Node 22.6 or newer, which runs TypeScript by itself")

    ended = run(installation, node, "--experimental-strip-types", EXAMPLES / "send.mts")

    assert ended.returncode == 0, ended.stderr
    receipt = json.loads(ended.stdout)
    assert receipt["status"] == "received"
    event = chained(receipt["id"], installation)
    assert event["tool"]["arguments_hash"] == digest_of({"claim": 4711})


def chained(event_id: str, installation: dict[str, Any]) -> dict[str, Any]:
    """Return an event once it is in the ledger."""
    ends = time.monotonic() + _SECONDS
    while time.monotonic() < ends:
        for entry in trail_of(installation).entries(agent="typescript-agent"):
            event: dict[str, Any] = entry["record"]["event"]
            if event["id"] == event_id:
                return event
        time.sleep(0.1)
    raise AssertionError(f"{event_id} was not chained")

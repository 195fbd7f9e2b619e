"""The main job, end to end: from an agent's POST to a chained, visible, verified entry."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from hashlib import sha256
from typing import Any

from tests.conftest import make_event
from tests.installation import ROOT


def test_a_posted_event_becomes_a_chained_entry_that_verifies(installation: dict[str, Any]) -> None:
    event = make_event()
    answer = _call(installation, "/api/v1/events?wait=chained", event)

    (receipt,) = answer["receipts"]
    assert (receipt["status"], receipt["state"]) == ("received", "chained")
    lines = _lines(installation, "/api/v1/entries")
    (line,) = [each for each in lines if event["id"] in each["record"]]
    assert line["seq"] == receipt["seq"]
    assert line["hash"] == receipt["hash"] == sha256(b"\0" + line["record"].encode()).hexdigest()
    assert json.loads(line["record"])["event"]["target"] == event["target"]
    done = subprocess.run(
        [sys.executable, "manage.py", "verifychain", "--json"],
        cwd=ROOT, env=installation["environment"], capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["result"] == "intact"


def test_posting_again_is_a_duplicate_with_the_same_seq(installation: dict[str, Any]) -> None:
    event = make_event()
    first = _call(installation, "/api/v1/events?wait=chained", event)["receipts"][0]

    second = _call(installation, "/api/v1/events", event)["receipts"][0]

    assert second["status"] == "duplicate"
    assert (second["seq"], second["digest"]) == (first["seq"], first["digest"])


def test_it_runs_with_the_roles_of_the_ledger(installation: dict[str, Any]) -> None:
    checks = {each["name"]: each for each in _get(installation, "/ready")["checks"]}

    # What was set up. How quick it is, and what other tests sent without a price, is not asked.
    for name in ("database", "migrations", "durability", "roles", "months", "guard", "store"):
        assert checks[name]["status"] == "ok", checks[name]


def _request(installation: dict[str, Any], path: str, **options: Any) -> urllib.request.Request:
    headers = {"Authorization": f"Bearer {installation['key']}"} | options.pop("headers", {})
    return urllib.request.Request(installation["url"] + path, headers=headers, **options)


def _call(installation: dict[str, Any], path: str, event: dict[str, Any]) -> dict[str, Any]:
    request = _request(
        installation,
        path,
        data=json.dumps(event).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def _get(installation: dict[str, Any], path: str) -> dict[str, Any]:
    with urllib.request.urlopen(_request(installation, path), timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def _lines(installation: dict[str, Any], path: str) -> list[dict[str, Any]]:
    request = _request(installation, path, headers={"Accept": "application/x-ndjson"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return [json.loads(line) for line in answer]

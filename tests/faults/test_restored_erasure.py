"""A backup that is older than an erasure comes back, and the erased person does not.

A whole installation, its database's files copied while it stands still and put back later: what an
operator's restore comes to. The keys outside the database stay where they are. The erasure itself
is done by the command, which needs the database alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import psycopg
import pytest

from obsplatform.local import Postgres
from tests.audit.erasing import BORN, CAROL, about
from tests.installation import ROOT, data_folder, started

PORT = 18_700
_SECONDS = 120


@pytest.mark.timeout(900)  # two starts of a whole installation
def test_a_restored_backup_brings_no_erased_person_back() -> None:
    event = about()
    with data_folder(migrated=True) as data:
        with started(data, port=PORT) as ready:
            _post(ready, event)
        backup = _copy((data / "postgres").resolve(), data / "backup")
        key_id = _erased(data, ready["environment"])
        cluster = (data / "postgres").resolve()
        subprocess.run(["rm", "-rf", str(cluster)], check=True)
        _copy(backup, cluster)
        assert key_id in (data / "keys" / "tombstones").read_text()

        with started(data, port=PORT) as ready:
            living = _keys(ready)
            found = _command(ready["environment"], "find")
            status = _get(ready, f"/api/v1/events/{event['id']}")
            again = _wait_for(ready, "data.delete")

    assert living == [(None, None)]
    assert found.returncode == 1
    assert status["state"] in {"chained", "sealed"}
    assert again["target"] == {"type": "subject_key", "id": key_id}
    assert BORN not in json.dumps(again)


def _copy(source: Path, to: Path) -> Path:
    """Copy a cluster that stands still, with its owner and its rights."""
    subprocess.run(["cp", "-a", str(source), str(to)], check=True, timeout=_SECONDS)
    return to


def _erased(data: Path, environment: dict[str, str]) -> str:
    """Erase Carol where nothing but the database runs; return the id of her key."""
    postgres = Postgres(data)
    postgres.start()
    try:
        environment = environment | {
            "DATABASE_URL": postgres.url("web"),
            "DATABASE_WORKER_URL": postgres.url("worker"),
            "DATABASE_OWNER_URL": postgres.url("owner"),
            "REDIS_URL": "redis://127.0.0.1:1/0",  # nobody there: nobody need be woken
        }
        _erase(environment, "preview", "--case", "DSR-1", "--reason", "a letter")
        done = _erase(environment, "run")
    finally:
        postgres.stop()
    assert done["state"] == "done"
    key_id: str = done["key_id"]
    return key_id


def _command(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    act, *options = arguments
    return subprocess.run(
        [sys.executable, "manage.py", "erase", act, "-", *options, "--json"],
        cwd=ROOT,
        env=environment,
        input=CAROL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )


def _erase(environment: dict[str, str], *arguments: str) -> dict[str, Any]:
    done = _command(environment, *arguments)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _keys(ready: dict[str, Any]) -> list[tuple[Any, ...]]:
    with psycopg.connect(ready["database_url"]) as connection:
        return connection.execute("SELECT lookup, wrapped FROM audit_subjectkey").fetchall()


def _post(ready: dict[str, Any], event: dict[str, Any]) -> None:
    request = urllib.request.Request(
        f"{ready['url']}/api/v1/events?wait=sealed",
        data=json.dumps(event).encode(),
        headers={"Authorization": f"Bearer {ready['key']}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
        assert json.load(answer)["received"] == 1


def _get(ready: dict[str, Any], path: str) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{ready['url']}{path}", headers={"Authorization": f"Bearer {ready['key']}"}
    )
    with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def _wait_for(ready: dict[str, Any], action: str) -> dict[str, Any]:
    """Return the newest event of this action, as soon as it is chained."""
    ends = time.monotonic() + _SECONDS
    while time.monotonic() < ends:
        items = _get(ready, f"/api/v1/entries?action={action}&limit=1")["items"]
        if items:
            event: dict[str, Any] = items[0].get("event") or items[0]["record"]["event"]
            return event
        time.sleep(0.2)
    raise AssertionError(f"no entry {action} came")

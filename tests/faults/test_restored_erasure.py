"""A backup that is older than an erasure comes back, and the erased person does not.

The files of a database, copied while it stands still and put back later, and a whole installation
that starts on them: what an operator's restore comes to. The keys outside the database stay where
they are. What is restored is made where nothing but the database runs, and erased there by the
command.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from obsplatform.local import Postgres
from tests.audit.erasing import BORN, CAROL, about
from tests.installation import ROOT, clean_environment, data_folder, started

PORT = 18_700
_SECONDS = 120


# What receives, chains and makes keys in a running installation, in one process.
_CHAIN = """
import sys
from datetime import UTC, datetime

import django

django.setup()

from django.conf import settings
from django.core.management import call_command

from audit.append import append_pending
from audit.ledgers import open_ledger
from audit.receive import Incoming, Sender, receive

call_command("prepare", quiet=True)
ledger = open_ledger(settings.LEDGER)
(receipt,) = receive(
    [Incoming(raw=sys.stdin.buffer.read())],
    ledger_id=ledger.id,
    ledger_name=ledger.name,
    sender=Sender(via="api", scope="events", scopes=frozenset({"events:write"}), key="testkey1"),
    received_at=datetime.now(UTC),
    request_id="test",
)
assert receipt.status == "received", receipt
assert append_pending(ledger.id)
"""


@pytest.mark.timeout(900)  # the start of a whole installation
def test_a_restored_backup_brings_no_erased_person_back() -> None:
    event = about()
    with data_folder(migrated=True) as data:
        with _database_alone(data) as environment:
            _chain(environment, event)
        backup = _copy((data / "postgres").resolve(), data / "backup")
        with _database_alone(data) as environment:
            key_id = _erased(environment)
        cluster = (data / "postgres").resolve()
        subprocess.run(["rm", "-rf", str(cluster)], check=True)
        _copy(backup, cluster)
        assert key_id in (data / "keys" / "tombstones").read_text()
        with _database_alone(data) as environment:
            ((lookup, wrapped),) = _keys(environment["DATABASE_URL"])
            assert lookup, "the backup brought no key back"
            assert wrapped, "the backup brought no key back"

        with started(data, port=PORT) as ready:
            living = _keys(ready["database_url"])
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


@contextmanager
def _database_alone(data: Path) -> Iterator[dict[str, str]]:
    """Run the database of an installation and nothing else; yield the environment of commands."""
    postgres = Postgres(data)
    postgres.start()
    try:
        yield clean_environment(
            OBS_DATA=str(data),
            DATABASE_URL=postgres.url("web"),
            DATABASE_WORKER_URL=postgres.url("worker"),
            DATABASE_OWNER_URL=postgres.url("owner"),
            REDIS_URL="redis://127.0.0.1:1/0",  # nobody there: nobody need be woken
        )
    finally:
        postgres.stop()


def _chain(environment: dict[str, str], event: dict[str, Any]) -> None:
    """Make what an installation needs, and chain an event."""
    settings = {"DJANGO_SETTINGS_MODULE": "obsplatform.settings", "OBS_DATABASE_ROLE": "owner"}
    subprocess.run(
        [sys.executable, "-c", _CHAIN],
        cwd=ROOT,
        env=environment | settings,
        input=json.dumps(event).encode(),
        check=True,
        timeout=_SECONDS,
    )


def _erased(environment: dict[str, str]) -> str:
    """Erase Carol; return the id of her key."""
    _erase(environment, "preview", "--case", "DSR-1", "--reason", "a letter")
    done = _erase(environment, "run")
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


def _keys(database_url: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database_url) as connection:
        return connection.execute("SELECT lookup, wrapped FROM audit_subjectkey").fetchall()


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

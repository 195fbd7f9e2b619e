"""What tasks can rely on."""

from __future__ import annotations

import json
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from celery import current_app
from django.conf import settings

from audit.database import raw_connection
from audit.models import Ledger
from audit.tasks import append_ledger
from obsplatform.celery import look_at_connections
from tests.conftest import entries, make_event, post

POSTS = 40
PATIENCE = 90.0
_TASKS = "SELECT sum(n) FROM metrics_process WHERE family = 'obs_celery_tasks_total'"


def test_every_thread_rings_our_broker() -> None:
    with ThreadPoolExecutor(1) as pool:
        name, broker = pool.submit(lambda: (current_app.main, current_app.conf.broker_url)).result()

    assert (name, broker) == ("obsplatform", settings.REDIS_URL)


@pytest.mark.usefixtures("database")
def test_a_task_begins_with_a_connection_that_works(ledger: Ledger) -> None:
    post(ledger, [make_event()])
    with psycopg.connect(raw_connection().info.dsn, password=_password(), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [raw_connection().info.backend_pid])

    look_at_connections()
    append_ledger(ledger.id)

    assert len(entries(ledger)) == 1


def test_a_worker_keeps_its_connection_from_task_to_task(installation: dict[str, Any]) -> None:
    services = json.loads((installation["data"] / "services.json").read_text())
    with psycopg.connect(services["database_worker_url"], autocommit=True) as look:
        _wait_for_tasks(look)
        known, began = _backends(look), time.monotonic()
        fresh: set[int] = set()
        for _ in range(POSTS):
            _post(installation)
            until = time.monotonic() + 0.06  # the bell rings at most each 50 ms, for a task
            while time.monotonic() < until:
                fresh |= _backends(look) - known
        took = time.monotonic() - began

    # What else connects does so by the second: probes, and children that are recycled.
    assert len(fresh) < POSTS / 2, f"{len(fresh)} connections in {took:.1f} s"


def _wait_for_tasks(look: psycopg.Connection[Any]) -> None:
    """Wait until the worker has told that it did some: it starts after the web answers."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if look.execute(_TASKS).fetchone() != (None,):
            return
        time.sleep(0.2)
    raise AssertionError("no task ran")


def _backends(look: psycopg.Connection[Any]) -> set[int]:
    return {pid for (pid,) in look.execute("SELECT pid FROM pg_stat_activity")}


def _password() -> str:
    return raw_connection().info.password


def _post(ready: dict[str, Any]) -> None:
    request = urllib.request.Request(
        f"{ready['url']}/api/v1/events",
        json.dumps(make_event()).encode(),
        {"Authorization": f"Bearer {ready['key']}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status in (200, 202)

"""What the processes of a whole installation count of themselves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import psycopg

from audit.database import rows
from audit.models import Ledger
from metrics.families import FAMILIES
from tests.conftest import entries, make_event, post
from tests.installation import ROOT

PATIENCE = 120.0
"""Seconds that a busy machine may take; what is waited for comes within ten on an idle one."""

SELDOM = {
    "obs_alerts_firing",
    "obs_alerts_total",
    "obs_anomalies_total",
    "obs_metrics_label_overflow_total",
    "obs_notifications_total",
}
"""Families that say what happens on no good day; tests of their own make it happen."""

AT_RENDER = {
    "obs_metrics_scrape_seconds",
    "obs_metrics_snapshot_age_seconds",
    "obs_metrics_collector_up",
    "obs_build_info",
}
"""Families that the page tells of itself; they have no rows."""


def ask(ready: dict[str, Any], path: str, body: Any = None, key: str = "") -> int:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    request = urllib.request.Request(
        ready["url"] + path, data, headers | {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def database(ready: dict[str, Any]) -> psycopg.Connection[Any]:
    services = json.loads((ready["data"] / "services.json").read_text())
    return psycopg.connect(services["database_worker_url"], autocommit=True)


def wait_until(holds: Callable[[], bool]) -> bool:
    ends = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > ends:
            return False
        time.sleep(0.5)
    return True


def test_every_family_of_processes_has_a_sample(installation: dict[str, Any]) -> None:
    wanted = {f.name for f in FAMILIES if "process" in f.sources} - AT_RENDER - SELDOM
    key = installation["key"]
    ask(installation, "/api/v1/events", [make_event(), make_event(action="no.such")], key)
    ask(installation, "/api/v1/entries", key="obs_live_wrong")
    ask(installation, "/ready")

    with database(installation) as connection:

        def missing() -> set[str]:
            found = connection.execute(
                "SELECT family FROM metrics_process UNION SELECT family FROM metrics_fact"
            )
            return wanted - {family for (family,) in found}

        wait_until(lambda: not missing())

        assert missing() == set()


def test_minutes_hold_the_requests_that_were_sent(installation: dict[str, Any]) -> None:
    # Tests before this one may have taken all places of the family; the rest is `_other`.
    counted = (
        "SELECT coalesce(sum(n), 0) FROM metrics_processminute"
        " WHERE family = 'obs_http_requests_total'"
        " AND (labels LIKE 'GET %ledgers 4xx 401' OR labels LIKE '%\\_other%')"
    )
    timed = (
        "SELECT coalesce(sum((SELECT sum(each) FROM unnest(buckets) AS each)), 0)"
        " FROM metrics_processminute"
        " WHERE family = 'obs_http_request_duration_seconds'"
        " AND (labels LIKE 'GET %ledgers' OR labels LIKE '%\\_other%')"
    )
    with database(installation) as connection:

        def number(query: str) -> int:
            return int((connection.execute(query).fetchone() or (0,))[0])

        before, before_timed = number(counted), number(timed)

        refused = [ask(installation, "/api/v1/ledgers", key="obs_live_wrong") for _ in range(23)]
        wait_until(lambda: number(counted) - before >= len(refused))

        assert refused == [401] * 23
        assert number(counted) - before == 23
        assert number(timed) - before_timed == 23


def test_append_that_is_asked_to_end_tells_its_last_numbers(alone: None, ledger: Ledger) -> None:
    process = subprocess.Popen(
        [sys.executable, "manage.py", "append_pending", "--follow"],
        cwd=ROOT,
        env=os.environ | {"OBS_APPEND_POLL_MS": "20"},
        stdout=subprocess.DEVNULL,
    )
    try:
        post(ledger, [make_event() for _ in range(5)])
        assert wait_until(lambda: len(entries(ledger)) == 5)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=PATIENCE)

    found = rows(
        "SELECT (SELECT sum(each) FROM unnest(buckets) AS each) FROM metrics_process"
        " WHERE family = 'obs_ingest_lag_seconds' AND labels = %s",
        (f"chained {ledger.name}",),
    )
    assert [int(number) for (number,) in found] == [5]

"""An installation, the fleet in it, and the Prometheus that scrapes it; how each is asked.

The fixture that starts them: conftest.py. What Prometheus is run with: tests.metrics.prometheus.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from audit.actions import ACTIONS
from metrics.families import FAMILIES
from metrics.family import Family
from tests.conftest import make_event
from tests.installation import ROOT
from tests.metrics.prometheus import Prometheus

TOKEN = "a-token-for-the-scraper"
PATIENCE = 60.0
"""Seconds that a busy machine may take until all facts were asked and scraped."""


@dataclass(frozen=True, kw_only=True)
class Platform:
    """An installation."""

    ready: dict[str, Any]

    def page(self, scope: str) -> str:
        """Return a page in the text format."""
        request = urllib.request.Request(
            f"{self.ready['url']}/metrics?scope={scope}",
            headers={"Authorization": f"Bearer {TOKEN}"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return str(answer.read().decode())

    def manage(self, *arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.ready["environment"],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def post(
        self, events: list[dict[str, Any]], *, query: str = "", needs_governance: bool = False
    ) -> None:
        key = self.ready["governance_key" if needs_governance else "key"]
        request = urllib.request.Request(
            f"{self.ready['url']}/api/v1/events{query}",
            json.dumps(events).encode(),
            {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 202, answer.read()

    def as_grafana(self) -> psycopg.Connection[Any]:
        """Return a connection of the role that dashboards sign in as."""
        return self._connect("database_grafana_url")

    def has_counted_all(self) -> bool:
        """Tell whether nothing waits to be chained, and metrics have read every entry."""
        with self._connect("database_superuser_url") as connection:
            found = connection.execute(
                "SELECT NOT EXISTS (SELECT FROM audit_inbox) AND bool_and(h.size = p.next_seq) "
                "FROM audit_head AS h "
                "JOIN audit_projection AS p ON p.ledger_id = h.ledger_id AND p.name = 'metrics'"
            ).fetchone()
        return found is not None and found[0] is True

    def _connect(self, address: str) -> psycopg.Connection[Any]:
        services = json.loads((self.ready["data"] / "services.json").read_text())
        return psycopg.connect(services[address], autocommit=True)


@dataclass(frozen=True, kw_only=True)
class Scraped(Platform):
    """An installation, and the Prometheus that scrapes it."""

    prometheus: Prometheus
    at: float
    """Unix time at which all that the fixture made happen had been scraped."""

    def go_on(self) -> Scraped:
        """Let the fleet work a few seconds more, and return what there is to see then."""
        self.manage("demo", "--events", "0", "--live", "6", "--json")
        with urllib.request.urlopen(f"{self.ready['url']}/ready", timeout=60) as answer:
            answer.read()
        time.sleep(6)  # a process tells each five seconds what it counted; then a scrape
        return replace(self, at=time.time())

    def then(self, text: str) -> list[Any]:
        """Return what a query showed at that time, however long tests have taken since."""
        data = self.prometheus.get("query", query=text, time=self.at)
        found: list[Any] = data["result"]
        return found


def now(**ago: float) -> str:
    return f"{datetime.now(UTC) - timedelta(**ago):%Y-%m-%dT%H:%M:%S.%fZ}"


def measured(name: str, kind: str) -> dict[str, Any]:
    return make_event(
        occurred_at=now(),
        category=ACTIONS["metric.recorded"],
        action="metric.recorded",
        target={"type": "metric", "id": name},
        tool=None,
        measure={"name": name, "type": kind, "value": 0.25},
    )


def task(end: str) -> dict[str, Any]:
    action = f"task.{end}"
    return make_event(
        occurred_at=now(),
        category=ACTIONS[action],
        action=action,
        outcome="success" if end == "completed" else "failure",
        target={"type": "task", "id": "t-1"},
        run={"id": "run-1", "mode": "autonomous", "task_id": "t-1"},
        tool=None,
    )


def run_ended(agent: str) -> dict[str, Any]:
    """Return the end of a run of an agent that the fleet has registered."""
    return make_event(
        id=str(uuid.uuid4()),
        occurred_at=now(),
        category=ACTIONS["run.completed"],
        action="run.completed",
        agent={"id": agent, "version": "1.0"},
        actor={"type": "agent", "id": agent},
        target={"type": "run", "id": "run-2"},
        run={"id": str(uuid.uuid4()), "mode": "autonomous"},
        duration_ms=840,
        tool=None,
    )


def wait_until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE
    while not holds() and time.monotonic() < ends:
        time.sleep(0.5)


def samples_of(family: Family) -> set[str]:
    """Return the names of a family's samples."""
    if family.kind != "histogram":
        return {family.name}
    return {f"{family.name}_{part}" for part in ("bucket", "sum", "count")}


SELDOM = {"obs_alerts_firing", "obs_alerts_total", "obs_anomalies_total"}
"""Families of what a day of history may be without: an alert that fires, an anomaly."""


def without_samples(one: Prometheus) -> list[str]:
    """Return the families that something feeds and Prometheus has no sample of."""
    there = one.names()
    return [
        family.name
        for family in FAMILIES
        if "later" not in family.sources
        and family.name not in SELDOM
        and not samples_of(family) <= there
    ]

"""Debian's Prometheus scrapes a whole installation with the fleet, as the docs say it should.

Every family has HELP, TYPE and samples there, but for those that nothing feeds yet; every query of
docs/metrics.md runs; exemplars come back.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from audit.actions import ACTIONS
from metrics.example import MAY_BE_EMPTY
from metrics.families import FAMILIES
from metrics.family import Family
from tests import documents
from tests.conftest import make_event
from tests.documents import DOCS
from tests.installation import ROOT
from tests.installation import running as installation_running
from tests.metrics import prometheus
from tests.metrics.prometheus import Prometheus, documented_configuration

pytestmark = pytest.mark.skipif(
    prometheus.PROGRAM is None, reason="prometheus is not installed: apt-get install prometheus"
)

TOKEN = "a-token-for-the-scraper"
PATIENCE = 60.0
"""Seconds that a busy machine may take until all facts were asked and scraped."""
MEASURES = ("open_tickets", "gauge"), ("answers", "counter"), ("thinking", "histogram")

# What people decide: an administrator allows measures and sets a budget, an operator sends on.
DECIDE = f"""
from django.core.management import call_command
from metrics import budgets, custom
for name, kind in {MEASURES!r}:
    custom.allow(custom.Draft(name=name, kind=kind, help="of a test"), by="alice")
budgets.make(budgets.Draft(name="models", covers="all", usd="1000"), by="alice")
call_command("destination", "add", "siem", kind="file", address="siem")
"""
# What beat rings for each five minutes.
JUDGE = "from compliance.tasks import seal_due_postures; seal_due_postures.delay()"
REPORT = (
    *("writereport", "eu_ai_act", "--format", "json", "--unsigned"),
    *("--from", "2026-10-01", "--to", "2026-10-02"),
)


@dataclass(frozen=True, kw_only=True)
class Scraped:
    """An installation, and the Prometheus that scrapes it."""

    ready: dict[str, Any]
    prometheus: Prometheus

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

    def post(self, events: list[dict[str, Any]]) -> None:
        request = urllib.request.Request(
            f"{self.ready['url']}/api/v1/events",
            json.dumps(events).encode(),
            {"Authorization": f"Bearer {self.ready['key']}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 202, answer.read()


def measured(name: str, kind: str) -> dict[str, Any]:
    return make_event(
        occurred_at=_now(),
        category=ACTIONS["metric.recorded"],
        action="metric.recorded",
        target={"type": "metric", "id": name},
        tool=None,
        measure={"name": name, "type": kind, "value": 0.25},
    )


def task(end: str) -> dict[str, Any]:
    action = f"task.{end}"
    return make_event(
        occurred_at=_now(),
        category=ACTIONS[action],
        action=action,
        outcome="success" if end == "completed" else "failure",
        target={"type": "task", "id": "t-1"},
        run={"id": "run-1", "mode": "autonomous", "task_id": "t-1"},
        tool=None,
    )


def wait_until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE
    while not holds() and time.monotonic() < ends:
        time.sleep(0.5)


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    folder = tmp_path_factory.mktemp("prometheus")
    settings = {"OBS_METRICS_DETAIL": "full", "OBS_METRICS_TOKEN": TOKEN}
    with installation_running(port=18480, **settings) as ready:
        target = ready["url"].removeprefix("http://")
        configuration = documented_configuration(target=target, token=TOKEN)
        with prometheus.running(folder, configuration) as one:
            made = Scraped(ready=ready, prometheus=one)
            made.manage("shell", "-c", DECIDE)
            made.manage("demo", "--events", "0", "--live", "8", "--json")
            made.post([measured(*each) for each in MEASURES])
            made.post([task("failed"), task("completed")])  # chance may leave it out of the fleet
            # More names than a list has room for: what runs over is said.
            made.post([measured(f"unknown{number}", "gauge") for number in range(30)])
            made.manage("shell", "-c", JUDGE)
            made.manage(*REPORT, "--out", str(folder / "report"))
            wait_until(lambda: not without_samples(one))
            made.post([make_event(id=str(uuid.uuid4()))])
            time.sleep(3)  # a rate needs two scrapes of what came last
            yield made


def samples_of(family: Family) -> set[str]:
    """Return the names of a family's samples."""
    if family.kind != "histogram":
        return {family.name}
    return {f"{family.name}_{part}" for part in ("bucket", "sum", "count")}


def without_samples(one: Prometheus) -> list[str]:
    there = one.names()
    return [
        family.name
        for family in FAMILIES
        if "later" not in family.sources and not samples_of(family) <= there
    ]


def test_both_targets_are_scraped_without_an_error(scraped: Scraped) -> None:
    targets = scraped.prometheus.get("targets")["activeTargets"]

    found = {each["labels"]["job"]: (each["health"], each["lastError"]) for each in targets}
    assert found == {"obsplatform": ("up", ""), "obsplatform-web": ("up", "")}


def test_every_family_has_its_help_and_type(scraped: Scraped) -> None:
    told = scraped.prometheus.get("metadata", limit=10_000)

    found = {
        family.name: [
            (each["type"], each["help"])
            for name in {family.name, family.name.removesuffix("_total")}  # OpenMetrics has it so
            for each in told.get(name, ())
        ]
        for family in FAMILIES
    }

    assert found == {family.name: [(family.kind, family.help)] for family in FAMILIES}


def test_every_family_that_something_feeds_has_samples(scraped: Scraped) -> None:
    assert without_samples(scraped.prometheus) == []


def test_samples_have_the_labels_of_their_family(scraped: Scraped) -> None:
    beside = {"__name__", "instance", "job", "le"}
    wrong = []
    for family in FAMILIES:
        for name in samples_of(family):
            found = scraped.prometheus.get("series", **{"match[]": name})
            wrong += [each for each in found if each.keys() - beside - set(family.labels)]
    assert wrong == []


@pytest.mark.parametrize("scope", ["platform", "process"])
def test_promtool_has_nothing_to_say_of_the_text(scraped: Scraped, scope: str) -> None:
    promtool = shutil.which("promtool")
    assert promtool is not None, "it comes with prometheus"

    found = subprocess.run(
        [promtool, "check", "metrics"],
        input=scraped.page(scope),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (found.returncode, found.stdout + found.stderr) == (0, "")


def test_exemplars_come_back_with_the_traces_of_entries(scraped: Scraped) -> None:
    now = time.time()

    found = scraped.prometheus.get(
        "query_exemplars",
        query="obs_tool_execution_duration_seconds_bucket",
        start=now - 3_600,
        end=now + 60,
    )

    traces = [each["labels"]["trace_id"] for one in found for each in one["exemplars"]]
    assert traces
    assert all(re.fullmatch(r"[0-9a-f]{32}", trace) for trace in traces)


def examples() -> list[str]:
    """Return the examples of the page as they are shown."""
    return documents.fences(DOCS / "metrics.md", "promql")


def test_every_query_of_the_page_runs_and_shows_something_where_it_should(
    scraped: Scraped,
) -> None:
    shown = {text: scraped.prometheus.query(text) for text in examples()}

    assert len(shown) == len(FAMILIES)
    empty = [text for text, found in shown.items() if not found]
    assert [text for text in empty if MAY_BE_EMPTY not in text] == []


def test_requests_have_their_route_and_both_forms_of_their_status(scraped: Scraped) -> None:
    (found,) = scraped.prometheus.query(
        'obs_http_requests_total{method="POST", status="202", status_class="2xx"}'
    )

    assert "events" in found["metric"]["route"]
    assert float(found["value"][1]) > 0
    assert scraped.prometheus.query('{__name__=~"obs_http_.*", view!=""}') == []


def test_calls_that_are_posted_are_seen_by_prometheus_each_once(scraped: Scraped) -> None:
    def calls() -> float:
        (found,) = scraped.prometheus.query("sum(obs_tool_calls_total)")
        return float(found["value"][1])

    before = calls()
    scraped.post([make_event(id=str(uuid.uuid4()), occurred_at=_now()) for _ in range(7)])
    wait_until(lambda: calls() >= before + 7)

    assert calls() == before + 7


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"

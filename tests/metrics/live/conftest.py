"""Start an installation with the fleet and a Prometheus, once for all tests of this folder.

What Prometheus knows of the time before it came is the installation's own minute history: a day and
two hours of it, as somebody loads it who adds Prometheus later.
"""

from __future__ import annotations

import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from obsplatform.fleet import agents
from obsplatform.fleet import live as fleet
from obsplatform.fleet.deliver import deliveries
from tests.conftest import make_event
from tests.installation import ROOT
from tests.installation import running as installation_running
from tests.metrics import prometheus
from tests.metrics.live.scraped import (
    TOKEN,
    Platform,
    Scraped,
    measured,
    now,
    run_ended,
    task,
    wait_until,
    without_samples,
)
from tests.metrics.prometheus import documented_configuration

WORKERS = [agent.id for agent in agents.WORKERS]
RULES = ROOT / "docker" / "prometheus" / "alerts.rules.yml"
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


@pytest.fixture(scope="package")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    """Return both, when what was made to happen has been counted and scraped."""
    if prometheus.PROGRAM is None:
        pytest.skip("prometheus is not installed: apt-get install prometheus")
    folder = tmp_path_factory.mktemp("prometheus")
    settings = {"OBS_METRICS_DETAIL": "full", "OBS_METRICS_TOKEN": TOKEN}
    with installation_running(port=18480, **settings) as ready:
        platform = Platform(ready=ready)
        live_before(platform)
        load_history(platform, folder)
        target = ready["url"].removeprefix("http://")
        configuration = documented_configuration(target=target, token=TOKEN)
        configuration["rule_files"] = [str(RULES)]
        with prometheus.running(folder, configuration) as one:
            live(platform, folder)
            wait_until(lambda: not without_samples(one))
            platform.post([make_event(id=str(uuid.uuid4()))])
            time.sleep(3)  # a rate needs two scrapes of what came last
            yield Scraped(ready=ready, prometheus=one, at=time.time())


def live_before(platform: Platform) -> None:
    """Let the platform have a past before Prometheus comes: an hour of yesterday, and every act.

    What has happened once before it is there at its first scrape, so that the next step is one.
    """
    platform.manage("shell", "-c", DECIDE)
    for each in deliveries(fleet.live(now=datetime.now(UTC))):
        platform.post(each.events, needs_governance=each.needs_governance)
    yesterday = [
        make_event(id=str(uuid.uuid4()), occurred_at=now(days=1, minutes=minute))
        for minute in range(-30, 30)
    ]
    platform.post(yesterday, query="?backfill=true")
    platform.post([task("failed"), task("completed"), *map(run_ended, WORKERS)])
    wait_until(platform.has_counted_all)


def load_history(platform: Platform, folder: Path) -> None:
    """Write minute history and make blocks of it where Prometheus will look for its data."""
    promtool = shutil.which("promtool")
    assert promtool is not None, "it comes with prometheus"
    file = folder / "history.om"
    begin = datetime.now(UTC) - timedelta(hours=26)
    platform.manage("metricshistory", "--from", begin.isoformat(), "--out", str(file))
    subprocess.run(
        [promtool, "tsdb", "create-blocks-from", "openmetrics", file, folder / "data"],
        check=True,
        capture_output=True,
        timeout=120,
    )


def live(platform: Platform, folder: Path) -> None:
    """Let all happen that a board or a query tells of, while Prometheus looks."""
    platform.manage("demo", "--events", "0", "--live", "8", "--json")
    platform.post([measured(*each) for each in MEASURES])
    # Chance may leave these out of a few seconds of the fleet.
    platform.post([task("failed"), task("completed"), *map(run_ended, WORKERS)])
    # More names than a list has room for: what runs over is said.
    platform.post([measured(f"unknown{number}", "gauge") for number in range(30)])
    platform.manage("shell", "-c", JUDGE)
    platform.manage(*REPORT, "--out", str(folder / "report"))

"""The alert rules as a real Prometheus evaluates them, and what it is configured with."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from metrics.alert_rules import RULES
from tests import documents
from tests.documents import ROOT
from tests.metrics.live.scraped import Scraped, wait_until
from tests.metrics.prometheus import OBSERVABILITY

FOLDER = ROOT / "docker" / "prometheus"
RULES_FILE = FOLDER / "alerts.rules.yml"
PROMTOOL = shutil.which("promtool")
TOKEN_FILE = "/run/secrets/obs_metrics_token"


def rules_of(scraped: Scraped) -> list[dict[str, Any]]:
    groups = scraped.prometheus.get("rules")["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_every_rule_is_loaded_and_evaluates_without_an_error(scraped: Scraped) -> None:
    wait_until(lambda: all(rule["health"] != "unknown" for rule in rules_of(scraped)))

    found = {
        rule["name"]: (rule["health"], rule.get("lastError", "")) for rule in rules_of(scraped)
    }

    assert found == {rule.name: ("ok", "") for rule in RULES}


def test_an_alert_that_holds_is_shown_as_one(scraped: Scraped) -> None:
    """The fleet leaves a quarantined event, so one rule at least holds, if not for long enough."""
    wait_until(lambda: bool(scraped.prometheus.query('ALERTS{alertname="QuarantineOpen"}')))

    (found,) = scraped.prometheus.query('ALERTS{alertname="QuarantineOpen"}')

    assert found["metric"]["alertstate"] == "pending"
    assert found["metric"]["severity"] == "warning"


def configuration() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
    return found


def test_the_platforms_jobs_are_those_that_the_docs_show() -> None:
    (shown,) = documents.fences(OBSERVABILITY, "yaml")
    documented = {job["job_name"]: job for job in yaml.safe_load(shown)["scrape_configs"]}
    written = {job["job_name"]: job for job in configuration()["scrape_configs"]}

    assert documented.keys() <= written.keys()
    for name, job in documented.items():
        for member in ("params", "metric_relabel_configs"):
            assert written[name].get(member) == job.get(member), (name, member)
        assert written[name]["authorization"] == {"credentials_file": TOKEN_FILE}


def test_dashboards_know_how_often_is_scraped() -> None:
    sources = yaml.safe_load(
        (ROOT / "docker/grafana/provisioning/datasources/datasources.yml").read_text()
    )["datasources"]

    (interval,) = (
        each["jsonData"]["timeInterval"] for each in sources if each["type"] == "prometheus"
    )

    assert interval == configuration()["global"]["scrape_interval"]


@pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not installed: apt-get install prometheus"
)
def test_promtool_takes_the_configuration_with_its_rules(tmp_path: Path) -> None:
    text = (FOLDER / "prometheus.yml").read_text(encoding="utf-8")
    token = tmp_path / "token"
    token.write_text("a-token-for-the-scraper")
    (tmp_path / "prometheus.yml").write_text(text.replace(TOKEN_FILE, str(token)))
    shutil.copy(RULES_FILE, tmp_path)

    done = subprocess.run(
        [str(PROMTOOL), "check", "config", str(tmp_path / "prometheus.yml")],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(RULES)} rules found" in done.stdout

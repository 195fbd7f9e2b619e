"""The guide for operators names what there is: metrics, labels, rows, alerts."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from metrics.alert_rules import RULES
from metrics.families import BY_NAME
from tests import documents
from tests.documents import DOCS

GUIDE, DEPLOYMENT = DOCS / "observability-guide.md", DOCS / "deployment.md"
SUFFIX = re.compile(r"_(bucket|sum|count)$")
OF_OTHERS = {"le", "job", "instance", "alertname", "alertstate", "severity", "__name__"}


def family_of(name: str) -> str:
    return name if name in BY_NAME else SUFFIX.sub("", name)


def queries() -> list[str]:
    """Return every query that the guide shows, a line each."""
    shown = [line for text in documents.fences(GUIDE, "promql") for line in text.splitlines()]
    rules = [yaml.safe_load(text) for text in documents.fences(GUIDE, "yaml")]
    own = [rule["expr"] for each in rules for group in each["groups"] for rule in group["rules"]]
    return [*filter(None, shown), *own]


def test_it_is_a_guide_and_no_leaflet() -> None:
    lines = [line for line in documents.read(GUIDE).splitlines() if line.strip()]

    assert len(lines) >= 400


def test_its_list_of_chapters_is_that_of_its_headings() -> None:
    text = documents.read(GUIDE)
    listed = re.findall(r"^- \[([^\]]+)\]\(#", text, re.MULTILINE)

    assert listed == re.findall(r"^## (.+)$", text, re.MULTILINE)


@pytest.mark.parametrize("page", [GUIDE, DEPLOYMENT], ids=lambda page: page.stem)
def test_every_metric_that_it_names_exists(page: Path) -> None:
    named = {
        name
        for piece in documents.code(page)
        for name in re.findall(r"\bobs_[a-z_]+[a-z]\b", piece)
    }
    roles = {"obs_read", "obs_grafana", "obs_web", "obs_worker", "obs_owner", "obs_web_password"}

    assert {
        name
        for name in named - roles
        if family_of(name) not in BY_NAME and not name.startswith("obs_metrics_token")
    } == set()


def selectors(query: str) -> Iterator[tuple[str, str]]:
    for name, inside in re.findall(r"\b(obs_[a-z_]+)\{([^}]*)\}", query):
        for label in re.findall(r"(\w+)\s*[!=]~?", inside):
            yield name, label


def test_every_label_that_a_query_chooses_by_is_one_of_its_family() -> None:
    assert len(queries()) > 20
    for query in queries():
        for name, label in selectors(query):
            assert label in {*BY_NAME[family_of(name)].labels, *OF_OTHERS}, query


def test_every_value_of_a_closed_label_is_spelt_as_it_is_counted() -> None:
    statuses = {
        value for query in queries() for value in re.findall(r'\bstatus!?="([^"]+)"', query)
    }

    assert statuses <= {"success", "error", "denied", "other"}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool (prometheus)")
def test_prometheus_can_read_every_query(tmp_path: Path) -> None:
    rules = [{"record": f"shown:{n}", "expr": query} for n, query in enumerate(queries())]
    file = tmp_path / "shown.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "shown", "rules": rules}]}))

    done = subprocess.run(
        ["promtool", "check", "rules", file],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("statement", documents.fences(GUIDE, "sql"))
def test_every_statement_runs_as_the_role_that_only_reads(
    statement: str, database: None, as_role: Callable[[str], psycopg.Connection[Any]]
) -> None:
    as_role("read").execute(statement)


def test_every_alert_that_it_names_exists() -> None:
    names = {rule.name for rule in RULES} | {rule.runbook for rule in RULES}
    of_kubernetes = {
        *("PrometheusRule", "ServiceMonitor", "ScrapeConfig", "ReadWriteMany", "OnRootMismatch"),
    }
    two_words = re.compile(r"[`\[]([A-Z][a-z]+(?:[A-Z][A-Za-z0-9]+)+)[`\]]")

    named = {
        name for page in (GUIDE, DEPLOYMENT) for name in two_words.findall(documents.read(page))
    }

    assert "QueueBacklog" in named
    assert named - names - of_kubernetes == {"RefundsUnusual"} & named

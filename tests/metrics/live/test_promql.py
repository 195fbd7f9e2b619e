"""Debian's Prometheus scrapes a whole installation with the fleet, as the docs say it should.

Every family has HELP, TYPE and samples there, but for those that nothing feeds yet; every query of
docs/metrics.md runs; exemplars come back.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
import uuid

import pytest

from metrics.example import MAY_BE_EMPTY
from metrics.families import FAMILIES
from tests import documents
from tests.conftest import make_event
from tests.documents import DOCS
from tests.metrics.live.scraped import Scraped, now, samples_of, wait_until, without_samples


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
    moment = time.time()

    found = scraped.prometheus.get(
        "query_exemplars",
        query="obs_tool_execution_duration_seconds_bucket",
        start=moment - 3_600,
        end=moment + 60,
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
    shown = {text: scraped.then(text) for text in examples()}

    assert len(shown) == len(FAMILIES)
    empty = [text for text, found in shown.items() if not found]
    assert [text for text in empty if MAY_BE_EMPTY not in text] == []


def test_requests_have_their_route_and_both_forms_of_their_status(scraped: Scraped) -> None:
    (found,) = scraped.prometheus.query(
        'obs_http_requests_total{job="obsplatform-web", method="POST", status="202", '
        'status_class="2xx"}'
    )

    assert "events" in found["metric"]["route"]
    assert float(found["value"][1]) > 0
    assert scraped.prometheus.query('{__name__=~"obs_http_.*", view!=""}') == []


def test_calls_that_are_posted_are_seen_by_prometheus_each_once(scraped: Scraped) -> None:
    def calls() -> float:
        (found,) = scraped.prometheus.query('sum(obs_tool_calls_total{job="obsplatform"})')
        return float(found["value"][1])

    before = calls()
    scraped.post([make_event(id=str(uuid.uuid4()), occurred_at=now()) for _ in range(7)])
    wait_until(lambda: calls() >= before + 7)

    assert calls() == before + 7

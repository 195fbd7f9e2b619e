"""Scrape /metrics in tests, and find what a page says."""

from __future__ import annotations

from typing import Any, Final

from django.test import Client
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from tests.conftest import render_metrics_anew

OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0"
STRANGER: Final[dict[str, Any]] = {"REMOTE_ADDR": "203.0.113.9"}


def served(path: str = "/metrics?scope=platform", **extra: Any) -> str:
    """Return a page as it is served, whenever it was rendered."""
    response = Client().get(path, **extra)
    assert response.status_code == 200, response.content
    return response.content.decode()


def rendered(path: str = "/metrics?scope=platform", **extra: Any) -> str:
    """Return a page that is rendered now."""
    render_metrics_anew()
    return served(path, **extra)


def families_of(page: str) -> dict[str, Metric]:
    """Return the families of a page by name, as the parser names them."""
    parse = parse_openmetrics if page.endswith("# EOF\n") else parse_text
    return {family.name: family for family in parse(page)}


def samples_of(page: str, of: str, /, **labels: str) -> dict[tuple[tuple[str, str], ...], float]:
    """Return the samples of a name that have these labels, by all their labels in order."""
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in families_of(page).values()
        for sample in family.samples
        if sample.name == of and labels.items() <= sample.labels.items()
    }


def sample_of(page: str, of: str, /, **labels: str) -> float:
    """Return the one sample of a name that has these labels."""
    found = samples_of(page, of, **labels)
    assert len(found) == 1, (of, labels, found)
    return next(iter(found.values()))


def of_page_itself(page: str) -> str:
    """Return a page without what is said when it is served: its age."""
    return "\n".join(
        line for line in page.splitlines() if "obs_metrics_snapshot_age_seconds" not in line
    )

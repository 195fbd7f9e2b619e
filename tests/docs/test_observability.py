"""docs/observability.md names each metric family, check of /ready, target and fact."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from metrics.families import BY_NAME
from metrics.target_limits import MOST_OVERHEAD
from metrics.targets import TARGETS
from obsplatform import readiness
from tests import documents
from tests.conftest import render_metrics_anew
from tests.documents import DOCS

OBSERVABILITY = DOCS / "observability.md"


@pytest.fixture
def families(database: None, settings: Settings) -> dict[str, str]:
    """Return name and type of every family of a scrape, as the text form names them."""
    settings.SWITCHES = settings.SWITCHES | {"detail": ("full", True)}
    render_metrics_anew()
    page = Client().get("/metrics").content.decode()
    assert list(text_string_to_metric_families(page))
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", page, re.MULTILINE))


def test_every_metric_family_is_documented_with_its_type_and_no_other(
    families: dict[str, str],
) -> None:
    documented = {
        row.first(): row.cell("type")
        for row in documents.rows(OBSERVABILITY)
        if row.header[0] == "family"
    }

    assert documented == families


def test_every_check_of_ready_is_documented_and_no_other() -> None:
    names = {"database", *readiness.DATABASE_CHECKS, *readiness.OTHER_CHECKS}
    checks = {name: readiness.weight_of(name) for name in names}

    table = documents.table(OBSERVABILITY, "check", "weight", "asks")

    assert {row.first(): int(row.cell("weight")) for row in table} == checks


def test_every_target_of_performance_is_documented_and_no_other() -> None:
    targets = {*TARGETS, *(f"{component}_overhead" for component in MOST_OVERHEAD)}

    documented = {row.first() for row in documents.table(OBSERVABILITY, "target", "is kept when")}

    assert documented == targets
    assert len(targets) == BY_NAME["obs_performance_target_met"].cap


def test_every_fact_that_is_asked_on_a_timer_is_one_of_the_list() -> None:
    named = {
        name
        for row in documents.table(OBSERVABILITY, "fact", "is")
        for name in re.findall(r"obs_[a-z_]+", row.cell("fact"))
    }

    assert {name for name in named if "facts" not in BY_NAME[name].sources} == set()

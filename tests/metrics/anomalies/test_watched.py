"""What is watched exists, fits its family, and is told of in the docs."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.actions import ACTIONS
from metrics.anomalies.limits import LIMITS
from metrics.anomalies.watched import BY_MEASURE, SERIES_WATCHED, Watched
from metrics.families import BY_NAME

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "anomalies.md").read_text()
KINDS = {"count": "counter", "sum": "counter", "share": "counter", "p95": "histogram",
         "level": "gauge"}  # fmt: skip


@pytest.mark.parametrize("measure", SERIES_WATCHED, ids=lambda one: one.name)
def test_a_measure_fits_its_family(measure: Watched) -> None:
    family = measure.of
    labels = {*measure.by, *measure.only, *([measure.part[0]] if measure.part[0] else [])}

    assert family.kind == KINDS[measure.sort]
    assert labels <= set(family.labels)
    assert len(measure.by) <= 2
    assert len(measure.only) <= 1
    assert (measure.sort == "share") == bool(measure.part[0])


@pytest.mark.parametrize("measure", SERIES_WATCHED, ids=lambda one: one.name)
def test_the_docs_tell_of_each_measure(measure: Watched) -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{measure.name}` |"))

    assert f"`{measure.family}`" in row
    assert measure.title in row
    assert f"| {measure.least:,g} |" in row


def test_the_docs_tell_of_each_limit() -> None:
    for limit in LIMITS:
        assert f"| `{limit.name}` | {limit.title}" in PAGE
        assert BY_NAME[limit.family].kind == "gauge"


def test_names_are_once_and_lead_to_entries_that_there_are() -> None:
    assert len(BY_MEASURE) == len(SERIES_WATCHED)
    actions = {one.entries["action"] for one in SERIES_WATCHED if "action" in one.entries}
    assert actions <= set(ACTIONS)
    categories = {one.entries["category"] for one in SERIES_WATCHED if "category" in one.entries}
    assert categories <= set(ACTIONS.values())

"""What is found becomes a row, once: begun, going on, ended."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from audit.models import Ledger
from metrics.anomalies import finding, multivariate
from metrics.anomalies.finding import find
from metrics.models import Anomaly
from tests.metrics.anomalies.conftest import NOW, History

pytestmark = pytest.mark.django_db

START = NOW - timedelta(days=28)
CALLS = "obs_tool_calls_total"
BURST = NOW.replace(hour=10, minute=0, second=0)
GIB = 2**30


def steady(at: datetime) -> float:
    return 20 + at.minute // 15 + at.day % 3


def bursting(at: datetime) -> float:
    return 400 if BURST <= at < BURST + timedelta(hours=1) else steady(at)


def test_a_burst_of_calls_is_found_with_its_evidence(past: History) -> None:
    past.count(CALLS, "search success prod", bursting, start=START)

    find(BURST + timedelta(minutes=35))

    (row,) = Anomaly.objects.all()
    assert (row.detector, row.measure, row.family, row.labels) == (
        "seasonal", "tool_calls", CALLS, "search",
    )  # fmt: skip
    assert (row.started_at, row.ended_at, row.severity) == (BURST, None, "high")
    assert (row.seen, row.score > 10) == (400, True)
    assert "400 in 15 minutes" in row.evidence["sentence"]
    assert row.evidence["level"] == "hour_of_week"
    assert row.evidence["chart"][row.evidence["began"]][:2] == [BURST.isoformat(), 400]


def test_looking_again_finds_nothing_new_and_the_end_is_noted(past: History) -> None:
    past.count(CALLS, "search success prod", bursting, start=START)

    new = [
        sum(one.is_new for one in find(BURST + timedelta(minutes=minutes)).kept)
        for minutes in (5, 20, 35, 40, 65, 125)
    ]

    (row,) = Anomaly.objects.all()
    assert new == [0, 0, 1, 0, 0, 0]
    assert (row.started_at, row.ended_at) == (BURST, BURST + timedelta(hours=1))


def test_a_worker_that_was_away_finds_what_began_and_ended_meanwhile(past: History) -> None:
    past.count(CALLS, "search success prod", bursting, start=START)

    find(NOW)
    find(NOW + timedelta(minutes=5))

    (row,) = Anomaly.objects.all()
    assert (row.started_at, row.ended_at) == (BURST, BURST + timedelta(hours=1))


def test_an_ordinary_series_and_a_young_one_give_no_findings(past: History) -> None:
    past.count(CALLS, "search success prod", steady, start=START)
    past.count(CALLS, "young success prod", bursting, start=NOW - timedelta(days=1))

    find(NOW)

    assert not Anomaly.objects.exists()


def test_a_share_of_failures_is_found_by_agent(past: History) -> None:
    runs = "obs_agent_executions_total"
    past.count(runs, "alice success prod", lambda at: 30, start=START)
    past.count(runs, "alice error prod", lambda at: 60 if at >= BURST else 0, start=START)
    past.count(runs, "bob success prod", lambda at: 30, start=START)

    find(NOW)

    found = {(row.measure, row.labels, row.severity) for row in Anomaly.objects.all()}
    assert ("agent_failures", "alice", "critical") in found
    assert {labels for _, labels, _ in found} == {"alice"}


def test_an_agents_numbers_are_looked_at_together(past: History, ledger: Ledger) -> None:
    odd = NOW.replace(hour=11, minute=0, second=0)
    for what, usual in {"calls": 10, "tokens": 2_000, "nano": 10**7, "tool search": 2}.items():
        past.work(
            "alice", what,
            lambda at, usual=usual: usual * (60 if at == odd else 1) + at.hour % 3,  # type: ignore[misc]
            start=START,
        )  # fmt: skip

    find(NOW)

    assert multivariate.is_installed()
    (row,) = Anomaly.objects.filter(detector="together")
    assert row.labels == f"{ledger.name} alice"
    assert row.started_at == odd
    assert "tokens" in row.evidence["sentence"]
    assert row.ended_at is None
    find(NOW + timedelta(hours=1))
    row.refresh_from_db()
    assert row.ended_at == odd + timedelta(minutes=15)


def test_a_disk_that_fills_up_is_told_of_before_it_is_full(past: History) -> None:
    def used(at: datetime) -> float:
        return 60 * GIB - (NOW - at) / timedelta(hours=1) * GIB

    past.gauge("obs_host_disk_bytes", "/data used", used, hours=24)
    past.gauge("obs_host_disk_bytes", "/data free", lambda at: 80 * GIB - used(at), hours=24)

    find(NOW)
    find(NOW + timedelta(minutes=5))

    (row,) = Anomaly.objects.filter(detector="trend")
    assert (row.measure, row.labels, row.severity) == ("disk", "/data", "medium")
    assert row.score == pytest.approx(20, abs=0.2)
    assert "80.0 GiB is reached in 20" in row.evidence["sentence"]
    finding.find(NOW + timedelta(hours=25))
    row.refresh_from_db()
    assert row.ended_at is not None


def test_a_level_that_stays_is_no_trend(past: History) -> None:
    past.gauge("obs_host_disk_bytes", "/data used", lambda at: 60 * GIB, hours=24)
    past.gauge("obs_host_disk_bytes", "/data free", lambda at: 20 * GIB, hours=24)
    past.gauge("obs_db_connections", "idle", lambda at: 10 + at.minute % 7, hours=12)

    find(NOW)

    assert not Anomaly.objects.exists()

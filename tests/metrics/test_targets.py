"""Targets of performance, held against what was measured last."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction

from audit.database import rows
from audit.models import Ledger
from metrics import past, targets
from metrics.buckets import HTTP, LAG
from tests.conftest import chain, make_event


@pytest.fixture(autouse=True)
def _undone(database: None) -> Iterator[None]:
    with transaction.atomic():
        for table in ("metrics_past", "metrics_processminute", "metrics_process", "metrics_fact",
                      "metrics_total", "audit_appendstat"):  # fmt: skip
            execute(f"DELETE FROM {table}")
        yield
        transaction.set_rollback(True)


def execute(statement: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def observed(
    family: str, labels: str, counts: dict[float, int], *, edges: tuple[float, ...], ago: int = 0
) -> None:
    """Keep a minute of history that lies so many minutes back."""
    buckets = [counts.get(edge, 0) for edge in (*edges, float("inf"))]
    execute(
        """
        INSERT INTO metrics_processminute (family, labels, minute, buckets)
        VALUES (%s, %s, date_trunc('minute', now()) - make_interval(mins => %s), %s)
        """,
        family,
        labels,
        ago,
        buckets,
    )


def health(counts: dict[float, int], *, labels: str = "GET health", ago: int = 0) -> None:
    observed("obs_http_request_duration_seconds", labels, counts, edges=HTTP, ago=ago)


def met() -> dict[str, float]:
    return {labels[0]: value for (_, labels), value in targets.targets_met().items()}


def test_of_what_nothing_was_measured_nothing_is_said() -> None:
    assert met() == {}


def test_health_is_in_time_when_95_of_100_are_within_10_ms() -> None:
    health({0.005: 90, 0.01: 5, 0.05: 5})
    assert met() == {"health": 1.0}

    health({0.025: 1}, labels="HEAD health")

    assert met() == {"health": 0.0}


def test_other_addresses_do_not_count_as_health() -> None:
    health({0.005: 1})
    health({10.0: 99}, labels="GET ledger-health-page")

    assert met() == {"health": 1.0}


def test_the_newest_quarter_of_an_hour_in_which_anything_happened_counts() -> None:
    health({10.0: 99}, ago=60)
    health({0.005: 9}, ago=40)

    assert met() == {"health": 1.0}


def test_entries_are_chained_in_time_over_all_ledgers() -> None:
    family = "obs_ingest_lag_seconds"
    observed(family, "chained main", {5.0: 94}, edges=LAG)
    observed(family, "chained other", {10.0: 6}, edges=LAG)
    observed(family, "sealed main", {0.005: 1_000}, edges=LAG)

    assert met() == {"chained": 0.0}


def test_appends_are_those_since_the_oldest_memory_and_stand_while_nothing_happens(
    ledger: Ledger,
) -> None:
    execute(
        "INSERT INTO audit_appendstat (ledger_id, histogram, edge, observations, seconds) "
        "VALUES (%s, 'entry', 1, 1000, 900)",
        ledger.id,
    )
    assert met()["append"] == 0.0
    past.remember()
    chain(ledger, [make_event() for _ in range(40)])

    ((mine, slow),) = rows(
        "SELECT sum(observations), coalesce(sum(observations) FILTER (WHERE edge > 0.01), 0) "
        "FROM audit_appendstat WHERE histogram = 'entry'"
    )
    assert mine == 1_040
    assert met()["append"] == float(slow - 1_000 <= 2)

    before = met()
    past.remember()
    assert met() == before


def test_counting_is_held_against_a_millisecond_an_entry(ledger: Ledger) -> None:
    execute(
        "INSERT INTO metrics_total (ledger_id, family, labels, n) "
        "VALUES (%s, 'obs_events_total', 'x', 90), (%s, 'obs_events_backfilled_total', 'x', 10)",
        ledger.id,
        ledger.id,
    )
    execute(
        "INSERT INTO metrics_process (family, labels, n) "
        "VALUES ('obs_observability_overhead_seconds_total', 'metrics', 99000)"
    )
    assert met()["metric_operation"] == 1.0  # 99 ms for 100 entries

    execute("UPDATE metrics_process SET n = 100000")
    assert met()["metric_operation"] == 0.0


def test_overheads_are_held_against_their_budgets() -> None:
    for component, ratio in {"metrics": 0.019, "logging": 0.05, "audit": 0.9, "all": 0.04}.items():
        execute(
            "INSERT INTO metrics_fact (family, labels, value) "
            "VALUES ('obs_observability_overhead_ratio', %s, %s)",
            component,
            ratio,
        )

    assert met() == {"metrics_overhead": 1.0, "logging_overhead": 0.0, "all_overhead": 1.0}


# --- What was a while ago ------------------------------------------------------------------------


def test_counts_are_remembered_when_they_have_changed_and_a_bounded_number_of_times(
    ledger: Ledger,
) -> None:
    for number in range(past.COUNTS_KEPT + 5):
        chain(ledger, [make_event()])
        execute("UPDATE metrics_past SET at = at - interval '2 minutes'")
        past.remember()
        past.remember()  # too soon, and nothing has changed
        ((kept,),) = rows("SELECT count(*) FROM metrics_past WHERE what = 'append'")
        assert kept == min(number + 1, past.COUNTS_KEPT)


def test_a_count_that_began_again_is_news_as_a_whole() -> None:
    past._remember("append", {"1.0": 50}, every=0, most=3)

    assert past.grown("append", {"1.0": 7}) == {"1.0": 7}
    assert past.grown("append", {"1.0": 57, "inf": 2}) == {"1.0": 7, "inf": 2}


def test_sizes_of_a_day_ago_are_those_kept_nearest_to_it() -> None:
    assert past.stores_a_day_ago() is None
    for hours, size in ((30, 1), (20, 2), (2, 3)):
        past._remember("stores", {"audit_entry": [size, size]}, every=-1, most=9)
        execute(
            "UPDATE metrics_past SET at = now() - make_interval(hours => %s) WHERE figures = %s",
            hours,
            f'{{"audit_entry": [{size}, {size}]}}',
        )

    found = past.stores_a_day_ago()

    assert found is not None
    assert found.sizes == {"audit_entry": (2, 2)}

"""Gauges are kept by the minute as the page says them, and each step of a count once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import transaction
from pytest_django import Settings

from audit.appendstats import record_append, record_failure
from audit.database import raw_connection, rows
from audit.models import Ledger
from metrics import history, switches, upkeep
from metrics.collected import add_collected
from metrics.families import BY_NAME
from metrics.history import GAUGES_KEPT, GROWING, MARK, keep_gauges
from metrics.rollup import oldest_day
from metrics.series import read_series
from tests.conftest import chain, make_event

NOW = datetime.now(UTC).replace(second=5, microsecond=0)
MINUTE = timedelta(minutes=1)
FAILURES, SECONDS = "obs_audit_append_failures_total", "obs_audit_append_duration_seconds"


@pytest.fixture(autouse=True)
def _undone(database: None) -> Iterator[None]:
    with transaction.atomic():
        for table in ("metrics_past", "metrics_processminute", "metrics_gaugeminute",
                      "metrics_gauge", "metrics_fact"):  # fmt: skip
            raw_connection().execute(f"DELETE FROM {table}")
        yield
        transaction.set_rollback(True)


def kept(family: str, at: datetime = NOW) -> dict[str, float]:
    return dict(
        rows(
            "SELECT labels, value FROM metrics_gaugeminute WHERE family = %s AND minute = %s",
            (family, at.replace(second=0)),
        )
    )


def grown(family: str) -> dict[tuple[str, datetime], int]:
    return {
        (labels, minute): int(number)
        for labels, minute, number in rows(
            "SELECT labels, minute, n + coalesce((SELECT sum(x) FROM unnest(buckets) AS x), 0) "
            "FROM metrics_processminute WHERE family = %s",
            (family,),
        )
    }


def fact(family: str, labels: str, value: float) -> None:
    raw_connection().execute(
        "INSERT INTO metrics_fact (family, labels, value) VALUES (%s, %s, %s) "
        "ON CONFLICT (family, labels) DO UPDATE SET value = excluded.value",
        (family, labels, value),
    )


def fail() -> None:
    with raw_connection().cursor() as cursor:
        record_failure(cursor, reason="data")


# --- Gauges ---------------------------------------------------------------------------------------


def test_what_is_kept_is_what_the_page_says(ledger: Ledger) -> None:
    chain(ledger, [make_event()])
    fact("obs_health_status", "database", 0.5)

    keep_gauges(NOW)

    families = [BY_NAME[name] for name in GAUGES_KEPT]
    shown = read_series(families)
    add_collected(shown, families, ledger=None)
    now = {name: len(series) for name, series in shown.numbers.items() if series}
    counted = rows("SELECT family, count(*) FROM metrics_gaugeminute GROUP BY family")
    in_rows: dict[str, int] = dict(counted)
    assert in_rows == now
    assert kept("obs_health_status") == {"database": 0.5}
    assert kept("obs_audit_chain_verified")[ledger.name] == 0.5


def test_of_a_minute_the_last_value_stands() -> None:
    for value, seconds in ((0.0, 0), (1.0, 15), (0.5, 45)):
        fact("obs_health_status", "database", value)
        keep_gauges(NOW + timedelta(seconds=seconds))
    fact("obs_health_status", "database", 1.0)
    keep_gauges(NOW + MINUTE)

    assert kept("obs_health_status") == {"database": 0.5}
    assert kept("obs_health_status", NOW + MINUTE) == {"database": 1.0}


def test_what_is_gone_has_no_row_from_the_next_minute_on() -> None:
    fact("obs_health_status", "database", 1.0)
    keep_gauges(NOW)
    raw_connection().execute("DELETE FROM metrics_fact")
    keep_gauges(NOW + MINUTE)

    assert kept("obs_health_status", NOW + MINUTE) == {}
    assert kept(MARK.name, NOW + MINUTE)


def test_a_custom_gauge_keeps_its_own_labels_in_their_order(ledger: Ledger) -> None:
    raw_connection().execute(
        "INSERT INTO metrics_gauge (ledger_id, family, labels, value, at) "
        "VALUES (%s, 'obs_custom_metric_value', 'mood zeal apt', 2500000, now())",
        (ledger.id,),
    )

    keep_gauges(NOW)

    assert kept("obs_custom_metric_value") == {"mood zeal apt": 2.5}


def test_nothing_is_kept_while_metrics_are_switched_off(settings: Settings) -> None:
    settings.SWITCHES = settings.SWITCHES | {"metrics": ("off", True)}
    switches.refresh()
    try:
        assert not keep_gauges(NOW)
        assert kept(MARK.name) == {}
    finally:
        settings.SWITCHES = settings.SWITCHES | {"metrics": ("on", False)}
        switches.refresh()


def test_no_more_rows_come_of_a_day_than_is_said() -> None:
    assert 1_440 * sum(BY_NAME[name].cap for name in GAUGES_KEPT) == history.MOST_ROWS
    assert all(BY_NAME[name].kind == "gauge" for name in GAUGES_KEPT)


def test_days_that_policy_keeps_no_longer_go_with_the_others() -> None:
    today = date.today()  # noqa: DTZ011  # of the policy, a day more or less is nothing
    old = oldest_day(today) - timedelta(days=3)
    raw_connection().execute("SELECT metrics_make_days(%s, %s)", (old, old))
    name = f"metrics_gaugeminute_{old:%Y%m%d}"
    ((there,),) = rows("SELECT to_regclass(%s) IS NOT NULL", (name,))
    assert there

    upkeep.keep_days(today)

    ((there,),) = rows("SELECT to_regclass(%s) IS NOT NULL", (name,))
    assert not there


# --- Counts that are asked of rows ----------------------------------------------------------------


def test_growth_is_added_to_the_minute_in_which_it_was_seen() -> None:
    fail()
    keep_gauges(NOW)
    assert grown(FAILURES) == {}  # how it stood is no news

    fail()
    fail()
    keep_gauges(NOW)
    fail()
    keep_gauges(NOW + MINUTE)
    keep_gauges(NOW + MINUTE)

    minute = NOW.replace(second=0)
    assert grown(FAILURES) == {("data", minute): 2, ("data", minute + MINUTE): 1}


def test_a_histogram_grows_by_bucket(ledger: Ledger) -> None:
    keep_gauges(NOW)
    with raw_connection().cursor() as cursor:
        record_append(cursor, ledger_id=ledger.id, entries=100, seconds=0.5)

    keep_gauges(NOW)

    ((buckets, total),) = rows(
        "SELECT buckets, total::bigint FROM metrics_processminute WHERE family = %s", (SECONDS,)
    )
    edges = BY_NAME[SECONDS].edges
    assert [0] * 5 + [100] + [0] * (len(edges) - 5) == buckets
    assert total == 500_000


def test_a_count_that_fell_began_again() -> None:
    for _ in range(3):
        fail()
    keep_gauges(NOW)
    raw_connection().execute("UPDATE audit_appendfailure SET failures = 2 WHERE reason = 'data'")

    keep_gauges(NOW)

    assert grown(FAILURES) == {("data", NOW.replace(second=0)): 2}


def test_what_grows_so_is_what_no_process_counts() -> None:
    assert {FAILURES, SECONDS} <= GROWING
    assert all(BY_NAME[name].sources == ("facts",) for name in GROWING)

"""Facts on a timer: each source for itself, wholesale, within caps, and said when it fails."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.db import connection
from pytest_django import Settings

from audit.database import raw_connection, rows
from audit.models import Ledger
from audit.project import catch_up
from metrics import connections, facts, lags, retention
from metrics.facts import Facts, every, refresh_facts, within_caps
from metrics.families import BY_NAME
from metrics.rollup import Rollups
from metrics.tasks import ask_for_facts, keep_days
from obsplatform import env
from obsplatform import settings as ours
from tests.conftest import chain, make_event

HERE = "tests.metrics.test_facts"
said: Facts = {}
asked: list[str] = []


def good() -> Facts:
    asked.append("good")
    return dict(said)


@every(3_600)
def dear() -> Facts:
    asked.append("dear")
    return {("obs_sessions_active", ()): 7.0}


def slow() -> Facts:
    rows("SELECT pg_sleep(30)")
    return {("obs_agents_active", ()): 1.0}


def defective() -> Facts:
    return {("obs_agents_active", ()): 1 / len(said)}


@pytest.fixture(autouse=True)
def _sources(database: None, settings: Settings) -> Iterator[None]:
    said.clear()
    asked.clear()
    raw_connection().execute("DELETE FROM metrics_fact")
    settings.METRICS_FACTS = [f"{HERE}.good"]
    yield
    raw_connection().execute("DELETE FROM metrics_fact")


def kept() -> dict[str, float]:
    return {
        f"{family} {labels}".strip(): value
        for family, labels, value in rows("SELECT family, labels, value FROM metrics_fact")
    }


def up(source: str) -> str:
    return f"obs_metrics_collector_up {HERE}.{source}"


def test_a_source_replaces_what_it_said_before() -> None:
    said.update({("obs_active_users", ("1h",)): 3.0, ("obs_active_users", ("24h",)): 9.0})
    refresh_facts()
    del said["obs_active_users", ("1h",)]
    said["obs_active_users", ("24h",)] = 8.0
    refresh_facts()

    assert kept() == {"obs_active_users 24h": 8.0, up("good"): 1.0}


def test_what_others_have_written_stays() -> None:
    raw_connection().execute(
        "INSERT INTO metrics_fact (family, labels, value) "
        "VALUES ('obs_host_cpu_usage_ratio', '', 0.5)"
    )

    refresh_facts()

    assert kept()["obs_host_cpu_usage_ratio"] == 0.5


def test_rows_of_a_source_that_is_no_longer_listed_go(settings: Settings) -> None:
    settings.METRICS_FACTS = [f"{HERE}.good", f"{HERE}.dear"]
    refresh_facts()
    settings.METRICS_FACTS = [f"{HERE}.good"]
    refresh_facts()

    assert kept() == {up("good"): 1.0}


def test_a_source_that_hangs_gives_up_in_time_and_its_rows_stay(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.METRICS_FACTS = [f"{HERE}.slow", f"{HERE}.good"]
    raw_connection().execute(
        "INSERT INTO metrics_fact (family, labels, value, source) "
        "VALUES ('obs_agents_active', '', 4, %s)",
        (f"{HERE}.slow",),
    )
    said["obs_sessions_active", ()] = 2.0

    refresh_facts()

    assert kept() == {
        "obs_agents_active": 4.0,
        up("slow"): 0.0,
        "obs_sessions_active": 2.0,
        up("good"): 1.0,
    }


def test_a_defect_of_one_source_takes_no_other_with_it_and_is_raised(settings: Settings) -> None:
    settings.METRICS_FACTS = [f"{HERE}.defective", f"{HERE}.nowhere", f"{HERE}.good"]

    with pytest.raises((ZeroDivisionError, ImportError)):
        refresh_facts()

    assert kept() == {up("defective"): 0.0, up("nowhere"): 0.0, up("good"): 1.0}


def test_a_dear_source_is_asked_seldom_and_again_at_once_after_a_failure(
    settings: Settings,
) -> None:
    settings.METRICS_FACTS = [f"{HERE}.dear"]
    refresh_facts()
    refresh_facts()
    assert asked == ["dear"]

    raw_connection().execute("UPDATE metrics_fact SET value = 0 WHERE family LIKE '%%collector_up'")
    refresh_facts()
    assert asked == ["dear", "dear"]


def test_two_workers_do_not_write_at_once(
    settings: Settings, as_role: Callable[[str], psycopg.Connection[Any]]
) -> None:
    said["obs_sessions_active", ()] = 2.0
    other = as_role("worker")
    with other.transaction():
        other.execute(facts._TRY_LOCK, (f"{HERE}.good",))
        refresh_facts()
        assert kept() == {}

    refresh_facts()
    assert kept()["obs_sessions_active"] == 2.0


def test_a_source_can_only_read() -> None:
    def writes() -> Facts:
        rows("DELETE FROM metrics_fact RETURNING 1")
        return {}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"{HERE}.good", writes)
        refresh_facts()

    assert kept() == {up("good"): 0.0}


def test_the_first_of_a_family_are_kept_up_to_its_cap() -> None:
    cap = BY_NAME["obs_audit_completeness_ratio"].cap
    many: Facts = {
        ("obs_audit_completeness_ratio", (f"ledger-{number}",)): 1.0 for number in range(cap + 9)
    }

    assert list(within_caps(many)) == list(many)[:cap]


@contextmanager
def as_worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let Django connect as the worker does."""
    worker = env.database(os.environ["DATABASE_WORKER_URL"], variable="DATABASE_WORKER_URL")
    connection.close()
    with monkeypatch.context() as patch:
        for name in ("USER", "PASSWORD"):
            patch.setitem(connection.settings_dict, name, worker[name])
        try:
            yield
        finally:
            connection.close()


def test_the_worker_may_do_all_that_the_timer_does(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.METRICS_FACTS = ours.METRICS_FACTS
    settings.DATABASE_ROLE = "worker"
    with as_worker(monkeypatch):
        ask_for_facts()
        keep_days()
        found = kept()

    failed = [name for name, value in found.items() if "collector_up" in name and not value]
    assert failed == []
    assert {f"obs_metrics_collector_up {path}" for path in ours.METRICS_FACTS} <= found.keys()
    shown = {name.split()[0] for name in found}
    assert shown >= {
        "obs_agents_active",
        "obs_active_users",
        "obs_sessions_active",
        "obs_retention_compliance_ratio",
        "obs_retention_overdue_entries",
        "obs_health_status",
        "obs_health_score_ratio",
        "obs_db_connections",
    }


# --- Sources -------------------------------------------------------------------------------------


def test_lags_are_what_sql_says_of_cursor_and_head(ledger: Ledger) -> None:
    chain(ledger, [make_event() for _ in range(7)])
    rollups = Rollups()
    catch_up(ledger.id, rollups)
    chain(ledger, [make_event() for _ in range(4)])

    found = lags.projection_lags()

    ((seconds,),) = rows(
        "SELECT extract(epoch FROM clock_timestamp() - received_at)::float8 "
        "FROM audit_entry WHERE ledger_id = %s AND seq = 7",
        (ledger.id,),
    )
    assert found["obs_projection_lag_entries", ("metrics", ledger.name)] == 4
    assert 0 < found["obs_projection_lag_seconds", ("metrics", ledger.name)] <= seconds

    catch_up(ledger.id, rollups)
    found = lags.projection_lags()
    assert found["obs_projection_lag_entries", ("metrics", ledger.name)] == 0
    assert found["obs_projection_lag_seconds", ("metrics", ledger.name)] == 0


def test_what_lags_longest_comes_first(ledger: Ledger) -> None:
    chain(ledger, [make_event()])
    catch_up(ledger.id, Rollups())
    chain(ledger, [make_event()])

    seconds = [
        value for (family, _), value in lags.projection_lags().items() if "seconds" in family
    ]

    assert seconds == sorted(seconds, reverse=True)


def test_retention_of_a_young_ledger_is_kept(ledger: Ledger) -> None:
    chain(ledger, [make_event(), make_event()])

    found = retention.retention()

    assert found["obs_retention_compliance_ratio", ("ledger", ledger.name)] == 1.0
    assert found["obs_retention_overdue_entries", ("ledger", ledger.name)] == 0


def test_connections_are_counted_by_what_they_do_whosever_they_are(
    as_role: Callable[[str], psycopg.Connection[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with as_worker(monkeypatch):
        before = counts()
        idle, busy = as_role("web"), as_role("web")
        holds, waits = as_role("owner"), as_role("owner")
        idle.execute("SELECT 1")
        with busy.transaction(), holds.transaction():
            busy.execute("SELECT 1")
            holds.execute("LOCK TABLE metrics_budget")
            waits.pgconn.send_query(b"SELECT count(*) FROM metrics_budget")
            until(lambda: counts()["waiting"] > before["waiting"])

            after = counts()

    assert {state: after[state] - before[state] for state in after} == {
        "active": 2,
        "idle": 1,
        "waiting": 1,
    }


def counts() -> dict[str, float]:
    return {labels[0]: value for (_, labels), value in connections.db_connections().items()}


def until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.02)

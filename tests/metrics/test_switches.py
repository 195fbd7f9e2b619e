"""Switches: who wins, how soon each process follows, what stays written, what a page may say."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import structlog
from pytest_django import Settings

from audit.database import raw_connection, rows
from audit.models import Ledger
from audit.project import catch_up, cursor_of, rebuild
from metrics import overhead, switches
from metrics.acting import ChangeRefused
from metrics.rollup import Rollups
from tests.conftest import chain, make_event
from tests.metrics.deciding import newest_change
from tests.metrics.scraping import rendered
from tracing import sampling

pytestmark = pytest.mark.usefixtures("undecided")

LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40}


@pytest.fixture(autouse=True)
def as_before(database: None) -> Iterator[None]:
    """Leave the loggers as they were: a switch sets them."""
    root, django = logging.getLogger(), logging.getLogger("django")
    levels = root.level, django.level
    yield
    root.setLevel(levels[0])
    django.setLevel(levels[1])
    sampling.follow({"tracing": "on", "sampling": "1"})


def switch(name: str, value: str) -> None:
    switches.switch(name, value, reason="a test", by="alice")


def counted(ledger: Ledger) -> int:
    found = rows(
        "SELECT coalesce(sum(n), 0)::bigint FROM metrics_total "
        "WHERE ledger_id = %s AND family = 'obs_events_total'",
        (ledger.id,),
    )
    return int(found[0][0])


def test_a_switch_is_as_installed_until_somebody_switches_it() -> None:
    assert [(each.known.name, each.value, each.origin) for each in switches.states()] == [
        ("metrics", "on", "default"),
        ("logging", "on", "default"),
        ("log_level", "INFO", "default"),
        ("log_levels", "", "default"),
        ("detail", "standard", "default"),
        ("tracing", "on", "default"),
        ("sampling", "1", "default"),
    ]


def test_switching_holds_at_once_here_and_is_an_entry_with_both_values() -> None:
    switches.switch("detail", "full", reason="a look at buckets", by="alice")

    assert switches.detail() == "full"
    event = newest_change()
    assert event["target"] == {"type": "switch", "id": "detail"}
    assert event["details"] == {"change": "switched", "before": "standard", "after": "full"}
    assert event["reason"] == "a look at buckets"
    assert event["actor"]["id"] == "alice"


@pytest.mark.parametrize(
    ("value", "reason", "field"),
    [("loud", "why not", "value"), ("on", "why not", "value"), ("off", " ", "reason")],
)
def test_a_switch_names_what_is_wrong(value: str, reason: str, field: str) -> None:
    with pytest.raises(ChangeRefused) as refused:
        switches.switch("metrics", value, reason=reason, by="alice")

    assert list(refused.value.errors) == [field]
    assert switches.metrics_on()


def test_what_the_environment_says_wins_and_cannot_be_switched(settings: Settings) -> None:
    switch("metrics", "off")
    settings.SWITCHES = settings.SWITCHES | {"metrics": ("on", True)}

    assert switches.metrics_on()
    assert switches.states()[0].origin == "environment"
    with pytest.raises(ChangeRefused, match="OBS_METRICS_ENABLED; change it there"):
        switch("metrics", "off")


@pytest.mark.parametrize(
    ("variable", "value", "asked"),
    [
        ("OBS_METRICS_ENABLED", "false", "('off', True)"),
        ("OBS_METRICS_ENABLED", "", "('on', False)"),
        ("OBS_METRICS_ENABLED", "true", "('on', True)"),
    ],
)
def test_a_variable_that_is_set_decides(variable: str, value: str, asked: str) -> None:
    code = "from obsplatform import settings; print(settings.SWITCHES['metrics'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {variable: value},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert done.stdout.strip() == asked


def test_another_process_sees_a_switch_within_five_seconds(ledger: Ledger) -> None:
    code = (
        "import django, time; django.setup(); from metrics import switches\n"
        "print(switches.metrics_on(), flush=True)\n"
        "until = time.monotonic() + 5\n"
        "while switches.metrics_on() and time.monotonic() < until: time.sleep(0.1)\n"
        "print(switches.metrics_on(), flush=True)\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "obsplatform.settings"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None
    before = other.stdout.readline().strip()

    switch("metrics", "off")

    assert (before, other.stdout.readline().strip()) == ("True", "False")
    assert other.wait(30) == 0


def test_when_the_database_is_away_the_last_known_value_holds(
    as_role: Callable[[str], psycopg.Connection[Any]],
) -> None:
    switch("metrics", "off")
    pid = raw_connection().info.backend_pid
    as_role("superuser").execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))

    switches.refresh()
    assert not switches.metrics_on()

    from django.db import connection

    connection.close()
    switches.refresh()
    assert not switches.metrics_on(), "and it reads on when the database is back"


def test_while_metrics_are_off_entries_wait_and_are_counted_later(ledger: Ledger) -> None:
    now = datetime.now(UTC).isoformat()
    chain(ledger, [make_event(occurred_at=now) for _ in range(3)])
    catch_up(ledger.id, Rollups())
    switch("metrics", "off")
    chain(ledger, [make_event(occurred_at=now) for _ in range(4)])

    assert catch_up(ledger.id, Rollups()) == 0
    assert (counted(ledger), cursor_of(ledger.id, Rollups())) == (3, 3)

    switch("metrics", "on")
    assert catch_up(ledger.id, Rollups()) == 4
    assert counted(ledger) == 7


def test_a_rebuild_that_somebody_asks_for_counts_all_even_while_off(ledger: Ledger) -> None:
    now = datetime.now(UTC).isoformat()
    chain(ledger, [make_event(occurred_at=now) for _ in range(3)])
    switch("metrics", "off")

    rebuild(ledger, Rollups())

    assert counted(ledger) == 3


def written(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the levels of lines that are written now, ours and a library's."""
    caplog.clear()
    ours, library = structlog.get_logger("tests.ours"), logging.getLogger("tests.library")
    for level in LEVELS:
        getattr(ours, level.lower())("a line")
        getattr(library, level.lower())("a line")
    found = [each.levelname for each in caplog.records if each.name.startswith("tests.")]
    assert found[::2] == found[1::2], "ours and a library's go the same way"
    return found[::2]


def test_the_level_changes_while_the_process_runs(caplog: pytest.LogCaptureFixture) -> None:
    switch("log_level", "ERROR")
    assert written(caplog) == ["ERROR"]

    switch("log_level", "DEBUG")
    assert written(caplog) == ["DEBUG", "INFO", "WARNING", "ERROR"]


def test_a_single_logger_writes_from_its_own_level_until_it_is_not_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def said() -> list[str]:
        caplog.clear()
        for name in ("tests.loud.below", "tests.other"):
            logging.getLogger(name).debug("a line")
            structlog.get_logger(name).debug("a line")
        return [each.name for each in caplog.records if each.name.startswith("tests.")]

    switch("log_levels", " tests.loud=DEBUG, celery=ERROR ")
    assert said() == ["tests.loud.below"] * 2
    assert logging.getLogger("celery").level == logging.ERROR

    switch("log_levels", "")
    assert said() == []
    assert logging.getLogger("celery").level == logging.NOTSET


@pytest.mark.parametrize(
    ("name", "value"),
    [("log_levels", "audit"), ("log_levels", "audit=LOUD"), ("sampling", "2"), ("sampling", "")],
)
def test_what_is_typed_into_a_switch_is_checked(name: str, value: str) -> None:
    with pytest.raises(ChangeRefused) as refused:
        switch(name, value)

    assert list(refused.value.errors) == ["value"]


def test_tracing_and_its_share_follow_their_switches() -> None:
    switch("sampling", "0.250")
    assert [sampling.is_kept(share << 61) for share in range(8)] == [True] * 2 + [False] * 6
    assert newest_change()["details"] == {"change": "switched", "before": "1", "after": "0.25"}

    switch("tracing", "off")
    assert not sampling.is_on()


def test_with_logging_off_warnings_and_errors_are_still_written(
    caplog: pytest.LogCaptureFixture,
) -> None:
    switch("log_level", "DEBUG")
    switch("logging", "off")
    assert written(caplog) == ["WARNING", "ERROR"]

    switch("logging", "on")
    assert written(caplog) == ["DEBUG", "INFO", "WARNING", "ERROR"]


def test_the_page_of_metrics_follows_both_switches() -> None:
    assert "# TYPE obs_agent_loops_total" in rendered()

    switch("detail", "minimal")
    assert "# TYPE obs_agent_loops_total" not in rendered()
    assert "# TYPE obs_agent_executions_total" in rendered()

    switch("metrics", "off")
    assert "# TYPE obs_agent_executions_total" not in rendered()


def test_what_is_on_is_a_fact() -> None:
    switch("metrics", "off")

    assert switches.component_facts() == {
        ("obs_component_enabled", ("metrics",)): 0.0,
        ("obs_component_enabled", ("logging",)): 1.0,
        ("obs_component_enabled", ("tracing",)): 1.0,
        ("obs_component_enabled", ("audit",)): 1.0,
    }


@pytest.fixture
def minutes() -> Iterator[Callable[[str, str, datetime, int], None]]:
    """Return a writer of what processes count of themselves; nothing else of it is there."""
    raw_connection().execute("DELETE FROM metrics_processminute")

    def write(family: str, labels: str, minute: datetime, number: int) -> None:
        raw_connection().execute(
            "INSERT INTO metrics_processminute (family, labels, minute, n) VALUES (%s, %s, %s, %s)",
            (family, labels, minute, number),
        )

    yield write
    raw_connection().execute("DELETE FROM metrics_processminute")


def test_overhead_is_held_against_the_processor_time_of_all_roles(
    minutes: Callable[[str, str, datetime, int], None],
) -> None:
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    took, busy = "obs_observability_overhead_seconds_total", "obs_process_cpu_seconds_total"
    minutes(took, "metrics", now - timedelta(minutes=1), 200_000)
    minutes(took, "logging", now - timedelta(minutes=2), 100_000)
    minutes(took, "metrics", now - timedelta(minutes=7), 9_000_000)
    minutes(busy, "web", now - timedelta(minutes=1), 4_000_000)
    minutes(busy, "append", now - timedelta(minutes=1), 6_000_000)

    found = {each.component: each for each in overhead.costs(now)}

    assert list(found) == ["logging", "metrics", "all"]
    assert [round(each.ratio or 0, 6) for each in found.values()] == [0.01, 0.02, 0.03]
    assert round(found["all"].per_second, 6) == 0.001
    assert overhead.overhead_facts()["obs_observability_overhead_ratio", ("all",)] == (
        pytest.approx(0.03)
    )


def test_without_figures_nothing_is_said_of_overhead(
    minutes: Callable[[str, str, datetime, int], None],
) -> None:
    assert overhead.costs(datetime.now(UTC)) == []
    assert overhead.overhead_facts() == {}

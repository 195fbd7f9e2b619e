"""Numbers of processes as rows: each once, whatever dies when, and none that falls."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection

from audit import measures
from audit.database import raw_connection, rows
from metrics.flushing import Flusher
from metrics.own_series import IN_MINUTES, Sums
from tests.installation import ROOT

LINES = "obs_log_records_total"
SWITCHES = "obs_context_switches_total"


class AnswerLost(Flusher):
    """A flusher whose first commit reaches Postgres, and whose answer never comes back."""

    commits = 0

    def commit(self, own: psycopg.Connection[Any], sums: Sums) -> None:
        super().commit(own, sums)
        self.commits += 1
        if self.commits == 1:
            raise psycopg.OperationalError("the answer was lost")


@pytest.fixture(autouse=True)
def _own_gathering(database: None) -> Iterator[None]:
    measures.gather(False)
    raw_connection().execute("DELETE FROM metrics_process")
    yield
    measures.gather(False)


@pytest.fixture
def flusher() -> Iterator[Flusher]:
    made = Flusher("command")
    made.switch(on=True)
    yield made
    made.switch(on=False)
    made.close()


def counted(family: str) -> dict[str, int]:
    found = rows("SELECT labels, n FROM metrics_process WHERE family = %s", (family,))
    return {labels: int(number) for labels, number in found}


def log_lines(level: str) -> int:
    return counted(LINES).get(level, 0)


def break_connections(superuser: psycopg.Connection[Any]) -> None:
    superuser.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND usename LIKE 'obs_%%'"
    )


def test_what_was_counted_stands_in_rows_once(flusher: Flusher) -> None:
    measures.count(LINES, "info", n=7)

    assert flusher.flush()
    assert flusher.flush()

    assert log_lines("info") == 7


def test_of_a_process_its_time_its_switches_and_its_pauses_are_told(flusher: Flusher) -> None:
    assert flusher.flush()

    assert counted("obs_process_cpu_seconds_total")["command"] > 0
    assert set(counted(SWITCHES)) == {"voluntary", "involuntary"}
    assert set(counted("obs_gc_pause_seconds")) == {"0", "1", "2"}


def test_minutes_hold_what_observing_took_and_how_long_entries_waited(flusher: Flusher) -> None:
    raw_connection().execute("DELETE FROM metrics_processminute")
    for lag in (0.02, 0.2):
        measures.overhead("audit", seconds=0.25)
        measures.observe("obs_ingest_lag_seconds", "chained", "main", value=lag)
        measures.count(LINES, "info")
        assert flusher.flush()

    minutes = rows("SELECT family, labels, n, buckets, total FROM metrics_processminute")
    for family, labels, n, buckets, total in rows(
        "SELECT family, labels, n, buckets, total FROM metrics_process WHERE family = ANY(%s)",
        (sorted(IN_MINUTES),),
    ):
        of_it = [each[2:] for each in minutes if each[:2] == (family, labels)]
        columns = zip(*(each[1] or [] for each in of_it), strict=True)
        assert sum(each[0] for each in of_it) == n
        assert [sum(column) for column in columns] == (buckets or [])
        assert sum(each[2] for each in of_it) == total
    told = {each[0] for each in minutes}
    assert told <= IN_MINUTES
    assert told >= {
        "obs_ingest_lag_seconds",
        "obs_log_records_total",
        "obs_observability_overhead_seconds_total",
        "obs_process_cpu_seconds_total",
    }


def test_two_processes_add_up() -> None:
    one, other = Flusher("worker"), Flusher("worker")

    one.switch(on=True)
    measures.count(LINES, "info", n=3)
    assert one.flush()
    measures.count(LINES, "info", n=4)
    assert other.flush()
    one.switch(on=False)

    assert log_lines("info") == 7
    assert one.process != other.process


def test_a_flush_whose_answer_was_lost_is_counted_once() -> None:
    flusher = AnswerLost("command")
    flusher.switch(on=True)
    measures.count(LINES, "info", n=5)

    assert not flusher.flush()
    measures.count(LINES, "info", n=2)
    assert flusher.flush()
    flusher.switch(on=False)

    assert log_lines("info") == 7
    assert flusher.commits == 3


def test_a_connection_that_was_closed_meanwhile_is_opened_again(
    flusher: Flusher, superuser: psycopg.Connection[Any]
) -> None:
    assert flusher.flush()
    measures.count(LINES, "info", n=2)

    break_connections(superuser)

    assert flusher.flush()
    connection.close()
    assert log_lines("info") == 2


def test_nothing_is_lost_while_the_database_is_away(
    flusher: Flusher, superuser: psycopg.Connection[Any]
) -> None:
    role = raw_connection().info.user
    superuser.execute(f'ALTER ROLE "{role}" NOLOGIN')
    try:
        break_connections(superuser)
        for _ in range(3):
            measures.count(LINES, "error", n=10)
            assert not flusher.flush()
    finally:
        superuser.execute(f'ALTER ROLE "{role}" LOGIN')
        connection.close()

    assert flusher.flush()

    assert log_lines("error") == 30


def test_while_it_is_off_nothing_is_counted_and_time_does_not_pile_up(flusher: Flusher) -> None:
    assert flusher.flush()
    flusher.switch(on=False)
    assert flusher.flush()
    before = counted("obs_process_cpu_seconds_total")["command"]
    measures.count(LINES, "info")
    ends = time.process_time() + 0.3
    while time.process_time() < ends:
        pass

    flusher.switch(on=True)
    assert flusher.flush()

    assert log_lines("info") == 0
    assert counted("obs_process_cpu_seconds_total")["command"] - before < 300_000


def test_one_process_alone_tells_of_the_machine() -> None:
    beat, append = Flusher("beat"), Flusher("append")
    raw_connection().execute("DELETE FROM metrics_fact WHERE family LIKE 'obs_host_%%'")

    beat.switch(on=True)
    assert beat.flush()
    assert append.flush()
    beat.switch(on=False)
    beat.close()

    facts: dict[str, float] = dict(
        rows(
            "SELECT family || ' ' || labels, value FROM metrics_fact WHERE family LIKE 'obs_host%'"
        )
    )
    assert 0 <= facts["obs_host_cpu_usage_ratio "] <= 1
    assert facts["obs_host_memory_bytes used"] > 0
    assert any(name.startswith("obs_host_disk_bytes /") for name in facts)
    assert beat.tells_of_machine
    assert not append.tells_of_machine


def test_a_machine_that_cannot_be_told_of_costs_no_count(
    superuser: psycopg.Connection[Any], caplog: pytest.LogCaptureFixture
) -> None:
    beat = Flusher("beat")
    beat.switch(on=True)
    measures.count(LINES, "error", n=3)

    with superuser.transaction():
        superuser.execute("LOCK TABLE metrics_fact IN ACCESS EXCLUSIVE MODE")
        assert beat.flush()
        assert log_lines("error") == 3
    assert beat.flush()

    beat.switch(on=False)
    beat.close()
    assert any("metrics.host_not_told" in each for each in caplog.messages)
    assert rows("SELECT 1 FROM metrics_fact WHERE family = 'obs_host_cpu_usage_ratio'")


# --- Real processes -------------------------------------------------------------------------------

SCRIPT = """
import multiprocessing, os, time
import django
django.setup()
from audit import measures
from metrics import flushing
"""
START = "flushing.start('command')\n"


def process(body: str, *, start: str = START) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT + start + body],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "obsplatform.settings"},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_process_that_ends_tells_its_last_numbers() -> None:
    ended = process("measures.count('obs_log_records_total', 'critical', n=11)")

    ended.communicate(timeout=120)

    assert ended.returncode == 0
    assert log_lines("critical") == 11


def test_a_forked_child_tells_its_own_numbers_and_none_of_its_parents() -> None:
    body = """
measures.count('obs_log_records_total', 'critical', n=100)
child = os.fork()
if child == 0:
    measures.count('obs_log_records_total', 'critical', n=1)
    flushing.flush()
    os._exit(0)
os.waitpid(child, 0)
"""
    ended = process(body)

    ended.communicate(timeout=120)

    assert ended.returncode == 0
    assert log_lines("critical") == 101


def test_a_child_of_multiprocessing_tells_its_last_numbers() -> None:
    body = """
def work():
    flushing.start('web')
    measures.count('obs_log_records_total', 'critical', n=1)
child = multiprocessing.get_context('fork').Process(target=work)
child.start()
child.join()
"""
    ended = process(body, start="")

    ended.communicate(timeout=120)

    assert log_lines("critical") == 1


def test_one_that_is_killed_loses_what_it_had_not_written_and_no_more() -> None:
    body = """
measures.count('obs_log_records_total', 'critical', n=5)
flushing.flush()
measures.count('obs_log_records_total', 'critical', n=1)
print('written', flush=True)
time.sleep(60)
"""
    killed = process(body)
    assert killed.stdout is not None

    assert killed.stdout.readline() == "written\n"
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=60)

    assert log_lines("critical") in {5, 6}  # 6 where five seconds went by before the kill

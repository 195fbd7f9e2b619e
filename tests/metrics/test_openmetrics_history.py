"""Minute history as a file with times: what stands in it, and that promtool loads it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from audit.database import raw_connection
from metrics.agent_families import TOOL_CALLS, TOOL_SECONDS
from metrics.openmetrics_history import Written, write_history
from metrics.platform_families import HEALTH_SCORE, PROCESS_CPU

PROMTOOL = shutil.which("promtool")
DAY = datetime(2026, 1, 5, 10, tzinfo=UTC)
"""A day of which no other test has history."""
CALLS = "search success prod"


@pytest.fixture
def day(database: None) -> Iterator[None]:
    """Give the day a place, and leave nothing in it."""
    raw_connection().execute("SELECT metrics_make_days(%s, %s)", [DAY.date(), DAY.date()])
    yield
    for table in ("minute", "processminute", "gaugeminute"):
        raw_connection().execute(
            f"DELETE FROM metrics_{table} WHERE minute >= %s AND minute < %s",
            [DAY.replace(hour=0), DAY.replace(hour=0) + timedelta(days=1)],
        )


def minute(number: int) -> datetime:
    return DAY + timedelta(minutes=number)


def second(number: int) -> int:
    """Return the Unix time at which a minute begins."""
    return int(minute(number).timestamp())


def counted(at: int, number: int, *, labels: str = CALLS, ledger: int = 1) -> None:
    raw_connection().execute(
        "INSERT INTO metrics_minute (ledger_id, family, labels, minute, n) "
        "VALUES (%s, %s, %s, %s, %s)",
        [ledger, TOOL_CALLS.name, labels, minute(at), number],
    )


def observed(at: int, buckets: list[int], total: int) -> None:
    raw_connection().execute(
        "INSERT INTO metrics_minute (ledger_id, family, labels, minute, buckets, total) "
        "VALUES (1, %s, 'search', %s, %s, %s)",
        [TOOL_SECONDS.name, minute(at), buckets, total],
    )


def gauged(at: int, value: float) -> None:
    raw_connection().execute(
        "INSERT INTO metrics_gaugeminute (family, labels, minute, value) VALUES (%s, '', %s, %s)",
        [HEALTH_SCORE.name, minute(at), value],
    )


def history(*, end: int = 10, step: int = 60, **asked: Any) -> tuple[str, Written]:
    out = StringIO()
    written = write_history(out.write, start=DAY, end=minute(end), step=step, **asked)
    return out.getvalue(), written


def samples(text: str, name: str) -> list[tuple[int, float]]:
    """Return time and value of the samples of a name, as they stand; all have the same labels.

    The client library's parser drops samples of a histogram that has several times.
    """
    return [
        (int(at), float(value))
        for value, at in re.findall(rf"^{name}(?:{{.*}})? (\S+) (\d+)$", text, re.MULTILINE)
    ]


def test_a_counter_begins_at_nothing_and_keeps_what_it_came_to(day: None) -> None:
    counted(2, 3)
    counted(4, 5)

    text, written = history(end=7)

    assert samples(text, TOOL_CALLS.name) == [
        (second(2), 0),
        (second(3), 3),
        (second(4), 3),
        (second(5), 8),
        (second(6), 8),
        (second(7), 8),
    ]
    assert written == Written(families=1, series=1, samples=6)
    assert 'tool="search"' in text
    assert text.endswith("# EOF\n")


def test_ledgers_add_up(day: None) -> None:
    counted(0, 3, ledger=1)
    counted(0, 4, ledger=2)
    counted(1, 1, ledger=2)

    text, _ = history(end=2)

    assert samples(text, TOOL_CALLS.name) == [(second(0), 0), (second(1), 7), (second(2), 8)]


def test_a_histogram_has_cumulative_buckets_in_the_familys_unit(day: None) -> None:
    width = len(TOOL_SECONDS.edges) + 1
    observed(0, [1, 2, *[0] * (width - 2)], 80_000)
    observed(1, [0] * (width - 1) + [1], 100_000_000)

    text, _ = history(end=2)

    lines = [line for line in text.splitlines() if line.endswith(f" {second(2)}")]
    assert f'{TOOL_SECONDS.name}_bucket{{le="0.01",tool="search"}} 1.0 {second(2)}' in lines
    assert f'{TOOL_SECONDS.name}_bucket{{le="0.05",tool="search"}} 3.0 {second(2)}' in lines
    assert f'{TOOL_SECONDS.name}_bucket{{le="+Inf",tool="search"}} 4.0 {second(2)}' in lines
    assert samples(text, f"{TOOL_SECONDS.name}_count")[-1] == (second(2), 4)
    assert samples(text, f"{TOOL_SECONDS.name}_sum")[-1] == (second(2), 100.08)


def test_what_processes_count_is_there_too(day: None) -> None:
    raw_connection().execute(
        "INSERT INTO metrics_processminute (family, labels, minute, n) "
        "VALUES (%s, 'web', %s, 1500000)",
        [PROCESS_CPU.name, minute(0)],
    )

    text, _ = history(end=1)

    assert samples(text, PROCESS_CPU.name) == [(second(0), 0), (second(1), 1.5)]


def test_a_gauge_has_a_sample_where_it_said_something(day: None) -> None:
    gauged(0, 1.0)
    gauged(3, 0.5)

    text, _ = history()

    assert samples(text, HEALTH_SCORE.name) == [(second(1), 1.0), (second(4), 0.5)]


def test_a_longer_step_has_fewer_samples_and_loses_no_count(day: None) -> None:
    counted(1, 1)
    counted(4, 2)
    counted(8, 4)
    gauged(1, 0.1)
    gauged(4, 0.2)

    text, _ = history(end=14, step=300)

    assert samples(text, TOOL_CALLS.name) == [(second(0), 0), (second(5), 3), (second(10), 7)]
    assert samples(text, HEALTH_SCORE.name) == [(second(5), 0.2)]


def test_a_minute_that_has_not_ended_is_left_for_later(day: None) -> None:
    counted(0, 1)
    counted(1, 1)
    out = StringIO()

    write_history(out.write, start=DAY, end=minute(1) + timedelta(seconds=59))

    assert samples(out.getvalue(), TOOL_CALLS.name) == [(second(0), 0), (second(1), 1)]


def test_only_the_families_that_were_asked_for_are_written(day: None) -> None:
    counted(0, 1)
    gauged(0, 1.0)

    text, written = history(families=[HEALTH_SCORE.name])

    assert TOOL_CALLS.name not in text
    assert written == Written(families=1, series=1, samples=1)


def test_a_row_that_fits_no_family_is_left_out(day: None) -> None:
    counted(0, 1)
    counted(0, 1, labels="one-label")
    observed(0, [1, 1], 5)
    raw_connection().execute(
        "INSERT INTO metrics_gaugeminute (family, labels, minute, value) "
        "VALUES ('obs_of_a_later_version', '', %s, 1)",
        [minute(0)],
    )

    text, written = history(end=1)

    assert written == Written(families=1, series=1, samples=2)
    assert "obs_of_a_later_version" not in text
    assert TOOL_SECONDS.name not in text


def test_of_no_history_there_is_an_empty_file(day: None) -> None:
    assert history() == ("# EOF\n", Written())


@pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not installed: apt-get install prometheus"
)
def test_promtool_makes_blocks_that_hold_each_sample(day: None, tmp_path: Path) -> None:
    counted(1, 3)
    observed(2, [1] * (len(TOOL_SECONDS.edges) + 1), 5_000_000)
    gauged(4, 0.5)
    file, data = tmp_path / "history.om", tmp_path / "data"
    call_command(
        "metricshistory", start=DAY.isoformat(), end=minute(150).isoformat(), out=file,
        stderr=StringIO(),
    )  # fmt: skip

    tool = str(PROMTOOL)
    made = subprocess.run(
        [tool, "tsdb", "create-blocks-from", "openmetrics", str(file), str(data)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert made.returncode == 0, made.stderr
    (data / "wal").mkdir()  # promtool wants one
    dumped = subprocess.run(
        [tool, "tsdb", "dump", str(data)], capture_output=True, text=True, timeout=60, check=True
    )

    written = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    assert len(dumped.stdout.splitlines()) == len(written) > 300


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"start": "yesterday"}, "--from is a time"),
        ({"start": "2026-01-05", "end": "2026-01-05"}, "--to is later"),
        ({"start": "2026-01-05", "step": 90}, "multiple of 60"),
        ({"start": "2026-01-05", "step": 0}, "multiple of 60"),
        ({"start": "2026-01-05", "family": ["obs_nothing"]}, "no family obs_nothing"),
    ],
)
def test_the_command_says_what_it_does_not_understand(
    database: None, asked: dict[str, Any], said: str
) -> None:
    with pytest.raises(CommandError, match=said) as refused:
        call_command("metricshistory", **asked)

    assert refused.value.returncode == 2


def test_the_command_writes_to_stdout_or_a_whole_file(day: None, tmp_path: Path) -> None:
    counted(0, 1)
    said, told, file = StringIO(), StringIO(), tmp_path / "history.om"
    asked = {"start": "2026-01-05T10:00Z", "end": "2026-01-05T10:05"}

    call_command("metricshistory", **asked, stdout=said)
    call_command("metricshistory", **asked, out=file, stderr=told)

    assert said.getvalue() == file.read_text()
    assert samples(said.getvalue(), TOOL_CALLS.name)[-1] == (second(5), 1)
    assert "6 samples of 1 series of 1 families" in told.getvalue()
    with pytest.raises(CommandError, match="cannot write"):
        call_command("metricshistory", **asked, out=tmp_path / "nowhere" / "history.om")
    assert [each.name for each in tmp_path.iterdir()] == ["history.om"]

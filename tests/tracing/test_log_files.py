"""Log files keep every line whole, whoever writes, and forget the days that are over."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from tests.installation import ROOT
from tracing import logs
from tracing.counted_lines import CountedLines
from tracing.log_files import LogFiles, files_of

MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC).timestamp()
WRITERS, LINES = 4, 3_000

WRITE = f"""
import sys
from pathlib import Path
from tracing.log_files import LogFiles

who, folder, midnight = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
files = LogFiles(folder, keep_days=3, most_bytes=60_000, error_file="error.log")
print("ready", flush=True)
sys.stdin.readline()
for number in range({LINES}):
    # The second half is of the next day, and each file holds a few hundred lines.
    at = midnight + (number - {LINES // 2}) * 0.001
    line = f"{{who}} {{number}} " + "x" * (number % 400)
    files.write(line, is_error=number % 50 == 0, at=at)
"""


def files(folder: Path, *, most_bytes: int = 1_000, error_file: str = "error.log") -> LogFiles:
    return LogFiles(folder, keep_days=3, most_bytes=most_bytes, error_file=error_file)


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_four_processes_that_meet_the_ends_of_files_lose_and_tear_no_line(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITE, str(who), str(tmp_path), str(MIDNIGHT)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for who in range(WRITERS)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0

    expected = {
        f"{who} {number} " + "x" * (number % 400)
        for who in range(WRITERS)
        for number in range(LINES)
    }
    kept = files_of(tmp_path)
    lines = "".join(each.read_text() for each in kept).splitlines()
    assert len(lines) == WRITERS * LINES
    assert set(lines) == expected
    assert len([each for each in kept if "-11-21-" in each.name]) > 3, "files were full"
    assert len([each for each in kept if "-11-22-" in each.name]) > 3, "and a day ended"
    # A file is left when it is full, so it is over its size by what was on its way at most.
    assert max(each.stat().st_size for each in kept) < 60_000 + WRITERS * 500
    errors = "".join(each.read_text() for each in tmp_path.glob("error-*.log")).splitlines()
    assert len(errors) == WRITERS * LINES // 50


def test_a_file_is_named_by_its_day_and_its_number(tmp_path: Path) -> None:
    kept = files(tmp_path)
    for at in (MIDNIGHT - 1, MIDNIGHT - 0.5, MIDNIGHT):
        kept.write("x" * 2_000, is_error=False, at=at)

    assert names(tmp_path) == [
        "platform-2026-11-21-1.log",
        "platform-2026-11-21-2.log",
        "platform-2026-11-22-1.log",
    ]
    assert [each.name for each in files_of(tmp_path)] == names(tmp_path)[::-1]


def test_a_new_process_goes_on_where_there_is_room(tmp_path: Path) -> None:
    for _ in range(3):
        files(tmp_path).write("x" * 600, is_error=False, at=MIDNIGHT)

    assert [(each.name, each.stat().st_size) for each in files_of(tmp_path)] == [
        ("platform-2026-11-22-2.log", 601),
        ("platform-2026-11-22-1.log", 1_202),
    ]


def test_errors_stand_in_a_file_of_their_own_as_well(tmp_path: Path) -> None:
    kept = files(tmp_path, error_file="trouble.jsonl")
    kept.write("fine", is_error=False, at=MIDNIGHT)
    kept.write("bad", is_error=True, at=MIDNIGHT)

    assert (tmp_path / "platform-2026-11-22-1.log").read_text() == "fine\nbad\n"
    assert (tmp_path / "trouble-2026-11-22-1.jsonl").read_text() == "bad\n"


def test_days_that_are_over_go_and_files_of_others_stay(tmp_path: Path) -> None:
    strangers = {"valkey.log", "platform-2026-11-01-1.log.gz", "platform-notes.log"}
    for name in (*strangers, "platform-2026-11-19-1.log", "error-2026-11-19-7.log"):
        (tmp_path / name).write_text("old\n")
    (tmp_path / "platform-2026-11-20-1.log").write_text("kept\n")
    kept = files(tmp_path)

    kept.write("new", is_error=True, at=MIDNIGHT)

    assert set(names(tmp_path)) == strangers | {
        "platform-2026-11-20-1.log",
        "platform-2026-11-22-1.log",
        "error-2026-11-22-1.log",
    }


def test_a_file_that_somebody_removed_is_begun_anew(tmp_path: Path) -> None:
    kept = files(tmp_path)
    kept.write("one", is_error=False, at=MIDNIGHT)
    (tmp_path / "platform-2026-11-22-1.log").unlink()

    kept.write("two", is_error=False, at=MIDNIGHT)

    assert (tmp_path / "platform-2026-11-22-1.log").read_text() == "two\n"


def test_a_folder_that_cannot_be_written_is_said_once_and_holds_nobody_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").write_text("a file, where the folder should be")
    kept = files(tmp_path / "logs")

    for _ in range(3):
        kept.write("a line", is_error=False, at=MIDNIGHT)

    assert capsys.readouterr().err.count("log files cannot be written") == 1


def test_a_fork_while_another_thread_writes_does_not_stop_the_child(tmp_path: Path) -> None:
    kept = files(tmp_path)
    with kept._writing:
        child = os.fork()
        if child == 0:
            kept.write("from the child", is_error=False, at=MIDNIGHT)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0

    assert "from the child" in (tmp_path / "platform-2026-11-22-1.log").read_text()


# --- What the platform writes there --------------------------------------------------------------


def handler(folder: Path, fmt: logs.Format) -> CountedLines:
    """Return the installed handler, writing to memory and to files of this folder."""
    made = logs.configure("DEBUG", fmt, files=files(folder, most_bytes=1_000_000))
    form = made["formatters"]["line"]
    installed = CountedLines(
        io.StringIO(),
        files=made["handlers"]["line"]["files"],
        file_format=made["handlers"]["line"]["file_format"],
    )
    installed.setFormatter(
        form["()"](foreign_pre_chain=form["foreign_pre_chain"], processors=form["processors"])
    )
    return installed


@pytest.mark.parametrize("fmt", ["json", "console"])
def test_files_hold_json_whatever_eyes_see(tmp_path: Path, fmt: logs.Format) -> None:
    log = logging.getLogger(f"tests.files.{fmt}")
    log.propagate = False
    log.addHandler(handler(tmp_path, fmt))

    log.error("password=hunter2-%s", "canary")

    for path in (*files_of(tmp_path), *tmp_path.glob("error-*.log")):
        line = json.loads(path.read_text())
        assert line["event"] == "password=***REDACTED***"
        assert line["level"] == "error"


def test_a_line_names_what_is_bound_and_the_span_that_is_open(tmp_path: Path) -> None:
    log = logging.getLogger("tests.files.bound")
    log.propagate = False
    log.addHandler(handler(tmp_path, "json"))
    span = NonRecordingSpan(SpanContext(0xA, 0xB, is_remote=False, trace_flags=TraceFlags(1)))

    logs.clear()
    logs.bind(task_id="a-task", agent_id="alice")
    with trace.use_span(span):
        log.warning("within")
    logs.clear("task_id")
    assert logs.bound() == {"agent_id": "alice"}
    log.warning("after")
    logs.clear()
    log.warning("without")

    (path,) = files_of(tmp_path)
    within, after, without = [json.loads(each) for each in path.read_text().splitlines()]
    assert (
        within.items()
        >= {
            "task_id": "a-task",
            "agent_id": "alice",
            "trace_id": f"{0xA:032x}",
            "span_id": f"{0xB:016x}",
        }.items()
    )
    assert after.keys() == {"timestamp", "level", "event", "logger", "agent_id"}
    assert without.keys() == {"timestamp", "level", "event", "logger"}
    assert structlog.contextvars.get_contextvars() == {}

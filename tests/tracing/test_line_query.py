"""Log lines are found by what the address says, those sent in and the platform's own."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.http import QueryDict

from audit.models import Ledger
from tests.tracing.spans import keep_lines, new_trace_id
from tracing import own_lines
from tracing.line_query import LEVELS, level_of, matching, page, read_line_filter
from tracing.own_lines import Wanted, find_lines

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def found(ledger: Ledger, query: str = "") -> list[str]:
    asked = read_line_filter(QueryDict(query), ledger=ledger.name)
    assert not asked.errors, asked.errors
    return [each.message for each in page(matching(asked)).lines]


def test_each_filter_finds_its_lines_and_no_others(
    ledger: Ledger, as_role: Callable[[str], psycopg.Connection[Any]]
) -> None:
    trace = new_trace_id()
    keep_lines(as_role("web"), ledger.id, [
        {"message": "took the claim", "at": NOW, "agent_id": "a", "task_id": "t-1"},
        {"message": "gave up: no answer", "at": NOW + timedelta(hours=1), "severity": 17,
         "trace_id": trace, "service": "probe", "logger": "probe.http"},
    ])  # fmt: skip

    first, second = "took the claim", "gave up: no answer"
    assert found(ledger) == [second, first]
    for query, wanted in (
        ("level=info", first), ("level=error&level=fatal", second), ("agent=a", first),
        ("task=t-1", first), (f"trace={trace.upper()}", second), ("service=probe", second),
        ("logger=probe.http", second), ("text=NO%20ANSWER", second),
        ("from=2026-11-21T12:30:00Z", second), ("to=2026-11-21T12:30:00Z", first),
    ):  # fmt: skip
        assert found(ledger, query) == [wanted], query
    assert read_line_filter(QueryDict("level=loud"), ledger=ledger.name).errors


def test_pages_of_lines_follow_each_other_also_within_one_moment(
    ledger: Ledger, as_role: Callable[[str], psycopg.Connection[Any]]
) -> None:
    keep_lines(
        as_role("web"), ledger.id, [{"message": f"line {number}", "at": NOW} for number in range(7)]
    )
    every = matching(read_line_filter({}, ledger=ledger.name))
    wanted = [each.message for each in page(every).lines]

    first = page(every, size=3)
    second = page(every, size=3, after=first.older)
    third = page(every, size=3, after=second.older)

    assert [each.message for one in (first, second, third) for each in one.lines] == wanted
    assert third.older is None
    back = page(every, size=3, before=third.newer)
    assert [each.message for each in back.lines] == [each.message for each in second.lines]


def test_every_number_of_otlp_has_a_word() -> None:
    assert [level_of(number) for number in (0, 1, 5, 9, 13, 17, 21, 24)] == [
        "trace", "trace", "debug", "info", "warning", "error", "fatal", "fatal",
    ]  # fmt: skip
    assert level_of(99) == "fatal"
    assert list(LEVELS) == ["trace", "debug", "info", "warning", "error", "fatal"]


# --- The platform's own --------------------------------------------------------------------------


def line(at: datetime, event: str, level: str = "info", **fields: str) -> str:
    said = {"timestamp": at.isoformat().replace("+00:00", "Z"), "level": level, "event": event,
            "logger": "audit.append"}  # fmt: skip
    return json.dumps(said | fields)


def write(folder: Path, name: str, *lines: str) -> None:
    (folder / name).write_text("".join(f"{each}\n" for each in lines))


def events(folder: Path, wanted: Wanted | None = None) -> list[str]:
    return [each.event for each in find_lines(folder, wanted or Wanted()).lines]


def test_own_lines_come_newest_first_over_all_files(tmp_path: Path) -> None:
    write(tmp_path, "platform-2026-11-20-1.log", line(NOW - timedelta(days=1), "yesterday"))
    write(tmp_path, "platform-2026-11-21-1.log", line(NOW, "first"))
    write(tmp_path, "platform-2026-11-21-10.log", line(NOW + timedelta(minutes=2), "third"),
          line(NOW + timedelta(minutes=1), "second, late"))  # fmt: skip
    write(tmp_path, "error-2026-11-21-1.log", line(NOW, "first", level="error"))
    write(tmp_path, "notes.txt", "not ours")

    assert events(tmp_path) == ["third", "second, late", "first", "yesterday"]
    assert find_lines(tmp_path, Wanted()).is_all


def test_own_lines_are_found_by_trace_request_task_level_text_and_time(tmp_path: Path) -> None:
    write(
        tmp_path, "platform-2026-11-21-1.log",
        line(NOW, "request.started", request_id="r-1", trace_id="a" * 32),
        line(NOW + timedelta(seconds=1), "task.failed", "error", task_id="t-1", error="Zeit über"),
    )  # fmt: skip

    for wanted, event in (
        (Wanted(fields={"trace_id": "a" * 32}), "request.started"),
        (Wanted(fields={"request_id": "r-1"}), "request.started"),
        (Wanted(fields={"task_id": "t-1"}), "task.failed"),
        (Wanted(levels=("error",)), "task.failed"),
        (Wanted(text="ZEIT ÜBER"), "task.failed"),
        (Wanted(before=NOW + timedelta(seconds=1)), "request.started"),
        (Wanted(since=NOW + timedelta(seconds=1)), "task.failed"),
    ):
        assert events(tmp_path, wanted) == [event], wanted
    assert events(tmp_path, Wanted(fields={"request_id": "r-1", "task_id": "t-1"})) == []


def test_lines_longer_than_a_block_are_whole(tmp_path: Path) -> None:
    said = [line(NOW + timedelta(seconds=number), str(number), pad="x" * 90_000)
            for number in range(12)]  # fmt: skip
    write(tmp_path, "platform-2026-11-21-1.log", *said)

    found = find_lines(tmp_path, Wanted())

    assert [each.event for each in found.lines] == [str(number) for number in range(11, -1, -1)]
    assert found.unreadable == 0


def test_what_is_no_line_of_ours_is_counted_and_passed_over(tmp_path: Path) -> None:
    torn = line(NOW, "torn")[:-9]
    write(tmp_path, "platform-2026-11-21-1.log", "[]", torn, "null", line(NOW, "whole"), "{}")

    found = find_lines(tmp_path, Wanted())

    assert [each.event for each in found.lines] == ["whole"]
    assert found.unreadable == 4


def test_a_search_ends_at_its_bytes_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_lines, "MOST_BYTES", 1_000)
    lines = [line(NOW + timedelta(seconds=number), str(number)) for number in range(100)]
    write(tmp_path, "platform-2026-11-21-1.log", *lines)

    found = find_lines(tmp_path, Wanted())

    assert not found.is_all
    assert found.lines[0].event == "99"
    assert found.since == found.lines[-1].at
    assert 1_000 <= found.read_bytes < 1_200


def test_a_folder_that_is_not_there_holds_no_line(tmp_path: Path) -> None:
    found = find_lines(tmp_path / "none", Wanted())

    assert (found.lines, found.is_all) == ([], True)

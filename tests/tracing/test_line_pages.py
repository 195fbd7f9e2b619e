"""The pages of log lines and of profiles: who sees them, what they say, where each thing leads."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.test import Client
from psycopg.types.json import Jsonb
from pytest_django import Settings

from audit.models import Ledger
from tests.conftest import chain, make_event
from tests.metrics.deciding import client, newest_change, page, said
from tests.tracing.spans import Kept, keep_lines, keep_trace, new_trace_id, now_ns
from tracing.models import Capture, Profile
from tracing.profile_tree import read_report

LINES, PROFILES = "/admin/tracing/line/", "/admin/tracing/profile/"


@pytest.fixture
def web(as_role: Callable[[str], psycopg.Connection[Any]]) -> psycopg.Connection[Any]:
    return as_role("web")


@pytest.fixture
def auditor(database: None) -> Client:
    return client("auditor")


@pytest.fixture
def administrator(database: None) -> Client:
    return client("administrator")


# --- Lines that were sent in ---------------------------------------------------------------------


def test_who_is_in_no_group_sees_no_lines(database: None) -> None:
    assert client().get(LINES).status_code == 403
    assert client().get(f"{LINES}?show=own").status_code == 403


def test_a_line_leads_to_its_trace_and_its_agent(
    auditor: Client, ledger: Ledger, web: psycopg.Connection[Any]
) -> None:
    trace_id = keep_trace(web, ledger.id, [Kept(start_ns=now_ns(), span_id="a" * 16)])
    keep_lines(web, ledger.id, [
        {"message": "gave up <b>now</b>", "severity": 17, "trace_id": trace_id, "span_id": "a" * 16,
         "agent_id": "claims & co", "task_id": "t-1", "fields": {"why": "<i>"}},
        {"message": "of a trace that is gone", "trace_id": new_trace_id()},
    ])  # fmt: skip

    answer = auditor.get(f"{LINES}?ledger={ledger.name}")
    html = answer.content.decode()

    assert "gave up &lt;b&gt;now&lt;/b&gt;" in html
    assert "<b>now</b>" not in html
    assert f'href="/admin/tracing/trace/{ledger.name}/{trace_id}/#span={"a" * 16}"' in html
    assert "agent=claims+%26+co" in html
    assert "task=t-1" in html
    assert html.count("nothing is kept of this trace") == 1


def test_a_search_finds_its_lines_and_says_what_it_cannot_read(
    auditor: Client, ledger: Ledger, web: psycopg.Connection[Any]
) -> None:
    keep_lines(web, ledger.id, [{"message": "took the claim"}, {"message": "no", "severity": 17}])

    shown = page(auditor, f"{LINES}?ledger={ledger.name}&text=claim&level=info")
    wrong = page(auditor, f"{LINES}?ledger={ledger.name}&level=loud&colour=red")

    assert "took the claim" in shown
    assert "is one of trace, debug, info" in wrong
    assert "is no filter" in wrong
    assert "took the claim" not in wrong
    assert auditor.get(f"{LINES}?show=some").status_code == 404


def test_an_empty_list_of_lines_teaches_how_to_send(auditor: Client, ledger: Ledger) -> None:
    shown = page(auditor, f"{LINES}?ledger={ledger.name}")

    assert "No line yet" in shown
    assert "OTEL_LOGS_EXPORTER=otlp" in shown


def test_lines_stand_under_their_trace(
    auditor: Client, ledger: Ledger, web: psycopg.Connection[Any], settings: Settings,
    tmp_path: Path,
) -> None:  # fmt: skip
    settings.LOG_DIR = tmp_path
    trace_id = keep_trace(web, ledger.id, [Kept(start_ns=now_ns())])
    keep_lines(web, ledger.id, [{"message": "looked it up", "trace_id": trace_id}])
    own = {"timestamp": datetime.now(UTC).isoformat(), "level": "info", "event": "append.chained",
           "logger": "audit.append", "trace_id": trace_id}  # fmt: skip
    (tmp_path / "platform-2026-11-21-1.log").write_text(json.dumps(own) + "\n")

    shown = page(auditor, f"/admin/tracing/trace/{ledger.name}/{trace_id}/?show=logs")

    assert "looked it up" in shown
    assert "append.chained" in shown


def test_a_line_that_became_an_event_leads_to_its_entry(
    auditor: Client, ledger: Ledger, web: psycopg.Connection[Any]
) -> None:
    event = make_event()
    (entry,) = chain(ledger, [event])
    keep_lines(web, ledger.id, [{"message": "called", "event_id": uuid.UUID(event["id"])}])

    assert (
        f"/admin/audit/entry/{entry.hash}/change/"
        in auditor.get(f"{LINES}?ledger={ledger.name}").content.decode()
    )


@pytest.mark.parametrize(
    "line",
    [
        {"message": "gen_ai.user.message",
         "fields": {"event.name": "gen_ai.user.message", "body": {"content": "an illness"}}},
        {"message": "an illness", "fields": {"event.name": "gen_ai.content.prompt"}},
        {"message": "asked", "fields": {"gen_ai.input.messages": "an illness", "gen_ai.x": 1}},
    ],
)  # fmt: skip
def test_what_was_said_in_a_line_takes_a_reason(
    line: dict[str, Any], auditor: Client, ledger: Ledger, web: psycopg.Connection[Any],
    api_key: Callable[..., str],
) -> None:  # fmt: skip
    trace_id = keep_trace(web, ledger.id, [Kept(start_ns=now_ns())])
    keep_lines(web, ledger.id, [line | {"trace_id": trace_id}])
    of_trace = f"/admin/tracing/trace/{ledger.name}/{trace_id}/"

    key = api_key(ledger, "entries:read")
    told = Client().get("/api/v1/lines", headers={"Authorization": f"Bearer {key}"})
    listed = auditor.get(f"{LINES}?ledger={ledger.name}")
    before = auditor.get(f"{of_trace}?show=logs")
    auditor.post(f"{of_trace}read/", {"reason": "complaint 81"})
    after = auditor.get(f"{of_trace}?show=logs")

    assert (told.status_code, listed.status_code, before.status_code) == (200, 200, 200)
    assert not any("an illness" in each.content.decode() for each in (told, listed, before))
    assert "an illness" in after.content.decode()


# --- The platform's own --------------------------------------------------------------------------


def test_own_lines_are_searched_by_request_and_say_how_far(
    auditor: Client, settings: Settings, tmp_path: Path
) -> None:
    settings.LOG_DIR = tmp_path
    at = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
    lines = [
        {"timestamp": (at + timedelta(seconds=number)).isoformat(), "level": "critical",
         "event": f"step {number}", "logger": "audit.post", "request_id": f"r-{number}"}
        for number in range(3)
    ]  # fmt: skip
    (tmp_path / "platform-2026-11-21-1.log").write_text(
        "".join(f"{json.dumps(x)}\n" for x in lines)
    )

    shown = page(auditor, f"{LINES}?show=own")
    one = page(auditor, f"{LINES}?show=own&request=r-1")

    assert all(f"step {number}" in shown for number in range(3))
    assert "all of its files were searched" in shown
    assert "fatal" in shown
    assert "step 1" in one
    assert "step 2" not in one
    assert "is one of debug" in page(auditor, f"{LINES}?show=own&level=loud")


def test_an_installation_without_files_says_where_they_would_be(
    auditor: Client, settings: Settings, tmp_path: Path
) -> None:
    settings.LOG_DIR = tmp_path / "none"

    assert str(tmp_path / "none") in page(auditor, f"{LINES}?show=own")


# --- Profiles ------------------------------------------------------------------------------------


@pytest.fixture
def quiet(database: None, web: psycopg.Connection[Any]) -> Iterator[None]:
    """Leave no capture in force."""
    yield
    web.execute("UPDATE tracing_capture SET ends_at = now() WHERE ends_at > now()")


@pytest.mark.parametrize("group", ["auditor", "compliance officer"])
def test_only_administrators_see_profiles_and_catch_what_is_slow(
    database: None, group: str
) -> None:
    who = client(group)

    assert who.get(PROFILES).status_code == 403
    assert who.post(f"{PROFILES}start/", {"sort": "request"}).status_code == 403
    assert who.post(f"{PROFILES}captures/1/end/").status_code == 403
    assert PROFILES not in who.get(LINES).content.decode()


def test_a_capture_is_started_and_ended_and_each_is_an_entry(
    administrator: Client, quiet: None
) -> None:
    typed = {"sort": "query", "slower": "250", "minutes": "5"}

    begun = administrator.post(f"{PROFILES}start/", typed, follow=True)
    started = newest_change()
    twice = administrator.post(f"{PROFILES}start/", typed)
    capture = Capture.objects.get(sort="query", ends_at__gt=datetime.now(UTC))
    administrator.post(f"{PROFILES}captures/{capture.id}/end/")
    ended = newest_change()
    again = administrator.post(f"{PROFILES}captures/{capture.id}/end/", follow=True)

    assert "statements slower than 250 ms" in said(begun.content)
    assert (started["details"]["slower_ms"], started["details"]["minutes"]) == (250, 5)
    assert twice.status_code == 400
    assert ended["details"]["change"] == "ended"
    assert ended["actor"]["type"] == "human"
    assert "has ended already" in said(again.content)


@pytest.mark.parametrize(
    ("name", "typed"),
    [("sort", "all"), ("slower", "0"), ("slower", "x"), ("minutes", "1441"), ("minutes", "")],
)
def test_a_capture_that_cannot_be_is_refused_in_words(
    administrator: Client, quiet: None, name: str, typed: str
) -> None:
    answer = administrator.post(
        f"{PROFILES}start/", {"sort": "task", "slower": "10", "minutes": "5"} | {name: typed}
    )

    assert answer.status_code == 400
    assert f"{name}-error" in answer.content.decode()
    assert not Capture.objects.filter(ends_at__gt=datetime.now(UTC)).exists()


REPORT = {
    "frames": [
        {"name": "view", "file": "audit/api.py", "line": 7, "ms": 900.0, "children": [
            {"name": "query", "file": "db.py", "line": 3, "ms": 700.0, "children": []},
            {"name": "<script>", "ms": 100.0},
        ]},
    ]
}  # fmt: skip


def test_a_profile_shows_where_the_time_went(
    administrator: Client, web: psycopg.Connection[Any]
) -> None:
    (profile_id,) = web.execute(
        "INSERT INTO tracing_profile (sort, name, at, duration_ms, request_id, report)"
        " VALUES ('request', 'GET /api/v1/entries', now(), 912, 'r-1', %s) RETURNING id",
        [Jsonb(REPORT)],
    ).fetchone() or (0,)

    listed = page(administrator, f"{PROFILES}?sort=request")
    html = administrator.get(f"{PROFILES}{profile_id}/change/").content.decode()
    shown = page(administrator, f"{PROFILES}{profile_id}/change/")

    assert "GET /api/v1/entries" in listed
    assert "took 912 ms" in shown
    assert "&lt;script&gt;" in html
    assert f"{LINES}?show=own&amp;request=r-1" in html
    assert "is no filter of this list" in page(administrator, f"{PROFILES}?colour=red")
    assert administrator.get(f"{PROFILES}999999999/change/").status_code == 404


def test_frames_have_their_share_and_what_is_their_own() -> None:
    report = read_report(REPORT, 1_000.0)

    assert [(each.name, each.depth, each.own_ms, each.share) for each in report.frames] == [
        ("view", 0, 100.0, 90.0), ("query", 1, 700.0, 70.0), ("<script>", 1, 100.0, 10.0),
    ]  # fmt: skip
    assert [each.is_hot for each in report.frames] == [False, True, False]


def test_a_statement_has_its_plan() -> None:
    report = read_report({"statement": "SELECT 1", "plan": ["Result"], "count": 3}, 5.0)

    assert (report.statement, report.count) == ("SELECT 1", 3)
    assert "Result" in report.plan


@pytest.mark.parametrize("report", [{}, {"frames": None}, {"frames": [1, {"ms": "x"}]}])
def test_a_report_that_is_none_of_ours_can_be_shown(report: dict[str, Any]) -> None:
    assert len(read_report(report, 1.0).frames) <= 1


def test_profiles_are_pages_by_number(administrator: Client, web: psycopg.Connection[Any]) -> None:
    web.execute(
        "INSERT INTO tracing_profile (sort, name, at, duration_ms, report)"
        " SELECT 'task', 'n', now(), 1, '{}' FROM generate_series(1, 26)"
    )

    first = administrator.get(f"{PROFILES}?sort=task")

    assert len(first.context["lines"]) == 25
    older = administrator.get(first.context["older_url"])
    assert older.context["lines"][0].id < first.context["lines"][-1].id
    assert Profile.objects.filter(sort="task").count() >= 26

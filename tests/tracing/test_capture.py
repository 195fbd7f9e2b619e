"""Slow work is caught while somebody asks for it, and costs nothing while nobody does."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from pytest_django import Settings

from audit import database
from audit.database import raw_connection, rows
from audit.models import Ledger
from obsplatform import following
from obsplatform.celery import app
from obsplatform.urls import urlpatterns as platform_urls
from tests.metrics.deciding import newest_change
from tracing import capture, slow_tasks
from tracing.capture import MOST_FRAMES, NotCaptured, end_capture, plan_of, start_capture
from tracing.models import Profile

SLOW = "SELECT pg_sleep(0.02), %s::text"


def slow(request: HttpRequest, number: int) -> HttpResponse:
    """Take 60 ms, most of them in a function that says so, and two slow statements."""
    dawdle()
    with connection.cursor() as cursor:
        cursor.execute(SLOW, ["alice@example.com"])
    rows(SLOW, ("alice@example.com",))
    return HttpResponse("done")


def dawdle() -> None:
    ends = time.perf_counter() + 0.04
    while time.perf_counter() < ends:
        pass


def quick(request: HttpRequest) -> HttpResponse:
    return HttpResponse("done")


urlpatterns = [*platform_urls, path("slow/<int:number>", slow), path("quick", quick)]


@pytest.fixture(autouse=True)
def captures(database: None) -> Iterator[None]:
    """Begin and end with nothing in force and nothing caught."""
    forget()
    yield
    forget()


def forget() -> None:
    raw_connection().execute("TRUNCATE tracing_capture, tracing_profile")
    capture.ask()


@pytest.fixture
def site(settings: Settings) -> Client:
    settings.ROOT_URLCONF = __name__
    return Client()


def caught(sort: str) -> list[Profile]:
    return list(Profile.objects.filter(sort=sort).order_by("id"))


def names_in(frames: list[dict[str, Any]]) -> set[str]:
    return {name for each in frames for name in ({each["name"]} | names_in(each["children"]))}


def test_a_slow_request_is_kept_with_where_it_spent_its_time(site: Client) -> None:
    start_capture("request", 30, 5, "carol")

    site.get("/slow/17", HTTP_X_REQUEST_ID="the-slow-one")
    site.get("/quick")

    (found,) = caught("request")
    assert found.name == "GET /slow/<int:number>"
    assert found.duration_ms >= 30
    assert (found.process, found.request_id) == ("web", "the-slow-one")
    (root,) = found.report["frames"]
    assert {"slow", "dawdle"} <= names_in([root])
    assert root.keys() == {"name", "file", "line", "ms", "children"}
    assert len(json.dumps(found.report)) < MOST_FRAMES * 300


def test_slow_statements_are_kept_without_their_values_and_with_a_plan(site: Client) -> None:
    start_capture("query", 10, 5, "carol")

    site.get("/slow/17")

    (found,) = caught("query")
    assert found.name == SLOW == found.report["statement"]
    assert found.report["count"] == 2, "through Django's cursor and past it"
    assert found.duration_ms >= 10
    assert "alice@example.com" not in json.dumps(found.report)
    if raw_connection().info.server_version >= 160_000:
        assert found.report["plan"][0]["Plan"]["Node Type"]
    assert caught("request") == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_ledger SET name = %s",
        "WITH gone AS (DELETE FROM audit_ledger RETURNING 1) SELECT * FROM gone",
        "SELECT name FROM audit_ledger FOR UPDATE",
        "SELECT '…'",
        "SELECT nothing_of_this_name FROM audit_ledger",
        "VACUUM",
    ],
)
def test_no_plan_is_asked_for_of_what_could_write_or_cannot_be_planned(statement: str) -> None:
    assert plan_of(statement) == []
    assert rows("SELECT 1") == [(1,)], "the connection goes on"


def test_a_slow_task_is_kept_by_its_name() -> None:
    slow_tasks.connect()
    task = app.task(dawdle, name="tests.dawdle")
    start_capture("task", 20, 5, "carol")

    task.apply()

    (found,) = caught("task")
    assert (found.name, found.process) == ("tests.dawdle", "worker")
    assert "dawdle" in names_in(found.report["frames"])


def test_while_nothing_is_in_force_nothing_is_wrapped(site: Client) -> None:
    usual = database.cursor_kind()
    site.get("/slow/1")
    assert caught("request") == caught("query") == []
    assert database.cursor_kind() is usual

    made = start_capture("query", 10, 5, "carol")
    assert database.cursor_kind() is not usual

    end_capture(made.id, "carol")
    site.get("/slow/1")
    assert database.cursor_kind() is usual
    assert caught("query") == []


def test_a_capture_that_another_process_started_holds_when_asked(site: Client) -> None:
    raw_connection().execute(
        "INSERT INTO tracing_capture (sort, slower_ms, ends_at, made_by) "
        "VALUES ('request', 0, clock_timestamp() + interval '1 minute', 'carol')"
    )
    site.get("/quick")
    assert caught("request") == []

    following.metrics_on()  # as a thread of each process does every few seconds
    site.get("/quick")
    assert [each.name for each in caught("request")] == ["GET /quick"]


def test_starting_and_ending_are_entries(ledger: Ledger) -> None:
    made = start_capture("task", 500, 15, "carol", reason="the nightly run is late")

    event = newest_change()
    assert event["target"] == {"type": "capture", "id": str(made.id)}
    assert event["details"] == {
        "change": "started",
        "sort": "task",
        "slower_ms": 500,
        "minutes": 15,
    }
    assert (event["reason"], event["actor"]["id"]) == ("the nightly run is late", "carol")

    ended = end_capture(made.id, "dave")

    assert ended.ended_by == "dave"
    assert newest_change()["details"] == {"change": "ended", "sort": "task"}
    with pytest.raises(NotCaptured, match="has ended already"):
        end_capture(made.id, "dave")


@pytest.mark.parametrize(
    ("asked", "named"),
    [(("page", 1, 1), "sort"), (("task", -1, 1), "slower_ms"), (("task", 1, 0), "minutes")],
)
def test_a_capture_names_what_is_wrong(asked: tuple[str, int, int], named: str) -> None:
    with pytest.raises(NotCaptured) as refused:
        start_capture(*asked, "carol")

    assert list(refused.value.errors) == [named]


def test_of_one_capture_so_many_are_kept_at_most(
    site: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "MOST_PROFILES", 2)
    start_capture("request", 0, 5, "carol")

    for _ in range(4):
        site.get("/quick")

    assert len(caught("request")) == 2


def test_a_database_that_is_away_catches_nothing_and_stops_nobody(
    as_role: Any, site: Client
) -> None:
    start_capture("request", 0, 5, "carol")
    pid = raw_connection().info.backend_pid
    superuser: psycopg.Connection[Any] = as_role("superuser")
    superuser.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))

    assert site.get("/quick").status_code == 200, "what was slow could not be kept"
    capture.ask()
    assert capture._forces == {}
    connection.close()

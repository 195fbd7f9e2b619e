"""Days of spans and lines are made ahead and dropped as a whole; traces go with their spans."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from pytest_django import Settings

from audit.admit import forget_limits
from audit.ledgers import open_ledger
from tests.tracing.otlp_requests import SECOND, body, logs, span
from tracing import days, retain
from tracing.models import Line, Span, Trace

DAY = timedelta(days=1)


def partitions(of: str) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_inherits JOIN pg_class AS c ON c.oid = inhrelid "
            "WHERE inhparent = %s::regclass",
            [of],
        )
        return {name for (name,) in cursor.fetchall()}


@pytest.fixture
def send(alone: None, api_key: Callable[..., str]) -> Callable[[str, bytes], int]:
    forget_limits()
    days.forget()
    key = api_key(open_ledger("t.retain"), "events:write")

    def post(to: str, content: bytes) -> int:
        return (
            Client()
            .generic(
                "POST",
                to,
                content,
                content_type="application/x-protobuf",
                headers={"Authorization": f"Bearer {key}"},
            )
            .status_code
        )

    return post


def test_old_days_go_and_what_is_kept_stays(
    send: Callable[[str, bytes], int], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.TRACES_KEEP_DAYS, settings.LINES_KEEP_DAYS = 5, 2
    monkeypatch.setattr(retain, "BATCH", 2)
    now = datetime.now(UTC)
    for age in range(6):
        at = int((now - age * DAY).timestamp()) * SECOND
        assert send("/v1/traces", body([span(f"{age}", start=at)])) == 200
        assert send("/v1/logs", logs([{"body": f"{age}", "at": at}])) == 200
    assert Span.objects.count() == 6
    assert Line.objects.count() == 3

    settings.TRACES_KEEP_DAYS, settings.LINES_KEEP_DAYS = 1, 1
    retain.keep_days(now)

    assert sorted(each.name for each in Span.objects.all()) == ["0", "1"]
    assert sorted(each.name for each in Trace.objects.all()) == ["0", "1"]
    assert sorted(each.message for each in Line.objects.all()) == ["0", "1"]
    expected = {f"tracing_span_{now + n * DAY:%Y%m%d}" for n in (-1, 0, 1, 2)}
    assert partitions("tracing_span") == expected


def test_a_day_that_was_dropped_meanwhile_is_made_again(
    send: Callable[[str, bytes], int],
) -> None:
    now = datetime.now(UTC)
    at = int((now - DAY).timestamp()) * SECOND
    assert send("/v1/traces", body([span("first", start=at)])) == 200
    assert send("/v1/logs", logs([{"body": "first", "at": at}])) == 200
    with connection.cursor() as cursor:
        for table in ("tracing_span", "tracing_line"):
            cursor.execute("SELECT tracing_drop_days(%s, %s)", [table, now.date()])

    assert send("/v1/traces", body([span("second", start=at)])) == 200
    assert send("/v1/logs", logs([{"body": "second", "at": at}])) == 200

    assert [each.name for each in Span.objects.all()] == ["second"]
    assert [each.message for each in Line.objects.all()] == ["second"]


def test_a_trace_goes_with_its_spans_whenever_they_say_they_end(
    send: Callable[[str, bytes], int],
) -> None:
    now = datetime.now(UTC)
    at, in_a_century = (int(each.timestamp()) * SECOND for each in (now, now + 36_500 * DAY))
    assert send("/v1/traces", body([span("x", start=at, end=in_a_century)])) == 200

    retain.keep_days(now)
    assert Trace.objects.count() == 1
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE tracing_trace SET updated_at = updated_at - make_interval(days => %s)",
            [settings.TRACES_KEEP_DAYS + 4],
        )
    retain.keep_days(now)

    assert Trace.objects.count() == 0

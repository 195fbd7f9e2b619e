"""When schedules run, over changes of the clock, and what they then cover. No clock is read."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from compliance.cron import (
    PERIODS,
    PRESETS,
    CronRefused,
    next_runs,
    period_of,
    read_cron,
    read_zone,
)

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"


def local(cron: str, zone: str, after: str, count: int) -> list[str]:
    """Return the next runs on the zone's own clock, with their offsets."""
    found = next_runs(cron, zone, datetime.fromisoformat(after), count)
    assert all(each.tzinfo is UTC for each in found)
    return [each.astimezone(ZoneInfo(zone)).isoformat(timespec="minutes") for each in found]


@pytest.mark.parametrize(
    ("zone", "after", "expected"),
    [
        (
            BERLIN,
            "2026-03-27T12:00:00Z",
            ["2026-03-28T06:00+01:00", "2026-03-29T06:00+02:00", "2026-03-30T06:00+02:00"],
        ),
        (
            BERLIN,
            "2026-10-23T12:00:00Z",
            ["2026-10-24T06:00+02:00", "2026-10-25T06:00+01:00", "2026-10-26T06:00+01:00"],
        ),
        (
            NEW_YORK,
            "2026-03-06T12:00:00Z",
            ["2026-03-07T06:00-05:00", "2026-03-08T06:00-04:00", "2026-03-09T06:00-04:00"],
        ),
        (
            NEW_YORK,
            "2026-10-30T12:00:00Z",
            ["2026-10-31T06:00-04:00", "2026-11-01T06:00-05:00", "2026-11-02T06:00-05:00"],
        ),
    ],
)
def test_a_daily_run_keeps_its_time_on_the_wall_over_a_change(
    zone: str, after: str, expected: list[str]
) -> None:
    assert expected == local("0 6 * * *", zone, after, 3)


@pytest.mark.parametrize(
    ("zone", "cron", "after", "expected"),
    [
        (
            BERLIN,
            "30 2 * * *",
            "2026-03-28T12:00:00Z",
            ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"],
        ),
        (
            NEW_YORK,
            "15 2 * * *",
            "2026-03-07T12:00:00Z",
            ["2026-03-08T03:00-04:00", "2026-03-09T02:15-04:00"],
        ),
    ],
)
def test_a_run_in_the_skipped_hour_comes_right_after_it(
    zone: str, cron: str, after: str, expected: list[str]
) -> None:
    assert expected == local(cron, zone, after, 2)


@pytest.mark.parametrize(
    ("zone", "cron", "after", "expected"),
    [
        (
            BERLIN,
            "30 2 * * *",
            "2026-10-24T12:00:00Z",
            ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"],
        ),
        (
            NEW_YORK,
            "30 1 * * *",
            "2026-10-31T12:00:00Z",
            ["2026-11-01T01:30-04:00", "2026-11-02T01:30-05:00"],
        ),
    ],
)
def test_a_run_in_the_repeated_hour_comes_once(
    zone: str, cron: str, after: str, expected: list[str]
) -> None:
    assert expected == local(cron, zone, after, 2)


def test_asked_in_the_second_of_two_equal_hours_the_next_run_is_tomorrow() -> None:
    second_time = "2026-11-01T06:20:00Z"  # 01:20 again, in New York

    assert local("30 1 * * *", NEW_YORK, second_time, 1) == ["2026-11-02T01:30-05:00"]


def test_two_runs_that_a_skipped_hour_joins_are_one() -> None:
    found = local("0 2,3 * * *", BERLIN, "2026-03-28T12:00:00Z", 3)

    assert found == ["2026-03-29T03:00+02:00", "2026-03-30T02:00+02:00", "2026-03-30T03:00+02:00"]


def test_a_run_each_hour_goes_by_elapsed_time() -> None:
    found = next_runs("0 * * * *", BERLIN, datetime(2026, 10, 24, 23, 30, tzinfo=UTC), 4)

    assert [each.hour for each in found] == [0, 1, 2, 3]


def test_asking_from_each_run_on_gives_the_same_runs_as_asking_once() -> None:
    """Beat asks anew each time, from the last slot that it noticed."""
    for zone in (BERLIN, NEW_YORK):
        for cron in ("30 2 * * *", "0 1,2,3 * * *", "*/20 * * * *", "0 */2 * * *"):
            for month in (3, 10, 11):
                after = datetime(2026, month, 1, tzinfo=UTC)
                at_once = next_runs(cron, zone, after, 400)
                one_by_one = [after]
                while len(one_by_one) <= len(at_once):
                    one_by_one += next_runs(cron, zone, one_by_one[-1], 1)
                assert at_once == one_by_one[1:], (zone, cron, month)


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("0 6 31 2 *", "never runs"),
        ("0 6 30 2 *", "never runs"),
        ("0 6 1 *", "this has 4"),
        ("0 0 6 1 * *", "this has 6"),
        ("", "this has 0"),
        ("60 6 1 * *", "'60' is no minute"),
        ("0 24 1 * *", "'24' is no hour"),
        ("0 6 32 * *", "'32' is no day of the month"),
        ("0 6 1 13 *", "'13' is no month"),
        ("0 6 * * 8", "'8' is no day of the week"),
        ("@monthly", "this has 1"),
        ("0 6 1 * *" + " " * 100, "such as 0 6 1"),
    ],
)
def test_what_never_runs_is_refused_with_the_field_and_the_way_out(cron: str, said: str) -> None:
    with pytest.raises(CronRefused, match=said) as refused:
        read_cron(cron)

    assert refused.value.field == "cron"


def test_a_leap_day_runs_and_a_last_day_runs() -> None:
    after = datetime(2097, 1, 1, tzinfo=UTC)

    assert next_runs("0 6 29 2 *", "UTC", after, 1) == [datetime(2104, 2, 29, 6, tzinfo=UTC)]
    assert [each.day for each in next_runs("0 6 L * *", "UTC", after, 2)] == [31, 28]


@pytest.mark.parametrize("zone", ["", "Berlin", "../etc/passwd", "UTC+1", "Europe/berlin"])
def test_a_zone_is_one_of_the_list(zone: str) -> None:
    with pytest.raises(CronRefused, match="such as Europe/Berlin") as refused:
        read_zone(zone)

    assert refused.value.field == "zone"


def test_every_preset_runs_and_goes_with_a_period() -> None:
    for cron, (_, period) in PRESETS.items():
        assert len(next_runs(cron, BERLIN, datetime(2026, 1, 1, tzinfo=UTC))) == 5
        assert period in PERIODS


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        ("last_day", date(2026, 5, 5), date(2026, 5, 6)),
        ("last_week", date(2026, 4, 27), date(2026, 5, 4)),
        ("last_month", date(2026, 4, 1), date(2026, 5, 1)),
        ("last_quarter", date(2026, 1, 1), date(2026, 4, 1)),
        ("last_year", date(2025, 1, 1), date(2026, 1, 1)),
        ("last_30_days", date(2026, 4, 6), date(2026, 5, 6)),
        ("last_90_days", date(2026, 2, 5), date(2026, 5, 6)),
        ("last_365_days", date(2025, 5, 6), date(2026, 5, 6)),
    ],
)
def test_a_period_is_whole_days_that_were_over(period: str, start: date, end: date) -> None:
    """6 May 2026 is a Wednesday."""
    assert (start, end) == period_of(period, datetime(2026, 5, 6, 4, 0, tzinfo=UTC), BERLIN)


def test_the_first_quarter_follows_the_last_of_the_year_before() -> None:
    due = datetime(2026, 1, 1, 6, tzinfo=UTC)

    assert (date(2025, 10, 1), date(2026, 1, 1)) == period_of("last_quarter", due, "UTC")
    assert (date(2025, 12, 1), date(2026, 1, 1)) == period_of("last_month", due, "UTC")


def test_the_zone_says_when_and_never_what() -> None:
    """At midnight in Tokyo the UTC month is not over, so the month before it is covered."""
    (due,) = next_runs("0 0 1 * *", "Asia/Tokyo", datetime(2026, 5, 20, tzinfo=UTC), 1)

    assert due == datetime(2026, 5, 31, 15, tzinfo=UTC)
    assert (date(2026, 4, 1), date(2026, 5, 1)) == period_of("last_month", due, "Asia/Tokyo")

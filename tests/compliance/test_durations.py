"""Durations are exact in days and less, and calendar months in UTC above."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.language.durations import decimal, parse_duration
from compliance.language.errors import DefinitionError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
US = timedelta(microseconds=1)


def us(text: str) -> int:
    return (datetime.fromisoformat(text).replace(tzinfo=UTC) - EPOCH) // US


def said(moment: int) -> str:
    return (EPOCH + moment * US).strftime("%Y-%m-%dT%H:%M:%S.%f")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("PT1S", 1), ("PT15M", 900), ("PT24H", 86_400), ("P1D", 86_400), ("P365D", 365 * 86_400)],
)
def test_hours_minutes_seconds_and_days_are_exact(text: str, seconds: int) -> None:
    duration = parse_duration(text)

    assert duration.exact_us == seconds * 1_000_000
    assert duration.after(7) == 7 + seconds * 1_000_000
    assert duration.before(7) == 7 - seconds * 1_000_000
    assert str(duration) == text


@pytest.mark.parametrize(
    ("start", "text", "end"),
    [
        ("2026-01-15T09:30:00", "P1M", "2026-02-15T23:59:59.999999"),
        ("2026-01-31T09:30:00", "P1M", "2026-02-28T23:59:59.999999"),
        ("2028-01-31T00:00:00", "P1M", "2028-02-29T23:59:59.999999"),
        ("2026-12-31T23:59:59", "P2M", "2027-02-28T23:59:59.999999"),
        ("2024-02-29T12:00:00", "P1Y", "2025-02-28T23:59:59.999999"),
    ],
)
def test_a_deadline_in_months_ends_with_the_same_day_or_the_last_of_a_shorter_month(
    start: str, text: str, end: str
) -> None:
    assert said(parse_duration(text).after(us(start))) == end
    assert parse_duration(text).exact_us is None


@pytest.mark.parametrize(
    ("end", "text", "start"),
    [
        ("2026-03-31T00:00:00", "P1M", "2026-02-28T00:00:00.000000"),
        ("2026-11-01T00:00:00", "P1M", "2026-10-01T00:00:00.000000"),
        ("2026-01-15T10:00:00", "P1Y", "2025-01-15T10:00:00.000000"),
    ],
)
def test_a_look_back_in_months_keeps_the_time_of_day(end: str, text: str, start: str) -> None:
    assert said(parse_duration(text).before(us(end))) == start


@given(st.integers(0, 4_000_000_000_000_000), st.integers(1, 600))
def test_a_month_later_is_28_to_32_days_away_each(moment: int, months: int) -> None:
    late = parse_duration(f"P{months}M").after(moment) - moment

    assert 28 * months * 86_400_000_000 <= late <= (31 * months + 1) * 86_400_000_000


@pytest.mark.parametrize(
    "text",
    ["", "P", "24h", "PT0H", "P0D", "P1W", "P1DT2H", "PT1.5H", "-P1D", "P1D ", "PT24h", "P9999Y"],
)
def test_anything_else_is_refused_with_the_way_out(text: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        parse_duration(text)

    assert "PT24H" in str(refused.value) or "hundred years" in str(refused.value)


def test_what_leaves_the_calendar_ends_with_it() -> None:
    assert said(parse_duration("P99Y").after(us("9990-01-01T00:00:00"))).startswith("9999-12-31")
    assert parse_duration("P99Y").before(us("0050-01-01T00:00:00")) == us("0001-01-01T00:00:00")


def test_a_decimal_is_what_its_digits_say() -> None:
    assert decimal("0.005") == Fraction(5, 1000)
    assert decimal("0.1") + decimal("0.2") == decimal("0.3")
    assert decimal(1) == 1
    assert decimal(0.1) == Fraction(1, 10)


@pytest.mark.parametrize("text", ["", "a", "1e3", ".5", "1.", "٣", "1/2", True, float("nan")])
def test_what_is_no_decimal_is_refused(text: object) -> None:
    with pytest.raises(DefinitionError):
        decimal(text)  # type: ignore[arg-type]

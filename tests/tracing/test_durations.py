"""Durations read as people write them, and write as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracing.durations import MOST_NS, format_duration, parse_duration


@pytest.mark.parametrize(
    ("ns", "said"),
    [
        (0, "0 ns"), (850, "850 ns"), (1_500, "1.50 µs"), (12_345, "12.3 µs"), (999_999, "1.00 ms"),
        (1_200_000, "1.20 ms"), (120_000_000, "120 ms"), (1_234_000_000, "1.23 s"),
        (45_600_000_000, "45.6 s"), (200_000_000_000, "3 min 20 s"),
        (7_500_000_000_000, "2 h 5 min"), (-1_200_000, "-1.20 ms"),
    ],
)  # fmt: skip
def test_a_duration_has_three_figures(ns: int, said: str) -> None:
    assert format_duration(ns) == said


@pytest.mark.parametrize(
    ("typed", "ns"),
    [("2", 2_000_000_000), ("1.5s", 1_500_000_000), ("200ms", 200_000_000), ("200 ms", 200_000_000),
     ("10us", 10_000), ("3min", 180_000_000_000), ("0.5h", 1_800_000_000_000)],
)  # fmt: skip
def test_a_typed_duration_is_read(typed: str, ns: int) -> None:
    assert parse_duration(typed) == ns


@pytest.mark.parametrize("typed", ["", "fast", "-1s", "1.2.3", "1 week", "٣s", "9" * 12 + "h"])
def test_what_is_no_duration_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match="is"):
        parse_duration(typed)


@given(st.integers(0, MOST_NS))
def test_nanoseconds_come_back(ns: int) -> None:
    assert parse_duration(f"{ns // 1_000_000_000}.{ns % 1_000_000_000:09d}s") == ns

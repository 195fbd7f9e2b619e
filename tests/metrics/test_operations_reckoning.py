"""What pages under Operations reckon: ranges, quantiles, pieces, shares, words. No database."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from metrics import agent_families as f
from metrics import platform_families as p
from metrics.operations import answer as answers
from metrics.operations.advice import LEAST, QUERIES, advise
from metrics.operations.burn import burn_chart
from metrics.operations.cells import Histogram
from metrics.operations.chart import WELL, count, gauge, gauge_share, per, quantile_of, rate, share
from metrics.operations.pieces import cut
from metrics.operations.quantile import quantile
from metrics.operations.series_read import Sums
from metrics.operations.units import said
from metrics.operations.window import (
    LADDER,
    LONGEST,
    MOST_STEPS,
    SPANS,
    TooLong,
    Window,
    own_window,
    span_window,
)
from metrics.spans import LENGTHS, span_start
from metrics.spending import reckon

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TWO = Window(start=NOON, step=60, places=2, now=NOON + timedelta(minutes=2))


# --- Ranges ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("seconds", [0, 1, 59, 3_601, 40_000])
def test_a_range_has_few_steps_and_holds_now(span: str, seconds: int) -> None:
    now = NOON + timedelta(seconds=seconds)
    window = span_window(span, now)

    assert window.places <= MOST_STEPS
    assert window.moment(window.places - 1) <= now < window.end
    assert (window.end - window.start).total_seconds() == SPANS[span][1]
    assert window.start.timestamp() % window.step == 0


def test_a_range_of_ones_own_is_widened_to_whole_steps() -> None:
    chance = random.Random(9)
    for _ in range(200):
        first = NOON - timedelta(seconds=chance.randrange(1, LONGEST))
        last = first + timedelta(seconds=chance.randrange(1, LONGEST))
        window = own_window(first, last, NOON)

        assert window.start <= first < last <= window.end
        assert window.step in LADDER
        assert window.places <= MOST_STEPS or window.step == LADDER[-1]
        assert window.places <= MOST_STEPS + 1


def test_a_range_that_ends_within_a_second_reaches_over_it() -> None:
    last = NOON + timedelta(minutes=10, milliseconds=250)

    assert own_window(NOON, last, last).end > last


@pytest.mark.parametrize("seconds", [0, -60, LONGEST + 1])
def test_a_range_that_is_none_is_refused(seconds: int) -> None:
    with pytest.raises(TooLong):
        own_window(NOON, NOON + timedelta(seconds=seconds), NOON)


def test_the_range_before_is_as_long_and_over() -> None:
    before = TWO.before()

    assert (before.end, before.places, before.step) == (TWO.start, 2, 60)
    assert before.whole_seconds == 120


def test_a_step_that_is_not_over_counts_what_is_gone() -> None:
    window = Window(start=NOON, step=60, places=2, now=NOON + timedelta(seconds=75))

    assert [window.seconds(place) for place in (0, 1)] == [60, 15]
    assert window.whole_seconds == 75


# --- Quantiles ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("q", "counts", "expected"),
    [
        (0.5, [0, 0, 0], None),
        (0.5, [2, 0, 0], 0.5),
        (0.5, [1, 1, 0], 1.0),
        (0.75, [1, 1, 0], 1.5),
        (0.99, [0, 0, 7], 2.0),
        (1.0, [3, 0, 0], 1.0),
    ],
)
def test_a_quantile_is_linear_in_its_bucket(
    q: float, counts: list[float], expected: float | None
) -> None:
    assert quantile(q, counts, (1.0, 2.0)) == expected


# --- Pieces ---------------------------------------------------------------------------------------


def test_pieces_cover_a_range_once_with_the_longest_that_are_done() -> None:
    chance = random.Random(4)
    for _ in range(100):
        first = span_start(NOON - timedelta(minutes=chance.randrange(3_000)), 1)
        last = first + timedelta(minutes=chance.randrange(1, 2_000))
        done = {
            minutes: {
                NOON + timedelta(minutes=minutes * each)
                for each in range(-4_500 // minutes, 4_500 // minutes)
                if chance.random() < 0.7
            }
            for minutes in LENGTHS
        }
        pieces = cut(first, last, done)

        assert pieces[0].first == first
        assert pieces[-1].last == last
        for one, following in itertools.pairwise(pieces):
            assert one.last == following.first
        for piece in pieces:
            at = piece.first
            while piece.minutes > 1 and at < piece.last:
                assert at in done[piece.minutes]
                at += timedelta(minutes=piece.minutes)
                assert at <= piece.last
            for longer in LENGTHS:
                is_inside = piece.first + timedelta(minutes=longer) <= piece.last
                assert longer <= piece.minutes or piece.first not in done[longer] or not is_inside


# --- Answers --------------------------------------------------------------------------------------


def runs() -> Sums:
    """Alice does well three times of four, Bob never; each step once."""
    return Sums(
        labels={f.AGENT_EXECUTIONS.name: ("agent", "status")},
        counts={
            f.AGENT_EXECUTIONS.name: {
                ("alice", "success"): [3.0, 0.0],
                ("alice", "error"): [1.0, 0.0],
                ("bob", "error"): [0.0, 2.0],
            }
        },
    )


def test_a_share_is_of_what_happened_and_nothing_of_nothing() -> None:
    alice, bob = answers.answer(share(f.AGENT_EXECUTIONS, WELL, "agent"), runs(), TWO)

    assert (alice.name, alice.whole, alice.values) == ("alice", 0.75, [0.75, None])
    assert (bob.name, bob.whole, bob.values) == ("bob", 0.0, [None, 0.0])
    (both,) = answers.answer(share(f.AGENT_EXECUTIONS, WELL), runs(), TWO)
    assert both.whole == 0.5  # of six runs three, not the average of 0.75 and 0


def test_a_rate_is_by_the_time_that_is_gone() -> None:
    window = Window(start=NOON, step=60, places=2, now=NOON + timedelta(seconds=90))
    (both,) = answers.answer(rate(f.AGENT_EXECUTIONS), runs(), window)

    assert both.values == [4.0, 4.0]  # two in half a minute
    assert both.whole == 4.0


def test_counts_are_in_the_familys_unit() -> None:
    sums = Sums(
        labels={f.LLM_COST.name: (), f.TASKS.name: ()},
        counts={f.LLM_COST.name: {(): [2e9, 1e9]}, f.TASKS.name: {(): [4.0, 0.0]}},
    )

    assert answers.answer(count(f.LLM_COST), sums, TWO)[0].whole == 3.0
    (each,) = answers.answer(per(f.LLM_COST, f.TASKS), sums, TWO)
    assert (each.whole, each.values) == (0.75, [0.5, None])


def test_a_quantile_is_read_off_buckets_that_are_added_up() -> None:
    edges = len(f.TOOL_SECONDS.edges)

    def only(place: int, number: float) -> Histogram:
        buckets = [[0.0, 0.0] for _ in range(edges + 1)]
        buckets[place][0] = number
        return Histogram(buckets=buckets, total=[number * 1e6, 0.0])

    sums = Sums(
        labels={f.TOOL_SECONDS.name: ("tool",)},
        histograms={f.TOOL_SECONDS.name: {("a",): only(0, 1), ("b",): only(4, 99)}},
    )

    (both,) = answers.answer(quantile_of(0.5, f.TOOL_SECONDS), sums, TWO)
    assert both.whole is not None
    assert f.TOOL_SECONDS.edges[3] < both.whole < f.TOOL_SECONDS.edges[4]
    assert both.values[1] is None
    assert len(answers.answer(quantile_of(0.5, f.TOOL_SECONDS, "tool"), sums, TWO)) == 2


def test_a_gauge_is_its_last_value_and_a_part_of_it_a_share() -> None:
    sums = Sums(gauges={p.HOST_MEMORY.name: {("used",): [3.0, None], ("available",): [1.0, None]}})

    (all_of_it,) = answers.answer(gauge(p.HOST_MEMORY), sums, TWO)
    assert (all_of_it.values, all_of_it.whole) == ([4.0, None], 4.0)
    (used,) = answers.answer(gauge_share(p.HOST_MEMORY, {"state": ("used",)}), sums, TWO)
    assert used.whole == 0.75


# --- Words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (None, "count", "none"),
        (0.0, "count", "0"),
        (1234.4, "count", "1,234"),
        (12.34, "per_minute", "12.3/min"),
        (0.5, "ratio", "50 %"),
        (0.0004, "ratio", "0.04 %"),
        (0.0123, "seconds", "12.3 ms"),
        (5.0, "seconds", "5 s"),
        (300.0, "seconds", "5 min"),
        (1234.5, "usd", "$1,234.50"),
        (0.0021, "usd", "$0.0021"),
        (1_500_000.0, "bytes", "1.5 MB"),
        (2_000.0, "bytes_per_second", "2 kB/s"),
    ],
)
def test_values_are_said_as_people_read_them(value: float | None, unit: str, expected: str) -> None:
    assert said(value, unit) == expected  # type: ignore[arg-type]


# --- Recommendations ------------------------------------------------------------------------------


def used(calls: float, failed: float) -> Sums:
    sums = Sums(
        labels={query.family.name: query.family.labels for query in QUERIES}
        | {query.over.name: query.over.labels for query in QUERIES if query.over is not None}
    )
    sums.counts[f.TOOL_CALLS.name] = {
        ("crm", "success", "prod"): [calls - failed, 0.0],
        ("crm", "error", "prod"): [failed, 0.0],
    }
    return sums


def test_a_tool_that_fails_often_is_recommended_with_its_figures() -> None:
    (one,) = advise(used(LEAST * 2, LEAST), TWO)

    assert one.about == "tool crm"
    assert "50 % of 100 calls failed" in one.finding
    assert "10 % is the line" in one.finding


@pytest.mark.parametrize(("calls", "failed"), [(LEAST - 1, LEAST - 1), (LEAST * 2, 1), (0, 0)])
def test_nothing_is_recommended_of_little_or_of_what_goes_well(calls: int, failed: int) -> None:
    assert advise(used(calls, failed), TWO) == []


def test_a_cheaper_model_that_does_as_well_is_worth_its_difference() -> None:
    sums = used(0, 0)
    sums.counts[f.LLM_REQUESTS.name] = {
        ("acme", name, "success", "prod"): [100.0, 0.0] for name in ("big", "small")
    }
    sums.counts[f.LLM_COST.name] = {
        ("acme", "big", "prod"): [10e9, 0.0],
        ("acme", "small", "prod"): [1e9, 0.0],
    }

    (one,) = advise(sums, TWO)
    assert one.about == "model acme/big"
    assert one.worth == pytest.approx(9.0)
    assert "acme/small costs $0.01" in one.finding


# --- Budgets --------------------------------------------------------------------------------------


def test_the_burn_of_a_budget_ends_where_its_forecast_is() -> None:
    days = {date(2026, 11, 16): 2_000_000_000, date(2026, 11, 17): 1_000_000_000}
    spending = reckon("week", Decimal(50), days, datetime(2026, 11, 18, tzinfo=UTC))
    chart = burn_chart(spending)
    spent, ahead, budget = (one["values"] for one in chart["series"])

    assert chart["places"] == 7
    assert spent[:3] == [2.0, 3.0, 3.0]
    assert spent[3:] == [None] * 4
    assert ahead[:3] == [None, None, 3.0]
    assert ahead[-1] == pytest.approx(float(spending.forecast))
    assert budget == [50.0] * 7

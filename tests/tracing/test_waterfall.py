"""Rows of a trace: every span has one, parents stand above children, and what is wrong is said."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.tracing.shaped import MS, Shaped, of
from tracing.critical_path import critical_path, gaps, path_times
from tracing.waterfall import Row, Waterfall, waterfall

_IDS = [f"{number:016x}" for number in range(8)]

any_span = st.builds(
    Shaped,
    span_id=st.sampled_from(_IDS),  # few ids: rings, orphans and twins come by themselves
    parent_id=st.sampled_from(["", "elsewhere", *_IDS]),
    start_ns=st.integers(0, 100),
    duration_ns=st.integers(0, 60),
)
any_trace = st.lists(any_span, max_size=20)


def names(drawn: Waterfall, spans: list[Shaped]) -> list[tuple[str, int]]:
    return [(spans[row.index].span_id, row.depth) for row in drawn.rows]


@given(any_trace)
def test_every_span_has_one_row_below_its_parents(spans: list[Shaped]) -> None:
    drawn = waterfall(spans)

    assert sorted(row.index for row in drawn.rows) == list(range(len(spans)))
    for at, row in enumerate(drawn.rows):
        below = drawn.rows[at + 1 : at + 1 + row.below]
        assert all(each.depth > row.depth for each in below)
        assert sum(each.parent == at for each in drawn.rows) == row.children
        if row.parent is None:
            assert row.depth == 0
        else:
            over = drawn.rows[row.parent]
            assert row.parent < at <= row.parent + over.below
            assert row.depth == over.depth + 1
            assert spans[over.index].span_id == spans[row.index].parent_id


@given(any_trace, st.randoms(use_true_random=False))
def test_the_order_in_which_spans_come_changes_nothing(
    spans: list[Shaped], chance: random.Random
) -> None:
    unlike = list({(each.span_id, each.start_ns): each for each in spans}.values())
    mixed = list(unlike)
    chance.shuffle(mixed)

    assert names(waterfall(unlike), unlike) == names(waterfall(mixed), mixed)


@given(any_trace)
def test_what_a_trace_waited_for_is_as_long_as_the_trace(spans: list[Shaped]) -> None:
    drawn = waterfall(spans)
    path = critical_path(drawn)

    assert sum(each.end_ns - each.start_ns for each in path) == drawn.duration_ns
    reached = drawn.start_ns
    for each in path:
        assert each.start_ns == reached
        assert each.end_ns > each.start_ns
        reached = each.end_ns
        if each.row is not None:
            row = drawn.rows[each.row]
            assert row.start_ns <= each.start_ns
            assert each.end_ns <= row.end_ns


@given(any_trace)
def test_who_calls_what_is_on_the_path_is_on_it_too(spans: list[Shaped]) -> None:
    drawn = waterfall(spans)
    times = path_times(drawn, critical_path(drawn))

    for row in times:
        over = drawn.rows[row].parent
        assert over is None or over in times


@given(any_trace, st.integers(1, 30))
def test_in_a_gap_nothing_below_the_span_is_under_way(spans: list[Shaped], least: int) -> None:
    drawn = waterfall(spans)

    for gap in gaps(drawn, least_ns=least, most=100):
        assert gap.duration_ns >= least
        ends = gap.start_ns + gap.duration_ns
        below = [row for row in drawn.rows if gap.row is None or row.parent == gap.row]
        assert below
        assert all(
            row.end_ns <= gap.start_ns or row.start_ns >= ends or not row.duration_ns
            for row in below
        )


def test_children_stand_below_their_parent_by_their_start() -> None:
    spans = [of("tool", "run", 40, 60), of("run", "", 0, 100), of("chat", "run", 0, 40)]

    assert names(waterfall(spans), spans) == [("run", 0), ("chat", 1), ("tool", 1)]


def test_a_span_whose_parent_is_not_here_is_a_root_and_marked() -> None:
    spans = [of("run", "", 0, 100), of("lost", "gone", 10, 20)]

    rows = waterfall(spans).rows

    assert [(row.depth, row.is_orphan) for row in rows] == [(0, False), (0, True)]


def test_a_ring_is_cut_at_its_earliest_span() -> None:
    spans = [of("a", "c", 3, 9), of("b", "a", 1, 9), of("c", "b", 2, 9), of("d", "c", 4, 5)]

    drawn = waterfall(spans)

    assert names(drawn, spans) == [("b", 0), ("c", 1), ("a", 2), ("d", 2)]
    assert [row.is_cut for row in drawn.rows] == [True, False, False, False]


def test_a_span_that_is_its_own_parent_is_a_root() -> None:
    (row,) = waterfall([of("a", "a")]).rows

    assert (row.depth, row.is_cut) == (0, True)


def test_a_child_that_runs_outside_of_its_parent_keeps_its_times_and_says_so() -> None:
    spans = [of("run", "", 10, 20), of("early", "run", 4, 12), of("late", "run", 15, 50)]

    rows = waterfall(spans).rows

    assert [row.offset_ns // MS for row in rows] == [6, 0, 11]
    assert [(row.before_ns // MS, row.after_ns // MS) for row in rows] == [(0, 0), (6, 0), (0, 30)]


def test_a_chain_of_ten_thousand_spans_is_a_trace_too() -> None:
    spans = [of(str(at), str(at - 1) if at else "", at, 30_000 - at) for at in range(10_000)]

    drawn = waterfall(spans)

    assert drawn.rows[-1].depth == 9_999
    assert drawn.rows[0].below == 9_999
    assert len(path_times(drawn, critical_path(drawn))) == 10_000


def test_the_path_goes_through_what_was_waited_for() -> None:
    spans = [
        of("run", "", 0, 100),
        of("chat", "run", 5, 40),
        of("slow", "run", 40, 90),
        of("beside", "run", 41, 60),
    ]
    drawn = waterfall(spans)

    path = [
        (spans[drawn.rows[each.row].index].span_id, each.start_ns // MS, each.end_ns // MS)
        for each in critical_path(drawn)
        if each.row is not None
    ]

    assert path == [
        ("run", 0, 5), ("chat", 5, 40), ("slow", 40, 90), ("run", 90, 100),
    ]  # fmt: skip


def test_what_goes_on_after_its_caller_returned_is_waited_for_too() -> None:
    spans = [of("run", "", 8, 48), of("early", "run", 0, 20), of("late", "run", 38, 98)]
    drawn = waterfall(spans)

    path = [
        (spans[drawn.rows[each.row].index].span_id, each.start_ns // MS, each.end_ns // MS)
        for each in critical_path(drawn)
        if each.row is not None
    ]

    assert path == [("early", 0, 8), ("early", 8, 20), ("run", 20, 38), ("late", 38, 98)]
    assert [each.row for each in gaps(drawn, least_ns=MS, most=9)] == [0]


class Counted(tuple[Row, ...]):
    """Rows that count how often one is looked at."""

    looks = 0

    def __getitem__(self, at: int) -> Row:  # type: ignore[override]
        Counted.looks += 1
        return super().__getitem__(at)


def test_clocks_that_are_all_at_odds_cost_no_more_than_so_many_looks() -> None:
    number = 400
    spans = [
        of(f"{at}", f"{at - 1}" if at else "", 2 * (number - at), 2 * (number - at) + 2 * number)
        for at in range(number)
    ]
    drawn = waterfall(spans)

    path = critical_path(replace(drawn, rows=Counted(drawn.rows)))

    assert Counted.looks < 100 * number
    assert sum(each.end_ns - each.start_ns for each in path) == drawn.duration_ns


def test_between_two_roots_nobody_was_at_work() -> None:
    drawn = waterfall([of("first", "", 0, 10), of("second", "", 30, 50)])

    assert [(each.row, each.start_ns // MS) for each in critical_path(drawn)] == [
        (0, 0), (None, 10), (1, 30),
    ]  # fmt: skip
    (gap,) = gaps(drawn, least_ns=MS, most=5)
    assert (gap.row, gap.start_ns // MS, gap.duration_ns // MS) == (None, 10, 20)


def test_a_trace_without_spans_has_no_rows() -> None:
    drawn = waterfall([])

    assert drawn.rows == ()
    assert critical_path(drawn) == ()
    assert gaps(drawn, least_ns=1, most=9) == ()

"""Metrics: exact whoever counts, Prometheus' text, bounded, and never a reason to fail."""

from __future__ import annotations

import asyncio
import math
import threading
import unittest
from enum import IntEnum

from obsagent.metrics import MOST_SERIES, Metrics


class Counting(unittest.TestCase):
    def test_percentiles_are_interpolated_between_the_two_nearest(self) -> None:
        metrics = Metrics()
        for value in (10.0, 20.0, 30.0, 40.0):
            metrics.observe("h", value)

        assert metrics.percentile("h", 0.5) == 25.0
        assert metrics.percentile("h", 0.95) == 38.5
        assert metrics.percentile("h", 0) == 10.0
        assert metrics.percentile("h", 1) == 40.0
        assert metrics.percentile("unknown", 0.5) is None

    def test_threads_count_exactly(self) -> None:
        metrics = Metrics()

        def work() -> None:
            for _ in range(2_500):
                metrics.count("c", labels={"a": "b"})

        threads = [threading.Thread(target=work) for _ in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

        assert metrics.counters[("c", (("a", "b"),))] == 20_000

    def test_the_text_is_prometheus(self) -> None:
        metrics = Metrics()
        metrics.help["asked_total"] = "How often\nit was asked."
        metrics.count("asked_total", labels={"model": 'a"b\\c\n'})
        metrics.gauge("depth", 1.5)
        metrics.observe("took-seconds", 0.3)

        text = metrics.text()

        assert "# HELP asked_total How often\\nit was asked.\n# TYPE asked_total counter" in text
        assert 'asked_total{model="a\\"b\\\\c\\n"} 1\n' in text
        assert "depth 1.5\n" in text
        assert 'took_seconds_bucket{le="0.25"} 0\n' in text
        assert 'took_seconds_bucket{le="0.5"} 1\n' in text
        assert (
            'took_seconds_bucket{le="+Inf"} 1\ntook_seconds_sum 0.3\ntook_seconds_count 1\n' in text
        )

    def test_what_cannot_be_is_counted_and_never_raised(self) -> None:
        metrics = Metrics()
        for name, value, type in (
            ("c", -1, "counter"),
            ("c", float("nan"), "counter"),
            ("g", "much", "gauge"),
            ("g", 1, "summary"),
        ):
            metrics.record(name, value, type)  # type: ignore[arg-type]

        assert metrics.refused == 4
        assert metrics.text() == ""

    def test_label_sets_are_bounded_and_the_rest_is_counted(self) -> None:
        metrics = Metrics()
        for number in range(MOST_SERIES + 5):
            metrics.count("c", labels={"n": str(number)})

        assert len(metrics.counters) == MOST_SERIES
        assert metrics.overflow == 5

    def test_a_timer_times_blocks_and_functions_sync_and_async(self) -> None:
        metrics = Metrics()

        @metrics.timer("t")
        def plain() -> int:
            return 1

        @metrics.timer("t")
        async def in_turn() -> int:
            return 2

        async def work() -> int:
            async with metrics.timer("t"):
                return await in_turn()

        with metrics.timer("t"):
            assert plain() == 1
        assert asyncio.run(work()) == 2

        assert metrics.histograms[("t", ())].count == 4


class _Words(str):
    """A text of a class of its own, as frameworks have."""


class _Level(IntEnum):
    LOW = 2


class _Number(float):
    """A number of a class of its own, as numpy's are."""


class Numbers(unittest.TestCase):
    def test_what_is_a_number_counts_whatever_its_class_and_nothing_else_does(self) -> None:
        metrics = Metrics()
        for value in (_Number(2.5), _Level(2), 1, 0.5):
            metrics.observe("took", value)
            metrics.count("asked", value)
        for refused in (True, math.nan, _Number("inf"), "3", None, 1j):
            metrics.observe("took", refused)  # type: ignore[arg-type]

        assert metrics.counters["asked", ()] == 6.0
        assert list(metrics.histograms["took", ()].kept) == [2.5, 2.0, 1, 0.5]
        assert metrics.refused == 6

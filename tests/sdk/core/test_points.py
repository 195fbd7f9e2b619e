"""The platform can add up what it is told of metrics, and what it is told twice is the same."""

from __future__ import annotations

import json
import os
import signal
import threading
import unittest
from collections import Counter
from typing import Any

from obsagent import Observability
from obsagent.metrics import FOLD_AT, KEPT, Metrics
from obsagent.outlet import Outlet
from obsagent.points import MOST_OBSERVATIONS, Export, Points
from obsagent.transport import Transport

from tests.sdk.core.test_client import KEY, WithClient

NOW = 1_790_000_000_000_000_000
Point = dict[str, Any]


def points_of(body: Any) -> list[tuple[str, Point]]:
    """Return the points of an export, each with its metric's name."""
    said = json.loads(body) if isinstance(body, bytes) else body
    return [
        (metric["name"], point)
        for metric in said["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]
        for form in ("sum", "gauge", "histogram")
        for point in metric.get(form, {"dataPoints": []})["dataPoints"]
    ]


class Telling(unittest.TestCase):
    def setUp(self) -> None:
        self.metrics = Metrics()
        self.points = Points(self.metrics)

    def since(self, now: int = NOW) -> Export:
        """Return the next export, which there is."""
        export = self.points.since(resource={}, now=now)
        assert export is not None
        return export

    def told(self) -> list[tuple[str, Any]]:
        """Return names and values of the next export, and acknowledge it."""
        export = self.since()
        self.points.acknowledge(export)
        return [(name, point.get("asDouble", point.get("sum"))) for name, point in
                points_of(export.body)]  # fmt: skip

    def test_a_counter_is_told_as_what_was_added(self) -> None:
        self.metrics.count("c", 2)
        first = self.told()
        self.metrics.count("c", 3)

        assert (first, self.told()) == ([("c", 2)], [("c", 3)])

    def test_what_did_not_change_is_not_told_again(self) -> None:
        self.metrics.count("c", 2)
        self.metrics.gauge("g", 7)
        self.metrics.observe("h", 0.1)
        assert len(self.told()) == 3

        assert self.points.since(resource={}, now=NOW) is None
        self.metrics.gauge("g", 8)
        assert self.told() == [("g", 8)]

    def test_what_was_not_acknowledged_is_in_the_next(self) -> None:
        self.metrics.count("c", 2)
        self.since()
        self.metrics.count("c", 3)

        assert self.told() == [("c", 5)]

    def test_each_observation_is_a_point_with_a_time_of_its_own(self) -> None:
        for value in (0.1, 0.2, 0.2):
            self.metrics.observe("h", value)
        first = points_of(self.since().body)
        self.points.acknowledge(self.since())
        self.metrics.observe("h", 0.2)
        then = points_of(self.since(now=NOW - 10**9).body)  # the clock was set back

        assert sorted(point["sum"] for _, point in first) == [0.1, 0.2, 0.2]
        assert {point["count"] for _, point in first} == {"1"}
        times = [int(point["timeUnixNano"]) for _, point in first + then]
        assert len(set(times)) == 4
        assert times[-1] == max(times)

    def test_more_observations_than_an_export_holds_are_counted_as_left_out(self) -> None:
        for number in range(3 * MOST_OBSERVATIONS):
            self.metrics.observe("h", float(number))
        self.metrics.observe("rare", 1.0)

        told = Counter(name for name, _ in self.told())

        assert told == {"h": MOST_OBSERVATIONS // 2, "rare": 1}
        assert self.metrics.left_out == 3 * MOST_OBSERVATIONS - MOST_OBSERVATIONS // 2
        assert self.metrics.histograms[("h", ())].count == 3 * MOST_OBSERVATIONS


class Folding(unittest.TestCase):
    def test_every_observation_counts_whoever_reads_meanwhile(self) -> None:
        metrics, each = Metrics(), 20 * FOLD_AT + 7

        def work() -> None:
            for _ in range(each):
                metrics.observe("h", 0.5)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            metrics.text()
        for thread in threads:
            thread.join()

        found = metrics.histograms[("h", ())]
        assert (found.count, found.total) == (4 * each, 2.0 * each)
        assert found.buckets[7 - 1] == 4 * each  # up to 0.5
        assert (len(found.kept), len(found.fresh)) == (KEPT, 0)

    def test_labels_in_any_order_are_one_series(self) -> None:
        metrics = Metrics()
        metrics.observe("h", 1.0, {"a": "1", "b": "2"})
        metrics.observe("h", 3.0, {"b": "2", "a": "1"})

        assert metrics.percentile("h", 0.5, {"b": "2", "a": "1"}) == 2.0
        assert len(metrics.histograms) == 1

    def test_what_waits_is_bounded(self) -> None:
        metrics = Metrics()
        for _ in range(10 * FOLD_AT):
            metrics.observe("h", 1.0)

        assert all(len(each.fresh) < FOLD_AT for each in metrics._histograms.values())


class Sending(WithClient):
    def outlet(self, metrics: Metrics) -> Outlet:
        """Return an outlet to the platform."""
        transport = Transport(self.platform.url, KEY, timeout=5.0)
        self.addCleanup(transport.close)
        return Outlet(transport, service="svc", agent_id="alice", metrics=metrics)

    def test_an_answer_that_was_lost_makes_the_very_same_points_be_sent_again(self) -> None:
        metrics = Metrics()
        outlet = self.outlet(metrics)
        metrics.count("c", 2)
        metrics.observe("h", 0.1)
        self.platform.script = ["lose", 503]
        assert not outlet.flush()
        metrics.count("c", 3)
        assert not outlet.flush()
        assert outlet.flush()

        bodies = [body for _, body in self.platform.others]
        assert bodies[0] == bodies[1]
        assert [(name, point.get("asDouble")) for name, point in points_of(bodies[2])] == [("c", 3)]
        assert len(bodies) == 3

    def test_what_the_platform_can_never_take_is_counted_and_not_sent_for_ever(self) -> None:
        metrics = Metrics()
        outlet = self.outlet(metrics)
        metrics.count("c", 2)
        self.platform.script = [413]

        assert outlet.flush()
        assert outlet.lost_points == 1
        metrics.count("c", 1)
        assert outlet.flush()
        assert points_of(self.platform.others[0][1])[0][1]["asDouble"] == 1

    def test_a_child_tells_what_it_counted_itself_under_a_name_of_its_own(self) -> None:
        obs = Observability("svc", endpoint=self.platform.url, key=KEY, spool=self.folder,
                            enable_tracing=False, enable_audit=False)  # fmt: skip
        self.addCleanup(obs.shutdown_now)
        obs.record_metric_now("c", 5)
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            obs.record_metric_now("c", 2)
            os._exit(0 if obs.flush() else 1)
        _, status = os.waitpid(child, 0)
        assert status == 0
        assert obs.flush()

        bodies = [body for _, body in self.platform.others]
        assert [points_of(each)[0][1]["asDouble"] for each in bodies] == [2, 5]
        resources = [each["resourceMetrics"][0]["resource"]["attributes"] for each in bodies]
        assert resources[0] != resources[1]

"""Metrics, logs and spans take what comes: nothing raises into the agent, no secret gets out."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import time
import unittest
from collections import OrderedDict
from contextlib import ExitStack
from typing import Any

from obsagent import Observability
from obsagent.errors import NotConfigured
from obsagent.logs import Logs
from obsagent.metrics import Metrics
from obsagent.outlet import Outlet
from obsagent.points import attribute
from obsagent.tracing import NO_SPAN
from obsagent.transport import Transport

from tests.sdk.core.test_client import KEY, WithClient

SECRET = "sk-abcdefghijklmnop1234"


class Unshowable:
    """What cannot even be shown."""

    def __str__(self) -> str:
        raise KeyError("nothing to show")


class Lines(unittest.TestCase):
    def setUp(self) -> None:
        self.stream = io.StringIO()
        self.taken: list[Any] = []
        self.logs = Logs("svc", stream=self.stream, take=lambda *line: self.taken.append(line))
        self.logger = self.logs.get_logger("x")

    def test_secrets_are_found_in_whatever_is_written_as_text_or_list(self) -> None:
        for value in (
            ValueError(f"with {SECRET}"),
            (SECRET,),
            {"deep": [(SECRET, 1)]},
            OrderedDict(password=SECRET),
            {SECRET},
            type("Words", (str,), {})(SECRET),
        ):
            self.logger.info("m", value=value)

        assert self.logs.written == 6
        assert SECRET not in self.stream.getvalue()
        assert SECRET not in str([each[4] for each in self.taken])

    def test_keys_that_are_no_text_are_written(self) -> None:
        self.logger.info("m", by_status={200: 5}, by_pair={("a", "b"): 1}, none={None: 1})

        line = json.loads(self.stream.getvalue())
        assert line["by_status"] == {"200": 5}
        assert line["by_pair"] == {"('a', 'b')": 1}

    def test_what_cannot_be_shown_is_counted(self) -> None:
        self.logger.info("m", value=Unshowable())

        assert self.logs.dropped == 1

    def test_without_a_standard_error_lines_are_counted(self) -> None:
        logs, before = Logs("svc"), sys.stderr
        sys.stderr = None  # as in a daemon that closed it
        try:
            logs.get_logger("x").info("m")
        finally:
            sys.stderr = before

        assert logs.dropped == 1

    def test_what_changes_after_the_line_is_sent_as_it_was(self) -> None:
        order: dict[str, Any] = {"id": 7}
        self.logger.info("m", order=order)
        order["password"] = SECRET

        ((*_, fields),) = self.taken
        assert json.loads(fields["order"]) == {"id": 7}

    def test_a_signal_handler_may_write_while_its_thread_does(self) -> None:
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            with self.logs._turn:  # what a handler finds that comes within a line
                self.logger.info("m")
            os._exit(0)
        _, status = os.waitpid(child, 0)

        assert status == 0


class Measures(unittest.TestCase):
    def test_labels_of_any_kind_are_exported(self) -> None:
        metrics = Metrics()
        for status in (200, "ok", None):
            for kind in ("counter", "gauge", "histogram"):
                metrics.record(kind, 1, kind, {"status": status})  # type: ignore[dict-item]

        text = metrics.text()

        assert 'counter{status="200"} 1' in text
        assert 'gauge{status="None"} 1' in text

    def test_a_gauge_takes_numbers_alone_whichever_way_it_is_set(self) -> None:
        metrics = Metrics()
        for value in (None, "many", float("nan")):
            metrics.gauge("depth", value)  # type: ignore[arg-type]
        metrics.gauge("depth", 3)

        assert metrics.gauges == {("depth", ()): 3}
        assert metrics.refused == 3

    def test_what_json_has_no_number_for_is_told_by_its_name_in_otlp(self) -> None:
        said = [attribute("a", value)["value"] for value in (float("nan"), float("-inf"), 2**64)]

        assert said == [
            {"doubleValue": "NaN"}, {"doubleValue": "-Infinity"},
            {"stringValue": "18446744073709551616"},
        ]  # fmt: skip


class NoSpans(unittest.TestCase):
    def test_a_span_that_is_off_enters_a_stack_too(self) -> None:
        span: Any = NO_SPAN
        with ExitStack() as stack:
            assert stack.enter_context(span) is span
        with span as found:
            assert found is span


class Sent(WithClient):
    def obs(self, **options: Any) -> Observability:
        """Return an observability of the platform, shut down at the end."""
        options = {"endpoint": self.platform.url, "key": KEY, "spool": self.folder,
                   "log_stream": io.StringIO(), "enable_tracing": False, **options}  # fmt: skip
        made = Observability("svc", **options)
        self.addCleanup(made.shutdown_now)
        return made

    def names(self) -> list[str]:
        """Return the metrics that the platform was told of."""
        return [
            metric["name"]
            for path, said in self.platform.others
            if path == "/v1/metrics"
            for metric in said["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]
        ]

    def test_metrics_are_sent_also_when_a_logger_was_made_first_and_wrote_nothing(self) -> None:
        obs = self.obs()
        obs.get_logger("x")
        obs.record_metric_now("asked_total", 1)

        obs.shutdown_now()

        assert self.names() == ["asked_total"]

    def test_metrics_that_are_turned_on_later_are_sent(self) -> None:
        obs = self.obs(enable_metrics=False)
        logger = obs.get_logger("x")
        assert logger is not None
        logger.info("m")
        obs.set_component("metrics", True)
        obs.record_metric_now("asked_total", 1)

        assert obs.flush()

        assert self.names() == ["asked_total"]

    def test_a_child_after_fork_sends_what_it_counts(self) -> None:
        obs = self.obs()
        obs.record_metric_now("asked_total", 1)
        assert obs.flush()
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            obs.record_metric_now("asked_total", 5)
            obs.shutdown_now()
            os._exit(0)
        os.waitpid(child, 0)

        assert self.names() == ["asked_total", "asked_total"]

    def test_a_line_that_the_platform_cannot_read_holds_up_no_other(self) -> None:
        outlet = Outlet(
            Transport(self.platform.url, KEY), service="svc", agent_id="alice", metrics=None
        )
        outlet._stop.set()  # no thread: each turn is ours
        for number in range(4):
            outlet.take(time.time_ns(), "INFO", "x", f"line {number}", {})
        self.platform.script = [413, 400, 400]  # of four, of two, of one

        assert outlet.flush()

        told = [
            record["body"]["stringValue"]
            for _, said in self.platform.others
            for record in said["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
        ]
        assert told == ["line 1", "line 2", "line 3"]
        assert outlet.dropped_lines == 1

    def test_a_setting_that_cannot_be_is_refused_at_the_start(self) -> None:
        for wrong in (
            {"endpoint": "obs.example.com"}, {"endpoint": "http://x:99999"},
            {"endpoint": "http://[::1"}, {"log_level": "LOUD"}, {"sample_ratio": 2.0},
        ):  # fmt: skip
            with self.assertRaises(NotConfigured):
                self.obs(**wrong)

    def test_a_name_that_is_none_in_dns_is_not_reached(self) -> None:
        obs = self.obs(endpoint="http://a..b", exit_seconds=0.1)
        obs.record_metric_now("c", 1)

        assert not obs.flush(0.1)

"""The parts of an agent's observability: each works alone, costs nothing when off, never breaks."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import math
import os
import re
import signal
import threading
import time
import unittest
from datetime import datetime, timezone
from enum import IntEnum
from typing import Any
from unittest import mock

from obsagent import Observability, ObservabilityManager, enable_observability, tracing
from obsagent.errors import NotConfigured
from obsagent.kaizen import ACTION_NAMES, action_of
from obsagent.logs import Line, Logs
from obsagent.metrics import MOST_SERIES, Metrics
from obsagent.schema import ACTIONS

from tests.sdk.core.test_client import KEY, WithClient


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


class Logging(unittest.TestCase):
    def setUp(self) -> None:
        self.stream = io.StringIO()
        self.logs = Logs("svc", stream=self.stream)
        self.addCleanup(self.logs.clear_context)

    def lines(self) -> list[dict[str, Any]]:
        """Return what was written."""
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def test_a_line_is_json_with_context_and_fields(self) -> None:
        self.logs.add_context(agent_id="alice")
        self.logs.get_logger("x").info("Agent execution completed", tokens_used=5)

        (line,) = self.lines()
        assert line["message"] == "Agent execution completed"
        assert (line["level"], line["logger"], line["service"]) == ("INFO", "x", "svc")
        assert (line["agent_id"], line["tokens_used"]) == ("alice", 5)
        assert line["timestamp"].endswith("Z")

    def test_a_line_is_written_as_json_writes_it(self) -> None:
        fields: dict[str, Any] = {
            "text": 'quote " back \\ line\n tab\t bell\x07 é \u2028 \U0001f600',
            "key \" é": "x", "whole": -3, "large": 10**30, "zero": -0.0, "small": 1e-7,
            "exact": 0.1 + 0.2, "huge": 1e300, "yes": True, "none": None,
            "tree": {"a": [1, 2.5, "é", {"b": False}]}, "list": [], "no_number": math.nan,
            "beyond": math.inf, "below": -math.inf, "own": _Words("said"), "level_of": _Level(2),
        }  # fmt: skip
        self.logs.get_logger("x").info("m", **fields)

        text = self.stream.getvalue()
        written = json.loads(text)
        for name in ("timestamp", "level", "logger", "message", "service"):
            del written[name]
        bare = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode(fields)
        assert text.endswith(f",{bare[1:]}\n")
        assert repr(written) == repr(json.loads(bare))

    def test_no_field_takes_the_place_of_what_a_line_is(self) -> None:
        taken: list[Line] = []
        self.logs = Logs("svc", stream=self.stream, take=lambda *each: taken.append(Line(*each)))
        self.logs.add_context(service="other")
        logger = self.logs.get_logger("x")
        logger.info("said", level="high", message="m", logger="l", timestamp=0, n=1)
        with logger.timed("took", status="s", duration_ms="d", self_="x"):
            pass

        said, took = self.lines()
        assert (said["level"], said["logger"], said["message"], said["service"]) == (
            "INFO", "x", "said", "svc",
        )  # fmt: skip
        fields: dict[str, Any] = {"field.level": "high", "field.message": "m", "field.logger": "l"}
        fields |= {"field.timestamp": 0, "field.service": "other", "n": 1}
        assert said.items() >= fields.items()
        assert taken[0].fields == fields
        assert (took["status"], took["self_"]) == ("success", "x")
        assert isinstance(took["duration_ms"], float)  # its own, and not what was given

    def test_what_json_has_no_word_for_is_written_as_text(self) -> None:
        at = datetime(2026, 1, 2, tzinfo=timezone.utc)
        self.logs.get_logger("x").info("m", at=at, n=1)

        (line,) = self.lines()
        assert "2026-01-02" in line["at"]
        assert line["n"] == 1

    def test_a_text_that_was_clean_once_hides_no_secret_later(self) -> None:
        secret = "sk-abcdefghijklmnop1234"
        for number in range(3_000):  # more than are remembered
            self.logs.get_logger("x").info(f"step {number}", what="clean")
            if number % 500 == 0:
                self.logs.get_logger("x").info(f"with {secret}", what=secret)

        assert secret not in self.stream.getvalue()
        assert self.stream.getvalue().count("***REDACTED***") == 12

    def test_a_logger_of_a_name_is_one(self) -> None:
        assert self.logs.get_logger("x") is self.logs.get_logger("x")
        assert list(self.logs.get_all_loggers()) == ["x"]

    def test_levels_are_of_all_or_of_one_logger(self) -> None:
        self.logs.set_log_level("WARNING")
        self.logs.set_log_level("DEBUG", "loud")
        self.logs.get_logger("quiet").info("no")
        self.logs.get_logger("loud").debug("yes")

        assert [each["message"] for each in self.lines()] == ["yes"]

    def test_secrets_are_taken_out_and_counts_stay(self) -> None:
        self.logs.get_logger("x").info("with sk-abcdefghijklmnop1234", api_key="a", max_tokens=9)

        (line,) = self.lines()
        assert "abcdefghijklmnop" not in line["message"]
        assert line["api_key"] == "***REDACTED***"
        assert line["max_tokens"] == 9

    def test_what_is_no_json_is_written_as_text(self) -> None:
        self.logs.get_logger("x").info("m", what=object, when={1, 2})

        assert self.lines()[0]["when"] == [1, 2]

    def test_a_closed_stream_is_counted_and_never_raised(self) -> None:
        self.stream.close()

        self.logs.get_logger("x").info("m")

        assert self.logs.dropped == 1

    def test_an_exception_is_told_by_type_and_message(self) -> None:
        try:
            raise ValueError("bad")
        except ValueError:
            self.logs.get_logger("x").exception("Execution failed")

        (line,) = self.lines()
        assert (line["error_type"], line["error_message"]) == ("ValueError", "bad")

    def test_a_timed_block_writes_how_it_went(self) -> None:
        with self.assertRaises(KeyError), self.logs.get_logger("x").timed("work"):
            raise KeyError("k")

        assert (self.lines()[0]["status"], self.lines()[0]["error_type"]) == ("error", "KeyError")


class WholeObject(WithClient):
    def obs(self, **options: Any) -> Observability:
        """Return an observability of the platform, shut down at the end."""
        options = {"endpoint": self.platform.url, "key": KEY, "spool": self.folder,
                   "log_stream": io.StringIO(), "enable_tracing": False, **options}  # fmt: skip
        made = Observability("svc", **options)
        self.addCleanup(made.shutdown_now)
        return made

    def test_the_other_name_is_the_same_class(self) -> None:
        assert ObservabilityManager is Observability

    def test_each_part_is_on_or_off_by_itself(self) -> None:
        obs = self.obs(enable_metrics=False, enable_audit=False)

        assert obs.get_enabled_components() == ["logging"]
        assert obs.is_component_enabled("logging")
        assert not obs.is_component_enabled("tracing")
        assert obs.get_service_name() == "svc"

    def test_all_off_is_silent_and_makes_nothing(self) -> None:
        obs = Observability(
            "svc",
            enable_metrics=False,
            enable_logging=False,
            enable_tracing=False,
            enable_audit=False,
        )

        async def work() -> None:
            await obs.record_metric("c", 1)
            assert await obs.export_metrics() == ""
            assert await obs.record_audit("a", "tool_execute", {}, "success") is None

        asyncio.run(work())
        with obs.span("x") as span, obs.timer("t"):
            span.set_attribute("a", 1)
        with obs.span("y") as again:
            assert again is span
        with self.assertRaises(KeyError), obs.span("z"):
            raise KeyError

        assert obs.timer("t")(lambda: 3)() == 3
        assert obs.get_logger("x") is None
        assert obs.get_tracing_manager() is None
        assert obs.event("tool.invoke") is None
        assert (obs._metrics, obs._logs, obs._client, obs._outlet) == (None, None, None, None)

    def test_a_part_may_be_turned_off_while_it_works(self) -> None:
        obs = self.obs()
        obs.record_metric_now("c", 1)
        obs.set_component("metrics", False)
        obs.record_metric_now("c", 1)
        obs.set_component("metrics", True)

        assert "c 1\n" in obs.export_metrics_now()

    def test_without_an_endpoint_what_needs_none_works(self) -> None:
        obs = self.obs(endpoint="", key="")
        with mock.patch.dict("os.environ", clear=True):
            obs.record_metric_now("c", 1)
            with self.assertRaises(NotConfigured):
                obs.event("run.started")

        assert "c 1\n" in obs.export_metrics_now()

    def test_audit_is_recorded_under_kaizens_names(self) -> None:
        obs = self.obs()

        async def work() -> None:
            await obs.record_audit(
                "agent-1",
                "tool_execute",
                {"tool_name": "bash", "danger_level": "MODERATE", "result_size": 12},
                "success",
                user_id="u-1",
                metadata={"approved_by": "grace"},
            )
            await obs.record_audit("agent-1", "launch_rocket", {"error": "no"}, "failure")

        asyncio.run(work())

        assert obs.flush()
        tool, rocket = sorted(self.platform.events.values(), key=lambda each: each["client_seq"])
        assert tool["action"] == "tool.invoke"
        assert tool["agent"]["id"] == "agent-1"
        assert tool["actor"] == {"type": "human", "id": "u-1"}
        assert tool["target"] == {"type": "tool", "id": "bash"}
        assert (tool["tool"]["risk"], tool["tool"]["result_bytes"]) == ("medium", 12)
        assert tool["details"]["metadata"] == {"approved_by": "grace"}
        assert rocket["action"] == "x.svc.launch_rocket"
        assert rocket["error"]["message"] == "no"

    def test_metrics_and_lines_go_to_the_platform_as_otlp(self) -> None:
        obs = self.obs()
        obs.record_metric_now("asked_total", 2, labels={"a": "b"})
        obs.record_metric_now("took_seconds", 0.3, "histogram")
        logger = obs.get_logger("x")
        assert logger is not None
        logger.warning("careful", n=1)

        assert obs.flush()

        said = dict(self.platform.others)
        metrics = said["/v1/metrics"]["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]
        assert [each["name"] for each in metrics] == ["asked_total", "took_seconds"]
        assert metrics[0]["sum"]["dataPoints"][0]["asDouble"] == 2
        (record,) = said["/v1/logs"]["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
        assert record["body"] == {"stringValue": "careful"}
        assert record["severityText"] == "WARNING"

    def test_a_platform_that_is_away_never_raises_into_the_agent(self) -> None:
        obs = self.obs(endpoint="http://127.0.0.1:9", exit_seconds=0.1)
        obs.record_metric_now("c", 1)
        logger = obs.get_logger("x")
        assert logger is not None
        logger.info("m")

        assert not obs.flush(0.1)

    def test_the_six_questions_have_twins(self) -> None:
        names = {name for name in dir(Observability) if name.startswith("query_audit")}

        assert {f"{name}_now" for name in names if not name.endswith("_now")} <= names
        assert len(names) == 12
        self.platform.entries = [{"seq": 1}]
        obs = self.obs()
        assert asyncio.run(obs.query_audit_all()) == obs.query_audit_all_now() == [{"seq": 1}]


class Forked(WithClient):
    def test_a_child_is_not_held_up_by_what_a_thread_of_its_parent_held(self) -> None:
        obs = Observability("svc", enable_tracing=False, log_stream=io.StringIO())
        logger = obs.get_logger("x")
        assert logger is not None
        obs.record_metric_now("c", 1)

        with obs.metrics._lock, obs.logs._turn:
            child = os.fork()
            if child == 0:
                signal.alarm(20)
                obs.record_metric_now("c", 1)
                logger.info("m")
                os._exit(0)
        _, status = os.waitpid(child, 0)

        assert status == 0


class OneLine(WithClient):
    def test_an_agent_is_observed_by_one_line_and_works_as_before(self) -> None:
        class Agent:
            agent_id = "bob"

            def run(self, task: str) -> str:
                return task.upper()

        agent: Any = Agent()
        obs = enable_observability(
            agent, endpoint=self.platform.url, key=KEY, spool=self.folder, enable_tracing=False
        )

        self.addCleanup(obs.shutdown_now)
        assert agent.run("hello") == "HELLO"
        assert agent.observability is obs
        assert obs.get_service_name() == "bob"
        assert obs.flush()
        assert sorted(each["action"] for each in self.platform.events.values()) == [
            "run.completed",
            "run.started",
        ]

    def test_it_is_shut_down_with_the_agent(self) -> None:
        class Agent:
            def run(self) -> None:
                return None

        agent: Any = Agent()
        obs = enable_observability(
            agent, endpoint=self.platform.url, key=KEY, spool=self.folder, enable_tracing=False
        )
        agent.run()
        client = obs.client
        del agent
        self.wait_until_closed(client)

    def test_an_agent_that_goes_in_the_thread_that_sends_is_shut_down_as_well(self) -> None:
        class Agent:
            def run(self) -> None:
                return None

        agent: Any = Agent()
        obs = enable_observability(
            agent, endpoint=self.platform.url, key=KEY, spool=self.folder, enable_tracing=False
        )
        agent.run()
        client = obs.client
        # The sender's own step is where the last name of the agent goes.
        held = [agent]
        del agent
        step = client._sender._step

        def stepping() -> Any:
            held.clear()
            for _ in range(3):
                gc.collect()
            return step()

        with mock.patch.object(client._sender, "_step", stepping):
            client.event("x.test.step")
            self.wait_until_closed(client)

    def wait_until_closed(self, client: Any) -> None:
        ends = time.monotonic() + 30
        while not client.spool.is_closed and time.monotonic() < ends:
            gc.collect()
            time.sleep(0.02)
        assert client.spool.is_closed

    def test_off_nothing_is_touched(self) -> None:
        class Agent:
            def run(self) -> None:
                return None

        agent: Any = Agent()
        enable_observability(agent, enable_audit=False, enable_tracing=False)

        assert "run" not in vars(agent)


class Names(unittest.TestCase):
    def test_each_name_of_kaizen_is_an_action_of_ours(self) -> None:
        assert set(ACTION_NAMES.values()) <= set(ACTIONS)

    def test_an_unknown_name_becomes_a_vendors(self) -> None:
        assert action_of("do it!", "my svc") == "x.my_svc.do_it"
        assert re.fullmatch(r"x(\.[A-Za-z0-9_-]+){2}", action_of("!", "?"))

    def test_an_action_of_the_schema_stays(self) -> None:
        assert action_of("memory.read", "svc") == "memory.read"


class WithoutOpenTelemetry(unittest.TestCase):
    def test_spans_do_nothing_and_the_part_says_that_it_is_not_there(self) -> None:
        with mock.patch.object(tracing, "_has", return_value=False):
            obs = Observability("svc", enable_tracing=True)
            with obs.span("x") as span:
                span.update({"usage": {"input_tokens": 1}})

            assert not obs.is_component_enabled("tracing")
            assert obs.get_tracing_manager() is None

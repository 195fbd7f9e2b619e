"""The parts of an agent's observability: each works alone, costs nothing when off, never breaks."""

from __future__ import annotations

import asyncio
import gc
import io
import os
import re
import signal
import time
import unittest
from typing import Any
from unittest import mock

from obsagent import Observability, ObservabilityManager, enable_observability, tracing
from obsagent.errors import NotConfigured
from obsagent.kaizen import ACTION_NAMES, action_of
from obsagent.schema import ACTIONS

from tests.sdk.core.test_client import KEY, WithClient


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
        # Collecting takes seconds where all tests are loaded; its end must not be over before.
        obs = enable_observability(
            agent, endpoint=self.platform.url, key=KEY, spool=self.folder, enable_tracing=False,
            exit_seconds=60,
        )  # fmt: skip
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
        ends = time.monotonic() + 90
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

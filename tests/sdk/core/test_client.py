"""What a client records arrives, whatever the platform, the network and the process do."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

from obsagent import acting_for
from obsagent.client import Client
from obsagent.errors import EventInvalid, EventRefused, NotConfigured, NotDelivered, SpoolFull

from tests.sdk.core.folders import WithFolder
from tests.sdk.core.platform import Platform, platform

SDK = str(Path(__file__).parents[3] / "sdk")
TOOL: dict[str, Any] = {"target": {"type": "tool", "id": "search"}, "tool": {"name": "search"}}
KEY = "obs_live_test"


class WithClient(WithFolder):
    """A test with a platform and clients of it."""

    def setUp(self) -> None:
        super().setUp()
        stack = ExitStack()
        self.addCleanup(stack.close)
        self.platform: Platform = stack.enter_context(platform())
        logging.getLogger("obsagent").setLevel(logging.CRITICAL)
        self.addCleanup(logging.getLogger("obsagent").setLevel, logging.NOTSET)

    def client(self, url: str = "", **options: Any) -> Client:
        """Return a client of the platform, closed at the end."""
        options = {"spool": self.folder, "agent": "alice", "timeout": 5.0, **options}
        made = Client(url or self.platform.url, KEY, **options)
        self.addCleanup(made.close, 0.1)
        return made

    def arrived(self) -> list[int]:
        """Return the `client_seq` of all that arrived, in order."""
        return sorted(each["client_seq"] for each in self.platform.events.values())


class Delivery(WithClient):
    def test_what_is_recorded_arrives_once_with_all_defaults(self) -> None:
        client = self.client(agent={"id": "alice", "version": "3"})

        recorded = [client.event("tool.invoke", **TOOL) for _ in range(3)]

        assert client.flush()
        assert set(self.platform.events) == {each.id for each in recorded}
        event = self.platform.events[recorded[0].id]
        assert event["agent"]["version"] == "3"
        assert event["agent"]["instance_id"] == client.spool.instance_id
        assert event["actor"] == {"type": "agent", "id": "alice"}
        assert (event["category"], event["client_seq"]) == ("tool_call", 1)

    def test_events_go_in_batches_over_one_connection(self) -> None:
        client = self.client()
        for _ in range(1_200):
            client.event("tool.invoke", **TOOL)

        assert client.flush()
        assert self.arrived() == list(range(1, 1_201))
        assert max(self.platform.posts) <= 500
        assert self.platform.connections == 1

    def test_what_comes_now_and_then_arrives_whether_the_sender_looks_or_sleeps(self) -> None:
        with ExitStack() as stack:
            stack.enter_context(mock.patch("obsagent.sender._AWAKE_SECONDS", 0.4))
            stack.enter_context(mock.patch("obsagent.sender._LOOK_SECONDS", 600.0))
            client = self.client()
            for place, pause in enumerate((0.0, 0.05, 0.15, 0.7, 0.05, 0.7)):
                time.sleep(pause)
                client.event("tool.invoke", **TOOL)
                ends = time.monotonic() + 30
                while len(self.platform.events) <= place and time.monotonic() < ends:
                    time.sleep(0.01)

                assert len(self.platform.events) == place + 1, "it slept, and nothing woke it"
            client.close(5)

    def test_a_receipt_of_each_event_is_kept(self) -> None:
        client = self.client()
        recorded = client.event("tool.invoke", **TOOL)
        client.flush()

        receipt = client.spool.receipts.find(recorded.id)

        assert receipt is not None
        assert (receipt["status"], receipt["digest"]) == ("received", "d" * 64)

    def test_sync_returns_the_receipt(self) -> None:
        recorded = self.client(mode="sync").event("tool.invoke", **TOOL)

        assert recorded.receipt is not None
        assert recorded.receipt["status"] == "received"

    def test_sync_raises_what_the_platform_refused(self) -> None:
        self.platform.refused_actions.add("tool.invoke")

        with self.assertRaises(EventRefused) as refused:
            self.client(mode="sync").event("tool.invoke", **TOOL)

        assert refused.exception.receipt["status"] == "rejected"

    def test_a_refused_event_is_put_aside_and_others_go_on(self) -> None:
        self.platform.refused_actions.add("memory.read")
        client = self.client()
        client.event("memory.read", target={"type": "memory", "id": "m"})
        client.event("tool.invoke", **TOOL)

        assert client.flush()
        (rejected,) = client.spool.receipts.rejected()
        assert rejected["event"]["action"] == "memory.read"
        assert rejected["error"]["code"] == "bad-value"
        assert len(self.platform.events) == 1

    def test_what_cannot_be_is_refused_at_once_and_nothing_is_recorded(self) -> None:
        client = self.client()

        with self.assertRaises(EventInvalid) as invalid:
            client.event("tool.invoke", target={"type": "tool", "id": "x"}, tool={"risk": "huge"})

        assert invalid.exception.path == "tool.risk"
        assert client.stats()["recorded"] == 0

    def test_an_actor_of_the_context_is_on_each_event(self) -> None:
        client = self.client()
        with acting_for("grace"):
            inside = client.event("tool.invoke", **TOOL)
        outside = client.event("tool.invoke", **TOOL)
        client.flush()

        assert self.platform.events[inside.id]["actor"] == {"type": "human", "id": "grace"}
        assert self.platform.events[outside.id]["actor"]["id"] == "alice"

    def test_secrets_never_leave_the_process(self) -> None:
        client = self.client()
        client.event("tool.invoke", **TOOL, details={"password": "sesame-1234"})

        (segment,) = self.folder.glob("lanes/*/*.seg")
        assert b"sesame" not in segment.read_bytes()

    def test_a_client_without_an_endpoint_or_key_says_what_to_do(self) -> None:
        with mock.patch.dict(os.environ, clear=True):
            with self.assertRaises(NotConfigured) as endpoint:
                Client(agent="alice", spool=self.folder)
            with self.assertRaises(NotConfigured) as key:
                Client("http://127.0.0.1:1", agent="alice", spool=self.folder)

        assert "OBSAGENT_ENDPOINT" in str(endpoint.exception)
        assert "OBSAGENT_KEY" in str(key.exception)


class Trouble(WithClient):
    def test_each_answer_that_asks_for_patience_is_heard_and_nothing_is_lost(self) -> None:
        soon = {"Retry-After": "0"}
        self.platform.script = ["drop", (429, soon), (503, soon), (502, soon), (408, soon)]
        client = self.client()
        for _ in range(5):
            client.event("tool.invoke", **TOOL)

        deadline = time.monotonic() + 30
        while not client.flush(0.3) and time.monotonic() < deadline:
            pass

        assert self.arrived() == [1, 2, 3, 4, 5]
        assert self.platform.script == []

    def test_a_key_that_is_refused_keeps_the_events_and_says_so(self) -> None:
        self.platform.script = [401] * 2
        client = self.client()
        client.event("tool.invoke", **TOOL)

        deadline = time.monotonic() + 10
        while client.stats()["trouble"] is None and time.monotonic() < deadline:
            time.sleep(0.01)

        assert "401" in str(client.stats()["trouble"])
        assert self.platform.events == {}
        while not client.flush(0.3) and time.monotonic() < deadline + 20:
            pass
        assert self.arrived() == [1]

    def test_a_batch_that_cannot_be_read_is_halved_until_one_is_left(self) -> None:
        self.platform.script = [413, 400]
        client = self.client()
        client.spool.append("alice", b'{"id":"bad","action":"x"}')
        client.event("tool.invoke", **TOOL)
        client.event("tool.invoke", **TOOL)

        assert client.flush()
        assert [each["event"]["id"] for each in client.spool.receipts.rejected()] == ["bad"]
        assert self.arrived() == [1 + 1, 1 + 2]

    def test_while_the_platform_is_away_events_wait_and_then_arrive_once(self) -> None:
        with platform() as away:
            url, port = away.url, away.server_address[1]
        client = self.client(url)
        for _ in range(50):
            client.event("tool.invoke", **TOOL)
        assert not client.flush(0.3)

        with platform(port) as back:
            assert client.flush(20)
            seqs = sorted(each["client_seq"] for each in back.events.values())

        assert seqs == list(range(1, 51))

    def test_the_wall_clock_may_jump(self) -> None:
        client = self.client()
        real = time.time_ns
        client.event("tool.invoke", **TOOL)
        with mock.patch("time.time_ns", lambda: real() + 10**9 * 86_400 * 365):
            client.event("tool.invoke", **TOOL)
            assert client.flush()
        with mock.patch("time.time_ns", lambda: real() - 10**9 * 86_400 * 365):
            client.event("tool.invoke", **TOOL)
            assert client.flush()

        assert self.arrived() == [1, 2, 3]

    def test_sync_says_that_the_event_is_recorded_when_nobody_answers(self) -> None:
        with platform() as away:
            url = away.url
        client = self.client(url, mode="sync")

        with mock.patch("obsagent.client._SYNC_SECONDS", 0.2), self.assertRaises(NotDelivered):
            client.event("tool.invoke", **TOOL)

        assert client.stats()["recorded"] == 1

    def test_a_full_spool_raises_by_choice_and_what_was_recorded_arrives(self) -> None:
        with platform() as away:
            url, port = away.url, away.server_address[1]
        client = self.client(url, most_bytes=5_000, when_full="raise")

        with self.assertRaises(SpoolFull):
            while True:
                client.event("tool.invoke", **TOOL)
        with platform(port) as back:
            assert client.flush(20)
            assert len(back.events) == client.stats()["recorded"] > 3


class Processes(WithClient):
    def run_agent(self, code: str, *, url: str = "") -> subprocess.CompletedProcess[str]:
        """Run an agent as a program of its own, with `client` made."""
        program = (
            "import os, sys, time, threading\n"
            "from obsagent import Client\n"
            f"client = Client({url or self.platform.url!r}, {KEY!r}, agent='alice',"
            f" spool={str(self.folder)!r})\n"
            f"TOOL = {TOOL!r}\n"
        ) + code
        return subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONPATH": SDK, "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def test_an_agent_that_ends_at_once_has_sent_what_it_did(self) -> None:
        done = self.run_agent("client.event('tool.invoke', **TOOL)\n")

        assert (done.returncode, done.stderr) == (0, "")
        assert self.arrived() == [1]
        assert list((self.folder / "lanes").iterdir()) == []

    def test_an_agent_ends_in_time_when_the_platform_hangs(self) -> None:
        """A listener that never answers; the end may take 5 s and what Python itself needs."""
        code = (
            "import socket\n"
            "listener = socket.create_server(('127.0.0.1', 0))\n"
            f"client = Client('http://127.0.0.1:%d' % listener.getsockname()[1], {KEY!r},"
            f" agent='alice', spool={str(self.folder)!r}, exit_seconds=0.5, timeout=30)\n"
            "client.event('tool.invoke', **TOOL)\n"
            "time.sleep(0.3)\n"
        )

        done = self.run_agent(code)

        assert done.returncode == 0, done.stderr
        client = self.client()
        client.event("tool.invoke", **TOOL)
        assert client.flush()
        assert self.arrived() == [1, 1]  # the one that was left, by another instance, and ours

    def test_what_an_agent_left_is_sent_by_its_next_start(self) -> None:
        with platform() as away:
            url = away.url
        self.run_agent(
            "for _ in range(5): client.event('tool.invoke', **TOOL)\nos.kill(os.getpid(), 9)\n",
            url=url,
        )
        assert self.platform.events == {}

        done = self.run_agent("client.event('tool.invoke', **TOOL)\nclient.flush(10)\n")

        assert done.returncode == 0, done.stderr
        assert self.arrived() == [1, 1, 2, 3, 4, 5]

    def test_children_after_fork_send_by_themselves(self) -> None:
        code = (
            "client.event('tool.invoke', **TOOL)\n"
            "client.flush(5)\n"
            "children = []\n"
            "for _ in range(3):\n"
            "    pid = os.fork()\n"
            "    if pid == 0:\n"
            "        client.event('tool.invoke', **TOOL)\n"
            "        os._exit(0 if client.flush(10) else 1)\n"
            "    children.append(pid)\n"
            "assert all(os.waitpid(pid, 0)[1] == 0 for pid in children)\n"
            "client.event('tool.invoke', **TOOL)\n"
        )

        done = self.run_agent(code)

        assert done.returncode == 0, done.stderr
        assert self.arrived() == [1, 1, 1, 1, 2]
        instances = {each["agent"]["instance_id"] for each in self.platform.events.values()}
        assert len(instances) == 4

    def test_thirty_two_threads_share_a_client(self) -> None:
        client = self.client()

        def work() -> None:
            for _ in range(30):
                client.event("tool.invoke", **TOOL)

        threads = [threading.Thread(target=work) for _ in range(32)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

        assert client.flush(20)
        assert self.arrived() == list(range(1, 961))


class Asyncio(WithClient):
    def test_tasks_record_without_waiting_for_the_network(self) -> None:
        client = self.client()

        async def work() -> None:
            await asyncio.gather(*(client.aevent("tool.invoke", **TOOL) for _ in range(50)))
            assert await client.aflush()

        asyncio.run(work())

        assert self.arrived() == list(range(1, 51))

    def test_a_full_spool_holds_up_the_task_and_not_the_loop(self) -> None:
        with platform() as away:
            url, port = away.url, away.server_address[1]
        client = self.client(url, most_bytes=5_000)
        ticks = 0

        async def fill() -> None:
            while True:
                await client.aevent("tool.invoke", **TOOL)

        async def work() -> None:
            nonlocal ticks
            task = asyncio.create_task(fill())
            for _ in range(10):
                await asyncio.sleep(0.02)
                ticks += 1
            assert not task.done()
            task.cancel()

        asyncio.run(work())
        assert ticks == 10
        recorded = client.stats()["recorded"]
        with platform(port) as back:
            assert client.flush(20)
            assert len(back.events) == recorded

    def test_cancelled_tasks_leave_whole_events_or_none(self) -> None:
        client = self.client(mode="strict")

        async def work() -> None:
            tasks = [asyncio.create_task(client.aevent("tool.invoke", **TOOL)) for _ in range(40)]
            await asyncio.sleep(0.005)
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run(work())

        assert client.flush()
        recorded = client.stats()["recorded"]
        assert self.arrived() == list(range(1, recorded + 1))


class Reading(WithClient):
    def test_a_query_asks_for_pages_with_its_filters(self) -> None:
        self.platform.entries = [{"seq": 1, "record": {"event": {}}}]

        found = self.client().trail.by_agent("alice")

        assert found == self.platform.entries

    def test_stats_say_what_became_of_what(self) -> None:
        client = self.client()
        client.event("tool.invoke", **TOOL)
        client.flush()

        stats = client.stats()

        assert (stats["recorded"], stats["received"], stats["trouble"]) == (1, 1, None)
        assert json.dumps(stats)

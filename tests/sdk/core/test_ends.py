"""An act's end is recorded whatever it ends with, and the sender goes on whatever it finds."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

from obsagent.acts import Acts
from obsagent.errors import EventRefused
from obsagent.event import prepared
from obsagent.redact import Redactor

from tests.sdk.core.test_client import TOOL, WithClient
from tests.sdk.core.test_never_raises import SECRET, Unshowable


class Failed(Unshowable, Exception):
    """An exception that cannot be shown."""


class Ends(WithClient):
    def test_a_failure_is_told_however_long_it_is(self) -> None:
        client = self.client()
        with Acts(client).tool("search") as call:
            call.fail("T" * 300, "x" * 1_990 + f" {SECRET} " + "y" * 5_000)
        assert client.flush()

        (event,) = self.platform.events.values()
        assert event["outcome"] == "failure"
        assert len(event["error"]["message"]) == 2_000
        assert "sk-" not in event["error"]["message"]

    def test_an_exception_that_cannot_be_shown_or_written_ends_its_act(self) -> None:
        client = self.client()
        for error in (Failed(), ValueError("half \ud800"), ValueError("nul \0")):
            with self.assertRaises(type(error)), Acts(client).tool("search"):
                raise error
        assert client.flush()

        outcomes = [each["outcome"] for each in self.platform.events.values()]
        assert outcomes == ["error"] * 3

    def test_a_result_that_has_no_canonical_form_is_given_back(self) -> None:
        client = self.client()
        for value in ({"id": 2**60}, "half \ud800"):
            with Acts(client).tool("search") as call:
                assert call.result(value) == value
            with Acts(client).llm("m", provider="p") as asked:
                assert asked.response(value) == value
        assert client.flush()

        assert {each["outcome"] for each in self.platform.events.values()} == {"success"}

    def test_what_redaction_makes_longer_still_fits(self) -> None:
        event = self.client().make("run.completed", outcome="error", reason="p" * 483)
        event["reason"] += " password=abcd"
        event["error"] = {"type": "E", "message": "m" * 1_983 + " password=abcd"}

        line = prepared(event, Redactor())

        assert b"abcd" not in line
        assert (len(event["reason"]), len(event["error"]["message"])) == (500, 2_000)

    def test_an_act_that_is_cancelled_twice_tells_its_end(self) -> None:
        client = self.client(mode="strict")
        busy = threading.Event()

        async def act(began: asyncio.Event) -> None:
            async with Acts(client).tool("search"):
                began.set()
                await asyncio.sleep(60)

        async def work() -> None:
            loop = asyncio.get_running_loop()
            loop.set_default_executor(ThreadPoolExecutor(1))
            began = asyncio.Event()
            task = asyncio.ensure_future(act(began))
            await began.wait()
            waiting = loop.run_in_executor(None, busy.wait, 20)  # and nothing else meanwhile
            for _ in range(2):
                task.cancel()
                await asyncio.sleep(0.01)
            busy.set()
            await waiting
            await asyncio.wait([task])
            await loop.run_in_executor(None, int)

        asyncio.run(work())
        assert client.flush()

        assert [each["outcome"] for each in self.platform.events.values()] == ["error"]


class Sending(WithClient):
    def test_sync_raises_what_the_platform_could_not_read(self) -> None:
        client = self.client(mode="sync")
        self.platform.script = [400]

        with self.assertRaises(EventRefused):
            client.event("tool.invoke", **TOOL)

    def test_a_file_that_is_none_of_the_spools_stops_nothing(self) -> None:
        before = self.client()
        before.event("tool.invoke", **TOOL)
        assert before.flush()
        stray = self.folder / "lanes" / "1-dead"
        stray.mkdir()
        (stray / "lock").touch()
        (stray / "copy of 00000001.seg").touch()
        client = self.client()

        client.event("tool.invoke", **TOOL)

        assert client.flush()

    def test_a_child_counts_what_it_sends_itself(self) -> None:
        client = self.client()
        client.event("tool.invoke", **TOOL)
        assert client.flush()
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            client.event("tool.invoke", **TOOL)
            is_told = client.flush() and client.stats()["received"] == 1
            os._exit(0 if is_told else 1)
        _, status = os.waitpid(child, 0)

        assert status == 0

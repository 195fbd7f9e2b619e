"""Acts are recorded once, when they end, with how they went and never with what was passed."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone
from typing import Any

from obsagent import acting_for
from obsagent.acts import Acts
from obsagent.approvals import Approval, Approvals
from obsagent.canonical import digest_of
from obsagent.decorators import recorded
from obsagent.errors import ApprovalDenied, ApprovalTimeout, EventInvalid

from tests.sdk.core.test_client import WithClient


class WithActs(WithClient):
    """A test with an agent's acts."""

    def setUp(self) -> None:
        super().setUp()
        self.agent = self.client()
        self.acts = Acts(self.agent)

    def events(self) -> list[dict[str, Any]]:
        """Return what arrived, in the order it was recorded."""
        assert self.agent.flush()
        return sorted(self.platform.events.values(), key=lambda each: each["client_seq"])

    def last(self) -> dict[str, Any]:
        """Return the event that was recorded last."""
        return self.events()[-1]


class Tools(WithActs):
    def test_a_tool_call_says_all_that_an_entry_is_expected_to(self) -> None:
        with self.acts.tool(
            "send", arguments={"to": 7}, risk="high", side_effect=True, destructive=False
        ) as call:
            call.result({"ok": True})

        event = self.last()
        assert (event["action"], event["outcome"]) == ("tool.invoke", "success")
        tool = event["tool"]
        assert tool["arguments_hash"] == digest_of({"to": 7})
        assert tool["result_hash"] == digest_of({"ok": True})
        assert tool["result_bytes"] == len('{"ok":true}')
        assert tool["kind"] == "function"
        assert tool["call_id"]
        assert event["target"] == {"type": "tool", "id": "send"}
        assert event["duration_ms"] >= 0

    def test_what_a_tool_raises_is_recorded_and_goes_on(self) -> None:
        with self.assertRaises(KeyError), self.acts.tool("send"):
            raise KeyError("ghp_16C7e42F292c6912E7710c838347Ae178B4a")

        event = self.last()
        assert event["outcome"] == "error"
        assert event["error"]["type"] == "KeyError"
        assert "ghp_" not in event["error"]["message"]

    def test_what_may_not_be_is_denied(self) -> None:
        with self.assertRaises(PermissionError), self.acts.tool("send"):
            raise PermissionError("not yours")

        assert self.last()["outcome"] == "denied"

    def test_an_act_may_say_itself_how_it_went(self) -> None:
        with self.acts.tool("send") as call:
            call.fail("BadAnswer", "no letter")

        event = self.last()
        assert (event["outcome"], event["error"]["type"]) == ("failure", "BadAnswer")

    def test_what_cannot_be_recorded_is_refused_before_the_tool_runs(self) -> None:
        ran = False
        with self.assertRaises(EventInvalid), self.acts.tool("send", risk="enormous"):
            ran = True

        assert not ran

    def test_blocks_an_act_does_not_know_are_passed_on(self) -> None:
        with self.acts.tool("send", decision={"policy_id": "p1", "effect": "allow"}):
            pass

        assert self.last()["decision"] == {"policy_id": "p1", "effect": "allow"}


class OtherActs(WithActs):
    def test_events_within_a_run_carry_it(self) -> None:
        with self.acts.run(mode="chat") as run:
            with self.acts.tool("search"):
                pass
            with self.acts.run() as inner:
                pass

        started, tool, inner_started, inner_ended, ended = self.events()
        assert [started["action"], ended["action"]] == ["run.started", "run.completed"]
        assert tool["run"] == started["run"] == ended["run"]
        assert inner_started["run"]["parent_id"] == started["run"]["id"]
        assert inner_ended["run"]["id"] != ended["run"]["id"]
        assert run.recorded is not None
        assert inner.recorded is not None

    def test_a_model_call_tells_what_it_used_and_never_what_was_said(self) -> None:
        with self.acts.llm("gpt-x", provider="acme", prompt="secret question") as call:
            call.response("secret answer", finish_reason="stop")
            call.usage(input_tokens=5, output_tokens=7, cost_usd=0.01)

        event = self.last()
        assert event["action"] == "llm.call"
        assert event["model"]["prompt_hash"] == digest_of("secret question")
        assert event["model"]["finish_reason"] == "stop"
        assert event["usage"] == {"input_tokens": 5, "output_tokens": 7, "cost_usd": 0.01}
        assert "secret" not in str(event)

    def test_an_embedding_is_an_action_of_its_own(self) -> None:
        with self.acts.llm("e", provider="acme", operation="embedding"):
            pass

        assert self.last()["action"] == "llm.embed"

    def test_a_memory_is_told_by_store_and_digest_of_its_key(self) -> None:
        with self.acts.memory("read", store="notes", type="episodic", key="k", cache_hit=True):
            pass

        memory = self.last()["memory"]
        assert memory == {
            "store": "notes",
            "type": "episodic",
            "key_hash": digest_of("k"),
            "cache_hit": True,
        }

    def test_a_workflow_and_its_steps_say_where_they_belong(self) -> None:
        with self.assertRaises(ValueError), self.acts.workflow("intake", name="Intake"):
            with self.acts.step("s1", step="fetch"):
                pass
            with self.acts.step("s2", attempt=2):
                raise ValueError("bad")

        events = self.events()
        assert [each["action"] for each in events] == [
            "workflow.started",
            "workflow.step_started",
            "workflow.step_completed",
            "workflow.step_started",
            "workflow.step_failed",
            "workflow.failed",
        ]
        assert len({each["workflow"]["run_id"] for each in events}) == 1
        assert events[4]["workflow"]["step_id"] == "s2"

    def test_touched_data_says_class_and_purpose(self) -> None:
        with self.acts.data_access(
            "read", target_type="record", target_id="r1", purpose="claims", classes=["pii"],
            subject_ids=["p1"], legal_basis="contract",
        ):  # fmt: skip
            pass

        event = self.last()
        assert event["action"] == "data.read"
        assert event["data"]["classes"] == ["pii"]

    def test_acts_work_in_async_with(self) -> None:
        async def work() -> None:
            async with self.acts.run(), self.acts.tool("search") as call:
                await asyncio.sleep(0)
                call.result(1)

        asyncio.run(work())

        assert [each["action"] for each in self.events()] == [
            "run.started",
            "tool.invoke",
            "run.completed",
        ]

    def test_tasks_side_by_side_keep_their_own_runs(self) -> None:
        async def one(name: str) -> None:
            async with self.acts.run(name):
                await asyncio.sleep(0.01)
                async with self.acts.tool("search", labels={"of": name}):
                    await asyncio.sleep(0)

        async def work() -> None:
            await asyncio.gather(*(one(str(number)) for number in range(5)))

        asyncio.run(work())

        tools = [each for each in self.events() if each["action"] == "tool.invoke"]
        assert [each["run"]["id"] == each["labels"]["of"] for each in tools] == [True] * 5


class Decorated(WithActs):
    def test_a_function_is_recorded_under_its_name_with_its_arguments(self) -> None:
        @recorded(self.acts).tool(risk="low")
        def add(left: int, right: int = 2) -> int:
            return left + right

        assert add(1) == 3
        event = self.last()
        assert event["tool"]["name"] == "add"
        assert event["tool"]["arguments_hash"] == digest_of({"left": 1, "right": 2})
        assert event["tool"]["result_hash"] == digest_of(3)

    def test_a_coroutine_function_stays_one(self) -> None:
        @recorded(self.acts).run()
        async def work() -> str:
            return "done"

        assert asyncio.iscoroutinefunction(work)
        assert asyncio.run(work()) == "done"
        assert [each["action"] for each in self.events()] == ["run.started", "run.completed"]

    def test_what_a_function_raises_it_raises(self) -> None:
        @recorded(self.acts).step()
        def fetch() -> None:
            raise TimeoutError("slow")

        with self.assertRaises(TimeoutError):
            fetch()
        assert self.last()["action"] == "workflow.step_failed"


class Asking(WithActs):
    def ask(self, arguments: Any = None) -> Approval:
        """Ask for an approval of `pay`."""
        return Approvals(self.agent).request("pay", arguments, summary="pay 5 EUR to Bob")

    def answer(
        self,
        asked: Approval,
        action: str = "approval.granted",
        *,
        by: str = "grace",
        type: str = "human",
        arguments_hash: str | None = None,
    ) -> None:
        """Let the platform hold somebody's answer."""
        until = datetime.now(timezone.utc) + timedelta(hours=1)
        event = {
            "action": action,
            "outcome": "success",
            "reason": "too much",
            "actor": {"type": type, "id": by},
            "tool": {"name": "pay", "arguments_hash": arguments_hash or asked.arguments_hash},
            "decision": {"approval_id": asked.id, "expires_at": until.isoformat()},
        }
        other = {"record": {"event": {"decision": {"approval_id": "another"}}}}
        self.platform.entries = [other, {"record": None}, {"record": {"event": event}}]

    def test_a_request_binds_the_digest_of_the_arguments(self) -> None:
        with acting_for("u-19"):
            asked = self.ask({"eur": 5})

        event = self.last()
        assert (event["action"], event["outcome"]) == ("approval.requested", "pending")
        assert event["tool"]["arguments_hash"] == digest_of({"eur": 5})
        assert event["decision"]["approval_id"] == asked.id
        assert event["decision"]["requested_by"] == "u-19"
        assert event["details"] == {"summary": "pay 5 EUR to Bob"}
        assert event["trace"]["operation_id"] == asked.operation_id

    def test_a_yes_lets_the_call_be_made_under_its_id(self) -> None:
        asked = self.ask({"eur": 5})
        self.answer(asked)

        approval = asked.wait(5)
        with self.acts.tool("pay", arguments={"eur": 5}, approval=approval, risk="high"):
            pass

        event = self.last()
        assert event["decision"]["approval_id"] == asked.id
        assert event["trace"]["operation_id"] == asked.operation_id

    def test_an_approval_is_for_the_arguments_that_were_asked(self) -> None:
        asked = self.ask({"eur": 5})
        self.answer(asked)
        asked.wait(5)

        with self.assertRaises(ApprovalDenied):
            self.acts.tool("pay", arguments={"eur": 500}, approval=asked)

    def test_a_no_is_raised_with_its_reason(self) -> None:
        asked = self.ask()
        self.answer(asked, "approval.denied")

        with self.assertRaises(ApprovalDenied) as denied:
            asked.wait(5)

        assert "too much" in str(denied.exception)

    def test_a_yes_to_something_else_or_by_no_other_person_is_a_no(self) -> None:
        for wrong in ({"arguments_hash": "f" * 64}, {"type": "agent"}, {"by": "alice"}):
            asked = self.ask()
            self.answer(asked, **wrong)

            with self.assertRaises(ApprovalDenied):
                asked.wait(5)

    def test_nobody_in_time_is_a_no_that_is_recorded(self) -> None:
        asked = self.ask()

        with self.assertRaises(ApprovalTimeout):
            asked.wait(0.05)

        assert self.last()["action"] == "approval.expired"

    def test_an_approval_is_awaited_without_holding_up_the_loop(self) -> None:
        async def work() -> Approval:
            asked = await Approvals(self.agent).arequest("pay", {"eur": 5}, summary="pay")
            self.answer(asked)
            return await asked.await_(5)

        assert asyncio.run(work()).entry is not None

    def test_what_was_not_granted_cannot_be_used(self) -> None:
        with self.assertRaises(ApprovalDenied):
            self.acts.tool("pay", approval=self.ask())

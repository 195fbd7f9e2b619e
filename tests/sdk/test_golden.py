"""Events of the SDK, fixed in a file that any other SDK may be held to; the platform takes them.

To make the file anew after a change that is meant: `python -m tests.sdk.test_golden`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from obsagent import acting_for
from obsagent.acts import Acts
from obsagent.approvals import Approvals
from obsagent.client import Client
from obsagent.kaizen import event_of

from audit.actions import missing_fields
from audit.parse import parse_event

GOLDEN = Path(__file__).parents[1] / "vectors" / "sdk_events.json"
_AT = 1_790_000_000_000_000_000  # nanoseconds since 1970, for every event


@contextmanager
def still() -> Iterator[None]:
    """Stop clock and chance, so that the same acts give the same bytes."""
    count = iter(range(1, 10_000))

    def chance(length: int) -> bytes:
        return next(count).to_bytes(length, "little")

    with (
        mock.patch("time.time_ns", return_value=_AT),
        mock.patch("time.perf_counter", return_value=1.0),
        mock.patch("os.urandom", chance),
        mock.patch("obsagent.spool.make_instance_id", lambda given: f"{given}-00000001"),
    ):
        yield


def recorded() -> list[dict[str, Any]]:
    """Return what a client records for one act of each kind."""
    with tempfile.TemporaryDirectory() as folder, still():
        client = Client(
            "http://127.0.0.1:9",
            "key",
            agent={"id": "alice", "version": "3.2", "instance_id": "pod", "environment": "staging"},
            spool=folder,
        )
        with mock.patch.object(client, "_sender"):  # what is recorded is looked at, not sent
            _act(client)
            batch = client.spool.next_batch(most=1_000, most_bytes=1_000_000)
        client.spool.close()
    assert batch is not None
    return [json.loads(each) for each in batch.events]


def _act(client: Client) -> None:
    acts = Acts(client)
    with acting_for("u-19"), acts.run("run-1", mode="chat", task_id="t-1"):
        with acts.tool(
            "send", arguments={"to": 7}, risk="low", side_effect=True, operation_id="op-1",
            decision={"policy_id": "p1", "policy_version": "2", "effect": "allow"},
        ) as tool:  # fmt: skip
            tool.result({"sent": True})
        with acts.llm("gpt-x", provider="acme", prompt=["hello"], temperature=0.2) as model:
            model.response("hi", finish_reason="stop")
            model.usage(input_tokens=12, output_tokens=1, cost_usd=1e-05)
        with acts.memory("search", store="notes", type="episodic", key="k", cache_hit=False):
            pass
        with (
            acts.workflow("intake", run_id="w-1"),
            acts.step("s1", step="fetch", attempt=1) as step,
        ):
            step.fail("Timeout", "too slow")
        with acts.data_access(
            "read", target_type="record", target_id="r1", purpose="claims", classes=["pii"],
            legal_basis="contract", subject_ids=["p-7"], record_count=1,
        ):  # fmt: skip
            pass
        with acts.plan(quality=0.5, steps=3):
            pass
    action, fields = event_of(
        service="svc", agent_id="alice", action="permission_request",
        details={"tool_name": "bash", "approval_id": "a-1"}, result="pending", user_id="u-19",
        metadata=None,
    )  # fmt: skip
    client.event(action, **fields)
    client.event("x.acme.deploy", details={"password": "sesame"}, labels={"team": "blue"})
    valid = mock.patch("obsagent.approvals.moment", return_value="2026-09-22T14:13:20.000000Z")
    with valid:
        Approvals(client).request("pay", {"eur": 5}, summary="pay 5 EUR", operation_id="op-2")


def test_the_same_acts_give_the_same_events_as_ever() -> None:
    assert recorded() == json.loads(GOLDEN.read_text())


def test_the_platform_takes_each_and_lacks_nothing_it_expects() -> None:
    for event in json.loads(GOLDEN.read_text()):
        parsed = parse_event(json.dumps(event).encode(), default_id=None)

        assert json.loads(parsed.canonical) == event | {"occurred_at": parsed.event.occurred_at}
        assert missing_fields(event, "events") == [], event["action"]


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(recorded(), indent=1, ensure_ascii=False) + "\n")

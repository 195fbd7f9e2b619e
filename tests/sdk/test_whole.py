"""An agent with the SDK and a whole installation: what was recorded is in the ledger, once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from obsagent.acts import Acts
from obsagent.approvals import Approvals
from obsagent.cli import main
from obsagent.client import Client

ROOT = Path(__file__).parents[2]
ROUNDS = int(os.environ.get("OBS_FAULT_ROUNDS") or 10)
_SECONDS = 60

AGENT = """
import os, sys
from obsagent import Client

client = Client(sys.argv[1], sys.argv[2], agent=sys.argv[4], spool=sys.argv[3])
while True:
    done = client.event(
        "tool.invoke", target={"type": "tool", "id": "search"}, tool={"name": "search"}
    )
    os.write(1, done.id.encode() + b"\\n")
"""


@pytest.fixture
def client(installation: dict[str, Any], tmp_path: Path) -> Iterator[Client]:
    """Return a client that reads what the tests wrote."""
    with Client(
        installation["url"], installation["key"], agent="reader", spool=tmp_path / "reader"
    ) as made:
        yield made


def eventually(look: Callable[[], bool]) -> None:
    """Wait until something is so."""
    ends = time.monotonic() + _SECONDS
    while not look():
        assert time.monotonic() < ends, "it did not come to pass"
        time.sleep(0.1)


def test_every_call_that_returned_before_kill_9_is_in_the_ledger_once(
    installation: dict[str, Any], client: Client, tmp_path: Path
) -> None:
    """Each agent sends in the background while it is killed, so some were sent before."""
    spool, name = tmp_path / "spool", f"killed-{tmp_path.name}"
    promised: set[str] = set()
    for turn in range(ROUNDS):
        process = subprocess.Popen(
            [sys.executable, "-c", AGENT, installation["url"], installation["key"], spool, name],
            env={"PYTHONPATH": str(ROOT / "sdk")},
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(20 + 37 * turn % 150)]
        process.kill()
        lines += process.stdout.readlines()
        process.stdout.close()
        process.wait()
        promised |= {line.decode().strip() for line in lines if len(line) == 37}

    with Client(installation["url"], installation["key"], agent=name, spool=spool) as heir:
        heir.spool.adopt()
        assert heir.flush(_SECONDS)
        assert list(heir.spool.receipts.rejected()) == []

    found: Counter[str] = Counter()

    def all_are_chained() -> bool:
        found.clear()
        for entry in client.trail.entries(agent=name):
            found[entry["record"]["event"]["id"]] += 1
        return promised <= found.keys()

    eventually(all_are_chained)
    assert set(found.values()) == {1}
    assert len(found) - len(promised) <= ROUNDS * 600  # sent, or recorded and not said any more


def test_an_agent_waits_for_a_persons_answer_and_acts_under_it(
    installation: dict[str, Any], tmp_path: Path
) -> None:
    """The answer comes by a key of governance here; the desk's own is tested beside its page."""
    where: dict[str, Any] = {"endpoint": installation["url"]}
    with (
        Client(key=installation["key"], agent="payer", spool=tmp_path / "a", **where) as agent,
        Client(
            key=installation["governance_key"], agent="payer", spool=tmp_path / "g", mode="sync",
            **where,
        ) as person,
    ):  # fmt: skip
        asked = Approvals(agent).request("pay", {"eur": 5}, summary="pay 5 EUR to Bob")
        person.event(
            "approval.granted",
            actor={"type": "human", "id": "grace"},
            target={"type": "tool", "id": "pay"},
            tool={"name": "pay", "arguments_hash": asked.arguments_hash},
            decision={
                "approval_id": asked.id,
                "requested_by": asked.requested_by,
                "expires_at": asked.expires_at,
            },
        )

        approval = asked.wait(_SECONDS)
        with Acts(agent).tool("pay", arguments={"eur": 5}, approval=approval, risk="high"):
            pass

        assert agent.flush(_SECONDS)
        assert approval.entry is not None
        assert approval.entry["record"]["event"]["actor"]["id"] == "grace"


def test_the_command_sends_follows_and_verifies(
    installation: dict[str, Any],
    client: Client,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    where = ["--endpoint", installation["url"], "--key", installation["key"],
             "--spool", str(tmp_path / "cli"), "--json"]  # fmt: skip

    assert main(["send", "run.started", "--agent", "cli-agent", *where]) == 0
    receipt = json.loads(capsys.readouterr().out)
    kept = tmp_path / "receipt.json"
    kept.write_text(json.dumps(receipt))
    key = client.trail.text("/ledger/main/vkey").decode().splitlines()[0]

    def is_sealed() -> bool:
        state = client.trail.event(receipt["id"])
        return state is not None and state["state"] == "sealed"

    eventually(is_sealed)
    assert main(["verify", str(kept), "--vkey", key, *where]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["signature"], said["content"]) == ("checked", "as promised")
    assert main(["verify", receipt["id"], *where]) == 3  # whose tree it is was not asked
    capsys.readouterr()

    kept.write_text(json.dumps(receipt | {"event_sha256": "0" * 64}))
    assert main(["verify", str(kept), "--vkey", key, *where]) == 1
    capsys.readouterr()

    assert main(["tail", "--agent", "cli-agent", "--once", *where]) == 0
    assert json.loads(capsys.readouterr().out)["record"]["event"]["action"] == "run.started"
    assert main(["doctor", *where]) == 0
    assert json.loads(capsys.readouterr().out)["platform"]["ok"] is True
    assert main(["spool", "status", *where]) == 0
    assert main(["spool", "flush", *where]) == 0
    capsys.readouterr()
    assert main(["send", "no.such", "--agent", "a", *where]) == 1
    unreachable = ["--endpoint", "http://127.0.0.1:9", *where[2:]]
    assert main(["tail", "--once", *unreachable]) == 4
    assert main(["doctor", *unreachable]) == 1

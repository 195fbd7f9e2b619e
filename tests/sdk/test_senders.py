"""Agents of other frameworks, unchanged or with an adapter, in a whole installation.

They live in an environment of their own, never in ours: `benchmarks/senders.py --make FOLDER` makes
it, and OBS_SENDERS names its interpreter.
"""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from benchmarks.senders import ADAPTERS, PEERS, Platform, SenderTask, Yield, run

ROOT = Path(__file__).parents[2]
_SECONDS = 120
PYTHON = Path(os.environ.get("OBS_SENDERS") or "/nowhere")

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(),
    reason="OBS_SENDERS names no interpreter of an environment with the frameworks; "
    "make one: python -m benchmarks.senders --make FOLDER",
)


def yield_of(task: SenderTask, installation: dict[str, Any], folder: Path) -> Yield:
    where = Platform(url=installation["url"], key=installation["key"])
    return run(PYTHON, task, where, spool=folder)


@pytest.mark.parametrize("task", PEERS, ids=[each.name for each in PEERS])
def test_an_agent_that_knows_nothing_of_the_platform_is_audited(
    task: SenderTask, installation: dict[str, Any], tmp_path: Path
) -> None:
    found = yield_of(task, installation, tmp_path)

    assert found.actions() >= task.counted()
    assert len(found.traces) == 1
    named = {span["event_id"] for span in found.spans() if span["event_id"]}
    assert named == {event["id"] for event in found.events()}
    outcomes = {
        event["tool"]["name"]: event["outcome"]
        for event in found.events()
        if event["action"] == "tool.invoke"
    }
    assert outcomes == {"look_up": "success", "send_letter": "error"}


@pytest.mark.parametrize("task", ADAPTERS, ids=[each.name for each in ADAPTERS])
def test_an_agent_with_an_adapter_is_one_run_in_entries_traces_and_scores(
    task: SenderTask, installation: dict[str, Any], tmp_path: Path
) -> None:
    found = yield_of(task, installation, tmp_path)

    events = found.events()
    assert found.actions() == task.counted(), "each act is one entry"
    assert len({event["run"]["id"] for event in events}) == 1
    told = {event["id"]: event for event in events}
    leading = [span for span in found.spans() if span["event_id"]]
    assert leading
    for span in leading:
        assert told[span["event_id"]]["trace"]["trace_id"] in {t["trace_id"] for t in found.traces}
    outcomes = {
        event["tool"]["name"]: event["outcome"]
        for event in events
        if event["action"] == "tool.invoke"
    }
    assert outcomes["look_up"] == "success"
    assert outcomes["send_letter"] in {"denied", "error", "failure"}
    judged = items_of("TOOL-01", installation)
    assert task.name in {each["agent"] for each in judged}, "nobody registered its tools"


@pytest.fixture(scope="module")
def turns() -> dict[str, list[dict[str, Any]]]:
    """Return what each turn of framework_edges.py recorded."""
    ended = subprocess.run(
        [PYTHON, "-m", "tests.sdk.framework_edges"],
        cwd=ROOT,
        env={"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "sdk")]), "HOME": "/nowhere"},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    told: dict[str, list[dict[str, Any]]] = json.loads(ended.stdout.splitlines()[-1])
    return told


def outcomes(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(each["action"], each["outcome"]) for each in events]


def test_two_runs_in_one_loop_with_tools_in_threads_stay_apart(
    turns: dict[str, list[dict[str, Any]]],
) -> None:
    events = turns["tools_at_once_in_a_loop"]

    by_run: dict[str, list[str]] = {}
    for each in events:
        by_run.setdefault(each["run"]["id"], []).append(each["action"])

    expected = ["run.started", *["tool.invoke"] * 3, "run.completed"]
    assert list(by_run.values()) == [expected, expected]
    assert len({e["tool"]["call_id"] for e in events if "tool" in e}) == 3


def test_a_run_that_waits_for_a_person_is_pending_until_it_is_resumed(
    turns: dict[str, list[dict[str, Any]]],
) -> None:
    assert outcomes(turns["a_person_is_asked_and_answers"]) == [
        ("run.started", "success"),
        ("tool.invoke", "pending"),
        ("run.completed", "pending"),
        ("run.started", "success"),
        ("tool.invoke", "success"),
        ("run.completed", "success"),
    ]


def test_a_chain_that_fails_is_a_run_that_failed(turns: dict[str, list[dict[str, Any]]]) -> None:
    started, completed = turns["a_chain_fails"]

    assert completed["outcome"] == "error"
    assert completed["error"] == {"type": "ValueError", "message": "not a claim"}
    assert completed["run"] == started["run"]


def test_a_model_that_is_asked_alone_is_a_call_without_a_run(
    turns: dict[str, list[dict[str, Any]]],
) -> None:
    (call,) = turns["a_model_streams_alone"]

    assert (call["action"], call["outcome"]) == ("llm.call", "success")
    assert "run" not in call
    assert len(call["model"]["response_hash"]) == 64


def test_a_run_within_a_run_names_it_and_leaves_the_context_as_it_was(
    turns: dict[str, list[dict[str, Any]]],
) -> None:
    events = turns["a_run_within_an_act_of_ours"]

    assert [each["run"]["id"] for each in events if each["action"] == "plan.created"] == ["outer"]
    within = [each for each in events if each["run"]["id"] != "outer"]
    assert {each["run"].get("parent_id") for each in within} == {"outer"}
    risks = {each["tool"]["name"]: each["tool"].get("risk") for each in within if "tool" in each}
    assert risks == {"look_up": None, "send_letter": "high"}


def test_a_guardrail_that_triggers_is_told_and_denies_the_run(
    turns: dict[str, list[dict[str, Any]]],
) -> None:
    assert outcomes(turns["a_guardrail_triggers"]) == [
        ("run.started", "success"),
        ("guardrail.triggered", "success"),
        ("run.completed", "denied"),
    ]


def items_of(check: str, installation: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a check found in the days around now."""
    where = Platform(url=installation["url"], key=installation["key"])
    today = datetime.now(UTC).date()
    found: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    while True:
        page = where.get(
            f"checks/{check}/items",
            framework="soc2",
            control="CC6.3",
            limit="200",
            **{"from": str(today - timedelta(days=1)), "to": str(today + timedelta(days=1))},
            **after,
        )
        found += page["items"]
        if page["next"] is None:
            return found
        after = {"after": page["next"]}

from __future__ import annotations

import json
from typing import Any

from metrics.fold import FoldState, Names, Seen
from metrics.states import MOST_AGENTS, MOST_FAILED, MOST_OPEN, TTL_US, active, fingerprint
from tests.metrics.entries import NOON, SECOND, registered, seen
from tests.metrics.made import OVERFLOW, counted, folded_of, refused


def active_now(state: FoldState, names: Names, *, now: int | None = None) -> dict[Any, int]:
    return active([state], now_us=state.clock_us if now is None else now, names=names)


def test_what_is_open_falls_when_it_ends_or_when_its_end_is_lost() -> None:
    state, names = FoldState(), Names()
    folded_of(
        registered("alice", "Alice A."),
        seen("run.started", run={"id": "r1"}),
        seen("run.started", run={"id": "r2"}),
        seen("run.completed", run={"id": "r1"}),
        seen("goal.started", run={"goal_id": "g", "mode": "chat"}),
        seen("task.enqueued", run={"task_id": "t", "queue": "fast"}, agent="bob"),
        state=state, names=names,
    )  # fmt: skip

    expected = {
        ("obs_agent_active_executions", ("alice_a.",)): 1,
        ("obs_goals_active", ("chat",)): 1,
        ("obs_task_queue_size", ("fast",)): 1,
    }
    assert active_now(state, names) == expected
    later = state.clock_us + TTL_US["run"]
    assert active_now(state, names, now=later) == {
        **expected, ("obs_agent_active_executions", ("alice_a.",)): 0,
    }  # fmt: skip
    folded_of(
        seen("task.started", run={"task_id": "t", "queue": "fast", "mode": "chat"}),
        state=state, names=names,
    )  # fmt: skip
    assert active_now(state, names)["obs_task_queue_size", ("fast",)] == 0
    assert active_now(state, names)["obs_tasks_active", ("chat",)] == 1


def test_recovery_runs_from_the_first_failure_to_the_next_success_of_the_same_mode() -> None:
    def task(action: str, at: int, mode: str = "chat", **rest: Any) -> Seen:
        return seen(action, at=NOON + at * SECOND, duration_ms=1, run={"mode": mode}, **rest)

    made = folded_of(
        task("task.failed", 0, outcome="failure"),
        task("task.failed", 5, outcome="failure"),
        task("task.completed", 6, mode="autonomous"),
        task("task.completed", 20),
        task("task.completed", 30),
    )

    row = made.totals.histograms["obs_task_recovery_seconds", ()]
    assert (sum(row[:-1]), row[-1]) == (1, 20 * SECOND)


def test_what_is_remembered_is_bounded_and_says_so() -> None:
    state, names = FoldState(), Names()
    entries = [
        entry
        for number in range(MOST_OPEN + 10)
        for entry in (
            seen("run.started", run={"id": f"r{number}"}),
            seen("task.failed", outcome="error", run={"mode": "chat"}, agent=f"a{number}"),
            registered(f"a{number}", "one name"),
        )
    ]

    made = folded_of(*entries, state=state, names=names)

    assert len(state.opened["run"]) == MOST_OPEN
    assert (len(state.failed), len(state.agents)) == (MOST_FAILED, MOST_AGENTS)
    full = {labels[0]: number for labels, number in refused(made).items() if labels[1] == "full"}
    assert full == {"obs_agent_active_executions": 10, "obs_task_recovery_seconds": 10}
    assert counted(made, OVERFLOW)["agent",] == 10
    assert FoldState.from_json(json.loads(json.dumps(state.as_json()))) == state


def test_what_begins_again_is_the_newest_and_makes_nobody_leave() -> None:
    state, names = FoldState(), Names()
    runs = [seen("run.started", run={"id": f"r{number}"}) for number in range(MOST_OPEN)]
    again, one_more = runs[0], seen("run.started", run={"id": "new"})

    made = folded_of(*runs, again, state=state, names=names)
    assert refused(made) == {}
    folded_of(one_more, state=state, names=names)

    opened = list(state.opened["run"])
    assert opened[-2:] == [fingerprint("alice", "r0"), fingerprint("alice", "new")]
    assert fingerprint("alice", "r1") not in opened


def test_a_late_entry_opens_nothing_and_closes_what_is_open() -> None:
    state, names = FoldState(), Names()
    counts = []

    for entry in (
        seen("run.started", run={"id": "r1"}),
        seen("run.started", run={"id": "r2"}, is_backfill=True),
        seen("run.completed", run={"id": "r1"}, is_backfill=True),
    ):
        folded_of(entry, state=state, names=names)
        counts.append(sum(active_now(state, names).values()))

    assert counts == [1, 1, 0]

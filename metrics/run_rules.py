"""What runs, loops, goals, plans and tasks add to metrics, an action at a time. Pure.

Which rule is whose: rules.py.
"""

from __future__ import annotations

from metrics import agent_families as agents
from metrics.folding import Folding


def _mode(fold: Folding) -> str:
    return fold.label("mode", fold.block("run").get("mode"))


def run_started(fold: Folding) -> None:
    """Open a run."""
    run_id = fold.block("run").get("id")
    if run_id is None:
        fold.refuse(agents.AGENT_ACTIVE_EXECUTIONS, "missing")
    else:
        fold.open("run", (fold.agent,), fold.agent_id, run_id)


def run_completed(fold: Folding) -> None:
    """Count a run that ended, and close it."""
    fold.count(agents.AGENT_EXECUTIONS, (fold.agent, fold.status, fold.environment))
    fold.took(agents.AGENT_EXECUTION_SECONDS, (fold.agent, fold.environment))
    if fold.status == "error":
        fold.count(agents.AGENT_ERRORS, (fold.agent, fold.error_type()))
    if (run_id := fold.block("run").get("id")) is not None:
        fold.close("run", fold.agent_id, run_id)


def loop_completed(fold: Folding) -> None:
    """Count a turn of an agent's loop."""
    fold.count(agents.AGENT_LOOPS, (fold.status,))
    fold.took(agents.AGENT_LOOP_SECONDS, (fold.label("phase", fold.block("run").get("phase")),))


def goal_created(fold: Folding) -> None:
    """Count a goal that was set; how it ends is not known yet."""
    fold.count(agents.GOALS, (_mode(fold), "other"))


def goal_started(fold: Folding) -> None:
    """Open a goal."""
    goal_id = fold.block("run").get("goal_id")
    if goal_id is None:
        fold.refuse(agents.GOALS_ACTIVE, "missing")
    else:
        fold.open("goal", (_mode(fold),), fold.agent_id, goal_id)


def goal_ended(fold: Folding) -> None:
    """Count a goal that was reached or given up, and close it."""
    mode = _mode(fold)
    fold.count(agents.GOALS, (mode, fold.ended()))
    if fold.event["action"] == "goal.completed":
        fold.took(agents.GOAL_SECONDS, (mode,))
    if (goal_id := fold.block("run").get("goal_id")) is not None:
        fold.close("goal", fold.agent_id, goal_id)


def plan_created(fold: Folding) -> None:
    """Observe a plan."""
    plan = fold.block("plan")
    fold.took(agents.PLANNING_SECONDS, ())
    fold.observe(agents.PLANNING_QUALITY, (), plan.get("quality"))
    fold.observe(agents.PLANNING_STEPS, (), plan.get("steps"))


def _queued(fold: Folding) -> tuple[str, ...] | None:
    """Return what tells a task in its queue: who queues it need not be who starts it."""
    run = fold.block("run")
    task_id, queue = run.get("task_id"), run.get("queue")
    if task_id is None:
        return None
    return ("agent", fold.agent_id, task_id) if queue is None else ("queue", queue, task_id)


def _leave_queue(fold: Folding) -> None:
    if (queued := _queued(fold)) is not None:
        fold.close("queue", *queued)


def task_enqueued(fold: Folding) -> None:
    """Open a place in a queue."""
    queued = _queued(fold)
    if queued is None:
        fold.refuse(agents.TASK_QUEUE_SIZE, "missing")
    else:
        fold.open("queue", (fold.label("queue", fold.block("run").get("queue")),), *queued)


def task_started(fold: Folding) -> None:
    """Open a task, and close its place in the queue."""
    task_id = fold.block("run").get("task_id")
    if task_id is None:
        fold.refuse(agents.TASKS_ACTIVE, "missing")
    else:
        fold.open("task", (_mode(fold),), fold.agent_id, task_id)
    _leave_queue(fold)


def task_ended(fold: Folding) -> None:
    """Count a task that was done or failed, close it, and look whether it ends a failure."""
    mode, status = _mode(fold), fold.ended()
    fold.count(agents.TASKS, (fold.agent, mode, status, fold.environment))
    fold.took(agents.TASK_SECONDS, (mode,))
    if (task_id := fold.block("run").get("task_id")) is not None:
        fold.close("task", fold.agent_id, task_id)
    _leave_queue(fold)
    _recovery(fold, mode, status)


def _recovery(fold: Folding, mode: str, status: str) -> None:
    # History and what happens now each have their own: a load must not end a failure of today.
    whose = ("late" if fold.is_late else "live", fold.agent_id, mode)
    if status == "error":
        fold.fail(*whose)
    elif status == "success":
        failed_us = fold.recover(*whose)
        if failed_us is not None:
            took = fold.occurred_us - failed_us
            fold.observe(agents.TASK_RECOVERY_SECONDS, (), took, per_unit=1_000_000)


def orchestrated(fold: Folding) -> None:
    """Observe a cycle of an orchestrator."""
    fold.took(agents.ORCHESTRATION_SECONDS, ())

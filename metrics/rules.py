"""Which entry adds to which family: a rule by action, as the list of families tells it. Pure.

The rules read the event's own fields and write through `Folding`, which bounds and refuses. Here
stands what every entry adds, and which rule an action has; the rules themselves stand in
run_rules.py, call_rules.py and act_rules.py. Families that an action feeds name it in their
`fed_by`; a test compares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from metrics import act_rules, call_rules, run_rules
from metrics import agent_families as agents
from metrics import ledger_families as ledgers
from metrics import platform_families as platform
from metrics.family import Family
from metrics.folding import Folding
from metrics.labels import OTHER, Key

PLATFORM: Final = "platform"
"""The agent id of the platform's own entries, which is no agent (audit.agents.PLATFORM)."""

Rule: TypeAlias = Callable[[Folding], None]

CRITICAL_TOOLS: Final = frozenset({"high", "critical"})


def every(fold: Folding) -> None:
    """Count an entry as what it is, whatever it says."""
    event = fold.event
    category, action = event["category"], event["action"]
    # Nine entries of ten look like one before: the series of all three counters are found at once.
    is_platform = fold.agent_id == PLATFORM
    ledger = fold.ledger
    looks = (category, action, fold.status, fold.environment, fold.agent, ledger, is_platform)
    fold.count_usual(fold.usual.get(looks) or _usual(fold, looks))
    for what in _WORK.get((fold.status, category)) or _work(fold.status, category):
        fold.work(what)
    if event.get("severity") == "critical" or fold.block("tool").get("risk") in CRITICAL_TOOLS:
        fold.count(agents.CRITICAL_ACTIONS, (fold.label("action", action),))
    ledger = fold.label("ledger", ledger)
    if fold.is_late:
        fold.guard(ledgers.EVENTS_BACKFILLED, (category, ledger))
    else:
        fold.observe(ledgers.INGEST_LAG, ("delivered", ledger), fold.lag(), per_unit=1_000_000)


_WORK: Final[dict[tuple[str, str], tuple[str, ...]]] = {}


def _work(status: str, category: str) -> tuple[str, ...]:
    """Return what an act is to whoever compares agents' quarters of an hour; statuses are few."""
    found = ["calls"]
    if status in {"error", "denied"}:
        found.append("errors" if status == "error" else "denied")
    if category == "data_access":
        found.append("data")
    return _WORK.setdefault((status, category), tuple(found))


def _usual(fold: Folding, looks: tuple[Any, ...]) -> tuple[Key, ...]:
    category, action, status, environment, agent, ledger, is_platform = looks
    ledger, named = fold.label("ledger", ledger), fold.label("action", action)
    names = fold.names
    series = [
        names.combine(agents.EVENTS, (category, status, environment, ledger)),
        names.combine(agents.AUDIT_ACTIONS, (named, status, ledger)),
    ]
    if not is_platform:
        series.append(names.combine(agents.AGENT_OPERATIONS, (agent, category, status)))
    if not names.has_overflowed:  # an overflow counts each time, so it is looked up each time
        fold.usual[looks] = tuple(series)
    return tuple(series)


def register(fold: Folding) -> None:
    """Give an agent its name in labels; history counts, since who is registered stays so.

    Also where labels do not tell agents apart: budgets do.
    """
    name = fold.block("agent").get("name") if fold.names.agent_label != "id" else None
    label = fold.label("agent", name or fold.agent_id)
    if label != OTHER and not fold.state.register(fold.agent_id, label):
        fold.guard(platform.LABEL_OVERFLOW, ("agent",))


def _for(rule: Rule, family: Family) -> dict[str, Rule]:
    return dict.fromkeys(family.fed_by, rule)


RULES: Final[Mapping[str, Rule]] = {
    "agent.registered": register,
    "run.started": run_rules.run_started,
    "run.completed": run_rules.run_completed,
    "loop.completed": run_rules.loop_completed,
    "goal.created": run_rules.goal_created,
    "goal.started": run_rules.goal_started,
    "goal.completed": run_rules.goal_ended,
    "goal.failed": run_rules.goal_ended,
    "plan.created": run_rules.plan_created,
    "task.enqueued": run_rules.task_enqueued,
    "task.started": run_rules.task_started,
    "task.completed": run_rules.task_ended,
    "task.failed": run_rules.task_ended,
    "orchestration.cycled": run_rules.orchestrated,
    "tool.invoke": call_rules.tool_invoked,
    "db.queried": act_rules.queried,
    "api.called": act_rules.service_called,
    "system.resource_sampled": act_rules.sampled,
    "metric.recorded": act_rules.measured,
    **_for(call_rules.model_asked, agents.LLM_REQUESTS),
    **_for(call_rules.remembered, agents.MEMORY_OPERATIONS),
    **_for(call_rules.workflow_ended, agents.WORKFLOW_EXECUTIONS),
    **_for(call_rules.step_ended, agents.WORKFLOW_NODES),
    **_for(act_rules.permission, agents.PERMISSIONS),
    **_for(act_rules.security, agents.SECURITY_EVENTS),
    "auth.login": act_rules.login,
    **_for(act_rules.data_used, agents.DATA_ACCESS),
    **_for(act_rules.checkpoint, agents.CHECKPOINTS),
    **_for(act_rules.file, agents.FILE_OPERATIONS),
}
"""The rule of each action that adds more than every entry does."""

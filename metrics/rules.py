"""Which entry adds to which family: a rule by action, as the list of families tells it. Pure.

The rules read the event's own fields and write through `Folding`, which bounds and refuses. Rules
for all entries stand first, then one an action. Families that an action feeds name it in their
`fed_by`; a test compares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from metrics import agent_families as agents
from metrics import ledger_families as ledgers
from metrics import platform_families as platform
from metrics.family import TOKEN_TYPES, Family
from metrics.folding import Folding
from metrics.labels import NONE, OTHER, Key, normalise
from metrics.states import fingerprint

PLATFORM: Final = "platform"
"""The agent id of the platform's own entries, which is no agent (audit.agents.PLATFORM)."""

Rule: TypeAlias = Callable[[Folding], None]

_CRITICAL_TOOLS: Final = frozenset({"high", "critical"})
_DECIDED: Final = {
    "allow": "granted", "approved": "granted", "deny": "denied", "require_approval": "requested",
}  # fmt: skip


# --- Every entry ---------------------------------------------------------------------------------


def every(fold: Folding) -> None:
    """Count an entry as what it is, whatever it says."""
    event = fold.event
    category, action = event["category"], event["action"]
    # Nine entries of ten look like one before: the series of all three counters are found at once.
    is_platform = fold.agent_id == PLATFORM
    ledger = fold.seen.ledger
    looks = (category, action, fold.status, fold.environment, fold.agent, ledger, is_platform)
    fold.count_usual(fold.usual.get(looks) or _usual(fold, looks))
    if event.get("severity") == "critical" or fold.block("tool").get("risk") in _CRITICAL_TOOLS:
        fold.count(agents.CRITICAL_ACTIONS, (fold.label("action", action),))
    ledger = fold.label("ledger", ledger)
    if fold.is_late:
        fold.guard(ledgers.EVENTS_BACKFILLED, (category, ledger))
    else:
        lag = fold.seen.received_us - fold.seen.occurred_us
        fold.observe(ledgers.INGEST_LAG, ("delivered", ledger), lag, per_unit=1_000_000)


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
    """Give an agent its name in labels; history counts, since who is registered stays so."""
    if fold.names.agent_label == "off":
        return
    name = fold.block("agent").get("name") if fold.names.agent_label == "name" else None
    label = fold.label("agent", name or fold.agent_id)
    if label != OTHER and not fold.state.register(fold.agent_id, label):
        fold.refuse(agents.AGENT_EXECUTIONS, "full")


# --- Runs, loops, goals, plans, tasks ------------------------------------------------------------


def _error_type(fold: Folding) -> str:
    return fold.label("error_type", fold.block("error").get("type"))


def _mode(fold: Folding) -> str:
    return fold.label("mode", fold.block("run").get("mode"))


def _ended(fold: Folding) -> str:
    """Return the status of what ended: an act called failed has failed, whatever else it says."""
    if fold.status == "success" and fold.event["action"].endswith("failed"):
        return "error"
    return fold.status


def _run_started(fold: Folding) -> None:
    run_id = fold.block("run").get("id")
    if run_id is None:
        fold.refuse(agents.AGENT_ACTIVE_EXECUTIONS, "missing")
    else:
        fold.open("run", (fold.agent,), fold.agent_id, run_id)


def _run_completed(fold: Folding) -> None:
    fold.count(agents.AGENT_EXECUTIONS, (fold.agent, fold.status, fold.environment))
    fold.took(agents.AGENT_EXECUTION_SECONDS, (fold.agent, fold.environment))
    if fold.status == "error":
        fold.count(agents.AGENT_ERRORS, (fold.agent, _error_type(fold)))
    if (run_id := fold.block("run").get("id")) is not None:
        fold.close("run", fold.agent_id, run_id)


def _loop_completed(fold: Folding) -> None:
    fold.count(agents.AGENT_LOOPS, (fold.status,))
    fold.took(agents.AGENT_LOOP_SECONDS, (fold.label("phase", fold.block("run").get("phase")),))


def _goal_created(fold: Folding) -> None:
    fold.count(agents.GOALS, (_mode(fold), "other"))


def _goal_started(fold: Folding) -> None:
    goal_id = fold.block("run").get("goal_id")
    if goal_id is None:
        fold.refuse(agents.GOALS_ACTIVE, "missing")
    else:
        fold.open("goal", (_mode(fold),), fold.agent_id, goal_id)


def _goal_ended(fold: Folding) -> None:
    mode = _mode(fold)
    fold.count(agents.GOALS, (mode, _ended(fold)))
    if fold.event["action"] == "goal.completed":
        fold.took(agents.GOAL_SECONDS, (mode,))
    if (goal_id := fold.block("run").get("goal_id")) is not None:
        fold.close("goal", fold.agent_id, goal_id)


def _plan_created(fold: Folding) -> None:
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


def _task_enqueued(fold: Folding) -> None:
    queued = _queued(fold)
    if queued is None:
        fold.refuse(agents.TASK_QUEUE_SIZE, "missing")
    else:
        fold.open("queue", (fold.label("queue", fold.block("run").get("queue")),), *queued)


def _task_started(fold: Folding) -> None:
    task_id = fold.block("run").get("task_id")
    if task_id is None:
        fold.refuse(agents.TASKS_ACTIVE, "missing")
    else:
        fold.open("task", (_mode(fold),), fold.agent_id, task_id)
    _leave_queue(fold)


def _task_ended(fold: Folding) -> None:
    mode, status = _mode(fold), _ended(fold)
    fold.count(agents.TASKS, (fold.agent, mode, status, fold.environment))
    fold.took(agents.TASK_SECONDS, (mode,))
    if (task_id := fold.block("run").get("task_id")) is not None:
        fold.close("task", fold.agent_id, task_id)
    _leave_queue(fold)
    _recovery(fold, mode, status)


def _recovery(fold: Folding, mode: str, status: str) -> None:
    # History and what happens now each have their own: a load must not end a failure of today.
    stream = "late" if fold.is_late else "live"
    name = fingerprint(stream, fold.agent_id, mode)
    if status == "error":
        if not fold.state.fail(name, fold.seen.occurred_us):
            fold.refuse(agents.TASK_RECOVERY_SECONDS, "full")
    elif status == "success":
        failed_us = fold.state.recover(name)
        if failed_us is not None:
            took = fold.seen.occurred_us - failed_us
            fold.observe(agents.TASK_RECOVERY_SECONDS, (), took, per_unit=1_000_000)


def _orchestrated(fold: Folding) -> None:
    fold.took(agents.ORCHESTRATION_SECONDS, ())


# --- Tools and models ----------------------------------------------------------------------------


def _tool_invoked(fold: Folding) -> None:
    said = fold.block("tool")
    tool = fold.label("tool", said.get("name"))
    fold.count(agents.TOOL_CALLS, (tool, fold.status, fold.environment))
    fold.took(agents.TOOL_SECONDS, (tool,))
    fold.observe(agents.TOOL_RESULT_BYTES, (tool,), said.get("result_bytes"))
    if fold.status == "error":
        fold.count(agents.TOOL_ERRORS, (tool, _error_type(fold)))


def _model_asked(fold: Folding) -> None:
    said = fold.block("model")
    pair = fold.names.learn_model(said.get("provider"), said.get("name"))
    fold.count(agents.LLM_REQUESTS, (*pair, fold.status, fold.environment))
    fold.took(agents.LLM_SECONDS, pair)
    tokens = _tokens(fold, pair)
    _cost(fold, pair, tokens)


def _tokens(fold: Folding, pair: tuple[str, str]) -> Mapping[str, int]:
    usage, tokens = fold.block("usage"), {}
    for kind in TOKEN_TYPES:
        said = usage.get(f"{kind}_tokens")
        if said is None and (kind != "input" or "output_tokens" in usage):
            continue  # that neither input nor output is told is said once
        number = fold.whole(agents.LLM_TOKENS, said)
        if number is not None:
            tokens[kind] = number
            fold.count(agents.LLM_TOKENS, (*pair, kind), number)
    return tokens


def _cost(fold: Folding, pair: tuple[str, str], tokens: Mapping[str, int]) -> None:
    said = fold.block("usage").get("cost_usd")
    nano: int | None
    if said is None:
        nano = fold.known.cost(fold.block("model"), tokens, fold.seen.occurred_us)
        if nano is None:
            fold.refuse(agents.LLM_COST, "missing")
    else:
        nano = fold.whole(agents.LLM_COST, said)
    if nano is not None:
        fold.count(agents.LLM_COST, (*pair, fold.environment), nano)
        fold.spend(nano, provider=pair[0], model=pair[1])


# --- Memory and workflows ------------------------------------------------------------------------


def _operation(fold: Folding) -> str:
    action: str = fold.event["action"]
    return action.partition(".")[2]


def _remembered(fold: Folding) -> None:
    said, operation = fold.block("memory"), _operation(fold)
    memory_type = fold.label("memory_type", said.get("type"))
    fold.count(agents.MEMORY_OPERATIONS, (operation, memory_type, fold.status))
    fold.took(agents.MEMORY_SECONDS, (operation, memory_type))
    if (hit := said.get("cache_hit")) is not None:
        cache = fold.label("cache", said.get("store"))
        fold.count(agents.CACHE_REQUESTS, (cache, "hit" if hit else "miss"))
    _say(fold, agents.AGENT_MEMORY_BYTES, (fold.agent, memory_type), said.get("bytes"))


def _say(fold: Folding, family: Family, labels: tuple[str, ...], value: object) -> None:
    """Set a gauge where the entry says a value: that it says none is no fault."""
    if value is not None and (whole := fold.whole(family, value)) is not None:
        fold.set(family, labels, whole)


def _workflow(fold: Folding) -> str:
    said = fold.block("workflow")
    return fold.label("workflow", said.get("name", said.get("id")))


def _workflow_ended(fold: Folding) -> None:
    workflow = _workflow(fold)
    fold.count(agents.WORKFLOW_EXECUTIONS, (workflow, _ended(fold)))
    fold.took(agents.WORKFLOW_SECONDS, (workflow,))


def _step_ended(fold: Folding) -> None:
    step_type = fold.label("node_type", fold.block("workflow").get("step_type"))
    fold.count(agents.WORKFLOW_NODES, (_workflow(fold), step_type, _ended(fold)))


# --- Permissions, security, data -----------------------------------------------------------------


def _permission(fold: Folding) -> None:
    action: str = fold.event["action"]
    decision: str | None
    if action == "decision.evaluated":
        decision = _DECIDED.get(fold.block("decision").get("effect", ""))
    else:
        decision = action.partition(".")[2]
    if decision is None:
        fold.refuse(agents.PERMISSIONS, "missing")
    else:
        fold.count(agents.PERMISSIONS, (action, decision))


def _security(fold: Folding) -> None:
    severity = fold.event.get("severity", "info")
    fold.count(agents.SECURITY_EVENTS, (fold.event["action"], severity))


def _login(fold: Folding) -> None:
    _security(fold)
    method = fold.label("auth_method", fold.block("auth").get("method"))
    fold.count(ledgers.AUTH_ATTEMPTS, (method, fold.status))


def _data_used(fold: Folding) -> None:
    basis = fold.label("lawful_basis", fold.block("data").get("legal_basis"))
    fold.count(agents.DATA_ACCESS, (_operation(fold), basis))


# --- Checkpoints, files, databases, services, machines -------------------------------------------


def _checkpoint(fold: Folding) -> None:
    fold.count(agents.CHECKPOINTS, (fold.event["action"], fold.status))


def _file(fold: Folding) -> None:
    fold.count(agents.FILE_OPERATIONS, (_operation(fold), fold.status))


def _queried(fold: Folding) -> None:
    said = fold.block("labels").get("operation")
    operation = "query" if said is None else fold.label("db_operation", said)
    fold.took(agents.DB_SECONDS, (operation,))


def _service_called(fold: Folding) -> None:
    provider = fold.label("provider", _provider(fold.block("target")))
    fold.count(agents.EXTERNAL_API_CALLS, (provider, fold.status))


def _provider(target: Mapping[str, Any]) -> str | None:
    """Return who offers a service: the target's system, else its id up to the first slash."""
    system: str | None = target.get("system")
    if system is not None:
        return system
    target_id: str = target.get("id", "")
    return target_id.partition("://")[2].partition("/")[0] or target_id.partition("/")[0] or None


def _sampled(fold: Folding) -> None:
    said = fold.block("resource")
    _say(fold, platform.AGENT_CPU, (fold.agent,), said.get("cpu_ratio"))
    _say(fold, platform.AGENT_PROCESS_MEMORY, (fold.agent,), said.get("memory_bytes"))


# --- Metrics of agents' own ----------------------------------------------------------------------


def _measured(fold: Folding) -> None:
    said = fold.block("measure")
    allowed = fold.known.custom.get(said.get("name", ""))
    labels: Mapping[str, str] = said.get("labels", {})
    if (
        allowed is None
        or allowed.kind != said.get("type")
        or not labels.keys() <= set(allowed.labels)
    ):
        fold.guard(platform.CUSTOM_REFUSED, (fold.label("custom", said.get("name")),))
        return
    name = normalise(allowed.name)
    values = (
        name,
        *(
            fold.label(f"custom.{name}.{label}", labels[label]) if label in labels else NONE
            for label in allowed.labels
        ),
    )
    value = said.get("value")
    if allowed.kind == "histogram":
        fold.observe(agents.CUSTOM_SECONDS, values, value)
        return
    family = agents.CUSTOM_GAUGE if allowed.kind == "gauge" else agents.CUSTOM_COUNTER
    whole = fold.whole(family, value, is_signed=allowed.kind == "gauge")
    if whole is None:
        return
    if allowed.kind == "gauge":
        fold.set(family, values, whole)
    else:
        fold.count(family, values, whole)


# --- Which rule is whose -------------------------------------------------------------------------


def _for(rule: Rule, family: Family) -> dict[str, Rule]:
    return dict.fromkeys(family.fed_by, rule)


RULES: Final[Mapping[str, Rule]] = {
    "agent.registered": register,
    "run.started": _run_started,
    "run.completed": _run_completed,
    "loop.completed": _loop_completed,
    "goal.created": _goal_created,
    "goal.started": _goal_started,
    "goal.completed": _goal_ended,
    "goal.failed": _goal_ended,
    "plan.created": _plan_created,
    "task.enqueued": _task_enqueued,
    "task.started": _task_started,
    "task.completed": _task_ended,
    "task.failed": _task_ended,
    "orchestration.cycled": _orchestrated,
    "tool.invoke": _tool_invoked,
    "db.queried": _queried,
    "api.called": _service_called,
    "system.resource_sampled": _sampled,
    "metric.recorded": _measured,
    **_for(_model_asked, agents.LLM_REQUESTS),
    **_for(_remembered, agents.MEMORY_OPERATIONS),
    **_for(_workflow_ended, agents.WORKFLOW_EXECUTIONS),
    **_for(_step_ended, agents.WORKFLOW_NODES),
    **_for(_permission, agents.PERMISSIONS),
    **_for(_security, agents.SECURITY_EVENTS),
    "auth.login": _login,
    **_for(_data_used, agents.DATA_ACCESS),
    **_for(_checkpoint, agents.CHECKPOINTS),
    **_for(_file, agents.FILE_OPERATIONS),
}
"""The rule of each action that adds more than every entry does."""

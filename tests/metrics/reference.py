"""The table of requirements once more, as naively as it can be written: what fold must agree with.

Shares nothing with the rules but the caps and the names of lists. A line is a family, the actions
that feed it, its labels and, for a histogram or a sum, its value. Pairs of entries (what is open,
recovery) and guards are left to tests of their own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any, Final, TypeAlias

from audit.actions import ACTIONS
from metrics.families import BY_NAME
from metrics.fold import Seen
from metrics.labels import CAPS

Event: TypeAlias = Any
Labels: TypeAlias = Callable[[Event], list[tuple[str | None, Any]]]
"""Each label's list (None: the value is ours) and value."""

Series: TypeAlias = tuple[str, tuple[str, ...]]
KEPT: Final = {"status", "environment", "token_type", "decision", "severity", "stage", "outcome"}
SIZES: Final = {
    "status": 4, "environment": 4, "token_type": 4, "decision": 3, "severity": 5, "stage": 3,
    "outcome": 6,
}  # fmt: skip


def at(event: Event, path: str) -> Any:
    for part in path.split("."):
        event = event.get(part) if isinstance(event, dict) else None
    return event


def status(event: Event) -> tuple[None, str]:
    said = event["outcome"]
    words = {"success": "success", "failure": "error", "error": "error", "denied": "denied"}
    return (None, words.get(said, "other"))


def ended(event: Event) -> tuple[None, str]:
    if event["action"].endswith("failed") and event["outcome"] == "success":
        return (None, "error")
    return status(event)


def environment(event: Event) -> tuple[None, str]:
    return (None, at(event, "agent.environment") or "prod")


def verb(event: Event) -> tuple[None, str]:
    return (None, event["action"].split(".", 1)[1])


def listed(name: str, path: str) -> Callable[[Event], tuple[str, Any]]:
    return lambda event: (name, at(event, path))


def agent(event: Event) -> tuple[str, Any]:
    return ("agent", event["agent"]["id"])


def workflow(event: Event) -> tuple[str, Any]:
    return ("workflow", at(event, "workflow.name") or at(event, "workflow.id"))


def provider(event: Event) -> tuple[str, Any]:
    target = at(event, "target.system") or at(event, "target.id")
    return ("provider", target and re.sub(r"^.*?://", "", target).split("/")[0])


def queried(event: Event) -> tuple[str | None, Any]:
    said = at(event, "labels.operation")
    return ("db_operation", said) if said else (None, "query")


def decision(event: Event) -> tuple[None, str]:
    effect = at(event, "decision.effect")
    said = {"allow": "granted", "approved": "granted", "deny": "denied"}.get(effect, "requested")
    return (None, said if event["action"] == "decision.evaluated" else verb(event)[1])


def failed(event: Event) -> bool:
    return event["outcome"] in {"failure", "error"}


def starts(*families: str) -> set[str]:
    return {action for action in ACTIONS if action.split(".")[0] in families}


mode = listed("mode", "run.mode")
tool = listed("tool", "tool.name")
error_type = listed("error_type", "error.type")
memory_type = listed("memory_type", "memory.type")
action_name = listed("action", "action")
model = ("model", "model")
ENDS: Final = {"task.completed", "task.failed"}
FLOWS: Final = {"workflow.completed", "workflow.failed"}
LLM: Final = {"llm.call", "llm.embed", "llm.retrieve"}
SECURITY: Final = starts("auth", "identity", "credential", "guardrail") | {"alert.raised"}

# family, actions, condition, labels
COUNTERS: Final[list[tuple[str, set[str], Callable[[Event], bool], list[Any]]]] = [
    ("obs_agent_executions_total", {"run.completed"}, bool, [agent, status, environment]),
    ("obs_agent_errors_total", {"run.completed"}, failed, [agent, error_type]),
    ("obs_agent_loops_total", {"loop.completed"}, bool, [status]),
    ("obs_agent_operations_total", set(ACTIONS), lambda e: e["agent"]["id"] != "platform",
     [agent, lambda e: (None, e["category"]), status]),
    ("obs_goals_total", {"goal.created"}, bool, [mode, lambda e: (None, "other")]),
    ("obs_goals_total", {"goal.completed", "goal.failed"}, bool, [mode, ended]),
    ("obs_tasks_total", ENDS, bool, [agent, mode, ended, environment]),
    ("obs_tool_calls_total", {"tool.invoke"}, bool, [tool, status, environment]),
    ("obs_tool_errors_total", {"tool.invoke"}, failed, [tool, error_type]),
    ("obs_llm_requests_total", LLM, bool, [model, status, environment]),
    ("obs_memory_operations_total", starts("memory"), bool, [verb, memory_type, status]),
    ("obs_cache_requests_total", starts("memory"), lambda e: at(e, "memory.cache_hit") is not None,
     [listed("cache", "memory.store"),
      lambda e: (None, "hit" if e["memory"]["cache_hit"] else "miss")]),
    ("obs_workflow_executions_total", FLOWS, bool, [workflow, ended]),
    ("obs_workflow_node_executions_total", {"workflow.step_completed", "workflow.step_failed"},
     bool, [workflow, listed("node_type", "workflow.step_type"), ended]),
    ("obs_events_total", set(ACTIONS), bool,
     [lambda e: (None, e["category"]), status, environment, listed("ledger", "ledger")]),
    ("obs_audit_actions_total", set(ACTIONS), bool,
     [action_name, status, listed("ledger", "ledger")]),
    ("obs_critical_actions_total", set(ACTIONS),
     lambda e: at(e, "severity") == "critical" or at(e, "tool.risk") in {"high", "critical"},
     [action_name]),
    ("obs_permission_requests_total",
     {"approval.requested", "approval.granted", "approval.denied", "decision.evaluated"},
     lambda e: e["action"] != "decision.evaluated" or bool(at(e, "decision.effect")),
     [lambda e: (None, e["action"]), decision]),
    ("obs_security_events_total", SECURITY, bool,
     [lambda e: (None, e["action"]), lambda e: (None, e.get("severity", "info"))]),
    ("obs_auth_attempts_total", {"auth.login"}, bool,
     [listed("auth_method", "auth.method"), status]),
    ("obs_data_access_total", starts("data"), bool,
     [verb, listed("lawful_basis", "data.legal_basis")]),
    ("obs_checkpoints_total",
     {"agent.interrupted", "agent.checkpoint_saved", "agent.checkpoint_loaded"}, bool,
     [lambda e: (None, e["action"]), status]),
    ("obs_file_operations_total", starts("file"), bool, [verb, status]),
    ("obs_external_api_calls_total", {"api.called"}, bool, [provider, status]),
]  # fmt: skip

MS: Final = 1_000
TOOK: Final[list[tuple[str, set[str], list[Any]]]] = [
    ("agent_execution_duration", {"run.completed"}, [agent, environment]),
    ("agent_loop_duration", {"loop.completed"}, [listed("phase", "run.phase")]),
    ("goal_completion", {"goal.completed"}, [mode]),
    ("planning_duration", {"plan.created"}, []),
    ("task_duration", ENDS, [mode]),
    ("tool_execution_duration", {"tool.invoke"}, [tool]),
    ("llm_request_duration", LLM, [model]),
    ("memory_operation_duration", starts("memory"), [verb, memory_type]),
    ("workflow_execution_duration", FLOWS, [workflow]),
    ("orchestration_cycle_duration", {"orchestration.cycled"}, []),
    ("db_operation_duration", {"db.queried"}, [queried]),
]  # fmt: skip

# family, actions, labels, value, how many of the kept whole numbers one of it is, the most
MEASURES: Final[list[tuple[str, set[str], list[Any], str, int, int]]] = [
    *[
        (f"obs_{name}_seconds", actions, labels, "duration_ms", MS, 31 * 86_400 * 1_000)
        for name, actions, labels in TOOK
    ],
    ("obs_planning_quality_ratio", {"plan.created"}, [], "plan.quality", 10**6, 1),
    ("obs_planning_steps", {"plan.created"}, [], "plan.steps", 1, 10**6),
    ("obs_tool_result_size_bytes", {"tool.invoke"}, [tool], "tool.result_bytes", 1, 2**50),
    ("obs_llm_cost_usd_total", LLM, [model, environment], "usage.cost_usd", 10**9, 10**6),
    *[
        ("obs_llm_tokens_total", LLM, [model, lambda e, t=token_type: (None, t)],
         f"usage.{token_type}_tokens", 1, 10**9)
        for token_type in ("input", "output", "cache_read", "reasoning")
    ],
]  # fmt: skip


def normal(value: Any) -> str:
    if not isinstance(value, str):
        return "_none"
    return re.sub(r"[^a-z0-9_.:/-]+", "_", value.lower()).lstrip("_")[:64] or "_none"


class Reference:
    """Counts entry by entry into plain sums, and keeps whole lists of what was observed."""

    def __init__(self) -> None:
        self.lists: dict[str, list[str]] = {}
        self.rows: dict[str, list[tuple[str, ...]]] = {}
        self.registered: dict[str, str] = {}
        self.totals: Counter[Series] = Counter()
        self.minutes: Counter[tuple[int, Series]] = Counter()
        self.observed: dict[Series, list[int]] = {}
        self.overflow: Counter[str] = Counter()

    def read(self, entries: Iterable[Seen]) -> Reference:
        for entry in entries:
            self._full: set[str] = set()
            event: Event = {**entry.event, "ledger": entry.ledger}
            action = event["action"]
            for name, actions, holds, labels in COUNTERS:
                if action in actions and holds(event):
                    self._add(entry, name, [make(event) if callable(make) else make
                                            for make in labels], event, 1)  # fmt: skip
            for name, actions, labels, path, scale, most in MEASURES:
                said = at(event, path)
                if action in actions:
                    made = [make(event) if callable(make) else make for make in labels]
                    if said is None or not 0 <= said <= most:
                        self._values(made, event)  # a list learns also when the value is refused
                    else:
                        self._add(entry, name, made, event, round(Fraction(said) * scale))
            lag = entry.received_us - entry.occurred_us
            if not self.is_late(entry) and lag >= 0:
                delivered = [(None, "delivered"), ("ledger", entry.ledger)]
                self._add(entry, "obs_ingest_lag_seconds", delivered, event, lag)
            for pairs, path in (
                ({"goal.started"}, "run.goal_id"),
                ({"task.started"}, "run.task_id"),
            ):
                if action in pairs and at(event, path):  # what begins says its mode, too
                    self._learn("mode", normal(at(event, "run.mode")))
            if action == "agent.registered":
                name = normal(event["agent"]["id"])
                if self._learn("agent", name) != "_other":
                    self.registered[event["agent"]["id"]] = name
            self.overflow.update(self._full)
        return self

    @staticmethod
    def is_late(entry: Seen) -> bool:
        return entry.is_backfill or entry.received_us - entry.occurred_us > 3_600_000_000

    def _add(self, entry: Seen, name: str, labels: list[Any], event: Event, number: int) -> None:
        series = (name, self._row(name, self._values(labels, event)))
        minute = min(entry.received_us, entry.occurred_us) // 60_000_000
        self.minutes[minute, series] += number
        if not self.is_late(entry):
            self.totals[series] += number
            if BY_NAME[name].kind == "histogram":
                self.observed.setdefault(series, []).append(number)

    def _values(self, labels: list[Any], event: Event) -> tuple[str, ...]:
        values: list[str] = []
        for name, value in labels:
            if name is None:
                values.append(value)
            elif name == "agent":
                values.append(self.registered.get(value, "_other"))
            elif name == "model":
                pair = f"{normal(at(event, 'model.provider'))} {normal(at(event, 'model.name'))}"
                known = "_none _none" if pair == "_none _none" else self._learn("model", pair)
                values += ["_other", "_other"] if known == "_other" else known.split(" ")
            else:
                values.append(self._learn(name, normal(value)))
        return tuple(values)

    def _learn(self, name: str, value: str) -> str:
        known = self.lists.setdefault(name, [])
        if value == "_none" or value in known:
            return value
        if len(known) < CAPS[name]:
            known.append(value)
            return value
        self._full.add(name)
        return "_other"

    def _row(self, name: str, values: tuple[str, ...]) -> tuple[str, ...]:
        family, known = BY_NAME[name], self.rows.setdefault(name, [])
        folded = tuple(
            value if label in KEPT else "_other"
            for label, value in zip(family.labels, values, strict=True)
        )
        if values == folded or values in known:
            return values
        reserve = 1
        for label in family.labels:
            reserve *= SIZES.get(label, 1)
        if len(known) < family.cap - reserve:
            known.append(values)
            return values
        self._full.add(name)
        return folded

"""Families about agents and what they do, rows 1 to 49: nearly all folded from entries. Pure.

What a family means stands in its `help`; the words of events in docs/events.md. Folded by fold.py,
`facts` asked by SQL. Gathered by families.py.
"""

from __future__ import annotations

from typing import Final

from metrics import buckets
from metrics.family import Family, family

MONTH: Final = 31 * 86_400
"""Seconds of the longest duration that is believed."""

PEBIBYTE: Final = 1 << 50
TOKENS: Final = 1_000_000_000
DOLLARS: Final = 1_000_000
STEPS: Final = 1_000_000
CORES: Final = 4_096
MEASURED: Final = 1_000_000_000_000
"""The most that one entry may say of tokens, dollars, steps, busy cores and measures of its own."""

_TASK_ENDS = "task.completed task.failed"
_MEMORY = "memory.write memory.read memory.search memory.delete memory.nothing_found memory.export"
_MODELS = "llm.call llm.embed llm.retrieve"
_WORKFLOW_ENDS = "workflow.completed workflow.failed"

AGENT_EXECUTIONS: Final = family(
    "counter", 1, "obs_agent_executions_total", "agent status environment", cap=64,
    help="Runs of registered agents that ended, by how they ended.",
    fed_by="run.completed", detail="minimal",
)  # fmt: skip
AGENT_ERRORS: Final = family(
    "counter", 2, "obs_agent_errors_total", "agent error_type", cap=24,
    help="Runs that ended in failure or error, by the type of the error.",
    fed_by="run.completed", detail="minimal",
)  # fmt: skip
AGENT_EXECUTION_SECONDS: Final = family(
    "histogram", 3, "obs_agent_execution_duration_seconds", "agent environment", cap=32,
    help="How long a run took, as its end says.",
    unit="seconds", edges=buckets.AGENT, most=MONTH, fed_by="run.completed", detail="minimal",
)  # fmt: skip
AGENT_ACTIVE_EXECUTIONS: Final = family(
    "gauge", 4, "obs_agent_active_executions", "agent", cap=24,
    help="Runs that began and have not ended; one without an end counts for 6 hours.",
    fed_by="run.started run.completed",
)  # fmt: skip
AGENTS_ACTIVE: Final = family(
    "gauge", 5, "obs_agents_active", cap=1, sources=("facts",), detail="minimal",
    help="Agents that left an entry in the last 5 minutes.",
)  # fmt: skip
AGENT_LOOP_SECONDS: Final = family(
    "histogram", 6, "obs_agent_loop_duration_seconds", "phase", cap=8,
    help="How long one turn of an agent's loop took, by phase.",
    unit="seconds", edges=buckets.AGENT, most=MONTH, fed_by="loop.completed",
)  # fmt: skip
AGENT_LOOPS: Final = family(
    "counter", 7, "obs_agent_loops_total", "status", cap=4,
    help="Turns of agents' loops that ended, by how they ended.",
    fed_by="loop.completed",
)  # fmt: skip
AGENT_OPERATIONS: Final = family(
    "counter", 8, "obs_agent_operations_total", "agent operation status", cap=132,
    help="Entries of agents by what sort of act they record; the operation is their category.",
    fed_by="*",
)  # fmt: skip
GOALS: Final = family(
    "counter", 9, "obs_goals_total", "mode status", cap=20,
    help="Goals that were created (other) and that ended (success, error, denied), by mode.",
    fed_by="goal.created goal.completed goal.failed",
)  # fmt: skip
GOALS_ACTIVE: Final = family(
    "gauge", 10, "obs_goals_active", "mode", cap=10,
    help="Goals that were started and have not ended; one without an end counts for 30 days.",
    fed_by="goal.started goal.completed goal.failed",
)  # fmt: skip
GOAL_SECONDS: Final = family(
    "histogram", 11, "obs_goal_completion_seconds", "mode", cap=8,
    help="How long a goal took that was reached, as its end says.",
    unit="seconds", edges=buckets.WORKFLOW, most=MONTH, fed_by="goal.completed",
)  # fmt: skip
PLANNING_SECONDS: Final = family(
    "histogram", 12, "obs_planning_duration_seconds", cap=1,
    help="How long it took to make a plan.",
    unit="seconds", edges=buckets.AGENT, most=MONTH, fed_by="plan.created",
)  # fmt: skip
PLANNING_QUALITY: Final = family(
    "histogram", 13, "obs_planning_quality_ratio", cap=1,
    help="How good a plan is in its maker's own eyes, 0 to 1.",
    unit="ratio", edges=buckets.RATIO, most=1, fed_by="plan.created",
)  # fmt: skip
PLANNING_STEPS: Final = family(
    "histogram", 14, "obs_planning_steps", cap=1,
    help="How many steps a plan has.",
    edges=buckets.COUNTS, most=STEPS, fed_by="plan.created",
)  # fmt: skip
TASKS: Final = family(
    "counter", 15, "obs_tasks_total", "agent mode status environment", cap=40,
    help="Tasks that ended, by agent, mode and how they ended.",
    fed_by=_TASK_ENDS, detail="minimal",
)  # fmt: skip
TASK_SECONDS: Final = family(
    "histogram", 16, "obs_task_duration_seconds", "mode", cap=8,
    help="How long a task took, whether it was done or failed.",
    unit="seconds", edges=buckets.WORKFLOW, most=MONTH, fed_by=_TASK_ENDS,
)  # fmt: skip
TASKS_ACTIVE: Final = family(
    "gauge", 17, "obs_tasks_active", "mode", cap=10,
    help="Tasks that were started and have not ended; one without an end counts for 24 hours.",
    fed_by=f"task.started {_TASK_ENDS}",
)  # fmt: skip
TASK_QUEUE_SIZE: Final = family(
    "gauge", 18, "obs_task_queue_size", "queue", cap=12, sources=("entries", "process"),
    help="Tasks that were queued and not started; of the platform's own Celery, messages waiting.",
    fed_by=f"task.enqueued task.started {_TASK_ENDS}",
)  # fmt: skip
TASK_RECOVERY_SECONDS: Final = family(
    "histogram", 19, "obs_task_recovery_seconds", cap=1,
    help="Time from a task that failed to the next that an agent did well in the same mode.",
    unit="seconds", edges=buckets.WORKFLOW, most=MONTH, fed_by=_TASK_ENDS,
)  # fmt: skip
TOOL_CALLS: Final = family(
    "counter", 20, "obs_tool_calls_total", "tool status environment", cap=64,
    help="Calls of tools, by how they ended.",
    fed_by="tool.invoke", detail="minimal",
)  # fmt: skip
TOOL_SECONDS: Final = family(
    "histogram", 21, "obs_tool_execution_duration_seconds", "tool", cap=26,
    help="How long a tool took to answer.",
    unit="seconds", edges=buckets.TOOL, most=MONTH, fed_by="tool.invoke",
)  # fmt: skip
TOOL_ERRORS: Final = family(
    "counter", 22, "obs_tool_errors_total", "tool error_type", cap=24,
    help="Calls of tools that ended in failure or error, by the type of the error.",
    fed_by="tool.invoke", detail="minimal",
)  # fmt: skip
TOOL_RESULT_BYTES: Final = family(
    "histogram", 23, "obs_tool_result_size_bytes", "tool", cap=20,
    help="How large the answer of a tool was.",
    unit="bytes", edges=buckets.BYTES, most=PEBIBYTE, fed_by="tool.invoke", detail="full",
)  # fmt: skip
LLM_REQUESTS: Final = family(
    "counter", 24, "obs_llm_requests_total", "provider model status environment", cap=40,
    help="Requests to models, by how they ended.",
    fed_by=_MODELS, detail="minimal",
)  # fmt: skip
LLM_SECONDS: Final = family(
    "histogram", 25, "obs_llm_request_duration_seconds", "provider model", cap=18,
    help="How long a model took to answer.",
    unit="seconds", edges=buckets.LLM, most=MONTH, fed_by=_MODELS,
)  # fmt: skip
LLM_TOKENS: Final = family(
    "counter", 26, "obs_llm_tokens_total", "provider model token_type", cap=40,
    help="Tokens that models read and wrote; there is no type for all of them, so sums hold.",
    fed_by=_MODELS, most=TOKENS,
)  # fmt: skip
LLM_COST: Final = family(
    "counter", 27, "obs_llm_cost_usd_total", "provider model environment", cap=32,
    help="What requests to models cost: as the event says, else tokens by the price table.",
    unit="usd", fed_by=_MODELS, most=DOLLARS, detail="minimal",
)  # fmt: skip
LLM_BUDGET: Final = family(
    "gauge", 28, "obs_llm_budget_usd", "budget", cap=16, sources=("facts",),
    help="What may be spent on models in the period of a budget.",
    unit="usd",
)  # fmt: skip
LLM_BUDGET_USED: Final = family(
    "gauge", 28, "obs_llm_budget_used_ratio", "budget", cap=16, sources=("facts",),
    help="How much of a budget for models is spent, 1 when all of it.",
    unit="ratio",
)  # fmt: skip
MEMORY_OPERATIONS: Final = family(
    "counter", 29, "obs_memory_operations_total", "operation memory_type status", cap=40,
    help="Reads, writes, searches and deletions in agents' memories, by how they ended.",
    fed_by=_MEMORY,
)  # fmt: skip
MEMORY_SECONDS: Final = family(
    "histogram", 30, "obs_memory_operation_duration_seconds", "operation memory_type", cap=16,
    help="How long an operation on an agent's memory took.",
    unit="seconds", edges=buckets.MEMORY, most=MONTH, fed_by=_MEMORY,
)  # fmt: skip
AGENT_MEMORY_BYTES: Final = family(
    "gauge", 31, "obs_agent_memory_size_bytes", "agent memory_type", cap=20,
    help="Size of an agent's memory as its newest entry about it says.",
    unit="bytes", most=PEBIBYTE, fed_by=_MEMORY,
)  # fmt: skip
CACHE_REQUESTS: Final = family(
    "counter", 32, "obs_cache_requests_total", "cache outcome", cap=20,
    sources=("entries", "process"),
    help="Look-ups in caches of agents' memories, and of the platform in what it remembers of API "
    "keys (api_keys), that hit or missed.",
    fed_by=_MEMORY,
)  # fmt: skip
WORKFLOW_EXECUTIONS: Final = family(
    "counter", 33, "obs_workflow_executions_total", "workflow status", cap=28,
    help="Workflows that ended, by how they ended.",
    fed_by=_WORKFLOW_ENDS,
)  # fmt: skip
WORKFLOW_SECONDS: Final = family(
    "histogram", 34, "obs_workflow_execution_duration_seconds", "workflow", cap=18,
    help="How long a workflow took, whether it was completed or failed.",
    unit="seconds", edges=buckets.WORKFLOW, most=MONTH, fed_by=_WORKFLOW_ENDS,
)  # fmt: skip
WORKFLOW_NODES: Final = family(
    "counter", 35, "obs_workflow_node_executions_total", "workflow node_type status", cap=28,
    help="Steps of workflows that ended, by the type of the step and how they ended.",
    fed_by="workflow.step_completed workflow.step_failed", detail="full",
)  # fmt: skip
ORCHESTRATION_SECONDS: Final = family(
    "histogram", 36, "obs_orchestration_cycle_duration_seconds", cap=1,
    help="How long one cycle of an orchestrator took.",
    unit="seconds", edges=buckets.AGENT, most=MONTH, fed_by="orchestration.cycled",
)  # fmt: skip
EVENTS: Final = family(
    "counter", 37, "obs_events_total", "category status environment ledger", cap=100,
    help="Events that were chained, by category and outcome.",
    fed_by="*", detail="minimal",
)  # fmt: skip
AUDIT_ACTIONS: Final = family(
    "counter", 38, "obs_audit_actions_total", "action status ledger", cap=240,
    help="Entries of the ledgers by the act that they record, and its outcome.",
    fed_by="*",
)  # fmt: skip
CRITICAL_ACTIONS: Final = family(
    "counter", 39, "obs_critical_actions_total", "action", cap=24,
    help="Acts of critical severity, and calls of tools of high or critical risk.",
    fed_by="*", detail="minimal",
)  # fmt: skip
PERMISSIONS: Final = family(
    "counter", 40, "obs_permission_requests_total", "action decision", cap=12,
    help="Permissions that were asked for, granted and denied, by people and by policies.",
    fed_by="approval.requested approval.granted approval.denied decision.evaluated",
)  # fmt: skip
SECURITY_EVENTS: Final = family(
    "counter", 41, "obs_security_events_total", "type severity", cap=40,
    help="Sign-ins, accounts, credentials, guardrails and alerts, by severity.",
    fed_by="auth.login auth.logout auth.session_expired auth.lockout auth.step_up "
    "auth.break_glass auth.token_issued identity.account_created identity.account_enabled "
    "identity.account_disabled identity.account_deleted identity.role_granted "
    "identity.role_revoked identity.permission_granted identity.offboarded credential.issued "
    "credential.rotated credential.revoked credential.paused credential.resumed "
    "guardrail.triggered guardrail.disabled alert.raised",
)  # fmt: skip
DATA_ACCESS: Final = family(
    "counter", 42, "obs_data_access_total", "operation lawful_basis", cap=28,
    help="Uses of data by what was done with them and on what legal basis.",
    fed_by="data.read data.create data.update data.delete data.export data.disclose "
    "data.transfer data.infer data.anonymize",
)  # fmt: skip
CHECKPOINTS: Final = family(
    "counter", 43, "obs_checkpoints_total", "action status", cap=16,
    help="Checkpoints that agents saved and loaded, and times somebody interrupted one.",
    fed_by="agent.interrupted agent.checkpoint_saved agent.checkpoint_loaded",
)  # fmt: skip
FILE_OPERATIONS: Final = family(
    "counter", 44, "obs_file_operations_total", "operation status", cap=16,
    help="Files that agents read, wrote and deleted, by how it ended.",
    fed_by="file.read file.written file.deleted",
)  # fmt: skip
DB_SECONDS: Final = family(
    "histogram", 45, "obs_db_operation_duration_seconds", "operation", cap=6,
    help="How long a query of an agent took; the operation is the event's label of that name.",
    unit="seconds", edges=buckets.MEMORY, most=MONTH, fed_by="db.queried",
)  # fmt: skip
ACTIVE_USERS: Final = family(
    "gauge", 46, "obs_active_users", "window", cap=2, sources=("facts",),
    help="People who acted, or for whom an agent did, in the last hour (1h) and day (24h).",
)  # fmt: skip
SESSIONS_ACTIVE: Final = family(
    "gauge", 47, "obs_sessions_active", cap=1, sources=("facts",),
    help="Sessions with an entry in the last 15 minutes.",
)  # fmt: skip
# Three names, not two: in OpenMetrics a counter's family is its name without `_total`, so a gauge
# `obs_custom_metric` beside `obs_custom_metric_total` would be one family with two types.
CUSTOM_COUNTER: Final = family(
    "counter", 48, "obs_custom_metric_total", "name", cap=24,
    help="Counters of agents' own that an administrator has allowed, by name.",
    unit="measure", most=MEASURED, fed_by="metric.recorded",
)  # fmt: skip
CUSTOM_GAUGE: Final = family(
    "gauge", 48, "obs_custom_metric_value", "name", cap=16,
    help="Gauges of agents' own that an administrator has allowed, by name.",
    unit="measure", most=MEASURED, fed_by="metric.recorded",
)  # fmt: skip
CUSTOM_SECONDS: Final = family(
    "histogram", 48, "obs_custom_metric_seconds", "name", cap=8,
    help="Durations of agents' own that an administrator has allowed, by name.",
    unit="seconds", edges=buckets.HTTP, most=MONTH, fed_by="metric.recorded",
)  # fmt: skip
EXTERNAL_API_CALLS: Final = family(
    "counter", 49, "obs_external_api_calls_total", "provider status", cap=20,
    help="Calls of services outside that are no models, by provider and how they ended.",
    fed_by="api.called",
)  # fmt: skip

FAMILIES: Final = tuple(each for each in tuple(globals().values()) if isinstance(each, Family))
"""All of the above: a family cannot be written down and forgotten here."""

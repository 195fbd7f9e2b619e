"""Make minute history as if agents had worked for days: rows, and nothing behind them.

Each series says something in one minute of `1 / share`; names are those of a fleet of twenty
agents, thirty tools and ten models. Used by operations.py, and to fill an installation that is
looked at.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import product

import psycopg

from metrics.families import BY_NAME

TOOLS = [f"tool-{number:02}" for number in range(30)]
MODELS = [f"provider-{number % 3} model-{number}" for number in range(10)]
MODES = ["batch", "chat", "review"]
ERRORS = ["timeout", "refused", "invalid_input", "overloaded"]
ACTIONS = ["run.completed", "tool.invoke", "llm.call", "task.completed", "data.read", "memory.read",
           "memory.write", "approval.granted", "decision.made", "file.read", "auth.login",
           "goal.completed"]  # fmt: skip
CATEGORIES = ["tool_call", "llm_call", "agent", "task", "data", "memory", "decision", "system"]
ROUTES = ["events", "entries", "admin:index", "metrics", "health"]

_ROWS = """
INSERT INTO metrics_minute (ledger_id, family, labels, minute, n)
SELECT %(ledger)s, %(family)s, label, minute, ceil(random() * %(most)s)
FROM unnest(%(labels)s::text[]) AS label,
    generate_series(%(first)s::timestamptz, %(last)s, interval '1 minute') AS minute
WHERE random() < %(share)s
"""
_HISTOGRAMS = """
INSERT INTO metrics_minute (ledger_id, family, labels, minute, buckets, total)
SELECT %(ledger)s, %(family)s, label, minute,
    (SELECT array_agg(floor(random() * 4)::bigint) FROM generate_series(1, %(edges)s)
     WHERE minute IS NOT NULL AND label IS NOT NULL),
    ceil(random() * %(most)s)
FROM unnest(%(labels)s::text[]) AS label,
    generate_series(%(first)s::timestamptz, %(last)s, interval '1 minute') AS minute
WHERE random() < %(share)s
"""
_TOTALS = """
INSERT INTO metrics_total (ledger_id, family, labels)
SELECT %s, %s, unnest(%s::text[])
ON CONFLICT DO NOTHING
"""
_GAUGES = """
INSERT INTO metrics_gaugeminute (family, labels, minute, value)
SELECT %(family)s, label, minute, %(most)s * (0.5 + 0.5 * random())
FROM unnest(%(labels)s::text[]) AS label,
    generate_series(%(first)s::timestamptz, %(last)s, interval '1 minute') AS minute
ON CONFLICT DO NOTHING
"""
_NAMES = (
    "INSERT INTO metrics_name (list, value) SELECT %s, unnest(%s::text[]) ON CONFLICT DO NOTHING"
)
_AGENTS = """
INSERT INTO metrics_state (ledger_id, state)
VALUES (%s, jsonb_build_object('v', 1, 'clock_us', 0, 'opened', '{}'::jsonb, 'agents',
    (SELECT jsonb_object_agg(name, name) FROM unnest(%s::text[]) AS name)))
ON CONFLICT (ledger_id) DO NOTHING
"""


def agent_names(number: int) -> list[str]:
    """Return the labels of so many agents."""
    return [f"agent-{each:02}" for each in range(number)]


def _joined(*lists: list[str]) -> list[str]:
    return [" ".join(values) for values in product(*lists)]


def _series(agents: list[str]) -> dict[str, tuple[list[str], float]]:
    """Return the series of each family that entries feed, and the most of one row."""
    told = ["success", "error"]
    models = _joined(MODELS, told, ["prod"])
    return {
        "obs_agent_executions_total": (_joined(agents, told, ["prod"]), 3),
        "obs_agent_errors_total": (_joined(agents, ERRORS[:1]), 1),
        "obs_agent_execution_duration_seconds": (_joined(agents, ["prod"]), 6e7),
        "obs_agent_operations_total": (_joined(agents, CATEGORIES[:6], ["success"]), 9),
        "obs_tasks_total": (_joined(agents, ["chat"], told, ["prod"]), 3),
        "obs_task_duration_seconds": (MODES, 6e7),
        "obs_agent_loop_duration_seconds": (["plan", "act"], 6e7),
        "obs_agent_loops_total": (told, 9),
        "obs_goals_total": (_joined(MODES, [*told, "other"]), 3),
        "obs_goal_completion_seconds": (MODES, 6e8),
        "obs_memory_operations_total": (_joined(["read", "write"], ["episodic"], told), 5),
        "obs_workflow_executions_total": (_joined(["claims", "refunds"], told), 3),
        "obs_tool_calls_total": (_joined(TOOLS, told, ["prod"]), 5),
        "obs_tool_errors_total": (_joined(TOOLS[:6], ERRORS), 2),
        "obs_tool_execution_duration_seconds": (TOOLS[:25], 6e7),
        "obs_llm_requests_total": (models, 5),
        "obs_llm_request_duration_seconds": (MODELS, 6e7),
        "obs_llm_tokens_total": (_joined(MODELS, ["input", "output", "cache_read"]), 5_000),
        "obs_llm_cost_usd_total": (_joined(MODELS, ["prod"]), 5e7),
        "obs_events_total": (_joined(CATEGORIES, ["success"], ["prod"], ["main"]), 50),
        "obs_audit_actions_total": (_joined(ACTIONS, [*told, "denied"], ["main"]), 9),
        "obs_permission_requests_total": (_joined(["refund"], ["granted", "denied"]), 2),
        "obs_task_recovery_seconds": ([""], 6e8),
        "obs_planning_quality_ratio": ([""], 1e6),
    }


def _gauges(agents: list[str]) -> dict[str, tuple[list[str], float]]:
    return {
        "obs_agents_active": ([""], 20),
        "obs_sessions_active": ([""], 200),
        "obs_agent_active_executions": (agents, 4),
        "obs_host_cpu_usage_ratio": ([""], 0.8),
        "obs_host_memory_bytes": (["used", "available"], 8e9),
        "obs_host_disk_bytes": (_joined(["/"], ["used", "free"]), 5e10),
        "obs_store_bytes": ([f"table_{number:02}" for number in range(20)], 1e9),
        "obs_store_rows": (["audit_entry"], 1e7),
        "obs_observability_overhead_ratio": (["metrics", "logging", "audit"], 0.02),
        "obs_health_score_ratio": ([""], 1),
        "obs_health_status": (["postgres", "inbox", "disk"], 1),
        "obs_db_connections": (["active", "idle", "waiting"], 20),
        "obs_ingest_inbox_events": (["main"], 50),
        "obs_agent_memory_size_bytes": (_joined(agents[:8], ["episodic"]), 1e6),
    }


def _processes() -> dict[str, tuple[list[str], float]]:
    return {
        "obs_http_requests_total": (_joined(["GET"], ROUTES, ["2xx"], ["200"]), 60),
        "obs_http_request_duration_seconds": (_joined(["GET"], ROUTES), 6e7),
        "obs_ingest_lag_seconds": (_joined(["chained", "sealed"], ["main"]), 6e7),
        "obs_process_cpu_seconds_total": (["web", "append", "worker", "seal"], 3e7),
    }


def fill(
    connection: psycopg.Connection[object],
    ledger: int,
    *,
    agents: int,
    days: int,
    share: float,
    now: datetime,
) -> int:
    """Write the rows of so many days until now; return how many minutes of series there are."""
    names, now = agent_names(agents), now.replace(second=0, microsecond=0)
    first = now - timedelta(days=days)
    connection.execute("SELECT metrics_make_days(%s, %s)", (first.date(), now.date()))
    asked = {"ledger": ledger, "first": first, "last": now, "share": share}
    written = 0
    for family, (labels, most) in _series(names).items():
        connection.execute(_TOTALS, (ledger, family, labels))
        written += _write(connection, family, labels, most, asked)
    for family, (labels, most) in _processes().items():
        connection.execute(
            "INSERT INTO metrics_process (family, labels)"
            " SELECT %s, unnest(%s::text[]) ON CONFLICT DO NOTHING",
            (family, labels),
        )
        written += _write(connection, family, labels, most, asked, is_process=True)
    for family, (labels, most) in _gauges(names).items():
        written += connection.execute(
            _GAUGES, asked | {"family": family, "labels": labels, "most": most}
        ).rowcount
    for name, values in {"agent": names, "tool": TOOLS, "model": MODELS}.items():
        connection.execute(_NAMES, (name, values))
    connection.execute(_AGENTS, (ledger, names))
    return written


def _write(
    connection: psycopg.Connection[object],
    family: str,
    labels: list[str],
    most: float,
    asked: dict[str, object],
    *,
    is_process: bool = False,
) -> int:
    edges = len(BY_NAME[family].edges)
    statement = _HISTOGRAMS if edges else _ROWS
    if is_process:
        statement = statement.replace("metrics_minute (ledger_id, ", "metrics_processminute (")
        statement = statement.replace("SELECT %(ledger)s, ", "SELECT ")
    done = connection.execute(
        f"{statement} ON CONFLICT DO NOTHING",
        asked | {"family": family, "labels": labels, "most": most, "edges": edges + 1},
    )
    return done.rowcount

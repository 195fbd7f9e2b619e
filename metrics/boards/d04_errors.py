"""D4, Error Tracking: what fails, where, since when, and whether it passes. Pure."""

from __future__ import annotations

from typing import Final

from metrics import agent_families as agent
from metrics import platform_families as f
from metrics.boards.panels import bars, dial, lines, number, pie, row, table
from metrics.boards.promql import (
    SHOWN,
    a_minute,
    firing,
    grown,
    mean,
    now,
    quantile,
    rate,
    share,
)  # fmt: skip
from metrics.boards.shape import Board, never_above, rising

_ERRORS: Final = "/admin/audit/entry/?outcome=error"
_FAILED: Final = 'status=~"error|denied"'

_FIVE_MINUTES: Final = rate(agent.AGENT_ERRORS, over="5m")
_USUAL: Final = f"avg_over_time(({_FIVE_MINUTES})[1d:5m])"
_DEVIATION: Final = f"stddev_over_time(({_FIVE_MINUTES})[1d:5m])"

BOARD: Final = Board(
    number=4,
    slug="error-tracking",
    title="Error tracking",
    says="For whoever looks into failures: what fails, how often, and whether it is unusual.",
    rows=(
        row(
            "At a glance",
            dial("Overall error rate", "ratio", "Which share of all acts failed or was denied.",
                 (share(agent.AUDIT_ACTIONS, _FAILED, over=SHOWN), "failed"),
                 limits=rising(0.02, 0.05), page=_ERRORS),
            number("Failed runs", "count", "How many runs failed in the time that is shown.",
                   (grown(agent.AGENT_ERRORS), "runs"), page=_ERRORS, is_quiet=True),
            number("Failed tool calls", "count", "How many calls of tools failed.",
                   (grown(agent.TOOL_ERRORS), "calls"), is_quiet=True,
                   page="/admin/audit/entry/?action=tool.invoke&outcome=failure"),
            number("Firing alerts", "count", "How many alerts fire now.",
                   (firing(), "alerts"), limits=never_above(1)),
            number("Errors logged", "count", "How many lines the platform logged as errors.",
                   (grown(f.LOG_RECORDS, "", 'level=~"error|critical"'), "lines"),
                   limits=rising(1, 10), is_quiet=True),
            number("Recovery time", "seconds",
                   "How long it takes on average until a failed sort of task is done well again.",
                   (mean(agent.TASK_RECOVERY_SECONDS, over=SHOWN), "recovery"), is_quiet=True),
        ),
        row(
            "What fails",
            table("Failure analysis", "count", "Which tools fail and with which error.",
                  (grown(agent.TOOL_ERRORS, "tool error_type"), "{{tool}} {{error_type}}"),
                  page="/admin/audit/entry/?action=tool.invoke&outcome=failure", is_quiet=True),
            pie("Error type distribution", "count", "Of which types the errors of runs are.",
                (grown(agent.AGENT_ERRORS, "error_type"), "{{error_type}}"), width=6, page=_ERRORS,
                is_quiet=True),
            bars("Actions that fail most", "count", "Which acts fail or are denied most often.",
                 (f"topk(10, {grown(agent.AUDIT_ACTIONS, 'action', _FAILED)})", "{{action}}"),
                 width=6, page=_ERRORS, is_quiet=True),
        ),
        row(
            "Since when",
            lines("Error trend", "per_minute", "How many runs, tools and workflows fail.",
                  (a_minute(agent.AGENT_ERRORS), "runs"), (a_minute(agent.TOOL_ERRORS), "tools"),
                  (a_minute(agent.WORKFLOW_EXECUTIONS, "", _FAILED), "workflows"), page=_ERRORS),
            lines("Spike detection", "per_second",
                  "Whether runs fail more often than a day's average and three deviations.",
                  (_FIVE_MINUTES, "now"), (f"{_USUAL} + 3 * {_DEVIATION}", "unusual from here"),
                  is_quiet=True, page=_ERRORS),
            lines("Recovery", "seconds",
                  "How long half and 95 % of the times take until the next success.",
                  (quantile(0.5, agent.TASK_RECOVERY_SECONDS), "p50"),
                  (quantile(0.95, agent.TASK_RECOVERY_SECONDS), "p95"), is_quiet=True),
        ),
        row(
            "With what else",
            lines("Health correlation", "ratio",
                  "Whether acts fail when the platform itself is not well.",
                  (now(f.HEALTH_SCORE, how="min"), "health score"),
                  (share(agent.AUDIT_ACTIONS, _FAILED), "failed acts")),
            table("Alerts that fire", "count", "Which alerts fire now.",
                  (firing("alertname severity"), "{{alertname}} {{severity}}"), width=8,
                  is_quiet=True),
            lines("Alerts and anomalies", "per_minute", "When alerts came and what was unusual.",
                  (a_minute(f.ALERTS, "severity"), "alerts {{severity}}"),
                  (a_minute(f.ANOMALIES, "severity"), "anomalies {{severity}}"), is_quiet=True),
        ),
    ),
)  # fmt: skip

"""D1, Agent Performance: how fast, how well and how much each agent works. Pure."""

from __future__ import annotations

from typing import Final

from metrics import agent_families as f
from metrics.boards.panels import bars, dial, heat, lines, number, pie, row, table
from metrics.boards.promql import SHOWN, grown, mean, now, per, quantile, rate, share, spread
from metrics.boards.shape import Board, falling, rising

_ENTRIES: Final = "/admin/audit/entry/"
_FAILED: Final = 'status=~"error|denied"'
_WELL: Final = 'status="success"'

BOARD: Final = Board(
    number=1,
    slug="agent-performance",
    title="Agent performance",
    says="For whoever runs agents: which of them is slow, which fails, and what each works on.",
    rows=(
        row(
            "At a glance",
            number("Active goals", "count", "How many goals are pursued now.",
                   (now(f.GOALS_ACTIVE), "goals")),
            dial("Runs that ended well", "ratio", "Which share of runs ended in success.",
                 (share(f.AGENT_EXECUTIONS, _WELL, over=SHOWN), "success"),
                 limits=falling(0.9, 0.95), page=_ENTRIES + "?action=run.completed"),
            dial("Runs that failed", "ratio", "Which share of runs ended in error or was denied.",
                 (share(f.AGENT_EXECUTIONS, _FAILED, over=SHOWN), "failed"),
                 limits=rising(0.05, 0.1), page=_ENTRIES + "?action=run.completed&outcome=failure"),
            number("Open runs", "count", "How many runs have begun and not ended.",
                   (now(f.AGENT_ACTIVE_EXECUTIONS), "runs")),
            number("Tasks an hour", "count", "How many tasks ended in the last hour.",
                   (grown(f.TASKS, over="1h"), "tasks"), page=_ENTRIES + "?action=task."),
            number("Goals reached", "ratio", "Which share of the goals that ended was reached.",
                   (share(f.GOALS, _WELL, where='status!="other"', over=SHOWN), "reached"),
                   limits=falling(0.7, 0.9), page=_ENTRIES + "?action=goal."),
        ),
        row(
            "Loops",
            lines("Cognitive loop duration", "seconds",
                  "How long half, 95 % and 99 % of the turns of agents' loops take at most.",
                  (quantile(0.5, f.AGENT_LOOP_SECONDS), "p50"),
                  (quantile(0.95, f.AGENT_LOOP_SECONDS), "p95"),
                  (quantile(0.99, f.AGENT_LOOP_SECONDS), "p99"),
                  limits=rising(2, 5), page=_ENTRIES + "?action=loop.completed"),
            lines("Loop duration by phase", "seconds", "Which phase of a turn takes the time.",
                  (mean(f.AGENT_LOOP_SECONDS, "phase"), "{{phase}}")),
            lines("Success and error rate", "ratio",
                  "Which share of turns ends in success, and which in error or denial.",
                  (share(f.AGENT_LOOPS, _WELL), "success"),
                  (share(f.AGENT_LOOPS, _FAILED), "failed")),
        ),
        row(
            "Goals",
            lines("Goals created", "per_second", "How many goals are created, by mode.",
                  (rate(f.GOALS, "mode", 'status="other"'), "{{mode}}"),
                  page=_ENTRIES + "?action=goal.created"),
            bars("Goals by mode and status", "count",
                 "How many goals were created (other) and how the others ended.",
                 (grown(f.GOALS, "mode status"), "{{mode}} {{status}}"),
                 page=_ENTRIES + "?action=goal."),
            lines("Goal completion time", "seconds",
                  "How long half and 95 % of the goals took that were reached.",
                  (quantile(0.5, f.GOAL_SECONDS), "p50"), (quantile(0.95, f.GOAL_SECONDS), "p95")),
        ),
        row(
            "Agent by agent",
            lines("Request rate by agent", "per_second", "How many acts of each agent there are.",
                  (rate(f.AGENT_OPERATIONS, "agent"), "{{agent}}"), page="/admin/audit/agent/"),
            lines("Response time by agent", "seconds", "How long 95 % of an agent's runs take.",
                  (quantile(0.95, f.AGENT_EXECUTION_SECONDS, "agent"), "{{agent}}"),
                  limits=rising(10, 30), page="/admin/audit/agent/"),
            lines("Success rate by agent", "ratio", "Which share of an agent's runs ends well.",
                  (share(f.AGENT_EXECUTIONS, _WELL, "agent"), "{{agent}}"),
                  limits=falling(0.9, 0.95), page="/admin/audit/agent/"),
            table("Errors by agent", "count", "Which errors end the runs of which agent.",
                  (grown(f.AGENT_ERRORS, "agent error_type"), "{{agent}} {{error_type}}"),
                  page=_ENTRIES + "?outcome=error", is_quiet=True),
            bars("Tasks compared", "ratio", "Which share of its tasks each agent does well.",
                 (share(f.TASKS, _WELL, "agent", over=SHOWN), "{{agent}}"),
                 limits=falling(0.9, 0.95), width=12, page=_ENTRIES + "?action=task."),
        ),
        row(
            "What the work is",
            pie("Task distribution", "count", "Whose tasks they are.",
                (grown(f.TASKS, "agent"), "{{agent}}"), page=_ENTRIES + "?action=task."),
            pie("Operation breakdown", "count", "What sorts of acts there are.",
                (grown(f.AGENT_OPERATIONS, "operation"), "{{operation}}"), page=_ENTRIES),
            heat("Task duration", "seconds", "How the time that tasks take spreads.",
                 spread(f.TASK_SECONDS)),
        ),
        row(
            "Efficiency",
            lines("Acts for each run", "count", "How many acts an agent needs for one run.",
                  (per(f.AGENT_OPERATIONS, f.AGENT_EXECUTIONS, "agent"), "{{agent}}")),
            lines("Quality of plans", "ratio", "How good plans are in their makers' own eyes.",
                  (mean(f.PLANNING_QUALITY), "quality"), limits=falling(0.5, 0.7)),
            lines("Plans: time and steps", "count",
                  "How many seconds a plan takes to make, and how many steps it has, on average.",
                  (mean(f.PLANNING_SECONDS), "seconds"), (mean(f.PLANNING_STEPS), "steps")),
        ),
    ),
)  # fmt: skip

"""Agents at work: who does how much, how well, how fast. The charts of D1, D6 and D9. Pure."""

from __future__ import annotations

from typing import Final

from metrics import agent_families as f
from metrics.operations.chart import (
    FAILED,
    WELL,
    Chart,
    Figure,
    Page,
    count,
    gauge,
    mean,
    per,
    quantile_of,
    quantiles,
    rate,
    share,
)

RUNS: Final = "run.completed"
ENDED: Final = {"status": ("success", "error", "denied")}
CREATED: Final = {"status": ("other",)}
DECIDED: Final = {"decision": ("granted", "denied")}

RUN_FIGURES: Final = (
    Figure(title="Runs that ended", unit="count", query=count(f.AGENT_EXECUTIONS),
           says="Runs of registered agents.", action=RUNS),
    Figure(title="Runs that went well", unit="ratio", query=share(f.AGENT_EXECUTIONS, WELL),
           says="The share that ended in success.", good=(0.95, 0.9), action=RUNS),
    Figure(title="Run duration, p95", unit="seconds",
           query=quantile_of(0.95, f.AGENT_EXECUTION_SECONDS),
           says="95 of 100 runs take no longer.", good=(10, 30), action=RUNS),
    Figure(title="Tasks done well", unit="ratio", query=share(f.TASKS, WELL),
           says="The share of tasks that ended in success.", good=(0.95, 0.9), action="task."),
)  # fmt: skip

RUN_CHARTS: Final = (
    Chart(slug="runs", title="Runs by how they ended", unit="per_minute", action=RUNS,
          says="How many runs ended in each minute, and how.",
          queries=(rate(f.AGENT_EXECUTIONS, "status"),), is_stacked=True),
    Chart(slug="duration", title="Run duration", unit="seconds", action=RUNS,
          says="How long half, 95 % and 99 % of runs take at most.",
          queries=quantiles(f.AGENT_EXECUTION_SECONDS)),
    Chart(slug="operations", title="Sorts of acts", unit="count", kind="bar",
          says="What sorts of acts there were.", queries=(count(f.AGENT_OPERATIONS, "operation"),)),
)  # fmt: skip

PAGE: Final = Page(
    slug="agents",
    title="Agents at work",
    says="What agents do, how well and how fast.",
    sentence="{0} runs ended, {1} of them well; 95 of 100 took at most {2}.",
    filters=("agent", "environment"),
    figures=(
        *RUN_FIGURES,
        Figure(title="Agents now", unit="count", query=gauge(f.AGENTS_ACTIVE),
               says="Agents with an entry in 5 minutes."),
        Figure(title="Open runs", unit="count", query=gauge(f.AGENT_ACTIVE_EXECUTIONS),
               says="Runs that began and have not ended."),
        Figure(title="Goals reached", unit="ratio", query=share(f.GOALS, WELL, where=ENDED),
               says="The share of the goals that ended.", good=(0.9, 0.7), action="goal."),
        Figure(title="Permissions granted", unit="ratio",
               query=share(f.PERMISSIONS, {"decision": ("granted",)}, where=DECIDED),
               says="The share of what was decided.", action="approval."),
    ),
    charts=(
        *RUN_CHARTS,
        Chart(slug="acts-by-agent", title="Acts by agent", unit="per_minute",
              says="How much each agent does in a minute.",
              queries=(rate(f.AGENT_OPERATIONS, "agent"),)),
        Chart(slug="success-by-agent", title="Success by agent", unit="ratio", action=RUNS,
              says="Which share of an agent's runs ends well.",
              queries=(share(f.AGENT_EXECUTIONS, WELL, "agent"),)),
        Chart(slug="duration-by-agent", title="Duration by agent, p95", unit="seconds",
              says="How long 95 % of an agent's runs take at most.", action=RUNS,
              queries=(quantile_of(0.95, f.AGENT_EXECUTION_SECONDS, "agent"),)),
        Chart(slug="tasks", title="Tasks by agent", unit="count", kind="bar", action="task.",
              says="How many tasks of each agent ended.", queries=(count(f.TASKS, "agent"),)),
        Chart(slug="tasks-well", title="Tasks done well", unit="ratio", kind="bar", action="task.",
              says="Which share of its tasks each agent does well.",
              queries=(share(f.TASKS, WELL, "agent"),)),
        Chart(slug="task-duration", title="Task duration", unit="seconds", action="task.",
              says="How long half, 95 % and 99 % of tasks take at most.",
              queries=quantiles(f.TASK_SECONDS)),
        Chart(slug="loops", title="Loop duration", unit="seconds", action="loop.completed",
              says="How long one turn of an agent's loop takes; above 5 s at p95 an alert fires.",
              queries=quantiles(f.AGENT_LOOP_SECONDS)),
        Chart(slug="loops-well", title="Loops: success and failure", unit="ratio",
              says="Which share of turns ends well, and which fails.", action="loop.completed",
              queries=(share(f.AGENT_LOOPS, WELL, name="success"),
                       share(f.AGENT_LOOPS, FAILED, name="failed"))),
        Chart(slug="goals", title="Goals by mode and how they ended", unit="count", kind="bar",
              says="How many were created (other), reached and failed.", action="goal.",
              queries=(count(f.GOALS, "mode status"),)),
        Chart(slug="goal-time", title="Time to a goal", unit="seconds", action="goal.completed",
              says="How long half, 95 % and 99 % of the goals took that were reached.",
              queries=quantiles(f.GOAL_SECONDS)),
        Chart(slug="memory", title="Memory operations", unit="per_minute", action="memory.",
              says="How often agents read, write, search and delete what they remember.",
              queries=(rate(f.MEMORY_OPERATIONS, "operation"),)),
        Chart(slug="workflows", title="Workflows", unit="per_minute", action="workflow.",
              says="How many workflows end, and how.",
              queries=(rate(f.WORKFLOW_EXECUTIONS, "status"),), is_stacked=True),
        Chart(slug="efficiency", title="Acts for each run", unit="count",
              says="How many acts an agent needs for one run.",
              queries=(per(f.AGENT_OPERATIONS, f.AGENT_EXECUTIONS, "agent"),)),
        Chart(slug="plans", title="Quality of plans", unit="ratio", action="plan.created",
              says="How good plans are in their makers' own eyes.",
              queries=(mean(f.PLANNING_QUALITY, name="quality"),)),
        Chart(slug="present", title="Agents and sessions", unit="count",
              says="How many agents and sessions there were at a time.",
              queries=(gauge(f.AGENTS_ACTIVE, name="agents"),
                       gauge(f.SESSIONS_ACTIVE, name="sessions"))),
    ),
)  # fmt: skip

_ONE = "One agent"
ONE: Final = Page(
    slug="agent",
    title=_ONE,
    says="All that is counted of one agent.",
    sentence="{0} of its runs ended, {1} of them well; 95 of 100 took at most {2}.",
    filters=("environment",),
    figures=(
        *RUN_FIGURES,
        Figure(title="Errors", unit="count", query=count(f.AGENT_ERRORS),
               says="Runs that ended in failure or error.", action=RUNS,
               outcomes=("failure", "error")),
        Figure(title="Acts for each run", unit="count",
               query=per(f.AGENT_OPERATIONS, f.AGENT_EXECUTIONS), says="Entries for one run."),
        Figure(title="Open runs", unit="count", query=gauge(f.AGENT_ACTIVE_EXECUTIONS),
               says="Runs that began and have not ended."),
        Figure(title="Acts that failed", unit="ratio", query=share(f.AGENT_OPERATIONS, FAILED),
               says="The share of all its acts.", good=(0.05, 0.1),
               outcomes=("failure", "error", "denied")),
    ),
    charts=(
        *RUN_CHARTS,
        Chart(slug="success", title="Success", unit="ratio", action=RUNS,
              says="Which share of its runs ends well.",
              queries=(share(f.AGENT_EXECUTIONS, WELL, name="success"),)),
        Chart(slug="acts", title="Acts over time", unit="per_minute",
              says="How much it does in a minute, by sort.", is_stacked=True,
              queries=(rate(f.AGENT_OPERATIONS, "operation"),)),
        Chart(slug="errors", title="Errors by type", unit="count", kind="bar", action=RUNS,
              says="With which errors its runs end.", outcomes=("failure", "error"),
              queries=(count(f.AGENT_ERRORS, "error_type"),)),
        Chart(slug="tasks", title="Tasks by how they ended", unit="per_minute", action="task.",
              says="How many of its tasks end in a minute.", is_stacked=True,
              queries=(rate(f.TASKS, "status"),)),
        Chart(slug="memory", title="What it remembers", unit="bytes", action="memory.",
              says="How large its memories are.",
              queries=(gauge(f.AGENT_MEMORY_BYTES, "memory_type"),)),
    ),
)  # fmt: skip

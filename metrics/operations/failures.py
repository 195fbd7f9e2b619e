"""Errors: what fails, since when, and with what else. The charts of D4. Pure."""

from __future__ import annotations

from typing import Final

from metrics import agent_families as f
from metrics import platform_families as p
from metrics.operations.chart import (
    FAILED,
    Chart,
    Figure,
    Page,
    count,
    gauge,
    quantiles,
    rate,
    share,
)

_BAD: Final = ("failure", "error", "denied")
_ERRORS: Final = ("failure", "error")
_DENIED: Final = {"status": ("denied",)}

PAGE: Final = Page(
    slug="errors",
    title="Errors",
    says="What fails, since when, and what else was unusual then.",
    sentence="{0} of all acts failed or were denied: {1} runs and {2} calls of tools failed.",
    filters=("agent", "tool", "environment"),
    figures=(
        Figure(title="Acts that failed", unit="ratio", query=share(f.AUDIT_ACTIONS, FAILED),
               says="Of all entries.", good=(0.05, 0.1), outcomes=_BAD),
        Figure(title="Runs that failed", unit="count", query=count(f.AGENT_ERRORS),
               says="They ended in failure or error.", action="run.completed", outcomes=_ERRORS),
        Figure(title="Calls of tools that failed", unit="count", query=count(f.TOOL_ERRORS),
               says="They ended in failure or error.", action="tool.invoke", outcomes=_ERRORS),
        Figure(title="Denied", unit="count", query=count(f.AUDIT_ACTIONS, where=_DENIED),
               says="Acts that something forbade.", outcomes=("denied",)),
    ),
    charts=(
        Chart(slug="trend", title="Error trend", unit="per_minute", outcomes=_ERRORS,
              says="How many runs, calls of tools, requests to models and workflows fail.",
              queries=(rate(f.AGENT_ERRORS, name="runs"), rate(f.TOOL_ERRORS, name="tools"),
                       rate(f.LLM_REQUESTS, where=FAILED, name="models"),
                       rate(f.WORKFLOW_EXECUTIONS, where=FAILED, name="workflows"))),
        Chart(slug="share", title="Share of acts that fail", unit="ratio", outcomes=_BAD,
              says="Which share of all entries failed, and which was denied.",
              queries=(share(f.AUDIT_ACTIONS, {"status": ("error",)}, name="failed"),
                       share(f.AUDIT_ACTIONS, _DENIED, name="denied"))),
        Chart(slug="run-types", title="Errors of runs", unit="count", kind="bar",
              says="Which types of errors end the runs of which agent.", action="run.completed",
              outcomes=_ERRORS, queries=(count(f.AGENT_ERRORS, "agent error_type"),)),
        Chart(slug="tool-types", title="Errors of tools", unit="count", kind="bar",
              says="Which types of errors which tools end in.", action="tool.invoke",
              outcomes=_ERRORS, queries=(count(f.TOOL_ERRORS, "tool error_type"),)),
        Chart(slug="by-agent", title="Runs that fail, by agent", unit="ratio",
              says="Which share of an agent's runs fails.", action="run.completed",
              outcomes=_ERRORS, queries=(share(f.AGENT_EXECUTIONS, FAILED, "agent"),)),
        Chart(slug="actions", title="What fails most", unit="count", kind="bar", outcomes=_BAD,
              says="Which acts fail or are denied most often.",
              queries=(count(f.AUDIT_ACTIONS, "action", where=FAILED),)),
        Chart(slug="recovery", title="Recovery", unit="seconds", action="task.",
              says="How long until an agent does again what it failed in.",
              queries=quantiles(f.TASK_RECOVERY_SECONDS)),
        Chart(slug="critical", title="Critical acts", unit="count", kind="bar",
              says="Acts of critical severity, and calls of tools of high risk.",
              queries=(count(f.CRITICAL_ACTIONS, "action"),)),
        Chart(slug="health", title="Beside the platform's own health", unit="ratio",
              says="Whether acts fail when the platform itself is not well.",
              queries=(gauge(p.HEALTH_SCORE, how="min", name="health score"),
                       share(f.AUDIT_ACTIONS, FAILED, name="failed acts"))),
        Chart(slug="alerts", title="Alerts that fire", unit="count",
              says="How many alerts fired at a time.",
              queries=(gauge(p.ALERTS_FIRING, "severity"),)),
    ),
)  # fmt: skip

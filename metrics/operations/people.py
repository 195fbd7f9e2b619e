"""What people who use agents get: waiting, feedback, sessions that go well. D11. Pure."""

from __future__ import annotations

from typing import Final

from metrics import agent_families as f
from metrics import platform_families as p
from metrics.operations.chart import (
    WELL,
    Chart,
    Figure,
    Page,
    count,
    gauge,
    quantile_of,
    quantiles,
    rate,
    share,
)

FEEDBACK: Final = "feedback.received"
_RUNS: Final = "run.completed"
_SAID: Final = {"action": (FEEDBACK,)}
_HOUR: Final = {"window": ("1h",)}

PAGE: Final = Page(
    slug="people",
    title="User experience",
    says="What people wait for, what they say of it, whether it went well.",
    sentence="95 of 100 runs kept people waiting {0} at most; {1} went well.",
    filters=("agent", "environment"),
    figures=(
        Figure(title="Wait for an answer, p95", unit="seconds",
               query=quantile_of(0.95, f.AGENT_EXECUTION_SECONDS),
               says="95 of 100 runs take no longer.", good=(10, 30), action=_RUNS),
        Figure(title="Runs that went well", unit="ratio", query=share(f.AGENT_EXECUTIONS, WELL),
               says="The share that ended in success.", good=(0.95, 0.9), action=_RUNS),
        Figure(title="Feedback", unit="count", query=count(f.AUDIT_ACTIONS, where=_SAID),
               says="How often people said what they think.", action=FEEDBACK),
        Figure(title="People in an hour", unit="count",
               query=gauge(f.ACTIVE_USERS, where=_HOUR), says="Who acted, or had an agent act."),
    ),
    charts=(
        Chart(slug="wait", title="Wait for an answer", unit="seconds", action=_RUNS,
              says="How long half, 95 % and 99 % of runs take at most.",
              queries=quantiles(f.AGENT_EXECUTION_SECONDS)),
        Chart(slug="wait-by-agent", title="Wait by agent, p95", unit="seconds", action=_RUNS,
              says="Which agents keep people waiting.",
              queries=(quantile_of(0.95, f.AGENT_EXECUTION_SECONDS, "agent"),)),
        Chart(slug="well", title="Runs that went well, by agent", unit="ratio", action=_RUNS,
              says="Which share of an agent's runs ends well.",
              queries=(share(f.AGENT_EXECUTIONS, WELL, "agent"),)),
        Chart(slug="feedback", title="Feedback over time", unit="per_hour", action=FEEDBACK,
              says="How often people said what they think, in an hour.",
              queries=(rate(f.AUDIT_ACTIONS, where=_SAID, seconds=3_600, name="feedback"),)),
        Chart(slug="there", title="People and sessions", unit="count",
              says="How many there were at a time.",
              queries=(gauge(f.ACTIVE_USERS, "window", name="people"),
                       gauge(f.SESSIONS_ACTIVE, name="sessions"))),
        Chart(slug="platform", title="Wait for the platform", unit="seconds",
              says="How long its own answers take.", queries=quantiles(p.HTTP_SECONDS)),
    ),
)  # fmt: skip

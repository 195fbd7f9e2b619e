"""Tools: how often each is called, how long it takes, how it fails. Pure."""

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
    mean,
    quantile_of,
    quantiles,
    rate,
    share,
)

CALLS: Final = "tool.invoke"
_BAD: Final = ("failure", "error", "denied")

PAGE: Final = Page(
    slug="tools",
    title="Tools",
    says="What agents call, how long it takes and how it fails.",
    sentence="Tools were called {0} times, {1} of it well; 95 of 100 calls took at most {3}.",
    filters=("tool", "environment"),
    figures=(
        Figure(title="Calls", unit="count", query=count(f.TOOL_CALLS), says="Calls of all tools.",
               action=CALLS),
        Figure(title="Calls that went well", unit="ratio", query=share(f.TOOL_CALLS, WELL),
               says="The share that succeeded.", good=(0.95, 0.9), action=CALLS),
        Figure(title="Failed or denied", unit="count", query=count(f.TOOL_CALLS, where=FAILED),
               says="Calls that came to nothing.", action=CALLS, outcomes=_BAD),
        Figure(title="Call duration, p95", unit="seconds", query=quantile_of(0.95, f.TOOL_SECONDS),
               says="95 of 100 calls take no longer.", good=(5, 30), action=CALLS),
    ),
    charts=(
        Chart(slug="calls", title="Calls by tool", unit="per_minute", action=CALLS,
              says="How often each tool is called in a minute.",
              queries=(rate(f.TOOL_CALLS, "tool"),), is_stacked=True),
        Chart(slug="often", title="Calls in all", unit="count", kind="bar", action=CALLS,
              says="How often each tool was called.", queries=(count(f.TOOL_CALLS, "tool"),)),
        Chart(slug="well", title="Success by tool", unit="ratio", kind="bar", action=CALLS,
              says="Which share of a tool's calls succeeds.",
              queries=(share(f.TOOL_CALLS, WELL, "tool"),)),
        Chart(slug="latency", title="Call duration", unit="seconds", action=CALLS,
              says="How long half, 95 % and 99 % of calls take at most.",
              queries=quantiles(f.TOOL_SECONDS)),
        Chart(slug="latency-by-tool", title="Duration by tool, p95", unit="seconds", action=CALLS,
              says="Which tools are slow.", queries=(quantile_of(0.95, f.TOOL_SECONDS, "tool"),)),
        Chart(slug="failing", title="Failed and denied", unit="ratio", action=CALLS,
              says="Which share of calls fails, and which is denied.", outcomes=_BAD,
              queries=(share(f.TOOL_CALLS, {"status": ("error",)}, name="failed"),
                       share(f.TOOL_CALLS, {"status": ("denied",)}, name="denied"))),
        Chart(slug="errors", title="Errors by tool and type", unit="count", kind="bar",
              says="Which errors which tool ends in.", action=CALLS, outcomes=("failure", "error"),
              queries=(count(f.TOOL_ERRORS, "tool error_type"),)),
        Chart(slug="size", title="Size of answers", unit="bytes", action=CALLS,
              says="How large the answers of each tool are on average.",
              queries=(mean(f.TOOL_RESULT_BYTES, "tool"),)),
        Chart(slug="services", title="Other services", unit="per_minute", action="api.called",
              says="How often services outside are called that are no models.",
              queries=(rate(f.EXTERNAL_API_CALLS, "provider"),)),
    ),
)  # fmt: skip

"""D6, Agent Monitoring: twelve panels about agents at work. Pure."""

from __future__ import annotations

from typing import Final

from metrics import agent_families as agent
from metrics.boards.panels import bars, dial, lines, number, row
from metrics.boards.promql import SHOWN, a_minute, grown, now, quantile, share
from metrics.boards.shape import Board, falling, rising

_ENTRIES: Final = "/admin/audit/entry/"
_WELL: Final = 'status="success"'

BOARD: Final = Board(
    number=6,
    slug="agent-monitoring",
    title="Agent monitoring",
    says="For whoever watches agents at work: loops, tools, models, permissions.",
    refresh_seconds=5,
    rows=(
        row(
            "At a glance",
            dial("Loop success rate", "ratio", "Which share of turns ends in success.",
                 (share(agent.AGENT_LOOPS, _WELL, over=SHOWN), "success"),
                 limits=falling(0.9, 0.95), page=_ENTRIES + "?action=loop.completed"),
            number("Active agents", "count", "How many agents left an entry in 5 minutes.",
                   (now(agent.AGENTS_ACTIVE), "agents"), page="/admin/audit/agent/"),
            number("API cost per hour", "usd", "How many dollars models cost in the last hour.",
                   (grown(agent.LLM_COST, over="1h"), "dollars"), limits=rising(5, 10),
                   page="/admin/metrics/budget/"),
            dial("Error rate", "ratio", "Which share of runs ended in error or was denied.",
                 (share(agent.AGENT_EXECUTIONS, 'status=~"error|denied"', over=SHOWN), "failed"),
                 limits=rising(0.05, 0.1), page=_ENTRIES + "?outcome=error"),
            dial("Permission approval rate", "ratio",
                 "Which share of the decisions on permissions granted them.",
                 (share(agent.PERMISSIONS, 'decision="granted"',
                        where='decision=~"granted|denied"', over=SHOWN), "granted"),
                 limits=falling(0.5, 0.8), page=_ENTRIES + "?action=approval.", is_quiet=True),
            number("Audit events per minute", "per_minute", "How many events are chained.",
                   (a_minute(agent.EVENTS), "events"), page=_ENTRIES),
        ),
        row(
            "Loops and tools",
            lines("Agent loop duration p95", "seconds",
                  "How long 95 % of turns take; above 5 s an alert fires.",
                  (quantile(0.95, agent.AGENT_LOOP_SECONDS, "phase"), "{{phase}}"),
                  limits=rising(2, 5), page=_ENTRIES + "?action=loop.completed"),
            bars("Tool execution count", "count", "How often each tool was called.",
                 (grown(agent.TOOL_CALLS, "tool"), "{{tool}}"),
                 page=_ENTRIES + "?action=tool.invoke"),
            lines("Tool latency", "seconds", "How long half and 95 % of a tool's calls take.",
                  (quantile(0.5, agent.TOOL_SECONDS, "tool"), "{{tool}} p50"),
                  (quantile(0.95, agent.TOOL_SECONDS, "tool"), "{{tool}} p95")),
            bars("Tool success rate by tool", "ratio", "Which share of a tool's calls succeeds.",
                 (share(agent.TOOL_CALLS, _WELL, "tool", over=SHOWN), "{{tool}}"),
                 limits=falling(0.9, 0.95), page=_ENTRIES + "?action=tool.invoke"),
            lines("API calls by provider", "per_minute",
                  "How many requests each provider of models and each other service gets.",
                  (a_minute(agent.LLM_REQUESTS, "provider"), "{{provider}}"),
                  (a_minute(agent.EXTERNAL_API_CALLS, "provider"), "{{provider}} (no model)"),
                  page=_ENTRIES + "?action=llm."),
            lines("Memory usage", "bytes", "How large the memories of agents are.",
                  (now(agent.AGENT_MEMORY_BYTES, "agent"), "{{agent}}"),
                  page=_ENTRIES + "?action=memory."),
        ),
    ),
)  # fmt: skip

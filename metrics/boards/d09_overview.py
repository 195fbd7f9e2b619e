"""D9, Overview: ten panels on agents, tools, models, memory and workflows. Pure."""

from __future__ import annotations

from typing import Final

from metrics import agent_families as agent
from metrics.boards.panels import dial, lines, number, row
from metrics.boards.promql import SHOWN, now, quantile, rate, share, total
from metrics.boards.shape import Board, falling

_ENTRIES: Final = "/admin/audit/entry/"
_WELL: Final = 'status="success"'

BOARD: Final = Board(
    number=9,
    slug="overview",
    title="Agents overview",
    says="For everybody: what agents do, how well, and what it costs, on one page.",
    rows=(
        row(
            "Agents",
            lines("Agent execution rate", "per_second", "How many runs end.",
                  (rate(agent.AGENT_EXECUTIONS, "agent"), "{{agent}}"),
                  page=_ENTRIES + "?action=run.completed"),
            dial("Agent success rate", "ratio", "Which share of an agent's runs ends in success.",
                 (share(agent.AGENT_EXECUTIONS, _WELL, "agent", over=SHOWN), "{{agent}}"),
                 limits=falling(0.9, 0.95), width=8, page=_ENTRIES + "?action=run.completed"),
            lines("Execution duration", "seconds",
                  "How long half, 95 % and 99 % of runs take at most.",
                  (quantile(0.5, agent.AGENT_EXECUTION_SECONDS), "p50"),
                  (quantile(0.95, agent.AGENT_EXECUTION_SECONDS), "p95"),
                  (quantile(0.99, agent.AGENT_EXECUTION_SECONDS), "p99")),
            number("Active agents", "count", "How many agents left an entry in 5 minutes.",
                   (now(agent.AGENTS_ACTIVE), "agents"), page="/admin/audit/agent/", width=8),
            lines("Error rate", "per_second", "How many runs and calls of tools fail.",
                  (rate(agent.AGENT_ERRORS), "agents"), (rate(agent.TOOL_ERRORS), "tools"),
                  page=_ENTRIES + "?outcome=error", width=16),
        ),
        row(
            "What they use",
            lines("Tool usage by tool", "per_second", "How often each tool is called.",
                  (rate(agent.TOOL_CALLS, "tool"), "{{tool}}"), is_stacked=True,
                  page=_ENTRIES + "?action=tool.invoke"),
            lines("LLM token usage", "tokens_per_second", "How many tokens models read and write.",
                  (rate(agent.LLM_TOKENS, "token_type"), "{{token_type}}"),
                  page=_ENTRIES + "?action=llm."),
            lines("LLM cost, cumulative", "usd", "How many dollars models have cost so far.",
                  (total(agent.LLM_COST, "provider"), "{{provider}}"), is_stacked=True,
                  page="/admin/metrics/budget/"),
            lines("Memory operations rate", "per_second", "How often memories are used, and how.",
                  (rate(agent.MEMORY_OPERATIONS, "operation"), "{{operation}}"),
                  page=_ENTRIES + "?action=memory."),
            lines("Workflow execution", "per_second", "How many workflows end, and how.",
                  (rate(agent.WORKFLOW_EXECUTIONS, "workflow status"), "{{workflow}} {{status}}"),
                  page=_ENTRIES + "?action=workflow.", width=16),
        ),
    ),
)  # fmt: skip

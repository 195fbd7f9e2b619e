"""D12, one agent: a template whose reader chooses it, and a board of its own for one. Pure."""

from __future__ import annotations

import dataclasses
import re
from typing import Final

from metrics import agent_families as agent
from metrics import platform_families as f
from metrics.boards.panels import dial, heat, history, lines, listing, number, pie, row, table
from metrics.boards.promql import SHOWN, a_minute, grown, now, quantile, rate, share, spread
from metrics.boards.shape import Board, Panel, falling, rising

_AGENTS: Final = "/admin/audit/agent/"
_WELL: Final = 'status="success"'

_TOOLS: Final = """
SELECT tool AS "tool", count(*) AS "calls",
    count(*) FILTER (WHERE outcome <> 'success') AS "not well", avg(seconds) AS "seconds",
    max(occurred_at) AS "newest"
FROM obs_grafana_tool_calls
WHERE $__timeFilter(occurred_at)
    AND environment ~ '^(${environment:regex})$'
    AND agent ~ '^(${agent:regex})$'
GROUP BY tool
ORDER BY count(*) DESC, tool
LIMIT 50
"""
_COST: Final = """
SELECT day::timestamptz AS "time", model AS "metric", sum(usd) AS "value"
FROM obs_grafana_spend
WHERE $__timeFilter(day::timestamptz)
    AND agent ~ '^(${agent:regex})$'
GROUP BY day, model
ORDER BY day, model
"""
_NEWEST: Final = """
SELECT occurred_at AS "time", ledger AS "ledger", seq AS "entry", action AS "action",
    outcome AS "outcome", severity AS "severity", run_id AS "run"
FROM obs_grafana_entries
WHERE $__timeFilter(occurred_at)
    AND environment ~ '^(${environment:regex})$'
    AND agent ~ '^(${agent:regex})$'
ORDER BY occurred_at DESC, seq DESC
LIMIT 100
"""

BOARD: Final = Board(
    number=12,
    slug="one-agent",
    title="One agent",
    says="For whoever answers for an agent: all that is known of it. Choose it above.",
    is_of_one_agent=True,
    rows=(
        row(
            "At a glance",
            dial("Success rate", "ratio", "Which share of its runs ended in success.",
                 (share(agent.AGENT_EXECUTIONS, _WELL, over=SHOWN), "success"),
                 limits=falling(0.9, 0.95), page=_AGENTS),
            number("Open runs", "count", "How many of its runs have begun and not ended.",
                   (now(agent.AGENT_ACTIVE_EXECUTIONS), "runs"), page=_AGENTS),
            number("Runs", "count", "How many of its runs ended in the time shown.",
                   (grown(agent.AGENT_EXECUTIONS), "runs"), page=_AGENTS),
            number("Duration p95", "seconds", "How long 95 % of its runs take.",
                   (quantile(0.95, agent.AGENT_EXECUTION_SECONDS, over=SHOWN), "p95"),
                   limits=rising(10, 30), page=_AGENTS),
            dial("Tasks done well", "ratio", "Which share of its tasks ended in success.",
                 (share(agent.TASKS, _WELL, over=SHOWN), "tasks"), limits=falling(0.9, 0.95),
                 page=_AGENTS, is_quiet=True),
            number("Errors", "count", "How many of its runs failed.",
                   (grown(agent.AGENT_ERRORS), "errors"), limits=rising(1, 10), page=_AGENTS,
                   is_quiet=True),
        ),
        row(
            "Its work",
            lines("Runs over time", "per_minute", "How its runs end.",
                  (a_minute(agent.AGENT_EXECUTIONS, "status"), "{{status}}"), page=_AGENTS),
            heat("Duration", "seconds", "How the time that its runs take spreads.",
                 spread(agent.AGENT_EXECUTION_SECONDS)),
            pie("Operations", "count", "What sorts of acts it does.",
                (grown(agent.AGENT_OPERATIONS, "operation"), "{{operation}}"), page=_AGENTS),
            lines("Acts", "per_second", "How many acts it does, by sort.",
                  (rate(agent.AGENT_OPERATIONS, "operation"), "{{operation}}"), is_stacked=True),
            table("Error types", "count", "With which errors its runs end.",
                  (grown(agent.AGENT_ERRORS, "error_type"), "{{error_type}}"), width=8,
                  is_quiet=True),
            listing("Its tools", "Which tools it calls, how often it goes well, how long it takes.",
                    _TOOLS, width=8, height=8, is_quiet=True),
        ),
        row(
            "What it takes",
            lines("CPU", "cores", "How many processors it says it keeps busy.",
                  (now(f.AGENT_CPU), "processors"), is_quiet=True),
            lines("Memory", "bytes", "What its process and its memories hold.",
                  (now(f.AGENT_PROCESS_MEMORY), "process"),
                  (now(agent.AGENT_MEMORY_BYTES, "memory_type"), "{{memory_type}}"),
                  is_quiet=True),
            history("Cost", "usd", "How many dollars its models cost by day.", _COST, width=8,
                    page="/admin/metrics/budget/", is_quiet=True),
        ),
        row(
            "One by one",
            listing("Its newest entries", "The newest hundred entries of it.", _NEWEST, width=24,
                    page="/admin/audit/entry/", is_quiet=True),
        ),
    ),
)  # fmt: skip

_NAME: Final = re.compile(r"[a-z0-9_.:/-]{1,64}")


class NoSuchAgentName(ValueError):
    """What was given is no name that the label `agent` can have."""


def board_of(name: str) -> Board:
    """Return a board of its own for an agent, by the name that its label has.

    Raises NoSuchAgentName.
    """
    if _NAME.fullmatch(name) is None:
        raise NoSuchAgentName(f"{name!r} is no value of the label agent; see docs/metrics.md")
    rows = tuple(
        dataclasses.replace(each, panels=tuple(_fixed(panel, name) for panel in each.panels))
        for each in BOARD.rows
    )
    slug = "agent-" + re.sub(r"[^a-z0-9]+", "-", name).strip("-")
    return dataclasses.replace(BOARD, slug=slug, title=f"Agent {name}", rows=rows)


def _fixed(panel: Panel, name: str) -> Panel:
    queries = tuple(
        dataclasses.replace(
            query,
            text=query.text.replace('agent=~"$agent"', f'agent="{name}"').replace(
                "agent ~ '^(${agent:regex})$'", f"agent = '{name}'"
            ),
        )
        for query in panel.queries
    )
    return dataclasses.replace(panel, queries=queries)

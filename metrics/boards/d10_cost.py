"""D10, Cost: what models cost, whose it is, what is left of budgets, where money is lost. Pure.

Cost has no label `agent`, since provider, model and agent together multiply: what an agent costs
is asked of Postgres by day.
"""

from __future__ import annotations

from typing import Final

from metrics import agent_families as agent
from metrics.boards.panels import bars, dial, history, lines, listing, number, pie, row
from metrics.boards.promql import SHOWN, ahead, grown, now, per, rate, share
from metrics.boards.shape import Board, rising

_BUDGETS: Final = "/admin/metrics/budget/"
_CALLS: Final = "/admin/audit/entry/?action=llm."
_INPUT: Final = 'token_type="input"'
_OUTPUT: Final = 'token_type="output"'

_BY_AGENT: Final = """
SELECT day::timestamptz AS "time", agent AS "metric", sum(usd) AS "value"
FROM obs_grafana_spend
WHERE $__timeFilter(day::timestamptz)
    AND ledger ~ '^(${ledger:regex})$'
    AND agent ~ '^(${agent:regex})$'
    AND provider ~ '^(${provider:regex})$'
    AND model ~ '^(${model:regex})$'
GROUP BY day, agent
ORDER BY day, agent
"""
_BY_DAY: Final = """
SELECT day::timestamptz AS "time", provider || ' ' || model AS "metric", sum(usd) AS "value"
FROM obs_grafana_spend
WHERE $__timeFilter(day::timestamptz)
    AND ledger ~ '^(${ledger:regex})$'
    AND agent ~ '^(${agent:regex})$'
    AND provider ~ '^(${provider:regex})$'
    AND model ~ '^(${model:regex})$'
GROUP BY day, provider, model
ORDER BY day, provider, model
"""
_FORECAST: Final = """
SELECT budget AS "budget", period AS "period", ends_at AS "ends", usd AS "may cost",
    spent_usd AS "cost so far", forecast_usd AS "forecast",
    forecast_usd > usd AS "will not do"
FROM obs_grafana_budgets
ORDER BY forecast_usd / nullif(usd, 0) DESC, budget
"""

BOARD: Final = Board(
    number=10,
    slug="cost",
    title="Cost",
    says="For whoever pays: what models cost, for whom, against which budget, what is lost.",
    hours=24,
    refresh_seconds=60,
    rows=(
        row(
            "At a glance",
            number("Cost in the time shown", "usd", "How many dollars models cost.",
                   (grown(agent.LLM_COST), "dollars"), page=_BUDGETS),
            number("Cost in the last hour", "usd", "How many dollars models cost in an hour.",
                   (grown(agent.LLM_COST, over="1h"), "dollars"), limits=rising(5, 10),
                   page=_BUDGETS),
            dial("Budget burn", "ratio", "How much of each budget is spent.",
                 (now(agent.LLM_BUDGET_USED, "budget", how="max"), "{{budget}}"),
                 limits=rising(0.8, 1), page=_BUDGETS, width=8, is_quiet=True),
            number("Cost for each task", "usd", "How many dollars a task that ended cost.",
                   (per(agent.LLM_COST, agent.TASKS, over=SHOWN), "a task"), width=8,
                   page="/admin/audit/entry/?action=task."),
        ),
        row(
            "Whose cost",
            lines("Cost by provider", "usd", "How many dollars each provider cost in an hour.",
                  (grown(agent.LLM_COST, "provider", over="1h"), "{{provider}}"), is_stacked=True,
                  page=_CALLS),
            pie("Cost by model", "usd", "How the cost is spread over models.",
                (grown(agent.LLM_COST, "model"), "{{model}}"), page=_CALLS),
            pie("Cost by environment", "usd", "How the cost is spread over environments.",
                (grown(agent.LLM_COST, "environment"), "{{environment}}"), page=_CALLS),
            history("Cost by agent", "usd", "How many dollars each agent cost by day.", _BY_AGENT,
                    page=_BUDGETS, is_quiet=True),
            history("Cost by day", "usd", "How many dollars each model cost by day.", _BY_DAY,
                    page=_BUDGETS, is_quiet=True),
        ),
        row(
            "Budgets",
            lines("Budget used", "ratio", "How fast budgets are spent.",
                  (now(agent.LLM_BUDGET_USED, "budget", how="max"), "{{budget}}"),
                  (ahead(agent.LLM_BUDGET_USED, "budget", over="6h", seconds=86_400),
                   "{{budget}} in a day"),
                  limits=rising(0.8, 1), page=_BUDGETS, is_quiet=True),
            listing("Forecast", "Where a straight line through what is spent ends.", _FORECAST,
                    unit="usd", page=_BUDGETS, width=16, is_quiet=True),
        ),
        row(
            "Where money is lost",
            bars("Dollars for each request", "usd", "Which models are dear for one request.",
                 (per(agent.LLM_COST, agent.LLM_REQUESTS, "model", over=SHOWN), "{{model}}"),
                 page=_CALLS),
            bars("Requests that failed", "ratio", "Which share of requests was for nothing.",
                 (share(agent.LLM_REQUESTS, 'status=~"error|denied"', "model", over=SHOWN),
                  "{{model}}"), limits=rising(0.02, 0.1), page=_CALLS),
            bars("Tokens read for each written", "count",
                 "Which models are given long texts for short answers.",
                 (f"{rate(agent.LLM_TOKENS, 'model', _INPUT, over=SHOWN)} / "
                  f"({rate(agent.LLM_TOKENS, 'model', _OUTPUT, over=SHOWN)} > 0)", "{{model}}"),
                 page=_CALLS),
            bars("Tokens from a cache", "ratio",
                 "Which share of what a model reads comes from its provider's cache.",
                 (share(agent.LLM_TOKENS, 'token_type="cache_read"', "model",
                        'token_type=~"input|cache_read"', over=SHOWN), "{{model}}"), page=_CALLS),
            lines("Dollars for each task", "usd", "Whether tasks become dearer.",
                  (per(agent.LLM_COST, agent.TASKS), "a task"), width=16,
                  page="/admin/audit/entry/?action=task."),
        ),
    ),
)  # fmt: skip

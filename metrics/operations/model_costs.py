"""Models and cost: requests, tokens, dollars, time. The charts of D10. Pure."""

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
    per,
    quantile_of,
    quantiles,
    rate,
    share,
)

CALLS: Final = "llm."
_READ: Final = {"token_type": ("input", "cache_read")}
_BAD: Final = ("failure", "error", "denied")
_BUDGETS: Final = "metrics_budget_changelist"

PAGE: Final = Page(
    slug="models",
    title="Models and cost",
    says="What models are asked, what they cost, and where money is lost.",
    sentence="{1} requests to models cost {0}; {2} of them went well.",
    filters=("provider", "model", "environment"),
    figures=(
        Figure(title="Cost", unit="usd", query=count(f.LLM_COST), says="What requests cost.",
               action=CALLS),
        Figure(title="Requests", unit="count", query=count(f.LLM_REQUESTS),
               says="Requests to models.", action=CALLS),
        Figure(title="Requests that went well", unit="ratio", query=share(f.LLM_REQUESTS, WELL),
               says="The share that succeeded.", good=(0.98, 0.9), action=CALLS),
        Figure(title="Answer, p95", unit="seconds", query=quantile_of(0.95, f.LLM_SECONDS),
               says="95 of 100 answers take no longer.", good=(10, 60), action=CALLS),
        Figure(title="Tokens", unit="tokens", query=count(f.LLM_TOKENS),
               says="Read and written.", action=CALLS),
        Figure(title="Cost for a request", unit="usd", query=per(f.LLM_COST, f.LLM_REQUESTS),
               says="On average.", action=CALLS),
        Figure(title="Cost for a task", unit="usd", query=per(f.LLM_COST, f.TASKS),
               says="Dollars for each task that ended.", action="task."),
        Figure(title="Read from a cache", unit="ratio",
               query=share(f.LLM_TOKENS, {"token_type": ("cache_read",)}, where=_READ),
               says="The share of what models read.", action=CALLS),
    ),
    charts=(
        Chart(slug="cost", title="Cost by model", unit="usd", action=CALLS,
              says="How many dollars each model costs in an hour.", is_stacked=True,
              queries=(rate(f.LLM_COST, "provider model", seconds=3_600),)),
        Chart(slug="cost-in-all", title="Cost in all", unit="usd", kind="bar", action=CALLS,
              says="What each model cost.", queries=(count(f.LLM_COST, "provider model"),)),
        Chart(slug="cost-by-environment", title="Cost by environment", unit="usd", kind="bar",
              says="Where the money goes.", action=CALLS,
              queries=(count(f.LLM_COST, "environment"),)),
        Chart(slug="requests", title="Requests by model", unit="per_minute", action=CALLS,
              says="How often each model is asked in a minute.", is_stacked=True,
              queries=(rate(f.LLM_REQUESTS, "provider model"),)),
        Chart(slug="tokens", title="Tokens by type", unit="per_minute", action=CALLS,
              says="How many tokens are read and written in a minute.", is_stacked=True,
              queries=(rate(f.LLM_TOKENS, "token_type"),)),
        Chart(slug="latency", title="Time of an answer", unit="seconds", action=CALLS,
              says="How long half, 95 % and 99 % of answers take at most.",
              queries=quantiles(f.LLM_SECONDS)),
        Chart(slug="latency-by-model", title="Time by model, p95", unit="seconds", action=CALLS,
              says="Which models are slow.",
              queries=(quantile_of(0.95, f.LLM_SECONDS, "provider model"),)),
        Chart(slug="dear", title="Dollars for a request", unit="usd", kind="bar", action=CALLS,
              says="Which models are dear.",
              queries=(per(f.LLM_COST, f.LLM_REQUESTS, "provider model"),)),
        Chart(slug="failed", title="Requests that failed", unit="ratio", kind="bar", action=CALLS,
              says="Which share of a model's requests was for nothing.", outcomes=_BAD,
              queries=(share(f.LLM_REQUESTS, FAILED, "provider model"),)),
        Chart(slug="cache", title="Read from a cache", unit="ratio", action=CALLS,
              says="Which share of what is read comes from the provider's cache.",
              queries=(share(f.LLM_TOKENS, {"token_type": ("cache_read",)}, "model",
                             where=_READ),)),
        Chart(slug="task", title="Dollars for a task", unit="usd", action="task.",
              says="Whether tasks become dearer.",
              queries=(per(f.LLM_COST, f.TASKS, name="a task"),)),
        Chart(slug="budgets", title="Budgets used", unit="ratio", page=_BUDGETS,
              says="How fast budgets are spent; 100 % is all of one.",
              queries=(gauge(f.LLM_BUDGET_USED, "budget", how="max"),)),
    ),
)  # fmt: skip

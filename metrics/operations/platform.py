"""Platform: answers, ingest, processes, health. The charts of D2, D3 and D7. Pure."""

from __future__ import annotations

from typing import Final

from metrics import agent_families as f
from metrics import ledger_families as ledger
from metrics import platform_families as p
from metrics.operations.chart import (
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

_LEDGERS: Final = "audit_ledger_changelist"
_SWITCHES: Final = "metrics_switch_changelist"
_FAULTS: Final = {"status_class": ("5xx",)}
_CHAINED: Final = {"stage": ("chained",)}

PAGE: Final = Page(
    slug="platform",
    title="Platform",
    says="Whether the platform answers, keeps up and is well.",
    sentence="Health is {0}; {1} of requests failed, 95 of 100 were answered within {2}.",
    filters=(),
    figures=(
        Figure(title="Health", unit="ratio", query=gauge(p.HEALTH_SCORE, how="min"),
               says="All checks together, weighed.", good=(0.95, 0.7)),
        Figure(title="Requests that failed", unit="ratio", query=share(p.HTTP_REQUESTS, _FAULTS),
               says="Ended in an error of ours (5xx).", good=(0.01, 0.05)),
        Figure(title="Answer, p95", unit="seconds", query=quantile_of(0.95, p.HTTP_SECONDS),
               says="95 of 100 requests take no longer.", good=(0.5, 1)),
        Figure(title="Received to chained, p95", unit="seconds",
               query=quantile_of(0.95, ledger.INGEST_LAG, where=_CHAINED),
               says="95 of 100 events take no longer.", good=(1, 5)),
    ),
    charts=(
        Chart(slug="response", title="Response time", unit="seconds",
              says="How long half, 95 % and 99 % of requests take at most.",
              queries=quantiles(p.HTTP_SECONDS)),
        Chart(slug="requests", title="Requests by route", unit="per_minute",
              says="How many requests each route gets in a minute.", is_stacked=True,
              queries=(rate(p.HTTP_REQUESTS, "route"),)),
        Chart(slug="statuses", title="How requests were answered", unit="count", kind="bar",
              says="How many answers of each status there were.",
              queries=(count(p.HTTP_REQUESTS, "status"),)),
        Chart(slug="failed", title="Requests refused and failed", unit="ratio",
              says="Which share of requests ended in 4xx, and which in 5xx.",
              queries=(share(p.HTTP_REQUESTS, {"status_class": ("4xx",)}, name="4xx"),
                       share(p.HTTP_REQUESTS, _FAULTS, name="5xx"))),
        Chart(slug="keys", title="Who asks", unit="per_minute", action="auth.login",
              says="API keys that were shown, and people who signed in.",
              queries=(rate(ledger.AUTH_ATTEMPTS, "method outcome"),)),
        Chart(slug="refused", title="What was not taken", unit="count", kind="bar", page=_LEDGERS,
              says="Why events and POSTs were refused.",
              queries=(count(ledger.INGEST_REJECTED, "reason"),)),
        Chart(slug="lag", title="Ingest lag, p95", unit="seconds", page=_LEDGERS,
              says="How long 95 % of events take to each stage.",
              queries=(quantile_of(0.95, ledger.INGEST_LAG, "stage"),)),
        Chart(slug="waiting", title="Events that wait", unit="count", page=_LEDGERS,
              says="How many were received and not chained yet.",
              queries=(gauge(ledger.INBOX_EVENTS, "ledger"),)),
        Chart(slug="events", title="Events by category", unit="per_minute", is_stacked=True,
              says="How many events are chained in a minute.",
              queries=(rate(f.EVENTS, "category"),)),
        Chart(slug="work", title="Background tasks", unit="per_minute",
              says="What the platform's own workers do.",
              queries=(rate(p.CELERY_TASKS, "task"),)),
        Chart(slug="checks", title="Health checks", unit="state",
              says="What each check says: 1 well, 0.5 degraded, 0 failing.",
              queries=(gauge(p.HEALTH_STATUS, "check", how="min"),)),
        Chart(slug="connections", title="Database connections", unit="count", is_stacked=True,
              says="What the connections to Postgres do.",
              queries=(gauge(p.DB_CONNECTIONS, "state"),)),
        Chart(slug="overhead", title="What observing costs", unit="ratio", page=_SWITCHES,
              says="Which share of busy time observing takes, by part.",
              queries=(gauge(p.OVERHEAD_RATIO, "component", how="max"),)),
        Chart(slug="pauses", title="Pauses of Python's collector, p99", unit="seconds",
              says="How long it held a process up.",
              queries=(quantile_of(0.99, p.GC_PAUSE, "generation"),)),
        Chart(slug="switches", title="Context switches", unit="per_second",
              says="How often processes give the processor up or lose it.",
              queries=(rate(p.CONTEXT_SWITCHES, "kind", seconds=1),)),
        Chart(slug="disk", title="Disk", unit="bytes_per_second",
              says="How much is read from disks and written.",
              queries=(rate(p.HOST_DISK_IO, "direction", seconds=1),)),
        Chart(slug="network", title="Network", unit="bytes_per_second",
              says="How much is received and sent.",
              queries=(rate(p.HOST_NETWORK_IO, "direction", seconds=1),)),
        Chart(slug="log", title="Log lines", unit="per_minute",
              says="How much the platform logs, by level.",
              queries=(rate(p.LOG_RECORDS, "level"),)),
    ),
)  # fmt: skip

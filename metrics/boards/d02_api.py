"""D2, API Health: how fast and how well the platform answers. Pure."""

from __future__ import annotations

from typing import Final

from metrics import ledger_families as ledger
from metrics import platform_families as f
from metrics.boards.panels import bars, dial, heat, lines, number, pie, row
from metrics.boards.promql import SHOWN, grown, now, quantile, rate, share, spread
from metrics.boards.shape import Board, rising

_FAILED: Final = 'status_class="5xx"'

BOARD: Final = Board(
    number=2,
    slug="api-health",
    title="API health",
    says="For whoever runs the platform: are requests answered, how fast, and who is turned away.",
    rows=(
        row(
            "Answers",
            lines("Response time", "seconds",
                  "How long half, 95 % and 99 % of requests take at most.",
                  (quantile(0.5, f.HTTP_SECONDS), "p50"),
                  (quantile(0.95, f.HTTP_SECONDS), "p95"),
                  (quantile(0.99, f.HTTP_SECONDS), "p99"), limits=rising(0.5, 1)),
            lines("Request rate by endpoint", "requests_per_second",
                  "How many requests each route gets.",
                  (rate(f.HTTP_REQUESTS, "route"), "{{route}}"), is_stacked=True),
            pie("HTTP status distribution", "count", "How requests were answered.",
                (grown(f.HTTP_REQUESTS, "status"), "{{status}}")),
        ),
        row(
            "What goes wrong",
            dial("Error rate", "ratio", "Which share of requests ended in an error of ours (5xx).",
                 (share(f.HTTP_REQUESTS, _FAILED, over=SHOWN), "5xx"), limits=rising(0.01, 0.05)),
            number("Refused events", "count", "What was not taken in the time that is shown.",
                   (grown(ledger.INGEST_REJECTED), "refused"), limits=rising(1, 100),
                   page="/admin/audit/agentkey/", is_quiet=True),
            lines("Error rate over time", "ratio", "When requests ended in 4xx and in 5xx.",
                  (share(f.HTTP_REQUESTS, 'status_class="4xx"'), "4xx"),
                  (share(f.HTTP_REQUESTS, _FAILED), "5xx")),
            bars("Refused by reason", "count", "Why something was not taken.",
                 (grown(ledger.INGEST_REJECTED, "reason"), "{{reason}}"), is_quiet=True,
                 page="/admin/audit/agentkey/"),
        ),
        row(
            "Who asks",
            lines("Authentication attempts", "per_second",
                  "How many API keys were shown and how many people tried to sign in.",
                  (rate(ledger.AUTH_ATTEMPTS, "method outcome"), "{{method}} {{outcome}}"),
                  page="/admin/audit/entry/?action=auth.login"),
            lines("Response time by endpoint", "seconds", "How long 95 % of its requests take.",
                  (quantile(0.95, f.HTTP_SECONDS, "route"), "{{route}}"), limits=rising(0.5, 1)),
            heat("Response time spread", "seconds", "How the time that requests take spreads.",
                 spread(f.HTTP_SECONDS)),
        ),
        row(
            "Ingest",
            lines("Ingest lag", "seconds", "How long 95 % of events take to each stage.",
                  (quantile(0.95, ledger.INGEST_LAG, "stage"), "{{stage}}"), limits=rising(1, 5)),
            lines("Waiting events", "count", "How many events were received and not chained yet.",
                  (now(ledger.INBOX_EVENTS, "ledger"), "{{ledger}}"), page="/admin/audit/ledger/"),
            lines("Oldest waiting request", "seconds", "How old what waits longest is.",
                  (now(ledger.INBOX_AGE, "ledger", how="max"), "{{ledger}}"),
                  limits=rising(10, 60), page="/admin/audit/ledger/"),
        ),
    ),
)  # fmt: skip

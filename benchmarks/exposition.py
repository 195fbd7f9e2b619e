"""Measure what a scrape of /metrics costs: rendering the page, serving it, and the library's way.

So many label sets of a histogram with ten edges lie in the rows, beside everything else that the
page shows. A scrape renders when the page is five seconds old and else serves the row; both are
asked of the view itself, without a network. For comparison the client library counts as many
label sets in its registry and writes them. Target: 500 label sets within 150 ms.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from typing import Final

import psycopg
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.exposition import choose_encoder

from benchmarks.figures import Findings, arguments, report, say
from benchmarks.ground import database

SIZES: Final = (500, 2_000)
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0"
_TARGET_MS: Final = 150

_FILL = """
INSERT INTO metrics_total (ledger_id, family, labels, buckets, total)
SELECT %(ledger)s, %(family)s, 'agent-' || number || ' prod',
    ARRAY(SELECT (number * place) %% 977 FROM generate_series(1, %(buckets)s) AS place),
    number * 977
FROM generate_series(1, %(sets)s) AS number
"""
_TRACES = """
INSERT INTO metrics_exemplar (ledger_id, family, labels, place, trace_id, value, at)
SELECT ledger_id, family, labels, 3, md5(labels), 1500000, now()
FROM metrics_total
WHERE family = %s
"""


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--times", type=int, default=15, help="scrapes of each sort (default 15)")
    options = parser.parse_args()
    report(options, lambda: measure(options.times))


def measure(times: int) -> Findings:
    """Scrape pages of each size, rendered and served, in turns with the library."""
    found = Findings(question="How long does a scrape of /metrics take?")
    with database() as address, psycopg.connect(address, autocommit=True) as connection:
        from audit.ledgers import open_ledger
        from metrics.agent_families import AGENT_EXECUTION_SECONDS as FAMILY

        ledger = open_ledger("bench")
        for sets in SIZES:
            say(f"{sets:,} label sets")
            connection.execute("DELETE FROM metrics_page")
            connection.execute("DELETE FROM metrics_exemplar")
            connection.execute("DELETE FROM metrics_total")
            connection.execute(
                _FILL,
                {"ledger": ledger.id, "family": FAMILY.name, "sets": sets,
                 "buckets": len(FAMILY.edges) + 1},
            )  # fmt: skip
            connection.execute(_TRACES, (FAMILY.name,))
            connection.execute("ANALYZE metrics_total, metrics_exemplar")
            _measure(found, connection, sets, FAMILY.edges, times)
    return found


def _measure(
    found: Findings,
    connection: psycopg.Connection,
    sets: int,
    edges: tuple[float, ...],
    times: int,
) -> None:
    from django.test import Client

    client = Client(SERVER_NAME="localhost")

    def scrape() -> None:
        page = client.get("/metrics?scope=platform", HTTP_ACCEPT=OPENMETRICS)
        assert page.content.count(b"obs_agent_execution_duration_seconds_count{") == sets

    def due() -> None:
        connection.execute("UPDATE metrics_page SET made_at = made_at - interval '1 hour'")

    library = _library(sets, edges)
    encode, _ = choose_encoder(OPENMETRICS)
    text, _ = choose_encoder("")
    scrape()
    rendering, serving, their_openmetrics, their_text, busy = [], [], [], [], []
    for _ in range(times):
        due()
        began = time.process_time()
        rendering.append(_milliseconds(scrape))
        busy.append((time.process_time() - began) * 1_000)
        serving.append(_milliseconds(scrape))
        their_openmetrics.append(_milliseconds(lambda: encode(library)))
        their_text.append(_milliseconds(lambda: text(library)))
    at_most = _TARGET_MS if sets == SIZES[0] else None
    name = f"{sets:,} label sets"
    found.add(f"{name}: a scrape that renders both formats", _median(rendering), "ms",
              at_most=at_most)  # fmt: skip
    found.add(f"{name}: CPU of the web process for it", _median(busy), "ms")
    found.add(f"{name}: a scrape that serves the row", _median(serving), "ms")
    found.add(f"{name}: the client library, OpenMetrics alone", _median(their_openmetrics), "ms")
    found.add(f"{name}: the client library, text alone", _median(their_text), "ms")


def _library(sets: int, edges: tuple[float, ...]) -> CollectorRegistry:
    registry = CollectorRegistry()
    histogram = Histogram(
        "obs_agent_execution_duration_seconds",
        "How long a run took.",
        ["agent", "environment"],
        buckets=edges,
        registry=registry,
    )
    chance = random.Random(1)
    for number in range(sets):
        series = histogram.labels(f"agent-{number}", "prod")
        for _ in range(20):
            series.observe(chance.random() * 400)
    return registry


def _milliseconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) * 1_000


def _median(values: list[float]) -> float:
    return statistics.median(values)


if __name__ == "__main__":
    main()

"""Show the ledgers' figures to Prometheus: the audit app's part of /metrics.

Named in settings.METRICS_COLLECTORS; metrics.expose asks it at each scrape. It keeps nothing but
table sizes, which it asks for once a minute. Figures: audit.figures.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from audit import figures
from audit.appendstats import ENTRY_EDGES, REASONS, TRANSACTION_EDGES

SIZES_SECONDS: Final = 60.0
"""How long table sizes are remembered: each asks the file system."""


class AuditCollector(Collector):
    """Metrics of appends, verification, stores, inbox and quarantine, read from rows."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # held while one scrape renews the sizes and others wait
        self._sizes: list[figures.TableSize] = []
        self._sizes_until = float("-inf")

    def describe(self) -> Iterable[Metric]:
        """Describe nothing: registering must not reach for the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read everything, then yield; raises what the database raises."""
        with figures.bounded():
            counts = figures.append_counts()
            failures = figures.append_failures()
            ledgers = figures.ledger_figures()
            unsealed = figures.unsealed_ages()
            anchors = figures.anchor_figures()
            destinations = figures.destination_figures()
            sizes = self._table_sizes()
        yield from append_families(counts, failures)
        yield from ledger_families(ledgers)
        yield from anchor_families(unsealed, anchors)
        yield from destination_families(destinations)
        yield from store_families(sizes)

    def _table_sizes(self) -> list[figures.TableSize]:
        with self._lock:
            now = time.monotonic()
            if now >= self._sizes_until:
                self._sizes = figures.table_sizes()
                self._sizes_until = now + SIZES_SECONDS
            return self._sizes


def append_families(
    counts: Iterable[figures.AppendCount], failures: dict[str, int]
) -> Iterator[Metric]:
    """Translate the rows of audit.appendstats; every bucket and reason shows, also at zero."""
    counts = list(counts)
    yield _histogram(
        "obs_audit_append_duration_seconds",
        "Time of an append transaction divided by its entries, counted once an entry.",
        [count for count in counts if count.histogram == "entry"],
        ENTRY_EDGES,
    )
    yield _histogram(
        "obs_audit_append_batch_seconds",
        "Time of an append transaction.",
        [count for count in counts if count.histogram == "transaction"],
        TRANSACTION_EDGES,
    )
    failed = CounterMetricFamily(
        "obs_audit_append_failures",
        "Appends that failed; their events stay in the inbox or went to quarantine.",
        labels=["reason"],
    )
    for reason in REASONS:
        failed.add_metric([reason], failures.get(reason, 0))
    yield failed


def ledger_families(ledgers: Iterable[figures.LedgerFigures]) -> Iterator[Metric]:
    """Translate what each ledger shows of itself into gauges labelled by ledger."""
    verified = _by_ledger(
        "obs_audit_chain_verified", "Chain: 1 intact, 0.5 not proven, 0 tampered."
    )
    verified_at = _by_ledger(
        "obs_audit_chain_verified_timestamp_seconds",
        "Unix time at which the newest verification ended; 0 when there was none.",
    )
    broken = _by_ledger(
        "obs_audit_chain_broken_entries", "Entries found broken and not found intact since."
    )
    waiting = _by_ledger(
        "obs_ingest_inbox_events",
        f"Events received and not chained yet; an estimate above {figures.COUNT_LIMIT} requests.",
    )
    age = _by_ledger(
        "obs_ingest_inbox_age_seconds", "Age of the oldest request whose events wait to be chained."
    )
    quarantined = _by_ledger(
        "obs_audit_quarantine_open",
        f"Events in quarantine that nobody settled; counted up to {figures.COUNT_LIMIT}.",
    )
    for one in ledgers:
        label = [one.ledger]
        verified.add_metric(label, one.verified)
        verified_at.add_metric(label, one.verified_at.timestamp() if one.verified_at else 0)
        broken.add_metric(label, one.broken_entries)
        waiting.add_metric(label, one.inbox_events)
        age.add_metric(label, one.inbox_age_seconds)
        quarantined.add_metric(label, one.quarantine_open)
    yield from (verified, verified_at, broken, waiting, age, quarantined)


def anchor_families(
    unsealed: Iterable[figures.UnsealedAge], anchors: Iterable[figures.AnchorFigures]
) -> Iterator[Metric]:
    """Translate how sealing and anchors go into gauges."""
    waiting = _by_ledger(
        "obs_audit_unsealed_age_seconds",
        "Age of the oldest entry that no signed checkpoint covers; 0 when all are covered.",
    )
    for one in unsealed:
        waiting.add_metric([one.ledger], one.seconds)
    ok = GaugeMetricFamily(
        "obs_audit_anchor_ok",
        "Anchor or witness: 1 ok, 0.5 failing, 0 it holds what contradicts the ledger.",
        labels=["ledger", "sink"],
    )
    age = GaugeMetricFamily(
        "obs_audit_anchor_age_seconds",
        "Time since the first checkpoint that an anchor does not hold was signed; 0 for none.",
        labels=["ledger", "sink"],
    )
    for each in anchors:
        ok.add_metric([each.ledger, each.sink], each.ok)
        age.add_metric([each.ledger, each.sink], each.age_seconds)
    yield from (waiting, ok, age)


def destination_families(destinations: Iterable[figures.DestinationFigures]) -> Iterator[Metric]:
    """Translate how far destinations are and how they do; a paused one has a lag alone."""
    lag = GaugeMetricFamily(
        "obs_destination_lag_entries",
        "Entries chained that a destination has not acknowledged.",
        labels=["destination"],
    )
    ok = GaugeMetricFamily(
        "obs_destination_ok",
        "Destination: 1 its last try was taken, 0.5 failing, 0 dead; absent while paused.",
        labels=["destination"],
    )
    for each in destinations:
        lag.add_metric([each.destination], each.lag_entries)
        if each.ok is not None:
            ok.add_metric([each.destination], each.ok)
    yield from (lag, ok)


def store_families(sizes: Iterable[figures.TableSize]) -> Iterator[Metric]:
    """Translate table sizes."""
    rows = GaugeMetricFamily(
        "obs_store_rows", "Rows of a table, as Postgres last estimated.", labels=["table"]
    )
    stored = GaugeMetricFamily(
        "obs_store_bytes", "Bytes of a table with partitions and indexes.", labels=["table"]
    )
    for size in sizes:
        rows.add_metric([size.table], size.rows)
        stored.add_metric([size.table], size.size_bytes)
    yield from (rows, stored)


def _by_ledger(name: str, documentation: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, documentation, labels=["ledger"])


def _histogram(
    name: str, documentation: str, counts: list[figures.AppendCount], edges: Iterable[float]
) -> HistogramMetricFamily:
    """Build cumulative buckets over today's edges and those that rows still carry."""
    by_edge = {count.edge: count.observations for count in counts}
    total = 0
    buckets: list[tuple[str, float]] = []
    for edge in sorted({*edges, *by_edge, float("inf")}):
        total += by_edge.get(edge, 0)
        buckets.append(("+Inf" if edge == float("inf") else repr(edge), total))
    return HistogramMetricFamily(
        name, documentation, buckets=buckets, sum_value=sum(count.seconds for count in counts)
    )

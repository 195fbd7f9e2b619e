"""Render /metrics: this process' own metrics and every collector of settings.METRICS_COLLECTORS.

Owns the exposition only; what a collector shows is its app's. A collector that cannot read does
not take the others with it: it is logged, and `obs_metrics_collector_up` says 0. Who may ask:
metrics.access. Families derived from entries come from their own collectors.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

import prometheus_client
import structlog
from django.conf import settings
from django.db import OperationalError
from django.utils.module_loading import import_string
from prometheus_client import CollectorRegistry, multiprocess
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

log = structlog.get_logger(__name__)

# A creation time per series doubles the page and no rule of ours reads it.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]


@cache
def collectors() -> dict[str, Collector]:
    """Return the collectors by dotted path, made once a process since they may remember."""
    return {path: import_string(path)() for path in settings.METRICS_COLLECTORS}


def render(accept: str, *, ledger: str | None = None) -> tuple[bytes, str]:
    """Return the page and its content type: OpenMetrics where `accept` asks for it, else text.

    With `ledger`, samples labelled with another ledger are left out.
    """
    encode, content_type = choose_encoder(accept)
    registry = CollectorRegistry(auto_describe=False)
    if settings.METRICS_MULTIPROC_DIR:
        multiprocess.MultiProcessCollector(  # type: ignore[no-untyped-call]
            registry, settings.METRICS_MULTIPROC_DIR
        )
        prometheus_client.ProcessCollector(registry=registry)
    else:
        registry.register(_Process())
    registry.register(_Platform(ledger))
    return encode(registry), content_type


class _Process(Collector):
    """What django-prometheus and the client library count in this process."""

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        return prometheus_client.REGISTRY.collect()


class _Platform(Collector):
    """What the collectors of the apps read."""

    def __init__(self, ledger: str | None) -> None:
        self._ledger = ledger

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily(
            "obs_metrics_collector_up",
            "Whether a collector could read: 1 yes, 0 no, its families are missing.",
            labels=["collector"],
        )
        for path, collector in collectors().items():
            try:
                families = list(collector.collect())
            except OperationalError as error:  # away, or slower than its time; a bug raises
                log.warning("metrics.collector_failed", collector=path, error=str(error))
                up.add_metric([path], 0)
                continue
            up.add_metric([path], 1)
            for family in families:
                yield self._of_ledger(family)
        yield up

    def _of_ledger(self, family: Metric) -> Metric:
        if self._ledger is not None:
            family.samples = [
                sample
                for sample in family.samples
                if sample.labels.get("ledger", self._ledger) == self._ledger
            ]
        return family

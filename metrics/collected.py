"""Ask the collectors of settings.METRICS_COLLECTORS for what their apps show, at each rendering.

A collector that cannot read does not take the others with it: it is logged, and
`obs_metrics_collector_up` says 0. What it shows must stand in families.py, which gives it its help.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final

import psycopg
import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils.module_loading import import_string
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from metrics.families import BY_NAME
from metrics.family import Family
from metrics.platform_families import COLLECTOR_UP
from metrics.series import Series
from metrics.text_format import Distribution, Labels

log = structlog.get_logger(__name__)

UNANSWERED: Final = (
    OperationalError,
    InterfaceError,
    psycopg.OperationalError,
    psycopg.InterfaceError,
)
"""The database is away, or slower than its time; anything else is a bug and raises."""


@cache
def collectors() -> dict[str, Collector]:
    """Return the collectors by dotted path, made once a process since they may remember."""
    return {path: import_string(path)() for path in settings.METRICS_COLLECTORS}


def add_collected(series: Series, families: Iterable[Family], *, ledger: str | None) -> None:
    """Put what collectors show of these families into `series`, in place of what rows said.

    With `ledger`, only samples that carry its label.
    """
    wanted = {family.name: family for family in families}
    for path, collector in collectors().items():
        try:
            found = list(collector.collect())
        except UNANSWERED as error:
            log.warning("metrics.collector_failed", collector=path, error=str(error))
            up = 0
        else:
            up = 1
            for metric in found:
                _add(series, metric, wanted, ledger)
        if COLLECTOR_UP.name in wanted:
            series.put(COLLECTOR_UP.name, (("collector", path),), up)


def name_of(metric: Metric) -> str:
    """Return a metric's name as the list has it: a counter's with `_total`."""
    return f"{metric.name}_total" if metric.type == "counter" else metric.name


def _add(series: Series, metric: Metric, wanted: Mapping[str, Family], ledger: str | None) -> None:
    name = name_of(metric)
    assert name in BY_NAME, f"{name} stands in no list of metrics/families.py"
    if name not in wanted:
        return
    samples = [
        sample
        for sample in metric.samples
        if ledger is None or sample.labels.get("ledger") == ledger
    ]
    if metric.type == "histogram":
        series.distributions.setdefault(name, {}).update(_distributions(samples))
    else:
        for sample in samples:
            series.put(name, _labels(sample), sample.value)


def _distributions(samples: Iterable[Sample]) -> dict[Labels, Distribution]:
    """Take the cumulative buckets of a library's histogram apart."""
    buckets: dict[Labels, list[tuple[float, int]]] = {}
    totals: dict[Labels, float] = {}
    for sample in samples:
        labels = tuple(each for each in _labels(sample) if each[0] != "le")
        if sample.name.endswith("_bucket"):
            edge = float(sample.labels["le"])
            buckets.setdefault(labels, []).append((edge, round(sample.value)))
        elif sample.name.endswith("_sum"):
            totals[labels] = sample.value
    made = {}
    for labels, found in buckets.items():
        found.sort()
        below = [0, *(number for _, number in found)]
        made[labels] = Distribution(
            edges=tuple(edge for edge, _ in found[:-1]),
            counts=[number - less for (_, number), less in zip(found, below, strict=False)],
            total=totals[labels],
        )
    return made


def _labels(sample: Sample) -> Labels:
    return tuple(sorted(sample.labels.items()))

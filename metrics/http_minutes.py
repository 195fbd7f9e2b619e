"""Take the requests of this web process from django-prometheus' counters into minute history.

They are its counters, not a second count, so that pages and Prometheus say the same. Only what is
new since the last look is added, at the minute in which that look was. /metrics shows the counters
themselves; the rows serve pages and rules of the platform's own.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from django_prometheus.middleware import Metrics  # type: ignore[import-untyped]  # ships no types
from prometheus_client import Counter, Histogram
from prometheus_client.samples import Sample

from metrics.increments import Cell
from metrics.own_series import Sums, add_count
from metrics.platform_families import HTTP_REQUESTS, HTTP_SECONDS

_MINUTE: Final = 60.0
_ROUTELESS: Final = "_none"


class HttpMinutes:
    """What was counted of requests when it was looked at last."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, ...], int] = {}
        self._rows: dict[tuple[str, ...], list[int]] = {}
        self._at = time.time()

    def skip(self) -> None:
        """Leave out what was until now."""
        self.add_to(Sums())

    def add_to(self, sums: Sums) -> None:
        """Add what has come since the last look, at its minute."""
        now = time.time()
        # No further back than a minute, wherever a clock that was set has been.
        minute = int(max(min(self._at, now), now - _MINUTE) // _MINUTE)
        self._at = now
        cell = Cell()
        metrics = Metrics.get_instance()
        self._add_requests(cell, metrics.responses_by_status_view_method)
        self._add_seconds(cell, metrics.requests_latency_by_view_method)
        if cell.counts or cell.histograms:
            sums.minutes.setdefault(minute, Cell()).add(cell)

    def _add_requests(self, cell: Cell, counter: Counter) -> None:
        for sample in _samples(counter, "_total"):
            labels = sample.labels
            status = labels["status"]
            values = labels["method"], _route(labels["view"]), f"{status[:1]}xx", status
            new = int(sample.value) - self._counts.get(values, 0)
            if new > 0:
                self._counts[values] = int(sample.value)
                add_count(cell, (HTTP_REQUESTS.name, values), new)

    def _add_seconds(self, cell: Cell, histogram: Histogram) -> None:
        for values, now in _rows_of(histogram).items():
            told = self._rows.get(values) or [0] * len(now)
            if now != told:
                self._rows[values] = now
                cell.histograms[HTTP_SECONDS.name, values] = [
                    a - b for a, b in zip(now, told, strict=True)
                ]


def _rows_of(histogram: Histogram) -> dict[tuple[str, ...], list[int]]:
    """Return by method and route the observations of each bucket, then their sum."""
    found: dict[tuple[str, ...], list[int]] = {}
    below: dict[tuple[str, ...], int] = {}
    for sample in _samples(histogram, "_bucket"):
        values = sample.labels["method"], _route(sample.labels["view"])
        row = found.setdefault(values, [])
        row.append(int(sample.value) - below.get(values, 0))  # theirs are cumulative
        below[values] = int(sample.value)
    for sample in _samples(histogram, "_sum"):
        values = sample.labels["method"], _route(sample.labels["view"])
        found[values].append(round(sample.value * HTTP_SECONDS.scale))
    return found


def _samples(metric: Counter | Histogram, suffix: str) -> Iterable[Sample]:
    return (
        sample
        for family in metric.collect()
        for sample in family.samples
        if sample.name.endswith(suffix)
    )


def _route(view: str) -> str:
    """Return a view's name as it may stand in a row; one without a name is none."""
    return _ROUTELESS if view.startswith("<") else view

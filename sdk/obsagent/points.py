"""Make of metrics the points that the platform counts: what came since it last acknowledged.

A counter is told as what was added (a delta); a gauge as it stands, when it stands otherwise than
before; a histogram as its observations, each a point of its own. Of these an export holds the
newest `MOST_OBSERVATIONS`, shared evenly among the label sets that have new ones, at least one of
each; the others are counted in `Metrics.left_out`. The platform knows a point by its name, type,
time, labels and resource, so that an export sent twice, byte for byte, counts once; therefore no
two points of one label set ever have a time in common.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from obsagent.metrics import Metrics, Series, Standing

MOST_OBSERVATIONS = 1_000
"""Observations in one export."""

_DELTA = 1
_FORMS: dict[str, dict[str, Any]] = {
    "sum": {"aggregationTemporality": _DELTA, "isMonotonic": True},
    "gauge": {},
    "histogram": {"aggregationTemporality": _DELTA},
}

Found = tuple[str, Series, dict[str, Any]]
"""The form of a point's metric, its name and labels, and its times and value."""


class Export(NamedTuple):
    """What is sent at once, and how the metrics stood then."""

    body: bytes
    size: int
    """Points."""
    standing: Standing
    left_out: int


class Points:
    """What the platform knows of the metrics of one process, and what it does not."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._known = Standing(counters={}, gauges={}, counts={})
        self._last_at = 0

    def begin_here(self) -> None:
        """Take everything so far for told: in a child it is its parent's to tell."""
        self._known = self._metrics.now()

    def since(self, *, resource: dict[str, Any], now: int) -> Export | None:
        """Return what came since the last export that was acknowledged; None when nothing did.

        `now` is in nanoseconds since 1970. Acknowledge or send again before asking for the next.
        """
        standing = self._metrics.now()
        began = self._last_at or now
        # Later than all that was told, also when the clock was set back; observations need a
        # nanosecond each.
        at = max(now, self._last_at + MOST_OBSERVATIONS + 1)
        observed, left_out, counts = self._observed(standing, at)
        standing = standing._replace(counts={**standing.counts, **counts})
        found = [*self._counted(standing, at), *self._stood(standing, at), *observed]
        if not found:
            return None
        self._last_at = at
        metrics = _metrics(found, began)
        scope = {"scope": {"name": "obsagent"}, "metrics": metrics}
        said = {"resourceMetrics": [{"resource": resource, "scopeMetrics": [scope]}]}
        return Export(json.dumps(said, default=str).encode(), len(found), standing, left_out)

    def acknowledge(self, export: Export) -> None:
        """Know that the platform has it, or never will."""
        self._known = export.standing
        self._metrics.left_out += export.left_out

    def _counted(self, standing: Standing, at: int) -> Iterator[Found]:
        for series, value in standing.counters.items():
            added = value - self._known.counters.get(series, 0.0)
            if added > 0 and math.isfinite(added):
                yield "sum", series, {"timeUnixNano": str(at), "asDouble": added}

    def _stood(self, standing: Standing, at: int) -> Iterator[Found]:
        for series, value in standing.gauges.items():
            if value != self._known.gauges.get(series) and math.isfinite(value):
                yield "gauge", series, {"timeUnixNano": str(at), "asDouble": value}

    def _observed(self, standing: Standing, at: int) -> tuple[list[Found], int, dict[Series, int]]:
        """Return points of observations, how many were left out, and the counts they reach to."""
        known = self._known.counts
        new = [series for series, count in standing.counts.items() if count > known.get(series, 0)]
        share = max(1, MOST_OBSERVATIONS // len(new)) if new else 0
        found: list[Found] = []
        counts: dict[Series, int] = {}
        left_out = 0
        for series in new:
            after = known.get(series, 0)
            counts[series], values = self._metrics.newest(series, after=after, most=share)
            left_out += counts[series] - after - len(values)
            for back, value in enumerate(reversed(values)):
                if math.isfinite(value):
                    point = {"timeUnixNano": str(at - back), "count": "1", "sum": value}
                    found.append(("histogram", series, point))
        return found, left_out, counts


_NO_NUMBERS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
"""What OTLP in JSON calls the floats that JSON has no number for."""


def attribute(name: str, value: Any) -> dict[str, Any]:
    """Return a name and a value as OTLP has them in JSON."""
    if isinstance(value, bool):
        return {"key": name, "value": {"boolValue": value}}
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return {"key": name, "value": {"intValue": str(int(value))}}
    if isinstance(value, float):
        said = value if math.isfinite(value) else _NO_NUMBERS[str(float(value))]
        return {"key": name, "value": {"doubleValue": said}}
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return {"key": name, "value": {"stringValue": text}}


def _metrics(found: list[Found], began: int) -> list[dict[str, Any]]:
    by_name: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for form, (name, labels), point in found:
        said = [attribute(*label) for label in labels]
        start = {"startTimeUnixNano": str(began)}
        by_name.setdefault((form, name), []).append({"attributes": said, **start, **point})
    return [
        {"name": name, form: {"dataPoints": points, **_FORMS[form]}}
        for (form, name), points in by_name.items()
    ]

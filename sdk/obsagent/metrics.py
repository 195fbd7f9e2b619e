"""Count and time in the agent's own process. Owns counters, gauges and histograms. Never raises.

A gauge is set. What is added to a counter and what a histogram observes is one append; each
`FOLD_AT` of a label set, and whoever reads, fold what came: into a counter's value; into the sum,
count and buckets of a histogram, which are over all, and its newest `KEPT` observations, over which
percentiles are exact by linear interpolation.
At most `MOST_SERIES` label sets are kept; what comes beyond is counted in `overflow`.
Prometheus text: `text()`. To the platform: points.py.
"""

from __future__ import annotations

import functools
import inspect
import math
import os
import threading
import time
import weakref
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, Union, cast

KEPT = 4_096
"""Observations of a histogram that percentiles are made of: 32 KB a label set."""

FOLD_AT = 256
"""Changes of a label set that wait to be counted."""

MOST_SERIES = 2_000
"""Label sets of all metrics together."""

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Edges of a histogram's buckets, in the metric's own unit."""

TYPES = ("counter", "gauge", "histogram")

Labels = dict[str, str]
Series = tuple[str, tuple[tuple[str, str], ...]]
_Function = TypeVar("_Function", bound=Callable[..., Any])


_all: weakref.WeakSet[Metrics] = weakref.WeakSet()


class Counter:
    """What was added up of one label set."""

    __slots__ = ("fresh", "value")

    def __init__(self) -> None:
        self.fresh: deque[float] = deque()
        """What was added and not folded in yet; any thread appends to it."""
        self.value = 0.0

    def fold(self) -> None:
        """Count what is fresh. By one thread at a time; others may append meanwhile."""
        self.value += sum(_taken(self.fresh))


class Histogram:
    """The observations of one label set."""

    __slots__ = ("buckets", "count", "fresh", "kept", "total")

    def __init__(self) -> None:
        self.fresh: deque[float] = deque()
        """What was observed and not folded in yet; any thread appends to it."""
        self.kept: deque[float] = deque(maxlen=KEPT)
        self.buckets = [0] * (len(BUCKETS) + 1)
        self.count = 0
        self.total = 0.0

    def fold(self) -> None:
        """Count what is fresh. By one thread at a time; others may append meanwhile."""
        came = _taken(self.fresh)
        self.kept.extend(came)
        self.count += len(came)
        self.total += sum(came)
        came.sort()
        below = 0
        for place, edge in enumerate(BUCKETS):
            upto = bisect_right(came, edge, below)
            self.buckets[place] += upto - below
            below = upto
        self.buckets[-1] += len(came) - below


_Key = TypeVar("_Key")
_Kept = TypeVar("_Kept")
_Adding = Union[Counter, Histogram]


def _remember(by_order: dict[_Key, _Kept], key: _Key, found: _Kept) -> None:
    if len(by_order) >= 2 * MOST_SERIES:
        by_order.clear()
    by_order[key] = found


def _taken(fresh: deque[float]) -> list[float]:
    # One by one: a list that is swapped for another would lose what a thread then appends.
    return [fresh.popleft() for _ in range(len(fresh))]


class Standing(NamedTuple):
    """How the metrics of a process stand at a moment."""

    counters: dict[Series, float]
    gauges: dict[Series, float]
    counts: dict[Series, int]
    """Observations of each histogram."""


class Metrics:
    """The metrics of one process. Threads and tasks may share it."""

    def __init__(self) -> None:
        self._counters: dict[Series, Counter] = {}
        self.gauges: dict[Series, float] = {}
        self._gauges_by_order: dict[Series, Series] = {}
        self._histograms: dict[Series, Histogram] = {}
        self._by_order: dict[tuple[str, str, tuple[tuple[str, str], ...]], _Adding] = {}
        """Counters and histograms by type, name, and labels in whatever order they come."""
        self.overflow = 0
        """Changes of label sets beyond `MOST_SERIES`."""
        self.refused = 0
        """Changes that were no number, or of an unknown type."""
        self.left_out = 0
        """Observations that were counted here and not sent: points.py says when."""
        self.help: dict[str, str] = {}
        self.begin: Callable[[], None] | None = None
        """Called with each label set that is new to this process: somebody sends them."""
        # Reentrant, since a signal handler may count while its thread does.
        self._lock = threading.RLock()
        _all.add(self)

    def count(self, name: str, value: float = 1.0, labels: Labels | None = None) -> None:
        """Add to a counter; less than nothing is refused."""
        self.record(name, value, "counter", labels)

    def gauge(self, name: str, value: float, labels: Labels | None = None) -> None:
        """Set a gauge."""
        self.record(name, value, "gauge", labels)

    def _set(self, name: str, value: float, labels: Labels | None) -> None:
        given = (name, tuple(labels.items()) if labels else ())
        series = self._gauges_by_order.get(given)
        if series is not None:  # one that is there is set at once; only new ones make it grow
            self.gauges[series] = value
            return
        series = (name, tuple(sorted(given[1])))
        with self._lock:
            if series in self.gauges or self._has_room():
                self.gauges[series] = value
                _remember(self._gauges_by_order, given, series)
        if self.begin is not None:
            self.begin()

    def observe(self, name: str, value: float, labels: Labels | None = None) -> None:
        """Take an observation of a histogram."""
        self.record(name, value, "histogram", labels)

    def record(
        self, name: str, value: float, type: str = "counter", labels: Labels | None = None
    ) -> None:
        """Change a metric by the name of its type; what cannot be is counted in `refused`."""
        kind = value.__class__
        # What is no finite number differs from itself, or cannot be subtracted.
        if not ((kind is float or kind is int) and value - value == 0):
            if kind is bool or not isinstance(value, (float, int)) or value - value != 0:
                self.refused += 1
                return
            value = float(value)  # a number of a class of its own, as numpy's are
        try:
            if type == "gauge":
                self._set(name, value, labels)
                return
            # Sorting the labels costs more than all the rest, so each order is known by itself.
            found = self._by_order.get((type, name, tuple(labels.items()) if labels else ()))
            if found is None:
                found = self._made(type, name, value, labels)
                if found is None:
                    return
        except (AttributeError, TypeError):  # labels that are none
            self.refused += 1
            return
        if value < 0 and type == "counter":
            self.refused += 1
            return
        fresh = found.fresh
        fresh.append(value)
        if len(fresh) >= FOLD_AT:
            with self._lock:
                found.fold()

    def _made(self, type: str, name: str, value: float, labels: Labels | None) -> _Adding | None:
        """Return the counter or histogram of a label set, made when there is room for it.

        None when there is none, and for what is refused.
        """
        if type not in TYPES or (value < 0 and type == "counter"):
            self.refused += 1
            return None
        given = tuple(labels.items()) if labels else ()
        series = (name, tuple(sorted(given)))
        with self._lock:
            known: dict[Series, Any] = self._counters if type == "counter" else self._histograms
            found: _Adding | None = known.get(series)
            if found is None:
                if not self._has_room():
                    return None
                found = known[series] = Counter() if type == "counter" else Histogram()
            _remember(self._by_order, (type, name, given), found)
        if self.begin is not None:
            self.begin()
        return found

    def _has_room(self) -> bool:
        if len(self._counters) + len(self.gauges) + len(self._histograms) < MOST_SERIES:
            return True
        self.overflow += 1
        return False

    def percentile(self, name: str, share: float, labels: Labels | None = None) -> float | None:
        """Return the value below which this share (0 to 1) of the kept observations lies.

        Linear interpolation between the two nearest; None without observations.
        """
        series = (name, tuple(sorted(labels.items())) if labels else ())
        with self._lock:
            found = self._histograms.get(series)
            if found is None:
                return None
            found.fold()
            values = sorted(found.kept)
        return interpolated(values, share)

    @property
    def counters(self) -> dict[Series, float]:
        """All counters, with everything counted that was added until now."""
        with self._lock:
            return self._added_up()

    def _added_up(self) -> dict[Series, float]:
        for each in self._counters.values():
            each.fold()
        return {series: each.value for series, each in self._counters.items()}

    @property
    def histograms(self) -> dict[Series, Histogram]:
        """All histograms, with everything counted that was observed until now."""
        with self._lock:
            return self._folded()

    def _folded(self) -> dict[Series, Histogram]:
        for each in self._histograms.values():
            each.fold()
        return dict(self._histograms)

    def now(self) -> Standing:
        """Return how everything stands."""
        with self._lock:
            counts = {series: each.count for series, each in self._folded().items()}
            return Standing(counters=self._added_up(), gauges=dict(self.gauges), counts=counts)

    def newest(self, series: Series, *, after: int, most: int) -> tuple[int, list[float]]:
        """Return how many observations a histogram has, and the newest after so many of them."""
        with self._lock:
            found = self._histograms[series]
            found.fold()
            number = min(found.count - after, most, len(found.kept))
            return found.count, list(found.kept)[-number:] if number else []

    def timer(self, name: str, labels: Labels | None = None) -> Timer:
        """Time a block, sync or async, or a function as a decorator; seconds, as a histogram."""
        return Timer(self, name, labels)

    def text(self) -> str:
        """Return everything as Prometheus text, version 0.0.4."""
        with self._lock:
            lines = [
                *_plain_lines("counter", self._added_up(), self.help),
                *_plain_lines("gauge", self.gauges, self.help),
                *_histogram_lines(self._folded(), self.help),
            ]
        return "".join(f"{line}\n" for line in lines)


class Timer:
    """Times what runs within it."""

    __slots__ = ("_labels", "_metrics", "_name", "_started")

    def __init__(self, metrics: Metrics, name: str, labels: Labels | None) -> None:
        self._metrics, self._name, self._labels = metrics, name, labels
        self._started = 0.0

    def __enter__(self) -> Timer:
        self._started = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        took = time.perf_counter() - self._started
        self._metrics.observe(self._name, took, self._labels)

    async def __aenter__(self) -> Timer:
        return self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        self.__exit__()

    def __call__(self, function: _Function) -> _Function:
        """Time each call of a function."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def in_turn(*args: Any, **kwargs: Any) -> Any:
                with Timer(self._metrics, self._name, self._labels):
                    return await function(*args, **kwargs)

            return cast("_Function", in_turn)

        @functools.wraps(function)
        def at_once(*args: Any, **kwargs: Any) -> Any:
            with Timer(self._metrics, self._name, self._labels):
                return function(*args, **kwargs)

        return cast("_Function", at_once)


def _after_fork_in_child() -> None:
    """Free what a thread held when its process forked: the thread is not in the child."""
    for metrics in list(_all):
        metrics._lock = threading.RLock()
        # New here, so that `begin` is called in this process too.
        metrics._by_order.clear()
        metrics._gauges_by_order.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)


def interpolated(ordered: list[float], share: float) -> float | None:
    """Return the percentile of ordered values by linear interpolation; None of none."""
    if not ordered:
        return None
    place = (len(ordered) - 1) * min(max(share, 0.0), 1.0)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _plain_lines(kind: str, series: dict[Series, float], help: dict[str, str]) -> list[str]:
    lines, before = [], ""
    for (name, labels), value in sorted(series.items(), key=_place):
        if name != before:
            lines += _head(name, kind, help)
            before = name
        lines.append(f"{_name(name)}{_braces(labels)} {_number(value)}")
    return lines


def _histogram_lines(histograms: dict[Series, Histogram], help: dict[str, str]) -> list[str]:
    lines, before = [], ""
    for (name, labels), found in sorted(histograms.items(), key=_place):
        if name != before:
            lines += _head(name, "histogram", help)
            before = name
        upto = 0
        for edge, number in zip((*BUCKETS, math.inf), found.buckets):
            upto += number
            le = "+Inf" if edge == math.inf else _number(edge)
            lines.append(f"{_name(name)}_bucket{_braces((*labels, ('le', le)))} {upto}")
        lines.append(f"{_name(name)}_sum{_braces(labels)} {_number(found.total)}")
        lines.append(f"{_name(name)}_count{_braces(labels)} {found.count}")
    return lines


def _place(one: tuple[Series, Any]) -> tuple[str, list[tuple[str, str]]]:
    """Return by what a label set is put in order; a value need be no text, such as a status."""
    (name, labels), _ = one
    return str(name), [(str(label), str(value)) for label, value in labels]


def _head(name: str, kind: str, help: dict[str, str]) -> list[str]:
    said = help.get(name, "A measure of the agent's own.")
    escaped = said.replace("\\", "\\\\").replace("\n", "\\n")
    return [f"# HELP {_name(name)} {escaped}", f"# TYPE {_name(name)} {kind}"]


def _name(name: str) -> str:
    """Return the name with what no metric's name may hold made an underscore."""
    clean = "".join(each if each.isascii() and each.isalnum() else "_" for each in str(name))
    return f"_{clean}" if clean[:1].isdigit() else clean


def _braces(labels: tuple[tuple[str, str], ...]) -> str:
    if not labels:
        return ""
    pairs = ",".join(f'{_name(name)}="{_escaped(value)}"' for name, value in labels)
    return "{" + pairs + "}"


def _escaped(value: Any) -> str:
    return str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(value)

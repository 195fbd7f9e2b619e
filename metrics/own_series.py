"""Add up what a process counts of itself, within each family's cap. Pure.

`Sums` holds whole numbers by series until they are written. Beyond its cap a family's values fold
into `_other`, as in the fold of entries (labels.py), but for labels whose values are ours: a share
of refusals stays a share. Which series have a place already is what the rows say; who writes them:
flushing.py.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from audit.measures import Measure
from metrics import platform_families
from metrics.families import BY_NAME
from metrics.family import CLOSED, SEVERITIES, Family
from metrics.increments import Cell
from metrics.labels import NONE, OTHER, Key, normalise

_Number = TypeVar("_Number")

ROLES: Final = ("web", "append", "seal", "deliver", "worker", "beat", "command")
"""What a process of the platform is; `command` is any other that manage.py runs."""

REASONS: Final = (
    "auth", "conflict", "database", "duplicate", "rate", "refused", "size", "validation",
)  # fmt: skip
"""Why events or POSTs were not taken."""

CHANNELS: Final = ("slack", "pagerduty", "webhook", "email")
"""How receivers of incidents are told."""

_OURS: Final[dict[str, Mapping[str, tuple[str, ...]]]] = {
    "obs_ingest_rejected_total": {"reason": REASONS},
    "obs_http_requests_total": {"status_class": ("1xx", "2xx", "3xx", "4xx", "5xx")},
    "obs_http_request_duration_seconds": {},
    "obs_alerts_total": {"severity": ("warning", "critical")},
    "obs_anomalies_total": {
        "detector": ("seasonal", "together", "trend"),
        "severity": SEVERITIES[1:],
    },
    "obs_process_cpu_seconds_total": {"role": ROLES},
    "obs_observability_overhead_seconds_total": {
        "component": ("metrics", "logging", "tracing", "audit")
    },
    "obs_host_disk_io_bytes_total": {"direction": ("read", "written")},
    "obs_host_network_io_bytes_total": {"direction": ("received", "sent")},
    "obs_gc_pause_seconds": {"generation": ("0", "1", "2")},
    "obs_context_switches_total": {"kind": ("voluntary", "involuntary")},
    "obs_notifications_total": {"channel": CHANNELS, "outcome": ("success", "error")},
    "obs_spans_total": {"source": ("otlp", "own")},
    "obs_spans_dropped_total": {"source": ("otlp", "own")},
    "obs_log_records_total": {"level": ("debug", "info", "warning", "error", "critical")},
}
"""By family, labels whose values are ours; of all other families those of family.CLOSED."""

IN_MINUTES: Final = frozenset({
    "obs_auth_attempts_total",
    "obs_cache_requests_total",
    "obs_celery_task_duration_seconds",
    "obs_celery_tasks_total",
    "obs_context_switches_total",
    "obs_gc_pause_seconds",
    "obs_host_disk_io_bytes_total",
    "obs_host_network_io_bytes_total",
    "obs_ingest_lag_seconds",
    "obs_ingest_rejected_total",
    "obs_log_records_total",
    "obs_observability_overhead_seconds_total",
    "obs_process_cpu_seconds_total",
})  # fmt: skip
"""Families whose minutes are asked for, besides requests: overhead.py, targets.py and the pages
under Operations."""

_NO_ZEROS: Final = frozenset[Key]()
_ZEROS: Final[Mapping[str, frozenset[Key]]] = {
    "any": frozenset({
        *(("obs_log_records_total", (each,)) for each in _OURS["obs_log_records_total"]["level"]),
        ("obs_observability_overhead_seconds_total", ("logging",)),
        ("obs_observability_overhead_seconds_total", ("metrics",)),
    }),
    "worker": frozenset({
        ("obs_notifications_total", (channel, outcome))
        for channel in CHANNELS
        for outcome in ("success", "error")
    }),
    "web": frozenset({
        ("obs_auth_attempts_total", ("api_key", "success")),
        ("obs_auth_attempts_total", ("api_key", "denied")),
        ("obs_ingest_rejected_total", ("auth", NONE)),
        ("obs_spans_total", ("otlp",)),
        ("obs_spans_dropped_total", ("otlp",)),
    }),
}  # fmt: skip
_REQUESTS: Final = "obs_http_"
_KEPT_AS_THEY_ARE: Final = frozenset({NONE, OTHER})


@dataclass(slots=True)
class Sums:
    """What is to be added to rows."""

    totals: Cell = field(default_factory=Cell)
    minutes: dict[int, Cell] = field(default_factory=dict)
    """By minute since 1970: requests, and what `share_out` puts there."""

    def add(self, measures: Iterable[Measure]) -> None:
        """Add what was gathered. A family that nobody has listed is our own defect: KeyError."""
        for family, labels, number, value in measures:
            if value is None:
                add_count(self.totals, (family, labels), number)
            else:
                add_observation(self.totals, (family, labels), value, times=number)

    def share_out(self, minute: int) -> None:
        """Give what pages ask for by time to this minute too; call it once, before `join`."""
        cell = Cell(
            counts=_of(self.totals.counts, IN_MINUTES),
            histograms=_of(self.totals.histograms, IN_MINUTES),
        )
        if cell.counts or cell.histograms:
            self.minutes.setdefault(minute, Cell()).add(cell)

    def join(self, later: Sums) -> None:
        """Add what came later."""
        self.totals.add(later.totals)
        for minute, cell in later.minutes.items():
            self.minutes.setdefault(minute, Cell()).add(cell)

    def show_zeros(self, role: str) -> None:
        """Add nothing to what will be counted, so that its first step is seen as one."""
        for key in _ZEROS.get(role, _NO_ZEROS) | _ZEROS["any"]:
            add_count(self.totals, key, 0)

    def is_empty(self) -> bool:
        """Tell whether there is nothing to write."""
        return not (self.totals.counts or self.totals.histograms or self.minutes)


def _of(series: Mapping[Key, _Number], families: frozenset[str]) -> dict[Key, _Number]:
    return {key: number for key, number in series.items() if key[0] in families}


def add_count(cell: Cell, key: Key, number: int) -> None:
    """Add to a counter, in whole numbers."""
    cell.counts[key] = cell.counts.get(key, 0) + number


def add_observation(cell: Cell, key: Key, value: float, *, times: int = 1) -> None:
    """Add an observation, in the family's unit; what is negative is none: clocks are set back."""
    family = BY_NAME[key[0]]
    row = cell.histograms.setdefault(key, [0] * (len(family.edges) + 2))
    value = max(value, 0.0)
    row[bisect_left(family.edges, value)] += times
    row[-1] += round(value * family.scale) * times


def closed_labels(family: Family) -> Mapping[str, tuple[str, ...]]:
    """Return the labels of a family whose values are ours, with these values."""
    ours = _OURS.get(family.name)
    if ours is not None:
        return ours
    return {label: CLOSED[label] for label in family.labels if label in CLOSED}


def room_of(family: Family) -> int:
    """Return how many series of a family may have names of others; the rest is for `_other`."""
    closed = closed_labels(family)
    if len(closed) == len(family.labels):
        return family.cap
    rows = 1
    for values in closed.values():
        rows *= len(values)
    return family.cap - rows


class Places:
    """Which series have a row, and where one goes that has none."""

    def __init__(self, taken: Iterable[tuple[str, str]] = ()) -> None:
        """Begin with the rows there are: family, and values joined by a space."""
        self._taken: dict[str, set[tuple[str, ...]]] = {}
        for family, labels in taken:
            self._taken.setdefault(family, set()).add(tuple(labels.split(" ")) if labels else ())

    def has(self, cell: Cell) -> bool:
        """Tell whether every series of a cell has its row already."""
        return all(
            _said(family, labels) in self._taken.get(family, ())
            for each in (cell.counts, cell.histograms)
            for family, labels in each
        )

    def placed(self, cell: Cell) -> tuple[Cell, dict[str, int]]:
        """Return the cell with what has no place folded, and how much was, by family.

        New series take their places in their order, so that all processes would choose the same.
        """
        made, folded = Cell(), dict[str, int]()
        for key in sorted(cell.counts):
            place = self._place(key)
            add_count(made, place, cell.counts[key])
            if place[1] != _said(*key):
                folded[key[0]] = folded.get(key[0], 0) + 1
        for key in sorted(cell.histograms):
            place = self._place(key)
            row = cell.histograms[key]
            mine = made.histograms.get(place)
            made.histograms[place] = (
                list(row) if mine is None else [a + b for a, b in zip(mine, row, strict=True)]
            )
            if place[1] != _said(*key):
                folded[key[0]] = folded.get(key[0], 0) + sum(row[:-1])
        return made, folded

    def _place(self, key: Key) -> Key:
        family, labels = BY_NAME[key[0]], _said(*key)
        assert len(labels) == len(family.labels), f"{family.name} has the labels {family.labels}"
        taken = self._taken.setdefault(family.name, set())
        if labels in taken:
            return family.name, labels
        closed = closed_labels(family)
        other = tuple(
            value if label in closed else OTHER
            for label, value in zip(family.labels, labels, strict=True)
        )
        named = sum(OTHER not in each for each in taken)
        if labels == other or named < room_of(family):
            taken.add(labels)
            return family.name, labels
        return family.name, other


def overflow(folded: Mapping[str, int]) -> Cell:
    """Return what says that families had no place for some of their values."""
    name = platform_families.LABEL_OVERFLOW.name
    return Cell(counts={(name, (family,)): number for family, number in folded.items()})


def _said(family: str, labels: tuple[str, ...]) -> tuple[str, ...]:
    """Return values as they stand in a row; those of requests as django-prometheus shows them."""
    if family.startswith(_REQUESTS):
        return tuple(each.replace(" ", "_") for each in labels)
    return tuple(each if each in _KEPT_AS_THEY_ARE else normalise(each) for each in labels)

"""What a batch of entries adds to metrics: whole numbers by series, and how two are added. Pure.

All is exact: counts, microseconds, nano-dollars; a family's `scale` divides when it is shown. So
batches may be cut anywhere and added in any order, but for what is the newest of its kind
(exemplars, gauges), where the batch of the later entries wins. Made by fold.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from metrics.labels import Key
from metrics.seen import Present

Counts: TypeAlias = dict[Key, int]
"""By series of counters: how much to add, times the family's `scale` where it has a unit."""

Histograms: TypeAlias = dict[Key, list[int]]
"""By series of histograms: observations in each bucket (not cumulative, infinity the last), then
the sum of what was observed, times the family's `scale`."""


class Exemplar(NamedTuple):
    """The newest observation of a bucket that tells its trace."""

    trace_id: str
    value: int
    """Times the family's `scale`."""
    at_us: int
    """`occurred_at`."""


class Gauge(NamedTuple):
    """What the newest entry says."""

    value: int
    """Times the family's `scale`."""
    at_us: int
    """`occurred_at`."""


@dataclass(slots=True)
class Cell:
    """What some entries add."""

    counts: Counts = field(default_factory=dict)
    histograms: Histograms = field(default_factory=dict)

    def add(self, other: Cell) -> None:
        """Add what others add."""
        counts = self.counts
        for key, number in other.counts.items():
            counts[key] = counts.get(key, 0) + number
        for key, row in other.histograms.items():
            mine = self.histograms.get(key)
            self.histograms[key] = (
                list(row) if mine is None else [a + b for a, b in zip(mine, row, strict=True)]
            )


@dataclass(slots=True)
class Increments:
    """What a batch adds."""

    totals: Cell = field(default_factory=Cell)
    """To the counters and histograms of /metrics; nothing of late entries is in it."""
    minutes: dict[int, Cell] = field(default_factory=dict)
    """To minute history, by the minute (since 1970) in which the acts occurred; late entries too,
    and guards at the minute of receipt."""
    exemplars: dict[tuple[Key, int], Exemplar] = field(default_factory=dict)
    """By series and place of its bucket."""
    gauges: dict[Key, Gauge] = field(default_factory=dict)
    spend: dict[tuple[int, str, str, str], int] = field(default_factory=dict)
    """Nano-dollars by UTC day (since 1970), agent, provider and model, for budgets; late too."""
    work: dict[tuple[int, str, str], int] = field(default_factory=dict)
    """What agents did, by quarter of an hour (since 1970), agent and what: `calls`, `errors`,
    `denied`, `data`, `tokens`, `nano` (dollars), and `tool …` for each tool; late too."""
    present: Present = field(default_factory=dict)
    """Who was there."""
    entries: int = 0

    def add(self, later: Increments) -> None:
        """Add what the entries behind these add."""
        self.totals.add(later.totals)
        for minute, cell in later.minutes.items():
            self.minutes.setdefault(minute, Cell()).add(cell)
        self.exemplars |= later.exemplars
        self.gauges |= later.gauges
        for key, nano in later.spend.items():
            self.spend[key] = self.spend.get(key, 0) + nano
        for did, number in later.work.items():
            self.work[did] = self.work.get(did, 0) + number
        for who, at_us in later.present.items():
            self.present[who] = max(at_us, self.present.get(who, 0))
        self.entries += later.entries


def gathered(*, live: Mapping[int, Cell], late: Mapping[int, Cell]) -> Increments:
    """Return increments of cells by minute; only `live` ones count in the totals.

    The cells are taken over: what is added later to one of them is added here.
    """
    made = Increments(minutes=dict(live))
    for cell in live.values():
        made.totals.add(cell)
    for minute, cell in late.items():
        made.minutes.setdefault(minute, Cell()).add(cell)
    return made

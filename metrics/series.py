"""Read the rows of metrics and put them together as families: sums over ledgers, then units.

Reads what rollup.py, flushing.py and facts.py have written and writes nothing. All is added up in
whole numbers and divided by the family's scale once, so the sum is the same whatever its order.
With a ledger, only what was counted of that ledger is read. Shown by expose.py.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import msgspec
import structlog

from audit.database import raw_cursor, rows
from metrics.agent_families import CUSTOM_COUNTER, CUSTOM_GAUGE, CUSTOM_SECONDS
from metrics.families import BY_NAME, folded
from metrics.family import Family, Source
from metrics.knowing import known
from metrics.known import Custom
from metrics.labels import Names
from metrics.platform_families import METRICS_SERIES
from metrics.states import GAUGES, FoldState, active
from metrics.text_format import Distribution, Exemplar, Labels

log = structlog.get_logger(__name__)

Row: TypeAlias = tuple[str, str]
"""The name of a family, and the values of labels as rows have them: joined by a space."""

_TOTALS: Final = """
SELECT family, labels, n, buckets, total
FROM metrics_total
WHERE %(ledger)s::text IS NULL
    OR ledger_id = (SELECT id FROM public.audit_ledger WHERE name = %(ledger)s)
"""
_GAUGES: Final = """
SELECT family, labels, value
FROM metrics_gauge
WHERE %(ledger)s::text IS NULL
    OR ledger_id = (SELECT id FROM public.audit_ledger WHERE name = %(ledger)s)
"""
# The oldest first, so that of two ledgers' exemplars of one bucket the newest stays.
_EXEMPLARS: Final = """
SELECT family, labels, place, trace_id, value, extract(epoch FROM at)::float8
FROM metrics_exemplar
WHERE %(ledger)s::text IS NULL
    OR ledger_id = (SELECT id FROM public.audit_ledger WHERE name = %(ledger)s)
ORDER BY at
"""
_STATES: Final = """
SELECT state::text
FROM metrics_state
WHERE %(ledger)s::text IS NULL
    OR ledger_id = (SELECT id FROM public.audit_ledger WHERE name = %(ledger)s)
"""
_NAMES: Final = "SELECT list, value FROM metrics_name WHERE list = ANY(%s)"
_PROCESS: Final = "SELECT family, labels, n, buckets, total FROM metrics_process"
_FACTS: Final = "SELECT family, labels, value FROM metrics_fact"


@dataclass(kw_only=True, slots=True)
class Series:
    """All series of some families, by the family's name."""

    numbers: dict[str, dict[Labels, float]] = field(default_factory=dict)
    """Of counters and gauges, in the family's unit."""
    distributions: dict[str, dict[Labels, Distribution]] = field(default_factory=dict)
    """Of histograms, in the family's unit."""

    def put(self, family: str, labels: Labels, number: float) -> None:
        """Say what a counter or gauge is; the later of two stands."""
        self.numbers.setdefault(family, {})[labels] = number


@dataclass(kw_only=True, slots=True)
class _Sums:
    """Rows added up, in the whole numbers that rows keep."""

    counts: dict[Row, int] = field(default_factory=dict)
    buckets: dict[Row, list[int]] = field(default_factory=dict)
    totals: dict[Row, int] = field(default_factory=dict)
    exemplars: dict[Row, dict[int, Exemplar]] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    """Families with a row that cannot be shown."""

    def count(self, row: Row, number: int) -> None:
        self.counts[row] = self.counts.get(row, 0) + number

    def observe(self, row: Row, buckets: Sequence[int], total: int) -> None:
        mine = self.buckets.get(row)
        self.buckets[row] = (
            list(buckets) if mine is None else [a + b for a, b in zip(mine, buckets, strict=True)]
        )
        self.totals[row] = self.totals.get(row, 0) + total


def read_series(families: Iterable[Family], *, ledger: str | None = None) -> Series:
    """Return what rows say of these families; raises what the database raises.

    A row that fits no family, such as one of a newer version while processes are replaced one by
    one, is left out and logged.
    """
    wanted = {family.name: family for family in families}
    sources = {source for family in wanted.values() for source in family.sources}
    sums = _Sums()
    if "entries" in sources or METRICS_SERIES.name in wanted:
        _add_entries(sums, ledger)
    counted = _counted(sums)
    if "process" in sources:
        _add_rows(sums, rows(_PROCESS), "process", ledger)
    named = Naming(sums.refused)
    made = _in_units(sums, wanted, named)
    if METRICS_SERIES.name in wanted:
        for name, number in counted.items():
            made.put(METRICS_SERIES.name, (("family", name),), number)
    if "facts" in sources:
        _add_facts(made, wanted, named, ledger)
    if sums.refused:
        log.warning("metrics.rows_not_shown", families=sorted(sums.refused))
    return made


def _add_entries(sums: _Sums, ledger: str | None) -> None:
    of_ledger = {"ledger": ledger}
    _add_rows(sums, rows(_TOTALS, of_ledger), "entries", None)
    for name, labels, number in rows(_GAUGES, of_ledger):
        sums.count((name, labels), int(number))
    for name, labels, place, trace_id, number, at in rows(_EXEMPLARS, of_ledger):
        if name in BY_NAME:
            shown = Exemplar(trace_id, int(number) / BY_NAME[name].scale, at)
            sums.exemplars.setdefault((name, labels), {})[place] = shown
    _add_open(sums, ledger)


def _add_open(sums: _Sums, ledger: str | None) -> None:
    """Count what is open; which series there ever were is known of all ledgers together alone."""
    learned = [] if ledger else rows(_NAMES, ([family.name for family in GAUGES.values()],))
    states = [
        FoldState.from_json(msgspec.json.decode(state))
        for (state,) in rows(_STATES, {"ledger": ledger})
    ]
    names = Names(learned=learned)
    for (name, values), number in active(
        states, now_us=time.time_ns() // 1000, names=names
    ).items():
        sums.count((name, " ".join(values)), number)


def _add_rows(
    sums: _Sums, found: Iterable[Sequence[Any]], source: Source, ledger: str | None
) -> None:
    """Add rows of one source; with `ledger`, those whose label says it."""
    for name, labels, number, buckets, total in found:
        family = BY_NAME.get(name)
        if family is None or source not in family.sources:
            sums.refused.add(name)
        elif ledger and not _is_of(family, labels, ledger):
            continue
        elif family.kind != "histogram":
            sums.count((name, labels), int(number))
        elif buckets is not None and len(buckets) == len(family.edges) + 1:
            sums.observe((name, labels), buckets, int(total))
        else:
            sums.refused.add(name)


def _is_of(family: Family, labels: str, ledger: str) -> bool:
    values = labels.split(" ")
    return ("ledger", ledger) in zip(family.labels, values, strict=False)


def _counted(sums: _Sums) -> dict[str, int]:
    """Return how many series each folded family has."""
    counted = {family.name: 0 for family in folded()}
    for name, _ in (*sums.counts, *sums.buckets):
        if name in counted:
            counted[name] += 1
    return counted


def _in_units(sums: _Sums, wanted: Mapping[str, Family], named: Naming) -> Series:
    made = Series()
    for (name, values), number in sums.counts.items():
        family = wanted.get(name)
        labels = named.labels(family, values) if family else None
        if family and labels is not None:
            made.put(name, labels, number / family.scale)
    for (name, values), buckets in sums.buckets.items():
        family = wanted.get(name)
        labels = named.labels(family, values) if family else None
        if family and labels is not None:
            made.distributions.setdefault(name, {})[labels] = Distribution(
                edges=family.edges,
                counts=buckets,
                total=sums.totals[name, values] / family.scale,
                exemplars=sums.exemplars.get((name, values), {}),
            )
    return made


def _add_facts(
    made: Series, wanted: Mapping[str, Family], named: Naming, ledger: str | None
) -> None:
    for name, values, number in rows(_FACTS):
        family = wanted.get(name)
        if family is None or (ledger and not _is_of(family, values, ledger)):
            continue
        labels = named.labels(family, values)
        if labels is not None:
            made.put(name, labels, number)


_CUSTOM_KINDS: Final = {
    CUSTOM_COUNTER.name: "counter",
    CUSTOM_GAUGE.name: "gauge",
    CUSTOM_SECONDS.name: "histogram",
}


class Naming:
    """Puts names to the values of a row; asks for custom metrics when the first one comes."""

    def __init__(self, refused: set[str]) -> None:
        """Name the set that takes the families whose rows do not fit them."""
        self._refused = refused
        self._custom: Mapping[str, Sequence[Custom]] | None = None

    def labels(self, family: Family, values: str) -> Labels | None:
        """Return the labels of a row; None, and the family noted, when they do not fit it."""
        said = values.split(" ") if values else []
        names = family.labels
        if len(said) > len(names) and family.name in _CUSTOM_KINDS:
            names = (*names, *self._own(said[0], _CUSTOM_KINDS[family.name], len(said) - 1))
        if len(said) != len(names):
            self._refused.add(family.name)
            return None
        return tuple(sorted(zip(names, said, strict=True)))

    def _own(self, name: str, kind: str, number: int) -> tuple[str, ...]:
        """Return the labels that a custom metric has, as it was allowed last with so many."""
        if self._custom is None:
            with raw_cursor() as cursor:
                self._custom = known(cursor).custom
        for custom in reversed(self._custom.get(name, ())):
            if custom.kind == kind and len(custom.labels) == number:
                return custom.labels
        return ()

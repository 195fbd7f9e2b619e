"""Add what many entries of one look say: a column of numbers at a time. Pure.

Rows wait until the batch is read, each with its plan and in its minute. What is counted is counted
at once for all of them; a histogram takes a column. What is newest of its kind (exemplars, gauges)
goes by seq, since the columns of other looks, and entries without a plan, add to the same series.
Who lets rows wait: looks.py. What a plan holds: plans.py.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, TypeAlias

from metrics.family import Family
from metrics.folding import DAY_MINUTES, MINUTE_US, QUARTER_MINUTES, Folding
from metrics.increments import Cell, Exemplar
from metrics.known import Known
from metrics.labels import Key, Names
from metrics.plans import LAG, PRICE, Observed, Plan
from metrics.reading import since
from metrics.shapes import Row
from metrics.states import FoldState

Waiting: TypeAlias = tuple[int, timedelta, Row]
"""The seq of an entry, its lag, and what its shape says of it."""

_OCCURRED, _TRACE, _NUMBERS = 0, 1, 2
_SEQ = itemgetter(0)


class Columns(Folding):
    """A fold that adds many entries at once."""

    def __init__(self, state: FoldState, *, names: Names, known: Known) -> None:
        """Begin as a fold does."""
        super().__init__(state, names=names, known=known)
        self.seq = 0
        """The entry that something is shown or set by."""
        self._shown: dict[tuple[Key, int], int] = {}
        """By which entry an exemplar is."""
        self._set: dict[Key, int] = {}
        """By which entry a gauge is."""

    def show(self, key: Key, place: int, exemplar: Exemplar) -> None:
        """Make an observation the newest of its bucket, unless an entry behind it was there."""
        if self.seq >= self._shown.get((key, place), -1):
            super().show(key, place, exemplar)
            self._shown[key, place] = self.seq

    def set(self, family: Family, labels: tuple[str, ...], whole: int) -> None:
        """Set a gauge, unless an entry behind this one has."""
        if not self.is_late:
            self._say(self.names.combine(family, labels), whole)

    def _say(self, key: Key, whole: int) -> None:
        if self.seq >= self._set.get(key, -1):
            self.set_key(key, whole)
            self._set[key] = self.seq

    def add_minute(
        self, start: datetime, groups: Sequence[tuple[Plan, list[Waiting]]], *, is_late: bool
    ) -> None:
        """Add what has waited of the minute that begins then."""
        minute = since(start) // MINUTE_US
        cell = (self._late if is_late else self._live).setdefault(minute, Cell())
        self.minute, self.is_late, self._cell = minute, is_late, cell
        lags: dict[Key, tuple[Observed, list[Waiting]]] = {}
        for plan, rows in groups:
            if rows:
                self._add_group(plan, rows, lags)
        for one, rows in lags.values():
            rows.sort(key=_SEQ)  # what stands behind it may be None, which has no order
            _, waited, said = zip(*rows, strict=True)
            # An hour at most, or it is late and not observed.
            wholes = [lag.seconds * 1_000_000 + lag.microseconds for lag in waited]
            self._observe_column(one, wholes, rows, said)

    def _add_group(
        self, plan: Plan, rows: list[Waiting], lags: dict[Key, tuple[Observed, list[Waiting]]]
    ) -> None:
        counts, number = self._cell.counts, len(rows)
        self._made.entries += number
        for key in plan.counts:
            counts[key] = counts.get(key, 0) + number
        for what in plan.works:
            self._add_work(plan, what, number)
        if plan.guards:
            self._add_guards(plan, rows)
        said = [row for _, _, row in rows]
        columns = list(zip(*said, strict=True)) if len(said[0]) > _NUMBERS else []
        for one in plan.observed:
            if one.place == LAG:
                # One histogram for all looks of a minute, so that it is added once.
                lags.setdefault(one.key, (one, []))[1].extend(rows)
            else:
                factor = one.factor
                wholes = [round(value * factor) for value in columns[_NUMBERS + one.place]]
                self._observe_column(one, wholes, rows, said)
        for each in plan.added:
            if each.place == PRICE:
                whole = self._priced(plan, columns)
            else:
                factor = each.factor
                whole = sum([round(value * factor) for value in columns[_NUMBERS + each.place]])
            counts[each.key] = counts.get(each.key, 0) + whole
            if each.place in plan.worked:
                self._add_work(plan, plan.worked[each.place], whole)
            if plan.spends is not None and each.place == plan.paid:
                day = (self.minute // DAY_MINUTES, *plan.spends)
                self._made.spend[day] = self._made.spend.get(day, 0) + whole
        if plan.said:
            self.seq, self.occurred_us = rows[-1][0], since(said[-1][_OCCURRED])
            for each in plan.said:
                self._say(each.key, round(said[-1][_NUMBERS + each.place] * each.factor))

    def _add_work(self, plan: Plan, what: str, number: int) -> None:
        """Add to what the agent of a plan does; the platform's own acts are no work."""
        if plan.worker is not None:
            key = (self.minute // QUARTER_MINUTES, plan.worker, what)
            self._made.work[key] = self._made.work.get(key, 0) + number

    def _add_guards(self, plan: Plan, rows: Sequence[Waiting]) -> None:
        """Add one for each entry, by the minute in which it was received."""
        received = [row[_OCCURRED] + lag for _, lag, row in rows]
        first, last = since(min(received)) // MINUTE_US, since(max(received)) // MINUTE_US
        by_minute: Mapping[int, int] = {first: len(rows)}
        if first != last:
            minutes = [since(each) // MINUTE_US for each in received]
            by_minute = {minute: minutes.count(minute) for minute in minutes}
        for minute, number in by_minute.items():
            counts = self._live.setdefault(minute, Cell()).counts
            for key in plan.guards:
                counts[key] = counts.get(key, 0) + number

    def _observe_column(
        self, one: Observed, wholes: Sequence[int], rows: Sequence[Waiting], said: Sequence[Row]
    ) -> None:
        key, edges = one.key, one.edges
        histogram = self._cell.histograms.get(key)
        if histogram is None:
            histogram = self._cell.histograms[key] = [0] * (len(edges) + 2)
        places = [bisect_left(edges, whole) for whole in wholes]
        for place in places:
            histogram[place] += 1
        histogram[-1] += sum(wholes)
        if self.is_late:
            return
        newest = {place: at for at, place in enumerate(places) if said[at][_TRACE] is not None}
        for place, at in newest.items():
            self.seq = rows[at][0]
            row = said[at]
            self.show(key, place, Exemplar(row[_TRACE], wholes[at], since(row[_OCCURRED])))

    def _priced(self, plan: Plan, columns: Sequence[Sequence[Any]]) -> int:
        """Return what requests cost whose price is known, by their tokens."""
        price = plan.price
        assert price is not None, "what is paid by a price has one"
        named = [
            (kind, [round(value) for value in columns[_NUMBERS + place]])
            for kind, place in plan.tokens.items()
        ]
        requests = zip(*(column for _, column in named), strict=True)
        kinds = [kind for kind, _ in named]
        return sum(price.cost(dict(zip(kinds, each, strict=True))) for each in requests)

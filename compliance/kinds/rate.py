"""rate: of the events of one key and day, no more than a share may be of a sort. Pure.

Item = one bucket of (key, UTC day, environment) with at least `min_denominator` events; smaller
ones are too few to tell and are counted as such. It passes when numerator <= threshold times
denominator, in exact fractions. A late event adds to its bucket, whatever was said of it before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from compliance.items import MODULUS, item_digest
from compliance.kinds.base import Book, Entry, Item, Narrowed, Tested, View
from compliance.kinds.narrowing import Known, narrowed
from compliance.kinds.series import day_of, fields_of, named, naming
from compliance.language.conditions import ALWAYS, NEVER, compile_condition
from compliance.language.durations import decimal
from compliance.result import day_text

NO_SEQ: Final = -1
"""Stands for the entry of an item that is about no single entry."""


class Rate:
    """One rate, ready to run."""

    def __init__(self, definition: Mapping[str, Any]) -> None:
        """Take in the definition: `population`, `numerator`, `key`, and the limits."""
        self._population = compile_condition(definition["population"])
        self._numerator = compile_condition(definition["numerator"])
        self._by_arrival = definition.get("clock") == "received_at"
        self._key = fields_of(definition.get("key"))
        decimal(definition["threshold"])

    def actions(self, actions: Mapping[str, str]) -> frozenset[str] | None:
        """Return the actions of its population."""
        return self._population.actions(actions)

    def slots(self, entry: Entry) -> Iterable[str]:
        """Return none: buckets are all it needs."""
        return ()

    def see(self, entry: Entry, book: Book) -> None:
        """Add the entry to its bucket when it is of the population."""
        if not self._population.holds(entry):
            return
        series = named([entry.read(path) for path in self._key])
        self._measure(entry, series, book, is_counted=self._numerator.holds(entry))

    def _measure(self, entry: Entry, series: str, book: Book, *, is_counted: bool) -> None:
        book.measure(
            day_of(entry, by_arrival=self._by_arrival),
            series,
            entry.agent,
            "" if self._by_arrival else entry.environment,
            numerator=1 if is_counted else 0,
            denominator=1,
        )

    def see_only(self, known: Known) -> Narrowed | None:
        """Return what does as `see` for entries of this shape; None: it does nothing."""
        population = narrowed(self._population, known)
        if population is None:
            return None
        numerator = narrowed(self._numerator, known) or NEVER
        is_of_it, is_counted, measure = population.holds, numerator.holds, self._measure
        is_plain = population is ALWAYS and numerator in (ALWAYS, NEVER)
        series_of = naming(self._key, known, named)

        def measured(entry: Entry, book: Book) -> None:
            if is_plain:
                measure(entry, series_of(entry), book, is_counted=numerator is ALWAYS)
            elif is_of_it(entry):
                measure(entry, series_of(entry), book, is_counted=is_counted(entry))

        return Narrowed(see=measured)

    def expire(self, slot: str, value: Any, book: Book) -> None:
        """Never called: nothing of it is ever due."""
        raise AssertionError(f"rate has no slot, and {slot} expired")

    @staticmethod
    def tested(definition: Mapping[str, Any], view: View) -> Tested:
        """Say which buckets of the span are large enough, and which of them are over the limit."""
        threshold = decimal(definition["threshold"])
        least = definition.get("min_denominator", 1)
        few = digests = 0
        failing: list[Item] = []
        by_agent: dict[str, tuple[int, int]] = {}
        for (day, series, environment), bucket in sorted(_whole(view).items()):
            if bucket.denominator < least:
                few += 1
                continue
            failed = bucket.numerator > threshold * bucket.denominator
            item = f"{day_text(day)}/{series}"
            if environment not in ("", "prod"):
                item += f"/{named([environment])}"
            agent = bucket.agent
            n, f = by_agent.get(agent, (0, 0))
            by_agent[agent] = (n + 1, f + failed)
            digests += item_digest(item, "fail" if failed else "pass", 1)
            if failed:
                failing.append(_failing(item, day, agent, environment, bucket, definition))
        return Tested(
            n=sum(n for n, _ in by_agent.values()),
            f=len(failing),
            few=few,
            by_agent=by_agent,
            failing=tuple(failing),
            item_sum=digests % MODULUS,
        )


class _Bucket:
    """A bucket over all agents that share its key."""

    __slots__ = ("agent", "denominator", "numerator")

    def __init__(self, agent: str) -> None:
        self.agent = agent
        """Empty when the bucket holds events of several."""
        self.numerator = 0
        self.denominator = 0


def _whole(view: View) -> dict[tuple[int, str, str], _Bucket]:
    """Return the span's buckets, those of several agents under one key put together."""
    whole: dict[tuple[int, str, str], _Bucket] = {}
    for row in view.buckets():
        bucket = whole.setdefault((row.day, row.series, row.environment), _Bucket(row.agent))
        if bucket.agent != row.agent:
            bucket.agent = ""
        bucket.numerator += row.numerator
        bucket.denominator += row.denominator
    return whole


def _failing(
    item: str,
    day: int,
    agent: str,
    environment: str,
    bucket: _Bucket,
    definition: Mapping[str, Any],
) -> Item:
    return Item(
        item=item,
        state="fail",
        day=day,
        agent=agent,
        environment=environment,
        seq=NO_SEQ,
        why=(
            f"{bucket.numerator} of {bucket.denominator} are more than "
            f"{definition['threshold']} of them."
        ),
        evidence={
            "day": day_text(day),
            "numerator": bucket.numerator,
            "denominator": bucket.denominator,
        },
    )

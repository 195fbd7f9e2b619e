"""Which items of a check a sample is drawn of, found entry by entry. Pure.

For most kinds the population is a query: the entries of the period for which the check's
`population` holds, with the filter of its control, in the environment that was judged. Two kinds
have items that are no entries. A cadence's are the days of the period; what a person looks at is
the newest match that the day can rest on, or that there is none. A rate's are its buckets of a
series and day that are large enough; what a person looks at is the bucket's newest entry.

A check may count differently: a followup on the day on which it is decided, a fact or a ban also
when it was in force before, a burst once for all its entries. `words` says so beside every sample.
Drawing: sample.py.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from compliance.definitions import Lens
from compliance.kinds.base import DAY_US, Entry
from compliance.kinds.series import day_of, fields_of, named
from compliance.language.conditions import Closed, compile_condition
from compliance.language.durations import parse_duration
from compliance.result import day_text
from compliance.sample import NO_ENTRY, Drawable, Population, about_entry

_QUERY: Final = "The entries of the period that the check looks at"
_WORDS: Final[Mapping[str, str]] = {
    "each": f"{_QUERY}; each is one item.",
    "prior": f"{_QUERY}, each of which must have something before it.",
    "followup": f"{_QUERY}, each of which must be followed by something. The check counts an item "
    "on the day on which it is decided, so its number may differ.",
    "gap": f"{_QUERY}, each of which ends a pair with the one before it in its series.",
    "burst": f"{_QUERY}; the check counts a burst of them once, so its number is lower.",
    "forbid": f"{_QUERY}, each of which forbids something from then on. The check also counts what "
    "was forbidden before the period, so its number may differ.",
    "fact": f"{_QUERY}, each of which holds until the next. The check also counts what was in "
    "force when the period began, so its number may differ.",
    "cadence": "The days of the period, as far as they were observed. Of each the newest match up "
    "to its end is looked at; a day without one has no entry.",
    "rate": "The buckets of a series and day that are large enough to be judged. Of each its "
    "newest entry is looked at; to test it, count its entries again.",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Within:
    """The period, as the snapshot's entry says it."""

    start: int
    """First day."""
    end: int
    """The day after the last."""
    observed_from: int
    as_of: int
    """us"""
    environment: str | None
    """None: all of them."""


class Asking:
    """Which entries a lens can find an item in, told by action and category alone."""

    def __init__(self, lens: Lens) -> None:
        """Take the lens whose population is drawn of."""
        self._condition = compile_condition(*_condition(lens), people=lens.kind == "cadence")
        self._answers: dict[tuple[str, str], bool] = {}

    def may_care(self, action: str, category: str) -> bool:
        """Tell whether an entry of this action must be read."""
        key = (action, category)
        if key not in self._answers:
            self._answers[key] = bool(self._condition.actions(Closed({action: category})))
        return self._answers[key]


def words(lens: Lens) -> str:
    """Return what the population of a sample is, in a sentence or two."""
    return _WORDS[lens.kind]


def looks_back(lens: Lens) -> int:
    """Return how many days before the period entries matter for its items."""
    if lens.kind != "cadence":
        return 0
    return -(-(DAY_US - parse_duration(lens.definition["every"]).before(DAY_US)) // DAY_US)


def population_of(lens: Lens, within: Within) -> Population:
    """Return the population of a lens in a period; offer it every entry up to the head, by seq."""
    if lens.kind == "cadence":
        return _Days(lens, within)
    if lens.kind == "rate":
        return _Buckets(lens, within)
    return _Entries(lens, within)


class _Query:
    """Whether an entry is of the population, by condition, day and environment."""

    def __init__(self, lens: Lens, within: Within) -> None:
        self.by_arrival = lens.definition.get("clock") == "received_at"
        self._condition = compile_condition(*_condition(lens))
        self._within = within

    def holds(self, entry: Entry) -> bool:
        within = self._within
        if not within.start <= day_of(entry, by_arrival=self.by_arrival) < within.end:
            return False
        # By arrival all environments are one: the check is of the evidence itself.
        is_elsewhere = within.environment is not None and entry.environment != within.environment
        if is_elsewhere and not self.by_arrival:
            return False
        return self._condition.holds(entry)


class _Entries:
    """Items that are entries."""

    def __init__(self, lens: Lens, within: Within) -> None:
        self._query = _Query(lens, within)
        # An entry without what is measured is no part of any pair.
        self._measure: str | None = lens.definition["measure"] if lens.kind == "gap" else None

    def item(self, entry: Entry) -> str | None:
        if not self._query.holds(entry):
            return None
        if self._measure is not None and entry.read(self._measure) is None:
            return None
        return str(entry.seq)

    def rest(self) -> Iterable[Drawable]:
        return ()


class _Days:
    """The days of a cadence, each with the newest match that it can rest on."""

    def __init__(self, lens: Lens, within: Within) -> None:
        self._match = compile_condition(*_condition(lens), people=True)
        self._every = parse_duration(lens.definition["every"])
        self._by_arrival = lens.definition.get("clock") == "received_at"
        self._within = within
        self._latest: dict[int, tuple[int, Drawable]] = {}

    def item(self, entry: Entry) -> str | None:
        if self._match.holds(entry):
            at = entry.received if self._by_arrival else entry.at
            # An event at exactly midnight belongs to the day before, as for the check itself.
            day = (at - 1) // DAY_US
            known = self._latest.get(day)
            if known is None or at > known[0]:
                self._latest[day] = (at, about_entry("", "", entry))
        return None

    def rest(self) -> Iterator[Drawable]:
        within = self._within
        latest = [self._latest[day] for day in sorted(self._latest)]
        times = [at for at, _ in latest]
        for day in range(max(within.start, within.observed_from), within.end):
            if day * DAY_US >= within.as_of:
                return
            end = (day + 1) * DAY_US
            newest = bisect_right(times, min(end, within.as_of)) - 1
            is_there = newest >= 0 and times[newest] > self._every.before(end)
            yield _named(day_text(day), "", latest[newest][1] if is_there else None)


class _Bucket:
    __slots__ = ("agent", "count", "newest")

    def __init__(self, agent: str) -> None:
        self.agent = agent
        self.count = 0
        self.newest: Drawable | None = None


class _Buckets:
    """The buckets of a rate; memory by their number, which the tallies keep as well."""

    def __init__(self, lens: Lens, within: Within) -> None:
        self._query = _Query(lens, within)
        self._key = fields_of(lens.definition.get("key"))
        self._least: int = lens.definition.get("min_denominator", 1)
        self._buckets: dict[tuple[int, str, str], _Bucket] = {}

    def item(self, entry: Entry) -> str | None:
        if self._query.holds(entry):
            by_arrival = self._query.by_arrival
            day = day_of(entry, by_arrival=by_arrival)
            series = named([entry.read(path) for path in self._key])
            environment = "" if by_arrival else entry.environment
            bucket = self._buckets.setdefault((day, series, environment), _Bucket(entry.agent))
            if bucket.agent != entry.agent:
                bucket.agent = ""
            bucket.count += 1
            bucket.newest = about_entry("", "", entry)
        return None

    def rest(self) -> Iterator[Drawable]:
        for (day, series, environment), bucket in sorted(
            self._buckets.items(), key=lambda one: one[0]
        ):
            if bucket.count < self._least:
                continue
            item = f"{day_text(day)}/{series}"
            if environment not in ("", "prod"):
                item += f"/{named([environment])}"
            yield _named(item, bucket.agent, bucket.newest)


def _named(item: str, stratum: str, about: Drawable | None) -> Drawable:
    """Return an item under its own name; without an entry when there is none."""
    return Drawable(
        item=item,
        stratum=stratum,
        seq=NO_ENTRY if about is None else about.seq,
        entry_id="" if about is None else about.entry_id,
        entry_hash="" if about is None else about.entry_hash,
        occurred_at="" if about is None else about.occurred_at,
    )


def _condition(lens: Lens) -> tuple[Any]:
    """Return the condition that makes the population, as the lens has it."""
    if lens.kind == "cadence":
        return (lens.definition["match"],)
    population = lens.definition["population"]
    is_derived = isinstance(population, Mapping) and "derive" in population
    return (population["over"] if is_derived else population,)

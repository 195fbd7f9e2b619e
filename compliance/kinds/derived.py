"""derive: items for values that events show, not for events. Pure.

first_seen: one item for the first entry, by seq, in which (key, field, value) occurs in the
ledger's whole life, except a key's first value of each field: that is where it began, no change.
distinct: one item for the first entry, by seq, of each (value, UTC day), whatever field shows it.

Environments are kept apart. Used by prior.py. Slots: `v/…` a value that was seen, `n/…` the newest
of a key's field, `d/…` the days of a value as stretches `[first, last]`, so that a value that is
seen every day for years is one short slot.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from compliance.kinds.base import Book, Entry, Steady
from compliance.kinds.narrowing import Known, narrowed, steady_on
from compliance.kinds.series import day_of, fields_of, named, naming
from compliance.language.conditions import Condition, compile_condition
from compliance.language.errors import DefinitionError


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """A value that an event shows for the first time."""

    field: str
    value: Any
    old: Any = None
    """first_seen: the newest value of this key and field until now."""

    def as_mapping(self) -> Mapping[str, Any]:
        """Return it as conditions read it: `@derived.field`, `@derived.value`, `@derived.old`."""
        return {"field": self.field, "value": self.value, "old": self.old}


class Derivation:
    """A population that is derived: `{derive: first_seen|distinct, of: […], over: …}`."""

    def __init__(self, population: Mapping[str, Any], *, key: Any, by_arrival: bool) -> None:
        """Take in the definition's population. Raises DefinitionError."""
        self._is_first_seen = population["derive"] == "first_seen"
        if not self._is_first_seen and population["derive"] != "distinct":
            raise DefinitionError(f"derive: {population['derive']} is no first_seen or distinct")
        self.over: Condition = compile_condition(population["over"])
        self._of = fields_of(population["of"])
        self._key = fields_of(key)
        self._by_arrival = by_arrival

    def slots(self, entry: Entry) -> Iterator[str]:
        """Yield the slots that `shown` will ask for."""
        where = self._where(entry)
        for field, value in self._values(entry):
            if self._is_first_seen:
                yield f"v/{where}/{field}/{named([value])}"
                yield f"n/{where}/{field}"
            else:
                yield f"d/{where}/{named([value])}"

    def possible(self, entry: Entry) -> Iterator[Mapping[str, Any]]:
        """Yield what may be derived of an entry, so that what it asks for can be fetched."""
        for field, value in self._values(entry):
            yield Shown(field=field, value=value).as_mapping()

    def shown(self, entry: Entry, book: Book) -> list[Shown]:
        """Return the values that are items of this entry, and remember all it shows."""
        if not self.over.holds(entry):
            return []
        where = self._where(entry)
        if self._is_first_seen:
            return self._first_seen(entry, where, book)
        day = day_of(entry, by_arrival=self._by_arrival)
        return [
            Shown(field=field, value=value)
            for field, value in self._values(entry)
            if _is_new_day(f"d/{where}/{named([value])}", day, book)
        ]

    def showing(self, known: Known) -> Callable[[Entry, Book], Sequence[Shown]] | None:
        """Return what does as `shown` for entries of one shape; None: they show nothing.

        Nearly every entry shows what others have shown before.
        """
        over = narrowed(self.over, known)
        there = [field for field in self._of if not known.is_missing(field)]
        if over is None or not there:
            return None
        if not all(known.is_text(field) for field in there):
            return self.shown
        where = () if self._by_arrival else ("agent.environment",)
        slots_of = tuple(
            naming((*where, *self._key, field), known, partial(self._slot, field=field))
            for field in there
        )
        is_of_it, shown, by_arrival = over.holds, self.shown, self._by_arrival

        def first_seen(entry: Entry, book: Book) -> Sequence[Shown]:
            for slot_of in slots_of:
                if book.get(slot_of(entry)) is None:
                    return shown(entry, book)
            return ()

        def distinct(entry: Entry, book: Book) -> Sequence[Shown]:
            day = day_of(entry, by_arrival=by_arrival)
            for slot_of in slots_of:
                days = book.get(slot_of(entry))
                if not days or not days[-1][0] <= day <= days[-1][1]:
                    return shown(entry, book)
            return ()

        found = first_seen if self._is_first_seen else distinct
        return lambda entry, book: found(entry, book) if is_of_it(entry) else ()

    def steady(self, known: Known) -> Steady | None:
        """Return on what `showing` rests; None where it must be asked with each entry."""
        over = narrowed(self.over, known)
        # A value that was seen once has been seen for good; a day passes.
        if over is None or not self._is_first_seen:
            return None
        paths = steady_on(known, over, ("agent.environment", *self._key), self._of)
        return None if paths is None else Steady(paths=paths)

    def _slot(self, values: Sequence[Any], *, field: str) -> str:
        """Return where a field's value is remembered; `values`: where it was shown, and itself."""
        where = named(["", *values[:-1]] if self._by_arrival else values[:-1])
        value = named(values[-1:])
        return f"v/{where}/{field}/{value}" if self._is_first_seen else f"d/{where}/{value}"

    def _first_seen(self, entry: Entry, where: str, book: Book) -> list[Shown]:
        found = []
        for field, value in self._values(entry):
            slot = f"v/{where}/{field}/{named([value])}"
            if book.get(slot) is not None:
                continue
            book.put(slot, entry.seq)
            newest = f"n/{where}/{field}"
            old = book.get(newest)
            book.put(newest, [value])
            if old is not None:
                found.append(Shown(field=field, value=value, old=old[0]))
        return found

    def _where(self, entry: Entry) -> str:
        environment = "" if self._by_arrival else entry.environment
        return named([environment, *(entry.read(path) for path in self._key)])

    def _values(self, entry: Entry) -> Iterator[tuple[str, Any]]:
        """Yield every value that the entry shows, with its field; of a list each one."""
        read = entry.read
        for field in self._of:
            value = read(field)
            if value.__class__ is list:
                for one in value:
                    yield field, one
            elif value is not None:
                yield field, value


def _is_new_day(slot: str, day: int, book: Book) -> bool:
    """Add a day to a value's days; say whether it was not among them."""
    days: list[list[int]] = book.get(slot) or []
    place = bisect_right(days, [day, day]) if days else 0
    # The stretch that begins on the day or before it; [day, day] itself sorts before [day, later].
    if place < len(days) and days[place][0] == day:
        return False
    if place and days[place - 1][1] >= day:
        return False
    joins_before = place > 0 and days[place - 1][1] == day - 1
    joins_after = place < len(days) and days[place][0] == day + 1
    first = days[place - 1][0] if joins_before else day
    last = days[place][1] if joins_after else day
    days[place - joins_before : place + joins_after] = [[first, last]]
    book.put(slot, days)
    return True

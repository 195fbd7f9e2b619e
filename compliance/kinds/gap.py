"""gap: entries of one series must not lie too far apart. Pure.

Item = each consecutive pair of a series (`key`, and the environment unless the check goes by
arrival), in order of `measure`, while the series is active (`active`: from one action to others);
it passes when the distance is at most `max_gap`. `tail: true` adds the pair of the last entry and
now: once the clock has passed last + max_gap it fails, on that day, as `<last seq>/tail`, and so
the pair that follows is not counted a second time. `count_missing: true`: missing.py.

A measure that follows the order of arrival (received_at, seq) needs only the last entry of each
series. By occurred_at, or a number of the event, a late entry may fall between two that are long
decided, so the series is kept whole: line.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final

from compliance.kinds.base import DAY_US, Book, Counted, Entry, Narrowed, Tested, View
from compliance.kinds.counted import counted
from compliance.kinds.line import BEGINS, COUNTS, ENDS, Limit, Line, Point
from compliance.kinds.missing import Numbered
from compliance.kinds.narrowing import Known, narrowed
from compliance.kinds.series import day_of, evidence_of, fields_of, named, naming
from compliance.language.conditions import ALWAYS, Closed, compile_condition
from compliance.language.durations import parse_duration
from compliance.language.errors import DefinitionError

_TIMES: Final = ("occurred_at", "received_at")
_BY_ARRIVAL: Final = ("received_at", "seq")


class Gap:
    """One gap check, ready to run."""

    def __init__(self, definition: Mapping[str, Any]) -> None:
        """Take in the definition. Raises DefinitionError when its modifiers do not go together."""
        self._population = compile_condition(definition["population"])
        self._key = fields_of(definition.get("key"))
        self._measure: str = definition["measure"]
        self._by_arrival = definition.get("clock") == "received_at"
        self._place = _placing(self._measure)
        # The sequence of a ledger belongs to none of its agents.
        self._of_ledger = all(field == "ledger" for field in self._key)
        self._evidence = tuple(definition.get("evidence", ()))
        active = definition.get("active")
        self._begins: str | None = active["from"] if active else None
        self._ends = frozenset(fields_of(active["to"])) if active else frozenset()
        self._can_count: dict[str, bool] = {}
        self._numbered: Numbered | None = None
        self._line: Line | None = None
        settle = definition.get("settle")
        if definition.get("count_missing"):
            if definition["max_gap"] != 1 or active or definition.get("tail"):
                raise DefinitionError(
                    "count_missing counts each number: max_gap must be 1, without active and tail"
                )
            if self._measure in _TIMES:
                raise DefinitionError("count_missing needs a measure that is a number, not a time")
            self._numbered = Numbered(settle=parse_duration(settle) if settle else None)
            return
        if settle:
            raise DefinitionError("settle needs count_missing: true")
        if definition.get("tail") and self._measure not in _TIMES:
            raise DefinitionError("tail needs a measure that is a time")
        self._line = Line(
            limit=Limit.of(definition["max_gap"], is_time=self._measure in _TIMES),
            tail=bool(definition.get("tail")),
            keeps_all=self._measure not in _BY_ARRIVAL,
            active_at_first=active is None,
        )

    def actions(self, actions: Mapping[str, str]) -> frozenset[str] | None:
        """Return the actions of its population, and those that begin and end the activity."""
        wanted = self._population.actions(actions)
        if wanted is None:
            return None
        return wanted | self._ends | ({self._begins} if self._begins else frozenset())

    def slots(self, entry: Entry) -> Iterable[str]:
        """Return the slot of the entry's series."""
        return (f"s/{self._series(entry)}",)

    def see(self, entry: Entry, book: Book) -> None:
        """Take in an entry of the population, or one that begins or ends the activity."""
        flags = self._flags(entry)
        at = self._place(entry) if flags else None
        if at is None:
            return
        if self._numbered is not None:
            self._number(entry, at, book)
        else:
            self._draw(entry, at, flags, book)

    def _number(self, entry: Entry, at: int, book: Book) -> None:
        if self._is_new(entry, at, book):
            day = day_of(entry, by_arrival=self._by_arrival)
            agent = "" if self._of_ledger else entry.agent
            environment = "" if self._by_arrival else entry.environment
            book.decide(day, agent, environment, str(entry.seq), passed=True)

    def _is_new(self, entry: Entry, number: int, book: Book) -> bool:
        """Take in a number; say whether it was not there before, and so passes."""
        assert self._numbered is not None, "asked only with count_missing"
        return self._numbered.see(
            entry,
            book,
            series=self._series(entry),
            number=number,
            day=day_of(entry, by_arrival=self._by_arrival),
            agent="" if self._of_ledger else entry.agent,
            environment="" if self._by_arrival else entry.environment,
            evidence=self._evidence,
        )

    def _draw(self, entry: Entry, at: int, flags: int, book: Book) -> None:
        """Put an entry on the line of its series."""
        assert self._line is not None, "asked only without count_missing"
        environment = "" if self._by_arrival else entry.environment
        agent = "" if self._of_ledger else entry.agent
        day = day_of(entry, by_arrival=self._by_arrival)
        point = Point(at, entry.seq, flags, False, day, agent)
        self._line.see(
            self._series(entry),
            point,
            environment,
            book,
            lambda: evidence_of(entry, self._evidence),
        )

    def see_only(self, known: Known) -> Narrowed | None:
        """Return what does as `see` for entries of this shape; None: it does nothing."""
        turns = known.action == self._begins or known.action in self._ends
        population = narrowed(self._population, known)
        # What belongs to no agent and yet to an environment is counted in no way that others are.
        if turns or (self._of_ledger and not self._by_arrival):
            return Narrowed(see=self.see, slots=self.slots)
        if population is None:
            return None
        by: Counted = "arrived" if self._by_arrival else "occurred"
        if self._of_ledger:
            by = "ledger"
        seen = self._counting(known) if self._numbered is not None else self._drawing(known)
        is_of_it = population.holds

        def seen_of_it(entry: Entry, book: Book) -> bool:
            return is_of_it(entry) and seen(entry, book)

        return Narrowed(
            see=seen if population is ALWAYS else seen_of_it, counted=by, slots=self.slots
        )

    def _counting(self, known: Known) -> Callable[[Entry, Book], bool]:
        """Return what takes in the number of an entry of this shape; says whether it passes."""
        numbers, measure, is_new = self._numbered, self._measure, self._is_new
        slot_of = naming(self._series_paths(), known, _slot)
        assert numbers is not None, "asked only with count_missing"

        def numbered(entry: Entry, book: Book) -> bool:
            at = entry.read(measure)
            if at.__class__ is not int:
                return False
            return numbers.goes_on(slot_of(entry), at, book) or is_new(entry, at, book)

        return numbered

    def _drawing(self, known: Known) -> Callable[[Entry, Book], bool]:
        """Return what puts an entry of this shape on its line; says whether its pair passes."""
        line, place, draw = self._line, self._place, self._draw
        by_arrival, of_ledger = self._by_arrival, self._of_ledger
        slot_of = naming(self._series_paths(), known, _slot)
        assert line is not None, "without count_missing there is a line"

        def drawn(entry: Entry, book: Book) -> bool:
            at = place(entry)
            if at is None:
                return False
            day = (entry.received if by_arrival else entry.at) // DAY_US
            agent = "" if of_ledger else entry.agent
            passes = line.goes_on(slot_of(entry), at, entry.seq, day, agent, book)
            if passes is None:
                draw(entry, at, COUNTS, book)
            return passes is True

        return drawn

    def expire(self, slot: str, value: Any, book: Book) -> None:
        """Fail a hole that nobody filled, or a series that fell silent."""
        if self._numbered is not None:
            self._numbered.expire(value, book)
        elif self._line is not None:
            self._line.expire(slot, value, book)

    @staticmethod
    def tested(definition: Mapping[str, Any], view: View) -> Tested:
        """Return what was counted. A hole stands for each of its numbers."""
        return counted(view)

    def _flags(self, entry: Entry) -> int:
        flags = COUNTS if self._population.holds(entry) else 0
        action = entry.action
        if action == self._begins and (flags or not self._may_count(entry)):
            flags |= BEGINS
        elif action in self._ends and (flags or not self._may_count(entry)):
            flags |= ENDS
        return flags

    def _may_count(self, entry: Entry) -> bool:
        """Say whether any entry of this action could be in the population.

        `agent.started` of the platform, or in a backfill, is of an action that the population of
        MON-01 takes but is not in it: it begins nothing. `credential.revoked` is of an action that
        the population of IAM-08 never takes: there the action alone ends the activity.
        """
        may = self._can_count.get(entry.action)
        if may is None:
            may = bool(self._population.actions(Closed({entry.action: entry.category})))
            self._can_count[entry.action] = may
        return may

    def _series(self, entry: Entry) -> str:
        return named([entry.read(path) for path in self._series_paths()])

    def _series_paths(self) -> tuple[str, ...]:
        return self._key if self._by_arrival else ("agent.environment", *self._key)


def _slot(values: Sequence[Any]) -> str:
    """Return the slot of the series of these values."""
    return f"s/{named(values)}"


def _placing(measure: str) -> Callable[[Entry], int | None]:
    """Return what says where an entry lies by the measure; None when that is no whole number."""
    if measure == "occurred_at":
        return attrgetter("at")
    if measure == "received_at":
        return attrgetter("received")

    def place(entry: Entry) -> int | None:
        at = entry.read(measure)
        return at if at.__class__ is int else None

    return place

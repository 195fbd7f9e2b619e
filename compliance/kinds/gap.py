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

from collections.abc import Iterable, Mapping
from typing import Any, Final

from compliance.kinds.base import DAY_US, Book, Counted, Entry, Narrowed, Tested, View
from compliance.kinds.counted import counted
from compliance.kinds.line import BEGINS, COUNTS, ENDS, Limit, Line, Point
from compliance.kinds.missing import Numbered
from compliance.kinds.narrowing import Known, narrowed
from compliance.kinds.series import day_of, evidence_of, fields_of, named
from compliance.language.conditions import Closed, compile_condition
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
        if turns or self._of_ledger:
            return Narrowed(see=self.see, slots=self.slots)
        if population is None:
            return None
        by: Counted = "arrived" if self._by_arrival else "occurred"
        is_of_it, place = population.holds, self._place
        if self._numbered is not None:
            is_new = self._is_new

            def numbered(entry: Entry, book: Book) -> bool:
                at = place(entry) if is_of_it(entry) else None
                return at is not None and is_new(entry, at, book)

            return Narrowed(see=numbered, counted=by, slots=self.slots)
        line, draw, series, by_arrival = self._line, self._draw, self._series, self._by_arrival
        assert line is not None, "without count_missing there is a line"

        def drawn(entry: Entry, book: Book) -> bool:
            at = place(entry) if is_of_it(entry) else None
            if at is None:
                return False
            day = (entry.received if by_arrival else entry.at) // DAY_US
            if line.goes_on(
                series(entry), Point(at, entry.seq, COUNTS, True, day, entry.agent), book
            ):
                return True
            draw(entry, at, COUNTS, book)
            return False

        return Narrowed(see=drawn, counted=by, slots=self.slots)

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

    def _place(self, entry: Entry) -> int | None:
        """Return where it lies by the measure; None when that is no whole number."""
        if self._measure == "occurred_at":
            return entry.at
        if self._measure == "received_at":
            return entry.received
        at = entry.read(self._measure)
        return at if at.__class__ is int else None

    def _series(self, entry: Entry) -> str:
        values = [entry.read(field) for field in self._key]
        return named(values if self._by_arrival else [entry.environment, *values])

"""Find bursts in one series: `count` events within `window`, each event used once. Pure.

The rule (checks.yaml, burst): take the first unused event e; when at least `count` unused events
lie in [e, e + window] they are one burst, complete at the count-th, and all of them are used; else
drop e. Order is (occurred_at, seq), whatever the order of arrival.

Read from the left, that needs no more memory than a `State`. The events lie in cells of an eighth
of the window, each with the state before it: an event that arrives late is put in its cell, and
the cells from there on are read again until one begins as it did before. So a flood rewrites no
ever-growing slot, and a late event reads no more than its neighbourhood.
Slots: `s/<series>` the last event and the state after it; `c/<series>/<cell>`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

from compliance.kinds.base import Book

_CELLS: Final = 8
_SECOND: Final = 1_000_000


class Event(NamedTuple):
    """One event of the population, as it stands in its cell."""

    at: int
    seq: int
    kept: Mapping[str, Any]
    """What the match reads of it."""


class Burst(NamedTuple):
    """One burst: where it began, and the event that completed it."""

    first: int
    last: Event


State: TypeAlias = list[Any]
"""`[times of unused events that may begin a burst, end of the burst that uses up what comes]`"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Clusters:
    """How bursts are found."""

    count: int
    window: int
    """us"""

    @property
    def _cell(self) -> int:
        return max(self.window // _CELLS, _SECOND)

    @property
    def _reach(self) -> int:
        """Return how many cells to either side can hold an event within the window."""
        return self.window // self._cell + 1

    def add(self, series: str, event: Event, book: Book) -> tuple[list[Burst], list[Burst]]:
        """Take in an event; return the bursts that are gone by it, and those that have come."""
        cell = event.at // self._cell
        slot = f"c/{series}/{cell}"
        known = book.get(f"s/{series}")  # [at, seq, state]
        if known is not None and event[:2] < (known[0], known[1]):
            return self._insert(series, cell, event, known, book)
        state = [[], None] if known is None else known[2]
        content = book.get(slot)
        if content is None:
            content = {"state": [list(state[0]), state[1]], "events": []}
        content["events"].append(event)
        book.put(slot, content)
        found = self._step(state, event)
        book.put(f"s/{series}", [event.at, event.seq, state])
        return [], [] if found is None else [found]

    def _step(self, state: State, event: Event) -> Burst | None:
        """Read one more event; change the state; return the burst it completes."""
        waiting, used_until = state
        if used_until is not None and event.at <= used_until:
            return None
        state[1] = None
        waiting.append(event.at)
        while waiting[0] + self.window < event.at:
            waiting.pop(0)
        if len(waiting) < self.count:
            return None
        first = waiting[0]
        state[0], state[1] = [], first + self.window
        return Burst(first, event)

    def _read(self, state: State, events: list[Event]) -> list[Burst]:
        bursts = (self._step(state, event) for event in events)
        return [burst for burst in bursts if burst is not None]

    def _insert(
        self, series: str, cell: int, event: Event, known: list[Any], book: Book
    ) -> tuple[list[Burst], list[Burst]]:
        slots = [f"c/{series}/{cell + step}" for step in range(-self._reach, self._reach + 1)]
        book.look_ahead(slots)
        content = book.get(f"c/{series}/{cell}")
        if content is None:
            content = {"state": self._before(series, cell, book), "events": []}
        events = [Event(*one) for one in content["events"]]
        old = self._read(_copy(content["state"]), events)
        events = sorted([*events, event], key=lambda one: one[:2])
        content["events"] = events
        state = _copy(content["state"])
        new = self._read(state, events)
        book.put(f"c/{series}/{cell}", content)
        while (following := self._next(series, cell, book)) is not None:
            cell = following
            content = book.get(f"c/{series}/{cell}")
            assert content is not None, f"cell {cell} of {series} was there a moment ago"
            if content["state"] == state:
                return old, new
            events = [Event(*one) for one in content["events"]]
            old += self._read(_copy(content["state"]), events)
            content["state"] = _copy(state)
            new += self._read(state, events)
            book.put(f"c/{series}/{cell}", content)
        last = events[-1]
        if last[:2] == (known[0], known[1]):
            book.put(f"s/{series}", [last.at, last.seq, state])
        return old, new

    def _before(self, series: str, cell: int, book: Book) -> State:
        """Return the state before a cell that was empty."""
        for step in range(1, self._reach + 1):
            content = book.get(f"c/{series}/{cell - step}")
            if content is not None:
                state = _copy(content["state"])
                self._read(state, [Event(*one) for one in content["events"]])
                return state
        return [[], None]  # nothing within the window

    def _next(self, series: str, cell: int, book: Book) -> int | None:
        """Return the next cell that holds events, when it can lie within the window."""
        for step in range(1, self._reach + 1):
            if book.get(f"c/{series}/{cell + step}") is not None:
                return cell + step
        return None


def _copy(state: State) -> State:
    return [list(state[0]), state[1]]

"""Run all lenses of one ledger over its entries, in the order of seq. Pure.

Decides which lens sees which entry, moves the ledger's clock, and calls what its passing makes due.
Never keeps what a lens finds: that is the book's part (memory.py, or the tables in tally.py), and
never judges: judge.py.

One entry, step by step:

1. the clock moves to the entry's arrival, unless it is there already;
2. every slot whose `due` the clock has passed expires, by (due, lens, slot). Each sees the clock as
   it would have stood then, the moment after its due time, so that a ledger that was silent for a
   week ends with the same rows as one that was not;
3. every lens that may care about an entry of this action sees it, by the id of the lens.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from heapq import heapify, heappop, heappush
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

from compliance.definitions import Lens
from compliance.kinds import KINDS
from compliance.kinds.base import DAY_US, Book, Entry, Kind, Narrowed
from compliance.kinds.failing import failed_item
from compliance.kinds.narrowing import Known
from compliance.language.conditions import Closed
from compliance.language.errors import DefinitionError
from compliance.language.reading import EntryView, ToolRegistry, read_entry
from compliance.passes import Looking, Passes, Tallying
from compliance.shapes import Shapes
from compliance.steady import Asked, Verdicts

REGISTRY: Final = "registry"
"""The pseudo lens in whose book the registered tools stand."""
_TOOLS: Final = "tools"
_FEW_DUE: Final = 1024
_MOST_ACTIONS: Final = 4096
"""Actions of which is kept who cares; senders may think of any number (`x.vendor.verb`)."""

_Seeing: TypeAlias = "tuple[Callable[[Entry, Book], Any], TimedBook]"


class Timer:
    """Where a ledger stands while it is read, and which slots wait for its clock.

    Shared by an engine and its books: a book asks it for the time, and tells it what is due.
    """

    __slots__ = ("_heap", "_most", "born", "clock", "dues", "forgotten", "passes", "seq")

    def __init__(self) -> None:
        self.clock = 0
        """The greatest `received_at` so far, us; while a slot expires, the moment after its due."""
        self.born: int | None = None
        """When the ledger's first entry arrived, us."""
        self.seq = -1
        """The entry at work."""
        self.passes = Passes()
        """What is counted and not in the books' tallies yet."""
        self.forgotten = 0
        """How often all verdicts were; see steady.py."""
        self.dues: defaultdict[str, dict[str, int]] = defaultdict(dict)
        """When what waits is due, us, by lens and slot; changed by `set` alone."""
        self._most = _FEW_DUE
        """How long the heap may grow before what is due no longer is thrown out."""
        self._heap: list[tuple[int, str, str]] = []

    def is_late(self, day: int) -> bool:
        """Tell whether what is decided for a day by now restates it; see `Book.is_late`."""
        if self.clock <= (day + 2) * DAY_US:
            return False
        return self.born is not None and day >= self.born // DAY_US

    def set(self, lens: str, slot: str, due: int | None) -> None:
        """Say when a slot is due, in place of what was said before; None: never."""
        dues = self.dues[lens]
        if due is None:
            # Most slots never wait for anything.
            if slot in dues:
                del dues[slot]
        else:
            before = dues.get(slot)
            dues[slot] = due
            # What is put off already stands in the heap, too early: `take` puts it where it is due
            # by then. A busy series puts its end off with every entry.
            if before is None or due < before:
                heappush(self._heap, (due, lens, slot))

    def due(self, lens: str, slot: str) -> int | None:
        """Return when a slot is due, us."""
        return self.dues[lens].get(slot)

    def forget_due(self) -> None:
        """Know of no slot that waits; who keeps the slots tells it again."""
        self.dues.clear()
        self._heap.clear()

    def has_due(self, clock: int) -> bool:
        """Tell whether `take` may have something to do by this moment."""
        heap = self._heap
        return bool(heap) and (heap[0][0] < clock or len(heap) > self._most)

    def take(self, clock: int) -> tuple[int, str, str] | None:
        """Take out the next slot that is due before this moment, as `(due, lens, slot)`."""
        heap = self._heap
        while heap and heap[0][0] < clock:
            due, lens, slot = heappop(heap)
            waits_until = self.dues[lens].get(slot)
            if waits_until == due:
                del self.dues[lens][slot]
                return due, lens, slot
            if waits_until is not None and waits_until > due:
                heappush(heap, (waits_until, lens, slot))
        if len(heap) > self._most:
            self._heap = [
                (due, lens, slot) for lens, dues in self.dues.items() for slot, due in dues.items()
            ]
            heapify(self._heap)
            self._most = max(_FEW_DUE, 4 * len(self._heap))
        return None


class TimedBook(Book, Tallying, Protocol):
    """A book that an engine can drive."""

    timer: Timer
    """Set by the engine. `put` and `drop` report to it; `clock` is the timer's."""


@runtime_checkable
class Narrowing(Protocol):
    """A kind that knows beforehand what entries of one shape ask of it."""

    def see_only(self, known: Known) -> Narrowed | None:
        """Return what is to be done with entries of this shape; None: nothing."""


@runtime_checkable
class Settling(Protocol):
    """A kind that holds back some of what it is to remember."""

    def settle(self, book: Book) -> None:
        """Put it into the book."""


class _Plan:
    """What is to be done with entries of one shape."""

    __slots__ = ("asking", "looking", "seeing", "verdicts")

    def __init__(self) -> None:
        self.looking = Looking()
        """What is counted for all lenses at once."""
        self.seeing: tuple[_Seeing, ...] = ()
        """What counts by itself."""
        self.verdicts = Verdicts()
        """What must be asked, and what it came to before."""
        self.asking: tuple[tuple[str, Callable[[Entry], Iterable[str]]], ...] = ()
        """What lenses may ask for slots."""

    def add(self, found: Narrowed, book: TimedBook, lens_id: str) -> None:
        """Have one more lens see the entries of this shape."""
        if found.see is None:
            self.looking.passing += ((book, found.counted),)
            return
        if found.counted or found.steady is not None:
            bit = 1 << len(self.looking.judged) if found.counted else 0
            self.verdicts.add(Asked(bit, found.see, book, found.counted), found.steady)
        else:
            self.seeing += ((found.see, book),)
        if found.counted:
            self.looking.judged += ((book, found.counted),)
        if found.slots is not None:
            self.asking += ((lens_id, found.slots),)


class Engine:
    """The lenses of one ledger, each with its book."""

    def __init__(
        self,
        lenses: Iterable[Lens],
        book_of: Callable[[str], TimedBook],
        timer: Timer | None = None,
    ) -> None:
        """Build every lens; `book_of` is asked once for each, and for `REGISTRY`.

        To go on where another engine stopped: fill the books first, give a timer whose clock is
        the ledger's, and tell it of every slot that is due. Raises DefinitionError.
        """
        self.timer = timer or Timer()
        self._kinds: dict[str, Kind] = {}
        self._narrowings: dict[str, Callable[[Known], Narrowed | None]] = {}
        self._books: dict[str, TimedBook] = {}
        for lens in sorted(lenses, key=lambda lens: lens.id):
            self._kinds[lens.id] = _kind(lens)
            self._narrowings[lens.id] = _narrowing(self._kinds[lens.id])
            self._books[lens.id] = self._timed(book_of(lens.id))
        self._registry_book = self._timed(book_of(REGISTRY))
        self.registry = ToolRegistry()
        self._registry_is_kept = True
        self.load_registry()
        self._caring: dict[tuple[str, str], list[str]] = {}
        self._plans: Shapes[_Plan] = Shapes(self._plan)

    @property
    def clock(self) -> int:
        """Return the ledger's clock: the greatest `received_at` so far, us."""
        return self.timer.clock

    def read(self, seq: int, record: bytes, entry_hash: bytes | None) -> EntryView:
        """Return an entry as checks read it, with what the registry says of its tool by now.

        To be called once for each entry, in order; `see` may follow at any distance.
        """
        entry = read_entry(seq, record, entry_hash, self.registry)
        if entry.action in ("tool.registered", "tool.removed"):
            self.registry.see(entry)
            self._registry_is_kept = False
        return entry

    def load_registry(self) -> None:
        """Take the registry from its book, where another engine has left it."""
        known = self._registry_book.get(_TOOLS)
        if known is not None:
            self.registry = ToolRegistry.load(known)

    def settle(self) -> None:
        """Put into the books what is known and not there yet; before they are stored."""
        for lens_id, kind in self._kinds.items():
            if isinstance(kind, Settling):
                kind.settle(self._books[lens_id])
        if not self._registry_is_kept:
            self._registry_book.put(_TOOLS, self.registry.dump())
            self._registry_is_kept = True

    def slots(self, entries: Iterable[Entry]) -> dict[str, list[str]]:
        """Return the slots that seeing these entries will ask for, by lens; best effort."""
        wanted: defaultdict[str, dict[str, None]] = defaultdict(dict)
        for entry in entries:
            for lens_id, slots_of in self._plans.of(entry).asking:
                of_lens = wanted[lens_id]
                for slot in slots_of(entry):
                    of_lens[slot] = None
        return {lens_id: list(slots) for lens_id, slots in wanted.items() if slots}

    def see(self, entry: Entry) -> None:
        """Take in the next entry, and all that its arrival makes due before it."""
        timer = self.timer
        timer.seq = entry.seq
        if timer.born is None:
            timer.born = entry.received
        clock = entry.received if entry.received > timer.clock else timer.clock
        if timer.has_due(clock):
            self._expire(clock)
        timer.clock = clock
        plan = self._plans.of(entry)
        for see, book in plan.seeing:
            see(entry, book)
        if plan.verdicts or plan.looking.passing:
            self._count(entry, plan)

    def _count(self, entry: Entry, plan: _Plan) -> None:
        """Count the entry for the lenses that it passes and fails."""
        timer, looking = self.timer, plan.looking
        item = str(entry.seq)
        occurred, arrived = entry.at // DAY_US, entry.received // DAY_US
        is_late = timer.is_late(occurred)
        arrived_late = is_late if arrived == occurred else timer.is_late(arrived)
        verdicts = plan.verdicts
        verdict = verdicts.by_values.get(verdicts.values_of(entry.fields))
        if verdict is None or verdict.since != timer.forgotten or entry.at < verdict.at:
            verdict = verdicts.judge(entry, timer)
        _, _, passed, failed, kept, again = verdict
        for asked in again:
            found = asked.see(entry, asked.book)
            if found is True:
                passed |= asked.bit
            elif found:
                failed |= asked.bit
                kept += ((found, asked),)
        for failing, (_, _, book, by) in kept:
            by_arrival = by != "occurred"
            book.keep(
                failed_item(
                    entry,
                    failing,
                    item=item,
                    day=arrived if by_arrival else occurred,
                    environment="" if by_arrival else entry.environment,
                    is_late=arrived_late if by_arrival else is_late,
                )
            )
        if passed or failed or looking.passing:
            timer.passes.add(
                looking,
                occurred,
                arrived,
                entry.agent,
                entry.environment,
                passed,
                failed,
                entry.seq,
                item,
                is_late=is_late,
                arrived_late=arrived_late,
            )

    def _expire(self, clock: int) -> None:
        """Move the clock, and let expire on the way what is due."""
        timer = self.timer
        began = timer.clock
        while (taken := timer.take(clock)) is not None:
            due, lens_id, slot = taken
            book = self._books[lens_id]
            timer.clock = max(began, due + 1)
            value = book.get(slot)
            assert value is not None, f"lens {lens_id}: slot {slot} is due and is not there"
            book.put(slot, value)
            self._kinds[lens_id].expire(slot, value, book)
        timer.clock = clock

    def _plan(self, known: Known) -> _Plan:
        plan = _Plan()
        for lens_id in self._lenses_for(known):
            found = self._narrowings[lens_id](known)
            if found is not None:
                plan.add(found, self._books[lens_id], lens_id)
        return plan

    def _lenses_for(self, known: Known) -> Sequence[str]:
        """Return the lenses that may care about an action under a category."""
        key = (known.action, known.category)
        if key not in self._caring:
            if len(self._caring) >= _MOST_ACTIONS:
                self._caring.clear()
            named = Closed({known.action: known.category})
            self._caring[key] = [
                lens_id
                for lens_id, kind in self._kinds.items()
                if (actions := kind.actions(named)) is None or known.action in actions
            ]
        return self._caring[key]

    def _timed(self, book: TimedBook) -> TimedBook:
        book.timer = self.timer
        return book


def _kind(lens: Lens) -> Kind:
    try:
        return KINDS[lens.kind](lens.definition)
    except DefinitionError as error:
        raise DefinitionError(f"{lens.check}: {error}") from error


def _narrowing(kind: Kind) -> Callable[[Known], Narrowed | None]:
    as_it_is = Narrowed(see=kind.see, slots=kind.slots)
    if not isinstance(kind, Narrowing):
        return lambda _known: as_it_is
    see_only = kind.see_only
    # Of an action alone little is told, and what is made of it serves a few entries.
    return lambda known: see_only(known) if known.is_shape else as_it_is

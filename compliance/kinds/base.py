"""What every kind is given and what it must offer. Pure.

A kind runs one lens over the entries of one ledger, in the order of seq, each exactly once. It
remembers through `Book`, so that it can be stopped between any two entries and go on elsewhere, and
ends with the same rows whether it saw a ledger at once or in pieces. What it holds back meanwhile
it puts there when it is told to (`engine.Settling`).
Who drives it: engine.py. Where the book is kept: memory.py, or the tables (tally.py).

Times are whole microseconds since 1970 in UTC (`us`), days whole days since 1970 (`day`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeAlias

import msgspec

DAY_US: Final = 86_400_000_000

ItemState: TypeAlias = Literal["fail", "pending", "fact"]


class Entry(Protocol):
    """One entry as checks read it; language/reading.py makes it of a record."""

    seq: int
    at: int
    """`occurred_at`, us."""
    received: int
    """`received_at`, us."""
    category: str
    action: str
    agent: str
    environment: str
    """`agent.environment`, `prod` when the event names none."""
    is_backfill: bool
    is_by_person: bool
    """Its sender may speak for people (signed in, or a key of scope governance:write)."""
    event: Mapping[str, Any]
    """The event, with what registries know of a tool in place of its own claims."""
    claimed: Mapping[str, Any]
    """What the event itself claimed where a registry says otherwise, by dotted path."""
    fields: Mapping[str, Any]
    """Every field that is not missing, by its dotted path; `read` reads of it."""

    def read(self, path: str) -> Any:
        """Return what stands at a dotted path, also of the server's fields; None when missing."""


class Item(msgspec.Struct, kw_only=True, gc=False):
    """One item that is kept by itself: it failed, or is not decided, or is a fact in force."""

    item: str
    """Its id: the seq of its event, and what tells it from its siblings (`41`, `41/media`)."""
    state: ItemState
    day: int
    """The UTC day it belongs to; of a pending item, that of its event."""
    agent: str
    environment: str
    seq: int
    """The entry it is about."""
    other_seq: int | None = None
    """The entry that made it fail or that decided it, where there is one."""
    due: int | None = None
    """us"""
    weight: int = 1
    """How many it stands for: a hole of 1,000 lost events is one row of weight 1,000."""
    why: str = ""
    """One sentence."""
    evidence: Mapping[str, Any] | None = None
    """The check's `evidence` fields as they were read."""
    is_restated: bool = False
    """An entry that came late changed it."""


class Book(Protocol):
    """Where a kind writes what it decided and remembers what it needs.

    A slot is a place to remember under a name that the kind chooses; its value is plain JSON. What
    `get` returns may be changed and must then be `put` back.
    """

    @property
    def clock(self) -> int:
        """Return the ledger's clock: the greatest `received_at` so far, us."""

    def is_late(self, day: int) -> bool:
        """Tell whether what is decided for a day by now restates it.

        So when the clock is more than 24 hours past its end, and the ledger was there by then:
        history that is loaded into a young ledger says nothing else than was said before.
        """

    def get(self, slot: str) -> Any | None:
        """Return what is remembered there, None when nothing is."""

    def put(self, slot: str, value: Any, *, due: int | None = None) -> None:
        """Remember; with `due` (us), `Kind.expire` is called once the clock has passed it."""

    def drop(self, slot: str) -> None:
        """Forget."""

    def decide(
        self, day: int, agent: str, environment: str, item: str, *, passed: bool, weight: int = 1
    ) -> None:
        """Count an item as decided on its day."""

    def undo(
        self, day: int, agent: str, environment: str, item: str, *, passed: bool, weight: int = 1
    ) -> None:
        """Take a decision back, exactly as it was counted: a late entry showed otherwise."""

    def open(self, day: int, agent: str, environment: str, item: str) -> None:
        """Count an item as begun: pending (followup), or a ban (forbid)."""

    def close(self, day: int, agent: str, environment: str, item: str) -> None:
        """Count an open item as ended on a day."""

    def reopen(self, day: int, agent: str, environment: str, item: str) -> None:
        """Take a `close` back, exactly as it was counted: a late entry showed otherwise."""

    def mark(self, day: int, at: int) -> None:
        """Note a match of a cadence on its day; the latest time of each day is kept."""

    def measure(
        self,
        day: int,
        series: str,
        agent: str,
        environment: str,
        *,
        numerator: int,
        denominator: int,
    ) -> None:
        """Add to a bucket of a rate."""

    def keep(self, item: Item) -> None:
        """Keep an item itself, in place of any of this id."""

    def kept(self, item: str) -> Item | None:
        """Return a kept item."""

    def release(self, item: str) -> None:
        """Keep it no longer; nothing when it is not kept."""

    def filed(self, slots: Iterable[str]) -> None:
        """Say that something was put there by which entries are judged; see `Steady`."""

    def look_ahead(self, slots: Iterable[str]) -> None:
        """Say which slots will be asked for soon, so that they can be fetched together."""


Counted: TypeAlias = Literal["", "occurred", "arrived", "ledger"]
"""By which day an entry that passed or failed is counted: that on which it occurred, in its
environment, or that on which it arrived, where all environments are one; `ledger`: on that as well,
and where it belongs to no agent. Empty: `see` counts all itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failing:
    """That an entry failed, as its own item, and what is kept of it."""

    why: str
    evidence: Callable[[Mapping[str, Any]], dict[str, Any]]
    """Takes out of the entry's fields what the check shows."""
    other_seq: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Steady:
    """On what it rests what `Narrowed.see` does, where that is the same time and again.

    Of two entries of the shape with the same values at `paths`, of which the second occurred no
    earlier, both come to the same, and for the second there is nothing to be remembered, unless
    something was filed in between where it rests (`Book.filed`).
    """

    paths: tuple[str, ...]
    """Text stands at each of them."""
    rests: Callable[[Entry, Book], Sequence[str] | None] = lambda _entry, _book: ()
    """Return the slots on which it rests what an entry that was just seen came to; None where it
    may be otherwise for the next one all the same."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Narrowed:
    """What a kind does with the entries of one shape.

    Most entries pass most checks, and the item is the entry itself, `str(seq)`. Who looks at all
    lenses can count these at once, and those that fail too; see passes.py.
    """

    see: Callable[[Entry, Book], Any] | None
    """Does as `Kind.see`. With `counted`: returns True when the entry passed and is to be counted,
    `Failing` when it failed and that is to be counted and kept, else nothing or False.
    None: every entry of this shape passes, and nothing else is to be done."""
    counted: Counted = ""
    slots: Callable[[Entry], Iterable[str]] | None = None
    """Does as `Kind.slots`; None: it asks for none."""
    steady: Steady | None = None
    """None: it is to be asked with each entry."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """What was counted of one agent in a span of days."""

    passed: int = 0
    failed: int = 0
    opened: int = 0
    closed: int = 0
    decided_sum: int = 0
    """Sum of the digests of the decided items, modulo 2^256 (items.py)."""
    open_sum: int = 0
    """Likewise of the opened less the closed."""
    restated: int = 0
    """Days of the span that late entries have changed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bucket:
    """One key's day of a rate."""

    day: int
    series: str
    agent: str
    environment: str
    numerator: int
    denominator: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """The period that is judged, and how much of it can be."""

    start: int
    """First day."""
    end: int
    """The day after the last."""
    as_of: int
    """us: the end of the period, or the ledger's clock when that is earlier."""
    observed_from: int
    """The day of the ledger's first entry, or `start` when that is later."""
    environment: str | None
    """None: all of them."""
    agent: str | None
    """None: all of them."""
    born: int = 0
    """us: when the ledger's first entry was received; until a cadence's interval has passed since
    then, the absence of a match is pending and no failure."""


class View(Protocol):
    """The rows of one lens, as far as one span may see them. Made by memory.py and tallied.py."""

    span: Span

    def counts(self) -> Mapping[str, Counts]:
        """Return what was counted in the span, by agent."""

    def before(self) -> Mapping[str, Counts]:
        """Return what was counted before the span's first day, by agent.

        Open then are `opened - closed`.
        """

    def marks(self) -> Sequence[tuple[int, int]]:
        """Return `(day, latest us)` of every day with a match up to the span's end, in order.

        Days before it as well.
        """

    def buckets(self) -> Sequence[Bucket]:
        """Return the buckets of the span's days."""

    def items(self, state: ItemState) -> Sequence[Item]:
        """Return the kept items of the span's days in this state, by day and id.

        Of `pending` also those that began before it; of `fact` all up to its end.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class Tested:
    """What a kind makes of a span, before tolerance, waivers and guards have their say."""

    n: int
    f: int
    pending: int = 0
    few: int = 0
    """Buckets of a rate that were too small to be items."""
    carried: int = 0
    """Items of `n` that were carried in from before the span."""
    design_only: bool = False
    """Met by a match that lies before the span's start."""
    by_agent: Mapping[str, tuple[int, int]] = ()  # type: ignore[assignment]
    """`agent: (n, f)`, for the tolerance."""
    failing: tuple[Item, ...] = ()
    """Failing items that stand in no row (days of a cadence, buckets of a rate)."""
    item_sum: int = 0
    """Sum of the digests of the span's items, modulo 2^256."""


class Kind(Protocol):
    """One lens, ready to run. Built as `KIND(definition)`; knows nothing of other lenses."""

    def __init__(self, definition: Mapping[str, Any]) -> None:
        """Take in a lens' definition. Raises DefinitionError."""

    def actions(self, actions: Mapping[str, str]) -> frozenset[str] | None:
        """Return which of these actions (to their categories) it must see.

        None: every entry, also of actions that are not listed (`x.vendor.verb`).
        """

    def slots(self, entry: Entry) -> Iterable[str]:
        """Return the slots that `see` will ask for; best effort, a missing one costs a query."""

    def see(self, entry: Entry, book: Book) -> None:
        """Take in one entry. Never called twice with the same one."""

    def expire(self, slot: str, value: Any, book: Book) -> None:
        """Act on a slot whose `due` the clock has passed. It is in the book, without a `due`."""

    @staticmethod
    def tested(definition: Mapping[str, Any], view: View) -> Tested:
        """Say what stands in the span. Reads rows only."""

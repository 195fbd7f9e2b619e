"""Keep what the lenses of one ledger find, in memory; a `Source` for judge.py. Pure.

The rows are those of the tables (sql/0001_tallies.sql), row for row: a row is there once it was
touched, and stays. Used when a ledger or a bundle is evaluated from its entries alone, and by
tests. The same in the tables: tally.py writes, tallied.py reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from msgspec.structs import astuple

from compliance.definitions import Lens
from compliance.engine import REGISTRY, Engine, Timer
from compliance.items import MODULUS, OPEN, item_digest
from compliance.judge import Facts
from compliance.kinds.base import (
    DAY_US,
    Bucket,
    Counts,
    Entry,
    Item,
    ItemState,
    Span,
    View,
)
from compliance.people import Act, act_of

MOST_WATCHED: Final = 16_384
"""Verdicts that rest on slots of one lens, each as often as it does."""

_NOBODY: Final[Mapping[tuple[int, Any], dict[Any, Any]]] = {}

Rows = dict[str, list[list[Any]]]
"""Rows by table (`tally`, `bucket`, `item`, `state`, `act`, `day`, `clock`), plain JSON, sorted."""


@dataclass(slots=True)
class Tally:
    """What one day of one agent in one environment counts."""

    passed: int = 0
    failed: int = 0
    opened: int = 0
    closed: int = 0
    latest: int | None = None
    restated_seq: int | None = None
    decided_sum: int = 0
    open_sum: int = 0


class MemoryBook:
    """The book of one lens."""

    def __init__(self, lens_id: str, timer: Timer) -> None:
        self.lens_id = lens_id
        self.timer = timer
        self.slots: dict[str, Any] = {}
        self._tallies: dict[tuple[int, str, str], Tally] = {}
        self.buckets: dict[tuple[int, str, str, str], list[int]] = {}
        """`[numerator, denominator]` by (day, environment, series, agent)."""
        self.items: dict[str, Item] = {}
        self.watched: dict[str, dict[tuple[int, Any], dict[Any, Any]]] = {}
        """By slot, the verdicts that rest on it: where each stands, and under which values."""
        self._watches = 0
        """How many were put there since it was empty."""

    @property
    def clock(self) -> int:
        """Return the ledger's clock, us."""
        return self.timer.clock

    @property
    def tallies(self) -> dict[tuple[int, str, str], Tally]:
        """Return the tallies by (day, environment, agent), with all that was counted so far."""
        self.timer.passes.settle()
        return self._tallies

    def is_late(self, day: int) -> bool:
        """Tell whether what is decided for a day by now restates it."""
        return self.timer.is_late(day)

    def get(self, slot: str) -> Any | None:
        """Return what is remembered there, None when nothing is."""
        return self.slots.get(slot)

    def put(self, slot: str, value: Any, *, due: int | None = None) -> None:
        """Remember, and tell the timer when it is due."""
        self.slots[slot] = value
        # Most of what is put, some ten times an entry, never waits for anything.
        if due is not None or slot in self.timer.dues[self.lens_id]:
            self.timer.set(self.lens_id, slot, due)

    def drop(self, slot: str) -> None:
        """Forget."""
        self.slots.pop(slot, None)
        self.timer.set(self.lens_id, slot, None)

    def decide(
        self, day: int, agent: str, environment: str, item: str, *, passed: bool, weight: int = 1
    ) -> None:
        """Count an item as decided on its day."""
        tally = self._tally(day, environment, agent)
        if passed:
            tally.passed += weight
        else:
            tally.failed += weight
        digest = item_digest(item, "pass" if passed else "fail", weight)
        tally.decided_sum = (tally.decided_sum + digest) % MODULUS
        self._restate(day, tally)

    def add_passed(
        self, day: int, agent: str, environment: str, passed: int, digests: int, late_seq: int
    ) -> None:
        """Count entries that passed, as `decide` would each; see passes.py."""
        tally = self._tally(day, environment, agent)
        tally.passed += passed
        self._add(tally, digests, late_seq)

    def add_failed(
        self, day: int, agent: str, environment: str, failed: int, digests: int, late_seq: int
    ) -> None:
        """Count entries that failed, as `decide` would each."""
        tally = self._tally(day, environment, agent)
        tally.failed += failed
        self._add(tally, digests, late_seq)

    def undo(
        self, day: int, agent: str, environment: str, item: str, *, passed: bool, weight: int = 1
    ) -> None:
        """Take a decision back, exactly as it was counted."""
        tally = self._tally(day, environment, agent)
        if passed:
            tally.passed -= weight
        else:
            tally.failed -= weight
        digest = item_digest(item, "pass" if passed else "fail", weight)
        tally.decided_sum = (tally.decided_sum - digest) % MODULUS
        self._restate(day, tally)

    def open(self, day: int, agent: str, environment: str, item: str) -> None:
        """Count an item as begun."""
        tally = self._tally(day, environment, agent)
        tally.opened += 1
        tally.open_sum = (tally.open_sum + item_digest(item, OPEN, 1)) % MODULUS

    def close(self, day: int, agent: str, environment: str, item: str) -> None:
        """Count an open item as ended on a day."""
        tally = self._tally(day, environment, agent)
        tally.closed += 1
        tally.open_sum = (tally.open_sum - item_digest(item, OPEN, 1)) % MODULUS

    def reopen(self, day: int, agent: str, environment: str, item: str) -> None:
        """Take a `close` back, exactly as it was counted."""
        tally = self._tally(day, environment, agent)
        tally.closed -= 1
        tally.open_sum = (tally.open_sum + item_digest(item, OPEN, 1)) % MODULUS

    def mark(self, day: int, at: int) -> None:
        """Note a match of a cadence on its day."""
        tally = self._tally(day, "", "")
        if tally.latest is None or at > tally.latest:
            tally.latest = at
            self._restate(day, tally)

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
        """Add to a bucket of a rate; late, it restates the agent's day."""
        key = (day, environment, series, agent)
        bucket = self.buckets.get(key)
        if bucket is None:
            bucket = self.buckets[key] = [0, 0]
        bucket[0] += numerator
        bucket[1] += denominator
        if self.is_late(day):
            self._restate(day, self._tally(day, environment, agent))

    def keep(self, item: Item) -> None:
        """Keep an item itself."""
        self.items[item.item] = item

    def kept(self, item: str) -> Item | None:
        """Return a kept item."""
        return self.items.get(item)

    def release(self, item: str) -> None:
        """Keep it no longer."""
        self.items.pop(item, None)

    def filed(self, slots: Iterable[str]) -> None:
        """Forget the verdicts that rest on these slots."""
        if self.watched:
            for slot in slots:
                for (_, values), by_values in self.watched.pop(slot, _NOBODY).items():
                    by_values.pop(values, None)

    def watch(self, slots: Iterable[str], by_values: dict[Any, Any], values: Any) -> None:
        """Take what stands under `values` out once something is filed in one of the slots."""
        if self._watches > MOST_WATCHED:
            self.forget_verdicts()
        for slot in slots:
            self.watched.setdefault(slot, {})[id(by_values), values] = by_values
            self._watches += 1

    def forget_verdicts(self) -> None:
        """Have all verdicts found anew, of other lenses as well."""
        self.watched.clear()
        self._watches = 0
        self.timer.forgotten += 1

    def look_ahead(self, slots: Iterable[str]) -> None:
        """Everything is at hand already."""

    def _tally(self, day: int, environment: str, agent: str) -> Tally:
        key = (day, environment, agent)
        tally = self._tallies.get(key)
        if tally is None:
            tally = self._tallies[key] = Tally()
        return tally

    def _add(self, tally: Tally, digests: int, late_seq: int) -> None:
        tally.decided_sum = (tally.decided_sum + digests) % MODULUS
        if late_seq >= 0 and (tally.restated_seq is None or late_seq > tally.restated_seq):
            tally.restated_seq = late_seq

    def _restate(self, day: int, tally: Tally) -> None:
        if self.is_late(day):
            tally.restated_seq = self.timer.seq


class MemoryView:
    """The rows of one book as far as one span may see them."""

    def __init__(self, book: MemoryBook, span: Span) -> None:
        self.span = span
        self._book = book

    def counts(self) -> Mapping[str, Counts]:
        """Return what was counted in the span, by agent."""
        return self._summed(self.span.start, self.span.end)

    def before(self) -> Mapping[str, Counts]:
        """Return what was counted before the span's first day, by agent."""
        return self._summed(None, self.span.start)

    def marks(self) -> Sequence[tuple[int, int]]:
        """Return `(day, latest us)` of every day with a match up to the span's end, in order."""
        return sorted(
            (day, tally.latest)
            for (day, environment, agent), tally in self._book.tallies.items()
            if tally.latest is not None and day < self.span.end and self._shows(environment, agent)
        )

    def buckets(self) -> Sequence[Bucket]:
        """Return the buckets of the span's days, by day, series, environment and agent."""
        found = [
            Bucket(
                day=day,
                series=series,
                agent=agent,
                environment=environment,
                numerator=numerator,
                denominator=denominator,
            )
            for (day, environment, series, agent), (numerator, denominator) in (
                self._book.buckets.items()
            )
            if self.span.start <= day < self.span.end and self._shows(environment, agent)
        ]
        return sorted(found, key=lambda one: (one.day, one.series, one.environment, one.agent))

    def items(self, state: ItemState) -> Sequence[Item]:
        """Return the kept items of the span's days in this state, by day and id."""
        start = self.span.start if state == "fail" else None
        found = [
            item
            for item in self._book.items.values()
            if item.state == state
            and item.day < self.span.end
            and (start is None or start <= item.day)
            and self._shows(item.environment, item.agent)
        ]
        return sorted(found, key=lambda item: (item.day, item.item))

    def _summed(self, start: int | None, end: int) -> dict[str, Counts]:
        sums: dict[str, Tally] = {}
        restated: dict[str, set[int]] = {}
        for (day, environment, agent), tally in self._book.tallies.items():
            if day >= end or (start is not None and day < start):
                continue
            if not self._shows(environment, agent):
                continue
            into = sums.setdefault(agent, Tally())
            into.passed += tally.passed
            into.failed += tally.failed
            into.opened += tally.opened
            into.closed += tally.closed
            into.decided_sum = (into.decided_sum + tally.decided_sum) % MODULUS
            into.open_sum = (into.open_sum + tally.open_sum) % MODULUS
            if tally.restated_seq is not None:
                restated.setdefault(agent, set()).add(day)
        return {
            agent: Counts(
                passed=tally.passed,
                failed=tally.failed,
                opened=tally.opened,
                closed=tally.closed,
                decided_sum=tally.decided_sum,
                open_sum=tally.open_sum,
                restated=len(restated.get(agent, ())),
            )
            for agent, tally in sums.items()
        }

    def _shows(self, environment: str, agent: str) -> bool:
        """Tell whether a row belongs to the span's environment and agent, or to none."""
        span = self.span
        return (span.environment is None or environment in ("", span.environment)) and (
            span.agent is None or agent in ("", span.agent)
        )


class Memory:
    """All rows of one ledger, made from its entries."""

    def __init__(self, lenses: Iterable[Lens], *, ledger: str = "") -> None:
        self.lenses = {lens.id: lens for lens in lenses}
        self.ledger = ledger
        self.timer = Timer()
        self.books = {
            lens_id: MemoryBook(lens_id, self.timer) for lens_id in (*self.lenses, REGISTRY)
        }
        self.engine = Engine(self.lenses.values(), self.books.__getitem__, self.timer)
        self.head_seq = -1
        self.head_hash = ""
        self._days: dict[int, list[int]] = {}
        self._acts: list[Act] = []

    @property
    def clock(self) -> int:
        """Return the ledger's clock, us."""
        return self.timer.clock

    @property
    def born(self) -> int | None:
        """Return when the first entry arrived, us; None without entries."""
        return self.timer.born

    def read(self, seq: int, record: bytes, entry_hash: bytes | None) -> None:
        """Take in the next entry as its record."""
        self.see(self.engine.read(seq, record, entry_hash))

    def see(self, entry: Entry) -> None:
        """Take in the next entry. Raises ValueError for one that is not the next."""
        if entry.seq <= self.head_seq:
            raise ValueError(f"entry {entry.seq} comes after {self.head_seq}; entries go up by seq")
        self.engine.see(entry)
        day = entry.at // DAY_US
        counts = self._days.get(day)
        if counts is None:
            counts = self._days[day] = [0, 0]
        counts[0] += 1
        counts[1] += entry.is_backfill
        if (act := act_of(entry)) is not None:
            self._acts.append(act)
        self.head_seq = entry.seq
        self.head_hash = entry.read("entry_hash") or ""

    def span_facts(self) -> Facts:
        """Return where the ledger stands."""
        return Facts(
            ledger=self.ledger,
            born=self.born,
            clock=self.clock,
            head_seq=self.head_seq,
            head_hash=self.head_hash,
        )

    def prepare(self, lenses: Iterable[Lens], span: Span) -> None:
        """Everything is at hand already."""

    def view(self, lens: Lens, span: Span) -> View:
        """Return the rows of one lens. Raises KeyError for one that was not run."""
        return MemoryView(self.books[lens.id], span)

    def day_counts(self, start: int, end: int) -> tuple[int, int]:
        """Return the entries of the days [start, end), and how many of them were backfilled."""
        days = [counts for day, counts in self._days.items() if start <= day < end]
        return sum(one[0] for one in days), sum(one[1] for one in days)

    def acts(self) -> Sequence[Act]:
        """Return people's acts up to the head."""
        return self._acts

    def dump(self) -> Rows:
        """Return all rows, plain JSON; `load` into a memory of the same lenses goes on from them.

        Sums are 64 hex digits. Sorted, so that two memories can be compared.
        """
        self.engine.settle()
        rows: Rows = {name: [] for name in ("tally", "bucket", "item", "state")}
        for lens_id, book in sorted(self.books.items()):
            for table, more in _rows_of(book).items():
                rows[table] += [[lens_id, *row] for row in more]
        rows["act"] = [list(asdict(act).values()) for act in self._acts]
        rows["day"] = [[day, *counts] for day, counts in sorted(self._days.items())]
        rows["clock"] = (
            []
            if self.born is None
            else [[self.clock, self.born, self.head_seq + 1, self.head_hash]]
        )
        return deepcopy(rows)

    def load(self, rows: Rows) -> None:
        """Go on where the memory that `dump` described stood. Only before the first entry."""
        if self.head_seq != -1:
            raise ValueError("this memory has seen entries already")
        rows = deepcopy(rows)
        for lens_id, day, environment, agent, *numbers, decided, opened in rows["tally"]:
            self.books[lens_id].tallies[day, environment, agent] = Tally(
                **dict(zip(_NUMBERS, numbers, strict=True)),
                decided_sum=int(decided, 16),
                open_sum=int(opened, 16),
            )
        for lens_id, day, environment, series, agent, *counts in rows["bucket"]:
            self.books[lens_id].buckets[day, environment, series, agent] = counts
        for lens_id, *values in rows["item"]:
            item = Item(**dict(zip(_ITEM_FIELDS, values, strict=True)))
            self.books[lens_id].keep(item)
        for lens_id, slot, value, due in rows["state"]:
            self.books[lens_id].put(slot, value, due=due)
        self._acts = [Act(**dict(zip(_ACT_FIELDS, values, strict=True))) for values in rows["act"]]
        self._days = {day: counts for day, *counts in rows["day"]}
        for clock, born, next_seq, head_hash in rows["clock"]:
            self.timer.clock, self.timer.born = clock, born
            self.head_seq, self.head_hash = next_seq - 1, head_hash
        self.engine.load_registry()


_ITEM_FIELDS = Item.__struct_fields__
_NUMBERS = ("passed", "failed", "opened", "closed", "latest", "restated_seq")
_ACT_FIELDS = tuple(field.name for field in fields(Act))


def _rows_of(book: MemoryBook) -> Rows:
    return {
        "tally": [
            [
                *key,
                *(getattr(tally, name) for name in _NUMBERS),
                f"{tally.decided_sum:064x}",
                f"{tally.open_sum:064x}",
            ]
            for key, tally in sorted(book.tallies.items())
        ],
        "bucket": [[*key, *counts] for key, counts in sorted(book.buckets.items())],
        "item": [list(astuple(item)) for _, item in sorted(book.items.items())],
        "state": [
            [slot, value, book.timer.due(book.lens_id, slot)]
            for slot, value in sorted(book.slots.items())
        ],
    }

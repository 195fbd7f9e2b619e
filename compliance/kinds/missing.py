"""gap with `count_missing`: numbers that go up by one, of which none may be absent. Pure.

Item = each expected number from the first to the last of a series: present passes, absent fails.
A number that is there is counted under its entry's seq; what is not there is one hole, one kept
item `<series>/<first>-<last>` of weight = its size, so that 2^50 lost numbers are one row. It
belongs to the day of the entry that showed it, is pending until the clock has passed that entry's
arrival + `settle`, and a number that arrives after all splits it.

A series has one slot for its first and last number and how many holes are between them, so that a
number that comes twice where nothing is missing is looked for nowhere. Each hole has one of its
own, found without any list: cut the numbers into aligned blocks of 1, 2, 4, 8, ...; a hole is filed
under the smallest block that it lies in, so it holds both sides of that block's middle, which no
other hole can. A late number is looked for in the one block of each size that it lies in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from compliance.kinds.base import Book, Entry, Item
from compliance.kinds.series import evidence_of
from compliance.language.durations import Duration

_LOWEST: Final = -(2**53)
"""No integer of an event is lower. Blocks are counted from here, to be never negative."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hole:
    """Numbers that should be there, `first` to `last`, as it stands in its slot."""

    series: str
    first: int
    last: int
    day: int
    agent: str
    environment: str
    seq: int
    """The entry that showed it."""
    failed: bool
    due: int | None
    evidence: Mapping[str, Any]

    @property
    def item(self) -> str:
        """Return the id of its item."""
        return f"{self.series}/{self.first}-{self.last}"

    @property
    def size(self) -> int:
        """Return how many are missing."""
        return self.last - self.first + 1

    @property
    def slot(self) -> str:
        """Return the slot of the smallest aligned block that it lies in."""
        low, high = self.first - _LOWEST, self.last - _LOWEST
        size = (low ^ high).bit_length()
        return f"h/{self.series}/{size}/{low >> size}"

    def file(self, book: Book, *, is_restated: bool = False) -> None:
        """Count it as failed or pending, keep its item, and remember it."""
        if self.failed:
            book.decide(
                self.day, self.agent, self.environment, self.item, passed=False, weight=self.size
            )
        else:
            book.open(self.day, self.agent, self.environment, self.item)
        book.put(self.slot, self._as_json(), due=None if self.failed else self.due)
        book.keep(
            Item(
                item=self.item,
                state="fail" if self.failed else "pending",
                day=self.day,
                agent=self.agent,
                environment=self.environment,
                seq=self.seq,
                due=self.due,
                weight=self.size,
                why=f"Not there: {self.first} to {self.last}, {self.size} in all.",
                evidence=self.evidence,
                is_restated=is_restated,
            )
        )

    def _as_json(self) -> dict[str, Any]:
        # dataclasses.asdict copies all that is below it, and costs ten times as much.
        return {name: getattr(self, name) for name in _HOLE}

    def unfile(self, book: Book) -> None:
        """Take all of that back."""
        if self.failed:
            book.undo(
                self.day, self.agent, self.environment, self.item, passed=False, weight=self.size
            )
        else:
            book.close(self.day, self.agent, self.environment, self.item)
        book.drop(self.slot)
        book.release(self.item)


_HOLE: Final = tuple(field.name for field in fields(Hole))


@dataclass(frozen=True, kw_only=True, slots=True)
class Numbered:
    """The numbers of every series, and the holes between them."""

    settle: Duration | None
    """How long a hole waits for late numbers; None: not at all."""

    def see(
        self,
        entry: Entry,
        book: Book,
        *,
        series: str,
        number: int,
        day: int,
        agent: str,
        environment: str,
        evidence: tuple[str, ...],
    ) -> bool:
        """Open or split the hole that a number makes; say whether it was not there before."""
        slot = f"s/{series}"
        known = book.get(slot)  # [first, last, holes]; holes are absent where nobody counted them
        hole: tuple[int, int] | None = None
        if known is None:
            known = [number, number, 0]
        elif number > known[1]:
            if number > known[1] + 1:
                hole = (known[1] + 1, number - 1)
            known[1] = number
        elif number < known[0]:
            if number < known[0] - 1:
                hole = (number + 1, known[0] - 1)
            known[0] = number
        else:
            return self._mend(slot, series, number, known, book)
        if hole is not None and len(known) > 2:
            known[2] += 1
        book.put(slot, known)
        if hole is not None:
            Hole(
                series=series,
                first=hole[0],
                last=hole[1],
                day=day,
                agent=agent,
                environment=environment,
                seq=entry.seq,
                failed=self.settle is None,
                due=None if self.settle is None else self.settle.after(entry.received),
                evidence=evidence_of(entry, evidence),
            ).file(book)
        return True

    def goes_on(self, slot: str, number: int, book: Book) -> bool:
        """Take in a number in the usual case: it follows the last one of the series in this slot.

        Says whether it does; if not, nothing is done, and it is for `see`.
        """
        known = book.get(slot)
        if known is None or number != known[1] + 1:
            return False
        known[1] = number
        book.put(slot, known)
        return True

    def _mend(self, slot: str, series: str, number: int, known: list[int], book: Book) -> bool:
        """Split the hole in which a late number belongs; say whether there was one."""
        if len(known) > 2 and known[2] == 0:
            return False
        at = number - _LOWEST
        # Every hole lies between the first and the last number, so in the smallest block of both:
        # a handful of sizes for a short series, and 55 at most.
        sizes = ((known[0] - _LOWEST) ^ (known[1] - _LOWEST)).bit_length() + 1
        blocks = [f"h/{series}/{size}/{at >> size}" for size in range(sizes)]
        book.look_ahead(blocks)
        for block in blocks:
            value = book.get(block)
            if value is not None and value["first"] <= number <= value["last"]:
                hole = Hole(**value)
                hole.unfile(book)
                parts = [
                    replace(hole, first=first, last=last)
                    for first, last in ((hole.first, number - 1), (number + 1, hole.last))
                    if first <= last
                ]
                for part in parts:
                    part.file(book, is_restated=hole.failed)
                if len(known) > 2:
                    known[2] += len(parts) - 1
                    book.put(slot, known)
                return True
        return False

    def expire(self, value: Any, book: Book) -> None:
        """Fail a hole that nobody filled in time."""
        hole = Hole(**value)
        hole.unfile(book)
        replace(hole, failed=True).file(book)

"""Draw a sample that anybody can draw again, and nobody can choose. Pure.

The seed is HMAC-SHA-256 with the hash of the snapshot's last entry (32 bytes) as its key, over

    number ‖ 0x00 ‖ control ‖ 0x00 ‖ check        (UTF-8)

where the number is what the auditor typed once the snapshot was sealed. Each item of the population
has a rank, HMAC-SHA-256 with the seed as its key over the item's id; the items of the lowest ranks
are drawn, as many as RULE says, and then the lowest of every agent that none of them is of. How
many entries there are does not matter for the memory: only what may still be drawn is kept.

Which items a check has: sample_population.py. Drawing and keeping: draw_sample.py. Drawing again:
redraw_sample.py. What entries say of samples: sample_lines.py. How to draw by hand:
docs/sampling.md.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from heapq import heappush, heappushpop
from typing import Final, Protocol

from compliance.kinds.base import Entry

RULE: Final[tuple[tuple[int, int], ...]] = ((10, 10), (50, 10), (250, 25))
"""`(population up to, items to draw)`; what is larger has LARGEST."""
LARGEST: Final = 40
MOST_STRATA: Final = 100
"""Agents that get an item of their own beyond the rule; an entry has no room for thousands."""
NO_ENTRY: Final = -1
"""Stands for the entry of an item that is about none: a day on which nothing was found."""

_NUMBER: Final = re.compile(r"[0-9]{1,40}", re.ASCII)


class NotANumber(ValueError):
    """What was typed is no number of 1 to 40 digits. The message is one line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawable:
    """One item of a population, with the entry that a person looks at."""

    item: str
    """Its id, as the check names it: the entry's seq, a day, or a day's bucket."""
    stratum: str
    """The agent; empty: of several, or of none."""
    seq: int
    """NO_ENTRY: there is no entry to look at, which is what was found."""
    entry_id: str
    entry_hash: str
    """64 hex."""
    occurred_at: str
    """`2026-10-04T00:00:00.000000Z`; these three are empty without an entry."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawn:
    """What was drawn, of how many, and why so many."""

    population: int
    rule: str
    """One or two sentences."""
    items: tuple[Drawable, ...]
    """In the order drawn: those of the rule by rank, then those added for an agent by rank."""

    def named(self) -> list[list[object]]:
        """Return the items as an entry names them: `[seq, item, stratum]` each, in order."""
        return [[one.seq, one.item, one.stratum] for one in self.items]


class Population(Protocol):
    """The items of one check in one period, found entry by entry."""

    def item(self, entry: Entry) -> str | None:
        """Take in the next entry; return the item that it is, None when it is none by itself."""

    def rest(self) -> Iterable[Drawable]:
        """Return the items that only the whole of the entries shows: days, buckets."""


def read_number(text: str) -> str:
    """Return the auditor's number as typed, blanks around it left out; zeros in front count.

    Raises NotANumber.
    """
    number = text.strip()
    if not _NUMBER.fullmatch(number):
        raise NotANumber("type a number of 1 to 40 digits, such as one that dice have given")
    return number


def seed_of(*, head_hash: str, number: str, control: str, check: str) -> bytes:
    """Return the seed, 32 bytes; `head_hash` is that of the snapshot's last entry, 64 hex."""
    message = b"\0".join(part.encode() for part in (number, control, check))
    return hmac.digest(bytes.fromhex(head_hash), message, "sha256")


def rank_of(seed: bytes, item: str) -> int:
    """Return the place of an item among all: the lowest are drawn first."""
    return int.from_bytes(hmac.digest(seed, item.encode(), "sha256"))


def size_of(population: int) -> int:
    """Return how many items the rule draws of a population, before any is added for an agent."""
    for most, size in RULE:
        if population <= most:
            return min(population, size)
    return LARGEST


class Draw:
    """A draw under way. Offer every item once, in any order; then ask what was drawn."""

    def __init__(self, seed: bytes) -> None:
        """Begin with nothing offered."""
        self._seed = seed
        self._offered = 0
        self._lowest: list[int] = []
        """The lowest ranks so far, negated: the highest of them comes first in the heap."""
        self._kept: dict[int, Drawable] = {}
        self._first: dict[str, tuple[int, Drawable]] = {}
        """The lowest of each stratum."""

    def offer(self, item: str, stratum: str, about: Callable[[], Drawable]) -> None:
        """Take in one item; `about` is asked only when it may be drawn."""
        self._offered += 1
        rank = rank_of(self._seed, item)
        is_low = len(self._lowest) < LARGEST or rank < -self._lowest[0]
        known = self._first.get(stratum)
        is_first = known is None or rank < known[0]
        if not is_low and not is_first:
            return
        found = about()
        if is_first:
            self._first[stratum] = (rank, found)
        if not is_low:
            return
        self._kept[rank] = found
        if len(self._lowest) < LARGEST:
            heappush(self._lowest, -rank)
        else:
            del self._kept[-heappushpop(self._lowest, -rank)]

    def drawn(self) -> Drawn:
        """Return what is drawn of all that was offered."""
        size = size_of(self._offered)
        by_rule = [self._kept[rank] for rank in sorted(self._kept)[:size]]
        there = {one.stratum for one in by_rule}
        missing = sorted(
            (rank, stratum) for stratum, (rank, _) in self._first.items() if stratum not in there
        )
        added = [self._first[stratum][1] for _, stratum in missing[:MOST_STRATA]]
        return Drawn(
            population=self._offered,
            rule=_rule(
                self._offered,
                size,
                strata=len(self._first),
                added=len(added),
                left_out=len(missing) - len(added),
            ),
            items=(*by_rule, *added),
        )


def draw(seed: bytes, population: Population, entries: Iterable[Entry]) -> Drawn:
    """Draw of the items that a population finds in the entries, which come by seq.

    Flat in memory, however many there are.
    """
    under_way = Draw(seed)
    for entry in entries:
        item = population.item(entry)
        if item is not None:
            under_way.offer(item, entry.agent, _About(item, entry))
    for one in population.rest():
        under_way.offer(one.item, one.stratum, partial(_itself, one))
    return under_way.drawn()


def about_entry(item: str, stratum: str, entry: Entry) -> Drawable:
    """Return an item that a person looks at in this entry."""
    return Drawable(
        item=item,
        stratum=stratum,
        seq=entry.seq,
        entry_id=str(entry.read("id")),
        entry_hash=str(entry.read("entry_hash")),
        occurred_at=str(entry.read("occurred_at")),
    )


def _itself(one: Drawable) -> Drawable:
    return one


class _About:
    """An item of an entry, made only when it may be drawn."""

    __slots__ = ("_entry", "_item")

    def __init__(self, item: str, entry: Entry) -> None:
        self._item = item
        self._entry = entry

    def __call__(self) -> Drawable:
        return about_entry(self._item, self._entry.agent, self._entry)


def _rule(population: int, size: int, *, strata: int, added: int, left_out: int) -> str:
    """Say why so many."""
    if not population:
        return "The population is empty: nothing to draw."
    if size == population:
        return f"All of {population:,}: so few are looked at whole."
    largest = max(most for most, _ in RULE if most < population)
    up_to = next((most for most, _ in RULE if population <= most), None)
    where = f"{largest + 1:,} to {up_to:,}" if up_to else f"more than {largest:,}"
    said = f"{size:,} of {population:,}: the rule for {where}."
    if added:
        said += f" {added:,} more, so that each of {strata - left_out:,} agents is there."
    if left_out:
        said += (
            f" {left_out:,} agents are not there: at most {MOST_STRATA:,} are added, those whose "
            "items come first."
        )
    return said

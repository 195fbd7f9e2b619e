"""The line of one series of a gap check: its points in order, and the pairs between them. Pure.

A point is an entry: it counts, begins the activity, or ends it. Two neighbours are a pair when the
series was active after the first. Used by gap.py.

What the slots hold: `s/<series>` the last point and whether its tail has failed; and, where the
whole line is kept, pages of up to 512 points in `p/<series>/<number>` and an index of their first
points in `i/<series>`, so that neither a long series nor a flood rewrites one ever-growing slot.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from operator import add
from typing import Any, Final, NamedTuple

from compliance.kinds.base import DAY_US, Book, Item
from compliance.language.durations import Duration, parse_duration
from compliance.language.errors import DefinitionError

COUNTS: Final = 1
BEGINS: Final = 2
ENDS: Final = 4

_FULL: Final = 512


class Point(NamedTuple):
    """One entry on the line, as it stands in a page."""

    at: int
    """Where: us, or the number that is measured."""
    seq: int
    flags: int
    active: bool
    """Whether the series is active after it."""
    day: int
    agent: str


class Pair(NamedTuple):
    """What two neighbours come to."""

    item: str
    day: int
    agent: str
    passed: bool
    seq: int
    other_seq: int | None
    due: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """How far two neighbours may lie apart."""

    reach: Callable[[int], int]
    """The last place at which the next one is still in time."""
    is_time: bool
    words: str

    @classmethod
    def of(cls, max_gap: Any, *, is_time: bool) -> Limit:
        """Read `max_gap`: a duration for times, else a whole number. Raises DefinitionError."""
        if is_time:
            duration: Duration = parse_duration(max_gap)
            # Asked twice with every entry of a series: without a call in Python where none is due.
            exact = duration.exact_us
            reach = duration.after if exact is None else partial(add, exact)
            return cls(reach=reach, is_time=True, words=str(max_gap))
        if isinstance(max_gap, bool) or not isinstance(max_gap, int):
            raise DefinitionError("max_gap must be a whole number where the measure is no time")
        return cls(reach=lambda at: at + max_gap, is_time=False, words=str(max_gap))


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """How the lines of one check are judged."""

    limit: Limit
    tail: bool
    keeps_all: bool
    """A late entry may fall between two; else the order of arrival is the order."""
    active_at_first: bool
    """Nothing has to begin the activity."""

    def see(
        self, series: str, point: Point, environment: str, book: Book, evidence: Callable[[], Any]
    ) -> None:
        """Put a point on its line; its `active` is found here."""
        slot = f"s/{series}"
        known = book.get(slot)
        last = None if known is None else Point(*known["last"])
        if last is not None and point.at < last.at and not self.keeps_all:
            point = point._replace(at=last.at)
        if known is not None and last is not None and point[:2] < last[:2]:
            self._insert(series, point, known, book, evidence)
            return
        point = self._lit(last, point)
        if not self.keeps_all and not point.active and (last is None or not last.active):
            return  # nothing to remember of an inactive series: no later entry falls before it
        old: list[Pair | None] = []
        if known is None:
            known = {"env": environment, "failed": False, "page": 0, "next": 1}
            if self.keeps_all:
                book.put(f"i/{series}", [[point.at, point.seq, 0]])
        elif last is not None and known["failed"]:
            old.append(self._tail(last))
        new = [] if last is None else [self._pair(last, point)]
        _change(old, new, known["env"], book, self.limit.words, point.seq, evidence)
        if self.keeps_all:
            self._append(series, point, known, book)
        known["last"] = point
        known["failed"] = False
        self._put(slot, known, book)

    def goes_on(
        self, slot: str, at: int, seq: int, day: int, agent: str, book: Book
    ) -> bool | None:
        """Put a point that counts on the line in this slot in the usual cases.

        True: the last one is near, so that the pair passes, and is to be counted under the point's
        seq. False: nothing is to be counted, since the series is not active, or its tail has failed
        already. None: it is none of these, nothing is done, and it is for `see`.
        """
        if self.keeps_all:
            return None
        known = book.get(slot)
        if known is None:
            return None if self.active_at_first else False
        last = known["last"]
        last_at, is_active = last[0], last[3]
        if not is_active:
            return False
        reach = self.limit.reach
        is_near = at <= reach(last_at)
        # The tail of a far one has failed before, or else fails now.
        if is_near is known["failed"]:
            return None
        at = max(at, last_at)
        due = reach(at) if self.tail else None
        if due is not None and book.clock > due:
            return None
        # As a Point, which takes longer to make.
        known["last"] = (at, seq, COUNTS, True, day, agent)
        known["failed"] = False
        book.put(slot, known, due=due)
        return is_near

    def expire(self, slot: str, value: Any, book: Book) -> None:
        """Fail the pair of the last entry and now."""
        last = Point(*value["last"])
        _change([], [self._tail(last)], value["env"], book, self.limit.words, None, None)
        value["failed"] = True
        book.put(slot, value)

    def _put(self, slot: str, known: dict[str, Any], book: Book) -> None:
        """Remember the end of the line, and when its tail runs out."""
        last = Point(*known["last"])
        if not (self.tail and last.active):
            book.put(slot, known)
            return
        due = self.limit.reach(last.at)
        if book.clock > due and not known["failed"]:
            self.expire(slot, known, book)
        elif known["failed"]:
            book.put(slot, known)
        else:
            book.put(slot, known, due=due)

    def _lit(self, before: Point | None, point: Point) -> Point:
        active = self.active_at_first if before is None else before.active
        if point.flags & ENDS:
            active = False
        elif point.flags & BEGINS:
            active = True
        return point if point.active == active else point._replace(active=active)

    def _tail(self, last: Point) -> Pair:
        due = self.limit.reach(last.at)
        item = f"{last.seq}/tail"
        return Pair(item, due // DAY_US, last.agent, False, last.seq, None, due)

    def _pair(self, before: Point, point: Point) -> Pair | None:
        if not before.active:
            return None
        passed = point.at <= self.limit.reach(before.at)
        if not passed and self.tail:
            return self._tail(before)
        if not point.flags & COUNTS:
            return None
        return Pair(str(point.seq), point.day, point.agent, passed, point.seq, before.seq, None)

    def _append(self, series: str, point: Point, known: dict[str, Any], book: Book) -> None:
        slot = f"p/{series}/{known['page']}"
        page = book.get(slot) or []
        if len(page) >= _FULL // 2:
            known["page"], known["next"] = known["next"], known["next"] + 1
            index = book.get(f"i/{series}") or []
            index.append([point.at, point.seq, known["page"]])
            book.put(f"i/{series}", index)
            slot, page = f"p/{series}/{known['page']}", []
        page.append(point)
        book.put(slot, page)

    def _insert(
        self,
        series: str,
        point: Point,
        known: dict[str, Any],
        book: Book,
        evidence: Callable[[], Any],
    ) -> None:
        """Put a late point between its neighbours: one pair goes, two come.

        When it begins or ends the activity, the points after it change, up to the next that does.
        """
        pages = _Pages(series, known, book)
        place = pages.place(point)
        before = pages.at(place, -1)
        point = self._lit(before, point)
        old = [self._tail(Point(*known["last"]))] if known["failed"] else []
        changed: list[Pair | None] = [*old]
        fresh: list[Pair | None] = [] if before is None else [self._pair(before, point)]
        old_before, new_before = before, point
        pages.insert(place, point)
        for where, following in pages.after(place):
            if old_before is not None:
                changed.append(self._pair(old_before, following))
            lit = self._lit(new_before, following)
            fresh.append(self._pair(new_before, lit))
            if lit.active == following.active:
                break
            pages.replace(where, lit)
            old_before, new_before = following, lit
        else:
            known["last"] = new_before
        last = Point(*known["last"])
        if known["failed"] and self.tail and last.active:
            fresh.append(self._tail(last))
        else:
            known["failed"] = False
        _change(changed, fresh, known["env"], book, self.limit.words, point.seq, evidence)
        pages.save()
        self._put(f"s/{series}", known, book)


class _Pages:
    """The pages of one line, loaded as they are needed."""

    def __init__(self, series: str, known: dict[str, Any], book: Book) -> None:
        self._series, self._known, self._book = series, known, book
        self._index: list[list[int]] = book.get(f"i/{series}") or []
        self._loaded: dict[int, list[Point]] = {}
        self._touched: set[int] = set()

    def _page(self, number: int) -> list[Point]:
        if number not in self._loaded:
            raw = self._book.get(f"p/{self._series}/{number}") or []
            self._loaded[number] = [Point(*point) for point in raw]
        return self._loaded[number]

    def place(self, point: Point) -> tuple[int, int]:
        """Return where it belongs: the row of the index, and the place on that page."""
        row = max(bisect_right(self._index, [point.at, point.seq, -1]) - 1, 0)
        page = self._page(self._index[row][2])
        return row, bisect_right(page, point[:2], key=lambda there: there[:2])

    def at(self, place: tuple[int, int], step: int) -> Point | None:
        """Return the neighbour before a place."""
        row, spot = place
        if spot + step >= 0:
            return self._page(self._index[row][2])[spot + step]
        return self._page(self._index[row - 1][2])[-1] if row else None

    def insert(self, place: tuple[int, int], point: Point) -> None:
        """Put a point in its place."""
        row, spot = place
        number = self._index[row][2]
        self._page(number).insert(spot, point)
        self._touched.add(number)
        if spot == 0:
            self._index[row][:2] = [point.at, point.seq]
            self._book.put(f"i/{self._series}", self._index)

    def replace(self, where: tuple[int, int], point: Point) -> None:
        """Put another state of a point in its place."""
        number = self._index[where[0]][2]
        self._page(number)[where[1]] = point
        self._touched.add(number)

    def after(self, place: tuple[int, int]) -> Iterable[tuple[tuple[int, int], Point]]:
        """Walk over the points after a place."""
        row, spot = place
        spot += 1
        while row < len(self._index):
            page = self._page(self._index[row][2])
            while spot < len(page):
                yield (row, spot), page[spot]
                spot += 1
            row, spot = row + 1, 0

    def save(self) -> None:
        """Put back what changed, and cut a page that has grown too long in two."""
        for number in sorted(self._touched):
            page = self._loaded[number]
            if len(page) > _FULL:
                self._cut(number, page)
            self._book.put(f"p/{self._series}/{number}", page)

    def _cut(self, number: int, page: list[Point]) -> None:
        rest = page[len(page) // 2 :]
        del page[len(page) // 2 :]
        fresh, self._known["next"] = self._known["next"], self._known["next"] + 1
        row = next(row for row, entry in enumerate(self._index) if entry[2] == number)
        self._index.insert(row + 1, [rest[0].at, rest[0].seq, fresh])
        if self._known["page"] == number:
            self._known["page"] = fresh
        self._book.put(f"i/{self._series}", self._index)
        self._book.put(f"p/{self._series}/{fresh}", rest)


def _change(
    old: list[Pair | None],
    new: list[Pair | None],
    environment: str,
    book: Book,
    limit: str,
    seq: int | None,
    evidence: Callable[[], Any] | None,
) -> None:
    """Take back what no longer holds, and decide what does now; what is in both stays."""
    kept = {pair for pair in old if pair} & {pair for pair in new if pair}
    for pair in old:
        if pair is not None and pair not in kept:
            book.undo(pair.day, pair.agent, environment, pair.item, passed=pair.passed)
            if not pair.passed:
                book.release(pair.item)
    for pair in new:
        if pair is None or pair in kept:
            continue
        book.decide(pair.day, pair.agent, environment, pair.item, passed=pair.passed)
        if not pair.passed:
            book.keep(
                Item(
                    item=pair.item,
                    state="fail",
                    day=pair.day,
                    agent=pair.agent,
                    environment=environment,
                    seq=pair.seq,
                    other_seq=pair.other_seq,
                    due=pair.due,
                    why=_why(pair, limit),
                    evidence=evidence() if evidence is not None and pair.seq == seq else None,
                    is_restated=any(pair is not None for pair in old),
                )
            )


def _why(pair: Pair, limit: str) -> str:
    if pair.other_seq is None:
        return f"Nothing followed entry {pair.seq} within {limit}."
    return f"Entry {pair.seq} lies more than {limit} after entry {pair.other_seq}."

"""Which entries could violate a ban: of each hour the first and the last of every tie. Pure.

A ban may come after the entries that it concerns: an offboarding that is reported a day late, with
acts in between. So what could violate one is remembered, and must stay small: nearly every entry
of a ledger could violate some ban. Of each tie and hour of occurred_at only the first and the last
are kept. Both are real entries, so whatever they prove is certain; of the hour in which a ban
begins or ends, an entry between the two may be missed. Entries that arrive after their ban are
judged one by one and never missed. Used by forbid.py.

Slots: `t/<tie>` the newest day with its hours, the ids of the bans of the tie, and the days before
that have something, as ranges; `v/<tie>/<day>` the hours of those days. What could violate nothing
but itself, such as one call of its own operation, so takes one slot.

Of one day a ban needs its earliest violation only. Bans that have one go to rest in `r/<tie>` for
the day, and are not looked at again unless an entry of another day or an earlier one comes: a flood
under one tie, where each entry violates all that were before it, else costs its square.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from compliance.kinds.base import DAY_US, Book, Entry
from compliance.kinds.joins import Join
from compliance.language.reading import Remembered

HOUR_US: Final = 3_600_000_000
_HOURS: Final = tuple(map(str, range(24)))
_NO_REST: Final = {"rest": None}
_MOST_WAITING: Final = 4_096
"""Ties that are seen together of which the last entry is held back."""


@dataclass(slots=True)
class _Newest:
    """The last entry that was seen under some ties in one hour."""

    at: int
    seq: int
    until: int
    """The end of the hour, us."""
    is_put: bool = True
    """Whether the book has it."""


class Sightings:
    """What was seen under the ties of one ban."""

    def __init__(self, later: Join) -> None:
        """Take what the ban forbids: when its ties say it all, no fields need be kept."""
        self._keeps_fields = not later.is_decided_by_slot
        self._newest: dict[Sequence[str], _Newest] = {}
        """Of ties that are often seen together and that nothing waits for, the last of an hour."""

    def slots(self, ties: Iterable[str]) -> list[str]:
        """Return the slots of these ties."""
        return [f"t/{tie}" for tie in ties]

    def note(
        self, entry: Entry, ties: Sequence[str], later: Join, book: Book
    ) -> Sequence[tuple[str, list[str]]]:
        """Remember an entry under its ties; return of each tie the ids of the bans to look at.

        Of an agent's many acts in an hour the last is put into the book when the hour is over, or
        somebody looks there (`settle`).
        """
        at = entry.at
        may_wait = ties.__class__ is tuple and not self._keeps_fields
        if may_wait and (newest := self._newest.get(ties)) is not None:
            if newest.at <= at < newest.until:
                newest.at, newest.seq, newest.is_put = at, entry.seq, False
                return ()
            self._put(ties, newest, book)
        kept: Any = later.kept_fields(entry, "candidate") if self._keeps_fields else None
        bans = self._note_all([at, entry.seq, kept], entry, ties, book)
        if may_wait and not bans:
            self._wait(at, entry.seq, ties, book)
        return bans

    def settle(self, book: Book) -> None:
        """Put into the book what was held back."""
        for ties, newest in self._newest.items():
            self._put(ties, newest, book)
        self._newest.clear()

    def _wait(self, at: int, seq: int, ties: Sequence[str], book: Book) -> None:
        """Hold back the next entries of these ties and this hour, unless a ban may want them."""
        if any((book.get(f"t/{tie}") or _NO_REST)["rest"] is not None for tie in ties):
            return
        if len(self._newest) >= _MOST_WAITING:
            self.settle(book)
        self._newest[ties] = _Newest(at, seq, (at // HOUR_US + 1) * HOUR_US)

    def _put(self, ties: Sequence[str], newest: _Newest, book: Book) -> None:
        """Remember the last entry of an hour; no ban stands under these ties."""
        if newest.is_put:
            return
        newest.is_put = True
        at = newest.at
        day, hour, sighting = at // DAY_US, _HOURS[at // HOUR_US % 24], [at, newest.seq, None]
        for tie in ties:
            slot = f"t/{tie}"
            known = book.get(slot)
            assert known is not None, f"one was noted under {tie} before others were held back"
            if self._note_under(tie, day, hour, sighting, known, book):
                book.put(slot, known)

    def _note_all(
        self, sighting: list[Any], entry: Entry, ties: Sequence[str], book: Book
    ) -> list[tuple[str, list[str]]]:
        at = entry.at
        day, hour = at // DAY_US, _HOURS[at // HOUR_US % 24]
        bans: list[tuple[str, list[str]]] = []
        for tie in ties:
            slot = f"t/{tie}"
            known = book.get(slot)
            if known is not None and known["day"] == day and known["rest"] is None:
                # The usual case: one more of the newest day, where no ban rests.
                hours = known["hours"]
                seen = hours.get(hour)
                if seen is not None and seen[-1][0] < at:
                    seen[1:] = (sighting,)
                    is_changed = True
                else:
                    is_changed = _note_in(hours, hour, sighting)
            else:
                is_new = known is None
                known = known or _new(day)
                is_changed = self._note(tie, entry, day, hour, sighting, known, book) or is_new
            if is_changed:
                book.put(slot, known)
            if known["bans"]:
                bans.append((tie, known["bans"]))
        return bans

    def _note(
        self,
        tie: str,
        entry: Entry,
        day: int,
        hour: str,
        sighting: list[Any],
        known: dict[str, Any],
        book: Book,
    ) -> bool:
        """Remember an entry under one tie; say whether the tie's own slot changed."""
        is_changed = self._note_under(tie, day, hour, sighting, known, book)
        if known["rest"] is not None:
            is_changed |= self._wake(tie, entry, known, book)
        return is_changed

    def _note_under(
        self, tie: str, day: int, hour: str, sighting: list[Any], known: dict[str, Any], book: Book
    ) -> bool:
        if day < known["day"]:
            return self._note_older(tie, day, hour, sighting, known, book)
        if day > known["day"]:
            self._turn(tie, day, known, book)
        return _note_in(known["hours"], hour, sighting)

    def rest(self, tie: str, bans: list[str], entry: Entry, book: Book) -> None:
        """Put bans to rest that the entry, or an earlier one of its day, has violated."""
        slot = f"t/{tie}"
        known = book.get(slot)
        assert known is not None, f"bans stand under {tie}, so it is there"
        resting = book.get(f"r/{tie}") or []
        resting += bans
        book.put(f"r/{tie}", resting)
        gone = set(bans)
        known["bans"] = [ban for ban in known["bans"] if ban not in gone]
        known["rest"] = [entry.at // DAY_US, entry.at, entry.seq]
        book.put(slot, known)

    def _wake(self, tie: str, entry: Entry, known: dict[str, Any], book: Book) -> bool:
        """List the resting bans again, unless they have an earlier violation of this day.

        Says whether it did.
        """
        rest = known["rest"]
        if rest[0] == entry.at // DAY_US and (rest[1], rest[2]) <= (entry.at, entry.seq):
            return False
        known["bans"] += book.get(f"r/{tie}") or []
        known["rest"] = None
        book.drop(f"r/{tie}")
        return True

    def add_ban(self, ties: list[str], ban: str, book: Book) -> None:
        """List a ban under its ties."""
        self.settle(book)
        for tie in ties:
            slot = f"t/{tie}"
            known = book.get(slot)
            if known is None:
                known = _new(0)
            known["bans"].append(ban)
            book.put(slot, known)

    def since(
        self,
        ties: list[str],
        begins: int,
        until: int | None,
        event: Remembered,
        later: Join,
        book: Book,
    ) -> list[tuple[int, int]]:
        """Return `(at, seq)`, sorted, of what fits, after `begins` and before `until`."""
        assert not self._newest, "the ban that asks was listed, which puts what was held back"
        found: set[tuple[int, int]] = set()
        for tie in ties:
            for hours in self._days_since(tie, begins // DAY_US, book):
                for sighting in hours.values():
                    for at, seq, kept in sighting:
                        if at <= begins or (until is not None and at >= until):
                            continue
                        if kept is None or later.fits(Remembered(kept), event):
                            found.add((at, seq))
        return sorted(found)

    def _days_since(self, tie: str, first: int, book: Book) -> Iterable[dict[str, Any]]:
        known = book.get(f"t/{tie}")
        if known is None:
            return
        days = [day for start, end in known["days"] for day in range(max(start, first), end + 1)]
        slots = [f"v/{tie}/{day}" for day in days]
        book.look_ahead(slots)
        for slot in slots:
            yield book.get(slot) or {}
        if known["day"] >= first:
            yield known["hours"]

    def _turn(self, tie: str, day: int, known: dict[str, Any], book: Book) -> None:
        """Begin a new day; put the one before away."""
        if known["hours"]:
            book.put(f"v/{tie}/{known['day']}", known["hours"])
            _add_day(known["days"], known["day"])
        known["day"], known["hours"] = day, {}

    def _note_older(
        self, tie: str, day: int, hour: str, sighting: Any, known: dict[str, Any], book: Book
    ) -> bool:
        """Remember an entry of a day that was put away; say whether the tie's own slot changed."""
        slot = f"v/{tie}/{day}"
        hours = book.get(slot) or {}
        is_new = not hours
        if _note_in(hours, hour, sighting):
            book.put(slot, hours)
        if is_new:
            _add_day(known["days"], day)
        return is_new


def _new(day: int) -> dict[str, Any]:
    return {"day": day, "hours": {}, "bans": [], "days": [], "rest": None}


def _note_in(hours: dict[str, Any], hour: str, sighting: list[Any]) -> bool:
    """Keep the first and the last of an hour, by (occurred_at, seq); say whether it is one."""
    seen = hours.get(hour)
    if seen is None:
        hours[hour] = [sighting]
        return True
    at, last = sighting[0], seen[-1]
    if at > last[0] or (at == last[0] and sighting[1] > last[1]):
        hours[hour] = [seen[0], sighting]
        return True
    first = seen[0]
    if at < first[0] or (at == first[0] and sighting[1] < first[1]):
        hours[hour] = [sighting, last]
    else:
        return False
    return True


def _add_day(days: list[list[int]], day: int) -> None:
    """Add a day to sorted ranges of days, both ends included."""
    for place in range(len(days) - 1, -1, -1):
        start, end = days[place]
        if start <= day <= end:
            return
        if day == end + 1:
            days[place][1] = day
            _join_next(days, place)
            return
        if day == start - 1 and (place == 0 or days[place - 1][1] < day - 1):
            days[place][0] = day
            return
        if day > end:
            days.insert(place + 1, [day, day])
            return
    days.insert(0, [day, day])


def _join_next(days: list[list[int]], place: int) -> None:
    if place + 1 < len(days) and days[place + 1][0] == days[place][1] + 1:
        days[place][1] = days[place + 1][1]
        del days[place + 1]

"""Entries that may serve a later event: what is kept of them, and which of them serves. Pure.

Used by prior.py. A candidate is kept under the slots of its Join (joins.py) with the fields that
the condition reads. An event takes those in its own slots that were chained before it, occurred no
later than it and at most `within` before it, fit it, and are not void.

A void is an entry of `unless_between`: it voids every candidate with a lower seq, for the events
that it fits. Events are judged in the order of seq, so only the newest void that fits counts.

Slots stay small because what cannot make a difference is dropped. Take candidates of one slot
that agree in every field the condition reads, with no void of theirs between them:

- without `within` the one that occurred first serves every event that another of them serves;
- with it, of three that occurred at a <= b <= c, b serves no event of its own when whatever
  occurred just before c could still have been served by a;
- for `latest` (the newest by seq that occurred no later than the event, and only that one), one
  that has a lower seq and did not occur earlier than another is never the newest, and one that
  follows an equal one changes nothing.

With `single_use` all are kept, as each serves once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from compliance.kinds.base import DAY_US, Book, Entry
from compliance.kinds.joins import Derived, Join, Readable, references, ties_of
from compliance.kinds.narrowing import Known
from compliance.language.conditions import Condition
from compliance.language.durations import Duration
from compliance.language.reading import Remembered

Kept: TypeAlias = dict[str, Any]
"""A candidate or a void as its slot holds it: fields by path, with seq, at and is_by_person."""

_PLACE = frozenset({"seq", "at"})
_EPOCH = "epoch"
_USE = "use"
LAST_VOID = "last void"


@dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """What came of looking for a candidate."""

    is_served: bool
    why: str = ""
    other_seq: int | None = None
    """The entry that stands in the way, where there is one."""


SERVED = Served(is_served=True)
UNSERVED = Served(is_served=False, why="No earlier entry matches it.")


class Voids:
    """The entries of `unless_between`."""

    def __init__(self, node: Any) -> None:
        """Take in the condition. Raises DefinitionError."""
        self.join = Join(node, name="void", derived=True)
        self.references = references(node)
        self._paths = self.join.condition.order

    def file(self, entry: Entry, names: Sequence[str], book: Book) -> None:
        """Keep the entry under the slots of its Join, as a void: of equal ones the newest."""
        if not names:
            return
        kept = _kept(entry, self._paths)
        for name in names:
            known: list[Kept] = book.get(name) or []
            book.put(name, [*(one for one in known if not _agree(one, kept)), kept])
        book.put(LAST_VOID, entry.seq)
        book.filed(names)

    def slots(self, entry: Entry) -> Iterator[str]:
        """Yield the slots that filing the entry may ask for."""
        yield from self.join.file_under(entry)

    def newest(self, event: Readable, book: Book, derived: Derived) -> int:
        """Return the seq of the newest void that fits the event; -1: none does."""
        newest = -1
        if book.get(LAST_VOID) is None:
            return newest
        for name in self.join.look_under(event, derived):
            for kept in book.get(name) or ():
                if kept["seq"] > newest and self.join.fits(Remembered(kept), event, derived):
                    newest = kept["seq"]
        return newest

    def newest_of(self, known: Known) -> Callable[[Entry, Book, int], int]:
        """Return what does as `newest` for events of one shape, where nothing is derived.

        It takes a seq as well, and says -1 where no void is newer than that.
        """
        look_under, fits = self.join.looking(known), self.join.fits

        def newest(event: Entry, book: Book, after: int) -> int:
            found = -1
            last = book.get(LAST_VOID)
            if last is None or last <= after:
                return found
            for name in look_under(event):
                for kept in book.get(name) or ():
                    if kept["seq"] > found and fits(Remembered(kept), event):
                        found = kept["seq"]
            return found

        return newest


class Candidates:
    """The candidates of one condition."""

    def __init__(
        self,
        join: Join,
        node: Any,
        *,
        within: Duration | None,
        voids: Voids | None,
        single_use: bool = False,
        only_newest: Condition | None = None,
    ) -> None:
        """Take in the join made of `node`.

        `only_newest` (`latest`): the join finds the newest entry, and this condition must hold on
        that one.
        """
        self.join = join
        self._within = within
        self._voids = voids
        self._single_use = single_use
        self._only_newest = only_newest
        more = only_newest.paths() if only_newest else frozenset()
        self._paths = sorted(join.condition.paths() | more)
        self._is_decided = join.is_decided_by_slot
        self._is_any_enough = not (within or single_use or only_newest)
        self._is_simple = self._is_decided and self._is_any_enough
        # When a candidate's ties say all that its voids ask of the event, its own voids are known.
        ties = ties_of(node)
        self._tied = ties if ties and voids and voids.references <= ties.keys() else None

    # ------------------------------------------------------------------ keeping

    def file(self, entry: Entry, names: Sequence[str], book: Book) -> None:
        """Keep the entry under the slots of its Join: it may serve a later event."""
        if not names:
            return
        kept = _kept(entry, self._paths)
        voided = -1
        if self._voids is not None:
            if self._tied is None:
                kept[_EPOCH] = book.get(LAST_VOID)
            else:
                voided = self._own_void(entry, book)
        for name in names:
            known = [one for one in book.get(name) or () if one["seq"] >= voided]
            book.put(name, self._with(known, kept))
        book.filed(names)

    def slots(self, entry: Entry) -> Iterator[str]:
        """Yield the slots that filing the entry may ask for."""
        names = self.join.file_under(entry)
        yield from names
        if names and self._voids is not None:
            yield LAST_VOID

    def _with(self, known: list[Kept], kept: Kept) -> list[Kept]:
        if not known:
            return [kept]
        if self._single_use:
            return [*known, kept]
        if self._only_newest is not None:
            return self._with_newest(known, kept)
        others = [one for one in known if not _agree(one, kept)]
        equal = [one for one in known if _agree(one, kept)]
        equal = sorted([*equal, kept], key=lambda one: (one["at"], one["seq"]))
        return sorted([*others, *self._thinned(equal)], key=lambda one: int(one["seq"]))

    def _thinned(self, equal: list[Kept]) -> list[Kept]:
        """Leave out of equal candidates, by occurred_at, those that make no difference."""
        if self._within is None:
            return equal[:1]
        left: list[Kept] = []
        for one in equal:
            if left and left[-1]["at"] == one["at"]:
                continue
            if len(left) > 1 and left[-2]["at"] >= self._still_serves(one["at"]):
                left.pop()
            left.append(one)
        return left

    def _still_serves(self, at: int) -> int:
        """Return from when on a candidate surely serves every event up to a moment."""
        assert self._within is not None, "asked only with a limit"
        before = self._within.before(at)
        # Months have no one length: 29 March less a month may be later than 30 March less a month.
        return before if self._within.exact_us is not None else before + DAY_US

    def _with_newest(self, known: list[Kept], kept: Kept) -> list[Kept]:
        if not self._is_decided:
            return [*known, kept]
        known = [one for one in known if one["at"] < kept["at"]]
        changes_nothing = (
            self._within is None and self._voids is None and known and _agree(known[-1], kept)
        )
        return known if changes_nothing else [*known, kept]

    def _own_void(self, entry: Entry, book: Book) -> int:
        """Return the newest void of every event that this candidate's ties can tie to it."""
        assert self._voids is not None, "asked only with voids"
        assert self._tied is not None, "asked only with ties"
        event = {path: entry.read(field) for path, field in self._tied.items()}
        derived = {
            path.removeprefix("derived."): value
            for path, value in event.items()
            if path.startswith("derived.")
        }
        return self._voids.newest(Remembered(event), book, derived)

    # ------------------------------------------------------------------ serving

    def serve(self, event: Entry, book: Book, derived: Derived, use: str) -> Served:
        """Return what serves an event; with `single_use` it is taken by this use from now on."""
        names = self.join.look_under(event, derived)
        if self._is_any_enough:
            newest = self._newest_fitting(names, event, book, derived)
            if newest < 0:
                return UNSERVED
            voided = -1 if self._voids is None else self._voids.newest(event, book, derived)
            return SERVED if newest >= voided else _ended(voided)
        fitting = list(self._fitting(names, event, book, derived))
        if not fitting:
            return UNSERVED
        if self._only_newest is not None:
            fitting = [max(fitting, key=lambda one: int(one["seq"]))]
        in_time = self._in_time(fitting, event)
        if not in_time:
            newest = max(one["seq"] for one in fitting)
            why = f"Entry {newest} matches, but is more than {self._within} older."
            return Served(is_served=False, why=why, other_seq=newest)
        if self._voids is not None:
            voided = self._voids.newest(event, book, derived)
            in_time = [one for one in in_time if one["seq"] >= voided]
            if not in_time:
                return _ended(voided)
        if self._only_newest is not None:
            return self._newest(in_time[0], event, derived)
        if self._single_use:
            return self._taken(in_time, book, use)
        return SERVED

    def serving(self, known: Known) -> Callable[[Entry, Book], bool | None] | None:
        """Return what tells whether anything serves an event of this shape.

        None where more than that is to be told or done; what is returned says None where what
        serves was voided: then it is for `serve`.
        """
        if not self._is_simple:
            return None
        look_under = self.join.looking(known)

        def serves(event: Entry, book: Book) -> bool | None:
            at = event.at
            for name in look_under(event):
                for kept in book.get(name) or ():
                    if kept["at"] <= at:
                        return True
            return False

        if self._voids is None:
            return serves
        voided_by = self._voids.newest_of(known)

        def serves_still(event: Entry, book: Book) -> bool | None:
            at, newest = event.at, -1
            for name in look_under(event):
                for kept in book.get(name) or ():
                    if kept["at"] <= at and kept["seq"] > newest:
                        newest = kept["seq"]
            if newest < 0:
                return False
            return True if newest >= voided_by(event, book, newest) else None

        return serves_still

    def rests_on(self, *, wholly: bool) -> tuple[str, ...] | None:
        """Return the paths of an event on which it rests what serves it, where that stays.

        `wholly`: whatever is kept; else where nothing is kept, or where ties say all. None where it
        rests on more: how long ago, and whom it has served.
        """
        voids = () if self._voids is None else self._voids.join.event_paths
        if not wholly:
            return (*self.join.tied_paths, *voids)
        if self._within is not None or self._single_use:
            return None
        newest = () if self._only_newest is None else self._only_newest.other_paths()
        return (*self.join.tied_paths, *self.join.event_paths, *newest, *voids)

    def resting(
        self, known: Known, *, wholly: bool
    ) -> Callable[[Entry, Book], Sequence[str] | None]:
        """Return what says on which slots it rests whether anything serves an event of a shape.

        As `kinds.base.Steady` has it, of events with the same values where this rests on them. It
        stays where all that is there would be looked at at any later time, or nothing is there.
        """
        look_under, is_told = self.join.looking(known), wholly or self._is_simple
        voids_under = None if self._voids is None else self._voids.join.looking(known)

        def rests(event: Entry, book: Book) -> Sequence[str] | None:
            names = look_under(event)
            for name in names:
                for kept in book.get(name) or ():
                    if not is_told or kept["at"] > event.at:
                        return None
            return names if voids_under is None else (*names, *voids_under(event))

        return rests

    def _newest_fitting(
        self, names: Iterable[str], event: Entry, book: Book, derived: Derived
    ) -> int:
        """Return the newest of those filed under these names that fits the event; -1: none."""
        newest, at, is_decided, fits = -1, event.at, self._is_decided, self.join.fits
        for name in names:
            # By seq: the first that fits, from the newest on, is the only one that matters.
            for kept in reversed(book.get(name) or ()):
                if kept["seq"] <= newest:
                    break
                if kept["at"] <= at and (is_decided or fits(Remembered(kept), event, derived)):
                    newest = kept["seq"]
                    break
        return newest

    def _fitting(
        self, names: Iterable[str], event: Entry, book: Book, derived: Derived
    ) -> Iterator[Kept]:
        seen: set[int] = set()
        for name in names:
            for kept in book.get(name) or ():
                if kept["at"] > event.at or kept["seq"] in seen:
                    continue
                seen.add(kept["seq"])
                if self._is_decided or self.join.fits(Remembered(kept), event, derived):
                    yield kept

    def _in_time(self, fitting: list[Kept], event: Entry) -> list[Kept]:
        if self._within is None:
            return fitting
        since = self._within.before(event.at)
        return [one for one in fitting if one["at"] >= since]

    def _newest(self, newest: Kept, event: Entry, derived: Derived) -> Served:
        assert self._only_newest is not None, "asked only for latest"
        seq = newest["seq"]
        if self._only_newest.holds(Remembered(newest), event, derived):
            return SERVED
        why = f"Entry {seq}, the newest of its kind, does not match it."
        return Served(is_served=False, why=why, other_seq=seq)

    def _taken(self, fitting: list[Kept], book: Book, use: str) -> Served:
        """Take the candidate that this use has already, else the first by seq that is free."""
        by_seq = sorted(fitting, key=lambda one: int(one["seq"]))
        own = next((one for one in by_seq if one.get(_USE) == use), None)
        if own is not None:
            return SERVED
        free = next((one for one in by_seq if _USE not in one), None)
        if free is None:
            seq = by_seq[0]["seq"]
            why = f"Entry {seq} matches, but has served another event."
            return Served(is_served=False, why=why, other_seq=seq)
        for name in self.join.file_under(Remembered(free)):
            known = book.get(name) or ()
            book.put(
                name,
                [{**one, _USE: use} if one["seq"] == free["seq"] else one for one in known],
            )
        return SERVED


def _ended(void: int) -> Served:
    why = f"Entry {void} ended what an earlier entry had allowed."
    return Served(is_served=False, why=why, other_seq=void)


def _kept(entry: Entry, paths: Iterable[str]) -> Kept:
    """Return what is kept of an entry; `paths` in their order."""
    read = entry.read
    kept: Kept = {path: value for path in paths if (value := read(path)) is not None}
    kept["seq"] = entry.seq
    kept["at"] = entry.at
    kept["is_by_person"] = entry.is_by_person
    return kept


def _agree(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell whether two are alike in all but their place in the ledger and in time."""
    return one.keys() == other.keys() and all(
        value == other[path] for path, value in one.items() if path not in _PLACE
    )

"""prior: something must have happened before it. Pure.

Item = population event, or a value that it shows for the first time (derived.py); decided once,
when the event is chained. It passes when `pass_when` holds and for `match`, or each of
`match_each`, there is an earlier entry: of lower seq, that occurred no later, and at most `within`
before (candidates.py has which one serves). `pass_now_when` and `match_waived_when` lift the need
for the match, never that for `pass_when`. `bind`: fields that must be there and equal in both.

The event is judged before it is filed: nothing serves itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, Literal

from compliance.kinds.base import Book, Entry, Failing, Item, Narrowed, Steady, Tested, View
from compliance.kinds.candidates import (
    LAST_VOID,
    SERVED,
    UNSERVED,
    Candidates,
    Served,
    Voids,
)
from compliance.kinds.counted import counted
from compliance.kinds.derived import Derivation, Shown
from compliance.kinds.failing import evidence_by, fail
from compliance.kinds.joins import Filing, Join
from compliance.kinds.narrowing import Known, narrowed, steady_on
from compliance.kinds.series import day_of, evidence_of, fields_of
from compliance.language.comparing import Holds
from compliance.language.conditions import ALWAYS, NEVER, Condition, compile_condition
from compliance.language.durations import parse_duration

_SAYS_LESS = Served(is_served=False, why="It does not say what the check asks of it.")


class Prior:
    """One prior, ready to run."""

    def __init__(self, definition: Mapping[str, Any]) -> None:
        """Take in the definition. Raises DefinitionError."""
        population = definition["population"]
        self._by_arrival = definition.get("clock") == "received_at"
        self._derivation = (
            Derivation(population, key=definition.get("key"), by_arrival=self._by_arrival)
            if "derive" in population
            else None
        )
        self._population = (
            compile_condition(population) if self._derivation is None else self._derivation.over
        )
        self._pass_when = _condition(definition, "pass_when") or ALWAYS
        self._lifted = tuple(
            condition
            for name in ("pass_now_when", "match_waived_when")
            if (condition := _condition(definition, name)) is not None
        )
        unless = definition.get("unless_between")
        self._voids = None if unless is None else Voids(unless)
        self._single_use = definition.get("single_use") is True
        self._candidates = tuple(self._stores(definition))
        self._evidence = fields_of(definition.get("evidence"))
        self._failing = Failing(why=UNSERVED.why, evidence=evidence_by(self._evidence))

    def _stores(self, definition: Mapping[str, Any]) -> Iterator[Candidates]:
        within = definition.get("within")
        how: dict[str, Any] = {
            "within": None if within is None else parse_duration(within),
            "voids": self._voids,
        }
        if "latest" in definition:
            node = definition["latest"]
            newest = compile_condition(_bound(definition["match"], definition), people=True)
            join = Join(node, name="latest", derived=True)
            yield Candidates(join, node, only_newest=newest, **how)
            return
        matches = definition["match_each"] if "match_each" in definition else [definition["match"]]
        for index, match in enumerate(matches):
            node = _bound(match, definition)
            join = Join(node, name=f"match{index}.", derived=True)
            yield Candidates(join, node, single_use=self._single_use, **how)

    def actions(self, actions: Mapping[str, str]) -> frozenset[str] | None:
        """Return the actions of its population, its matches and its voids."""
        wanted: frozenset[str] = frozenset()
        stores = [store.join.condition for store in self._all_stores()]
        for condition in (self._population, *stores):
            found = condition.actions(actions)
            if found is None:
                return None
            wanted |= found
        return wanted

    def slots(self, entry: Entry) -> Iterable[str]:
        """Return the slots of what may serve the entry, and of those it is filed under."""
        return chain(self._slots_of_event(entry), *(one.slots(entry) for one in self._all_stores()))

    def _slots_of_event(self, entry: Entry) -> Iterator[str]:
        """Yield the slots of what may serve the entry."""
        if not self._population.holds(entry):
            return
        if self._derivation is None:
            for store in self._all_stores():
                yield from store.join.look_under(entry)
        else:
            yield from self._derivation.slots(entry)
            for derived in self._derivation.possible(entry):
                for store in self._all_stores():
                    yield from store.join.look_under(entry, derived)
        if self._voids is not None:
            yield LAST_VOID

    def see(self, entry: Entry, book: Book) -> None:
        """Decide the entry when it is of the population; then keep it for those to come."""
        if self._derivation is not None:
            for shown in self._derivation.shown(entry, book):
                self._decide(entry, book, shown)
        elif self._population.holds(entry):
            found = self._judge(entry, book, self._pass_when.holds, self._failing)
            if found is True:
                self._count(entry, book, None, passed=True)
            else:
                day = day_of(entry, by_arrival=self._by_arrival)
                fail(entry, book, found, day=day, environment=self._environment(entry))
        for store in self._all_stores():
            store.file(entry, store.join.file_under(entry), book)

    def see_only(self, known: Known) -> Narrowed | None:
        """Return what does as `see` for entries of this shape; None: it does nothing."""
        population = narrowed(self._population, known)
        filings = [(one, one.join.filing(known)) for one in self._all_stores()]
        stores = tuple((store, filing) for store, filing in filings if filing is not None)
        if stores:
            see = self.see if population is not None else _filing(stores)
            return Narrowed(see=see, slots=self.slots)
        if population is None:
            return None
        if self._derivation is not None:
            showing = self._derivation.showing(known)
            return showing and Narrowed(
                see=self._deriving(showing),
                slots=self._slots_of_event,
                steady=self._derivation.steady(known),
            )
        is_of_it, judge = population.holds, self._judge
        says_enough = (narrowed(self._pass_when, known) or NEVER).holds
        unserved = Failing(why=UNSERVED.why, evidence=evidence_by(self._evidence, known))

        def judged(entry: Entry, book: Book) -> Failing | bool:
            return is_of_it(entry) and judge(entry, book, says_enough, unserved)

        return Narrowed(
            see=self._simply(known, population, says_enough, unserved) or judged,
            counted="arrived" if self._by_arrival else "occurred",
            slots=self._slots_of_shape(known, population),
            steady=self._steady(known, population),
        )

    def _steady(self, known: Known, population: Condition) -> Steady | None:
        """Return on what it rests whether events of this shape pass."""
        asked = [one for each in (self._pass_when, *self._lifted) if (one := narrowed(each, known))]
        for wholly in (True, False):
            found = [one.rests_on(wholly=wholly) for one in self._candidates]
            rests_on = [paths for paths in found if paths is not None]
            paths = steady_on(known, population, *asked, *rests_on)
            if paths is not None and len(rests_on) == len(found):
                resting = [one.resting(known, wholly=wholly) for one in self._candidates]
                return Steady(paths=paths, rests=_all_resting(population.holds, resting))
        return None

    def _slots_of_shape(
        self, known: Known, population: Condition
    ) -> Callable[[Entry], Iterator[str]]:
        """Return what does as `_slots_of_event` for events of this shape; nothing is derived."""
        looking = tuple(store.join.looking(known) for store in self._all_stores())
        is_of_it, has_voids = population.holds, self._voids is not None

        def slots(entry: Entry) -> Iterator[str]:
            if not is_of_it(entry):
                return
            for look_under in looking:
                yield from look_under(entry)
            if has_voids:
                yield LAST_VOID

        return slots

    def _simply(
        self, known: Known, population: Condition, says_enough: Holds, unserved: Failing
    ) -> Callable[[Entry, Book], Failing | bool] | None:
        """Return what judges events of this shape where one match is all that is asked."""
        serving = [one.serving(known) for one in self._candidates]
        serves = serving[0]
        if self._lifted or serves is None or len(serving) > 1:
            return None
        is_of_it, ask = population.holds, serves
        says_less = replace(unserved, why=_SAYS_LESS.why)
        judge = self._judge

        def asked(entry: Entry, book: Book) -> Failing | bool:
            is_served = ask(entry, book)
            if is_served is None:
                return judge(entry, book, ALWAYS.holds, unserved)
            return is_served or unserved

        def asked_of_it(entry: Entry, book: Book) -> Failing | bool:
            return is_of_it(entry) and asked(entry, book)

        def judged(entry: Entry, book: Book) -> Failing | bool:
            if not is_of_it(entry):
                return False
            return asked(entry, book) if says_enough(entry, entry) else says_less

        if says_enough is not ALWAYS.holds:
            return judged
        return asked if population is ALWAYS else asked_of_it

    def _deriving(
        self, showing: Callable[[Entry, Book], Sequence[Shown]]
    ) -> Callable[[Entry, Book], None]:
        """Return what decides the values that `showing` finds."""
        decide = self._decide

        def derived(entry: Entry, book: Book) -> None:
            for shown in showing(entry, book):
                decide(entry, book, shown)

        return derived

    def _all_stores(self) -> Sequence[Candidates | Voids]:
        # The void comes last: an entry that is both serves no event by itself, as before.
        return self._candidates if self._voids is None else (*self._candidates, self._voids)

    def _decide(self, entry: Entry, book: Book, shown: Shown) -> None:
        served = self._served(entry, book, shown.as_mapping(), self._pass_when.holds)
        if served.is_served:
            self._count(entry, book, shown, passed=True)
        else:
            self._fail(entry, book, shown, served)

    def _judge(
        self, entry: Entry, book: Book, says_enough: Holds, unserved: Failing
    ) -> Failing | Literal[True]:
        """Say whether an event of the population passes; `unserved`: as it fails usually."""
        served = self._served(entry, book, None, says_enough)
        if served.is_served:
            return True
        if served is UNSERVED:
            return unserved
        return replace(unserved, why=served.why, other_seq=served.other_seq)

    def _count(self, entry: Entry, book: Book, shown: Shown | None, *, passed: bool) -> None:
        day = day_of(entry, by_arrival=self._by_arrival)
        book.decide(day, entry.agent, self._environment(entry), _item(entry, shown), passed=passed)

    def _environment(self, entry: Entry) -> str:
        return "" if self._by_arrival else entry.environment

    def _fail(self, entry: Entry, book: Book, shown: Shown, served: Served) -> None:
        self._count(entry, book, shown, passed=False)
        day = day_of(entry, by_arrival=self._by_arrival)
        book.keep(
            Item(
                item=_item(entry, shown),
                state="fail",
                day=day,
                agent=entry.agent,
                environment=self._environment(entry),
                seq=entry.seq,
                other_seq=served.other_seq,
                why=served.why,
                evidence=evidence_of(entry, self._evidence)
                | {f"derived.{name}": value for name, value in shown.as_mapping().items()},
                is_restated=book.is_late(day),
            )
        )

    def _served(
        self,
        entry: Entry,
        book: Book,
        derived: Mapping[str, Any] | None,
        says_enough: Holds,
    ) -> Served:
        """Return what serves the event, or why nothing does."""
        if not says_enough(entry, entry, derived):
            return _SAYS_LESS
        for lifted in self._lifted:
            if lifted.holds(entry, entry, derived):
                return SERVED
        use = _use(entry) if self._single_use else ""
        served = SERVED
        for candidates in self._candidates:
            served = candidates.serve(entry, book, derived, use)
            if not served.is_served:
                return served
        return served

    def expire(self, slot: str, value: Any, book: Book) -> None:
        """Never called: nothing of it is ever due."""
        raise AssertionError(f"prior has no deadline, and {slot} expired")

    @staticmethod
    def tested(definition: Mapping[str, Any], view: View) -> Tested:
        """Say what was counted in the span."""
        return counted(view)


def _all_resting(
    is_of_it: Holds, resting: Sequence[Callable[[Entry, Book], Sequence[str] | None]]
) -> Callable[[Entry, Book], Sequence[str] | None]:
    """Return what says on which slots it rests whether all matches of an event are there."""

    def rests(event: Entry, book: Book) -> Sequence[str] | None:
        if not is_of_it(event):
            return ()
        found = [each(event, book) for each in resting]
        if None in found:
            return None
        return [slot for slots in found for slot in slots or ()]

    return rests


def _filing(
    stores: Sequence[tuple[Candidates | Voids, Filing]],
) -> Callable[[Entry, Book], None]:
    """Return what keeps an entry that is of no population, and does nothing else."""

    def file(entry: Entry, book: Book) -> None:
        for store, file_under in stores:
            store.file(entry, file_under(entry), book)

    return file


def _condition(definition: Mapping[str, Any], name: str) -> Condition | None:
    node = definition.get(name)
    return None if node is None else compile_condition(node)


def _bound(match: Any, definition: Mapping[str, Any]) -> Any:
    """Add to a match that the fields of `bind` are equal in both."""
    bind = fields_of(definition.get("bind"))
    return {"all": [match, *([path, "eq", f"@{path}"] for path in bind)]} if bind else match


def _item(entry: Entry, shown: Shown | None) -> str:
    return str(entry.seq) if shown is None else f"{entry.seq}/{shown.field}"


def _use(entry: Entry) -> str:
    """Return the use of an event: one operation with one arguments hash is one, retried or not."""
    operation, arguments = entry.read("trace.operation_id"), entry.read("tool.arguments_hash")
    if operation is None or arguments is None:
        return str(entry.seq)
    return f"{operation}/{arguments}"

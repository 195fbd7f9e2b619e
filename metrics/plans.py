"""Draft what entries of one look add, by running their rules once with numbers left open. Pure.

A blank stands for each number and for each id; the rules write down which series they count, which
they add a number to, and what they open and close: a `Plan`. Who follows plans, and what a look is:
looks.py. What an entry says besides its look: shapes.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from metrics import platform_families
from metrics.family import Family
from metrics.folding import EDGES, Folding, Seen
from metrics.known import Known, Price
from metrics.labels import OTHER, Key, Names
from metrics.rules import RULES, every
from metrics.seen import PLATFORM
from metrics.shapes import AGENT, WORDS, Reads
from metrics.states import GAUGES, FoldState, Open

LAG, PRICE = -1, -2
"""Places of numbers that an event does not say; those of the others are as its shape has them."""


class Blank(int):
    """A number that an entry is yet to say; its value is its place among the entry's numbers."""


class Unnamed(str):
    """An id that an entry is yet to say."""

    __slots__ = ("place",)
    place: int
    """Among the entry's ids, the agent's first."""


class Observed(msgspec.Struct, gc=False, frozen=True):
    """A histogram that takes a number of each entry of a look."""

    place: int
    factor: int
    """The family's whole numbers in one of the number's own units."""
    edges: tuple[int, ...]
    key: Key


class Added(msgspec.Struct, gc=False, frozen=True):
    """A counter that a number of each entry of a look is added to, or a gauge that says it."""

    place: int
    factor: int
    """As of `Observed`."""
    key: Key


class Step(msgspec.Struct, gc=False, frozen=True):
    """What each entry of a look opens or closes."""

    sort: Open
    key: Key | None
    """Of the gauge that counts what is open; None where it is closed."""
    ids: tuple[str | int, ...]
    """What tells it from others; in place of an entry's own id its place."""


class Plan:
    """What each entry of a look adds."""

    __slots__ = (
        "added", "counts", "guards", "is_long", "observed", "overflows", "paid", "price",
        "recovers", "said", "spends", "steps", "tokens", "worked", "worker", "works",
    )  # fmt: skip

    def __init__(self) -> None:
        self.counts: list[Key] = []
        """Counters that go up by one."""
        self.guards: list[Key] = []
        """Counters about counting that go up by one, at the minute of receipt."""
        self.observed: list[Observed] = []
        self.added: list[Added] = []
        self.said: list[Added] = []
        """Gauges."""
        self.steps: list[Step] = []
        """In this order, entry by entry."""
        self.overflows: list[str] = []
        """Lists and families that have no place for an entry of this look."""
        self.spends: tuple[str, str, str] | None = None
        """Agent by its own label, provider and model that are paid."""
        self.paid = PRICE
        """The place of what is paid."""
        self.price: Price | None = None
        """By which it is, where entries do not say it."""
        self.tokens: Mapping[str, int] = {}
        """Places of what it is reckoned by, by type."""
        self.worker: str | None = None
        """The agent by its own label, whose work it is; None: the platform's."""
        self.works: list[str] = []
        """What the agent does one of."""
        self.worked: dict[int, str] = {}
        """What it does as much of as a counter goes up by, by the place of the number."""
        self.is_long = False
        """Whether its entries go the long way all the same."""
        self.recovers = False
        """Whether they do while something has failed that one of them may end."""

    def has_steps(self) -> bool:
        """Return whether its entries must be looked at one by one."""
        return bool(self.steps) or self.is_long or self.recovers


class _Drafting(Folding):
    """A fold that notes what the rules ask for instead of doing it."""

    def __init__(self, state: FoldState, *, names: Names, known: Known) -> None:
        super().__init__(state, names=names, known=known)
        self.plan = Plan()

    def lag(self) -> int:
        lag = super().lag()
        return lag if lag < 0 else Blank(LAG)  # one that runs ahead is refused, and looks so

    def count(self, family: Family, labels: tuple[str, ...], number: int = 1) -> None:
        key = self.names.combine(family, labels)
        if isinstance(number, Blank):
            self.plan.added.append(Added(int(number), family.scale, key))
        else:
            self.plan.counts.append(key)

    def count_usual(self, series: Sequence[Key]) -> None:
        self.plan.counts.extend(series)

    def observe(
        self, family: Family, labels: tuple[str, ...], value: object, *, per_unit: int = 1
    ) -> None:
        if not isinstance(value, Blank):
            self.whole(family, value, per_unit=per_unit)  # it is missing or negative, and refused
            return
        self.plan.observed.append(
            Observed(
                int(value),
                family.scale // per_unit,
                EDGES[family.name],
                self.names.combine(family, labels),
            )
        )

    def set(self, family: Family, labels: tuple[str, ...], whole: int) -> None:
        if not self.is_late:
            key = self.names.combine(family, labels)
            self.plan.said.append(Added(int(whole), family.scale, key))

    def whole(
        self, family: Family, value: object, *, per_unit: int = 1, is_signed: bool = False
    ) -> int | None:
        if not isinstance(value, Blank):
            return super().whole(family, value, per_unit=per_unit, is_signed=is_signed)
        return value

    def price(self, tokens: Mapping[str, int]) -> int | None:
        self.plan.price = self.known.price_of(self.block("model"), self.occurred_us)
        self.plan.tokens = {kind: int(place) for kind, place in tokens.items()}
        return None if self.plan.price is None or not tokens else Blank(PRICE)

    def spend(self, nano: int, *, provider: str, model: str) -> None:
        self.plan.spends = (self.state.agents.get(self.agent_id, OTHER), provider, model)
        self.plan.paid = int(nano)

    def work(self, what: str, number: int = 1) -> None:
        if isinstance(number, Blank):
            self.plan.worked[int(number)] = what
        else:
            self.plan.works.append(what)

    def guard(self, family: Family, labels: tuple[str, ...], number: int = 1) -> None:
        self.plan.guards.append(self.names.combine(family, labels))

    def open(self, sort: Open, labels: tuple[str, ...], *ids: str) -> None:
        if not self.is_late:
            key = self.names.combine(GAUGES[sort], labels)
            self.plan.steps.append(Step(sort, key, _blank_ids(ids)))

    def close(self, sort: Open, *ids: str) -> None:
        self.plan.steps.append(Step(sort, None, _blank_ids(ids)))

    def fail(self, *names: str) -> None:
        self.plan.is_long = True

    def recover(self, *names: str) -> int | None:
        self.plan.recovers = True
        return None


def _blank_ids(ids: Sequence[str]) -> tuple[str | int, ...]:
    return tuple(each.place if isinstance(each, Unnamed) else each for each in ids)


def draft(seen: Seen, reads: Reads, state: FoldState, *, names: Names, known: Known) -> Plan:
    """Return the plan of an entry's look, and of all that look like it; a shape has taken it."""
    drafting = _Drafting(state, names=names, known=known)
    drafting.look_at(msgspec.structs.replace(seen, event=_blank_event(seen.event, reads)))
    if drafting.agent_id != PLATFORM:
        drafting.plan.worker = state.agents.get(drafting.agent_id, OTHER)
    every(drafting)
    rule = RULES.get(drafting.event["action"])
    if rule is not None:
        rule(drafting)
    plan = drafting.plan
    plan.overflows = names.overflowed()
    for label in plan.overflows:
        drafting.guard(platform_families.LABEL_OVERFLOW, (label,))
    names.overflowed()  # that counter's own overflow says nothing new
    return plan


_AS_SAID: Final = ("action", "category")


def _blank_event(said: Mapping[str, Any], reads: Reads) -> dict[str, Any]:
    """Return the event as rules read it: its words, and a blank for each number and each id."""
    event: dict[str, Any] = {name: said[name] for name in _AS_SAID}
    for path in (*WORDS, *reads.words, *reads.needs):
        _put(event, said, path, lambda value: value)
    for place, path in enumerate(reads.numbers):
        _put(event, said, path, lambda _, place=place: Blank(place))
    for place, path in enumerate((AGENT, *reads.ids)):
        _put(event, said, path, lambda value, place=place: _unnamed(value, place))
    return event


def _put(event: dict[str, Any], said: Mapping[str, Any], path: str, become: Any) -> None:
    block, _, name = path.rpartition(".")
    source = said.get(block, {}) if block else said
    if name in source:
        (event.setdefault(block, {}) if block else event)[name] = become(source[name])


def _unnamed(value: str, place: int) -> Unnamed:
    made = Unnamed(value)
    made.place = place
    return made


__all__ = ["LAG", "PRICE", "Added", "Observed", "Plan", "Step", "draft"]

"""Draft what entries of one look add, by running their rules once with numbers left open. Pure.

A blank stands for each number; the rules write down which series they count and which they add a
number to: a `Plan`. Who follows plans, and what a look is: looks.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from metrics import platform_families
from metrics.family import TOKEN_TYPES, Family
from metrics.folding import EDGES, Folding, Seen
from metrics.known import Known
from metrics.labels import OTHER, Key, Names
from metrics.rules import RULES, every
from metrics.seen import PLATFORM
from metrics.states import FoldState

LAG, DURATION, RESULT, COST, PRICE = range(5)
"""Places of the numbers of an entry; those of tokens stand behind them, as TOKEN_TYPES has them."""
TOKENS: Final = 5


_WORDS: Final = frozenset({"name", "risk"})
"""What rules read of a tool besides numbers."""


class Blank(int):
    """A number that an entry is yet to say; its value is its place among the entry's numbers."""


_BLANKS: Final = tuple(Blank(place) for place in range(TOKENS + len(TOKEN_TYPES)))


class Observed(msgspec.Struct, gc=False):
    """A histogram that takes a number of each entry of a look."""

    place: int
    family: Family
    labels: tuple[str, ...]
    per_unit: int
    factor: int
    """The family's whole numbers in one of the number's own units."""
    most: int
    """The most that is believed, in the number's own units."""
    edges: tuple[int, ...]
    key: Key | None = None
    """Learned when the first number came: what is always refused has no series."""
    overflow: tuple[str, ...] = ()
    """Families that had no place for it."""


class Added(msgspec.Struct, gc=False):
    """A counter that a number of each entry of a look is added to."""

    place: int
    family: Family
    labels: tuple[str, ...]
    key: Key | None = None
    overflow: tuple[str, ...] = ()
    """Both as of `Observed`."""


class Plan:
    """What each entry of a look adds."""

    __slots__ = (
        "added", "counts", "guards", "model", "observed", "overflows", "settled", "spends",
        "worker", "works",
    )  # fmt: skip

    def __init__(self, model: Mapping[str, Any]) -> None:
        self.model = model
        """The event's block of this name: prices are found by it."""
        self.counts: list[Key] = []
        """Counters that go up by one."""
        self.guards: list[Key] = []
        """Counters about counting that go up by one, at the minute of receipt."""
        self.observed: list[Observed] = []
        self.added: list[Added] = []
        self.overflows: list[str] = []
        """Lists and families that have no place for an entry of this look."""
        self.spends: tuple[str, str, str] | None = None
        """Agent by its own label, provider and model that are paid."""
        self.worker: str | None = None
        """The agent by its own label, whose work it is; None: the platform's."""
        self.works: list[str] = []
        """What the agent does one of; numbers of its work follow those that are added."""
        self.settled = False
        """Whether each number has a series of its own, so that no name is to be learned."""

    def settle(self) -> None:
        """Look again whether each number has a series; that of a price is known from tokens."""
        numbered: tuple[Observed | Added, ...] = (*self.observed, *self.added)
        self.settled = all(
            one.key is not None and not one.overflow and one.place != PRICE for one in numbered
        )


class _Drafting(Folding):
    """A fold that notes what the rules ask for instead of doing it."""

    def __init__(self, state: FoldState, *, names: Names, known: Known) -> None:
        super().__init__(state, names=names, known=known)
        self.plan = Plan({})

    def lag(self) -> int:
        return _BLANKS[LAG]

    def count(self, family: Family, labels: tuple[str, ...], number: int = 1) -> None:
        if isinstance(number, Blank):
            self.plan.added.append(Added(int(number), family, labels))
        else:
            self.plan.counts.append(self.names.combine(family, labels))

    def count_usual(self, series: Sequence[Key]) -> None:
        self.plan.counts.extend(series)

    def observe(
        self, family: Family, labels: tuple[str, ...], value: object, *, per_unit: int = 1
    ) -> None:
        if not isinstance(value, Blank):
            self.whole(family, value, per_unit=per_unit)  # it is missing, and so refused
            return
        self.plan.observed.append(
            Observed(
                place=int(value),
                family=family,
                labels=labels,
                per_unit=per_unit,
                factor=family.scale // per_unit,
                most=family.most * per_unit,
                edges=EDGES[family.name],
            )
        )

    def whole(
        self, family: Family, value: object, *, per_unit: int = 1, is_signed: bool = False
    ) -> int | None:
        if not isinstance(value, Blank):
            return super().whole(family, value, per_unit=per_unit, is_signed=is_signed)
        return value

    def price(self, tokens: Mapping[str, int]) -> int | None:
        return _BLANKS[PRICE] if self.known.prices else None

    def spend(self, nano: int, *, provider: str, model: str) -> None:
        self.plan.spends = (self.state.agents.get(self.agent_id, OTHER), provider, model)

    def work(self, what: str, number: int = 1) -> None:
        if not isinstance(number, Blank):
            self.plan.works.append(what)

    def guard(self, family: Family, labels: tuple[str, ...], number: int = 1) -> None:
        self.plan.guards.append(self.names.combine(family, labels))


def draft(
    seen: Seen, numbers: Sequence[Any], state: FoldState, *, names: Names, known: Known
) -> Plan:
    """Return the plan of an entry's look, and of all that look like it.

    `numbers` are the entry's own by their places, None for one that it does not say.
    """
    drafting = _Drafting(state, names=names, known=known)
    drafting.look_at(msgspec.structs.replace(seen, event=_blank_event(seen.event, numbers)))
    drafting.plan.model = drafting.block("model")
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


_AS_SAID: Final = ("action", "category", "outcome", "agent", "severity", "error", "model")


def _blank_event(said: Mapping[str, Any], numbers: Sequence[Any]) -> dict[str, Any]:
    """Return the event as rules read it, each number that it says replaced by its place."""
    event: dict[str, Any] = {name: said[name] for name in _AS_SAID if name in said}
    blanks = {place: _BLANKS[place] for place, one in enumerate(numbers) if one is not None}
    if DURATION in blanks:
        event["duration_ms"] = blanks[DURATION]
    event["tool"] = {name: each for name, each in said.get("tool", {}).items() if name in _WORDS}
    if RESULT in blanks:
        event["tool"]["result_bytes"] = blanks[RESULT]
    event["usage"] = {
        f"{kind}_tokens": blanks[TOKENS + place]
        for place, kind in enumerate(TOKEN_TYPES)
        if TOKENS + place in blanks
    }
    if COST in blanks:
        event["usage"]["cost_usd"] = blanks[COST]
    return event


__all__ = [
    "COST",
    "DURATION",
    "LAG",
    "PRICE",
    "RESULT",
    "TOKENS",
    "Added",
    "Observed",
    "Plan",
    "draft",
]

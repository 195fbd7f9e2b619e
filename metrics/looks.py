"""Fold entries that look like one before: its rules ran once, with the numbers left open. Pure.

Nine entries of ten are calls of tools and models, or acts that no rule is for. What such an entry
adds follows from few words of it (its look) and from few numbers. So the rules run for the first
entry of a look with numbers that stand for what is to come, and write down which series they count
and which they add a number to: a `Plan`. The next entry of the look needs no rule.

The sums are the same as fold.py's in every case, which tests hold against each other; what has no
plan goes the way of rules.py. Plans live as long as the lists of names: a name once learned, or
once refused a place, keeps its label.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from metrics import platform_families
from metrics.family import TOKEN_TYPES, Family
from metrics.folding import EDGES, MINUTE_US, Folding, Seen
from metrics.increments import Cell, Exemplar, Increments
from metrics.known import Known
from metrics.labels import Key, Names
from metrics.reading import Brief, action_of, read_brief, read_record
from metrics.rules import PLATFORM, RULES, every
from metrics.states import FoldState

_MOST_PLANS: Final = 5_000
"""Looks that are remembered; whoever sends more of them sends no look twice."""

_TOOL: Final = "tool.invoke"
_MODELS: Final = frozenset({"llm.call", "llm.embed", "llm.retrieve"})
_WITH_A_RULE_OF_THEIR_OWN: Final = frozenset(RULES) - {_TOOL} - _MODELS
"""Actions whose rules ask for more of an entry than its look has."""

LAG, DURATION, RESULT, COST, PRICE = range(5)
"""Places of the numbers of an entry; those of tokens stand behind them, as TOKEN_TYPES has them."""
_TOKENS: Final = 5


class Blank(int):
    """A number that an entry is yet to say; its value is its place among the entry's numbers."""


_BLANKS: Final = tuple(Blank(place) for place in range(_TOKENS + len(TOKEN_TYPES)))


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


class Plan:
    """What each entry of a look adds."""

    __slots__ = ("added", "counts", "guards", "observed", "overflows", "spends")

    def __init__(self) -> None:
        self.counts: list[Key] = []
        """Counters that go up by one."""
        self.guards: list[Key] = []
        """Counters about counting that go up by one, at the minute of receipt."""
        self.observed: list[Observed] = []
        self.added: list[Added] = []
        self.overflows: list[str] = []
        """Lists and families that have no place for an entry of this look."""
        self.spends: tuple[str, str] | None = None
        """Provider and model that are paid."""


class _Drafting(Folding):
    """A fold that notes what the rules ask for instead of doing it."""

    def __init__(self, state: FoldState, *, names: Names, known: Known) -> None:
        super().__init__(state, names=names, known=known)
        self.plan = Plan()

    def lag(self) -> int:
        return _BLANKS[LAG]

    def count(self, family: Family, labels: tuple[str, ...], number: int = 1) -> None:
        if isinstance(number, Blank):
            self.plan.added.append(Added(int(number), family, labels))
        else:
            self.plan.counts.append(self.names.combine(family, labels))

    def count_usual(self, series: tuple[Key, ...]) -> None:
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
        self.plan.spends = (provider, model)

    def guard(self, family: Family, labels: tuple[str, ...], number: int = 1) -> None:
        self.plan.guards.append(self.names.combine(family, labels))


def fold_records(
    batch: Sequence[tuple[int, bytes]], state: FoldState, *, names: Names, known: Known
) -> Increments:
    """Return what the records of one ledger's consecutive entries add, as `fold` would."""
    fold = _Following(state, names=names, known=known)
    for seq, record in batch:
        fold.follow(seq, record)
    return fold.increments()


class _Following(Folding):
    """A fold that follows plans where it has them."""

    def __init__(self, state: FoldState, *, names: Names, known: Known) -> None:
        super().__init__(state, names=names, known=known)
        self._plans: dict[Any, Plan] = names.plans
        self._tallies: dict[tuple[int, bool], dict[Plan, int]] = {}
        self._tally: dict[Plan, int] = {}
        self._moment: tuple[int, bool] | None = None
        self._guarded: dict[int, dict[Plan, int]] = {}

    def follow(self, seq: int, record: bytes) -> None:
        """Fold one entry, by its plan if there is one."""
        brief = read_brief(record) if action_of(record) not in _WITH_A_RULE_OF_THEIR_OWN else None
        if brief is None:
            self.look_at(read_record(seq, record))
            every(self)
            rule = RULES.get(self.event["action"])
            if rule is not None:
                rule(self)
            self.count_overflows()
            return
        received_us, occurred_us = brief.moments()
        self.at(received_us, occurred_us, is_backfill=brief.source.backfill)
        if not self.is_late:
            self.note(*brief.who())
        moment = (self.minute, self.is_late)
        if moment != self._moment:
            self._moment = moment
            self._tally = self._tallies.setdefault(moment, {})
        look, numbers = self._look(brief)
        plan = self._plans.get(look)
        if plan is None:
            plan = self._draft(look, brief, numbers)
        self._tally[plan] = self._tally.get(plan, 0) + 1
        if plan.guards:
            tally = self._guarded.setdefault(received_us // MINUTE_US, {})
            tally[plan] = tally.get(plan, 0) + 1
        self._fill(plan, numbers, brief)

    def _look(self, brief: Brief) -> tuple[Any, tuple[Any, ...]]:
        """Return the words that an entry's labels follow from, and its numbers by their places."""
        event = brief.event
        agent_id = event.agent.id
        self.agent_id = agent_id
        self.agent = agent = self.agent_called(agent_id)
        words = (
            event.action,
            event.outcome,
            event.agent.environment,
            agent,
            event.severity,
            self.is_late,
            brief.ledger,
            agent_id == PLATFORM,
        )
        lag, tool = self.received_us - self.occurred_us, event.tool
        risk = tool.risk if tool is not None else None
        if event.action == _TOOL:
            name, size = (None, None) if tool is None else (tool.name, tool.result_bytes)
            error = event.error.type if event.error is not None else None
            took = event.duration_ms
            return (words, risk, name, error, took is None, size is None), (lag, took, size)
        if event.action not in _MODELS:
            # No rule asks for more than the risk of a tool that may be named.
            return (words, risk), (lag,)
        model, usage = event.model, event.usage
        said = (None,) * 2 if model is None else (model.provider, model.name)
        took = event.duration_ms
        if usage is None:
            return (words, risk, said, took is None), (lag, took, None, None, None)
        tokens = (
            usage.input_tokens,
            usage.output_tokens,
            usage.cache_read_tokens,
            usage.reasoning_tokens,
        )
        cost = usage.cost_usd
        absent = (bool(self.known.prices), cost is None, *[number is None for number in tokens])
        return (words, risk, said, took is None, absent), (lag, took, None, cost, None, *tokens)

    def _draft(self, look: Any, brief: Brief, numbers: tuple[Any, ...]) -> Plan:
        """Run the rules for a look with its numbers left open, and keep what they ask for."""
        draft = _Drafting(self.state, names=self.names, known=self.known)
        draft.look_at(
            Seen(
                seq=0,
                received_us=self.received_us,
                occurred_us=self.occurred_us,
                is_backfill=self.is_late,
                ledger=brief.ledger,
                event=_blank_event(brief, numbers),
            )
        )
        every(draft)
        rule = RULES.get(brief.event.action)
        if rule is not None:
            rule(draft)
        plan = draft.plan
        plan.overflows = self.names.overflowed()
        for label in plan.overflows:
            draft.guard(platform_families.LABEL_OVERFLOW, (label,))
        self.names.overflowed()  # that counter's own overflow says nothing new
        if len(self._plans) >= _MOST_PLANS:
            self._plans.clear()
        self._plans[look] = plan
        return plan

    def _fill(self, plan: Plan, numbers: tuple[Any, ...], brief: Brief) -> None:
        """Add an entry's numbers where its plan says."""
        overflows: tuple[str, ...] = ()
        histograms = self._cell.histograms
        for one in plan.observed:
            value = numbers[one.place]
            kind = type(value)
            if not ((kind is int or kind is float) and 0 <= value <= one.most):
                refused = self.whole(one.family, value, per_unit=one.per_unit)
                assert refused is None
                continue
            whole = round(value * one.factor)
            key = one.key or self._learn(one)
            if one.overflow:
                overflows = (*overflows, *one.overflow)
            row = histograms.get(key)
            if row is None:
                row = histograms[key] = [0] * (len(one.edges) + 2)
            place = bisect_left(one.edges, whole)
            row[place] += 1
            row[-1] += whole
            if not self.is_late and brief.event.trace is not None:
                trace_id = brief.event.trace.trace_id
                if trace_id is not None:
                    self._made.exemplars[key, place] = Exemplar(trace_id, whole, self.occurred_us)
        if plan.added:
            self._add(plan, numbers, brief)
        if overflows or self.names.has_overflowed:
            for label in dict.fromkeys((*overflows, *self.names.overflowed())):
                if label not in plan.overflows:
                    self.guard(platform_families.LABEL_OVERFLOW, (label,))
            self.names.overflowed()  # that counter's own overflow says nothing new

    def _learn(self, one: Observed) -> Key:
        one.key = self.names.combine(one.family, one.labels)
        one.overflow = tuple(self.names.overflowed())
        return one.key

    def _add(self, plan: Plan, numbers: tuple[Any, ...], brief: Brief) -> None:
        """Add tokens and cost, each unless it is refused, as call_rules.py has it."""
        tokens: dict[str, int] = {}
        for one in plan.added:
            place = one.place
            if place == PRICE:
                whole = self._price(tokens, brief)
                if whole is None:
                    self.refuse(one.family, "missing")
            else:
                whole = self.whole(one.family, numbers[place])
            if whole is None:
                continue
            if place >= _TOKENS:
                tokens[TOKEN_TYPES[place - _TOKENS]] = whole
            super().count(one.family, one.labels, whole)
            if plan.spends is not None and place in (COST, PRICE):
                self.spend(whole, provider=plan.spends[0], model=plan.spends[1])

    def _price(self, tokens: Mapping[str, int], brief: Brief) -> int | None:
        model = brief.event.model
        if model is None:
            return None
        said = {"provider": model.provider, "name": model.name}
        return self.known.cost(said, tokens, self.occurred_us)

    def increments(self) -> Increments:
        """Return what the batch adds, plans written out."""
        for (minute, is_late), tally in self._tallies.items():
            cells = self._late if is_late else self._live
            counts = cells.setdefault(minute, Cell()).counts
            for plan, number in tally.items():
                for key in plan.counts:
                    counts[key] = counts.get(key, 0) + number
        for minute, tally in self._guarded.items():
            counts = self._live.setdefault(minute, Cell()).counts
            for plan, number in tally.items():
                for key in plan.guards:
                    counts[key] = counts.get(key, 0) + number
        return super().increments()


def _blank_event(brief: Brief, numbers: tuple[Any, ...]) -> dict[str, Any]:
    """Return the event as rules read it, each number that it says replaced by its place."""
    said = brief.event
    event: dict[str, Any] = {
        "action": said.action,
        "category": said.category,
        "outcome": said.outcome,
        "agent": {"id": said.agent.id, "environment": said.agent.environment},
    }
    if len(numbers) > DURATION and numbers[DURATION] is not None:
        event["duration_ms"] = _BLANKS[DURATION]
    if said.severity is not None:
        event["severity"] = said.severity
    if said.error is not None:
        event["error"] = {"type": said.error.type}
    event["tool"] = {}
    if len(numbers) > RESULT and numbers[RESULT] is not None:
        event["tool"]["result_bytes"] = _BLANKS[RESULT]
    if said.tool is not None:
        event["tool"] |= {"name": said.tool.name, "risk": said.tool.risk}
    if said.model is not None:
        event["model"] = {"provider": said.model.provider, "name": said.model.name}
    event["usage"] = {
        f"{kind}_tokens": _BLANKS[_TOKENS + place]
        for place, kind in enumerate(TOKEN_TYPES)
        if len(numbers) > _TOKENS and numbers[_TOKENS + place] is not None
    }
    if len(numbers) > COST and numbers[COST] is not None:
        event["usage"]["cost_usd"] = _BLANKS[COST]
    return event


__all__ = ["fold_records"]

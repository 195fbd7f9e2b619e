"""Fold entries that look like one before: its rules ran once, with the numbers left open. Pure.

What nearly every entry adds follows from few words of it (its look) and from few numbers. So the
rules run for the first entry of a look (plans.py). Of the next ones only the numbers are taken
down, a row each; once the batch is read, a column of them at a time is added (columns.py). What an
entry opens or closes is done at once, in the order of entries.

The sums are the same as fold.py's in every case, which tests hold against each other; what has no
shape (shapes.py) goes the way of rules.py. Plans live as long as the lists of names: a name once
learned, or once refused a place, keeps its label. Names are learned in the order of entries, since
a plan learns all that its entries can teach.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

import msgspec

from metrics import platform_families
from metrics.columns import Columns, Waiting
from metrics.family import Family
from metrics.increments import Increments
from metrics.known import Known, Price
from metrics.labels import OTHER, Names
from metrics.plans import Plan, draft
from metrics.reading import ACTION, read_record, since
from metrics.rules import PLATFORM, RULES, every
from metrics.seen import Who
from metrics.shapes import PLAIN, SHAPES, WORDS, Row, Shape, who_of
from metrics.states import GAUGES, HOUR_US, FoldState, fingerprint

_MOST_PLANS: Final = 5_000
"""Looks that are remembered; whoever sends more of them sends no look twice."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(microseconds=HOUR_US)
_NO_TIME: Final = timedelta(0)
_ALL_SAID: Final = ()

_Look: TypeAlias = tuple[Any, ...]
"""Action, agent by its label, whether it is the platform, whether its clock runs ahead, words, and
which numbers are missing, if any; where people have entered prices, that of the model too."""

_Group: TypeAlias = tuple[list[Waiting], Plan | None]
"""What waits of one look in one minute; its plan where it takes steps."""


class _Minute:
    """What waits of one minute, late or not."""

    __slots__ = ("by_look", "groups")

    def __init__(self) -> None:
        self.groups: list[tuple[Plan, list[Waiting]]] = []
        self.by_look: dict[_Look, _Group] = {}


def fold_records(
    batch: Sequence[tuple[int, bytes]], state: FoldState, *, names: Names, known: Known
) -> Increments:
    """Return what the records of one ledger's consecutive entries add, as `fold` would."""
    fold = _Following(state, names=names, known=known)
    fold.follow(batch)
    return fold.increments()


class _Following(Columns):
    """A fold that follows plans where it has them."""

    def __init__(self, state: FoldState, *, names: Names, known: Known) -> None:
        super().__init__(state, names=names, known=known)
        self._plans: dict[Any, Plan] = names.plans
        self._is_priced = bool(known.prices)
        self._minutes: dict[tuple[datetime, bool], _Minute] = {}
        """By the minute of the acts, and whether they are late."""
        self._newest: dict[Who, datetime] = {}

    def follow(self, batch: Sequence[tuple[int, bytes]]) -> None:
        """Read each entry once; what costs a tenth of a microsecond here is felt."""
        known_as, newest, shape_of, is_priced = (
            self.state.agents, self._newest, SHAPES.get, self._is_priced
        )  # fmt: skip
        clock, start, end, was_late = _EPOCH, _EPOCH, _EPOCH, False
        self.ledger = read_record(*batch[0]).ledger if batch else ""
        waiting = _Minute()
        for seq, record in batch:
            action = record[ACTION : record.find(b'"', ACTION)]
            shape = shape_of(action, PLAIN)
            if shape is None:
                self._go_by_rules(seq, record, clock)
                continue
            try:
                brief = shape.read(record)
            except msgspec.ValidationError:
                self._go_by_rules(seq, record, clock)
                continue
            event, received = brief.event, brief.received_at
            said = shape.row(event)
            occurred = said[0]
            lag = received - occurred
            if received > clock:
                clock = received
            is_late, is_ahead = lag > _HOUR or brief.source.backfill, lag < _NO_TIME
            # A clock that runs ahead must not write history of minutes to come.
            moment = received if is_ahead else occurred
            if not start <= moment < end or is_late is not was_late:
                start, was_late = moment.replace(second=0, microsecond=0), is_late
                end = start + _MINUTE
                waiting = self._minutes.setdefault((start, is_late), _Minute())
            agent = event.agent.id
            words = shape.words(event)
            look: _Look = (
                action,
                known_as.get(agent, OTHER),
                agent == PLATFORM,
                is_ahead,
                words,
                tuple([one is None for one in said]) if None in said else _ALL_SAID,
            )
            if is_priced and shape.is_paid:
                look = (*look, self._price_of(words, said, occurred))
            group = waiting.by_look.get(look)
            if group is None:
                group = self._begin(look, shape, seq, record, waiting, is_late=is_late)
            rows, steps = group
            if steps is not None and not self._step(steps, shape, brief, clock):
                self._go_by_rules(seq, record, clock)
                continue
            if not is_late:
                who = who_of(event)
                if moment > newest.get(who, _EPOCH):
                    newest[who] = moment
            rows.append((seq, lag, said))
        self._tell(clock)

    def _tell(self, clock: datetime) -> None:
        self.state.clock_us = max(self.state.clock_us, since(clock))

    def _go_by_rules(self, seq: int, record: bytes, clock: datetime) -> None:
        self._tell(clock)
        self.seq = seq
        self.look_at(read_record(seq, record))
        every(self)
        rule = RULES.get(self.event["action"])
        if rule is not None:
            rule(self)
        self.count_overflows()

    def _price_of(self, words: tuple[Any, ...], said: Row, occurred: datetime) -> Price | None:
        """Return the price of a request that does not say what it cost."""
        if said[-1] is not None:
            return None
        provider, model = words[len(WORDS) :]
        return self.known.price_of({"provider": provider, "name": model}, since(occurred))

    def _begin(
        self, look: _Look, shape: Shape, seq: int, record: bytes, waiting: _Minute, *, is_late: bool
    ) -> _Group:
        """Let the entries of a look wait in their minute, by a plan of before or a new one."""
        whole_look = (look, is_late, self.ledger)
        plan = self._plans.get(whole_look)
        if plan is None:
            seen = read_record(seq, record)
            plan = draft(seen, shape.reads, self.state, names=self.names, known=self.known)
            if len(self._plans) >= _MOST_PLANS:
                self._plans.clear()
            self._plans[whole_look] = plan
        rows: list[Waiting] = []
        waiting.groups.append((plan, rows))
        group = waiting.by_look[look] = (rows, plan if plan.has_steps() else None)
        return group

    def _step(self, plan: Plan, shape: Shape, brief: Any, clock: datetime) -> bool:
        """Open and close what an entry does; False when it must go the long way."""
        if plan.is_long or (plan.recovers and self.state.failed):
            return False
        self._tell(clock)
        assert shape.ids is not None, "what takes steps has ids"
        ids = shape.ids(brief.event)
        for step in plan.steps:
            name = fingerprint(*[ids[one] if isinstance(one, int) else one for one in step.ids])
            if step.key is None:
                self.state.close(step.sort, name)
            elif not self.state.open(step.sort, name, step.key):
                self._refuse_full(plan, GAUGES[step.sort], brief.received_at)
        return True

    def _refuse_full(self, plan: Plan, family: Family, received: datetime) -> None:
        self.received_us = since(received)
        self.refuse(family, "full")
        for label in self.names.overflowed():
            if label not in plan.overflows:
                self.guard(platform_families.LABEL_OVERFLOW, (label,))
        self.names.overflowed()  # that counter's own overflow says nothing new

    def increments(self) -> Increments:
        """Return what the batch adds, columns and who was there with it."""
        for (start, is_late), waiting in self._minutes.items():
            self.add_minute(start, waiting.groups, is_late=is_late)
        for who, moment in self._newest.items():
            self._presence.note(*who, since(moment))
        return super().increments()


__all__ = ["fold_records"]

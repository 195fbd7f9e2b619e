"""Fold entries that look like one before: its rules ran once, with the numbers left open. Pure.

Nine entries of ten are calls of tools and models, or acts that no rule is for. What such an entry
adds follows from few words of it (its look) and from few numbers. So the rules run for the first
entry of a look (plans.py). Of the next ones only the numbers are taken down, a row each; once the
batch is read, a column of them at a time is added.

The sums are the same as fold.py's in every case, which tests hold against each other; what has no
plan goes the way of rules.py. Plans live as long as the lists of names: a name once learned, or
once refused a place, keeps its label. Names are learned in the order of entries, so an entry that
may still teach one, or be refused, waits for no column.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import add
from typing import Any, Final, TypeAlias

import msgspec

from metrics import agent_families as agents
from metrics import platform_families
from metrics.family import TOKEN_TYPES
from metrics.folding import DAY_MINUTES, MINUTE_US, QUARTER_MINUTES, Folding
from metrics.increments import Cell, Exemplar, Increments
from metrics.known import Known
from metrics.labels import OTHER, Key, Names
from metrics.plans import COST, LAG, PRICE, TOKENS, Added, Observed, Plan, draft
from metrics.reading import Event, action_of, decode_brief, read_record, since
from metrics.rules import PLATFORM, RULES, every
from metrics.seen import Who
from metrics.states import HOUR_US, FoldState

_MOST_PLANS: Final = 5_000
"""Looks that are remembered; whoever sends more of them sends no look twice."""

_CALL: Final = b"tool.invoke"
_MODELS: Final = frozenset({b"llm.call", b"llm.embed", b"llm.retrieve"})
_WITH_A_RULE_OF_THEIR_OWN: Final = frozenset(map(str.encode, RULES)) - {_CALL} - _MODELS
"""Actions whose rules ask for more of an entry than its look has."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(microseconds=HOUR_US)
_NO_TIME: Final = timedelta(0)

_MISSING, _PLAIN, _ODD = range(3)
"""What a look has of a number: an odd one is refused, or may be."""

_MOST_MS: Final = min(agents.TOOL_SECONDS.most, agents.LLM_SECONDS.most) * 1_000
_MOST_BYTES: Final = agents.TOOL_RESULT_BYTES.most
_MOST_TOKENS: Final = agents.LLM_TOKENS.most
_MOST_USD: Final = agents.LLM_COST.most

_Row: TypeAlias = tuple[Any, ...]
"""The numbers of an entry by their places, the lag a timedelta; then the three below."""

_TRACE, _OCCURRED, _SEQ = -3, -2, -1

_Waiting: TypeAlias = tuple[list[tuple[Plan, list[_Row]]], dict[_Row, list[_Row]]]
"""Of one minute: each plan with its rows, and the same rows by their look."""


def fold_records(
    batch: Sequence[tuple[int, bytes]], state: FoldState, *, names: Names, known: Known
) -> Increments:
    """Return what the records of one ledger's consecutive entries add, as `fold` would."""
    fold = _Following(state, names=names, known=known)
    fold.follow(batch)
    return fold.increments()


class _Following(Folding):
    """A fold that follows plans where it has them."""

    def __init__(self, state: FoldState, *, names: Names, known: Known) -> None:
        super().__init__(state, names=names, known=known)
        self._plans: dict[Any, Plan] = names.plans
        self._is_priced = bool(known.prices)
        self._groups: list[tuple[Plan, list[_Row]]] = []
        """Of the minute that is read."""
        self._waiting: dict[tuple[datetime, bool], _Waiting] = {}
        """By the minute of the acts, and whether they are late."""
        self._present: defaultdict[Who, list[datetime]] = defaultdict(list)
        self._seq = 0
        """The entry that a number is added of."""
        self._shown: dict[tuple[Key, int], int] = {}
        """Which entry an exemplar is of."""

    def follow(self, batch: Sequence[tuple[int, bytes]]) -> None:
        """Read each entry once; what costs a tenth of a microsecond here is felt."""
        known_as, present = self.state.agents, self._present
        clock, start, end, was_late = _EPOCH, _EPOCH, _EPOCH, False
        self.ledger = read_record(*batch[0]).ledger if batch else ""
        groups: dict[_Row, list[_Row]] = {}
        for seq, record in batch:
            action = action_of(record)
            try:
                brief = None if action in _WITH_A_RULE_OF_THEIR_OWN else decode_brief(record)
            except msgspec.ValidationError:
                brief = None  # a field is of a type that only a rule may judge
            if brief is None:
                self._go_by_rules(seq, record, clock)
                continue
            event, received = brief.event, brief.received_at
            occurred = event.occurred_at
            lag = received - occurred
            if received > clock:
                clock = received
            is_late = lag > _HOUR or brief.source.backfill
            # A clock that runs ahead must not write history of minutes to come.
            moment = received if lag < _NO_TIME else occurred
            if not start <= moment < end or is_late is not was_late:
                start, was_late = moment.replace(second=0, microsecond=0), is_late
                end = start + _MINUTE
                self._groups, groups = self._waiting.setdefault((start, is_late), ([], {}))
            if not is_late:
                present[brief.who()].append(moment)
            agent = known_as.get(event.agent.id, OTHER)
            look, row = _LOOKS.get(action, _look_of_act)(action, event, agent, lag, seq)
            rows = groups.get(look)
            if rows is None:
                self._begin(look, row, record, is_late=is_late, groups=groups)
            else:
                rows.append(row)
        self._tell(clock)

    def _tell(self, clock: datetime) -> None:
        self.state.clock_us = max(self.state.clock_us, since(clock))

    def _go_by_rules(self, seq: int, record: bytes, clock: datetime) -> None:
        self._tell(clock)
        self._seq = seq
        self.look_at(read_record(seq, record))
        every(self)
        rule = RULES.get(self.event["action"])
        if rule is not None:
            rule(self)
        self.count_overflows()

    def show(self, key: Key, place: int, exemplar: Exemplar) -> None:
        # What waited for its column may be older than what did not.
        if self._seq >= self._shown.get((key, place), -1):
            super().show(key, place, exemplar)
            self._shown[key, place] = self._seq

    def _begin(
        self, look: _Row, row: _Row, record: bytes, *, is_late: bool, groups: dict[_Row, list[_Row]]
    ) -> None:
        """Fold the first entry of a look in its minute, and let the next ones wait if they may."""
        whole_look = (look, is_late, self.ledger, self._is_priced)
        plan = self._plans.get(whole_look)
        if plan is not None and plan.settled:
            groups[look] = rows = [row]
            self._groups.append((plan, rows))
            return
        self._seq = row[_SEQ]
        seen = read_record(self._seq, record)
        self.at(seen.received_us, seen.occurred_us, is_backfill=is_late)
        if plan is None:
            numbers = row[:_TRACE]
            plan = draft(seen, numbers, self.state, names=self.names, known=self.known)
            if len(self._plans) >= _MOST_PLANS:
                self._plans.clear()
            self._plans[whole_look] = plan
        self._add_at_once(plan, row)
        if _ODD not in look:
            plan.settle()

    # --- One entry, at once -----------------------------------------------------------------------

    def _add_at_once(self, plan: Plan, row: _Row) -> None:
        """Add an entry where its plan says: a name may be learned of it, or a number refused."""
        self.count_usual(plan.counts)
        self._work(plan, 1)
        if plan.guards:
            self._add_guards(plan, {self.received_us // MINUTE_US: 1})
        overflows: list[str] = []
        for one in plan.observed:
            self._observe_at_once(one, row, overflows)
        self._add_numbers(plan, row, overflows)
        for label in dict.fromkeys((*overflows, *self.names.overflowed())):
            if label not in plan.overflows:
                self.guard(platform_families.LABEL_OVERFLOW, (label,))
        self.names.overflowed()  # that counter's own overflow says nothing new

    def _observe_at_once(self, one: Observed, row: _Row, overflows: list[str]) -> None:
        value = self.lag() if one.place == LAG else row[one.place]
        whole = self.whole(one.family, value, per_unit=one.per_unit)
        if whole is None:
            return
        key = self._series_of(one, overflows)
        place = bisect_left(one.edges, whole)
        histogram = self._cell.histograms.setdefault(key, [0] * (len(one.edges) + 2))
        histogram[place] += 1
        histogram[-1] += whole
        if not self.is_late and row[_TRACE] is not None:
            self.show(key, place, Exemplar(row[_TRACE], whole, self.occurred_us))

    def _series_of(self, one: Observed | Added, overflows: list[str]) -> Key:
        if one.key is None:
            one.key = self.names.combine(one.family, one.labels)
            one.overflow = tuple(self.names.overflowed())
        overflows += one.overflow
        return one.key

    def _add_numbers(self, plan: Plan, row: _Row, overflows: list[str]) -> None:
        """Add tokens and cost, each unless it is refused, as call_rules.py has it."""
        tokens: dict[str, int] = {}
        for one in plan.added:
            place = one.place
            if place == PRICE:
                whole = self.known.cost(plan.model, tokens, self.occurred_us)
                if whole is None:
                    self.refuse(one.family, "missing")
            else:
                whole = self.whole(one.family, row[place])
            if whole is None:
                continue
            if place >= TOKENS:
                tokens[TOKEN_TYPES[place - TOKENS]] = whole
            key = self._series_of(one, overflows)
            self._cell.counts[key] = self._cell.counts.get(key, 0) + whole
            self._work_of(plan, one, whole)
            if place in (COST, PRICE):
                self._spend(plan, whole)

    def _work(self, plan: Plan, number: int) -> None:
        """Add what the agent of a plan does one of, for so many entries."""
        if plan.worker is not None:
            work, quarter = self._made.work, self.minute // QUARTER_MINUTES
            for what in plan.works:
                key = (quarter, plan.worker, what)
                work[key] = work.get(key, 0) + number

    def _work_of(self, plan: Plan, one: Added, whole: int) -> None:
        """Add a number that an entry says to the work of the agent of its plan."""
        if plan.worker is not None:
            what = "tokens" if one.place >= TOKENS else "nano"
            key = (self.minute // QUARTER_MINUTES, plan.worker, what)
            self._made.work[key] = self._made.work.get(key, 0) + whole

    def _spend(self, plan: Plan, nano: int) -> None:
        if plan.spends is not None:
            key = (self.minute // DAY_MINUTES, *plan.spends)
            self._made.spend[key] = self._made.spend.get(key, 0) + nano

    # --- Many entries, a column at a time ---------------------------------------------------------

    def increments(self) -> Increments:
        """Return what the batch adds, columns and who was there with it."""
        for (start, is_late), (groups, _) in self._waiting.items():
            minute = since(start) // MINUTE_US
            cell = (self._late if is_late else self._live).setdefault(minute, Cell())
            self.minute, self.is_late, self._cell = minute, is_late, cell
            for plan, rows in groups:
                if len(rows) == 1:
                    self._add_alone(plan, rows[0])
                else:
                    self._add_group(plan, rows)
        for who, moments in self._present.items():
            self._presence.note(*who, since(max(moments)))
        return super().increments()

    def _add_alone(self, plan: Plan, row: _Row) -> None:
        # Where entries are sparse, a column of one costs more than the number itself.
        self._seq, self.occurred_us = row[_SEQ], since(row[_OCCURRED])
        self.received_us = self.occurred_us + row[LAG] // _MICROSECOND
        self._made.entries += 1
        self._add_at_once(plan, row)

    def _add_group(self, plan: Plan, rows: Sequence[_Row]) -> None:
        cell = self._cell
        number = len(rows)
        self._made.entries += number
        for key in plan.counts:
            cell.counts[key] = cell.counts.get(key, 0) + number
        self._work(plan, number)
        columns = list(zip(*rows, strict=True))
        if plan.guards:
            received = map(add, columns[_OCCURRED], columns[LAG])
            self._add_guards(plan, Counter([since(each) // MINUTE_US for each in received]))
        for one in plan.observed:
            self._observe_column(one, columns)
        for each in plan.added:
            assert each.key is not None, "a plan that is not settled has no rows"
            scale = each.family.scale
            whole = sum([round(value * scale) for value in columns[each.place]])
            cell.counts[each.key] = cell.counts.get(each.key, 0) + whole
            self._work_of(plan, each, whole)
            if each.place == COST:
                self._spend(plan, whole)

    def _add_guards(self, plan: Plan, received: Mapping[int, int]) -> None:
        """Add one for each entry received, by the minute."""
        for minute, number in received.items():
            counts = self._live.setdefault(minute, Cell()).counts
            for key in plan.guards:
                counts[key] = counts.get(key, 0) + number

    def _observe_column(self, one: Observed, columns: Sequence[Sequence[Any]]) -> None:
        key, factor, edges = one.key, one.factor, one.edges
        assert key is not None, "a plan that is not settled has no rows"
        column = columns[one.place]
        if one.place == LAG:  # an hour at most, or it is late and not observed
            wholes = [lag.seconds * 1_000_000 + lag.microseconds for lag in column]
        else:
            wholes = [round(value * factor) for value in column]
        places = [bisect_left(edges, whole) for whole in wholes]
        histogram = self._cell.histograms.get(key)
        if histogram is None:
            histogram = self._cell.histograms[key] = [0] * (len(edges) + 2)
        for place, number in Counter(places).items():
            histogram[place] += number
        histogram[-1] += sum(wholes)
        if self.is_late:
            return
        traces, seqs = columns[_TRACE], columns[_SEQ]
        newest = {place: at for at, place in enumerate(places) if traces[at] is not None}
        for place, at in newest.items():
            self._seq = seqs[at]
            us = since(columns[_OCCURRED][at])
            self.show(key, place, Exemplar(traces[at], wholes[at], us))


# --- Looks ----------------------------------------------------------------------------------------


def _look_of_act(
    action: bytes, event: Event, agent: str, lag: timedelta, seq: int
) -> tuple[_Row, _Row]:
    """Return the words that an entry's labels follow from, and its row.

    No rule asks for more than the risk of a tool that may be named.
    """
    by, tool, trace = event.agent, event.tool, event.trace
    look = (
        action,
        event.outcome,
        by.environment,
        agent,
        by.id == PLATFORM,
        event.severity,
        None if tool is None else tool.risk,
        _ODD if lag < _NO_TIME else _PLAIN,
    )
    return look, (lag, None if trace is None else trace.trace_id, event.occurred_at, seq)


def _look_of_call(
    action: bytes, event: Event, agent: str, lag: timedelta, seq: int
) -> tuple[_Row, _Row]:
    """Return the look and the row of a call of a tool."""
    by, tool, trace, took = event.agent, event.tool, event.trace, event.duration_ms
    risk = name = size = None
    if tool is not None:
        risk, name, size = tool.risk, tool.name, tool.result_bytes
    look = (
        action,
        event.outcome,
        by.environment,
        agent,
        by.id == PLATFORM,
        event.severity,
        risk,
        name,
        None if event.error is None else event.error.type,
        _ODD if lag < _NO_TIME else _PLAIN,
        _MISSING if took is None else _PLAIN if 0 <= took <= _MOST_MS else _ODD,
        _MISSING if size is None else _PLAIN if 0 <= size <= _MOST_BYTES else _ODD,
    )
    trace_id = None if trace is None else trace.trace_id
    return look, (lag, took, size, trace_id, event.occurred_at, seq)


def _look_of_model(
    action: bytes, event: Event, agent: str, lag: timedelta, seq: int
) -> tuple[_Row, _Row]:
    """Return the look and the row of a request to a model."""
    by, model, usage, trace = event.agent, event.model, event.usage, event.trace
    took = event.duration_ms
    words = (
        action,
        event.outcome,
        by.environment,
        agent,
        by.id == PLATFORM,
        event.severity,
        None if event.tool is None else event.tool.risk,
        None if model is None else model.provider,
        None if model is None else model.name,
        _ODD if lag < _NO_TIME else _PLAIN,
        _MISSING if took is None else _PLAIN if 0 <= took <= _MOST_MS else _ODD,
    )
    trace_id = None if trace is None else trace.trace_id
    if usage is None:
        return words, (lag, took, None, None, None, trace_id, event.occurred_at, seq)
    tokens = (
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.reasoning_tokens,
    )
    cost = usage.cost_usd
    look = (
        *words,
        _MISSING if cost is None else _PLAIN if 0 <= cost <= _MOST_USD else _ODD,
        *[
            _MISSING if each is None else _PLAIN if 0 <= each <= _MOST_TOKENS else _ODD
            for each in tokens
        ],
    )
    return look, (lag, took, None, cost, None, *tokens, trace_id, event.occurred_at, seq)


_LOOKS: Final[Mapping[bytes, Callable[..., tuple[_Row, _Row]]]] = {
    _CALL: _look_of_call,
    **dict.fromkeys(_MODELS, _look_of_model),
}
"""Acts that say numbers; all others look as `_look_of_act` has it."""

__all__ = ["fold_records"]

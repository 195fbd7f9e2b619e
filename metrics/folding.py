"""Fold one entry at a time: what a rule may do with it. Pure.

`Folding` is what the rules of rules.py write to, and nowhere else: count, observe, set, open and
close. It sees to what all of them share: labels are bounded, values are whole numbers within
reason, and what is refused is counted and never raises. Late entries add to minute history alone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from metrics import agent_families, platform_families
from metrics.families import FAMILIES
from metrics.family import Family
from metrics.increments import Cell, Exemplar, Gauge, Increments, gathered
from metrics.known import Known
from metrics.labels import ALL, OTHER, Key, Names
from metrics.seen import PLATFORM, Presence, who
from metrics.states import GAUGES, HOUR_US, FoldState, Open, fingerprint

MINUTE_US: Final = 60_000_000
DAY_MINUTES: Final = 1_440
QUARTER_MINUTES: Final = 15

EDGES: Final = {
    family.name: tuple(round(edge * family.scale) for edge in family.edges) for family in FAMILIES
}
"""Upper edges of each family's buckets, as the whole numbers that are kept."""

_STATUS: Final = {"success": "success", "failure": "error", "error": "error", "denied": "denied"}
_NOTHING: Final[Mapping[str, Any]] = {}


class Seen(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a fold needs of an entry."""

    seq: int
    received_us: int
    """Microseconds since 1970, as all `us`."""
    occurred_us: int
    is_backfill: bool
    """`source.backfill` of the record."""
    ledger: str
    event: Mapping[str, Any]
    """The event as it was chained."""


def status_of(outcome: str) -> str:
    """Return what the label `status` says of an outcome."""
    return _STATUS.get(outcome, "other")


class Folding:
    """A fold on its way through a batch, and the entry that it looks at."""

    def __init__(self, state: FoldState, *, names: Names, known: Known) -> None:
        """Begin where `state` and `names` are; both change on the way."""
        self.state = state
        self.names = names
        self.known = known
        self._live: dict[int, Cell] = {}
        self._late: dict[int, Cell] = {}
        self._made = Increments()
        self._presence = Presence()
        self.usual: dict[tuple[Any, ...], tuple[Key, ...]] = {}
        """The series that entries of one look add to, by look."""

    def look_at(self, seen: Seen) -> None:
        """Make an entry the one that everything below is about."""
        self.at(seen.received_us, seen.occurred_us, is_backfill=seen.is_backfill)
        event = self.event = seen.event
        self.ledger = seen.ledger
        agent = event["agent"]
        self.agent_id: str = agent["id"]
        self.environment: str = agent.get("environment", "prod")
        self.status = status_of(event["outcome"])
        self.agent = self.agent_called(self.agent_id)
        if not self.is_late:
            self.note(*who(event))

    def at(self, received_us: int, occurred_us: int, *, is_backfill: bool) -> None:
        """Go to the moment of an entry: whatever is added from now on is of its minute."""
        self.received_us, self.occurred_us = received_us, occurred_us
        if received_us > self.state.clock_us:
            self.state.clock_us = received_us
        self.is_late = is_backfill or received_us - occurred_us > HOUR_US
        # A clock that runs ahead must not write history of minutes to come.
        self.minute = min(received_us, occurred_us) // MINUTE_US
        cells = self._late if self.is_late else self._live
        cell = cells.get(self.minute)
        if cell is None:
            cell = cells[self.minute] = Cell()
        self._cell = cell
        self._made.entries += 1

    def note(self, agent: str, user: str | None, session: str | None) -> None:
        """Note who is there; a clock that runs ahead is set back to the time of receipt."""
        self._presence.note(agent, user, session, min(self.received_us, self.occurred_us))

    def agent_called(self, agent_id: str) -> str:
        """Return what the label `agent` says of an agent."""
        return self.state.agents.get(agent_id, OTHER) if self.names.agent_label != "off" else ALL

    def lag(self) -> int:
        """Return how long after the act its entry was received, us."""
        return self.received_us - self.occurred_us

    def block(self, name: str) -> Mapping[str, Any]:
        """Return a block of the event; an empty one when it has none."""
        found: Mapping[str, Any] = self.event.get(name, _NOTHING)
        return found

    def label(self, name: str, value: object) -> str:
        """Return what a label of this list says for a value."""
        return self.names.learn(name, value)

    def error_type(self) -> str:
        """Return what the label `error_type` says."""
        return self.label("error_type", self.block("error").get("type"))

    def verb(self) -> str:
        """Return the action without its family: `read` of `file.read`."""
        action: str = self.event["action"]
        return action.partition(".")[2]

    def ended(self) -> str:
        """Return the status of what ended: an act called failed has failed, whatever it says."""
        if self.status == "success" and self.event["action"].endswith("failed"):
            return "error"
        return self.status

    def count(self, family: Family, labels: tuple[str, ...], number: int = 1) -> None:
        """Add to a counter."""
        key = self.names.combine(family, labels)
        counts = self._cell.counts
        counts[key] = counts.get(key, 0) + number

    def count_usual(self, series: Sequence[Key]) -> None:
        """Add one to each of some counters."""
        counts = self._cell.counts
        for key in series:
            counts[key] = counts.get(key, 0) + 1

    def observe(
        self, family: Family, labels: tuple[str, ...], value: object, *, per_unit: int = 1
    ) -> None:
        """Add an observation to a histogram, or refuse it: missing, negative, absurd.

        `per_unit` is how many of the value's own units make one of the family's: 1,000 for ms.
        """
        whole = self.whole(family, value, per_unit=per_unit)
        if whole is None:
            return
        key = self.names.combine(family, labels)
        edges = EDGES[family.name]
        row = self._cell.histograms.get(key)
        if row is None:
            row = self._cell.histograms[key] = [0] * (len(edges) + 2)
        place = bisect_left(edges, whole)
        row[place] += 1
        row[-1] += whole
        if self.is_late:
            return
        trace_id = self.block("trace").get("trace_id")
        if trace_id is not None:
            self.show(key, place, Exemplar(trace_id, whole, self.occurred_us))

    def show(self, key: Key, place: int, exemplar: Exemplar) -> None:
        """Make an observation the newest of its bucket."""
        self._made.exemplars[key, place] = exemplar

    def took(self, family: Family, labels: tuple[str, ...]) -> None:
        """Observe how long the act took, as its event says."""
        self.observe(family, labels, self.event.get("duration_ms"), per_unit=1_000)

    def set(self, family: Family, labels: tuple[str, ...], whole: int) -> None:
        """Set a gauge to what the entry says; a late one no longer says how things are."""
        if not self.is_late:
            self.set_key(self.names.combine(family, labels), whole)

    def set_key(self, key: Key, whole: int) -> None:
        """Make a value the newest of its gauge."""
        self._made.gauges[key] = Gauge(whole, self.occurred_us)

    def say(self, family: Family, labels: tuple[str, ...], value: object) -> None:
        """Set a gauge where the entry says a value: that it says none is no fault."""
        if value is not None and (whole := self.whole(family, value)) is not None:
            self.set(family, labels, whole)

    def price(self, tokens: Mapping[str, int]) -> int | None:
        """Return what the request cost by the table of prices, nano-dollars; None without one."""
        return self.known.cost(self.block("model"), tokens, self.occurred_us)

    def spend(self, nano: int, *, provider: str, model: str) -> None:
        """Remember for budgets what was spent on the day of the act, by the agent's own label.

        Also when labels of metrics do not tell agents apart.
        """
        agent = self.state.agents.get(self.agent_id, OTHER)
        key = (self.minute // DAY_MINUTES, agent, provider, model)
        self._made.spend[key] = self._made.spend.get(key, 0) + nano

    def work(self, what: str, number: int = 1) -> None:
        """Remember how much of something the agent did, by its own label as in `spend`.

        What an agent nobody registered does is `_other`'s; the platform's own acts are no work.
        """
        if self.agent_id != PLATFORM:
            agent = self.state.agents.get(self.agent_id, OTHER)
            key = (self.minute // QUARTER_MINUTES, agent, what)
            self._made.work[key] = self._made.work.get(key, 0) + number

    def whole(
        self, family: Family, value: object, *, per_unit: int = 1, is_signed: bool = False
    ) -> int | None:
        """Return a value as the whole number that is kept; None when it was refused."""
        reason = None
        if value is None:
            reason = "missing"
        elif not isinstance(value, int | float):
            reason = "absurd"
        elif value < 0 and not is_signed:
            reason = "negative"
        elif not abs(value) <= family.most * per_unit:  # so put, it is true of what is no number
            reason = "absurd"
        else:
            return round(value * (family.scale // per_unit))  # exact for an int
        self.refuse(family, reason)
        return None

    def refuse(self, family: Family, reason: str) -> None:
        """Count that a family did not take the entry."""
        self.guard(platform_families.REFUSED, (family.name, reason))

    def guard(self, family: Family, labels: tuple[str, ...], number: int = 1) -> None:
        """Add to a counter about counting itself: of late entries too, at the minute of receipt."""
        key = self.names.combine(family, labels)
        cell = self._live.setdefault(self.received_us // MINUTE_US, Cell())
        cell.counts[key] = cell.counts.get(key, 0) + number

    def open(self, sort: Open, labels: tuple[str, ...], *ids: str) -> None:
        """Remember that something began; what began long ago is not open now."""
        if not self.is_late:
            key = self.names.combine(GAUGES[sort], labels)
            if not self.state.open(sort, fingerprint(*ids), key):
                self.refuse(GAUGES[sort], "full")

    def close(self, sort: Open, *ids: str) -> None:
        """Remember that something ended."""
        self.state.close(sort, fingerprint(*ids))

    def fail(self, *names: str) -> None:
        """Remember that a task failed, unless an earlier failure of these names stands."""
        if not self.state.fail(fingerprint(*names), self.occurred_us):
            self.refuse(agent_families.TASK_RECOVERY_SECONDS, "full")

    def recover(self, *names: str) -> int | None:
        """Return when the failure of these names was that has ended now, us; None without one."""
        return self.state.recover(fingerprint(*names))

    def count_overflows(self) -> None:
        """Count the lists and families in which the entry found no place; call it behind rules."""
        for label in self.names.overflowed():
            self.guard(platform_families.LABEL_OVERFLOW, (label,))
        self.names.overflowed()  # this counter's own overflow says nothing new

    def increments(self) -> Increments:
        """Return what the batch adds."""
        made = gathered(live=self._live, late=self._late)
        made.exemplars = self._made.exemplars
        made.gauges = self._made.gauges
        made.spend = self._made.spend
        made.work = self._made.work
        made.present = self._presence.fingerprints()
        made.entries = self._made.entries
        return made

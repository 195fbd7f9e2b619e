"""Say what a report asks of the entries, wherever they are kept. Pure.

Owns the shapes: `Record`, one entry as its record tells it; `Evidence`, what is asked; what comes
of counting (`PopulationCounts`) and of looking through the period (`Seen`). Nothing here judges.
The entries of a ledger's tables: report_entries.py; of an evidence bundle: report_bundle.py. Both
answer every question alike, so that both make one report, byte for byte.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import msgspec

from compliance.kinds.base import DAY_US
from compliance.language.reading import us_of
from compliance.result import time_text

LATE_US: Final = 24 * 3_600_000_000
"""An entry that arrives later than this after it happened came late."""
NO_VENDOR_ROLES: Final = "no_vendor_roles"
"""The list of recipients' roles that make nobody a vendor (checks.yaml)."""
_REGISTERED: Final = ("destructive", "risk", "side_effect")


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One entry."""

    seq: int
    received_at: str
    """As the record writes it: UTC, six digits, `Z`."""
    hash: str
    """64 hex."""
    is_backfill: bool
    event: Mapping[str, Any]
    """As it is stored: personal values are pseudonyms or sealed."""
    source: Mapping[str, Any]
    """What the server says of its sender; `scope` is `governance` where people may speak."""

    @property
    def occurred_at(self) -> str:
        """Return when it happened, as the record writes it."""
        found: str = self.event["occurred_at"]
        return found

    @property
    def action(self) -> str:
        """Return what was done."""
        found: str = self.event["action"]
        return found

    @property
    def at(self) -> int:
        """Return when it happened, us since 1970."""
        return us_of(self.occurred_at)


@dataclass(frozen=True, kw_only=True, slots=True)
class Named:
    """What a list says of an entry that it names."""

    seq: int
    entry_id: str
    occurred_at: str
    actor: str
    action: str
    hash: str
    """64 hex."""


@dataclass(kw_only=True, slots=True)
class PopulationCounts:
    """How many entries the days of a period have, by what."""

    days: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Entries, and those of them that were sent as history, by day since 1970."""
    agent_days: dict[tuple[str, int], int] = field(default_factory=dict)
    actions: dict[str, int] = field(default_factory=dict)
    environments: dict[str, int] = field(default_factory=dict)
    late: int = 0
    """Those that arrived more than 24 hours after they happened, history apart."""

    @property
    def entries(self) -> int:
        """Return how many there are in all."""
        return sum(entries for entries, _ in self.days.values())


@dataclass(kw_only=True, slots=True)
class SeenAgent:
    """One agent as its entries of the period show it."""

    entries: int = 0
    name: str = ""
    """The newest that is given."""
    owner: str = ""
    environments: set[str] = field(default_factory=set)
    versions: set[str] = field(default_factory=set)
    first_at: str = ""
    last_at: str = ""


@dataclass(kw_only=True, slots=True)
class SeenVendor:
    """Somebody outside who received data or served a model."""

    entries: int = 0
    countries: set[str] = field(default_factory=set)
    services: set[str] = field(default_factory=set)


class SeenEvent(msgspec.Struct, gc=False):
    """The part of an event that `Seen` looks at."""

    action: str
    agent: dict[str, Any]
    category: str
    occurred_at: str
    outcome: str
    data: dict[str, Any] | None = None
    model: dict[str, Any] | None = None
    tool: dict[str, Any] | None = None
    transfer: dict[str, Any] | None = None


class SeenRecord(msgspec.Struct, gc=False):
    """The part of a record that `Seen` looks at."""

    event: SeenEvent
    seq: int


read_seen: Final = msgspec.json.Decoder(SeenRecord).decode
"""Return the looked-at part of a record's bytes."""


class Seen:
    """What the entries of a period show at work; give it each of them in the order of seq.

    Registrations of tools count from their place in the ledger on, so they come in among the rest,
    also those of before the period.
    """

    def __init__(self, start: int, end: int, *, no_vendors: Collection[str] = ()) -> None:
        """Begin for the days [start, end); `no_vendors` are roles that make nobody a vendor."""
        self.agents: defaultdict[str, SeenAgent] = defaultdict(SeenAgent)
        self.models: Counter[str] = Counter()
        self.tools: Counter[str] = Counter()
        self.data_classes: Counter[str] = Counter()
        self.vendors: defaultdict[str, SeenVendor] = defaultdict(SeenVendor)
        self.claims: Counter[tuple[str, str, str, str]] = Counter()
        """Entries by tool, field, what was claimed, what the registry holds."""
        self._first, self._end = _midnight(start), _midnight(end)
        self._no_vendors = frozenset(no_vendors)
        self._registry: dict[tuple[str, str], dict[str, Any]] = {}

    def see(self, event: SeenEvent) -> None:
        """Take in the next entry; one outside of the period counts for the registry alone."""
        if event.action in ("tool.registered", "tool.removed") and event.outcome == "success":
            self._register(event)
        # Times are written in one way, so text compares as time does.
        if not self._first <= event.occurred_at < self._end:
            return
        self._see_agent(event)
        if event.model and event.model.get("name"):
            self.models[f"{event.model.get('provider') or '?'} / {event.model['name']}"] += 1
        if event.data:
            self.data_classes.update(event.data.get("classes") or ())
        if event.tool and event.action == "tool.invoke":
            self._see_tool(event.tool)
        if event.outcome == "success":
            self._see_vendor(event)

    def _see_agent(self, event: SeenEvent) -> None:
        said = event.agent
        agent = self.agents[said["id"]]
        agent.entries += 1
        agent.name = said.get("name") or agent.name
        agent.owner = said.get("owner") or agent.owner
        agent.environments.add(said.get("environment") or "prod")
        if said.get("version"):
            agent.versions.add(said["version"])
        if not agent.first_at or event.occurred_at < agent.first_at:
            agent.first_at = event.occurred_at
        agent.last_at = max(agent.last_at, event.occurred_at)

    def _register(self, event: SeenEvent) -> None:
        tool = event.tool or {}
        key = (tool.get("name") or "", tool.get("server") or "")
        if event.action == "tool.removed":
            self._registry.pop(key, None)
        else:
            known = {name: tool.get(name) for name in _REGISTERED}
            self._registry[key] = {name: one for name, one in known.items() if one is not None}

    def _see_tool(self, tool: Mapping[str, Any]) -> None:
        name, server = tool.get("name") or "", tool.get("server") or ""
        shown = f"{name} at {server}" if server else name
        self.tools[shown] += 1
        for of, held in self._registry.get((name, server), {}).items():
            claimed = tool.get(of)
            if claimed is not None and claimed != held:
                self.claims[shown, f"tool.{of}", _word(claimed), _word(held)] += 1

    def _see_vendor(self, event: SeenEvent) -> None:
        data, model = event.data or {}, event.model or {}
        if data.get("external") is False:
            return
        provider = model.get("provider") if event.category == "llm_call" else None
        recipient = data.get("recipient")
        role = data.get("recipient_role")
        if role is not None and role in self._no_vendors:
            recipient = None
        for vendor, service in ((provider, "serves models"), (recipient, "receives data")):
            if vendor:
                seen = self.vendors[vendor]
                seen.services.add(service)
                if (event.transfer or {}).get("to_country"):
                    seen.countries.add((event.transfer or {})["to_country"])
        for vendor in {str(one) for one in (provider, recipient) if one}:
            self.vendors[vendor].entries += 1


class Evidence(Protocol):
    """The entries of one ledger up to the head of a report."""

    @property
    def origin(self) -> str:
        """Return the ledger's origin."""

    @property
    def first_seq(self) -> int:
        """Return the first entry that is kept: 0, or more after a purge."""

    def records(self, actions: Collection[str], *, to_seq: int | None = None) -> Iterator[Record]:
        """Yield the entries of these actions in the order of seq, up to and with `to_seq`.

        Without `to_seq` up to the head. A greater one looks past it, which only what names the
        snapshot itself may do.
        """

    def by_seq(self, seqs: Collection[int]) -> Mapping[int, Record]:
        """Return entries by their seqs; those that are not kept, or past the head, are left out."""

    def named(self, seqs: Collection[int]) -> Mapping[int, Named]:
        """Return what lists say of entries by their seqs, faster than `by_seq`."""

    def counted(self, start: int, end: int) -> PopulationCounts:
        """Count the entries that happened on the days [start, end), days since 1970."""

    def look_through(self, start: int, end: int, *, no_vendors: Collection[str] = ()) -> Seen:
        """Return what the entries of the days [start, end) show at work."""


class CountedEvent(msgspec.Struct, gc=False):
    """The part of an event that is counted."""

    action: str
    agent: dict[str, Any]
    occurred_at: str


def count_in(counts: PopulationCounts, event: CountedEvent, *, received: int, old: bool) -> None:
    """Count one entry; `received` us, `old`: it was sent as history."""
    at = us_of(event.occurred_at)
    day, agent = at // DAY_US, str(event.agent["id"])
    entries, backfilled = counts.days.get(day, (0, 0))
    counts.days[day] = (entries + 1, backfilled + old)
    counts.agent_days[agent, day] = counts.agent_days.get((agent, day), 0) + 1
    counts.actions[event.action] = counts.actions.get(event.action, 0) + 1
    environment = event.agent.get("environment") or "prod"
    counts.environments[environment] = counts.environments.get(environment, 0) + 1
    counts.late += not old and received - at > LATE_US


def _midnight(day: int) -> str:
    return time_text(day * DAY_US)


def _word(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)

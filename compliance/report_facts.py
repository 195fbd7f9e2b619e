"""Tell what the entries themselves say of a period: what proves them whole, what was at work, when.

Pure. Reads through `Evidence` and never judges: integrity, scope, the postures of before, changes,
what happened since, who looked at the log, and the figures of the population. Entries of the
period are those that happened on its days, whenever they arrived, up to the head.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from compliance.kinds.base import DAY_US
from compliance.report_acts import ABOUT_LOG, CHANGES, SUBSEQUENT, act_line
from compliance.report_content import (
    LISTED,
    Act,
    AgentLine,
    Claim,
    Counted,
    DayLine,
    Integrity,
    Listing,
    Population,
    Scope,
    ScopeDecision,
    TrendPoint,
    Vendor,
    Verification,
)
from compliance.report_evidence import NO_VENDOR_ROLES, PopulationCounts, Record, Seen, SeenVendor
from compliance.report_reading import Reading, day_said, text_said
from compliance.result import SCHEMA, day_text, time_text

PLATFORM: Final = "platform"
"""The agent under which the platform's own entries stand; it is no agent of the organisation."""
TREND_DAYS: Final = 90
"""Days before the period whose postures are shown."""
BUSIEST: Final = 8
"""Agents whose days are shown one by one."""
OTHERS: Final = "_other"

FACTS: Final = frozenset({
    "audit.chain_verified", "audit.chain_broken", "audit.event_quarantined", "audit.key_announced",
    "audit.purged", "audit.snapshot_sealed", "agent.registered", "agent.retired",
    "vendor.approved", "vendor.reviewed", "vendor.ended",
}) | CHANGES | SUBSEQUENT | ABOUT_LOG  # fmt: skip
"""The actions whose entries `facts_of` reads."""


@dataclass(kw_only=True, slots=True)
class Listed:
    """Acts while they are counted."""

    total: int = 0
    listed: list[Act] = field(default_factory=list)

    def add(self, record: Record) -> None:
        """Take in one more; the first LISTED are kept."""
        self.total += 1
        if len(self.listed) < LISTED:
            self.listed.append(act_line(record))

    def listing(self) -> Listing:
        """Return what was taken in."""
        return Listing(total=self.total, listed=tuple(self.listed))


@dataclass(kw_only=True, slots=True)
class Facts:
    """What single entries say, gathered in one way through them."""

    verifications: int = 0
    failed: int = 0
    last_verification: Verification | None = None
    keys: list[str] = field(default_factory=list)
    quarantined: int = 0
    purged: list[tuple[int, str]] = field(default_factory=list)
    registered: dict[str, Record] = field(default_factory=dict)
    """Agents that are registered and not retired, as of the end of the period."""
    vendors: dict[str, Record] = field(default_factory=dict)
    """The newest entry about each vendor, as of the end of the period."""
    postures: dict[str, TrendPoint] = field(default_factory=dict)
    """By day; of several of a day the newest."""
    changes: Listed = field(default_factory=Listed)
    subsequent: Listed = field(default_factory=Listed)
    log_access: Listed = field(default_factory=Listed)


def facts_of(reading: Reading, records: Iterable[Record]) -> Facts:
    """Gather what the entries of the FACTS say; they come in the order of seq, up to the head."""
    facts = Facts()
    start, end = reading.span.start * DAY_US, reading.span.end * DAY_US
    for record in records:
        at, action = record.at, record.action
        if action in ("audit.key_announced", "audit.purged", "audit.snapshot_sealed"):
            _ever(reading, facts, record)
        if at >= end:
            if action in SUBSEQUENT:
                facts.subsequent.add(record)
            continue
        _before_the_end(facts, record)
        if at >= start:
            _within(facts, record)
    return facts


def integrity(reading: Reading, facts: Facts) -> Integrity:
    """Return what proves that the record is whole."""
    result = reading.result
    return Integrity(
        first_seq=max((to_seq + 1 for to_seq, _ in facts.purged), default=0),
        head_seq=result.head_seq,
        head_hash=result.head_hash,
        entries=result.entries,
        backfilled=result.backfilled,
        verifications=facts.verifications,
        verifications_failed=facts.failed,
        last_verification=facts.last_verification,
        keys=tuple(facts.keys),
        quarantined=facts.quarantined,
        purged=tuple(facts.purged),
    )


def look(reading: Reading) -> Seen:
    """Return what the entries of the period show at work."""
    lists = {**reading.catalogue.lists, **reading.settings.lists}
    roles = [str(role) for role in lists.get(NO_VENDOR_ROLES, ())]
    return reading.evidence.look_through(reading.span.start, reading.span.end, no_vendors=roles)


def scope(
    facts: Facts,
    seen: Seen,
    counts: PopulationCounts,
    decisions: tuple[ScopeDecision, ...],
) -> Scope:
    """Return what the report covers; of long lists the most frequent, and how many more."""
    return Scope(
        agents=tuple(
            AgentLine(
                agent=name,
                name=agent.name or _told(facts, name, "name"),
                owner=agent.owner or _told(facts, name, "owner"),
                environments=tuple(sorted(agent.environments)),
                versions=tuple(sorted(agent.versions)),
                is_registered=name in facts.registered,
                entries=agent.entries,
                first_at=agent.first_at,
                last_at=agent.last_at,
            )
            for name, agent in sorted(seen.agents.items())
            if name != PLATFORM
        ),
        environments=counted(counts.environments),
        models=counted(seen.models),
        tools=counted(seen.tools),
        data_classes=counted(seen.data_classes),
        vendors=_vendors(facts, seen),
        decisions=decisions,
        claims=tuple(
            Claim(tool=tool, field=of, claimed=claimed, registered=held, entries=entries)
            for (tool, of, claimed, held), entries in sorted(seen.claims.items())
        ),
    )


def trend(reading: Reading, facts: Facts) -> tuple[TrendPoint, ...]:
    """Return the sealed postures of the period and of the days before it, by day."""
    first = day_text(reading.span.start - TREND_DAYS)
    last = day_text(reading.span.end)
    return tuple(point for day, point in sorted(facts.postures.items()) if first <= day < last)


def population(reading: Reading, counts: PopulationCounts, *, generator: str) -> Population:
    """Return where the figures come from. A day's entries are those that were ever counted.

    Entries that were pruned since are among those of a day, and in none of the other lists.
    """
    span, source = reading.span, reading.rows.source
    days = [(day, *source.day_counts(day, day + 1)) for day in range(span.start, span.end)]
    agents = Counter[str]()
    for (agent, _), entries in counts.agent_days.items():
        agents[agent] += entries
    query = {
        "ledger": reading.result.ledger,
        "from": time_text(span.start * DAY_US),
        "to": time_text(span.end * DAY_US),
    }
    return Population(
        query=urlencode(query, safe=":"),
        engine=f"{generator}, {SCHEMA}",
        days=tuple(
            DayLine(day=day_text(day), entries=entries, backfilled=backfilled)
            for day, entries, backfilled in days
        ),
        agents=counted(agents),
        agent_days=_agent_days(reading, counts, agents),
        actions=counted(counts.actions),
        late=counts.late,
        restated_days=max((check.restated for check in reading.result.checks), default=0),
    )


def counted(by_value: Mapping[str, int]) -> tuple[Counted, ...]:
    """Return values with their counts, the most first; past LISTED one line for all the others."""
    ordered = sorted(by_value.items(), key=lambda one: (-one[1], one[0]))
    found = [Counted(value=value, entries=entries) for value, entries in ordered[:LISTED]]
    if others := ordered[LISTED:]:
        found.append(
            Counted(
                value=f"{OTHERS} ({len(others):,} more)",
                entries=sum(entries for _, entries in others),
            )
        )
    return tuple(found)


# --- One entry after the other --------------------------------------------------------------------


def _ever(reading: Reading, facts: Facts, record: Record) -> None:
    """Take in what counts whenever it happened."""
    event, said = record.event, record.event.get("details") or {}
    if record.action == "audit.key_announced":
        facts.keys.append(text_said(said, "vkey"))
    elif record.action == "audit.purged":
        to_seq = (event.get("integrity") or {}).get("to_seq")
        if to_seq is not None:  # what was blanked in quarantine was never an entry
            facts.purged.append((int(to_seq), record.occurred_at[:10]))
    elif said.get("kind") == "posture" and _is_of(reading, said):
        last = (day_said(said, "to") or 0) - 1
        facts.postures[day_text(last)] = TrendPoint(
            day=day_text(last),
            evidenced=said.get("evidenced"),
            tested=said.get("tested"),
            coverage=said.get("coverage"),
            cap=int(said.get("cap", 100)),
        )


def _is_of(reading: Reading, said: Mapping[str, Any]) -> bool:
    """Tell whether what was sealed is of the framework and the environment of the report."""
    result = reading.result
    return bool(
        said.get("framework") == result.framework and said.get("environment") == result.environment
    )


def _before_the_end(facts: Facts, record: Record) -> None:
    """Take in what stands until another entry changes it."""
    action, event = record.action, record.event
    if event.get("outcome") != "success":
        return
    if action == "agent.registered":
        facts.registered[str(event["agent"]["id"])] = record
    elif action == "agent.retired":
        facts.registered.pop(str(event["agent"]["id"]), None)
    elif action.startswith("vendor."):
        facts.vendors[text_said(event.get("target") or {}, "id")] = record


def _within(facts: Facts, record: Record) -> None:
    """Take in what happened in the period."""
    action = record.action
    if action in ("audit.chain_verified", "audit.chain_broken"):
        facts.verifications += 1
        facts.failed += action == "audit.chain_broken"
        facts.last_verification = _verification(record)
    elif action == "audit.event_quarantined":
        facts.quarantined += 1
    if action in CHANGES:
        facts.changes.add(record)
    if action in ABOUT_LOG:
        facts.log_access.add(record)


def _verification(record: Record) -> Verification:
    event = record.event
    reach, said = event.get("integrity") or {}, event.get("details") or {}
    note = text_said(said, "result")
    if record.action == "audit.chain_broken":
        note = f"entry {said.get('seq')}: {said.get('field')}"
    return Verification(
        seq=record.seq,
        at=record.occurred_at,
        outcome=text_said(event, "outcome"),
        from_seq=reach.get("from_seq"),
        to_seq=reach.get("to_seq"),
        note=note,
    )


# --- What was seen --------------------------------------------------------------------------------


def _told(facts: Facts, agent: str, name: str) -> str:
    registered = facts.registered.get(agent)
    return "" if registered is None else text_said(registered.event["agent"], name)


_STATES: Final = {
    "vendor.approved": "approved",
    "vendor.reviewed": "reviewed",
    "vendor.ended": "ended",
}


def _vendors(facts: Facts, seen: Seen) -> tuple[Vendor, ...]:
    nothing = SeenVendor()
    names = sorted(facts.vendors.keys() | seen.vendors.keys())
    found = []
    for name in names:
        record, at_work = facts.vendors.get(name), seen.vendors.get(name, nothing)
        found.append(
            Vendor(
                vendor=name,
                service=", ".join(sorted(at_work.services)),
                state="seen only" if record is None else _STATES[record.action],
                country=", ".join(sorted(at_work.countries)),
                seq=None if record is None else record.seq,
                seen=at_work.entries,
            )
        )
    return tuple(found)


def _agent_days(
    reading: Reading, counts: PopulationCounts, agents: Mapping[str, int]
) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Return the entries a day of the busiest agents, and of all others together."""
    ordered = sorted(agents, key=lambda agent: (-agents[agent], agent))
    days = range(reading.span.start, reading.span.end)
    busiest = [
        (agent, tuple(counts.agent_days.get((agent, day), 0) for day in days))
        for agent in ordered[:BUSIEST]
    ]
    if len(ordered) <= BUSIEST:
        return tuple(busiest)
    others = Counter[int]()
    for (agent, day), entries in counts.agent_days.items():
        if agent not in ordered[:BUSIEST]:
            others[day] += entries
    return (*busiest, (OTHERS, tuple(others[day] for day in days)))

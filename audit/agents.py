"""The agent registry: what the entries of a ledger show of its agents. A projection.

Which agents there are, which versions of them, and what each did by day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import msgspec
import psycopg

from audit.project import Batch

PLATFORM = "platform"
"""The agent id of the platform's own entries; it is no agent."""

_FAILED = frozenset({"failure", "error"})


class _Agent(msgspec.Struct):
    id: str
    name: str = ""
    version: str = ""
    environment: str = "prod"
    owner: str = ""


class _Event(msgspec.Struct):
    agent: _Agent
    occurred_at: str
    action: str
    outcome: str


class _Record(msgspec.Struct):
    event: _Event


_decode = msgspec.json.Decoder(_Record).decode


@dataclass(slots=True)
class _Seen:
    """What a batch says of one agent, or of one version."""

    first_seq: int
    last_seq: int
    first_seen: str
    last_seen: str
    entries: int = 0
    failures: int = 0
    name: str = ""
    owner: str = ""
    is_registered: bool = False
    environments: set[str] = field(default_factory=set)

    def add(self, seq: int, event: _Event) -> None:
        agent = event.agent
        self.last_seq = seq
        # Times are text of one fixed form, so they sort as text.
        self.first_seen = min(self.first_seen, event.occurred_at)
        self.last_seen = max(self.last_seen, event.occurred_at)
        self.entries += 1
        self.failures += event.outcome in _FAILED
        self.name = agent.name or self.name
        self.owner = agent.owner or self.owner
        self.is_registered |= event.action == "agent.registered"
        self.environments.add(agent.environment)


_UPSERT_AGENT = """
INSERT INTO audit_agent AS a (ledger_id, agent_id, name, owner, environments, is_registered,
    first_seq, last_seq, first_seen, last_seen, entries, failures)
VALUES (%s, %s, %s, %s, %s::text[], %s, %s, %s, %s::timestamptz, %s::timestamptz, %s, %s)
ON CONFLICT (ledger_id, agent_id) DO UPDATE
SET name = coalesce(nullif(excluded.name, ''), a.name),
    owner = coalesce(nullif(excluded.owner, ''), a.owner),
    environments = ARRAY(
        SELECT DISTINCT e FROM unnest(a.environments || excluded.environments) AS e ORDER BY e
    ),
    is_registered = a.is_registered OR excluded.is_registered,
    last_seq = excluded.last_seq,
    first_seen = least(a.first_seen, excluded.first_seen),
    last_seen = greatest(a.last_seen, excluded.last_seen),
    entries = a.entries + excluded.entries,
    failures = a.failures + excluded.failures
"""
_UPSERT_VERSION = """
INSERT INTO audit_agentversion AS v
    (ledger_id, agent_id, version, first_seq, first_seen, last_seq, entries)
VALUES (%s, %s, %s, %s, %s::timestamptz, %s, %s)
ON CONFLICT (ledger_id, agent_id, version) DO UPDATE
SET last_seq = excluded.last_seq,
    first_seen = least(v.first_seen, excluded.first_seen),
    entries = v.entries + excluded.entries
"""


_UPSERT_DAY = """
INSERT INTO audit_agentday AS d (ledger_id, agent_id, day, entries, failures, denied)
VALUES (%s, %s, %s::date, %s, %s, %s)
ON CONFLICT (ledger_id, agent_id, day) DO UPDATE
SET entries = d.entries + excluded.entries,
    failures = d.failures + excluded.failures,
    denied = d.denied + excluded.denied
"""
_DATE = slice(0, 10)  # of a time as records write it, which is UTC


class AgentRegistry:
    """Agents, versions and days; `manage.py rebuild agents` makes the same rows again."""

    name: ClassVar[str] = "agents"
    tables: ClassVar[Sequence[str]] = ("audit_agent", "audit_agentversion", "audit_agentday")

    def apply(self, cursor: psycopg.Cursor[Any], ledger_id: int, batch: Batch) -> None:
        """Fold entries into the registry: one upsert an agent, one a version and one a day."""
        agents: dict[str, _Seen] = {}
        days: dict[tuple[str, str], list[int]] = {}
        versions: dict[tuple[str, str], _Seen] = {}
        for seq, record in batch:
            event = _decode(record).event
            agent = event.agent
            if agent.id == PLATFORM:
                continue
            _seen(agents, agent.id, seq, event)
            day = days.setdefault((agent.id, event.occurred_at[_DATE]), [0, 0, 0])
            day[0] += 1
            day[1] += event.outcome in _FAILED
            day[2] += event.outcome == "denied"
            if agent.version:
                _seen(versions, (agent.id, agent.version), seq, event)
        cursor.executemany(
            _UPSERT_AGENT,
            [
                (ledger_id, agent_id, s.name, s.owner, sorted(s.environments), s.is_registered,
                 s.first_seq, s.last_seq, s.first_seen, s.last_seen, s.entries, s.failures)
                for agent_id, s in sorted(agents.items())
            ],
        )  # fmt: skip
        cursor.executemany(
            _UPSERT_VERSION,
            [
                (ledger_id, agent_id, version, s.first_seq, s.first_seen, s.last_seq, s.entries)
                for (agent_id, version), s in sorted(versions.items())
            ],
        )
        cursor.executemany(
            _UPSERT_DAY,
            [
                (ledger_id, agent_id, day, *counts)
                for (agent_id, day), counts in sorted(days.items())
            ],
        )


def _seen(found: dict[Any, _Seen], name: object, seq: int, event: _Event) -> None:
    seen = found.get(name)
    if seen is None:
        seen = found[name] = _Seen(seq, seq, event.occurred_at, event.occurred_at)
    seen.add(seq, event)

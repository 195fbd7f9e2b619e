"""Entries as a fold sees them, built plainly, and random streams that are unfair on purpose.

A stream has every action there is, late entries and history, clocks that run ahead, values that are
missing, negative and absurd, ids that collide and names that never come twice.
"""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from audit.actions import ACTIONS
from metrics.fold import Seen

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
NOON: Final = 1_790_000_040 * SECOND
"""A whole minute in September 2026, us."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def seen(
    action: str = "tool.invoke",
    *,
    seq: int = 0,
    at: int = NOON,
    received: int | None = None,
    is_backfill: bool = False,
    ledger: str = "main",
    outcome: str = "success",
    agent: str = "alice",
    environment: str | None = None,
    **fields: Any,
) -> Seen:
    """Return an entry of an act at `at`, received 50 ms later unless `received` says when."""
    who = {"id": agent} | ({"environment": environment} if environment else {})
    event = {
        "action": action,
        "category": ACTIONS.get(action, "action"),
        "outcome": outcome,
        "agent": who,
        **fields,
    }
    return Seen(
        seq=seq,
        received_us=at + 50_000 if received is None else received,
        occurred_us=at,
        is_backfill=is_backfill,
        ledger=ledger,
        event=event,
    )


def record(entry: Seen) -> tuple[int, bytes]:
    """Return an entry as it is chained, as far as a fold reads it."""
    body = {
        "event": {**entry.event, "occurred_at": _moment(entry.occurred_us)},
        "ledger": entry.ledger,
        "received_at": _moment(entry.received_us),
        "source": {"backfill": True} if entry.is_backfill else {},
    }
    return entry.seq, json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


def _moment(us: int) -> str:
    return (_EPOCH + timedelta(microseconds=us)).isoformat(timespec="microseconds")


def registered(agent: str, name: str | None = None, **rest: Any) -> Seen:
    """Return the entry that registers an agent, with a name or without."""
    entry = seen("agent.registered", agent=agent, **rest)
    if name is not None:
        entry.event["agent"]["name"] = name
    return entry


FED: Final = (
    "agent.registered", "run.started", "run.completed", "loop.completed", "goal.created",
    "goal.started", "goal.completed", "goal.failed", "plan.created", "task.enqueued",
    "task.started", "task.completed", "task.failed", "orchestration.cycled", "tool.invoke",
    "llm.call", "llm.embed", "memory.read", "memory.write", "workflow.completed",
    "workflow.step_failed", "decision.evaluated", "approval.granted", "auth.login",
    "credential.issued", "data.read", "agent.interrupted", "file.read", "db.queried",
    "api.called", "system.resource_sampled", "metric.recorded",
)  # fmt: skip
"""Actions that a stream has more often than the others."""


def stream(seed: int, length: int, *, bomb: bool = False) -> list[Seen]:
    """Return so many entries; the same seed gives the same. In a bomb no name comes twice."""
    chance = random.Random(seed)
    entries = []
    now = NOON
    for seq in range(length):
        now += chance.choice((0, 1, SECOND, MINUTE, 20 * MINUTE, 7 * HOUR))
        action = chance.choice(FED if chance.random() < 0.8 else tuple(ACTIONS))
        ago = chance.choice((0, 50_000, SECOND, 40 * MINUTE, HOUR, HOUR + 1, 90 * HOUR, -MINUTE))
        entries.append(
            Seen(
                seq=seq,
                received_us=now,
                occurred_us=now - ago,
                is_backfill=chance.random() < 0.1,
                ledger="main",
                event=_event(chance, action, seq if bomb else None),
            )
        )
    return entries


def _event(chance: random.Random, action: str, unique: int | None) -> dict[str, Any]:
    def name(*words: str) -> str:
        return chance.choice(words) if unique is None else f"{words[0]}-{unique}"

    def number(*usual: float) -> float:
        return chance.choice((*usual, *usual, -5, 10**18, 0))

    event: dict[str, Any] = {
        "action": action,
        "category": ACTIONS[action],
        "outcome": chance.choice(("success", "failure", "denied", "error", "pending", "unknown")),
        "agent": {"id": name("alice", "bob", "charlie", "platform")},
    }
    if chance.random() < 0.5:
        event["agent"]["environment"] = chance.choice(("prod", "staging", "test", "dev"))
    blocks: dict[str, Any] = {
        "severity": chance.choice(("info", "high", "critical")),
        "duration_ms": number(3, 20.5, 1_000, 61_000.25),
        "error": {"type": name("Timeout", "rate limit", "TIMEOUT")},
        "run": {
            "id": name("r1", "r2", "r3"),
            "mode": name("Chat", "chat", "autonomous"),
            "phase": name("act", "reflect"),
            "task_id": name("t1", "t2"),
            "goal_id": name("g1", "g2"),
            "queue": name("fast", "slow"),
        },
        "plan": {"quality": chance.choice((0, 0.25, 1)), "steps": number(3, 12)},
        "tool": {
            "name": name("search", "Search", "book flight"),
            "risk": chance.choice(("low", "critical")),
            "result_bytes": number(10, 5_000),
        },
        "model": {"provider": name("openai", "mistral"), "name": name("a", "b")},
        "usage": {
            "input_tokens": number(5, 800),
            "output_tokens": number(7, 90),
            "cost_usd": number(0.012, 3),
        },
        "memory": {
            "store": name("notes", "cases"),
            "type": name("episodic", "semantic"),
            "bytes": number(100, 1 << 30),
            "cache_hit": chance.random() < 0.5,
        },
        "workflow": {"id": name("w1"), "name": name("onboard"), "step_type": name("llm", "tool")},
        "decision": {"effect": chance.choice(("allow", "deny", "require_approval", "approved"))},
        "auth": {"method": name("password", "key")},
        "data": {"legal_basis": name("contract", "consent")},
        "labels": {"operation": name("select", "update")},
        "target": {"type": "api", "id": name("forge/issues", "https://mail.example/1")},
        "resource": {"cpu_ratio": number(0.5, 2), "memory_bytes": number(1 << 20)},
        "measure": {"name": name("tickets"), "type": "gauge", "value": number(4)},
        "trace": {"trace_id": f"{chance.getrandbits(128):032x}"},
        "actor": {
            "type": chance.choice(("human", "agent")),
            "id": name("ann", "ben"),
            "on_behalf_of": {"type": chance.choice(("human", "service")), "id": name("cy", "dee")},
        },
    }
    if chance.random() < 0.5:
        blocks["actor"]["session_id"] = name("s1", "s2")
    if chance.random() < 0.5:
        del blocks["actor"]["on_behalf_of"]
    if chance.random() < 0.5:
        blocks["trace"]["conversation_id"] = name("c1", "c2")
    for block, said in blocks.items():
        if chance.random() < 0.8:
            event[block] = said
    return event

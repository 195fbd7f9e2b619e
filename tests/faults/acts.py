"""Random acts of a few agents, unfair on purpose, of so few words that no cap but one is reached.

Some come twice, some as history, some hours late, some from a clock that runs ahead; durations,
sizes, tokens and costs are missing, negative and absurd now and then.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.faults.load import Agent

AGENTS = ("alice", "bob", "charlie", "dora")
"""Dora is never registered."""
_OUTCOMES = ("success",) * 6 + ("failure", "error", "denied", "pending", "unknown")
_ABSURD = 10**15 * 2
_LATE = (timedelta(0),) * 8 + (
    timedelta(minutes=50),
    timedelta(minutes=70),
    timedelta(days=40),
    timedelta(minutes=-10),
    timedelta(days=-700),
)
"""How long before it is sent an act happened."""


def post_some(agent: Agent) -> None:
    """Deliver a few acts: once, twice, or as history."""
    chance = agent.chance
    acts = [some_act(chance) for _ in range(chance.choice((1, 2, 5, 20)))]
    query = "?backfill=true" if chance.random() < 0.1 else ""
    agent.deliver(acts, query=query)
    if chance.random() < 0.2:
        agent.deliver(chance.sample(acts, len(acts)), query=query)


def some_act(chance: random.Random) -> dict[str, Any]:
    """Return an event of any kind."""
    happened = datetime.now(UTC) - chance.choice(_LATE)
    agent = chance.choice(AGENTS)
    event: dict[str, Any] = {
        "id": _id(chance),
        "occurred_at": happened.isoformat(),
        "outcome": chance.choice(_OUTCOMES),
        "agent": {"id": agent},
        "actor": {"type": "agent", "id": agent},
        "target": {"type": "case", "id": "4711"},
    }
    if chance.random() < 0.3:
        event["agent"]["environment"] = chance.choice(("prod", "staging"))
    if chance.random() < 0.8:
        event["duration_ms"] = chance.choice((0, 3, 20.5, 1_000, 61_000.125, _ABSURD))
    if chance.random() < 0.3:
        event["error"] = {"type": chance.choice(("Timeout", "rate limit"))}
    if chance.random() < 0.1:
        event["severity"] = "critical"
    return event | chance.choice(_KINDS)(chance)


def registration(chance: random.Random, agent: str) -> dict[str, Any]:
    """Return the event that registers an agent; Alice now goes by one name, now by another."""
    name = chance.choice(("Alice", "Alice II")) if agent == "alice" else agent.title()
    return {
        "id": _id(chance),
        "occurred_at": datetime.now(UTC).isoformat(),
        "category": "agent_lifecycle",
        "action": "agent.registered",
        "outcome": "success",
        "agent": {"id": agent, "name": name},
        "actor": {"type": "human", "id": "grace"},
        "target": {"type": "agent", "id": agent},
    }


def _id(chance: random.Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


def _number(chance: random.Random, *usual: float) -> float:
    return chance.choice((*usual, *usual, *usual, 0, -5, _ABSURD))


def _tool(chance: random.Random) -> dict[str, Any]:
    tool: dict[str, Any] = {"name": chance.choice(("Look Up", "refund"))}
    if chance.random() < 0.7:
        tool["result_bytes"] = _number(chance, 10, 5_000)
    if chance.random() < 0.2:
        tool["risk"] = chance.choice(("low", "high", "critical"))
    return {"category": "tool_call", "action": "tool.invoke", "tool": tool}


def _model(chance: random.Random) -> dict[str, Any]:
    usage = {
        f"{kind}_tokens": _number(chance, 7, 800)
        for kind in ("input", "output", "cache_read", "reasoning")
        if chance.random() < 0.7
    }
    if chance.random() < 0.6:
        usage["cost_usd"] = _number(chance, 0.012, 3)
    event: dict[str, Any] = {
        "category": "llm_call",
        "action": chance.choice(("llm.call", "llm.embed")),
        "model": {"provider": "Acme", "name": chance.choice(("small", "large"))},
    }
    return event | ({"usage": usage} if chance.random() < 0.9 else {})


def _task(chance: random.Random) -> dict[str, Any]:
    run = {"task_id": f"t{chance.randrange(9)}", "mode": chance.choice(("chat", "Batch"))}
    action = chance.choice(("task.completed", "task.failed"))
    return {"category": "action", "action": action, "run": run}


def _run(chance: random.Random) -> dict[str, Any]:
    run = {"id": f"r{chance.randrange(9)}"}
    action = chance.choice(("run.started", "run.completed"))
    return {"category": "action", "action": action, "run": run}


def _memory(chance: random.Random) -> dict[str, Any]:
    memory: dict[str, Any] = {"type": "episodic", "store": chance.choice(("notes", "cases"))}
    if chance.random() < 0.6:
        memory["cache_hit"] = chance.random() < 0.5
    action = chance.choice(("memory.read", "memory.write"))
    return {"category": "memory", "action": action, "memory": memory}


def _data(chance: random.Random) -> dict[str, Any]:
    data = {"legal_basis": chance.choice(("contract", "consent"))}
    action = chance.choice(("data.read", "data.export"))
    return {"category": "data_access", "action": action, "data": data}


_KINDS: tuple[Callable[[random.Random], dict[str, Any]], ...] = (
    _tool,
    _tool,
    _model,
    _model,
    _task,
    _run,
    _memory,
    _data,
)

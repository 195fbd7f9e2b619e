"""Random streams of entries, and a check of every kind with every modifier that keeps state.

A stream is unfair on purpose: entries come late, in no order of time, twice, from several agents
and environments, with values that collide, some as history, some by people.
"""

from __future__ import annotations

import random
from typing import Any, Final

from compliance.definitions import Lens
from compliance.kinds.base import DAY_US
from tests.compliance.building import day, lens, record

START: Final = day("2026-10-01") * DAY_US
DAYS: Final = 9
HOUR_US: Final = DAY_US // 24
MINUTE_US: Final = HOUR_US // 60

Record = tuple[int, bytes, bytes]


def _all(*leaves: Any) -> dict[str, Any]:
    return {"all": list(leaves)}


_CALL = _all(["action", "eq", "tool.invoke"])
_DEFINITIONS: Final[tuple[dict[str, Any], ...]] = (
    {
        "kind": "each",
        "population": _CALL,
        "pass_when": _all(["outcome", "eq", "success"]),
        "evidence": ["seq", "tool.name", "tool.risk"],
    },
    {
        "kind": "each",
        "population": _all(["category", "ne", "audit"], ["source.backfill", "ne", True]),
        "pass_when": _all(["ingest.delay_seconds", "lte", 300]),
        "clock": "received_at",
    },
    {
        "kind": "prior",
        "population": _CALL,
        "match": _all(
            ["action", "eq", "approval.granted"],
            ["decision.approval_id", "eq", "@decision.approval_id"],
            ["actor.type", "eq", "human"],
        ),
        "within": "PT24H",
        "bind": "tool.arguments_hash",
        "single_use": True,
        "evidence": ["seq", "decision.approval_id", "matched.actor.id"],
    },
    {
        "kind": "prior",
        "population": _CALL,
        "match": _all(
            ["action", "eq", "tool.registered"],
            ["tool.name", "eq", "@tool.name"],
            ["tool.server", "same", "@tool.server"],
        ),
        "unless_between": _all(
            ["action", "eq", "tool.removed"], ["tool.name", "eq", "@tool.name"]
        ),
    },
    {
        "kind": "prior",
        "population": {
            "derive": "first_seen",
            "of": ["agent.version", "tool.name"],
            "over": _CALL,
        },
        "key": ["agent.id"],
        "match": _all(
            ["action", "eq", "change.deployed"], ["change.to", "eq", "@derived.value"]
        ),
    },
    {
        "kind": "prior",
        "population": {"derive": "distinct", "of": ["tool.server"], "over": _CALL},
        "match": _all(
            ["action", "eq", "vendor.reviewed"], ["vendor.name", "eq", "@derived.value"]
        ),
        "within": "P3D",
    },
    {
        "kind": "followup",
        "population": _all(["action", "eq", "alert.raised"]),
        "match": _all(
            ["case.alert_id", "eq", "@case.alert_id"],
            {"any": [["action", "eq", "incident.detected"], ["action", "eq", "alert.dismissed"]]},
        ),
        "within": "PT6H",
        "evidence": ["case.alert_id", "matched.action", "elapsed"],
    },
    {
        "kind": "followup",
        "population": _all(["action", "eq", "identity.offboarded"]),
        "match": _all(
            ["action", "eq", "identity.account_disabled"], ["target.id", "eq", "@target.id"]
        ),
        "within": "PT24H",
        "order": "any",
        "key": ["target.id"],
    },
    {
        "kind": "cadence",
        "match": _all(["action", "eq", "backup.completed"], ["outcome", "eq", "success"]),
        "every": "P1D",
        "also_fail_when": _all(["action", "eq", "system.resource_sampled"]),
    },
    {
        "kind": "gap",
        "population": _all(["client_seq", "exists", True]),
        "key": ["agent.id", "agent.instance_id"],
        "measure": "client_seq",
        "max_gap": 1,
        "count_missing": True,
        "clock": "received_at",
        "settle": "PT1H",
    },
    {
        "kind": "gap",
        "population": _all(["agent.id", "ne", "platform"], ["source.backfill", "ne", True]),
        "key": ["agent.id", "agent.environment"],
        "active": {"from": "agent.started", "to": ["agent.stopped"]},
        "measure": "received_at",
        "max_gap": "PT2H",
        "tail": True,
        "clock": "received_at",
    },
    {
        "kind": "gap",
        "population": _all(["action", "in", ["tool.invoke", "agent.started"]]),
        "key": ["agent.id"],
        "measure": "occurred_at",
        "max_gap": "PT3H",
    },
    {
        "kind": "burst",
        "population": _all(["action", "eq", "auth.login"], ["outcome", "in", ["failure"]]),
        "key": ["actor.id"],
        "window": "PT3H",
        "count": 3,
        "match": _all(["action", "eq", "auth.lockout"], ["target.id", "eq", "@actor.id"]),
        "within": "PT5H",
    },
    {
        "kind": "rate",
        "population": _CALL,
        "numerator": _all(["outcome", "eq", "failure"]),
        "key": ["agent.id", "tool.name"],
        "min_denominator": 2,
        "threshold": "0.2",
    },
    {
        "kind": "forbid",
        "population": _all(["action", "eq", "identity.account_disabled"]),
        "violates": {
            "later": _all(["action", "eq", "auth.login"], ["actor.id", "eq", "@target.id"]),
            "until": _all(
                ["action", "eq", "identity.account_enabled"], ["target.id", "eq", "@target.id"]
            ),
        },
    },
    {
        "kind": "fact",
        "population": _all(["action", "eq", "backup.restore_tested"]),
        "pass_when": _all(["outcome", "eq", "success"]),
        "key": ["agent.id"],
    },
)  # fmt: skip


def lenses() -> list[Lens]:
    """Return a lens of every definition."""
    return [lens(each) for each in _DEFINITIONS]


_WEIGHTS: Final = {
    "tool.invoke": 24, "approval.granted": 8, "tool.registered": 3, "tool.removed": 1,
    "change.deployed": 2, "vendor.reviewed": 2, "alert.raised": 5, "incident.detected": 3,
    "alert.dismissed": 2, "identity.offboarded": 3, "identity.account_disabled": 3,
    "identity.account_enabled": 2, "backup.completed": 2, "system.resource_sampled": 1,
    "agent.started": 3, "agent.stopped": 2, "auth.login": 20, "auth.lockout": 3,
    "backup.restore_tested": 2, "audit.finding_opened": 3, "x.acme.purred": 2,
}  # fmt: skip
_BY_PEOPLE: Final = frozenset({"approval.granted", "alert.dismissed", "audit.finding_opened"})


def stream(seed: int, *, entries: int) -> list[Record]:
    """Return a random stream of so many entries, in the order of seq."""
    chance = random.Random(seed)
    numbers: dict[tuple[str, str], int] = {}
    actions = chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()), k=entries)
    received = START
    told: list[Record] = []
    for seq, action in enumerate(actions):
        received += _pause(chance)
        told.append(_entry(chance, seq, action, received, numbers))
    return told


def _pause(chance: random.Random) -> int:
    """Return how long nothing arrives: mostly little, now and then most of a day; us."""
    if chance.random() < 0.02:
        return chance.randrange(4 * HOUR_US, 30 * HOUR_US)
    return chance.choice([0, 0, 1, MINUTE_US, 20 * MINUTE_US])


def _delay(chance: random.Random) -> int:
    """Return how long before its arrival something happened; us, below 0: a clock that is ahead."""
    luck = chance.random()
    if luck < 0.6:
        return chance.choice([0, 1, MINUTE_US, 4 * MINUTE_US])
    if luck < 0.9:
        return chance.randrange(0, 8 * HOUR_US)
    if luck < 0.97:
        return chance.randrange(0, 4 * DAY_US)
    return -chance.randrange(0, 2 * MINUTE_US)


def _entry(
    chance: random.Random,
    seq: int,
    action: str,
    received: int,
    numbers: dict[tuple[str, str], int],
) -> Record:
    agent = chance.choice(["alice", "bob", "carol/1"])
    instance = chance.choice(["i1", "i2"])
    fields: dict[str, Any] = {
        "outcome": chance.choice(["success", "success", "success", "failure", "denied"]),
        "agent.version": chance.choice(["1", "1", "2", "3"]),
        "agent.instance_id": instance,
        "target.id": chance.choice(["dan", "erin", "frank"]),
        "decision.approval_id": f"ok-{chance.randrange(6)}",
        "case.alert_id": f"alert-{chance.randrange(8)}",
        "vendor.name": chance.choice(["crm", "mail"]),
        "change.to": chance.choice(["1", "2", "3", "search"]),
    }
    if action.startswith(("tool.", "approval.")):
        fields["tool.name"] = chance.choice(["search", "pay", 'a "b"\\c', "ü"])
        fields["tool.arguments_hash"] = chance.choice("0123") * 64
        if chance.random() < 0.6:
            fields["tool.server"] = chance.choice(["crm", "mail"])
        if chance.random() < 0.5:
            fields["tool.risk"] = chance.choice(["low", "high"])
    if action == "auth.login" and chance.random() < 0.6:
        fields["outcome"] = "failure"
    if action == "tool.invoke":
        number = numbers.get((agent, instance), 0) + chance.choice([1, 1, 1, 1, 2, 5, -1])
        numbers[agent, instance] = max(number, numbers.get((agent, instance), 0))
        fields["client_seq"] = max(number, 1)
    is_by_person = action in _BY_PEOPLE or chance.random() < 0.1
    actor = {"type": "human" if is_by_person else "agent", "id": chance.choice(["dan", "erin"])}
    source: dict[str, Any] = {"scope": "governance"} if is_by_person else {}
    if chance.random() < 0.05:
        source["backfill"] = True
    return record(
        seq,
        action,
        fields,
        at=received - _delay(chance),
        received=received,
        agent=agent,
        environment=chance.choice(["prod", "prod", "staging", None]),
        category="action" if action.startswith("x.") else None,
        actor=actor,
        source=source,
    )

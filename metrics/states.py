"""What a fold remembers of a ledger between entries: what is open, what failed, who is who. Pure.

Small and plain JSON, one value a ledger, kept with the cursor. Every list is bounded: the oldest
goes first, and whoever asked is told. Nothing here depends on where a batch was cut: what has
expired leaves when the next one opens, by the ledger's own clock, the greatest `received_at`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final, Literal, TypeAlias

from metrics import agent_families as families
from metrics.family import Family
from metrics.labels import Key, Names

Open: TypeAlias = Literal["run", "goal", "task", "queue"]

HOUR_US: Final = 3_600_000_000

TTL_US: Final[dict[Open, int]] = {
    "run": 6 * HOUR_US,
    "goal": 30 * 24 * HOUR_US,
    "task": 24 * HOUR_US,
    "queue": 24 * HOUR_US,
}
"""After so long without an end, what was begun counts as over: its end was lost."""

MOST_OPEN: Final = 1_000
"""Open ones of one sort that are remembered."""

MOST_AGENTS: Final = 1_000
"""Ids of registered agents that are remembered; several may share a name."""

MOST_FAILED: Final = 1_000
"""Agents and modes that have failed and not recovered that are remembered."""

GAUGES: Final[dict[Open, Family]] = {
    "run": families.AGENT_ACTIVE_EXECUTIONS,
    "goal": families.GOALS_ACTIVE,
    "task": families.TASKS_ACTIVE,
    "queue": families.TASK_QUEUE_SIZE,
}
"""The gauge that counts what is open, by sort."""


@dataclass(slots=True)
class FoldState:
    """What is remembered of one ledger. Changed in place by a fold."""

    clock_us: int = 0
    """The greatest `received_at` so far."""
    agents: dict[str, str] = field(default_factory=dict)
    """What the label `agent` says, by the id of a registered agent."""
    opened: dict[Open, dict[str, tuple[Key, int]]] = field(
        default_factory=lambda: {"run": {}, "goal": {}, "task": {}, "queue": {}}
    )
    """By fingerprint: the gauge's series, and the clock when it was opened; oldest first."""
    failed: dict[str, int] = field(default_factory=dict)
    """`occurred_at` of the first task that failed since one succeeded, by fingerprint of stream,
    agent and mode; oldest first."""

    def open(self, sort: Open, fingerprint: str, key: Key) -> bool:
        """Remember that something began; False when an older one had to be forgotten for it."""
        opened = self.opened[sort]
        opened.pop(fingerprint, None)
        self._expire(sort)
        has_room = len(opened) < MOST_OPEN
        if not has_room:
            del opened[next(iter(opened))]
        opened[fingerprint] = (key, self.clock_us)
        return has_room

    def close(self, sort: Open, fingerprint: str) -> None:
        """Forget what has ended; what never began is no matter."""
        self.opened[sort].pop(fingerprint, None)

    def fail(self, fingerprint: str, occurred_us: int) -> bool:
        """Remember a failure unless one stands; False when another had to be forgotten for it."""
        if fingerprint in self.failed:
            return True
        has_room = len(self.failed) < MOST_FAILED
        if not has_room:
            del self.failed[next(iter(self.failed))]
        self.failed[fingerprint] = occurred_us
        return has_room

    def recover(self, fingerprint: str) -> int | None:
        """Return when the failure was that a success has ended; None when none stood."""
        return self.failed.pop(fingerprint, None)

    def register(self, agent_id: str, label: str) -> bool:
        """Remember what an agent is called; False when there is no room for another."""
        if agent_id not in self.agents and len(self.agents) >= MOST_AGENTS:
            return False
        self.agents[agent_id] = label
        return True

    def _expire(self, sort: Open) -> None:
        opened = self.opened[sort]
        limit = self.clock_us - TTL_US[sort]
        while opened:
            first = next(iter(opened))
            if opened[first][1] > limit:
                return
            del opened[first]

    def as_json(self) -> dict[str, Any]:
        """Return plain values for JSON. Lists where order counts: jsonb sorts the keys of objects.

        `{"v": 1, "clock_us": …, "agents": {id: label}, "opened": {sort: [[fingerprint,
        opened_us, value, …], …]}, "failed": [[fingerprint, occurred_us], …]}`.
        """
        return {
            "v": 1,
            "clock_us": self.clock_us,
            "agents": dict(self.agents),
            "opened": {
                sort: [[name, at, *values] for name, ((_, values), at) in opened.items()]
                for sort, opened in self.opened.items()
            },
            "failed": [[name, at] for name, at in self.failed.items()],
        }

    @classmethod
    def from_json(cls, said: dict[str, Any] | None) -> FoldState:
        """Return the state that `as_json` wrote; an empty one for None, a ledger never folded."""
        if not said:
            return cls()
        assert said["v"] == 1, "a newer version wrote this state; rebuild the projection"
        state = cls(clock_us=said["clock_us"], agents=dict(said["agents"]))
        for sort, family in GAUGES.items():
            state.opened[sort] = {
                name: ((family.name, tuple(values)), at)
                for name, at, *values in said["opened"][sort]
            }
        state.failed = dict(said["failed"])
        return state


def fingerprint(*parts: str) -> str:
    """Return 16 characters that stand for some ids; the ids themselves are not kept."""
    return blake2b("\x1f".join(parts).encode(), digest_size=8).hexdigest()


def active(states: Iterable[FoldState], *, now_us: int, names: Names) -> dict[Key, int]:
    """Return how many are open in some ledgers, by series of rows 4, 10, 17 and 18.

    A series that was there once and has none open is 0. What is older than its TTL at `now_us` is
    not counted, so a silent ledger's gauges fall too.
    """
    counts = {key: 0 for family in GAUGES.values() for key in names.combinations(family)}
    for state in states:
        for sort, opened in state.opened.items():
            limit = now_us - TTL_US[sort]
            for key, opened_us in opened.values():
                if opened_us > limit:
                    counts[key] = counts.get(key, 0) + 1
    return counts

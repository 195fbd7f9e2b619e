"""Kill what is chosen by the seed, again and again, and measure how long each recovery takes."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from obsplatform.processes import Mark
from tests.faults.load import Agent, Attempt, outcomes, seeded_event
from tests.faults.targets import Target, eventually, kill

Victims: TypeAlias = Mapping[str, tuple[int, Callable[[], list[Mark]]]]
"""What may be killed: by kind, its weight and what finds its processes now."""
CHAINED_SECONDS = 300  # a bound against hanging, no claim about speed
_LONGEST_CALM = 0.4  # seconds before the next kill
_KILLED_AGAIN = 0.2  # how often the next kill does not wait for the recovery


@dataclass(slots=True)
class Struck:
    """What was killed, how often, and how long it took until all went on."""

    kills: dict[str, int] = field(default_factory=dict)
    taken: list[float] = field(default_factory=list)
    """Seconds from a kill until an event sent after it was acknowledged."""
    chained: list[float] = field(default_factory=list)
    """Seconds from a kill until that event was chained."""


def strike(
    target: Target,
    probe: Agent,
    victims: Victims,
    *,
    rounds: int,
    chance: random.Random,
) -> Struck:
    """Kill one process a round: each kind once, then by weight among those that run."""
    struck = Struck()
    for number in range(rounds):
        time.sleep(chance.uniform(0, _LONGEST_CALM))
        missing = sorted(victims.keys() - struck.kills.keys())
        name, running = _choose(victims, missing or sorted(victims), chance)
        began = time.monotonic()
        kill(chance.choice(running))
        struck.kills[name] = struck.kills.get(name, 0) + 1
        if number + 1 == rounds or chance.random() >= _KILLED_AGAIN:
            _wait_recovered(target, probe, struck, began)
    return struck


def _choose(
    victims: Victims, names: Sequence[str], chance: random.Random
) -> tuple[str, list[Mark]]:
    """Choose one of these kinds, by weight among those of which something runs now."""
    running: dict[str, list[Mark]] = {}

    def any_runs() -> bool:
        running.update((name, victims[name][1]()) for name in names)
        return any(running.values())

    eventually(any_runs, what=f"one of {names} runs", within=CHAINED_SECONDS)
    alive = [name for name in names if running[name]]
    (name,) = chance.choices(alive, [victims[name][0] for name in alive])
    return name, running[name]


def _wait_recovered(target: Target, probe: Agent, struck: Struck, began: float) -> None:
    event = seeded_event(probe.chance)
    probe.deliver([event])
    struck.taken.append(time.monotonic() - began)
    eventually(
        lambda: target.has_chained(event["id"]), what="it is chained", within=CHAINED_SECONDS
    )
    struck.chained.append(time.monotonic() - began)


def tell(struck: Struck, attempts: Sequence[Attempt]) -> str:
    """Put the figures of one test in a line."""
    acknowledged = {r["id"] for each in attempts for r in each.receipts}
    said = [
        ", ".join(f"{count} {name}" for name, count in sorted(struck.kills.items())),
        f"{len(acknowledged)} events acknowledged",
        ", ".join(f"{count} {name}" for name, count in sorted(outcomes(attempts).items())),
        f"taken again {_spread(struck.taken)}",
        f"chained again {_spread(struck.chained)}",
    ]
    return "; ".join(said)


def _spread(seconds: Sequence[float]) -> str:
    return f"p50 {statistics.median(seconds):.2f} s, max {max(seconds):.2f} s" if seconds else "-"

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
    """Kill one process a round: each kind once, then by weight."""
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
    """Choose one of these kinds by weight, and wait until something of it runs."""
    (name,) = chance.choices(names, [victims[name][0] for name in names])
    running: list[Mark] = []

    def any_runs() -> bool:
        running[:] = victims[name][1]()
        return bool(running)

    eventually(any_runs, what=f"{name} runs", within=CHAINED_SECONDS)
    return name, running


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
        _spread("taken again", struck.taken),
        _spread("chained again", struck.chained),
    ]
    return "; ".join(each for each in said if each)


def _spread(what: str, seconds: Sequence[float]) -> str:
    if not seconds:
        return ""
    ordered = sorted(seconds)
    p99 = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    return (
        f"{what} p50 {statistics.median(seconds):.2f} s, p99 {p99:.2f} s, max {ordered[-1]:.2f} s"
    )

"""Redis only rings a bell: without it no request fails and chaining goes on (R4, R5)."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import redis

from metrics.platform_families import CELERY_TASKS
from tests.faults import storm
from tests.faults.conditions import EMPTY_SECONDS, assert_nothing_was_lost
from tests.faults.counted import scrape
from tests.faults.load import Agent, Load, outcomes, seeded_event
from tests.faults.scrapes import PATH
from tests.faults.targets import Target, eventually, frozen, kill

BELL_SECONDS = 60  # a bound against hanging; the platform has been seen to need 3 to 7


def test_redis_killed_frozen_or_flushed_while_posting_fails_no_request(
    target: Target, chance: random.Random, rounds: int, tell: Callable[[str], None]
) -> None:
    faults: dict[str, Callable[[], None]] = {
        "killed": lambda: _kill(target),
        "frozen": lambda: _freeze(target, chance.uniform(0.3, 1.5)),
        "flushed": lambda: _flush(target),
    }
    names = [*faults, *chance.choices(sorted(faults), k=max(0, rounds - len(faults)))]
    with Load(target.url, target.key, chance=chance) as load:
        for name in names:
            time.sleep(chance.uniform(0, 0.3))
            faults[name]()

    assert outcomes(load.attempts).keys() == {"ok"}
    assert_nothing_was_lost(target, load.attempts)
    tell(f"{len(names)} faults; {storm.tell(storm.Struck(), load.attempts)}")


def test_all_is_chained_while_redis_is_away_and_the_worker_comes_back_with_it(
    target: Target,
    agent: Agent,
    chance: random.Random,
    rounds: int,
    tell: Callable[[str], None],
) -> None:
    posted = 0
    ends = time.monotonic() + 2 * rounds
    while time.monotonic() < ends:
        _kill(target)  # again each time the supervisor has brought it back
        event = seeded_event(chance)
        agent.deliver([event])
        _wait_chained(target, event["id"])
        posted += 1
    target.wait_healed()
    done = _append_tasks(target)
    with Load(target.url, target.key, chance=chance) as load:
        # Only the bell gives the worker this task, and nobody has restarted it. Who chains is no
        # sign: the process that looks by itself may always be first.
        eventually(
            lambda: _append_tasks(target) > done,
            what="the bell wakes the worker",
            within=BELL_SECONDS,
        )

    attempts = load.attempts + agent.attempts
    assert outcomes(attempts).keys() == {"ok"}
    assert_nothing_was_lost(target, attempts)
    tell(f"{posted} posted and chained while Redis was away")


def _append_tasks(target: Target) -> int:
    """Return how often a worker has ended the task that the bell asks for."""
    return sum(
        number
        for (name, labels), number in scrape(f"{target.url}{PATH}").items()
        if name == CELERY_TASKS.name and ("task", "audit.append") in labels
    )


def _wait_chained(target: Target, event_id: str) -> None:
    eventually(lambda: target.has_chained(event_id), what="it is chained", within=EMPTY_SECONDS)


def _kill(target: Target) -> None:
    for known in target.any_of("valkey"):
        kill(known)


def _freeze(target: Target, seconds: float) -> None:
    for known in target.any_of("valkey"):
        with frozen(known):
            time.sleep(seconds)


def _flush(target: Target) -> None:
    eventually(lambda: _has_flushed(target), what="Redis takes FLUSHALL", within=60)


def _has_flushed(target: Target) -> bool:
    with redis.Redis.from_url(target.redis_url, socket_timeout=2) as client:
        try:
            client.flushall()
        except redis.ConnectionError:
            return False  # killed a moment ago
    return True

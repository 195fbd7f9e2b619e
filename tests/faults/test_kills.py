"""kill -9 under load: no acknowledged event is lost, none is chained twice (R1, R2, R3)."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import psycopg

from obsplatform.processes import Mark
from tests.faults import storm
from tests.faults.conditions import assert_nothing_was_lost
from tests.faults.load import Agent, Load, seeded_event
from tests.faults.storm import Victims
from tests.faults.targets import Target, eventually, kill


def _endure(
    target: Target,
    agent: Agent,
    victims: Victims,
    *,
    rounds: int,
    chance: random.Random,
    tell: Callable[[str], None],
) -> None:
    with Load(target.url, target.key, chance=chance) as load:
        struck = storm.strike(target, agent, victims, rounds=rounds, chance=chance)

    attempts = load.attempts + agent.attempts
    assert_nothing_was_lost(target, attempts)
    tell(storm.tell(struck, attempts))


def test_killing_postgres_loses_nothing(
    target: Target,
    agent: Agent,
    chance: random.Random,
    rounds: int,
    tell: Callable[[str], None],
) -> None:
    victims: Victims = {
        # Rare, as the supervisor starts it again after a pause of 0.5 to 4 s.
        "postmaster": (1, lambda: target.any_of("postgres")),
        # Any death among them makes the whole server recover from its log.
        "backend": (20, target.of_postgres),
    }
    _endure(target, agent, victims, rounds=rounds, chance=chance, tell=tell)


def test_killing_the_process_that_recovers_postgres_loses_nothing(
    target: Target,
    agent: Agent,
    chance: random.Random,
    tell: Callable[[str], None],
) -> None:
    with Load(target.url, target.key, chance=chance) as load:
        began = time.monotonic()
        _kill_recovery(target)
        agent.deliver([seeded_event(chance)])
        taken = time.monotonic() - began

    attempts = load.attempts + agent.attempts
    assert_nothing_was_lost(target, attempts)
    tell(f"taken again after {taken:.2f} s; {storm.tell(storm.Struck(), attempts)}")


def _kill_recovery(target: Target) -> None:
    """Kill backends until a recovery is seen while it lasts, and kill that."""

    def struck() -> bool:
        for backend in target.of_postgres():
            kill(backend)
            deadline = time.monotonic() + 1
            while time.monotonic() < deadline:
                for recovering in target.recovering():
                    kill(recovering)
                    return True
        return False

    eventually(struck, what="a recovery is seen", within=storm.CHAINED_SECONDS)


def test_killing_the_web_server_in_the_middle_of_requests_loses_nothing(
    target: Target,
    agent: Agent,
    chance: random.Random,
    rounds: int,
    tell: Callable[[str], None],
) -> None:
    victims: Victims = {
        "granian": (1, lambda: target.any_of("web")),
        "granian's worker": (8, lambda: target.below("web")),
    }
    _endure(target, agent, victims, rounds=rounds, chance=chance, tell=tell)


def test_killing_the_writers_loses_nothing_and_chains_nothing_twice(
    target: Target,
    agent: Agent,
    chance: random.Random,
    rounds: int,
    tell: Callable[[str], None],
) -> None:
    victims: Victims = {
        "Celery": (1, lambda: target.any_of("worker")),
        "Celery's child": (8, lambda: target.below("worker")),
        "append loop": (1, lambda: target.any_of("append")),
    }
    _endure(target, agent, victims, rounds=rounds, chance=chance, tell=tell)


def test_killing_the_sealer_never_makes_two_histories(
    target: Target,
    agent: Agent,
    chance: random.Random,
    rounds: int,
    tell: Callable[[str], None],
) -> None:
    with Load(target.url, target.key, chance=chance) as load:
        for _ in range(rounds):
            if chance.random() < 0.7:  # else while it starts
                before = target.signed_size()
                eventually(
                    lambda before=before: target.signed_size() > before,  # type: ignore[misc]
                    what="another checkpoint",
                    within=storm.CHAINED_SECONDS,
                )
            time.sleep(chance.uniform(0, 1.2))  # it signs each second
            (sealer,) = _wait_for(lambda: target.any_of("seal"))
            kill(sealer)

    attempts = load.attempts + agent.attempts
    sealed = eventually(target.is_sealed, what="all is sealed", within=storm.CHAINED_SECONDS)
    found = assert_nothing_was_lost(target, attempts)
    assert found.checkpoints > 0
    tell(
        f"{rounds} sealer; {found.checkpoints} checkpoints, each with its tree's root; all sealed "
        f"{sealed:.2f} s after; {storm.tell(storm.Struck(), attempts)}"
    )


def _wait_for(find: Callable[[], list[Mark]]) -> list[Mark]:
    found: list[Mark] = []

    def any_runs() -> bool:
        found[:] = find()
        return bool(found)

    eventually(any_runs, what="it runs", within=storm.CHAINED_SECONDS)
    return found


def test_cutting_the_writers_connections_mid_transaction_loses_nothing(
    target: Target,
    agent: Agent,
    chance: random.Random,
    rounds: int,
    tell: Callable[[str], None],
) -> None:
    cut = 0
    with Load(target.url, target.key, chance=chance) as load, target.superuser() as connection:
        for _ in range(rounds * 10):
            time.sleep(chance.uniform(0, 0.05))
            cut += _cut_one(connection, chance)

    assert_nothing_was_lost(target, load.attempts)
    tell(f"{cut} connections cut; {storm.tell(storm.Struck(), load.attempts)}")


def _cut_one(connection: psycopg.Connection[Any], chance: random.Random) -> int:
    """End one connection of the platform, rather one that is inside a transaction."""
    found = connection.execute(
        """
        SELECT pid
        FROM pg_stat_activity
        WHERE usename IN ('obs_worker', 'obs_web')
        ORDER BY xact_start IS NULL, md5(pid::text || %s)
        LIMIT 1
        """,
        [str(chance.random())],
    ).fetchone()
    if found is None:
        return 0
    connection.execute("SELECT pg_terminate_backend(%s)", found)
    return 1

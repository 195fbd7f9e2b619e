"""The same event many times, at once or after a cut, is one entry (R8, R14)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Any

from tests.faults.conditions import assert_nothing_was_lost
from tests.faults.load import Agent, seeded_event
from tests.faults.targets import Target, eventually
from tests.sizes import size

EVENTS = size(200, 1000)
COPIES, CONNECTIONS = 5, 10


def test_events_sent_five_times_over_ten_connections_are_one_entry_each(
    target: Target, chance: random.Random
) -> None:
    target.wait_healed()
    log_size = target.log.stat().st_size
    events = [seeded_event(chance) for _ in range(EVENTS)]
    batches: SimpleQueue[list[dict[str, Any]]] = SimpleQueue()
    for batch in _permuted_batches(events, chance):
        batches.put(batch)
    agents = [
        Agent(target.url, target.key, chance=random.Random(chance.random()))
        for _ in range(CONNECTIONS)
    ]

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(lambda agent: _send_all(agent, batches), agents))

    attempts = [attempt for agent in agents for attempt in agent.attempts]
    found = assert_nothing_was_lost(target, attempts)
    ids = {event["id"] for event in events}
    assert sum(event_id in ids for event_id, _ in found.entries) == EVENTS
    receipts = [receipt for attempt in attempts for receipt in attempt.receipts]
    assert len(receipts) == EVENTS * COPIES
    told = sum(receipt["status"] == "duplicate" for receipt in receipts)
    # What was received again before the first was chained is dropped, and counted, by append.
    eventually(
        lambda: (
            told + sum(line["duplicates"] for line in target.chained_lines(log_size))
            == EVENTS * (COPIES - 1)
        ),
        what="every duplicate is told or dropped",
        within=60,  # a bound against hanging
    )


def test_a_request_cut_after_the_commit_and_sent_again_is_one_entry(
    target: Target, agent: Agent, chance: random.Random, rounds: int
) -> None:
    for _ in range(rounds * 10):
        events = [seeded_event(chance) for _ in range(3)]
        agent.send_and_cut(events)
        agent.deliver(events)

    assert_nothing_was_lost(target, agent.attempts)


def _permuted_batches(
    events: list[dict[str, Any]], chance: random.Random
) -> Iterator[list[dict[str, Any]]]:
    batches = []
    for _ in range(COPIES):
        order = chance.sample(events, len(events))
        while order:
            taken = chance.randrange(5, 60)
            batches.append(order[:taken])
            order = order[taken:]
    chance.shuffle(batches)
    yield from batches


def _send_all(agent: Agent, batches: SimpleQueue[list[dict[str, Any]]]) -> None:
    try:
        while True:
            agent.deliver(batches.get_nowait())
    except Empty:
        agent.close()

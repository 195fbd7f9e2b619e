"""Counters of /metrics are exact and never fall, whoever dies, comes twice or counts again."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults import acts, storm
from tests.faults.conditions import assert_nothing_was_lost
from tests.faults.counted import Counters, compared, count_by_sql, differences, scrape
from tests.faults.load import Agent, Load
from tests.faults.scrapes import PATH, Scrapes, web_instance
from tests.faults.storm import Victims
from tests.faults.targets import Target, eventually
from tests.installation import ROOT, data_folder
from tests.sizes import size

AGREED_SECONDS = 60  # a bound against hanging: a page is rendered every five seconds
REBUILT_SECONDS = 240
PORT = 18_600
WORKERS = size(2, 3)


@pytest.fixture(scope="module")
def second_data() -> Iterator[Path]:
    with data_folder() as data:
        yield data


@pytest.fixture(scope="module")
def second(_shared: Target, second_data: Path) -> Iterator[str]:
    """Return the address of a second web instance, of several processes that each render pages."""
    with web_instance(_shared.services(), second_data, port=PORT, workers=WORKERS) as url:
        yield url


def those_who_project(target: Target) -> Victims:
    return {
        "Celery": (1, lambda: target.any_of("worker")),
        "Celery's child": (8, lambda: target.below("worker")),
        "append loop": (2, lambda: target.any_of("append")),
    }


def settle(target: Target) -> None:
    target.wait_healed()
    for holds, what in (
        (target.inbox_is_empty, "the inbox is empty"),
        (target.is_projected, "metrics have read all"),
    ):
        eventually(holds, what=what, within=AGREED_SECONDS)


def agreed(target: Target) -> tuple[Counters, Counters]:
    """Return a page that says what SQL counts, and that; AssertionError names what differs."""
    settle(target)
    ends = time.monotonic() + AGREED_SECONDS
    with target.superuser() as connection:
        while True:
            page = scrape(f"{target.url}{PATH}")
            counted = count_by_sql(connection)
            wrong = differences(compared(page, counted), counted)
            if not wrong:
                return page, counted
            # The platform's own entries may have come in between, or the page be a little old.
            assert time.monotonic() < ends, "\n".join(wrong[:20])
            time.sleep(1)


def register_some(target: Target, chance: random.Random) -> None:
    """Register agents in the midst of what they do: from then on they have names."""
    governance = Agent(target.url, target.governance_key, chance=chance)
    for agent in acts.AGENTS[:3]:
        governance.deliver([acts.registration(chance, agent)])
    governance.close()


def test_counters_equal_sql_over_entries_after_those_who_count_were_killed(
    target: Target,
    agent: Agent,
    chance: random.Random,
    rounds: int,
    tell: Callable[[str], None],
) -> None:
    agreed(target)

    with Load(target.url, target.key, chance=chance, post=acts.post_some) as load:
        early = storm.strike(target, agent, those_who_project(target), rounds=rounds, chance=chance)
        register_some(target, chance)
        struck = storm.strike(
            target, agent, those_who_project(target), rounds=rounds, chance=chance
        )

    assert_nothing_was_lost(target, load.attempts + agent.attempts)
    _, counted = agreed(target)
    entries = sum(number for (name, _), number in counted.items() if name == "obs_events_total")
    told = storm.tell(struck, load.attempts + agent.attempts)
    tell(f"{len(counted)} samples equal SQL, {entries} entries; first {early.kills}; {told}")


def test_no_counter_falls_whichever_instance_answers_and_increases_add_up_to_sql(
    target: Target,
    agent: Agent,
    second: str,
    chance: random.Random,
    rounds: int,
    seconds: int,
    tell: Callable[[str], None],
) -> None:
    before, counted_before = agreed(target)

    with (
        Scrapes([target.url, second], before=before) as scrapes,
        Load(target.url, target.key, chance=chance, post=acts.post_some) as load,
    ):
        ends = time.monotonic() + seconds
        register_some(target, chance)
        kills = 0
        while kills < rounds or time.monotonic() < ends:
            storm.strike(target, agent, those_who_project(target), rounds=1, chance=chance)
            kills += 1

    told = assert_increases_are_exact(target, scrapes, before, counted_before)
    assert {url for url, _ in scrapes.answered} == {target.url, second}
    tell(f"{told}; {kills} kills; {len(load.attempts)} POSTs")


def test_a_rebuild_in_the_middle_makes_no_counter_fall(
    target: Target, second: str, chance: random.Random, tell: Callable[[str], None]
) -> None:
    before, counted_before = agreed(target)

    with (
        # A page stands for five seconds, so that each is seen.
        Scrapes([target.url, second], before=before, every=0.5) as scrapes,
        Load(target.url, target.key, chance=chance, post=acts.post_some),
    ):
        began = time.monotonic()
        for _ in range(2):
            rebuilt = subprocess.run(
                [sys.executable, "manage.py", "rebuild", "metrics"],
                cwd=ROOT,
                env={**target.environment, "OBS_DATABASE_ROLE": "worker"},
                capture_output=True,
                text=True,
                timeout=REBUILT_SECONDS,
                check=False,
            )
            assert rebuilt.returncode == 0, rebuilt.stderr
        taken = time.monotonic() - began

    told = assert_increases_are_exact(target, scrapes, before, counted_before)
    tell(f"two rebuilds in {taken:.1f} s; {told}")


def assert_increases_are_exact(
    target: Target, scrapes: Scrapes, before: Counters, counted_before: Counters
) -> str:
    """Check that nothing fell, and that what rose is what SQL counts more; return the figures."""
    last, counted = agreed(target)
    scrapes.take(last, of=target.url)
    assert scrapes.falls == []
    more = {
        sample: number - counted_before.get(sample, 0)
        for sample, number in counted.items()
        if number != counted_before.get(sample, 0)
    }
    rose = compared(scrapes.increases, counted)
    assert differences(rose, more) == []
    assert more, "nothing was counted meanwhile"
    return (
        f"{scrapes.pages} pages, {scrapes.changed} of them new, of {len(last)} counters from "
        f"{len(scrapes.answered)} processes: none fell; the increases of {len(more)} equal SQL"
    )

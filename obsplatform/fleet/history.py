"""The days up to now: what stood before, every day's round, the ordinary work, what was planted."""

from __future__ import annotations

from datetime import datetime, timedelta

from obsplatform.fleet import (
    agents,
    claims,
    coding,
    foundation,
    operations,
    payments,
    plants,
    research,
    routine,
    support,
)
from obsplatform.fleet.agents import Agent
from obsplatform.fleet.chronicle import Chronicle
from obsplatform.fleet.deliver import again, contradicted, numbered
from obsplatform.fleet.hours import Week
from obsplatform.fleet.teller import Event
from obsplatform.fleet.work import Episodes
from obsplatform.fleet.world import World

EVENTS = 20_000
DAYS = 30
SEED = 20

WORK: tuple[tuple[Agent, Episodes], ...] = (
    (agents.SUPPORT, support.EPISODES),
    (agents.CLAIMS_AGENT, claims.EPISODES),
    (agents.CODING, coding.EPISODES),
    (agents.PAYMENTS, payments.EPISODES),
    (agents.RESEARCH, research.EPISODES),
    (agents.OPERATIONS, operations.EPISODES),
)

SENT_TWICE = "run-pay-7655"
CONTRADICTED = "run-refund-2210"
"""Runs whose events are sent again: once as they were, once with another sum."""


def history(
    *,
    now: datetime,
    seed: int = SEED,
    events: int = EVENTS,
    days: int = DAYS,
    is_planted: bool = True,
) -> list[Event]:
    """Return the fleet's past, earliest first: at least `events`, over at least 30 `days`.

    The same arguments give the same events, so that sending twice makes duplicates only. Without
    its planted stories it is ordinary work alone, which detectors are measured on.
    """
    assert days >= DAYS, f"the stories need {DAYS} days"
    chronicle = Chronicle(World(now=now, seed=seed, days=days), part="history")
    foundation.lay(chronicle)
    routine.tell(chronicle)
    if is_planted:
        plants.plant(chronicle)
    told = sum(len(story.acts) for story in chronicle.stories)
    for agent, episodes in WORK:
        _work(chronicle, agent, episodes, events=round((events - told) * agent.share))
    return numbered(act for act in chronicle.acts() if act.at < now)


def repeats(events: list[Event]) -> list[Event]:
    """Return what a nervous client sends after a history: duplicates, and one contradiction."""
    return [*again(events, SENT_TWICE), contradicted(events, CONTRADICTED, amount=184.0)]


def _work(chronicle: Chronicle, agent: Agent, episodes: Episodes, *, events: int) -> None:
    """Tell ordinary work of an agent, at the hours it works, until so many events are told."""
    world = chronicle.world
    chance = world.chance(f"work/{agent.id}")
    end = world.now - timedelta(hours=2)
    week = Week(agent.hours, start=world.day(world.days, "01:00"), end=end, chance=chance)
    weights = [weight for weight, _ in episodes]
    verbs = [tell for _, tell in episodes]
    quiet = (world.day(*routine.SILENT_FROM), world.day(*routine.SILENT_TO))
    told = 0
    unseen = list(verbs)  # each piece once, however rare, before chance decides
    while told < events:
        at = week.moment()
        if agent is routine.SILENT and quiet[0] - timedelta(hours=1) < at < quiet[1]:
            continue
        story = chronicle.begin(agent, at)
        tell = unseen.pop() if unseen else chance.choices(verbs, weights)[0]
        tell(story)
        told += len(story.acts)

"""The last minutes before now, and if wanted the ones that come: every action there is, once.

People's and machines' acts that take days are rehearsed: told in minutes, in the environment
`staging`, so that no clock of a real case starts. All instances are new and go down in order at the
end, but for one that falls silent: planted.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from obsplatform.fleet import (
    access,
    agents,
    breaches,
    changes,
    incidents,
    lifecycle,
    machines,
    oversight,
    people,
    rights,
)
from obsplatform.fleet.agents import Agent
from obsplatform.fleet.chronicle import Chronicle
from obsplatform.fleet.deliver import numbered
from obsplatform.fleet.history import SEED, WORK
from obsplatform.fleet.processing import CARE, CLAIMS
from obsplatform.fleet.story import Story
from obsplatform.fleet.teller import Event
from obsplatform.fleet.world import World

MINUTES = timedelta(minutes=4)
"""How far back the live part begins; younger than what counts as late."""
_ROOM = MINUTES - timedelta(seconds=40)
_EVERY = timedelta(seconds=1.5)
FALLS_SILENT = agents.OPERATIONS


def live(*, now: datetime, seed: int = SEED, seconds: int = 0) -> list[Event]:
    """Return what happens from a few minutes before `now` to so many seconds after it."""
    world = World(now=now, seed=seed, days=0)
    chronicle = Chronicle(world, part="live")
    start = now - MINUTES
    batch = f"{int(now.timestamp()) & 0xFFFFFF:06x}"
    replicas = {agent.id: f"{agent.id}-{batch}" for agent in agents.REGISTERED}
    _start(chronicle, start, replicas)
    for agent, episodes in WORK:
        for number, (_, tell) in enumerate(episodes):
            _squeeze(chronicle, tell, agent, start + timedelta(seconds=2 + number), replicas)
    _rehearse(chronicle, start + timedelta(seconds=4), replicas)
    _pilot(chronicle, start, replicas)
    _go_on(chronicle, now, seconds, replicas)
    _stop(chronicle, now + timedelta(seconds=seconds - 1), replicas)
    return numbered(chronicle.acts())


def _squeeze(
    chronicle: Chronicle,
    tell: Callable[[Story], object],
    agent: Agent,
    at: datetime,
    replicas: dict[str, str],
    *,
    environment: str = "prod",
) -> None:
    chronicle.squeeze(
        tell, agent, at, room=_ROOM, replica=replicas[agent.id], environment=environment
    )


def _start(chronicle: Chronicle, at: datetime, replicas: dict[str, str]) -> None:
    for agent in (*agents.WORKERS, agents.SSO, agents.BACK_OFFICE):
        story = chronicle.begin(agent, at, replica=replicas[agent.id])
        lifecycle.start(story)
        story.wait(1, 4)
        lifecycle.beat(story)
        machines.sample(story)


def _rehearse(chronicle: Chronicle, at: datetime, replicas: dict[str, str]) -> None:
    """Tell of what people decide, each case from its beginning to its end."""
    office = agents.BACK_OFFICE
    rehearsed: tuple[tuple[Agent, Callable[[Story], object]], ...] = (
        (office, breaches.closed_in_time), (office, breaches.harmless), (office, breaches.ohio),
        (rights.AGENT, rights.any_erasure), (rights.AGENT, rights.any_answer),
        (rights.AGENT, rights.refuse), (rights.AGENT, rights.object_and_restrict),
        (agents.CLAIMS_AGENT, incidents.from_alert_to_review),
        (agents.CODING, changes.whole_change),
        (agents.CODING, lifecycle.test_kill_switch), (agents.PAYMENTS, lifecycle.raise_limits),
        (office, oversight.disable_guardrail), (office, oversight.relax_policy),
        (office, oversight.mend_both), (office, oversight.hold), (office, oversight.assess_risks),
        (office, oversight.remove_old), (office, oversight.look_after_vendors),
        (agents.SSO, access.reviewed_emergency), (office, access.review_access),
        (office, lambda story: access.join(story, f"trainee.{story.word(3)}")),
        (office, lambda story: access.leave(story, f"trainee.{story.word(3)}")),
        (agents.SUPPORT, lambda story: oversight.registers(story, agents.SUPPORT)),
        (office, lambda story: oversight.register_activity(
            story, CARE, action="processing.activity_changed")),
        (office, lambda story: oversight.register_activity(story, CARE)),
        (office, lambda story: oversight.assess_impact(story, CLAIMS)),
    )  # fmt: skip
    for number, (agent, tell) in enumerate(rehearsed):
        moment = at + timedelta(seconds=number)
        _squeeze(chronicle, tell, agent, moment, replicas, environment="staging")
    for agent, told in (
        (agents.CLAIMS_AGENT, oversight.override),
        (agents.RESEARCH, oversight.evaluate),
        (office, oversight.review_log),
        (agents.OPERATIONS, machines.back_up),
        (agents.OPERATIONS, machines.test_restore),
        (agents.OPERATIONS, machines.run_rules),
        (agents.OPERATIONS, machines.report_queue),
        (agents.OPERATIONS, machines.measure),
    ):
        _squeeze(chronicle, told, agent, at + timedelta(seconds=30), replicas)
    for number, (person, ends) in enumerate(
        ((people.MIRA, "auth.logout"), (people.VERA, "auth.session_expired"))
    ):
        moment = at + timedelta(seconds=5 * number)
        _squeeze(
            chronicle,
            lambda story, p=person, e=ends: access.sign_in(story, p, ends=e),  # type: ignore[misc]
            agents.SSO,
            moment,
            replicas,
        )
    _squeeze(chronicle, _doors, agents.SSO, at, replicas)


def _doors(story: Story) -> None:
    """Tell of a token, a forgotten password and a closed account."""
    access.issue_token(story)
    access.fail(story, people.RAVI.id, people.RAVI.ip)
    story.wait(20)
    access.lock_out(story, people.RAVI.id)


def _pilot(chronicle: Chronicle, at: datetime, replicas: dict[str, str]) -> None:
    """Tell of an agent's whole life, from its registration to its last key."""

    def life(story: Story) -> None:
        lifecycle.register(story)
        access.rotate(story, story.agent.id)
        lifecycle.start(story)
        story.wait(60)
        lifecycle.beat(story)
        story.think(tokens=(700, 600))
        lifecycle.suspend(story)
        story.wait(60)
        lifecycle.stop(story)
        lifecycle.retire(story)

    _squeeze(chronicle, life, agents.TRANSLATOR, at, replicas, environment="staging")


def _go_on(chronicle: Chronicle, now: datetime, seconds: int, replicas: dict[str, str]) -> None:
    """Tell ordinary work that begins after now, one piece after another."""
    chance = chronicle.world.chance("live/on")
    end = now + timedelta(seconds=seconds)
    at = now + timedelta(seconds=1)
    while at < end - timedelta(seconds=5):
        agent, episodes = chance.choices(WORK, [each.share for each, _ in WORK])[0]
        tell = chance.choices([verb for _, verb in episodes], [weight for weight, _ in episodes])[0]
        room = min(timedelta(seconds=60), end - at - timedelta(seconds=2))
        chronicle.squeeze(tell, agent, at, room=room, replica=replicas[agent.id])
        at += _EVERY * chance.uniform(0.3, 1.7)


def _stop(chronicle: Chronicle, at: datetime, replicas: dict[str, str]) -> None:
    for agent in (*agents.WORKERS, agents.SSO, agents.BACK_OFFICE):
        if agent is not FALLS_SILENT:
            story = chronicle.begin(agent, at, replica=replicas[agent.id])
            lifecycle.stop(story, "the demo is over")

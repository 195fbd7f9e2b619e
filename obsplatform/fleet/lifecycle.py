"""How an agent comes, lives and goes: registration, scope, heartbeats, suspension, retirement."""

from __future__ import annotations

from obsplatform.fleet import people
from obsplatform.fleet.agents import Agent
from obsplatform.fleet.story import Story


def register(story: Story) -> None:
    """Enter the agent in the register with its owner, and grant it its scope."""
    agent = story.agent
    story.tell(
        "agent.registered",
        actor=people.VERA,
        target=("agent", agent.id),
        details={"purpose": agent.role},
    )
    # The owner has put `agent.owner` there: the register, not the agent, says who owns it.
    story.acts[-1].event["agent"]["owner"] = agent.owner.id
    approval = story.approved(f"scope of {agent.id}", people.DARIO, within=7200)
    story.tell(
        "agent.scope_granted",
        actor=people.VERA,
        target=("agent", agent.id),
        decision={"approval_id": approval.id, "effect": "allow"},
        details={"tools": [tool.name for tool in agent.tools]},
    )
    story.tell(
        "credential.issued",
        actor=people.VERA,
        target=("credential", f"key-{agent.id}"),
        details={"valid_days": 90},
    )


def start(story: Story) -> None:
    """Tell that an instance is up."""
    story.tell("agent.started", target=("agent", story.agent.id))


def beat(story: Story) -> None:
    """Tell that an instance is alive."""
    story.tell("agent.heartbeat", target=("agent", story.agent.id))


def stop(story: Story, reason: str = "shut down in order") -> None:
    """Tell that an instance goes down."""
    story.tell("agent.stopped", target=("agent", story.agent.id), reason=reason)


def suspend(story: Story) -> None:
    """Hold an agent while somebody looks."""
    story.tell(
        "agent.suspended",
        target=("agent", story.agent.id),
        actor=people.YUKI,
        reason="held while its owner looks at yesterday's answers",
    )


def retire(story: Story) -> None:
    """Take an agent's key, and end the agent for good."""
    agent: Agent = story.agent
    story.tell(
        "credential.revoked",
        actor=people.VERA,
        target={"type": "credential", "id": f"key-{agent.id}", "owner": agent.id},
    )
    story.wait(60, 600)
    # Last of all: whatever names the agent after this is the act of a retired one.
    story.tell(
        "agent.retired",
        target=("agent", agent.id),
        actor=agent.owner,
        reason="the pilot is over",
    )


def raise_limits(story: Story) -> None:
    """Let an agent spend more, after its owner allowed it."""
    approval = story.approved(f"budget of {story.agent.id}", story.agent.owner, within=3000)
    story.tell(
        "agent.limits_raised",
        target=("agent", story.agent.id),
        actor=people.DARIO,
        decision={"approval_id": approval.id, "effect": "approved"},
        change={"from": "25 USD a day", "to": "40 USD a day"},
        reason="quarter-end",
    )


def test_kill_switch(story: Story) -> None:
    """Stop an agent by its switch, and measure how long that takes."""
    story.tell(
        "agent.kill_switch_tested",
        actor=people.YUKI,
        target=("agent", story.agent.id),
        test={"seconds_to_stop": round(story.chance.uniform(0.8, 3.1), 2)},
    )

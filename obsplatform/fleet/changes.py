"""How a release reaches an agent: proposed, tested, approved by another, deployed, reviewed."""

from __future__ import annotations

from collections.abc import Sequence

from obsplatform.fleet import people
from obsplatform.fleet.agents import Agent, Model
from obsplatform.fleet.people import Person
from obsplatform.fleet.story import Story, prompt_hash

ReleaseValue = tuple[str, str]
"""What is new, and its kind: a version, a model, a prompt."""


def of_release(agent: Agent, version: str) -> list[ReleaseValue]:
    """Return what a release of an agent brings: its version and its system prompt."""
    values = [(version, "agent_version")]
    return values + ([(prompt_hash(agent, version), "prompt")] if agent.chat else [])


def of_model(model: Model) -> list[ReleaseValue]:
    """Return what a model brings that events will name."""
    return [(model.provider, "model"), (model.name, "model"), (model.version, "model")]


def release(
    story: Story,
    agent: Agent,
    values: Sequence[ReleaseValue],
    *,
    change_id: str,
    author: Person = people.RAVI,
    approver: Person | None = people.LENA,
    is_tested: bool = True,
    is_emergency: bool = False,
) -> None:
    """Bring a change into production; without an approver it goes there on its own."""
    target = ("agent", agent.id)
    about = {"id": change_id, "object_id": agent.id, "author": author.id, "kind": "release"}
    story.tell("change.proposed", actor=author, target=target, change=about)
    story.wait(900, 3600)
    if is_tested:
        story.tell(
            "change.tested",
            actor=people.DARIO,
            target=target,
            change={**about, "test_ref": f"ci/{story.word(8)}"},
        )
        story.wait(300, 2400)
    if approver is not None:
        story.tell("change.approved", actor=approver, target=target, change=about)
        story.wait(120, 900)
    for value, kind in values:
        story.tell(
            "change.deployed",
            actor={"type": "service", "id": "deployer"},
            target=target,
            change={
                **about,
                "kind": kind,
                "to": value,
                **({"emergency": True} if is_emergency else {}),
            },
        )
    if is_emergency:
        story.wait(20 * 3600, 50 * 3600)
        story.tell("change.reviewed", actor=people.HELEN, target=target, change=about)


def roll_back(story: Story, agent: Agent, *, change_id: str, back_to: str, was: str) -> None:
    """Take a release back."""
    story.tell(
        "change.rolled_back",
        actor=people.RAVI,
        target=("agent", agent.id),
        change={"id": change_id, "object_id": agent.id, "from": was, "to": back_to},
        severity="medium",
        reason="one test in four hung",
    )


def whole_change(story: Story) -> None:
    """Tell of a change from proposal to review, and that it was taken back."""
    agent = story.agent
    change_id = f"CHG-{story.chance.randint(3000, 9999)}"
    release(story, agent, [("rehearsal", "prompt")], change_id=change_id, is_emergency=True)
    roll_back(story, agent, change_id=change_id, back_to=story.version, was="rehearsal")

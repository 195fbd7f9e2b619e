"""Put numbers on acts and group them into POSTs, as agents and people would send them.

Agents' own acts go with a key of scope events:write, what people decide and what machines say with
the governance key. The order is the order of time, whatever the key: an approval stands in the
ledger before the call it allows.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from audit.actions import scope_needed
from obsplatform.fleet.teller import Act, Event

POST_SIZE = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """Events that go out in one POST."""

    needs_governance: bool
    events: list[Event] = field(default_factory=list)


def needs_governance(action: str) -> bool:
    """Tell whether an agent's own key may not send this."""
    return scope_needed(action) != "events:write"


def numbered(acts: Iterable[Act]) -> list[Event]:
    """Return the events with `client_seq` counted for each instance of an agent.

    Only what agents send themselves is counted: people's acts come another way.
    """
    counts: dict[tuple[str, str], int] = {}
    events: list[Event] = []
    for act in acts:
        event = act.event
        if needs_governance(event["action"]):
            # People and machines speak through the platform's key, not through an instance.
            event["agent"].pop("instance_id", None)
        else:
            agent = event["agent"]
            instance = (agent["id"], agent["instance_id"])
            number = counts.get(instance, 0) + 1 + act.lost_before
            counts[instance] = number
            event["client_seq"] = number
        events.append(event)
    return events


def deliveries(events: Iterable[Event], *, size: int = POST_SIZE) -> Iterator[Delivery]:
    """Yield the POSTs in which the events go out, in their order."""
    post: Delivery | None = None
    for event in events:
        governed = needs_governance(event["action"])
        if post is None or post.needs_governance != governed or len(post.events) >= size:
            if post is not None:
                yield post
            post = Delivery(needs_governance=governed)
        post.events.append(event)
    if post is not None:
        yield post


def again(events: list[Event], run: str) -> list[Event]:
    """Return a run's own events as a nervous client sends them a second time."""
    return [each for each in events if each["run"]["id"] == run and "client_seq" in each]


def contradicted(events: list[Event], run: str, *, amount: float) -> Event:
    """Return an event under an id that is taken, telling of another sum."""
    original = next(
        each for each in events if each["run"]["id"] == run and each["action"] == "tool.invoke"
    )
    changed: Event = copy.deepcopy(original)
    changed["details"] = {**changed.get("details", {}), "amount_eur": amount}
    return changed

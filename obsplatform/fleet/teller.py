"""A teller writes events of one agent and run, one after the other, on a clock of its own.

What agents do, as verbs: story.py. Numbers of `client_seq` are given at the end, by `deliver.py`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

from audit.actions import ACTIONS
from obsplatform.fleet.agents import Agent
from obsplatform.fleet.people import Person
from obsplatform.fleet.world import World, written

Event: TypeAlias = dict[str, Any]
"""An event as it is posted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Act:
    """An event, the moment it happens, and numbers of `client_seq` that got lost before it."""

    at: datetime
    event: Event
    lost_before: int = 0


class Teller:
    """Tells what one agent does in one run, and what every event of that agent says."""

    def __init__(
        self,
        world: World,
        agent: Agent,
        *,
        at: datetime,
        chance: random.Random,
        pace: float = 1.0,
        run: str | None = None,
        replica: str | None = None,
        environment: str = "prod",
    ) -> None:
        """Begin at `at`; `pace` shortens every wait, so that a story of hours fits into minutes."""
        self.world = world
        self.agent = agent
        self.at = at
        self.chance = chance
        self.acts: list[Act] = []
        self.began = at
        self._pace = pace
        self._environment = environment
        self.version = agent.version_at(world.days_ago(at))
        self.replica = replica or f"{agent.id}-{chance.randint(1, agent.replicas)}"
        self.run_id = run or f"run-{self.word(10)}"
        self._has_name = run is not None
        self.trace_id = self.word(32)
        self._root = self.word(16)
        self._has_root = False
        self._has_erred = False
        self.conversation: str | None = None
        self.case: dict[str, Any] = {}
        """Members of `case` that every act of this story carries beside its own."""

    def named(self, prefix: str) -> str:
        """Return the story's name for use as a case's, making one when it was given none."""
        if not self._has_name:
            self.run_id = f"{prefix}-{self.word(5)}"
            self._has_name = True
        return self.run_id

    # --- Chance and time ---

    def word(self, length: int) -> str:
        """Return so many hex digits."""
        return f"{self.chance.getrandbits(4 * length):0{length}x}"

    def happens(self, share: float) -> bool:
        """Tell whether something that happens in this share of stories happens in this one."""
        return self.chance.random() < share

    def errs(self, share: float) -> bool:
        """Tell whether ordinary work meets an error here: in this share, once an agent and day.

        More in a day would break OPS-01 by chance; what breaks it is planted.
        """
        if not self.happens(share) or self._has_erred:
            return False
        self._has_erred = True
        return self.world.may_err(self.agent.id, self.began, story=self.trace_id)

    def wait(self, low: float, high: float | None = None) -> None:
        """Let seconds pass."""
        seconds = low if high is None else self.chance.uniform(low, high)
        self.at += timedelta(seconds=seconds * self._pace)

    def later(self, *, hours: float) -> str:
        """Return a time after this moment, as events write it."""
        return written(self.at + timedelta(hours=hours))

    def elapsed(self) -> float:
        """Return the milliseconds since the story began."""
        return round((self.at - self.began).total_seconds() * 1000, 1)

    # --- One act ---

    def tell(
        self,
        action: str,
        *,
        target: tuple[str, str] | Mapping[str, str] | None = None,
        actor: Mapping[str, Any] | Person | None = None,
        outcome: str = "success",
        lost_before: int = 0,
        **blocks: Any,
    ) -> str:
        """Write one act down, a moment later than the one before, and return its id."""
        self.at += timedelta(milliseconds=self.chance.randint(2, 40))
        event_id = self._event_id()
        event: Event = {
            "id": event_id,
            "occurred_at": written(self.at),
            "category": ACTIONS.get(action, blocks.pop("category", "action")),
            "action": action,
            "outcome": outcome,
            "agent": self._agent(),
            "actor": self._actor(actor),
        }
        if target is not None:
            kind_and_id = not isinstance(target, Mapping)
            event["target"] = (
                dict(zip(("type", "id"), target, strict=True))
                if kind_and_id
                else {
                    **target  # type: ignore[dict-item]
                }
            )
        event["run"] = {"id": self.run_id, **blocks.pop("run", {})}
        event["trace"] = {**self._span(), **blocks.pop("trace", {})}
        case = {**self.case, **blocks.pop("case", {})}
        if case:
            event["case"] = case
        event.update({name: value for name, value in blocks.items() if value is not None})
        self.acts.append(Act(at=self.at, event=event, lost_before=lost_before))
        return event_id

    def _event_id(self) -> str:
        """Return a UUIDv7 of this moment; its random bits come from the story's chance."""
        number = int(self.at.timestamp() * 1000) << 80 | self.chance.getrandbits(80)
        number = number & ~(0xF << 76) | 0x7 << 76
        return str(UUID(int=number & ~(0x3 << 62) | 0x2 << 62))

    def _agent(self) -> dict[str, str]:
        return {
            "id": self.agent.id,
            "name": self.agent.name,
            "role": self.agent.role,
            "framework": self.agent.framework,
            "version": self.version,
            "instance_id": self.replica,
            "environment": self._environment,
        }

    def _actor(self, actor: Mapping[str, Any] | Person | None) -> dict[str, Any]:
        if actor is None:
            return {"type": "agent", "id": self.agent.id}
        return actor.actor() if isinstance(actor, Person) else dict(actor)

    def _span(self) -> dict[str, str]:
        span = {"trace_id": self.trace_id, "span_id": self.word(16)}
        if self._has_root:
            span["parent_id"] = self._root
        else:
            self._has_root = True
            span["span_id"] = self._root
        if self.conversation is not None:
            span["conversation_id"] = self.conversation
        return span

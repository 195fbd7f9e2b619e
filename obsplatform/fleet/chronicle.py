"""Collect the stories of a world and put their acts in the order in which they happened."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from obsplatform.fleet.agents import Agent
from obsplatform.fleet.story import Story
from obsplatform.fleet.teller import Act
from obsplatform.fleet.world import World


class Chronicle:
    """All stories told so far. Each has a source of chance of its own."""

    def __init__(self, world: World, *, part: str) -> None:
        """`part` keeps the chance of history and live apart."""
        self.world = world
        self.part = part
        self.stories: list[Story] = []

    def begin(
        self,
        agent: Agent,
        at: datetime,
        *,
        run: str | None = None,
        replica: str | None = None,
        environment: str = "prod",
        pace: float = 1.0,
    ) -> Story:
        """Begin a story and keep it."""
        story = self._story(
            agent,
            at,
            run=run,
            replica=replica,
            environment=environment,
            pace=pace,
            number=len(self.stories),
        )
        self.stories.append(story)
        return story

    def squeeze(
        self,
        tell: Callable[[Story], object],
        agent: Agent,
        at: datetime,
        *,
        room: timedelta,
        replica: str | None = None,
        environment: str = "prod",
    ) -> Story:
        """Tell a story so fast that it fits into `room`; a trial tells its length."""
        trial = self._story(
            agent, at, replica=replica, environment=environment, number=len(self.stories)
        )
        tell(trial)
        pace = min(1.0, room / max(trial.at - at, timedelta(seconds=1)))
        story = self.begin(agent, at, replica=replica, environment=environment, pace=pace)
        tell(story)
        return story

    def _story(
        self,
        agent: Agent,
        at: datetime,
        *,
        number: int,
        run: str | None = None,
        replica: str | None = None,
        environment: str = "prod",
        pace: float = 1.0,
    ) -> Story:
        return Story(
            self.world,
            agent,
            at=at,
            chance=self.world.chance(f"{self.part}/{agent.id}/{number}"),
            pace=pace,
            run=run,
            replica=replica,
            environment=environment,
        )

    def acts(self) -> list[Act]:
        """Return every act, earliest first."""
        return sorted((act for story in self.stories for act in story.acts), key=_when)


def _when(act: Act) -> datetime:
    return act.at

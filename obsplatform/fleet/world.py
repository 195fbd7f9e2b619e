"""The moment a fleet is told at, its seed, and how far it looks back. All chance starts here."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """What every story is told in. Same world, same events."""

    now: datetime
    """UTC."""
    seed: int
    days: int
    """How far the ordinary work reaches back; what stood before it is a little older."""

    _erred: dict[tuple[str, date], str] = field(default_factory=dict, compare=False, repr=False)
    """Agents, days, and the story in which the agent's work met an error on that day."""

    def may_err(self, agent: str, moment: datetime, *, story: str) -> bool:
        """Take an agent's one error of a day; tell whether it is this story's.

        The same story is answered the same again: some are told twice (Chronicle.squeeze).
        """
        return self._erred.setdefault((agent, moment.date()), story) == story

    def chance(self, name: str) -> random.Random:
        """Return a source of chance of its own, so that one story does not shift another."""
        return random.Random(f"{self.seed}/{self.now.isoformat()}/{name}")  # noqa: S311  # seeded

    def day(self, days_ago: int, clock: str) -> datetime:
        """Return a time of day (UTC, `14:05`) so many calendar days before now."""
        date = (self.now - timedelta(days=days_ago)).date()
        return datetime.combine(date, time.fromisoformat(clock), UTC)

    def days_ago(self, moment: datetime) -> int:
        """Return how many calendar days (UTC) before now a moment lies."""
        return (self.now.date() - moment.date()).days


def written(moment: datetime) -> str:
    """Return a time as agents send it: UTC, milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

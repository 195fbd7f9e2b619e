"""Which entries the tables of a law look at: a period as it stood at a moment, and where. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from compliance.law.told import Told


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """A period as far as a ledger can be read in it."""

    start: int
    """us"""
    end: int
    """us; the period is [start, end)."""
    as_of: int
    """us; what happened later is not known yet."""
    environment: str | None
    """Of the agents that count; None: all."""

    def has(self, at: int) -> bool:
        """Tell whether a moment, us, lies in the period and is known."""
        return self.start <= at < self.end and at <= self.as_of

    def holds(self, told: Told) -> bool:
        """Tell whether an entry is of the period and of the environment."""
        return self.has(told.at) and self.is_of(told)

    def is_of(self, told: Told) -> bool:
        """Tell whether an entry is of the environment."""
        return self.environment is None or told.environment == self.environment

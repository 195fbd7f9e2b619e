"""Tell how far projections are behind their ledgers: row 88 of the requirements."""

from __future__ import annotations

from audit import figures
from metrics.facts import Facts
from metrics.ledger_families import PROJECTION_LAG, PROJECTION_LAG_SECONDS


def projection_lags() -> Facts:
    """Return entries not read and the age of the oldest of them, those that lag longest first."""
    facts: Facts = {}
    lags = figures.projection_lags()
    for lag in sorted(lags, key=lambda each: (-each.seconds, -each.entries)):
        labels = (lag.projection, lag.ledger)
        facts[PROJECTION_LAG.name, labels] = lag.entries
        facts[PROJECTION_LAG_SECONDS.name, labels] = lag.seconds
    return facts

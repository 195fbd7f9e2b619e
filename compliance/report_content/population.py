"""What a report says of the entries it was made from: how many, by day, and samples of them."""

from __future__ import annotations

from dataclasses import dataclass

from compliance.report_content.cover import Counted
from compliance.report_content.names import Text


@dataclass(frozen=True, kw_only=True, slots=True)
class DayLine:
    """One day of the population."""

    day: Text
    entries: int
    backfilled: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Population:
    """Where the figures come from: completeness and accuracy of the population (IPE)."""

    query: Text
    """The filter of the entries, as the Entries page and the API take it."""
    engine: Text
    """`obsplatform 0.1.0, obs-result/1`."""
    days: tuple[DayLine, ...]
    """Each day of the period, also those without entries."""
    agents: tuple[Counted, ...]
    """The most first; empty value: entries of no agent."""
    agent_days: tuple[tuple[Text, tuple[int, ...]], ...]
    """Entries a day of the eight busiest agents and, under `_other`, of the rest."""
    actions: tuple[Counted, ...]
    late: int
    """Entries of the period's days that arrived more than 24 hours after they happened, backfills
    apart."""
    restated_days: int
    """Days of lenses that late entries changed after they were over."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleItemLine:
    """One drawn item and what a person found."""

    seq: int
    item: Text
    stratum: Text
    entry_id: Text
    entry_hash: Text
    occurred_at: Text
    verdict: Text
    """`no exception`, `exception`, `not available`, or empty."""
    note: Text
    attachment: Text
    """File name and SHA-256 in hex, or empty."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleLine:
    """A work paper: a sample drawn of this snapshot."""

    sample: Text
    control: Text
    check: Text
    lens: Text
    number: Text
    """What the auditor typed after sealing."""
    seed: Text
    """HMAC-SHA-256 in hex; sample.py says of what."""
    population: int
    rule: Text
    """Why so many, in words."""
    drawn_by: Text
    drawn_at: Text
    concluded_by: Text
    conclusion: Text
    items: tuple[SampleItemLine, ...]

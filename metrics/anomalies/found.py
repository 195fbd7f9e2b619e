"""What a finding is, whoever found it, and how grave. Pure.

Made by words.py and limits.py, kept by finding.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

Detector: TypeAlias = Literal["seasonal", "together", "trend"]
Severity: TypeAlias = Literal["low", "medium", "high", "critical"]

DETECTORS: Final[Mapping[Detector, str]] = {
    "seasonal": "a series against its own weeks",
    "together": "an agent's numbers together",
    "trend": "a level that goes towards its limit",
}
TOGETHER: Final = "agent_work"
"""The measure of what is looked at together."""

MEDIUM: Final = 1.5
HIGH: Final = 2.5
"""How many times the bar a finding must lie off to be more than low."""
TOLD_OF: Final[Mapping[str, str]] = {"high": "warning", "critical": "critical"}
"""Severities that open an incident, and its severity."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something that is not as usual, or will not go well for long."""

    detector: Detector
    measure: str
    family: str
    labels: str
    """Values by which the measure is told apart, joined by a space."""
    started_at: datetime
    ended_at: datetime | None
    severity: Severity
    score: float
    """Deviations, or times the bar; of a trend, the hours that are left."""
    seen: float | None
    expected: float | None
    evidence: Mapping[str, Any]
    """`title`, `sentence`, `facts` (what, seen, usual), `chart` where there is one: words.py."""


def severity_of(times: float, *, is_grave: bool) -> Severity:
    """Return how grave it is to lie so many times the bar off."""
    if times >= HIGH:
        return "critical" if is_grave else "high"
    return "medium" if times >= MEDIUM else "low"

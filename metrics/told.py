"""Read what facts have told last, for those who show it beside /metrics.

A fact that was never told, or whose source is gone, is absent. Written by facts.py.
"""

from __future__ import annotations

from audit.database import rows
from metrics.platform_families import COMPONENT_ENABLED, OVERHEAD_RATIO

_FACTS = "SELECT labels, value FROM metrics_fact WHERE family = %s ORDER BY labels"


def components_enabled() -> dict[str, bool]:
    """Return which parts of observing are switched on."""
    return {name: value > 0 for name, value in rows(_FACTS, (COMPONENT_ENABLED.name,))}


def overheads() -> dict[str, float]:
    """Return the share of busy time that each part of observing takes, 0 to 1."""
    return dict(rows(_FACTS, (OVERHEAD_RATIO.name,)))

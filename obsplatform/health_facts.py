"""Say to /metrics how the checks of /ready stand, as a worker sees them: rows 66 and 67.

Asked by metrics.facts through settings.METRICS_FACTS. The checks themselves: readiness.py.
"""

from __future__ import annotations

from typing import Final

from metrics.facts import Facts
from metrics.platform_families import HEALTH_SCORE, HEALTH_STATUS
from obsplatform.finding import Status
from obsplatform.readiness import run_checks, weight_of

VALUES: Final[dict[Status, float]] = {"ok": 1.0, "degraded": 0.5, "critical": 0.0}


def health_facts() -> Facts:
    """Return the status of each check, and all together weighed by how bad it could be."""
    values = {result.name: VALUES[result.status] for result in run_checks()}
    facts: Facts = {(HEALTH_STATUS.name, (name,)): value for name, value in values.items()}
    whole = sum(weight_of(name) for name in values)
    facts[HEALTH_SCORE.name, ()] = (
        sum(weight_of(name) * value for name, value in values.items()) / whole
    )
    return facts

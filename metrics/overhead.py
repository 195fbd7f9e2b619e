"""Say what observing costs, out of what processes have measured of themselves.

Reads the last minutes of metrics_processminute, which every process of the platform adds to. Time
that a component takes is held against the processor time of all roles together. Who measures:
flushing.py. Shown at the desk (metrics.admin.switches) and as row 63 of /metrics.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone

from audit.database import rows
from metrics.platform_families import OVERHEAD_RATIO, OVERHEAD_SECONDS, PROCESS_CPU

WINDOW: Final = timedelta(minutes=5)
"""How far back is looked."""
ALL: Final = "all"
"""The component that is the sum of the others."""

_SUMS = """
SELECT family, labels, sum(n)
FROM metrics_processminute
WHERE family = ANY(%s)
  AND minute >= %s
  AND minute <= %s
GROUP BY family, labels
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What one component of observing took."""

    component: str
    per_second: float
    """Seconds of it in a second of the clock."""
    ratio: float | None
    """Of the processor time of all roles; None when no process has told its own."""


def costs(now: datetime) -> list[Cost]:
    """Return the cost of each component in the last minutes, the sum last; none without figures."""
    since = now.replace(second=0, microsecond=0) - WINDOW
    took: defaultdict[str, float] = defaultdict(float)
    busy = 0.0
    families = [OVERHEAD_SECONDS.name, PROCESS_CPU.name]
    for family, labels, number in rows(_SUMS, (families, since, now)):
        if family == PROCESS_CPU.name:
            busy += float(number) / PROCESS_CPU.scale
        else:
            took[labels] += float(number) / OVERHEAD_SECONDS.scale
    if not took:
        return []
    took[ALL] = sum(took.values())
    seconds = (now - since).total_seconds()
    return [
        Cost(
            component=component,
            per_second=each / seconds,
            ratio=each / busy if busy else None,
        )
        for component, each in sorted(took.items(), key=lambda one: (one[0] == ALL, one[0]))
    ]


def overhead_facts() -> dict[tuple[str, tuple[str, ...]], float]:
    """Return the share of busy time that each component takes, and all together: row 63."""
    return {
        (OVERHEAD_RATIO.name, (cost.component,)): cost.ratio
        for cost in costs(timezone.now())
        if cost.ratio is not None
    }

"""Hold what was measured last against the targets of performance: row 64 of the requirements.

A target's value is 1 when it is kept and 0 when it is not; one that nothing was measured of is
absent. "95 %" is counted in buckets whose edge is the target itself, so nothing is interpolated.
Of histories the newest 15 minutes in which anything happened are looked at; of counts that only
grow, what came since the oldest memory (past.py). Each target: docs/observability.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from audit.database import rows
from metrics.facts import Facts
from metrics.families import BY_NAME
from metrics.family import Family
from metrics.ledger_families import INGEST_LAG
from metrics.past import append_counts, counting, grown
from metrics.platform_families import HTTP_SECONDS, TARGET_MET
from metrics.target_limits import (
    APPEND_SECONDS,
    CHAINED_SECONDS,
    HEALTH_SECONDS,
    MOST_OVERHEAD,
    OPERATION_SECONDS,
)
from metrics.told import overheads

SHARE: Final = 0.95

_RECENT = """
SELECT m.buckets
FROM metrics_processminute AS m
WHERE m.family = %(family)s
  AND m.labels ~ %(labels)s
  AND m.minute > (
      SELECT max(newest.minute) - interval '15 minutes'
      FROM metrics_processminute AS newest
      WHERE newest.family = %(family)s
        AND newest.labels ~ %(labels)s
        AND newest.minute > clock_timestamp() - interval '1 day'
  )
"""


def targets_met() -> Facts:
    """Return which targets are kept, those alone that something was measured of."""
    found: dict[str, bool | None] = {name: ask() for name, ask in TARGETS.items()}
    ratios = overheads()
    for component, most in MOST_OVERHEAD.items():
        if component in ratios:
            found[f"{component}_overhead"] = ratios[component] < most
    return {
        (TARGET_MET.name, (name,)): float(is_met)
        for name, is_met in found.items()
        if is_met is not None
    }


def append_in_time() -> bool | None:
    """95 % of entries are appended within 10 ms each."""
    counts = {float(edge): count for edge, count in grown("append", append_counts()).items()}
    return _is_share(
        within=sum(count for edge, count in counts.items() if edge <= APPEND_SECONDS),
        whole=sum(counts.values()),
    )


def health_in_time() -> bool | None:
    """95 % of requests to /health are answered within 10 ms."""
    return _history(HTTP_SECONDS, r"(^|[ /])health$", HEALTH_SECONDS)


def chained_in_time() -> bool | None:
    """95 % of entries are chained within 5 s of their receipt."""
    return _history(INGEST_LAG, "^chained ", CHAINED_SECONDS)


def operation_in_time() -> bool | None:
    """Tell whether counting takes less than 1 ms an entry on average, all included."""
    done = grown("counting", counting())
    if not done["entries"] or not done["seconds"]:
        return None
    return done["seconds"] / done["entries"] < OPERATION_SECONDS


TARGETS: Final[Mapping[str, Callable[[], bool | None]]] = {
    "append": append_in_time,
    "health": health_in_time,
    "chained": chained_in_time,
    "metric_operation": operation_in_time,
}
"""Besides those of MOST_OVERHEAD, whose names end in `_overhead`."""


def _history(family: Family, labels: str, edge: float) -> bool | None:
    found = rows(_RECENT, {"family": family.name, "labels": labels})
    upto = BY_NAME[family.name].edges.index(edge) + 1
    return _is_share(
        within=sum(sum(buckets[:upto]) for (buckets,) in found if buckets),
        whole=sum(sum(buckets) for (buckets,) in found if buckets),
    )


def _is_share(*, within: float, whole: float) -> bool | None:
    return within >= SHARE * whole if whole else None

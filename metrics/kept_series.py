"""Which gauges are kept by the minute, and which counters that are asked of rows. Pure.

Written by history.py, read by metrics.alerting and metrics.operations.
"""

from __future__ import annotations

from typing import Final

from metrics.families import BY_NAME, FAMILIES
from metrics.platform_families import BUILD_INFO, COLLECTOR_UP, SCRAPE_SECONDS, SNAPSHOT_AGE

MARK: Final = COLLECTOR_UP
"""The family that is kept in every minute in which any is."""

_NEVER: Final = frozenset({BUILD_INFO.name, SCRAPE_SECONDS.name, SNAPSHOT_AGE.name})
GAUGES_KEPT: Final = frozenset(
    family.name
    for family in FAMILIES
    if family.kind == "gauge" and family.sources != ("later",) and family.name not in _NEVER
)
"""Every gauge but those about one page and one build: alert rules and pages may ask for any."""

MOST_ROWS: Final = 1_440 * sum(BY_NAME[name].cap for name in GAUGES_KEPT)
"""Rows of a day when every family is at its cap."""

GROWING: Final = frozenset(
    family.name for family in FAMILIES if family.kind != "gauge" and family.sources == ("facts",)
)
"""Counters and histograms that are asked of rows, and whose growth is kept."""

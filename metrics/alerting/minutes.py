"""What minute history has of a family, and so of which families a rule can be evaluated. Pure.

Entries are kept by the minute of the act (`metrics_minute`), what processes count and what is asked
of rows by the minute in which it was counted (`metrics_processminute`), gauges as they stood last
(`metrics_gaugeminute`).
"""

from __future__ import annotations

from typing import Final

from metrics.alert_rule import Rule
from metrics.families import BY_NAME
from metrics.family import Family
from metrics.kept_series import GAUGES_KEPT
from metrics.own_series import IN_MINUTES

MINUTE_TABLES: Final = {
    "entries": "metrics_minute",
    "process": "metrics_processminute",
    "http": "metrics_processminute",
    "facts": "metrics_processminute",
}
"""By source of a counter or histogram."""


def has_minutes(family: Family) -> bool:
    """Tell whether all of a family is in minute history."""
    if family.kind == "gauge":
        return family.name in GAUGES_KEPT
    return all(
        source in MINUTE_TABLES and (source != "process" or family.name in IN_MINUTES)
        for source in family.sources
    )


def tables_of(family: Family) -> list[str]:
    """Return the tables that have the minutes of a counter or histogram."""
    return sorted({MINUTE_TABLES[source] for source in family.sources})


def lacking(rule: Rule) -> dict[str, str]:
    """Return by field which family of a sound rule history lacks; nothing when it has all."""
    if rule.is_of_prometheus:
        return {"family": "is Prometheus' own gauge, which nobody else can evaluate"}
    return {
        field: f"{name} is not kept by the minute, so only Prometheus can evaluate it; choose a "
        "family of the list"
        for field, name in (("family", rule.family), ("of", rule.of))
        if name and not has_minutes(BY_NAME[name])
    }


def families_with_minutes() -> list[Family]:
    """Return the families that a rule may be made of, in the order of the list."""
    return [family for family in BY_NAME.values() if has_minutes(family)]

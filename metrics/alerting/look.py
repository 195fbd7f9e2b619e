"""Ask minute history what a rule finds, and tell whether it holds. Reads only.

The statement: sql.py. Who remembers for how long it has held: evaluate.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import eq, gt, lt
from typing import Final

from audit.database import rows
from metrics.alert_rule import Rule
from metrics.alerting.sql import LOOKBACK, MINUTE, statement
from metrics.kept_series import MARK

_COMPARES: Final = {">": gt, "<": lt, "==": eq}
_NEWEST = "SELECT max(minute) FROM metrics_gaugeminute WHERE family = %s AND minute > %s"


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What a rule finds at a moment, of one alert."""

    at: datetime
    labels: tuple[str, ...]
    """Values, in the order of the rule's `by`."""
    value: float
    limit: float
    """What the value is compared with."""
    holds: bool


def look(
    rule: Rule, *, first: datetime, last: datetime | None = None, step: timedelta = MINUTE
) -> list[Found]:
    """Return what a rule finds at the whole minute of `first`, and each `step` up to `last`.

    By moment, then by labels; what has no figure is absent. One statement. Raises what the
    database raises. The rule has no problems, and history has its families (minutes.lacking).
    """
    first = first.replace(second=0, microsecond=0)
    asked = statement(rule, first=first, last=last or first, step=step)
    compare = _COMPARES[rule.comparison]
    found = []
    for at, labels, value, limit in rows(asked.text, asked.parameters):
        if value is None:
            continue
        bound = rule.threshold if limit is None else limit
        found.append(
            Found(
                at=at,
                labels=tuple(labels),
                value=value,
                limit=bound,
                holds=bool(compare(value, bound)),
            )
        )
    return found


def gauges_are_kept(now: datetime) -> bool:
    """Tell whether any gauge was kept in the last minutes; else rules of gauges see nothing."""
    ((newest,),) = rows(_NEWEST, (MARK.name, now - LOOKBACK))
    return newest is not None

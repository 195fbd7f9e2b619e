"""Feed both languages of a rule with the same series, and compare when its alerts fire.

Both are stepped alike, `for` included; promtool evaluates the PromQL. Compared is when each alert
fires, with a tolerance of one step: at the very edge of a threshold Prometheus has rounded a sum of
floats where we have whole numbers.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from metrics.alert_rule import Rule
from tests.metrics.alerting.fed import (
    MINUTE,
    Alert,
    Fed,
    fired_in_ours,
    fired_in_prometheus,
    write_minutes,
)

PROMTOOL = shutil.which("promtool")
BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
SELDOM = timedelta(minutes=5)
"""The step where a rule looks back a day, so that a run takes seconds."""

needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not installed: apt-get install prometheus"
)


def compared(
    rule: Rule,
    fed: Sequence[Fed],
    folder: Path,
    *,
    step: timedelta = MINUTE,
    first: timedelta = timedelta(),
) -> dict[timedelta, set[Alert]]:
    """Return when alerts fire, once both agree; ours is asked from `first` on."""
    assert PROMTOOL is not None
    last = len(fed[0].minutes) // (step // MINUTE) * step - step
    theirs = fired_in_prometheus(PROMTOOL, folder, rule, fed, step=step, last=last)
    write_minutes(BEGIN, fed)
    ours = fired_in_ours(rule, BEGIN, step=step, first=first, last=last)
    differ = [
        f"{rule.name} at {at}: Prometheus {sorted(theirs[at])}, ours {sorted(alerts)}"
        for at, alerts in ours.items()
        if at in theirs and not _is_near(theirs, ours, at, step)
    ]
    assert not differ, "\n".join(differ)
    return ours


def _is_near(
    theirs: dict[timedelta, set[Alert]],
    ours: dict[timedelta, set[Alert]],
    at: timedelta,
    step: timedelta,
) -> bool:
    """Tell whether what fires in one fires in the other, a step before or after at the latest."""
    around = [at - step, at, at + step]
    return all(
        any((alert in one.get(moment, ())) == (alert in other[at]) for moment in around)
        for one, other in ((theirs, ours), (ours, theirs))
        for alert in theirs[at] | ours[at]
    )

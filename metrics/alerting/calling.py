"""Have somebody told of what began or ceased to fire, in the transaction that remembers it.

What is called when an alert fires stands above this package (metrics.incidents), so it is given.
An alert is remembered as firing exactly when whoever was called has committed too: a process that
dies between the two looks again and calls again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog
from django.db import transaction

from metrics.alerting.evaluate import Change, evaluate

log = structlog.get_logger(__name__)


def evaluate_and_call(
    now: datetime, *, fires: Callable[[Change], None], ends: Callable[[Change], None]
) -> int:
    """Evaluate all rules, call for each change in its turn, and return how many there were.

    Raises what the database or the called raises; nothing is remembered then.
    """
    with transaction.atomic():
        changes = evaluate(now)
        for change in changes:
            (fires if change.is_firing else ends)(change)
    for change in changes:
        log.info(
            "alerts.fires" if change.is_firing else "alerts.ends",
            rule=change.name,
            labels=dict(change.labels),
            value=change.value,
        )
    return len(changes)

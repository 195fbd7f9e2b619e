"""Find the traces behind a page's distributions: of each bucket the newest entry that named one.

A trace is told only while it is kept; what keeps traces is another app, reached by
`settings.TRACE_LINK`. Reads only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.conf import settings
from django.utils.module_loading import import_string

from audit.database import rows
from metrics.families import BY_NAME
from metrics.operations.chart import Unit
from metrics.operations.series_read import Scope
from metrics.operations.units import said
from metrics.operations.window import Window

MOST: Final = 10
"""Traces that a page shows."""
_MOST_READ: Final = 200

_NEWEST = """
SELECT ledger_id, family, labels, trace_id, value, at
FROM metrics_exemplar
WHERE ledger_id = ANY(%s)
  AND family = ANY(%s)
  AND at >= %s
  AND at < %s
ORDER BY at DESC
LIMIT %s
"""
_UNITS: Final[dict[str, Unit]] = {"seconds": "seconds", "usd": "usd", "bytes": "bytes"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """One act that a distribution counted, and its trace."""

    family: str
    labels: str
    """Values of the family's labels, as they are kept."""
    value: str
    at: datetime
    trace_id: str
    url: str


def examples(families: Iterable[str], window: Window, scope: Scope) -> list[Example]:
    """Return the newest acts of a range whose traces are kept, one a trace, at most MOST."""
    link: Callable[[int, str, str], str] = import_string(settings.TRACE_LINK)
    found: dict[str, Example] = {}
    asked = (list(scope.ledgers), sorted(set(families)), window.start, window.end, _MOST_READ)
    for ledger_id, family, labels, trace_id, value, at in rows(_NEWEST, asked):
        if trace_id in found or family not in BY_NAME:
            continue
        url = link(ledger_id, scope.ledgers[ledger_id], trace_id)
        if not url:
            continue
        of = BY_NAME[family]
        found[trace_id] = Example(
            family=family,
            labels=labels,
            value=said(float(value) / of.scale, _UNITS.get(of.unit, "count")),
            at=at,
            trace_id=trace_id,
            url=url,
        )
        if len(found) == MOST:
            break
    return list(found.values())

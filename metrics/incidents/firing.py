"""Tell which alerts fire now: row 77 of the requirements.

An alert fires from when its incident was opened until whoever told of it says that it has ended;
a person who resolves the incident says no more than that somebody saw to it. Which of them were
ever told of is counted where incidents are opened (opening.py).
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from audit.database import rows
from metrics.facts import Facts
from metrics.incidents.opening import FROM_ALERTS
from metrics.labels import OTHER, normalise
from metrics.platform_families import ALERTS_FIRING

_UNDER_WAY = """
SELECT name, severity, count(*)
FROM metrics_incident
WHERE ended_at IS NULL
  AND source = ANY(%s)
GROUP BY name, severity
ORDER BY count(*) DESC, name, severity
"""
_SEVERITIES: Final = 2
"""Of incidents: warning and critical; each has one series for what found no place."""


def firing() -> Facts:
    """Return how many alerts fire now by name and severity; beyond the cap, under `_other`.

    Names are normalised as all labels are: in lower case.
    """
    counts: Counter[tuple[str, str]] = Counter()
    named = ALERTS_FIRING.cap - _SEVERITIES
    for name, severity, number in rows(_UNDER_WAY, (sorted(FROM_ALERTS),)):
        key = (normalise(name), severity)
        counts[key if key in counts or len(counts) < named else (OTHER, severity)] += number
    return {(ALERTS_FIRING.name, key): float(number) for key, number in counts.items()}

"""One look: find what is not as usual, tell of what is grave, propose what may help.

Woken by tasks.py each five minutes. What it does to anything but its own rows waits for a person:
deciding.py.
"""

from __future__ import annotations

from datetime import datetime

from metrics.anomalies import finding, telling
from metrics.models import Anomaly
from metrics.remedies.proposing import propose


def look(now: datetime) -> None:
    """Find, tell and propose. What was told of or proposed before stays as it is."""
    looked = finding.find(now)
    anomalies = Anomaly.objects.in_bulk([*(one.id for one in looked.kept), *looked.ended])
    for kept in looked.kept:
        telling.tell(anomalies[kept.id])
        if anomalies[kept.id].is_real is not False:
            propose(kept.id, kept.finding)
    for number in looked.ended:
        ended_at = anomalies[number].ended_at
        if ended_at is not None:
            telling.tell_of_end(anomalies[number], ended_at)

"""Put messages about incidents on their way: one to each receiver at the opening, one at the end.

In the transaction of what they tell of, so that neither is lost without the other. A receiver hears
of the severities that it was made for, and of the end of what it heard the beginning of, once.
Sending: deliver.py, for which the bell is rung once all is committed.
"""

from __future__ import annotations

from typing import Final

from django.db import transaction

from audit import bell
from audit.database import rows
from metrics.models import Incident, Receiver

TASK: Final = "metrics.notify"

_OPENING = """
INSERT INTO metrics_notification (receiver_id, incident_id, what)
SELECT id, %(incident)s, 'firing'
FROM metrics_receiver
WHERE ended_at IS NULL
  AND (severity = 'warning' OR severity = %(severity)s)
ON CONFLICT DO NOTHING
RETURNING id
"""
_END = """
INSERT INTO metrics_notification (receiver_id, incident_id, what)
SELECT receiver.id, told.incident_id, 'resolved'
FROM metrics_notification AS told
JOIN metrics_receiver AS receiver ON receiver.id = told.receiver_id
WHERE told.incident_id = %(incident)s
  AND told.what = 'firing'
  AND receiver.ended_at IS NULL
ON CONFLICT DO NOTHING
RETURNING id
"""
_TRIAL = """
INSERT INTO metrics_notification (receiver_id, what)
VALUES (%(receiver)s, 'trial')
RETURNING id
"""


def tell_of_opening(incident: Incident) -> int:
    """Tell every receiver that is for its severity; return how many."""
    return _put(_OPENING, incident=incident.id, severity=incident.severity)


def tell_of_end(incident: Incident) -> int:
    """Tell whoever was told of its opening, unless that was done; return how many."""
    return _put(_END, incident=incident.id)


def try_receiver(receiver: Receiver) -> int:
    """Send a trial to one receiver."""
    return _put(_TRIAL, receiver=receiver.id)


def _put(statement: str, **asked: object) -> int:
    made = len(rows(statement, asked))
    if made:
        transaction.on_commit(lambda: bell.ring(0, task=TASK))
    return made

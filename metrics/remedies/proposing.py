"""Propose what may help against a finding: to pause the API key of the agent, to tell receivers.

A proposal is a row and changes nothing. Pausing is proposed for high and critical findings of one
agent that does too much, of the keys that its entries came with; telling people for medium ones,
since graver ones open an incident by themselves. Who decides: deciding.py. Called by looking.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db import transaction

from audit.database import rows
from metrics.anomalies.found import TOGETHER, TOLD_OF, Finding
from metrics.anomalies.watched import BY_MEASURE

MOST_KEYS: Final = 3
"""Keys that are proposed of one agent: those that brought most of it."""
_ENTRIES: Final = 500
_LOOKED_THROUGH: Final = 5_000

# The newest entries of the agent since it began: found by the index of agents.
_KEYS = """
SELECT recent.key_id, count(*)
FROM (
    SELECT e.key_id
    FROM audit_entry AS e
    JOIN audit_ledger AS l ON l.id = e.ledger_id
    WHERE (%(ledger)s = '' OR l.name = %(ledger)s)
      AND (e.ledger_id, e.agent_id) IN (
          SELECT s.ledger_id, label.key
          FROM metrics_state AS s, jsonb_each_text(s.state -> 'agents') AS label
          WHERE label.value = %(agent)s
      )
      AND e.occurred_at >= %(since)s
    ORDER BY e.seq DESC
    LIMIT %(entries)s
) AS recent
JOIN audit_agentkey AS k ON k.key_id = recent.key_id
WHERE k.revoked_at IS NULL
  AND k.paused_at IS NULL
GROUP BY recent.key_id
ORDER BY count(*) DESC, recent.key_id
LIMIT %(most)s
"""
# Of the newest entries of the ledger: whom else pausing would stop.
_OTHERS = """
SELECT count(DISTINCT recent.agent_id)
FROM (
    SELECT e.agent_id, e.key_id
    FROM audit_entry AS e
    WHERE e.ledger_id = (SELECT k.ledger_id FROM audit_agentkey AS k WHERE k.key_id = %(key)s)
    ORDER BY e.seq DESC
    LIMIT %(entries)s
) AS recent
WHERE recent.key_id = %(key)s
"""
_PROPOSE = """
INSERT INTO metrics_remedy (anomaly_id, act, target, reason)
VALUES (%s, %s, %s, %s)
ON CONFLICT ON CONSTRAINT metrics_remedy_once DO NOTHING
RETURNING id
"""


def agent_of(finding: Finding) -> tuple[str, str] | None:
    """Return ledger (empty: any) and label of the agent that a finding is about; None of others."""
    if finding.measure == TOGETHER:
        ledger, _, agent = finding.labels.partition(" ")
        return ledger, agent
    measure = BY_MEASURE.get(finding.measure)
    if measure is not None and measure.by == ("agent",):
        return "", finding.labels
    return None


def propose(anomaly_id: int, finding: Finding) -> list[int]:
    """Write the proposals for a finding, each once; return the numbers of the new ones."""
    return [
        number
        for act, target, reason in _proposals(finding)
        for (number,) in rows(_PROPOSE, (anomaly_id, act, target, reason))
    ]


def _proposals(finding: Finding) -> Iterable[tuple[str, str, str]]:
    sentence = str(finding.evidence["sentence"])
    if finding.severity == "medium":
        yield "notify", "receivers", f"People who can judge should know. {sentence}"
    agent = agent_of(finding)
    # Whoever does too little is not helped by being refused.
    is_too_little = finding.detector == "seasonal" and finding.score < 0
    if agent is None or is_too_little or finding.severity not in TOLD_OF:
        return
    for key_id, number in _keys(*agent, since=finding.started_at):
        yield (
            "pause_key",
            key_id,
            f"It brought {number:,} of the agent's newest entries since this began. Paused, "
            f"whoever uses it is refused until somebody resumes it{_others(key_id)}. {sentence}",
        )


def _others(key_id: str) -> str:
    """Return a warning where other agents use the key too."""
    ((agents,),) = rows(_OTHERS, {"key": key_id, "entries": _LOOKED_THROUGH})
    return f": of late {agents:,} agents use it, and all are stopped" if agents > 1 else ""


def _keys(ledger: str, agent: str, *, since: datetime) -> list[tuple[str, int]]:
    asked = {
        "ledger": ledger,
        "agent": agent,
        "since": since.astimezone(UTC) - timedelta(minutes=15),
        "entries": _ENTRIES,
        "most": MOST_KEYS,
    }
    with transaction.atomic():
        return [(key_id, number) for key_id, number in rows(_KEYS, asked)]

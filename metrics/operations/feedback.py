"""What people said of agents, and how their sessions went: from the newest entries of a range.

Minute history counts how often somebody said something, and not what, and knows no sessions. So the
newest thousand entries `feedback.received` are read, and the newest thousand of any act.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from audit.database import rows
from metrics.operations.people import FEEDBACK
from metrics.operations.series_read import Scope
from metrics.operations.window import Window

MOST_ENTRIES: Final = 1_000
_MOST_LINES: Final = 20
_CONTENT: Final = 0.5
"""From this score on somebody was content: the middle of 0 to 1."""

_NEWEST = """
SELECT agent_id, record
FROM audit_entry
WHERE ledger_id = %s
  AND action = %s
  AND occurred_at >= %s
  AND occurred_at < %s
  AND (%s::text[] IS NULL OR agent_id = ANY(%s))
ORDER BY seq DESC
LIMIT %s
"""
# Sessions stand in records alone.
_NEWEST_OF_ALL = """
SELECT record
FROM audit_entry
WHERE ledger_id = %s
  AND occurred_at >= %s
  AND occurred_at < %s
  AND (%s::text[] IS NULL OR agent_id = ANY(%s))
ORDER BY seq DESC
LIMIT %s
"""
_FAILED: Final = ("failure", "error")


@dataclass(kw_only=True, slots=True)
class Opinion:
    """What was said of an agent, of one kind."""

    agent_id: str
    kind: str
    times: int = 0
    scores: list[float] = field(default_factory=list)

    @property
    def mean(self) -> float | None:
        """Return how content people were, 0 to 1, where they said a score."""
        return sum(self.scores) / len(self.scores) if self.scores else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """What the newest entries of a range say."""

    entries: int
    opinions: Sequence[Opinion]
    """The least content first."""
    mean: float | None
    content: int
    """Scores of a half and more."""
    scores: int
    looked: int
    """How many of the newest entries of any act were looked at for sessions."""
    sessions: int
    sessions_well: int
    """Of them, those without an act that failed."""


def feedback(scope: Scope, window: Window, ids: Sequence[str] | None) -> Said:
    """Return what people said; `ids`: of these agents alone, None for all."""
    found: defaultdict[tuple[str, str], Opinion] = defaultdict(
        lambda: Opinion(agent_id="", kind="")
    )
    number, looked = 0, 0
    failed: dict[str, bool] = {}
    only = None if ids is None else list(ids)
    for ledger in scope.ledgers:
        asked = (ledger, FEEDBACK, window.start, window.end, only, only, MOST_ENTRIES)
        for agent_id, record in rows(_NEWEST, asked):
            number += 1
            _add(found, agent_id, msgspec.json.decode(record)["event"])
        for (record,) in rows(
            _NEWEST_OF_ALL, (ledger, window.start, window.end, only, only, MOST_ENTRIES)
        ):
            looked += 1
            event = msgspec.json.decode(record)["event"]
            session = (event.get("actor") or {}).get("session_id")
            if session:
                failed[session] = failed.get(session, False) or event.get("outcome") in _FAILED
    scores = [score for one in found.values() for score in one.scores]
    return Said(
        entries=number,
        opinions=_sorted(found.values()),
        mean=sum(scores) / len(scores) if scores else None,
        content=sum(score >= _CONTENT for score in scores),
        scores=len(scores),
        looked=looked,
        sessions=len(failed),
        sessions_well=len(failed) - sum(failed.values()),
    )


def _add(
    found: defaultdict[tuple[str, str], Opinion], agent_id: str, event: Mapping[str, Any]
) -> None:
    said = event.get("feedback") or {}
    kind = str(said.get("kind", "")) or "not named"
    one = found[agent_id, kind]
    one.agent_id, one.kind = agent_id, kind
    one.times += 1
    if said.get("score") is not None:
        one.scores.append(float(said["score"]))


def _sorted(found: Any) -> list[Opinion]:
    return sorted(
        found,
        key=lambda one: (one.mean is None, one.mean or 0.0, -one.times, one.agent_id),
    )[:_MOST_LINES]

"""Count the tools, models and errors of one agent from its newest entries.

Minute history tells tools and models apart, and agents, and never both: they would multiply. So
the newest thousand entries of an agent in the range are read, along the index by agent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from audit.database import rows
from metrics.operations.series_read import Scope
from metrics.operations.window import Window

MOST_ENTRIES: Final = 1_000
MOST_LINES: Final = 20

# By seq, not by time: the index by agent has it, and the two go together.
_NEWEST = """
SELECT record
FROM (
    SELECT record, occurred_at
    FROM audit_entry
    WHERE ledger_id = %s
      AND agent_id = ANY(%s)
      AND occurred_at >= %s
      AND occurred_at < %s
    ORDER BY seq DESC
    LIMIT %s
) AS newest
"""


@dataclass(kw_only=True, slots=True)
class Used:
    """How often a thing was used, and how it went."""

    name: str
    times: int = 0
    failed: int = 0
    """Failure, error and denied."""
    seconds: list[float] = field(default_factory=list)

    @property
    def mean(self) -> float | None:
        """Return how long it took on average, in seconds, where entries say it."""
        return sum(self.seconds) / len(self.seconds) if self.seconds else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Newest:
    """What the newest entries of an agent show."""

    entries: int
    """How many were read."""
    tools: Sequence[Used]
    models: Sequence[Used]


def newest(ids: Sequence[str], scope: Scope, window: Window) -> Newest:
    """Return what these agents used in the range, counted from their newest entries."""
    tools: defaultdict[str, Used] = defaultdict(lambda: Used(name=""))
    models: defaultdict[str, Used] = defaultdict(lambda: Used(name=""))
    found = 0
    for ledger in scope.ledgers if ids else ():
        asked = (ledger, list(ids), window.start, window.end, MOST_ENTRIES)
        for (record,) in rows(_NEWEST, asked):
            found += 1
            event = msgspec.json.decode(record)["event"]
            if event.get("action") == "tool.invoke":
                _use(tools[_tool(event)], event)
            elif str(event.get("action", "")).startswith("llm."):
                _use(models[_model(event)], event)
    return Newest(entries=found, tools=_sorted(tools), models=_sorted(models))


def _use(used: Used, event: Mapping[str, Any]) -> None:
    used.times += 1
    used.failed += event.get("outcome") in {"failure", "error", "denied"}
    if event.get("duration_ms") is not None:
        used.seconds.append(float(event["duration_ms"]) / 1_000)


def _tool(event: Mapping[str, Any]) -> str:
    return str(event.get("tool", {}).get("name", "")) or "not named"


def _model(event: Mapping[str, Any]) -> str:
    model = event.get("model", {})
    return "/".join(filter(None, [model.get("provider"), model.get("name")])) or "not named"


def _sorted(found: Mapping[str, Used]) -> list[Used]:
    for name, used in found.items():
        used.name = name
    return sorted(found.values(), key=lambda used: (-used.times, used.name))[:MOST_LINES]

"""Tell which ids of agents stand behind a label, and which values a filter may have.

What is known is what the projection has learned: an agent that is not registered is `_other`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from audit.database import rows
from metrics.family import ENVIRONMENTS
from metrics.labels import OTHER

MOST_OFFERED: Final = 500

_AGENTS = """
SELECT label.value, label.key
FROM metrics_state AS s, jsonb_each_text(s.state -> 'agents') AS label
WHERE s.ledger_id = ANY(%s)
ORDER BY 1, 2
"""
_NAMES = """
SELECT list, value
FROM metrics_name
WHERE list = ANY(%s)
ORDER BY value
LIMIT %s
"""


def agent_ids(ledgers: Mapping[int, str]) -> Mapping[str, list[str]]:
    """Return the ids of the agents of these ledgers, by the label that they share."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for label, agent_id in rows(_AGENTS, (list(ledgers),)):
        found[label].append(agent_id)
    return found


def offered(filters: tuple[str, ...]) -> dict[str, list[str]]:
    """Return the values that each filter may have, by its name."""
    wanted = sorted({"model" if name == "provider" else name for name in filters})
    lists: defaultdict[str, list[str]] = defaultdict(list)
    for name, value in rows(_NAMES, (wanted, MOST_OFFERED * max(len(wanted), 1))):
        lists[name].append(value)
    found = {name: [each for each in lists[name] if each != OTHER] for name in filters}
    if "environment" in filters:
        found["environment"] = list(ENVIRONMENTS)
    pairs = [each.partition(" ") for each in lists["model"]]  # a provider and a model of it
    if "provider" in filters:
        found["provider"] = sorted({provider for provider, _, _ in pairs})
    if "model" in filters:
        found["model"] = sorted({model for _, _, model in pairs})
    return found

"""The views that Grafana may read in Postgres: names and columns, and nothing of a record. Pure.

The one list of them: SQL of panels names these and no table. A role that may read the views alone
is what Grafana signs in as; no view has the column `record`, an id of a person that is not its
pseudonym, or a text that somebody wrote. `agent` is the name that labels have, `_other` for one
that has none there, so that a board's variable narrows both. Times are UTC. The views themselves:
metrics/sql/0003_grafana_views.sql.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

READ_ROLE: Final = "obs_grafana"
"""The role of Postgres that may read the views and nothing else."""


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """One view."""

    name: str
    columns: tuple[str, ...]
    says: str


def _view(name: str, columns: str, says: str) -> View:
    return View(name=name, columns=tuple(columns.split()), says=says)


VIEWS: Final[tuple[View, ...]] = (
    _view(
        "obs_grafana_entries",
        "ledger seq occurred_at received_at is_backfill agent agent_id actor actor_type category"
        " action outcome severity environment run_id trace_id",
        "Every entry with the columns that filters use; `actor` is the id of an agent, a service or"
        " the platform, and of anybody else a pseudonym: the record's own, or one made here.",
    ),
    _view(
        "obs_grafana_tool_calls",
        "ledger seq occurred_at agent environment tool risk outcome seconds run_id",
        "Every call of a tool, named as its label is; `seconds` as the event says, null when it"
        " does not.",
    ),
    _view(
        "obs_grafana_spend",
        "ledger day agent provider model usd",
        "What models cost by UTC day of the act, in dollars; names as labels say them.",
    ),
    _view(
        "obs_grafana_budgets",
        "budget period starts_at ends_at usd spent_usd forecast_usd",
        "Every budget in force: its period, what may be spent, what is, and where a straight line"
        " through what is spent ends.",
    ),
    _view(
        "obs_grafana_feedback",
        "ledger seq occurred_at agent environment kind score",
        "What people said of agents: `score` 0 to 1, null when the event has none.",
    ),
    _view(
        "obs_grafana_sessions",
        "ledger occurred_at agent environment session is_failed",
        "Every entry of a session, and whether it ended in failure or error; `session` tells"
        " sessions apart and is not their id.",
    ),
)

BY_NAME: Final[dict[str, View]] = {view.name: view for view in VIEWS}

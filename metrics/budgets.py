"""Set budgets for models and say how each stands: of all, an agent, a team or a model.

What was spent comes from metrics_spend, which the projection keeps by UTC day, agent and model:
entries that came late count on their own day. An agent is known there by its label: agents that
share a name share a budget, and those beyond OBS_METRICS_MAX_AGENTS are `_other` and in no budget
but that of all. A team is the owner that its agents are registered with now. Each change leaves
`audit.config_changed`. Reckoning: spending.py. Pages: metrics.admin.budgets.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Final, TypeAlias, cast

from django.db import transaction
from django.utils import timezone

from audit.database import rows
from audit.models import Ledger
from metrics.acting import ChangeRefused, check_characters, leave, told_when_taken
from metrics.agent_families import LLM_BUDGET, LLM_BUDGET_USED
from metrics.labels import OTHER, normalise
from metrics.models import Budget
from metrics.spending import Period, Spending, bounds, reckon

COVERS: Final = {
    "all": "All agents and models",
    "agent": "An agent",
    "team": "A team",
    "model": "A model",
}
PERIODS: Final = {"day": "Day", "week": "Week, from Monday", "month": "Month"}
EXPOSED: Final = LLM_BUDGET.cap
"""How many budgets `/metrics` shows: the oldest that stand."""
MOST_USD: Final = Decimal("999999999999.99")
_MOST_VALUE: Final = 200

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.:/-]{0,63}")

# Three sums in one pass: of all, by agent, by model. What is not told apart is NULL.
_SPENT = """
SELECT ledger_id, day, agent, provider || '/' || model, sum(nano)::bigint
FROM metrics_spend
WHERE ledger_id = ANY(%s)
  AND day >= %s
  AND day <= %s
GROUP BY GROUPING SETS
    ((ledger_id, day), (ledger_id, day, agent), (ledger_id, day, provider, model))
"""
# An agent's label is what the projection has learned; its owner is what it is registered with now.
_TEAMS = """
WITH labels AS MATERIALIZED (
    SELECT s.ledger_id, label.key AS agent_id, label.value AS label
    FROM metrics_state AS s, jsonb_each_text(s.state -> 'agents') AS label
)
SELECT DISTINCT a.owner, labels.ledger_id, labels.label
FROM audit_agent AS a
JOIN labels USING (ledger_id, agent_id)
WHERE a.owner = ANY(%s)
"""
_OWNERS = "SELECT DISTINCT owner FROM audit_agent WHERE owner <> '' ORDER BY owner LIMIT 500"
_AGENTS = """
SELECT DISTINCT label.value
FROM metrics_state AS s, jsonb_each_text(s.state -> 'agents') AS label
ORDER BY 1
LIMIT 1000
"""
_MODELS = """
SELECT replace(value, ' ', '/')
FROM metrics_name
WHERE list = 'model'
ORDER BY value
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """A budget as somebody typed it."""

    name: str
    covers: str
    value: str = ""
    ledger: str = ""
    """Its name; empty: all of them together."""
    period: str = "month"
    usd: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Read:
    """A draft that is sound."""

    name: str
    covers: str
    value: str
    ledger: Ledger | None
    period: str
    usd: Decimal

    def shown(self) -> dict[str, object]:
        """Return what an entry says of it."""
        return {
            "covers": self.covers,
            "value": self.value,
            "ledger": self.ledger.name if self.ledger else "",
            "period": self.period,
            "usd": str(self.usd),
        }


# --- Acts ----------------------------------------------------------------------------------------


def make(draft: Draft, *, by: str) -> Budget:
    """Set a budget. Raises ChangeRefused, naming each field that is wrong."""
    read, now = _read(draft), timezone.now()
    with _name_free(), transaction.atomic():
        made = Budget.objects.create(
            name=read.name,
            covers=read.covers,
            value=read.value,
            ledger=read.ledger,
            period=read.period,
            usd=read.usd,
            made_at=now,
            made_by=by,
            changed_at=now,
            changed_by=by,
        )
        leave("budget", read.name, by=by, change="made", details=read.shown())
    return made


def change(budget: Budget, draft: Draft, *, by: str) -> Budget:
    """Set it anew; its name stays. Raises ChangeRefused, also when it was ended meanwhile."""
    read = _read(Draft(**{**_fields(draft), "name": budget.name}))
    with transaction.atomic():
        found = _held(budget)
        before = _shown(found)
        if before == read.shown():
            raise ChangeRefused({"usd": "and the rest are as before, so nothing was changed"})
        Budget.objects.filter(id=budget.id).update(
            covers=read.covers,
            value=read.value,
            ledger=read.ledger,
            period=read.period,
            usd=read.usd,
            changed_at=timezone.now(),
            changed_by=by,
        )
        said = {"before": before, "after": read.shown()}
        leave("budget", budget.name, by=by, change="changed", details=said)
    budget.refresh_from_db()
    return budget


def end(budget: Budget, *, by: str) -> None:
    """Let a budget stand no more; its row stays. Raises ChangeRefused when it was ended."""
    with transaction.atomic():
        found = _held(budget)
        Budget.objects.filter(id=budget.id).update(ended_at=timezone.now(), ended_by=by)
        leave("budget", budget.name, by=by, change="ended", details=_shown(found))
    budget.refresh_from_db()


def _held(budget: Budget) -> Budget:
    """Return the row as it stands, held while it is changed. Raises ChangeRefused."""
    found = (
        Budget.objects.select_for_update(of=("self",))
        .select_related("ledger")
        .filter(id=budget.id, ended_at=None)
        .first()
    )
    if found is None:
        raise ChangeRefused({"name": "was ended before"})
    return found


def _name_free() -> AbstractContextManager[None]:
    taken = {"name": "is taken by a budget that stands; end that one first, or choose another"}
    return told_when_taken("metrics_budget_known", taken)


def _fields(draft: Draft) -> dict[str, str]:
    return {name: getattr(draft, name) for name in Draft.__slots__}


def _shown(budget: Budget) -> dict[str, object]:
    return {
        "covers": budget.covers,
        "value": budget.value,
        "ledger": budget.ledger.name if budget.ledger else "",
        "period": budget.period,
        "usd": str(budget.usd),
    }


def _read(draft: Draft) -> _Read:
    errors: dict[str, str] = {}
    name, value = draft.name.strip(), _value(draft)
    if not _NAME.fullmatch(name):
        errors["name"] = (
            "is at most 64 of a-z, 0-9 and _ . : / -, and begins with a letter or digit"
        )
    if draft.covers not in COVERS:
        errors["covers"] = f"is one of {', '.join(COVERS)}"
    elif said := _wrong_value(draft.covers, value):
        errors["value"] = said
    ledger = Ledger.objects.filter(name=draft.ledger).first() if draft.ledger else None
    if draft.ledger and ledger is None:
        errors["ledger"] = "is none that this installation has"
    if draft.period not in PERIODS:
        errors["period"] = f"is one of {', '.join(PERIODS)}"
    try:
        usd = _amount(draft.usd)
    except ChangeRefused as refused:
        errors |= refused.errors
    if errors:
        raise ChangeRefused(errors)
    return _Read(
        name=name, covers=draft.covers, value=value, ledger=ledger, period=draft.period, usd=usd
    )


def _value(draft: Draft) -> str:
    """Return whom it covers, as labels say it; a team as its agents name it."""
    value = draft.value.strip()
    if draft.covers == "agent" and value:
        return normalise(value)
    if draft.covers == "model" and "/" in value:
        provider, _, model = value.partition("/")
        return f"{normalise(provider)}/{normalise(model)}"
    return value


def _wrong_value(covers: str, value: str) -> str:
    if covers == "all":
        return "stays empty where all are covered" if value else ""
    if not value:
        return f"is needed: which {covers} it is"
    if len(value) > _MOST_VALUE:
        return f"has at most {_MOST_VALUE} characters"
    if covers == "model" and "/" not in value:
        return "is provider and model with a slash between, such as openai/gpt-4o"
    try:
        check_characters("value", value)
    except ChangeRefused as refused:
        return refused.errors["value"]
    return ""


def _amount(text: str) -> Decimal:
    try:
        usd = Decimal(text.strip().replace(",", "").removeprefix("$"))
    except InvalidOperation:
        raise ChangeRefused({"usd": "is an amount in US dollars, such as 250 or 99.50"}) from None
    if not usd.is_finite() or not 0 < usd <= MOST_USD:
        raise ChangeRefused({"usd": "is more than 0 and less than a trillion dollars"})
    if usd != round(usd, 2):
        raise ChangeRefused({"usd": "has at most two places behind the point"})
    return round(usd, 2)


# --- How they stand ------------------------------------------------------------------------------


def spendings(budgets: Sequence[Budget], now: datetime) -> dict[int, Spending]:
    """Return how each budget stands in the period that `now` is in, by id.

    Counts what the projection has read; what was chained since is not in it yet.
    """
    if not budgets:
        return {}
    today = now.astimezone(UTC).date()
    first = min(bounds(_period(budget), today)[0] for budget in budgets)
    spent = _spent(first, today)
    teams = _teams(budget.value for budget in budgets if budget.covers == "team")
    return {
        budget.id: reckon(_period(budget), budget.usd, _of(budget, spent, teams), now)
        for budget in budgets
    }


_What: TypeAlias = tuple[str, str]
"""What was spent on: `all`, `agent` or `model`, and which."""


@dataclass(frozen=True, slots=True)
class _Day:
    ledger_id: int
    day: date
    nano: int


def _spent(first: date, last: date) -> Mapping[_What, list[_Day]]:
    ledgers = list(Ledger.objects.values_list("id", flat=True))
    found: defaultdict[_What, list[_Day]] = defaultdict(list)
    for ledger_id, day, agent, model, nano in rows(_SPENT, (ledgers, first, last)):
        what = ("agent", agent) if agent else ("model", model) if model else ("all", "")
        found[what].append(_Day(ledger_id, day, nano))
    return found


def _teams(names: Iterable[str]) -> Mapping[str, set[tuple[int, str]]]:
    """Return the agents of each team, as ledger and label."""
    wanted = list(names)
    found: defaultdict[str, set[tuple[int, str]]] = defaultdict(set)
    if wanted:
        for owner, ledger_id, label in rows(_TEAMS, (wanted,)):
            found[owner].add((ledger_id, label))
    return found


def _of(
    budget: Budget,
    spent: Mapping[_What, list[_Day]],
    teams: Mapping[str, set[tuple[int, str]]],
) -> dict[date, int]:
    """Return the nano-dollars of each day that a budget covers."""
    if budget.covers == "team":
        days = [
            one
            for ledger_id, label in teams.get(budget.value, ())
            for one in spent.get(("agent", label), ())
            if one.ledger_id == ledger_id
        ]
    else:
        days = spent.get((budget.covers, budget.value), [])
    found: defaultdict[date, int] = defaultdict(int)
    for one in days:
        if budget.ledger_id in {None, one.ledger_id}:
            found[one.day] += one.nano
    return found


def _period(budget: Budget) -> Period:
    return cast("Period", budget.period)


def choices(covers: str) -> list[str]:
    """Return what a budget may cover of a sort, as far as it is known by now."""
    statement = {"agent": _AGENTS, "team": _OWNERS, "model": _MODELS}.get(covers)
    found = [str(value) for (value,) in rows(statement)] if statement else []
    return [value for value in found if value != OTHER]


def budget_facts() -> dict[tuple[str, tuple[str, ...]], float]:
    """Return amount and used share of the budgets that stand, the oldest 16: row 28."""
    standing = list(Budget.objects.filter(ended_at=None).order_by("id")[:EXPOSED])
    spent = spendings(standing, timezone.now())
    found: dict[tuple[str, tuple[str, ...]], float] = {}
    for budget in standing:
        found[LLM_BUDGET.name, (budget.name,)] = float(budget.usd)
        found[LLM_BUDGET_USED.name, (budget.name,)] = float(spent[budget.id].ratio)
    return found

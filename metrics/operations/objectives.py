"""Service levels: what is promised, what part of it was kept, how fast the rest is used up.

An indicator counts good and all events by the minute. An objective says which share must be good
over how many days. What may be bad in these days is its budget; burn 1 uses it up exactly at their
end. As is usual, burn is looked at over an hour, six hours and three days: a fast one that both a
long and a short range show is what wakes people. Each change leaves an entry. Pages:
metrics.admin.objectives.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final

from django.db import transaction
from django.utils import timezone

from audit.models import Ledger
from metrics import agent_families as f
from metrics import ledger_families as ledger
from metrics import platform_families as p
from metrics.acting import ChangeRefused, check_characters, leave, told_when_taken
from metrics.models import Objective
from metrics.operations.answer import answer
from metrics.operations.chart import WELL, Query, count, share
from metrics.operations.series_read import Scope, Sums, read
from metrics.operations.window import DAY, HOUR, Window, own_window
from metrics.spans import QUARTER, span_start

BURNS: Final[Mapping[str, float]] = {"1h": 14.4, "6h": 6.0, "3d": 1.0}
"""By range: from which burn on somebody is called. 14.4 for an hour is 2 % of 30 days' budget, 6
for six hours is 5 %, 1 for three days is 10 %: Google's SRE Workbook, chapter 5."""
MOST_DAYS: Final = 90
_SECONDS: Final = {"1h": HOUR, "6h": 6 * HOUR, "3d": 3 * DAY}
_SHORTER: Final = {"1h": 300, "6h": 1_800, "3d": 6 * HOUR}
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_CHAINED: Final = {"stage": ("chained",)}
_NOT_OURS: Final = {"status_class": ("1xx", "2xx", "3xx", "4xx")}


@dataclass(frozen=True, kw_only=True, slots=True)
class Indicator:
    """What is counted, and which of it is good."""

    word: str
    says: str
    query: Query
    within: float | None = None
    """Of a histogram: seconds within which an observation is good, one of its edges."""
    page: str
    """The page under Operations that has more."""


INDICATORS: Final[Mapping[str, Indicator]] = {
    "api": Indicator(
        word="The platform answers",
        says="Requests that did not end in an error of ours (5xx).",
        query=share(p.HTTP_REQUESTS, _NOT_OURS),
        page="platform",
    ),
    "ingest": Indicator(
        word="Events are chained within 5 s",
        says="Events from their receipt to the commit of the chain.",
        query=count(ledger.INGEST_LAG, where=_CHAINED),
        within=5.0,
        page="platform",
    ),
    "runs": Indicator(
        word="Agents do well",
        says="Runs of registered agents that ended in success.",
        query=share(f.AGENT_EXECUTIONS, WELL),
        page="agents",
    ),
    "tools": Indicator(
        word="Tools do well",
        says="Calls of tools that ended in success.",
        query=share(f.TOOL_CALLS, WELL),
        page="tools",
    ),
    "models": Indicator(
        word="Models answer",
        says="Requests to models that ended in success.",
        query=share(f.LLM_REQUESTS, WELL),
        page="models",
    ),
}
"""What an objective may be about. Reports' punctuality has no history by the minute."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Burn:
    """How fast the budget is used in one range."""

    word: str
    rate: float | None
    """1 uses all of it in the objective's days; None: nothing happened."""
    shorter: float | None
    """The same over a twelfth of the range, so that what has ended calls nobody."""
    limit: float

    @property
    def is_fast(self) -> bool:
        """Tell whether both are over the limit."""
        return (self.rate or 0) > self.limit and (self.shorter or 0) > self.limit


@dataclass(frozen=True, kw_only=True, slots=True)
class Level:
    """How an objective stands."""

    good: float
    every: float
    """How much there was in its days, good and bad."""
    target: float
    burns: Sequence[Burn]

    @property
    def share(self) -> float | None:
        """Return which share was good; None where nothing happened."""
        return self.good / self.every if self.every else None

    @property
    def left(self) -> float | None:
        """Return which share of the budget is left; below 0 when more was bad than may be."""
        if not self.every:
            return None
        return 1 - (1 - self.good / self.every) / (1 - self.target)

    @property
    def word(self) -> str:
        """Return `over`, `heading_over`, `within` or `no_data`."""
        if self.left is None:
            return "no_data"
        if self.left < 0:
            return "over"
        return "heading_over" if any(burn.is_fast for burn in self.burns) else "within"


def level(objective: Objective, now: datetime) -> Level:
    """Return how an objective stands now, over all ledgers."""
    indicator, target = INDICATORS[objective.indicator], float(objective.target)
    scope = Scope(ledgers=dict(Ledger.objects.values_list("id", "name")))
    whole = _window(objective.days * DAY, now)
    good, every = counted(indicator, whole, scope)
    burns = []
    for word, limit in BURNS.items():
        rates = [
            _burn(*counted(indicator, _window(seconds, now), scope), target)
            for seconds in (_SECONDS[word], _SHORTER[word])
        ]
        burns.append(Burn(word=word, rate=rates[0], shorter=rates[1], limit=limit))
    return Level(good=good, every=every, target=target, burns=burns)


def counted(indicator: Indicator, window: Window, scope: Scope) -> tuple[float, float]:
    """Return how many were good and how many there were."""
    sums = read([indicator.query], window, scope)
    if indicator.within is not None:
        return _within(sums, indicator.query, indicator.within)
    found = answer(indicator.query, sums, window)
    return (found[0].weight * (found[0].whole or 0), found[0].weight) if found else (0.0, 0.0)


def _within(sums: Sums, query: Query, seconds: float) -> tuple[float, float]:
    """Return the observations up to an edge, and all."""
    edge = query.family.edges.index(seconds)
    places = [sums.labels[query.family.name].index(label) for label in query.where]
    wanted = list(query.where.values())
    good = every = 0.0
    for group, one in sums.histograms[query.family.name].items():
        if all(group[place] in values for place, values in zip(places, wanted, strict=True)):
            observed = [sum(bucket) for bucket in one.buckets]
            good, every = good + sum(observed[: edge + 1]), every + sum(observed)
    return good, every


def _burn(good: float, every: float, target: float) -> float | None:
    return (1 - good / every) / (1 - target) if every else None


def _window(seconds: int, now: datetime) -> Window:
    """Return the range that ends now; its steps are as long as spans are, where it is long."""
    if seconds >= _SECONDS["3d"]:
        return own_window(now - timedelta(seconds=seconds), now, now)
    minutes = QUARTER if seconds >= _SECONDS["6h"] else 1
    start = span_start(now - timedelta(seconds=seconds), minutes)
    places = -(-(now - start) // timedelta(minutes=minutes))
    return Window(start=start, step=minutes * 60, places=places, now=now)


# --- Acts ----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """An objective as somebody typed it."""

    name: str
    indicator: str
    target: str = ""
    """Percent, such as 99.5."""
    days: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Read:
    name: str
    indicator: str
    target: Decimal
    days: int

    def shown(self) -> dict[str, object]:
        return {"indicator": self.indicator, "target": str(self.target), "days": self.days}


def make(draft: Draft, *, by: str) -> Objective:
    """Promise something. Raises ChangeRefused, naming each field that is wrong."""
    found = _read(draft)
    taken = {"name": "is taken; choose another or change that objective"}
    with told_when_taken("metrics_objective_pkey", taken), transaction.atomic():
        made = Objective(
            name=found.name,
            indicator=found.indicator,
            target=found.target,
            days=found.days,
            changed_at=timezone.now(),
            changed_by=by,
        )
        made.save(force_insert=True)
        leave("objective", found.name, by=by, change="made", details=found.shown())
    return made


def change(objective: Objective, draft: Draft, *, by: str) -> Objective:
    """Promise something else under the same name. Raises ChangeRefused."""
    found = _read(Draft(name=objective.name, indicator=draft.indicator, target=draft.target,
                        days=draft.days))  # fmt: skip
    with transaction.atomic():
        changed = Objective.objects.filter(name=objective.name).update(
            indicator=found.indicator,
            target=found.target,
            days=found.days,
            changed_at=timezone.now(),
            changed_by=by,
        )
        if changed != 1:
            raise ChangeRefused({"name": "was removed meanwhile"})
        leave("objective", found.name, by=by, change="changed", details=found.shown())
    return Objective.objects.get(name=objective.name)


def remove(objective: Objective, *, by: str) -> None:
    """Promise it no more. Raises ChangeRefused when somebody was faster."""
    with transaction.atomic():
        removed, _ = Objective.objects.filter(name=objective.name).delete()
        if removed != 1:
            raise ChangeRefused({"name": "was removed already"})
        leave("objective", objective.name, by=by, change="removed", details={})


def _read(draft: Draft) -> _Read:
    errors = {}
    name = draft.name.strip()
    check_characters("name", name)
    if _NAME.fullmatch(name) is None:
        errors["name"] = "has small letters, digits and _ . -, and begins with one of the former"
    if draft.indicator not in INDICATORS:
        errors["indicator"] = f"is one of {', '.join(INDICATORS)}"
    try:
        target = Decimal(draft.target.strip()) / 100
    except InvalidOperation:
        target = Decimal(0)
    if not target.is_finite() or not 0 < target < 1 or target != round(target, 6):
        errors["target"] = "is a percentage between 0 and 100 such as 99.5, four decimals at most"
    days = draft.days.strip()
    if not (days.isascii() and days.isdigit() and len(days) < 3 and 1 <= int(days) <= MOST_DAYS):
        errors["days"] = f"is a whole number from 1 to {MOST_DAYS}"
    if errors:
        raise ChangeRefused(errors)
    return _Read(name=name, indicator=draft.indicator, target=target, days=int(days))

"""The page of one agent at work, and the list of agents that leads to it.

Tools and models have no label `agent` in minute history, since the two would multiply; of one
agent they are counted from its newest entries, and the page says of how many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from decimal import Decimal
from typing import Final

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from audit.models import AgentVersion
from audit.readonly import ReadOnlyModelAdmin
from metrics import agent_families as f
from metrics.admin.operations.asked import Asked, read_asked, sent_on
from metrics.admin.operations.drawn import Ways, draw, sentence, tiles
from metrics.admin.operations.one_chart import CHART, chart_page
from metrics.labels import OTHER
from metrics.operations import agents
from metrics.operations.answer import answer
from metrics.operations.chart import WELL, Unit, count, quantile_of, share
from metrics.operations.newest import MOST_ENTRIES, newest
from metrics.operations.series_read import Sums, read
from metrics.operations.spent import spent_by_day
from metrics.operations.units import said
from metrics.operations.who import agent_ids
from metrics.spending import cents
from metrics.switches import metrics_on

BY_AGENT: Final = (
    count(f.AGENT_EXECUTIONS, "agent"),
    share(f.AGENT_EXECUTIONS, WELL, "agent"),
    quantile_of(0.95, f.AGENT_EXECUTION_SECONDS, "agent"),
    count(f.AGENT_OPERATIONS, "agent"),
    share(f.TASKS, WELL, "agent"),
)
"""What the list of agents asks."""
_UNITS: Final[tuple[Unit, ...]] = ("count", "ratio", "seconds", "count", "ratio")
_MOST_LINES: Final = 50
_MOST_VERSIONS: Final = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentLine:
    """One agent in the list."""

    name: str
    url: str
    runs: str
    success: str
    duration: str
    acts: str
    tasks: str
    is_told_apart: bool
    """False for what has no label of its own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VersionLine:
    """One version, and the days around its beginning side by side."""

    row: AgentVersion
    url: str


def agent_lines(sums: Sums, asked: Asked) -> list[AgentLine]:
    """Return the agents that did something in the range, those who did most first."""
    by_query = [
        {one.labels["agent"]: one for one in answer(query, sums, asked.window)}
        for query in BY_AGENT
    ]
    acts = sorted(by_query[3].values(), key=lambda one: -one.weight)
    lines = []
    for one in acts[:_MOST_LINES]:
        name = one.labels["agent"]
        runs, success, duration, did, tasks = (
            said(found[name].whole, unit) if name in found else "none"
            for found, unit in zip(by_query, _UNITS, strict=True)
        )
        lines.append(
            AgentLine(
                name=name,
                url=asked.url(reverse("admin:metrics_operations_agent"), agent=name),
                runs=runs,
                success=success,
                duration=duration,
                acts=did,
                tasks=tasks,
                is_told_apart=name != OTHER,
            )
        )
    return lines


def agent_page(admin: ReadOnlyModelAdmin, request: HttpRequest) -> HttpResponse:
    """Show all that is counted of the agent that `?agent=` names by its label."""
    if (elsewhere := sent_on(request)) is not None:
        return elsewhere
    name = request.GET.get("agent", "")
    if not name:
        return HttpResponseRedirect(reverse("admin:metrics_operations_agents"))
    page = agents.ONE
    asked = read_asked(request, ("agent", *page.filters), beside=(CHART,))
    if CHART in request.GET:
        return chart_page(admin, page, asked, request)
    context = admin.frame(
        request,
        title=f"Agent {name}"[:80],
        opts=None,
        strip=asked.links_to,
        asked=asked,
        page=page,
        name=name,
        back=asked.url(reverse("admin:metrics_operations_agents"), agent=""),
        is_counting=metrics_on(),
    )
    if not asked.errors:
        context |= _found(name, asked)
    return TemplateResponse(request, "metrics/operations_agent.html", context)


def _found(name: str, asked: Asked) -> dict[str, object]:
    page = agents.ONE
    sums = read(page.queries(), asked.window, asked.scope)
    ids = agent_ids(asked.scope.ledgers)
    ways = Ways(asked, ids)
    shown = tiles(page, sums, asked, ways)
    own = list(ids.get(name, []))
    days = spent_by_day(name, asked.scope, asked.window)
    return {
        "ids": own,
        "tiles": shown,
        "sentence": sentence(page, shown),
        "charts": [draw(chart, sums, asked, ways) for chart in page.charts],
        "newest": newest(own, asked.scope, asked.window),
        "most_entries": MOST_ENTRIES,
        "spent": [(day, cents(usd)) for day, usd in days],
        "spent_in_all": cents(sum((usd for _, usd in days), start=Decimal(0))),
        "versions": _versions(name, own, asked),
        "compare_url": asked.url(reverse("admin:metrics_operations_compare"), a=name, agent=""),
        "entries_url": ways.whole(ways.base("", ()), asked.window),
    }


def _versions(name: str, ids: Sequence[str], asked: Asked) -> list[VersionLine]:
    rows = AgentVersion.objects.filter(ledger_id__in=list(asked.scope.ledgers), agent_id__in=ids)
    compare = reverse("admin:metrics_operations_compare")
    return [
        VersionLine(
            row=row,
            url=f"{compare}?{_around(name, row, asked)}",
        )
        for row in rows.order_by("-first_seen")[:_MOST_VERSIONS]
    ]


def _around(name: str, row: AgentVersion, asked: Asked) -> str:
    """Return what compares an agent since a version came with as long before."""
    query = asked.query.copy()
    for each in ("last", "from", "to", "agent"):
        query.pop(each, None)
    query["a"] = query["b"] = name
    query["at"] = f"{row.first_seen.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return query.urlencode()

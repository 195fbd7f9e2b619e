"""The pages of agents: who is seen in a ledger, and one agent with its versions and its days.

All of it is derived from entries by the projection `agents` (audit.agents); nothing is typed here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from audit.admin.acts import read_look
from audit.admin.curl import curl_line
from audit.facts import projection_lags
from audit.models import Agent, AgentDay, AgentVersion
from audit.readonly import ReadOnlyModelAdmin, keyset_page
from audit.state import ledger_state
from audit.templatetags.desk import visible

DAYS = 30
VERSIONS = 100
"""Versions shown, the newest first."""

SHOWS = {"all": "All", "unregistered": "Not registered"}
CHART_HEIGHT = 96
_BAR = 20
_GAP = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """One day of the chart, in its own units: a step to the right is a day."""

    day: date
    entries: int
    failures: int
    denied: int
    first_moment: datetime
    """Midnight UTC, where its entries begin."""
    last_moment: datetime
    x: int
    height: float
    """Of all of it; the next two stand at its foot."""
    bad_height: float
    warn_height: float

    @property
    def top(self) -> float:
        """Return where the bar begins, from above."""
        return CHART_HEIGHT - self.height

    @property
    def bad_top(self) -> float:
        """Return where its failures begin."""
        return CHART_HEIGHT - self.bad_height

    @property
    def warn_top(self) -> float:
        """Return where what was denied begins, above the failures."""
        return CHART_HEIGHT - self.bad_height - self.warn_height


@admin.register(Agent)
class AgentAdmin(ReadOnlyModelAdmin):
    """The registry of agents and the page of one."""

    def get_urls(self) -> list[URLPattern]:
        """Name the two pages. An id may hold any character, so it stands in the query."""
        return [
            path("", self.page(self.list_page), name="audit_agent_changelist"),
            path("<str:ledger>/", self.page(self.agent_page), name="audit_agent_change"),
        ]

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show 25 agents of one ledger, the most lately seen first."""
        look = read_look(request, shows=SHOWS)
        context = self.frame(
            request,
            title="Agents",
            look=look,
            strip=look.ledger,
            curl=curl_line(request, "$OBS_KEY"),
        )
        if look.ledger is not None and not look.errors:
            rows = Agent.objects.filter(ledger_id=look.ledger.id)
            if look.show == "unregistered":
                rows = rows.filter(is_registered=False)
            page = keyset_page(rows.annotate(seq=F("last_seq")), **look.places)
            context |= {
                "lines": _with_versions(look.ledger.id, page.rows),
                "newer_url": look.url(before=page.newer),
                "older_url": look.url(after=page.older),
                "behind": sum(
                    lag.behind for lag in projection_lags(look.ledger.id) if lag.name == "agents"
                ),
            }
        return TemplateResponse(request, "audit/agents.html", context)

    def agent_page(self, request: HttpRequest, ledger: str) -> HttpResponse:
        """Show the agent that `?id=` names."""
        wanted = request.GET.get("id", "")
        if not wanted:
            return HttpResponseRedirect(
                f"{reverse('admin:audit_agent_changelist')}?ledger={ledger}"
            )
        shown = ledger_state(name=ledger)
        agent = (
            Agent.objects.select_related("ledger")
            .filter(ledger_id=shown.id, agent_id=wanted.replace("\0", ""))
            .first()
            if shown is not None
            else None
        )
        if agent is None:
            raise Http404("no entry of this ledger shows such an agent")
        today = timezone.now().astimezone(UTC).date()
        bars = days(agent, today=today)
        context = self.frame(
            request,
            title=f"Agent {visible(agent.agent_id)}"[:80],
            object=Agent(agent_id=visible(agent.agent_id)),  # what the theme writes as it is
            strip=shown,
            shown=shown,
            agent=agent,
            versions=_versions(agent)[:VERSIONS],
            bars=bars,
            chart_width=DAYS * (_BAR + _GAP),
            chart_height=CHART_HEIGHT,
            bar_width=_BAR,
            recent=sum(bar.entries for bar in bars),
            recent_failures=sum(bar.failures for bar in bars),
            recent_denied=sum(bar.denied for bar in bars),
            most=max(bar.entries for bar in bars),
        )
        return TemplateResponse(request, "audit/agent.html", context)


def days(agent: Agent, *, today: date) -> list[Bar]:
    """Return the last 30 days of an agent, oldest first, days without an entry too."""
    first = today - timedelta(days=DAYS - 1)
    found = {
        row.day: row
        for row in AgentDay.objects.filter(
            ledger_id=agent.ledger_id, agent_id=agent.agent_id, day__gte=first, day__lte=today
        )
    }
    most = max((row.entries for row in found.values()), default=0) or 1
    return [
        _bar(first + timedelta(days=n), found.get(first + timedelta(days=n)), most=most, place=n)
        for n in range(DAYS)
    ]


def _bar(day: date, row: AgentDay | None, *, most: int, place: int) -> Bar:
    entries, failures, denied = (row.entries, row.failures, row.denied) if row else (0, 0, 0)
    scale = CHART_HEIGHT / most
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return Bar(
        day=day,
        entries=entries,
        failures=failures,
        denied=denied,
        first_moment=midnight,
        last_moment=midnight + timedelta(days=1),
        x=place * (_BAR + _GAP),
        # A day with one entry beside one with thousands is still to be seen.
        height=max(round(entries * scale, 2), 1.5) if entries else 0,
        bad_height=round(failures * scale, 2),
        warn_height=round(denied * scale, 2),
    )


def _versions(agent: Agent) -> QuerySet[AgentVersion]:
    return AgentVersion.objects.filter(ledger_id=agent.ledger_id, agent_id=agent.agent_id).order_by(
        "-first_seq"
    )


def _with_versions(
    ledger_id: int, agents: Sequence[Agent]
) -> list[tuple[Agent, list[AgentVersion]]]:
    """Return each agent with its versions, the newest first, read in one statement."""
    found: dict[str, list[AgentVersion]] = {agent.agent_id: [] for agent in agents}
    rows = AgentVersion.objects.filter(ledger_id=ledger_id, agent_id__in=list(found))
    for version in rows.order_by("-first_seq")[: VERSIONS * len(found)]:
        found[version.agent_id].append(version)
    return [(agent, found[agent.agent_id]) for agent in agents]

"""The addresses under /admin/operations/, and the pages that are charts alone.

Whoever may see objectives may read them; nothing here changes anything. One agent: one_agent.py.
Two: compared.py. What is shown: metrics.operations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from audit.models import Entry
from audit.readonly import ReadOnlyModelAdmin
from metrics.admin.operations import advised, compared, one_agent
from metrics.admin.operations.asked import Asked, read_asked, sent_on
from metrics.admin.operations.drawn import Ways, draw, sentence, tiles
from metrics.admin.operations.one_chart import CHART, chart_page
from metrics.operations import (
    agents,
    failures,
    feedback,
    model_costs,
    people,
    platform,
    resources,
    security,
    tools,
)
from metrics.operations.chart import Page
from metrics.operations.exemplars import Example, examples
from metrics.operations.series_read import read
from metrics.operations.who import agent_ids
from metrics.switches import metrics_on

PAGES: Final[tuple[Page, ...]] = (
    agents.PAGE,
    tools.PAGE,
    model_costs.PAGE,
    failures.PAGE,
    resources.PAGE,
    platform.PAGE,
    security.PAGE,
    people.PAGE,
)


MOST_ACTS: Final = 25
"""Acts of security that are listed one by one."""


class OperationsPages(ReadOnlyModelAdmin):
    """Every address under /admin/operations/."""

    def get_urls(self) -> list[URLPattern]:
        """Name the pages."""
        below: dict[str, tuple[str, Callable[..., HttpResponse]]] = {
            "advice/": ("advice", partial(advised.advised_page, self)),
            "agents/compare/": ("compare", partial(compared.compare_page, self)),
            "agents/one/": ("agent", partial(one_agent.agent_page, self)),
        }
        return [
            *(
                path(route, self.page(view), name=f"metrics_operations_{name}")
                for route, (name, view) in below.items()
            ),
            *(
                path(
                    f"{each.slug}/",
                    self.page(partial(charts_page, self, each)),
                    name=f"metrics_operations_{each.slug}",
                )
                for each in PAGES
            ),
        ]


def charts_page(admin: ReadOnlyModelAdmin, page: Page, request: HttpRequest) -> HttpResponse:
    """Show the figures and charts of a page, or one chart with all of its table."""
    if (elsewhere := sent_on(request)) is not None:
        return elsewhere
    asked = read_asked(request, page.filters, beside=(CHART,))
    if CHART in request.GET:
        return chart_page(admin, page, asked, request)
    context = admin.frame(
        request,
        title=page.title,
        opts=None,
        strip=asked.links_to,
        asked=asked,
        page=page,
        is_counting=metrics_on(),
    )
    if not asked.errors:
        more = one_agent.BY_AGENT if page is agents.PAGE else ()
        sums = read([*page.queries(), *more], asked.window, asked.scope)
        ids = agent_ids(asked.scope.ledgers)
        ways = Ways(asked, ids)
        shown = tiles(page, sums, asked, ways)
        context |= {
            "tiles": shown,
            "sentence": sentence(page, shown),
            "charts": [draw(chart, sums, asked, ways) for chart in page.charts],
            "agents": one_agent.agent_lines(sums, asked) if page is agents.PAGE else None,
            "examples": _examples(page, asked, request),
            **_beside(page, asked, ids),
        }
    return TemplateResponse(request, "metrics/operations.html", context)


def _examples(page: Page, asked: Asked, request: HttpRequest) -> list[Example]:
    """Return traces behind the page's distributions, for those who may see traces."""
    if not request.user.has_perm("tracing.view_trace"):
        return []
    families = {query.family for query in page.queries() if query.family.kind == "histogram"}
    return examples((each.name for each in families), asked.window, asked.scope)


def _beside(page: Page, asked: Asked, ids: Mapping[str, Sequence[str]]) -> dict[str, object]:
    """Return what a page shows besides figures and charts."""
    if page is people.PAGE:
        name = asked.scope.filters.get("agent")
        only = None if name is None else ids.get(name, [])
        return {"said": feedback.feedback(asked.scope, asked.window, only)}
    if page is security.PAGE:
        rows = Entry.objects.select_related("ledger").filter(
            ledger_id__in=list(asked.scope.ledgers),
            action__in=security.ACTS,
            occurred_at__gte=asked.window.start,
            occurred_at__lt=asked.window.end,
        )
        return {"acts": rows.newest_first()[:MOST_ACTS], "most_acts": MOST_ACTS}
    return {}

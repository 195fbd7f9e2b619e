"""One chart with every series and every step of it, for readers without scripts too."""

from __future__ import annotations

from typing import Final

from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from audit.readonly import ReadOnlyModelAdmin
from metrics.admin.operations.asked import Asked
from metrics.admin.operations.drawn import Ways, draw
from metrics.admin.operations.table import table_of
from metrics.operations.chart import Chart, Page
from metrics.operations.series_read import read
from metrics.operations.who import agent_ids
from metrics.switches import metrics_on

CHART: Final = "chart"
"""What names it in the address of its page."""
MOST_SERIES: Final = 200


def chart_page(
    admin: ReadOnlyModelAdmin, page: Page, asked: Asked, request: HttpRequest
) -> HttpResponse:
    """Show the chart that the address names; 404 for one that its page does not have."""
    chart = _chart(page, request.GET.get(CHART, ""))
    context = admin.frame(
        request,
        title=chart.title,
        opts=None,
        strip=asked.links_to,
        asked=asked,
        page=page,
        back=asked.url(chart=""),
        hidden=[(CHART, chart.slug)],
        is_counting=metrics_on(),
    )
    if not asked.errors:
        sums = read(chart.queries, asked.window, asked.scope)
        ways = Ways(asked, agent_ids(asked.scope.ledgers))
        everything = draw(chart, sums, asked, ways, most=MOST_SERIES)
        context |= {
            "drawn": draw(chart, sums, asked, ways),
            "table": table_of(everything, asked, ways),
            "sentence": chart.says,
        }
    return TemplateResponse(request, "metrics/operations_chart.html", context)


def _chart(page: Page, slug: str) -> Chart:
    found = next((chart for chart in page.charts if chart.slug == slug), None)
    if found is None:
        raise Http404("this page has no such chart")
    return found

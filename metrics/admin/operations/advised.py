"""The page of recommendations: what to change, and the figures that say so."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from audit.readonly import ReadOnlyModelAdmin
from metrics.admin.operations.asked import read_asked, sent_on
from metrics.operations.advice import LEAST, QUERIES, Advice, advise
from metrics.operations.series_read import read
from metrics.operations.units import said
from metrics.switches import metrics_on


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One recommendation as the page shows it."""

    advice: Advice
    worth: str
    url: str


def advised_page(admin: ReadOnlyModelAdmin, request: HttpRequest) -> HttpResponse:
    """Show what to change, what saves most first."""
    if (elsewhere := sent_on(request)) is not None:
        return elsewhere
    asked = read_asked(request, ())
    context = admin.frame(
        request,
        title="Recommendations",
        opts=None,
        strip=asked.links_to,
        asked=asked,
        least=LEAST,
        is_counting=metrics_on(),
    )
    if not asked.errors:
        found = advise(read(QUERIES, asked.window, asked.scope), asked.window)
        worth = sum(one.worth for one in found)
        number = len(found)
        context |= {
            "sentence": (
                f"{number} thing{'' if number == 1 else 's'} to change"
                + (f", worth up to {said(worth, 'usd')} in this range." if worth else ".")
                if found
                else "Nothing in this range asks for a change."
            ),
            "lines": [
                Line(
                    advice=one,
                    worth=said(one.worth, "usd") if one.worth else "",
                    url=asked.url(reverse(f"admin:metrics_operations_{one.page}")),
                )
                for one in found
            ],
        }
    return TemplateResponse(request, "metrics/operations_advice.html", context)

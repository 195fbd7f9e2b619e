"""Two agents side by side, or one before and after a moment, such as when a version came.

`?a=` and `?b=` name agents by their labels. With `at` (RFC 3339) the range of the first begins
there and goes on to now, 30 days at most, and that of the second is as long before: no family has a
label for versions, and the page says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from audit.query import Unreadable, read_time
from audit.readonly import ReadOnlyModelAdmin
from metrics.admin.operations.asked import Asked, read_asked, sent_on
from metrics.admin.operations.drawn import Drawn, Tile, Ways, draw, tiles
from metrics.labels import OTHER
from metrics.operations import agents
from metrics.operations.series_read import Scope, Sums, read_each
from metrics.operations.who import agent_ids
from metrics.operations.window import DAY, Window, own_window

_BESIDE: Final = ("a", "b", "at")
_LONGEST: Final = timedelta(seconds=30 * DAY)
_LEAST: Final = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One of the two."""

    name: str
    when: str
    """In words; empty where both show the same range."""
    url: str
    tiles: Sequence[Tile]
    charts: Sequence[Drawn]
    first: datetime
    last: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One figure of both."""

    title: str
    a: Tile
    b: Tile


def compare_page(admin: ReadOnlyModelAdmin, request: HttpRequest) -> HttpResponse:
    """Show the figures and charts of two sides beside each other."""
    if (elsewhere := sent_on(request)) is not None:
        return elsewhere
    asked = read_asked(request, agents.ONE.filters, beside=_BESIDE)
    errors = dict(asked.errors)
    a, b = request.GET.get("a", ""), request.GET.get("b", "")
    windows = (asked.window, asked.window)
    if request.GET.get("at"):
        try:
            windows = _around(read_time(request.GET["at"]), timezone.now())
        except Unreadable as wrong:
            errors["at"] = str(wrong)
    asked = replace(asked, errors=errors)
    known = sorted(each for each in agent_ids(asked.scope.ledgers) if each != OTHER)
    context = admin.frame(
        request,
        title="Compare agents",
        opts=None,
        strip=asked.links_to,
        asked=asked,
        page=agents.ONE,
        a=a,
        b=b,
        at=request.GET.get("at", ""),
        known=known,
        back=asked.url(reverse("admin:metrics_operations_agents"), a="", b="", at=""),
    )
    if a and b and not errors:
        context |= _sides(asked, (a, b), windows, is_around=bool(request.GET.get("at")))
    return TemplateResponse(request, "metrics/operations_compare.html", context)


def _around(at: datetime, now: datetime) -> tuple[Window, Window]:
    """Return the range since a moment, and as long a one before."""
    last = min(now, at + _LONGEST)
    after = own_window(at, max(last, at + _LEAST), max(now, at + _LEAST))
    return after, after.before()


def _sides(
    asked: Asked, names: tuple[str, str], windows: tuple[Window, Window], *, is_around: bool
) -> Mapping[str, Any]:
    ids = agent_ids(asked.scope.ledgers)
    words = ("since then", "before") if is_around else ("", "")
    sides = [
        _side(replace(asked, window=window), name, when, ids, sums)
        for name, window, when, sums in zip(
            names, windows, words, _read(asked.scope, names, windows), strict=True
        )
    ]
    left, right = sides
    return {
        "sides": sides,
        "lines": [
            Line(title=a.figure.title, a=a, b=b)
            for a, b in zip(left.tiles, right.tiles, strict=True)
        ],
        "pairs": list(zip(left.charts, right.charts, strict=True)),
        "is_around": is_around,
    }


def _read(scope: Scope, names: tuple[str, str], windows: tuple[Window, Window]) -> Sequence[Sums]:
    """Return the sums of both; of one range they are read at once."""
    queries = agents.ONE.queries()
    if windows[0] == windows[1]:
        return read_each(queries, windows[0], scope, label="agent", values=names)
    return [
        read_each(queries, window, scope, label="agent", values=[name])[0]
        for name, window in zip(names, windows, strict=True)
    ]


def _side(asked: Asked, name: str, when: str, ids: Mapping[str, Sequence[str]], sums: Sums) -> Side:
    scope = Scope(ledgers=asked.scope.ledgers, filters={**asked.scope.filters, "agent": name})
    asked = replace(asked, scope=scope)
    ways = Ways(asked, ids)
    return Side(
        name=name,
        when=when,
        url=asked.url(reverse("admin:metrics_operations_agent"), agent=name, a="", b="", at=""),
        tiles=tiles(agents.ONE, sums, asked, ways),
        charts=[draw(chart, sums, asked, ways) for chart in agents.ONE.charts],
        first=asked.window.start,
        last=asked.window.end,
    )

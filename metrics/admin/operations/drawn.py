"""Turn answered charts into what templates and obs/charts.js draw, with the way to entries.

A line shows the eight series with the most, bars the twelve; how many are left out is said, and
the chart's own page has them all. Each series says what narrows the list of entries to it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.http import QueryDict
from django.urls import reverse

from audit.actions import ACTIONS
from metrics.admin.operations.asked import Asked
from metrics.family import Family
from metrics.labels import OTHER
from metrics.operations.answer import Answered, answer
from metrics.operations.chart import Chart, Figure, Page
from metrics.operations.series_read import Sums
from metrics.operations.units import said
from metrics.operations.window import Window

MOST_LINES: Final = 8
MOST_BARS: Final = 12
_MOST_IDS: Final = 20
_DIGITS: Final = 6
_FEW: Final = 6
"""Actions that are named one by one."""

OUTCOMES: Final[Mapping[str, tuple[str, ...]]] = {
    "success": ("success",),
    "error": ("failure", "error"),
    "denied": ("denied",),
    "other": ("pending", "unknown"),
}
"""What the list of entries calls a status."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tile:
    """One figure as a page shows it."""

    figure: Figure
    text: str
    word: str
    """`ok`, `watch`, `act`, or empty where nobody said what is well."""
    url: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawn:
    """One chart as a page shows it."""

    chart: Chart
    data: Mapping[str, Any]
    """What the script draws; see obs/charts.js."""
    series: Sequence[Answered]
    left_out: int
    not_narrowed: Sequence[str]
    """Filters that mean nothing to it."""
    missing: str
    """Where there is nothing: what would bring it."""
    url: str
    """Its own page, with a table of everything."""
    behind: str
    """Another page, where it is not about entries."""

    @property
    def json(self) -> str:
        """Return what the script draws, as text; templates escape it."""
        return json.dumps(self.data)

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to draw."""
        return not self.series


class Ways:
    """Leads from a chart, a series or a step to the entries behind it."""

    def __init__(self, asked: Asked, ids: Mapping[str, Sequence[str]]) -> None:
        """`ids`: of agents, by label."""
        self._asked = asked
        self._ids = ids

    def base(self, action: str, outcomes: Sequence[str]) -> QueryDict:
        """Return the filter of all entries behind a chart, without a time."""
        query = QueryDict(mutable=True)
        ledger = self._asked.links_to
        if ledger is not None:
            query["ledger"] = ledger.name
        if action:
            query["action"] = action
        if outcomes:
            query.setlist("outcome", list(outcomes))
        self._narrow(query, self._asked.scope.filters)
        return query

    def series(self, base: QueryDict, labels: Mapping[str, str]) -> QueryDict:
        """Return the same of one series alone."""
        query = base.copy()
        self._narrow(query, labels)
        return query

    def whole(self, query: QueryDict, window: Window) -> str:
        """Return the address of the list over a whole range."""
        query = query.copy()
        query["from"] = f"{window.start:%Y-%m-%dT%H:%M:%SZ}"
        query["to"] = f"{window.end:%Y-%m-%dT%H:%M:%SZ}"
        return f"{reverse('admin:audit_entry_changelist')}?{query.urlencode()}"

    def _narrow(self, query: QueryDict, labels: Mapping[str, str]) -> None:
        for label, value in labels.items():
            if label == "agent" and self._ids.get(value):
                query.setlist("agent", list(self._ids[value])[:_MOST_IDS])
            elif label == "status":
                query.setlist("outcome", list(OUTCOMES.get(value, ())))
            elif label == "environment" and value != OTHER:
                query["environment"] = value
            elif label == "action" and value in ACTIONS:
                query["action"] = value
            elif label in {"operation", "category"} and "action" not in query and value != OTHER:
                query["category"] = value


def tiles(page: Page, sums: Sums, asked: Asked, ways: Ways) -> list[Tile]:
    """Return the figures of a page."""
    found = []
    for figure in page.figures:
        answered = answer(figure.query, sums, asked.window)
        value = answered[0].whole if answered else None
        if value is None and figure.query.way == "count":
            value = 0.0
        is_linked = bool(figure.action or figure.outcomes)
        base = ways.base(figure.action, figure.outcomes)
        found.append(
            Tile(
                figure=figure,
                text=said(value, figure.unit),
                word=_judged(value, figure.good),
                url=ways.whole(base, asked.window) if is_linked and value else "",
            )
        )
    return found


def sentence(page: Page, shown: Sequence[Tile]) -> str:
    """Return the line that opens a page: its figures in words."""
    if not shown or not page.sentence or shown[0].text in {"0", "none"}:
        return page.says
    return page.sentence.format(*(tile.text for tile in shown))


def draw(chart: Chart, sums: Sums, asked: Asked, ways: Ways, *, most: int | None = None) -> Drawn:
    """Return one chart. `most`: series at most; None: as many as its kind takes."""
    found = [
        one
        for query in chart.queries
        for one in answer(query, sums, asked.window)
        if one.whole is not None
    ]
    if most is None:
        most = MOST_BARS if chart.kind == "bar" else MOST_LINES
    shown = found[:most]
    base = ways.base(chart.action, chart.outcomes)
    families = {query.family.name: query.family for query in chart.queries}
    return Drawn(
        chart=chart,
        data=_data(chart, shown, asked.window, ways, base),
        series=shown,
        left_out=len(found) - len(shown),
        not_narrowed=_not_narrowed(families.values(), asked.scope.filters),
        missing="" if found else _missing(chart, next(iter(families.values()))),
        url=asked.url(chart=chart.slug),
        behind=reverse(f"admin:{chart.page}") if chart.page else "",
    )


def _data(
    chart: Chart, shown: Sequence[Answered], window: Window, ways: Ways, base: QueryDict
) -> Mapping[str, Any]:
    is_bar = chart.kind == "bar"
    return {
        "title": chart.title,
        "says": chart.says,
        "unit": chart.unit,
        "kind": chart.kind,
        "stacked": chart.is_stacked,
        "start": int(window.start.timestamp()),
        "step": window.step,
        "places": window.places,
        "entries": reverse("admin:audit_entry_changelist") if chart.is_of_entries else "",
        "series": [
            {
                "name": one.name,
                "whole": _short(one.whole),
                "values": [] if is_bar else [_short(each) for each in one.values],
                "query": ways.series(base, one.labels).urlencode() if chart.is_of_entries else "",
            }
            for one in shown
        ],
    }


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{_DIGITS}g}")


def _not_narrowed(families: Any, filters: Mapping[str, str]) -> list[str]:
    return [label for label in filters if not any(label in family.labels for family in families)]


def _missing(chart: Chart, family: Family) -> str:
    if family.kind == "gauge":
        return (
            f"Nothing in this range. {family.name} is kept once a minute while beat and a worker "
            "run."
        )
    if "entries" in family.sources:
        few = family.fed_by if len(family.fed_by) <= _FEW else ("any action",)
        actions = f"{chart.action}…" if chart.action.endswith(".") else chart.action
        return f"Nothing in this range. Entries of {actions or ', '.join(few)} bring it."
    return f"Nothing in this range. {family.name} is counted by the platform's own processes."


def _judged(value: float | None, good: tuple[float, float] | None) -> str:
    if value is None or good is None:
        return ""
    well, bad = good
    is_rising = well < bad
    if value > bad if is_rising else value < bad:
        return "act"
    if value > well if is_rising else value < well:
        return "watch"
    return "ok"

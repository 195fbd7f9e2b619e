"""The table behind a chart: every series and step in words, each with the way to its entries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.urls import reverse

from metrics.admin.operations.asked import Asked
from metrics.admin.operations.drawn import Drawn, Ways
from metrics.operations.units import said


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One step of a line, or one series of a bar."""

    moment: datetime | None
    name: str
    values: Sequence[str]
    url: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """All of them, the newest step first, the greatest series first."""

    heads: Sequence[str]
    rows: Sequence[Row]
    wholes: Sequence[str]
    """Of each head, over the whole range."""


def table_of(drawn: Drawn, asked: Asked, ways: Ways) -> Table:
    """Return the table of a chart."""
    chart, window = drawn.chart, asked.window
    base = ways.base(chart.action, chart.outcomes)
    if chart.kind == "bar":
        return Table(
            heads=["Value"],
            wholes=[],
            rows=[
                Row(
                    moment=None,
                    name=one.name,
                    values=[said(one.whole, chart.unit)],
                    url=ways.whole(ways.series(base, one.labels), window)
                    if chart.is_of_entries
                    else "",
                )
                for one in drawn.series
            ],
        )
    step = timedelta(seconds=window.step)
    entries = reverse("admin:audit_entry_changelist")
    rows = []
    for place, moment in reversed(list(enumerate(window.moments()))):
        query = base.copy()
        query["from"] = f"{moment:%Y-%m-%dT%H:%M:%SZ}"
        query["to"] = f"{moment + step:%Y-%m-%dT%H:%M:%SZ}"
        rows.append(
            Row(
                moment=moment,
                name="",
                values=[said(one.values[place], chart.unit) for one in drawn.series],
                url=f"{entries}?{query.urlencode()}" if chart.is_of_entries else "",
            )
        )
    return Table(
        heads=[one.name for one in drawn.series],
        rows=rows,
        wholes=[said(one.whole, chart.unit) for one in drawn.series],
    )

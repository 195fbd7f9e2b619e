"""Short ways to write panels down, with the sizes that suit each kind. Pure.

What a panel is: shape.py. Queries are pairs of PromQL and legend; SQL is text alone, since its
columns name themselves.
"""

from __future__ import annotations

from typing import TypeAlias

from metrics.boards.shape import Panel, Query, Row, Threshold, Unit

Asked: TypeAlias = tuple[str, str]
"""A query in PromQL, and its legend."""


def lines(
    title: str,
    unit: Unit,
    says: str,
    *asked: Asked,
    limits: tuple[Threshold, ...] = (),
    page: str = "",
    width: int = 8,
    is_quiet: bool = False,
    is_stacked: bool = False,
) -> Panel:
    """Return lines over time; `is_stacked` lays parts of a whole upon each other."""
    return Panel(
        title=title, kind="timeseries", says=says, unit=unit, queries=_queries(asked),
        thresholds=limits, page=page, width=width, height=8, is_quiet=is_quiet,
        is_stacked=is_stacked,
    )  # fmt: skip


def number(
    title: str,
    unit: Unit,
    says: str,
    *asked: Asked,
    limits: tuple[Threshold, ...] = (),
    page: str = "",
    width: int = 4,
    is_quiet: bool = False,
) -> Panel:
    """Return a number, with the line that it comes from behind it."""
    return Panel(
        title=title, kind="stat", says=says, unit=unit, queries=_queries(asked),
        thresholds=limits, page=page, width=width, height=5, is_quiet=is_quiet,
    )  # fmt: skip


def dial(
    title: str,
    unit: Unit,
    says: str,
    *asked: Asked,
    limits: tuple[Threshold, ...],
    page: str = "",
    width: int = 4,
    is_quiet: bool = False,
) -> Panel:
    """Return a number on a dial; what has a dial has limits."""
    return Panel(
        title=title, kind="gauge", says=says, unit=unit, queries=_queries(asked),
        thresholds=limits, page=page, width=width, height=5, is_quiet=is_quiet,
    )  # fmt: skip


def bars(
    title: str,
    unit: Unit,
    says: str,
    *asked: Asked,
    limits: tuple[Threshold, ...] = (),
    page: str = "",
    width: int = 8,
    is_quiet: bool = False,
) -> Panel:
    """Return one bar for each series, the newest value of each."""
    return Panel(
        title=title, kind="bar", says=says, unit=unit, queries=_queries(asked),
        thresholds=limits, page=page, width=width, height=8, is_quiet=is_quiet,
    )  # fmt: skip


def pie(
    title: str, unit: Unit, says: str, *asked: Asked, page: str = "", width: int = 8,
    is_quiet: bool = False,
) -> Panel:  # fmt: skip
    """Return the parts of a whole."""
    return Panel(
        title=title, kind="pie", says=says, unit=unit, queries=_queries(asked), page=page,
        width=width, height=8, is_quiet=is_quiet,
    )  # fmt: skip


def heat(title: str, unit: Unit, says: str, spread: str, *, width: int = 8) -> Panel:
    """Return how observations spread over the buckets of a histogram, over time."""
    return Panel(
        title=title, kind="heatmap", says=says, unit=unit, width=width, height=8,
        queries=(Query(text=spread, legend="{{le}}"),),
    )  # fmt: skip


def table(
    title: str, unit: Unit, says: str, *asked: Asked, limits: tuple[Threshold, ...] = (),
    page: str = "", width: int = 12, is_quiet: bool = False,
) -> Panel:  # fmt: skip
    """Return a table of series, a column a label and one for the value."""
    return Panel(
        title=title, kind="table", says=says, unit=unit, queries=_queries(asked),
        thresholds=limits, page=page, width=width, height=8, is_quiet=is_quiet,
    )  # fmt: skip


def listing(
    title: str, says: str, sql: str, *, unit: Unit = "count", page: str = "", width: int = 12,
    height: int = 9, is_quiet: bool = False,
) -> Panel:  # fmt: skip
    """Return rows that Postgres lists."""
    return Panel(
        title=title, kind="table", says=says, unit=unit, page=page, width=width, height=height,
        queries=(Query(text=sql.strip(), language="sql"),), is_quiet=is_quiet,
    )  # fmt: skip


def history(
    title: str, unit: Unit, says: str, sql: str, *, page: str = "", width: int = 12,
    is_quiet: bool = False,
) -> Panel:  # fmt: skip
    """Return lines of what Postgres counts: a column `time`, one `metric`, one `value`."""
    return Panel(
        title=title, kind="timeseries", says=says, unit=unit, page=page, width=width, height=8,
        queries=(Query(text=sql.strip(), language="sql"),), is_quiet=is_quiet,
    )  # fmt: skip


def row(title: str, *panels: Panel) -> Row:
    """Return a row of panels."""
    return Row(title=title, panels=panels)


def _queries(asked: tuple[Asked, ...]) -> tuple[Query, ...]:
    return tuple(Query(text=text, legend=legend) for text, legend in asked)

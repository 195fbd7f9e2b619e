"""What a page shows, as data: charts, figures, and what each asks of minute history. Pure.

A query names a family and how its rows become values; answer.py works them out. Charts are drawn
by templates/static/obs/charts.js, with a table behind each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from metrics.family import Family

Unit: TypeAlias = Literal[
    "count", "per_minute", "per_hour", "seconds", "ratio", "usd", "bytes", "cores", "tokens",
    "bytes_per_second", "per_second", "state",
]  # fmt: skip
Way: TypeAlias = Literal["count", "rate", "share", "quantile", "mean", "gauge", "per"]
How: TypeAlias = Literal["sum", "max", "min", "avg"]

Where: TypeAlias = Mapping[str, tuple[str, ...]]
"""By label, the values that count."""

FAILED: Final[Where] = {"status": ("error", "denied")}
WELL: Final[Where] = {"status": ("success",)}
USED: Final[Where] = {"state": ("used",)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """How rows of a family become values."""

    way: Way
    family: Family
    by: tuple[str, ...] = ()
    """Labels that are told apart; all others are added up."""
    where: Where = field(default_factory=dict)
    part: Where = field(default_factory=dict)
    """Of a share: what counts above the line."""
    q: float = 0.0
    """Of a quantile."""
    seconds: float = 60.0
    """Of a rate: per how long."""
    how: How = "sum"
    """Of a gauge: what series that are not told apart become together."""
    over: Family | None = None
    """Of `per` and of shares of two families: what stands below the line."""
    over_where: Where = field(default_factory=dict)
    name: str = ""
    """What people call it; empty: the values of `by`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """One chart with its table."""

    slug: str
    title: str
    says: str
    """A sentence: what it answers."""
    unit: Unit
    queries: tuple[Query, ...]
    kind: Literal["line", "bar"] = "line"
    """A bar is a whole range of one series; a line has a point a step."""
    is_stacked: bool = False
    action: str = ""
    """Entries behind it: an action, or a prefix that ends in a dot."""
    outcomes: tuple[str, ...] = ()
    """Entries behind it: how they ended."""
    page: str = ""
    """Another page behind it, by the name of its address; none: entries."""

    @property
    def is_of_entries(self) -> bool:
        """Tell whether entries stand behind it: what processes count of themselves has none."""
        return not self.page and any("entries" in query.family.sources for query in self.queries)


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One number over the whole range."""

    title: str
    unit: Unit
    query: Query
    says: str
    good: tuple[float, float] | None = None
    """From where it is well, and from where it is bad; the first is the greater where more is
    better. None: it is neither."""
    action: str = ""
    outcomes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """One page."""

    slug: str
    title: str
    says: str
    """A sentence that opens it, when there is nothing to say in figures."""
    figures: tuple[Figure, ...]
    charts: tuple[Chart, ...]
    filters: tuple[str, ...]
    """Labels that may narrow it."""
    sentence: str = ""
    """The same in figures: {0} is the first of them."""

    def queries(self) -> list[Query]:
        """Return everything that it asks."""
        return [each.query for each in self.figures] + [
            query for each in self.charts for query in each.queries
        ]


def count(family: Family, by: str = "", *, where: Where | None = None, name: str = "") -> Query:
    """Return how many there were, in the family's unit."""
    return Query(way="count", family=family, by=_words(by), where=where or {}, name=name)


def rate(
    family: Family,
    by: str = "",
    *,
    where: Where | None = None,
    name: str = "",
    seconds: float = 60.0,
) -> Query:
    """Return how many there were for each minute, or for so many seconds."""
    return Query(
        way="rate", family=family, by=_words(by), where=where or {}, name=name, seconds=seconds
    )


def share(
    family: Family, part: Where, by: str = "", *, where: Where | None = None, name: str = ""
) -> Query:
    """Return which share of them is `part`, 0 to 1; nothing of nothing."""
    return Query(way="share", family=family, by=_words(by), where=where or {}, part=part, name=name)


def quantile_of(
    q: float, family: Family, by: str = "", *, where: Where | None = None, name: str = ""
) -> Query:
    """Return what a histogram's observations stay below, in its unit."""
    return Query(way="quantile", family=family, by=_words(by), where=where or {}, q=q, name=name)


def quantiles(family: Family, *, where: Where | None = None) -> tuple[Query, ...]:
    """Return the usual three."""
    return tuple(
        quantile_of(q, family, where=where, name=f"p{q * 100:g}") for q in (0.5, 0.95, 0.99)
    )


def mean(family: Family, by: str = "", *, where: Where | None = None, name: str = "") -> Query:
    """Return the average of a histogram's observations."""
    return Query(way="mean", family=family, by=_words(by), where=where or {}, name=name)


def gauge(
    family: Family,
    by: str = "",
    *,
    where: Where | None = None,
    name: str = "",
    how: How = "sum",
) -> Query:
    """Return what a gauge said last in each step."""
    return Query(way="gauge", family=family, by=_words(by), where=where or {}, name=name, how=how)


def per(
    family: Family,
    over: Family,
    by: str = "",
    *,
    where: Where | None = None,
    over_where: Where | None = None,
    name: str = "",
) -> Query:
    """Return how much of one counter there was for each of another; nothing for none."""
    return Query(
        way="per",
        family=family,
        by=_words(by),
        where=where or {},
        over=over,
        over_where=over_where or {},
        name=name,
    )


def gauge_share(
    family: Family, part: Where, by: str = "", *, name: str = "", where: Where | None = None
) -> Query:
    """Return which share of a gauge's sum is `part`, such as of memory what is used."""
    return Query(way="gauge", family=family, by=_words(by), where=where or {}, part=part, name=name)


def _words(by: str) -> tuple[str, ...]:
    return tuple(by.split())

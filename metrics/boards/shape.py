"""What a dashboard is: boards of rows of panels, each with its queries, unit and thresholds. Pure.

Knows nothing of Grafana's JSON: that is grafana.py. Short ways to write panels down: panels.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal["timeseries", "stat", "gauge", "bar", "pie", "table", "heatmap"]

Unit: TypeAlias = Literal[
    "count", "seconds", "bytes", "ratio", "usd", "state", "cores", "score",
    "per_second", "per_minute", "bytes_per_second", "tokens_per_second", "requests_per_second",
]  # fmt: skip
"""What a number means: `ratio` and `score` are 0 to 1, `state` is 0, 0.5 or 1."""

Colour: TypeAlias = Literal["green", "orange", "red", "blue"]

VARIABLES: Final = ("ledger", "environment", "agent", "provider", "model", "tool")
"""Labels that a reader may choose by, in the order in which a board shows them."""

PER_LINE: Final = 24
"""How many columns a board is wide."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Threshold:
    """From which value on a panel has which colour."""

    at: float | None
    """In the panel's unit; None for all that lies below the first."""
    colour: Colour


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """One question to Prometheus or to Postgres."""

    text: str
    """PromQL or SQL, with Grafana's macros and variables."""
    language: Literal["promql", "sql"] = "promql"
    legend: str = ""
    """How a series is called: words, and labels as `{{label}}`."""

    @property
    def follows(self) -> tuple[str, ...]:
        """The variables that it is narrowed by."""
        return tuple(each for each in VARIABLES if re.search(rf"\$\{{?{each}\b", self.text))

    @property
    def is_over_the_range(self) -> bool:
        """Whether it answers for the whole time that is shown, so that one value is the answer."""
        return "$__range" in self.text


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """One picture and what it answers."""

    title: str
    kind: Kind
    says: str
    """What it answers, in one sentence."""
    unit: Unit
    queries: tuple[Query, ...]
    thresholds: tuple[Threshold, ...] = ()
    page: str = ""
    """The address of the desk's page where the same is read one by one; empty for none."""
    width: int
    """In columns of PER_LINE."""
    height: int
    """In Grafana's units of 30 pixels."""
    is_quiet: bool = False
    """Whether it may show nothing where everything runs: an alert, a share of what is rare."""
    is_stacked: bool = False

    @property
    def follows(self) -> tuple[str, ...]:
        """The variables that any of its queries is narrowed by."""
        asked = {each for query in self.queries for each in query.follows}
        return tuple(each for each in VARIABLES if each in asked)


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """Panels that are about one thing, under a heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Board:
    """One dashboard."""

    number: int
    """1 to 12, as the requirements have it."""
    slug: str
    """In its address and its file's name; never changed, since people keep links."""
    title: str
    says: str
    """Whom it serves and what with, in one or two sentences."""
    rows: tuple[Row, ...]
    hours: int = 3
    """How much it shows at first."""
    refresh_seconds: int = 10
    is_of_one_agent: bool = False
    """Whether its reader chooses one agent and not several."""

    @property
    def uid(self) -> str:
        """What Grafana knows it by."""
        return f"obs-{self.slug}"

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All its panels, in order."""
        return tuple(panel for row in self.rows for panel in row.panels)

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables that any of its panels follows."""
        asked = {each for panel in self.panels for each in panel.follows}
        return tuple(each for each in VARIABLES if each in asked)


def rising(warn: float, bad: float) -> tuple[Threshold, ...]:
    """Return thresholds of what is worse the higher it is."""
    return (
        Threshold(at=None, colour="green"),
        Threshold(at=warn, colour="orange"),
        Threshold(at=bad, colour="red"),
    )


def falling(warn: float, good: float) -> tuple[Threshold, ...]:
    """Return thresholds of what is worse the lower it is: red below `warn`, green from `good`."""
    return (
        Threshold(at=None, colour="red"),
        Threshold(at=warn, colour="orange"),
        Threshold(at=good, colour="green"),
    )


def never_above(bad: float) -> tuple[Threshold, ...]:
    """Return thresholds of what is well until it reaches a value."""
    return (Threshold(at=None, colour="green"), Threshold(at=bad, colour="red"))


STATE: Final = falling(0.5, 1)
"""Of what is 1 when well, 0.5 when nobody knows, 0 when not."""

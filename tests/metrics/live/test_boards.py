"""Every panel of every board shows something over a live fleet, and shows it right.

Prometheus holds what it has scraped and, of the day before, what minute history had. Postgres is
asked as the role that Grafana signs in as. Grafana's own variables and macros are expanded as it
expands them. What is asked is asked for the moment at which all had been scraped.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import pytest

from metrics.boards.d12_one_agent import board_of
from metrics.boards.every import BOARDS
from metrics.boards.grafana import KNOWN_FROM
from metrics.boards.shape import Board, Panel, Query
from metrics.families import BY_NAME
from tests.metrics.live.scraped import SELDOM, Scraped, samples_of

Case: TypeAlias = tuple[Panel, Query]

every_board = pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.slug)

RATE_INTERVAL = "2m"
"""What Grafana takes for a range of a day: more than four scrapes, and two minutes of history."""
RANGE = timedelta(hours=1)
ROUNDS = 6
"""How often the fleet goes on for a few seconds, at most."""
INTERVAL = timedelta(minutes=1)

LATER = "nothing feeds this family yet"
EMPTY: dict[str, str] = {
    "Alerts that fire": "no rule has held for as long as it must",
    "Overhead: tracing": "the platform makes no spans of its own yet",
    "Alerts and anomalies": "two days are too young for anything to be unusual",
    "Full in": "a disk that does not fill is never full",
}
"""Panels that show nothing here although something feeds their families, by title, and why."""

BEYOND_1: dict[str, str] = {
    "Budget used": "a budget may be overspent, and a straight line to tomorrow leads beyond",
    "Budget burn": "a budget may be overspent",
    "Observability overhead": "time of the clock by time of processors: a full machine makes wait",
    "Overhead: metrics": "as above",
    "Overhead: logging": "as above",
    "Overhead: audit": "as above",
}
"""Panels of a share whose value may be more than 1, by title, and why."""


def asked(board: Board, language: str) -> list[Case]:
    return [
        (panel, query)
        for panel in board.panels
        for query in panel.queries
        if query.language == language
    ]


def promql(text: str, **chosen: str) -> str:
    """Return a query as Grafana sends it; a variable that is not chosen is all of its values."""
    seconds = f"{int(RANGE.total_seconds())}s"
    windows = text.replace("$__rate_interval", RATE_INTERVAL).replace("$__range", seconds)
    assert "$__" not in windows, windows
    return re.sub(r"\$(\w+)", lambda found: chosen.get(found[1], ".*"), windows)


def sql(text: str, at: float, **chosen: str) -> str:
    """Return a statement as Grafana's source of Postgres sends it, for the last day."""
    end = datetime.fromtimestamp(at, UTC)
    start = end - timedelta(days=1)
    step = int(INTERVAL.total_seconds())
    plain = text.replace("$__interval", f"{step}s")
    plain = re.sub(
        r"\$__timeFilter\(([^)]*)\)",
        lambda found: f"{found[1]} BETWEEN '{start:%FT%TZ}' AND '{end:%FT%TZ}'",
        plain,
    )
    plain = re.sub(
        r"\$__timeGroup\((\w+), \d+s\)",
        lambda found: f"floor(extract(epoch from {found[1]})/{step})*{step}",
        plain,
    )
    assert "$__" not in plain, plain
    return re.sub(r"\$\{(\w+):regex\}", lambda found: chosen.get(found[1], ".*"), plain)


def families_of(text: str) -> Iterator[Any]:
    for name in re.findall(r"\bobs_[a-z_]+", text):
        yield BY_NAME[name if name in BY_NAME else re.sub(r"_(bucket|sum|count)$", "", name)]


def reason(panel: Panel, query: Query) -> str:
    """Return why a query may show nothing here; empty when it must show something."""
    if any("later" in family.sources for family in families_of(query.text)):
        return LATER
    return EMPTY.get(panel.title, "")


def numbers(found: list[Any]) -> list[float]:
    values = [float(each["value"][1]) for each in found]
    return [value for value in values if not math.isnan(value)]


def empty_queries(board: Board, scraped: Scraped) -> list[tuple[str, str]]:
    """Return the queries of a board, with their panels, that show nothing and should."""
    return [
        (panel.title, query.text)
        for panel, query in asked(board, "promql")
        if not numbers(scraped.then(promql(query.text))) and not reason(panel, query)
    ]


@pytest.fixture(scope="package")
def shown(scraped: Scraped) -> Scraped:
    """Let the fleet go on until every query shows something: what it does is left to chance."""
    seen = scraped
    for _ in range(ROUNDS):
        if not any(empty_queries(board, seen) for board in BOARDS):
            break
        seen = seen.go_on()
    return seen


@every_board
def test_every_query_shows_numbers(board: Board, shown: Scraped) -> None:
    assert empty_queries(board, shown) == []


@every_board
def test_every_series_has_the_labels_of_its_legend(board: Board, shown: Scraped) -> None:
    for panel, query in asked(board, "promql"):
        named = set(re.findall(r"\{\{(\w+)\}\}", query.legend))
        for series in shown.then(promql(query.text)):
            assert named <= series["metric"].keys(), (panel.title, series["metric"])


@every_board
def test_every_metric_is_one_of_the_list_and_has_been_scraped(board: Board, shown: Scraped) -> None:
    there = shown.prometheus.names()

    for _, query in asked(board, "promql"):
        for family in families_of(query.text):
            is_here = samples_of(family) <= there
            assert is_here or "later" in family.sources or family.name in SELDOM, family.name


@every_board
def test_every_number_can_be_one_of_its_unit(board: Board, shown: Scraped) -> None:
    for panel, query in asked(board, "promql"):
        values = numbers(shown.then(promql(query.text)))
        assert all(map(math.isfinite, values)), (panel.title, values)
        if panel.title != "Growth in a day":  # a table may shrink
            assert all(value >= 0 for value in values), (panel.title, values)
        if panel.unit in ("ratio", "score", "state") and panel.title not in BEYOND_1:
            assert all(value <= 1 for value in values), (panel.title, values)


@every_board
def test_a_line_has_points_over_the_time_that_is_shown(board: Board, shown: Scraped) -> None:
    for panel, query in asked(board, "promql"):
        if panel.kind not in ("timeseries", "heatmap") or reason(panel, query):
            continue
        found = shown.prometheus.get(
            "query_range",
            query=promql(query.text),
            start=shown.at - RANGE.total_seconds(),
            end=shown.at,
            step=15,
        )["result"]
        points = [float(value) for series in found for _, value in series["values"]]
        assert any(map(math.isfinite, points)), panel.title


def test_what_a_reader_may_choose_has_values(shown: Scraped) -> None:
    for name, (family, narrowed) in KNOWN_FROM.items():
        found = shown.prometheus.get(
            f"label/{name}/values", **{"match[]": promql(family.name + narrowed)}
        )
        assert found, name


def test_a_board_narrowed_to_one_value_shows_that_value_alone(shown: Scraped) -> None:
    (board,) = (each for each in BOARDS if each.slug == "agent-performance")
    agent = busiest_agent(shown)

    for _, query in asked(board, "promql"):
        if "{{agent}}" in query.legend:
            found = shown.then(promql(query.text, agent=agent))
            assert {series["metric"]["agent"] for series in found} <= {agent}


def test_the_board_of_one_agent_shows_that_agents_work(shown: Scraped) -> None:
    agent = busiest_agent(shown)
    (template,) = (each for each in BOARDS if each.is_of_one_agent)

    for board in (template, board_of(agent)):
        for panel, query in asked(board, "promql"):
            found = numbers(shown.then(promql(query.text, agent=agent)))
            assert found or panel.is_quiet, panel.title
        with shown.as_grafana() as grafana:
            for panel, query in asked(board, "sql"):
                rows = grafana.execute(sql(query.text, shown.at, agent=agent).encode())
                assert rows.fetchall(), panel.title


@every_board
def test_every_statement_shows_rows_to_the_role_of_dashboards(board: Board, shown: Scraped) -> None:
    with shown.as_grafana() as grafana:
        for panel, query in asked(board, "sql"):
            cursor = grafana.execute(sql(query.text, shown.at).encode())
            found = cursor.fetchall()
            assert found, panel.title
            assert cursor.description is not None
            if panel.kind == "timeseries":
                assert [column.name for column in cursor.description] == ["time", "metric", "value"]
                values = [float(row[2]) for row in found if row[2] is not None]
                assert values, panel.title
                assert panel.unit not in ("ratio", "score") or all(0 <= v <= 1 for v in values)


def busiest_agent(scraped: Scraped) -> str:
    named = 'obs_agent_executions_total{agent!~"_.*"}'  # an agent that is registered
    found = scraped.then(f"topk(1, sum by (agent) (increase({named}[1h])))")
    return str(found[0]["metric"]["agent"])

"""Every board asks only what there is, and says in which unit and of what. No server is asked."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
import yaml

from metrics.boards.every import BOARDS
from metrics.boards.grafana_views import BY_NAME as VIEWS
from metrics.boards.shape import VARIABLES, Board, Panel, Query
from metrics.families import BY_NAME
from metrics.family import CLOSED, Family
from metrics.target_limits import MOST_OVERHEAD
from tests import documents
from tests.documents import DOCS

NAMED = {
    "agent-performance": (
        "Cognitive loop duration", "Active goals", "Success and error rate", "Goals created",
        "Goals by mode and status", "Goal completion time", "Request rate by agent",
        "Response time by agent", "Success rate by agent", "Errors by agent", "Task distribution",
        "Tasks compared", "Operation breakdown", "Acts for each run",
    ),
    "api-health": (
        "Response time", "Request rate by endpoint", "HTTP status distribution", "Error rate",
        "Authentication attempts",
    ),
    "system-overview": (
        "Health score", "Active tasks", "Tasks done well", "Task processing rate",
        "Task duration distribution", "CPU", "Memory", "Disk", "Error tracking",
        "Event log activity", "File operations", "Agent performance", "Task queues",
        "Resource usage", "Database connections",
    ),
    "error-tracking": (
        "Overall error rate", "Failure analysis", "Error type distribution", "Error trend",
        "Recovery time", "Health correlation", "Firing alerts", "Spike detection",
    ),
    "resource-usage": (
        "CPU", "Memory", "Disk utilisation", "Store growth", "Processor time for each event",
        "Observability overhead",
    ),
    "agent-monitoring": (
        "Agent loop duration p95", "Loop success rate", "Tool execution count", "Tool latency",
        "API calls by provider", "API cost per hour", "Active agents", "Memory usage",
        "Error rate", "Audit events per minute", "Permission approval rate",
        "Tool success rate by tool",
    ),
    "performance": (
        "Overhead: metrics", "Overhead: logging", "Overhead: tracing", "Overhead: audit",
        "CPU by agent", "Memory trend", "Operation latency", "Throughput",
        "Request rate by agent", "Disk I/O", "Network I/O", "Performance targets met", "GC pause",
        "Cache hit rate", "Context-switch rate",
    ),
    "audit": (
        "Audit volume and trend", "Entries by action type", "Entries by result",
        "Failed and denied rate", "Active users in 1 h", "Completeness",
        "Critical actions in 24 h", "Append failures", "Top users", "Top agents",
        "Permission requests over time", "Tool execution audit trail",
        "Compliance score (SOC 2)", "Data access (GDPR)", "Security events (HIPAA)",
        "Timeline of the last 100 entries", "Retention", "Immutability verification",
    ),
    "overview": (
        "Agent execution rate", "Agent success rate", "Execution duration", "Active agents",
        "Tool usage by tool", "LLM token usage", "LLM cost, cumulative",
        "Memory operations rate", "Workflow execution", "Error rate",
    ),
    "cost": (
        "Cost by provider", "Cost by model", "Cost by agent", "Cost by day", "Budget burn",
        "Forecast", "Cost for each task", "Dollars for each request",
    ),
    "user-experience": ("End-user latency", "Satisfaction", "Feedback", "Session success"),
    "one-agent": ("Success rate", "Duration p95", "Operations", "Its tools"),
}  # fmt: skip
"""The panels that the requirements name, by board."""

PROMTOOL = shutil.which("promtool")

FUNCTIONS = {
    "sum", "min", "max", "avg", "topk", "rate", "increase", "histogram_quantile", "deriv",
    "predict_linear", "avg_over_time", "stddev_over_time", "count", "vector",
    "clamp_min",
}  # fmt: skip
WORDS = {"by", "or", "offset"}
COUNTING = {"rate", "increase"}
SELECTOR = re.compile(
    r"(?:(?P<function>\w+)\()?(?P<name>obs_[a-z_]+)(?:\{(?P<matchers>[^}]*)\})?(?P<range>\[)?"
)
Case: TypeAlias = tuple[Panel, Query]
PROMETHEUS_OWN = {"alertname", "severity"}
"""Labels that ALERTS has of every rule of ours: the one series that Prometheus keeps itself."""
MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')


every_board = pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.slug)


def asked(board: Board, language: str) -> list[Case]:
    """Return every query of a board in a language, with its panel."""
    return [
        (panel, query)
        for panel in board.panels
        for query in panel.queries
        if query.language == language
    ]


def family_of(name: str) -> Family:
    """Return the family of a series' name; a KeyError where there is none."""
    return BY_NAME[name if name in BY_NAME else re.sub(r"_(bucket|sum|count)$", "", name)]


def selectors(text: str) -> Iterator[re.Match[str]]:
    found = list(SELECTOR.finditer(text))
    assert found or "ALERTS{" in text, text
    yield from found


def test_there_are_twelve_boards_in_order() -> None:
    assert [board.number for board in BOARDS] == list(range(1, 13))
    assert len({board.uid for board in BOARDS}) == 12
    assert all(len(board.uid) <= 40 for board in BOARDS), "Grafana takes no longer uid"


@every_board
def test_a_board_has_every_panel_that_the_requirements_name(board: Board) -> None:
    assert set(NAMED[board.slug]) - {panel.title for panel in board.panels} == set()


@every_board
def test_a_query_names_families_and_labels_that_there_are(board: Board) -> None:
    for _, query in asked(board, "promql"):
        for found in selectors(query.text):
            family = family_of(found["name"])
            matchers = MATCHER.findall(found["matchers"] or "")
            assert MATCHER.sub("", found["matchers"] or "").strip(", ") == ""
            labels = {label for label, _, _ in matchers} - {"le"}
            assert labels <= set(family.labels), (family.name, labels)


@every_board
def test_a_query_matches_values_that_a_label_can_have(board: Board) -> None:
    for _, query in asked(board, "promql"):
        for found in selectors(query.text):
            for label, operator, value in MATCHER.findall(found["matchers"] or ""):
                if value.startswith("$"):
                    assert (operator, value) == ("=~", f"${label}")
                elif label in CLOSED:
                    assert set(value.split("|")) <= set(CLOSED[label]), (label, value)


@every_board
def test_a_query_groups_by_labels_of_a_family_that_it_names(board: Board) -> None:
    for _, query in asked(board, "promql"):
        text = query.text
        known = {label for found in selectors(text) for label in family_of(found["name"]).labels}
        known |= {"le"} if "_bucket" in text else set()
        known |= PROMETHEUS_OWN if "ALERTS{" in text else set()

        grouped = re.findall(r"by \(([^)]*)\)", text)

        assert {each for labels in grouped for each in labels.split(", ")} <= known


@every_board
def test_counters_are_read_as_rates_and_gauges_as_they_are(board: Board) -> None:
    for panel, query in asked(board, "promql"):
        for found in selectors(query.text):
            family = family_of(found["name"])
            if family.kind == "gauge":
                assert found["function"] not in COUNTING, family.name
            elif panel.title != "LLM cost, cumulative":  # what was asked for is the sum itself
                assert found["function"] in COUNTING, family.name
                assert found["range"], family.name
            assert (found["name"] == family.name) == (family.kind != "histogram")


@every_board
def test_quantiles_are_of_rates_of_buckets_summed_by_le(board: Board) -> None:
    for panel, query in asked(board, "promql"):
        text = query.text
        quantiles = re.findall(
            r"histogram_quantile\(0\.\d+, sum by \(([^)]*)\) \(rate\((\w+)", text
        )

        assert len(quantiles) == text.count("histogram_quantile")
        assert text.count("_bucket") == len(quantiles) + (panel.kind == "heatmap")
        assert all("le" in labels.split(", ") for labels, _ in quantiles)
        assert all(name.endswith("_bucket") for _, name in quantiles)


@every_board
def test_a_query_is_made_of_known_words_and_its_brackets_close(board: Board) -> None:
    for _, query in asked(board, "promql"):
        bare = re.sub(r'"[^"]*"|by \([^)]*\)|\[[^\]]*\]|\{[^}]*\}', "", query.text)
        words = set(re.findall(r"\b[a-z_]{2,}\b", bare))

        assert {each for each in words if not each.startswith("obs_")} <= FUNCTIONS | WORDS
        for opening, closing in ("()", "[]", "{}"):
            depth = 0
            for character in query.text:
                depth += (character == opening) - (character == closing)
                assert depth >= 0
            assert depth == 0


@pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not installed: apt-get install prometheus"
)
def test_prometheus_can_read_every_query(tmp_path: Path) -> None:
    queries = [query.text for board in BOARDS for _, query in asked(board, "promql")]
    rules = [
        {"record": f"query:{number}", "expr": expanded(text)} for number, text in enumerate(queries)
    ]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "boards", "rules": rules}]}))

    checked = subprocess.run(
        [str(PROMTOOL), "check", "rules", str(file)], capture_output=True, text=True, timeout=60
    )

    assert checked.returncode == 0, checked.stderr
    assert f"{len(queries)} rules found" in checked.stdout


def expanded(text: str) -> str:
    """Return a query with Grafana's macros and variables replaced, each by what it may be."""
    window = text.replace("$__rate_interval", "1m").replace("$__range", "5m")
    return re.sub(r"\$\{?\w+\}?", ".*", window)


@every_board
def test_a_query_follows_a_variable_wherever_all_its_families_have_the_label(board: Board) -> None:
    for _, query in asked(board, "promql"):
        known = [set(family_of(found["name"]).labels) for found in selectors(query.text)]
        common = set.intersection(set(VARIABLES), *known)
        for found in selectors(query.text):
            matched = MATCHER.findall(found["matchers"] or "")
            fixed = {label for label, _, value in matched if not value.startswith("$")}
            followed = {label for label, _, value in matched if value.startswith("$")}
            # A part of the one divided by all of the other would be no ratio.
            assert followed == common - fixed, query.text


@every_board
def test_a_legend_names_labels_that_the_answer_has(board: Board) -> None:
    for panel, query in asked(board, "promql"):
        grouped = re.findall(r"\b(?:sum|min|max|avg|count)(?: by \(([^)]*)\) )?\(", query.text)
        kept = {each for labels in grouped for each in labels.split(", ") if each}

        assert grouped, "series are told by our labels alone, not by the target that was scraped"
        assert query.legend, panel.title
        assert set(re.findall(r"\{\{(\w+)\}\}", query.legend)) <= kept
        if panel.kind != "table":
            assert set(re.findall(r"\{\{(\w+)\}\}", query.legend)) == kept - (
                set() if panel.kind == "heatmap" else {"le"}
            )


@every_board
def test_sql_asks_one_view_and_no_column_that_it_lacks(board: Board) -> None:
    for _, query in asked(board, "sql"):
        text = re.sub(r"'[^']*'|\"[^\"]*\"|\$__interval", "", query.text)
        (view,) = re.findall(r"\bFROM (\w+)", text)

        columns = set(re.findall(r"(?<![$:\w])([a-z_]+)\b(?!\()", text)) - {view, "timestamptz"}

        assert columns <= set(VIEWS[view].columns)
        assert " JOIN " not in text


@every_board
def test_sql_is_narrowed_by_the_time_that_is_shown(board: Board) -> None:
    for panel, query in asked(board, "sql"):
        # A forecast is of budgets as they are, whatever time is shown.
        assert ("$__timeFilter(" in query.text) != (panel.title == "Forecast")
        if panel.kind == "timeseries":
            assert re.findall(r'AS "(\w+)"', query.text) == ["time", "metric", "value"]
            assert "ORDER BY" in query.text
        elif panel.title != "Forecast":
            assert "LIMIT" in query.text


@every_board
def test_sql_follows_a_variable_wherever_its_board_and_view_have_it(board: Board) -> None:
    for _, query in asked(board, "sql"):
        (view,) = re.findall(r"\bFROM (\w+)", query.text)

        assert set(query.follows) == set(board.variables) & set(VIEWS[view].columns)


def test_no_view_shows_a_record_or_who_a_person_is() -> None:
    shown = {column for view in VIEWS.values() for column in view.columns}

    assert shown & {"record", "user_id", "session_id", "subject", "message", "prompt"} == set()
    assert set(VIEWS) == {
        name
        for board in BOARDS
        for _, query in asked(board, "sql")
        for name in re.findall(r"\bFROM (\w+)", query.text)
    }


@every_board
def test_a_panel_says_in_one_sentence_what_it_answers(board: Board) -> None:
    for panel in board.panels:
        assert re.fullmatch(r"[A-Z][^|]*\.", panel.says)
        assert not re.search(r"\. [A-Z]", panel.says)
        assert panel.title
        assert len({each.title for each in board.panels}) == len(board.panels)


@every_board
def test_a_panel_of_a_share_is_between_0_and_1(board: Board) -> None:
    for panel in board.panels:
        if panel.unit in ("ratio", "score", "state"):
            assert all(each.at is None or 0 <= each.at <= 1 for each in panel.thresholds)


@every_board
def test_thresholds_rise_from_the_base(board: Board) -> None:
    for panel in board.panels:
        if panel.thresholds:
            assert panel.thresholds[0].at is None
            edges = [each.at for each in panel.thresholds[1:] if each.at is not None]
            assert edges == sorted(set(edges))
            assert len(edges) == len(panel.thresholds) - 1
        assert panel.thresholds or panel.kind != "gauge"


def test_limits_of_overhead_are_the_targets() -> None:
    (board,) = (each for each in BOARDS if each.slug == "performance")
    limits = {panel.title.split(": ")[-1]: panel.thresholds for panel in board.panels}

    for component in ("metrics", "logging", "tracing"):
        assert limits[component][-1].at == MOST_OVERHEAD[component]


@every_board
def test_a_panel_of_what_nothing_feeds_says_that_it_may_be_empty(board: Board) -> None:
    for panel in board.panels:
        families = {
            family_of(found["name"])
            for query in panel.queries
            if query.language == "promql"
            for found in selectors(query.text)
        }

        if any("later" in family.sources for family in families):
            assert panel.is_quiet


@every_board
def test_a_panel_leads_to_a_page_of_the_desk(board: Board) -> None:
    for panel in board.panels:
        page = panel.page.partition("?")[0]

        assert not page or f"| `{page}` |" in documents.read(DOCS / "desk.md")

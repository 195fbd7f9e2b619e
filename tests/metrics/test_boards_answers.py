"""Prometheus' own engine answers every query of every board, over series made of the families.

`promtool test rules` holds an expectation to what a query gives: of shares and ratios the numbers
are known; of all others it is told to expect nothing, and says what it got instead.
"""

from __future__ import annotations

import itertools
import math
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from metrics import agent_families as agent
from metrics.boards.every import BOARDS
from metrics.boards.promql import per, share
from metrics.boards.shape import Board
from metrics.families import FAMILIES
from metrics.family import CLOSED, Family

PROMTOOL = shutil.which("promtool")
pytestmark = pytest.mark.skipif(PROMTOOL is None, reason="no promtool: apt-get install prometheus")

TIMES = 310
"""Of five minutes: more than the day that the longest window looks back, and another hour."""
ALERT = ['alertname="Any"', 'alertstate="firing"', 'severity="warning"']
"""The labels of the series that Prometheus keeps itself."""
MATCHED = re.compile(r'(\w+)=~?"([^"$]+)"')
GOT = re.compile(r'expr: "(.*?)", time: \S+\s+exp:.*?\n?\s*got:(.*)')

every_board = pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.slug)


def expanded(text: str) -> str:
    """Return a query with windows that hold several of our samples, and all values chosen."""
    windows = text.replace("$__rate_interval", "20m").replace("$__range", "1h")
    return re.sub(r"\$\w+", ".*", windows)


def queries_of(*boards: Board) -> list[str]:
    return [
        query.text
        for board in boards
        for panel in board.panels
        for query in panel.queries
        if query.language == "promql"
    ]


@cache
def asked_for() -> dict[str, set[str]]:
    """Return the values that queries match, by label: series must have them."""
    found: dict[str, set[str]] = {}
    for label, values in MATCHED.findall(" ".join(queries_of(*BOARDS))):
        found.setdefault(label, set()).update(values.split("|"))
    return found


def values_of(label: str) -> list[str]:
    return sorted({*CLOSED.get(label, ("x",)), *asked_for().get(label, ())})


def series_of(family: Family) -> Iterator[dict[str, str]]:
    for values in itertools.product(*(values_of(label) for label in family.labels)):
        labels = [f'{label}="{value}"' for label, value in zip(family.labels, values, strict=True)]
        if family.kind == "counter":
            yield one_series(family.name, labels, f"0+3x{TIMES}")
        elif family.kind == "gauge":
            # What is free falls, so that there is an hour in which it ends.
            is_free = 'state="free"' in labels
            yield one_series(family.name, labels, f"{'1-0.001' if is_free else '0+0.001'}x{TIMES}")
        else:
            edges = [*(f"{edge:g}" for edge in family.edges), "+Inf"]
            for place, edge in enumerate(edges, start=1):
                both = [*labels, f'le="{edge}"']
                yield one_series(f"{family.name}_bucket", both, f"0+{place}x{TIMES}")
            for suffix in ("_count", "_sum"):
                yield one_series(family.name + suffix, labels, f"0+{len(edges)}x{TIMES}")


def one_series(name: str, labels: list[str], values: str) -> dict[str, str]:
    return {"series": f"{name}{{{','.join(labels)}}}", "values": values}


def run_promtool(folder: Path, series: list[dict[str, str]], tests: list[dict[str, Any]]) -> str:
    """Return what promtool says of tests over series; nothing but SUCCESS when all hold."""
    test = {"interval": "5m", "input_series": series, "promql_expr_test": tests}
    file = folder / "test.yml"
    file.write_text(yaml.safe_dump({"evaluation_interval": "5m", "tests": [test]}))
    done = subprocess.run(
        [str(PROMTOOL), "test", "rules", str(file)], capture_output=True, text=True, timeout=120
    )
    return done.stdout + done.stderr


@every_board
def test_every_query_gives_numbers_that_have_the_labels_of_its_legend(
    board: Board, tmp_path: Path
) -> None:
    queries = {expanded(text) for text in queries_of(board)}
    series = [each for family in FAMILIES for each in series_of(family)]
    series.append(one_series("ALERTS", ALERT, f"1x{TIMES}"))
    expect_nothing = [{"expr": text, "eval_time": f"{5 * (TIMES - 10)}m"} for text in queries]

    said = run_promtool(tmp_path, series, expect_nothing)

    got = {text.replace('\\"', '"'): answer for text, answer in GOT.findall(said)}
    assert queries - got.keys() == set(), "these give nothing"
    for panel in board.panels:
        for query in panel.queries:
            if query.language == "promql":
                answer = got[expanded(query.text)]
                values = [float(each) for each in re.findall(r"\} (\S+?)(?:,|\s|$)", answer)]
                assert values, answer
                assert all(map(math.isfinite, values)), (panel.title, answer)
                for label in re.findall(r"\{\{(\w+)\}\}", query.legend):
                    assert f'{label}="' in answer, (panel.title, label)
                if panel.unit in ("ratio", "score", "state"):
                    assert all(0 <= value <= 1 for value in values), (panel.title, answer)


RUNS = agent.AGENT_EXECUTIONS.name
COST = agent.LLM_COST.name
ENDS_WELL, ENDS_BADLY = 'agent="a",status="success"', 'agent="a",status="error"'
FAILED = share(agent.AGENT_EXECUTIONS, 'status="error"', "agent")
DOLLARS = per(agent.LLM_COST, agent.AGENT_EXECUTIONS)


@pytest.mark.parametrize(
    ("series", "query", "expected"),
    [
        ({f"{RUNS}{{{ENDS_WELL}}}": 3, f"{RUNS}{{{ENDS_BADLY}}}": 1}, FAILED, 0.25),
        ({f"{RUNS}{{{ENDS_BADLY}}}": 2}, FAILED, 1),
        ({f"{RUNS}{{{ENDS_WELL}}}": 2}, FAILED, 0),
        ({f"{RUNS}{{{ENDS_WELL}}}": 2, f"{RUNS}{{{ENDS_BADLY}}}": 0}, FAILED, 0),
        ({f"{RUNS}{{{ENDS_WELL}}}": 0, f"{RUNS}{{{ENDS_BADLY}}}": 0}, FAILED, None),
        ({}, FAILED, None),
        ({f'{COST}{{model="m"}}': 6, f"{RUNS}{{{ENDS_WELL}}}": 4}, DOLLARS, 1.5),
        ({f'{COST}{{model="m"}}': 6, f"{RUNS}{{{ENDS_WELL}}}": 0}, DOLLARS, None),
    ],
    ids=(
        "a quarter", "all", "none yet", "none lately", "nothing lately", "nothing at all",
        "dollars a run", "dollars and no run",
    ),
)  # fmt: skip
def test_a_share_is_0_without_the_part_and_empty_without_anything(
    series: dict[str, int], query: str, expected: float | None, tmp_path: Path
) -> None:
    labels = '{agent="a"}' if query is FAILED else "{}"
    samples = [] if expected is None else [{"labels": labels, "value": expected}]
    grow = [{"series": name, "values": f"0+{each}x60"} for name, each in series.items()]
    test = {"expr": expanded(query), "eval_time": "200m", "exp_samples": samples}

    said = run_promtool(tmp_path, grow, [test])

    assert "SUCCESS" in said, said

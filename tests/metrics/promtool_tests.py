"""Make promtool's unit tests of the cases: docker/prometheus/tests, one file for each group, and
`day` for what looks back a day, which is evaluated more seldom so that a run takes seconds.

Three tests a rule. `fires`: at the first moment at which it must, with the words that it must say;
the value is that of a whole window. `not yet`: the threshold is crossed, and that has not lasted
long enough, so it is pending; a rule that fires at once is asked just before the crossing. `quiet`:
nothing fires, however long one waits. `python -m tests.metrics.promtool_tests` writes the files.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from metrics.alert_file import INTERVAL, RUNBOOKS
from metrics.alert_promql import duration
from metrics.alert_rule import Rule
from metrics.alert_rules import RULES
from tests.metrics.alert_cases import CASES, LONG, Case, Line

FOLDER = Path(__file__).resolve().parents[2] / "docker" / "prometheus" / "tests"
HEAD = "# Written by `make alerts` from the cases of the tests; a test fails when it is stale.\n"
STEP = timedelta(minutes=1)
"""Between two samples."""
WINDOWED = frozenset({"rate", "increase", "quantile", "against_yesterday", "spike"})
SELDOM = timedelta(minutes=5)
SCRAPED = {"job": "obsplatform", "instance": "audit:443"}


def files() -> dict[str, str]:
    """Return the text of each file by its name."""
    cases = {case.rule: case for case in CASES}
    tests: dict[str, list[dict[str, Any]]] = {}
    for rule in RULES:
        case = cases[rule.name]
        name = "day" if case.calm == LONG else rule.group
        tests.setdefault(name, []).extend(_tests_of(rule, case))
    return {
        f"{name}.test.yml": _file(found, SELDOM if name == "day" else INTERVAL)
        for name, found in tests.items()
    }


def _file(tests: list[dict[str, Any]], interval: timedelta) -> str:
    made = {
        "rule_files": ["../alerts.rules.yml"],
        "evaluation_interval": duration(interval),
        "tests": tests,
    }
    return HEAD + yaml.safe_dump(made, sort_keys=False, width=1_000)


def _tests_of(rule: Rule, case: Case) -> list[dict[str, Any]]:
    settled = rule.window if rule.function in WINDOWED or _is_share_of_counts(rule) else STEP * 0
    interval = SELDOM if case.calm == LONG else INTERVAL
    crosses = case.calm + -(-(STEP + case.crosses) // interval) * interval
    fires = crosses + rule.lasts + settled
    broken = [_series(line, case.calm, fires) for line in case.lines]
    quiet = [_quiet_series(line, fires) for line in case.lines]
    before = crosses + rule.lasts - interval
    return [
        _test(rule, "fires", broken, fires, [_alert(rule, case)]),
        {**_test(rule, "not yet", broken, before, []), **_pending(rule, case, before)},
        _test(rule, "quiet", quiet, fires, []),
    ]


def _is_share_of_counts(rule: Rule) -> bool:
    return rule.function == "ratio" and rule.family.endswith("_total")


def _series(line: Line, calm: timedelta, until: timedelta) -> dict[str, str]:
    first, second = int(calm / STEP), int((until - calm) / STEP) + 1
    if not line.grows:
        return _named(line, f"{line.calm:.12g}+0x{first} {line.broken:.12g}+0x{second}")
    turned = first * line.calm + line.broken
    return _named(line, f"0+{line.calm:.12g}x{first} {turned:.12g}+{line.broken:.12g}x{second}")


def _quiet_series(line: Line, until: timedelta) -> dict[str, str]:
    before = line.quiet if line.quiet_before is None else line.quiet_before
    half = until / 2 // STEP * STEP
    return _series(replace(line, calm=before, broken=line.quiet), half, until)


def _named(line: Line, values: str) -> dict[str, str]:
    labels = ", ".join(f'{name}="{value}"' for name, value in {**line.labels, **SCRAPED}.items())
    return {"series": f"{line.name}{{{labels}}}", "values": values}


def _test(
    rule: Rule, what: str, series: list[dict[str, str]], at: timedelta, alerts: list[Any]
) -> dict[str, Any]:
    return {
        "name": f"{rule.name}: {what}",
        "interval": duration(STEP),
        "input_series": series,
        "alert_rule_test": [
            {"eval_time": duration(at), "alertname": rule.name, "exp_alerts": alerts}
        ],
    }


def _pending(rule: Rule, case: Case, at: timedelta) -> dict[str, Any]:
    """Return the proof that it waits, where it has to."""
    if not rule.lasts:
        return {}
    labels = {"alertname": rule.name, "alertstate": "pending", "severity": rule.severity}
    found = ", ".join(f'{name}="{value}"' for name, value in {**labels, **case.labels}.items())
    return {
        "promql_expr_test": [
            {
                "expr": f'ALERTS{{alertname="{rule.name}"}}',
                "eval_time": duration(at),
                "exp_samples": [{"labels": f"ALERTS{{{found}}}", "value": 1}],
            }
        ]
    }


def _alert(rule: Rule, case: Case) -> dict[str, Any]:
    said = {**case.labels, "value": case.value}
    return {
        "exp_labels": {"severity": rule.severity, **case.labels},
        "exp_annotations": {
            "summary": rule.summary.format_map(said),
            "description": rule.description.format_map(said),
            "runbook_url": f"{RUNBOOKS}/{rule.runbook}.md",
        },
    }


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")

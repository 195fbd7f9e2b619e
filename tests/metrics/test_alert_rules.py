"""Alert rules rest on families that exist, mean the same in PromQL, and fire when they must."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from metrics.alert_file import alert_file, template
from metrics.alert_promql import duration, number, promql, selector
from metrics.alert_rule import UP, Rule, problems
from metrics.alert_rules import RULES
from metrics.families import BY_NAME
from tests import documents
from tests.documents import DOCS, ROOT
from tests.metrics import promtool_tests
from tests.metrics.alert_cases import CASES

PROMTOOL = shutil.which("promtool")
FILE = ROOT / "docker" / "prometheus" / "alerts.rules.yml"
RUNBOOKS = DOCS / "runbooks"
HEADINGS = ("What it means", "Look", "Do", "When it is nothing")

needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not installed: apt-get install prometheus"
)
each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)


def make_rule(**different: Any) -> Rule:
    rule = Rule(
        name="Slow",
        group="agents",
        family="obs_tool_calls_total",
        function="rate",
        threshold=1.5,
        severity="warning",
        summary="slow",
        description="slow",
        runbook="Slow",
    )
    return dataclasses.replace(rule, **different)


def metrics_in(text: str) -> set[str]:
    """Return the families that PromQL names, and what looks like one."""
    found = set(re.findall(r"\bobs_\w+", text))
    return {
        each if each in BY_NAME else re.sub(r"_(bucket|sum|count)$", "", each) for each in found
    }


# --- The rules ----------------------------------------------------------------------------------


@each_rule
def test_a_rule_has_no_problem(rule: Rule) -> None:
    assert problems(rule) == []


def test_no_two_rules_have_one_name() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)


@each_rule
def test_a_rule_names_nothing_but_families(rule: Rule) -> None:
    named = metrics_in(promql(rule))

    assert named <= BY_NAME.keys()
    assert named or rule.is_of_prometheus


@each_rule
def test_a_rule_rests_on_what_is_fed_and_shown_by_default(rule: Rule) -> None:
    families = [BY_NAME[name] for name in (rule.family, rule.of) if name in BY_NAME]

    assert all("later" not in family.sources for family in families)
    assert all(family.detail != "full" for family in families)


@each_rule
def test_of_several_series_the_worst_counts(rule: Rule) -> None:
    if rule.function not in ("value", "age", "growth") or rule.aggregate == "sum":
        return
    is_worse_when_less = rule.comparison == "<" or (rule.comparison, rule.threshold) == ("==", 0)

    assert rule.aggregate == ("min" if is_worse_when_less else "max")


def test_prometheus_alone_knows_one_of_them() -> None:
    assert [rule.name for rule in RULES if rule.is_of_prometheus] == ["TargetDown"]


@pytest.mark.parametrize(
    ("different", "said"),
    [
        ({"family": "obs_no_such_total"}, "no family"),
        ({"name": "slow one"}, "a name is"),
        ({"family": "obs_agents_active"}, "cannot be made of"),
        ({"function": "quantile"}, "cannot be made of"),
        ({"family": "obs_agents_active", "function": "age"}, "says no time"),
        ({"function": "ratio"}, "has a whole"),
        ({"of": "obs_tool_calls_total"}, "has a whole"),
        ({"function": "ratio", "of": "obs_agents_active"}, "no family of the kind"),
        ({"function": "ratio", "of": "obs_tasks_total", "by": ("tool",)}, "lacks a label"),
        ({"match": (("agent", ("a",)),)}, "no label agent"),
        ({"by": ("agent",)}, "no label agent"),
        ({"by": ("tool", "tool")}, "twice"),
        ({"match": (("status", ("failure",)),)}, "never has"),
        ({"match": (("tool", ()),)}, "no value"),
        ({"window": timedelta()}, "a window"),
        ({"lasts": timedelta(seconds=-1)}, "how long it lasts"),
        ({"quantile": 1.0}, "a quantile"),
        ({"function": "spike", "comparison": "<"}, "a spike"),
        ({"summary": "{agent} is slow"}, "agent"),
        ({"description": ""}, "empty"),
        ({"family": UP, "function": "value", "by": ("ledger",)}, "no label ledger"),
    ],
)
def test_what_is_wrong_with_a_rule_is_said(different: dict[str, Any], said: str) -> None:
    assert any(said in each for each in problems(make_rule(**different)))


# --- In PromQL ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("different", "said"),
    [
        ({}, "sum(rate(obs_tool_calls_total[5m])) > 1.5"),
        (
            {"function": "increase", "by": ("tool",), "window": timedelta(hours=1)},
            "sum by (tool) (increase(obs_tool_calls_total[1h])) > 1.5",
        ),
        (
            {"family": "obs_tool_execution_duration_seconds", "function": "quantile"},
            "histogram_quantile(0.95, sum by (le) "
            "(rate(obs_tool_execution_duration_seconds_bucket[5m]))) > 1.5",
        ),
        (
            {
                "family": "obs_tool_execution_duration_seconds",
                "function": "against_yesterday",
                "by": ("tool",),
            },
            "histogram_quantile(0.95, sum by (tool, le) "
            "(rate(obs_tool_execution_duration_seconds_bucket[5m]))) / "
            "histogram_quantile(0.95, sum by (tool, le) "
            "(rate(obs_tool_execution_duration_seconds_bucket[5m] offset 1d))) > 1.5",
        ),
        (
            {
                "function": "ratio",
                "of": "obs_tool_calls_total",
                "match": (("status", ("error", "denied")),),
            },
            'sum(rate(obs_tool_calls_total{status=~"error|denied"}[5m])) / '
            "(sum(rate(obs_tool_calls_total[5m])) > 0) > 1.5",
        ),
        (
            {
                "family": "obs_host_memory_bytes",
                "function": "ratio",
                "of": "obs_host_memory_bytes",
                "match": (("state", ("used",)),),
            },
            'sum(obs_host_memory_bytes{state="used"}) / (sum(obs_host_memory_bytes) > 0) > 1.5',
        ),
        (
            {"family": "obs_agents_active", "function": "value", "comparison": "=="},
            "max(obs_agents_active) == 1.5",
        ),
        (
            {
                "family": "obs_audit_chain_verified_timestamp_seconds",
                "function": "age",
                "by": ("ledger",),
            },
            "max by (ledger) (time() - obs_audit_chain_verified_timestamp_seconds) > 1.5",
        ),
        (
            {"family": "obs_agents_active", "function": "growth"},
            "max(obs_agents_active - obs_agents_active offset 5m) > 1.5",
        ),
        (
            {"function": "spike"},
            "sum(rate(obs_tool_calls_total[5m])) > "
            "avg_over_time((sum(rate(obs_tool_calls_total[5m])))[1d:5m]) + "
            "1.5 * stddev_over_time((sum(rate(obs_tool_calls_total[5m])))[1d:5m])",
        ),
    ],
)
def test_each_function_is_said_in_promql(different: dict[str, Any], said: str) -> None:
    rule = make_rule(**different)

    assert problems(rule) == []
    assert promql(rule) == said


def test_values_of_labels_stay_values() -> None:
    assert selector("up", (("job", ('a"b\\c\n',)),)) == r'up{job="a\"b\\c\n"}'
    assert selector("up", (("job", ("a.b", "c|d")),)) == r'up{job=~"a\\.b|c\\|d"}'


def test_durations_and_numbers_are_short() -> None:
    lengths = (timedelta(seconds=90), timedelta(minutes=90), timedelta(hours=24), timedelta())

    assert [duration(each) for each in lengths] == ["90s", "90m", "1d", "0s"]
    assert [number(each) for each in (0, 10, 1e6, 0.1, 0.8 * 7)] == [
        "0",
        "10",
        "1000000",
        "0.1",
        "5.6",
    ]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (
            make_rule(summary="{value} of {tool}", by=("tool",)),
            "{{ $value | humanize }} of {{ $labels.tool }}",
        ),
        (make_rule(summary="{value}", function="ratio"), "{{ $value | humanizePercentage }}"),
        (
            make_rule(summary="{value}", function="value", family="obs_ingest_inbox_age_seconds"),
            "{{ $value | humanizeDuration }}",
        ),
    ],
)  # fmt: skip
def test_words_have_the_places_of_prometheus(rule: Rule, said: str) -> None:
    assert template(rule, rule.summary) == said


# --- The files for Prometheus -------------------------------------------------------------------


def test_the_file_of_rules_is_what_make_alerts_writes() -> None:
    assert FILE.read_text(encoding="utf-8") == alert_file(RULES), "stale: run `make alerts`"


def test_promtools_tests_are_what_make_alerts_writes() -> None:
    found = {
        file.name: file.read_text(encoding="utf-8") for file in promtool_tests.FOLDER.iterdir()
    }

    assert found == promtool_tests.files(), "stale: run `make alerts`"


def test_every_rule_has_its_case_and_no_other() -> None:
    assert sorted(case.rule for case in CASES) == sorted(rule.name for rule in RULES)


def promtool(*arguments: str | Path) -> str:
    assert PROMTOOL is not None
    done = subprocess.run(
        [PROMTOOL, *arguments], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_promtool
def test_promtool_accepts_the_rules() -> None:
    assert f"{len(RULES)} rules found" in promtool("check", "rules", FILE)


def alone(name: str, rules: str, folder: Path) -> Path:
    """Write a file of tests, and beside it those rules that it asks for; return its path.

    promtool evaluates all rules in each test. No rule reads how another stands, and no two have
    one name: whether one fires is the same without the others, and known in a fifth of the time.
    """
    tests = yaml.safe_load(promtool_tests.files()[name])
    (shipped,) = tests["rule_files"]
    assert (promtool_tests.FOLDER / shipped).resolve() == FILE
    names = {each["alertname"] for test in tests["tests"] for each in test["alert_rule_test"]}
    groups = [
        group | {"rules": [rule for rule in group["rules"] if rule["alert"] in names]}
        for group in yaml.safe_load(rules)["groups"]
    ]
    (folder / Path(shipped).name).write_text(yaml.safe_dump({"groups": groups}, sort_keys=False))
    (folder / "tests").mkdir()
    file = folder / "tests" / name
    file.write_text(promtool_tests.files()[name])
    return file


@needs_promtool
@pytest.mark.parametrize("name", sorted(promtool_tests.files()))
def test_each_alert_fires_when_it_must_and_only_then(name: str, tmp_path: Path) -> None:
    assert "SUCCESS" in promtool("test", "rules", alone(name, FILE.read_text(), tmp_path))


def test_no_rule_reads_how_another_stands() -> None:
    assert not [rule.name for rule in RULES if "ALERTS" in promql(rule)]


@needs_promtool
def test_promtools_tests_notice_a_rule_that_fires_too_early(tmp_path: Path) -> None:
    eager = [dataclasses.replace(rule, lasts=timedelta()) for rule in RULES]
    test = alone("compliance.test.yml", alert_file(eager), tmp_path)
    assert PROMTOOL is not None

    done = subprocess.run(
        [PROMTOOL, "test", "rules", test], capture_output=True, text=True, timeout=240, check=False
    )

    waiting = {rule.name for rule in RULES if rule.group == "compliance" and rule.lasts}
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert {name for name in waiting if name in said} == waiting


# --- The runbooks -------------------------------------------------------------------------------


def test_every_rule_has_its_runbook_and_no_page_is_left_over() -> None:
    pages = {page.stem for page in RUNBOOKS.glob("*.md")}

    assert pages == {rule.runbook for rule in RULES} | {"index"}


@each_rule
def test_a_runbook_says_what_the_alert_means_and_what_to_do(rule: Rule) -> None:
    page = documents.read(RUNBOOKS / f"{rule.runbook}.md")

    assert page.startswith(f"# {rule.runbook}\n")
    assert tuple(re.findall(r"^## (.+)$", page, re.MULTILINE)) == HEADINGS
    assert f"`{rule.name}`" in page


@each_rule
def test_a_runbook_shows_the_expression_of_the_rule(rule: Rule) -> None:
    assert promql(rule) in documents.fences(RUNBOOKS / f"{rule.runbook}.md", "promql")[0]


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("*.md")), ids=lambda page: page.stem)
def test_a_runbook_names_families_that_exist(page: Path) -> None:
    assert metrics_in(documents.read(page)) <= BY_NAME.keys()


def test_the_list_of_runbooks_is_that_of_the_rules() -> None:
    header = ("alert", "severity", "for", "fires when")
    documented = [
        (*re.findall(r"\[(\w+)\]\((\S+)\)", row.cells[0]), row.cell("severity"), row.cell("for"))
        for row in documents.table(RUNBOOKS / "index.md", *header)
    ]

    assert documented == [
        ((rule.name, f"{rule.runbook}.md"), rule.severity, duration(rule.lasts)) for rule in RULES
    ]


@needs_promtool
def test_every_query_of_a_runbook_is_promql(tmp_path: Path) -> None:
    queries = [
        line
        for page in sorted(RUNBOOKS.glob("*.md"))
        for fence in documents.fences(page, "promql")
        for line in fence.splitlines()
    ]
    file = tmp_path / "queries.yml"
    rules = [{"record": f"query_{at}", "expr": query} for at, query in enumerate(queries)]
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))

    assert f"{len(queries)} rules found" in promtool("check", "rules", file)
    assert len(queries) > 2 * len(RULES)

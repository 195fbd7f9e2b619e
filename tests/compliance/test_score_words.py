"""Results in words: what a page may say, and what it may not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from compliance.admin.words import (
    Change,
    band_badge,
    changes,
    check_line,
    command,
    control_line,
    headline,
    period,
)
from compliance.result import as_json
from tests.compliance.results import a_control, a_leg, a_result, day, some_controls


def test_the_sentence_says_score_band_and_what_keeps_it_down() -> None:
    result = as_json(a_result())

    said = headline("SOC 2", result)

    numbers = result["numbers"]
    assert said.startswith(f"SOC 2: {numbers['evidenced']} of 100 is evidenced, {numbers['band']}")
    assert f"at {numbers['cap']} at most" in said


def test_without_a_cap_the_sentence_says_so() -> None:
    result = as_json(a_result(controls=(a_control("C1", a_leg("C1", "LOG-02", "pass")),)))

    assert headline("Ours", result) == "Ours: 100.0 of 100 is evidenced, strong; nothing caps it."


def test_no_score_is_said_with_its_reason() -> None:
    result = as_json(a_result(assured=None))

    assert headline("SOC 2", result).startswith("SOC 2 has no score: the evidence itself")
    assert band_badge(result) == "no_score"


def test_a_framework_that_does_not_apply_says_why() -> None:
    result = as_json(a_result(not_in_force="no system is recorded as high-risk"))

    said = headline("EU AI Act", result)

    assert said == "EU AI Act does not apply: no system is recorded as high-risk."


@pytest.mark.parametrize(
    ("legs", "said"),
    [
        ([a_leg("C1", "A-1", "pass")], "passes."),
        ([a_leg("C1", "A-1", "fail")], "its only leg fails."),
        ([a_leg("C1", "A-1", "fail"), a_leg("C1", "A-2", "pass")], "one of its 2 legs fails."),
        (
            [a_leg("C1", "A-1", "fail"), a_leg("C1", "A-2", "no_data")],
            "2 of its 2 legs fail or have no data.",
        ),
        ([a_leg("C1", "A-1", "no_data")], "its only leg has no data."),
    ],
)
def test_a_control_is_one_sentence(legs: list[Any], said: str) -> None:
    control = as_json(a_result(controls=(a_control("C1", *legs),)))["controls"][0]

    assert control_line(control) == f"C1, What C1 asks for: {said}"


def test_a_check_is_one_sentence_with_its_figures() -> None:
    leg = as_json(a_result())["controls"][4]["legs"][0]

    said = check_line("TOOL-01", "Dangerous calls are approved", leg)

    assert said == "TOOL-01, Dangerous calls are approved: 2 of 4,120 items failed."


def test_the_period_names_its_last_day_and_not_the_one_after() -> None:
    assert period(as_json(a_result())) == "2026-10-23 to 2026-11-21"
    one_day = as_json(a_result(start=day("2026-10-23"), end=day("2026-10-24")))
    assert period(one_day) == "2026-10-23"


def test_changes_are_the_legs_whose_state_is_another() -> None:
    before = a_result()
    mended = tuple(
        a_control(each.id, *(replace(leg, state="pass", f=0) for leg in each.legs))
        if each.id == "CC6.3"
        else each
        for each in some_controls()
        if each.id != "P1.1"
    )

    found = changes(as_json(before), as_json(a_result(controls=mended)))

    assert found == [
        Change(control="CC6.3", leg="TOOL-01", before="fail", after="pass"),
        Change(control="P1.1", leg="PD-10", before="not_applicable", after=""),
    ]
    assert changes(as_json(before), as_json(before)) == []


def test_the_command_computes_the_same_result_and_quotes_what_an_agent_calls_itself() -> None:
    narrow = as_json(a_result(agent="it's $(me)", environment="staging"))

    assert command(as_json(a_result())) == (
        "manage.py evaluate soc2 --from 2026-10-23 --to 2026-11-22 --ledger main"
    )
    assert command(narrow, from_scratch=True).endswith(
        "--environment staging --agent 'it'\\''s $(me)' --from-scratch"
    )

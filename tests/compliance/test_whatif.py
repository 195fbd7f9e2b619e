"""What a fix would give is the score computed again, never an estimate."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compliance.result import FrameworkResult, shown
from compliance.scoring import score
from compliance.whatif import ALL, what_if
from tests.compliance.results import a_control, a_leg, a_result


def _two_legs_down() -> FrameworkResult:
    passing = [a_control(f"c{i}", a_leg(f"c{i}", "k", "pass")) for i in range(8)]
    down = a_control(
        "x",
        a_leg("x", "small", "fail", severity="low", n=100, f=50),
        a_leg("x", "big", "no_data", severity="critical"),
        a_leg("x", "fine", "pass"),
        weight="critical",
    )
    return a_result(controls=(*passing, down))


def test_each_fix_is_the_score_with_that_leg_passing() -> None:
    result = _two_legs_down()

    fixes = what_if(result, "x")

    assert [fix.leg for fix in fixes] == ["big", "small", ALL]
    for fix in fixes[:2]:
        legs = tuple(
            replace(leg, state="pass", f=0) if leg.id == fix.leg else leg
            for leg in result.controls[-1].legs
        )
        again = score([*result.controls[:-1], replace(result.controls[-1], legs=legs)])
        assert fix.after == again
        assert fix.before == result.numbers


def test_the_cap_is_in_the_answer() -> None:
    big, small, together = what_if(_two_legs_down(), "x")

    assert shown(small.after.assured) == "49.0"  # the critical one still caps
    assert big.after.cap == 100
    assert shown(together.after.assured) == "100.0"


def test_a_control_that_nothing_holds_down_has_no_fixes() -> None:
    assert what_if(a_result(), "CC1.1") == []


def test_without_a_score_no_control_can_raise_it() -> None:
    assert what_if(a_result(assured=None), "CC6.3") == ()


def test_an_unknown_control_is_an_error() -> None:
    with pytest.raises(KeyError):
        what_if(a_result(), "CC99")


def test_no_fix_lowers_anything() -> None:
    result = a_result()

    for control in result.controls:
        for fix in what_if(result, control.id):
            assert fix.after.assured is not None
            assert fix.before.assured is not None
            assert fix.after.assured >= fix.before.assured

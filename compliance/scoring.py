"""Turn the states of legs into the four numbers. Pure; exact fractions, no clock, no rounding.

    a(control) = Σ w·c / Σ w                     over its legs that count
    RAW        = Σ W·a / Σ W                     over controls with a leg that counts
    COVERAGE   = 100 · Σ W·(Σ w of tested legs / Σ w) / Σ W
    TESTED     = RAW · 100 / COVERAGE
    CAP        = 49 with a critical leg in fail, error or no_data; 79 with a high one; else 100
    EVIDENCED  = min(RAW, CAP)

w is the severity of a leg, W the weight of its control, c what the leg earns of 100. What is
not_occurred, not_applicable or pending leaves both sums; what is waived stays and earns nothing;
a leg is tested when it passed or failed. So moving a leg to no_data never raises a number: it
earns nothing and carries the cap of a failure. Never judges: judge.py says which state a leg has.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Final

from compliance.definitions import Severity
from compliance.result import CappedBy, ControlResult, Leg, Numbers, State

WEIGHT: Final[dict[Severity, int]] = {"critical": 10, "high": 6, "medium": 3, "low": 1}
CAP: Final[dict[Severity, int]] = {"critical": 49, "high": 79}
UNCAPPED: Final = 100
ZERO_AT: Final = Fraction(1, 10)
"""The share of failing items at which a medium or low leg earns nothing more."""
MOST_OF_A_FAILURE: Final = Fraction(50)
"""A failing leg never earns more than half."""
LEAVES_BOTH_SUMS: Final = frozenset[State]({"not_occurred", "not_applicable", "pending"})
CAPPING: Final = frozenset[State]({"fail", "no_data", "error"})
IS_TESTED: Final = frozenset[State]({"pass", "fail"})
_WORST_FIRST: Final[tuple[State, ...]] = ("fail", "error", "no_data", "waived")


def credit(leg: Leg) -> Fraction:
    """Return what a leg earns, 0 to 100."""
    if leg.state == "pass":
        return Fraction(100)
    if leg.state == "fail" and leg.severity not in CAP and leg.n:
        return max(Fraction(0), MOST_OF_A_FAILURE * (1 - Fraction(leg.f, leg.n) / ZERO_AT))
    return Fraction(0)


def counted(legs: Iterable[Leg]) -> list[Leg]:
    """Return the legs that stand in the sums."""
    return [leg for leg in legs if leg.state not in LEAVES_BOTH_SUMS and not leg.shown_only]


def control_score(legs: Iterable[Leg]) -> Fraction | None:
    """Return what a control earns, 0 to 100; None when no leg counts."""
    standing = counted(legs)
    if not standing:
        return None
    weights = sum(WEIGHT[leg.severity] for leg in standing)
    return sum((WEIGHT[leg.severity] * credit(leg) for leg in standing), Fraction(0)) / weights


def control_state(legs: Sequence[Leg]) -> State:
    """Return the worst state of the legs that count; an error shows as no_data."""
    standing = counted(legs)
    if not standing:
        states = {leg.state for leg in legs if not leg.shown_only}
        if "pending" in states:
            return "pending"
        return "not_occurred" if "not_occurred" in states else "not_applicable"
    worst = {leg.state for leg in standing}
    for state in _WORST_FIRST:
        if state in worst:
            return "no_data" if state == "error" else state
    return "pass"


def score(controls: Sequence[ControlResult]) -> Numbers:
    """Return the four numbers of a framework; none of them when no control is applicable."""
    numbers = _score(controls)
    if numbers.assured is None:
        return numbers
    beside = _score([_without_waived(control) for control in controls])
    return replace(numbers, with_exceptions=beside.assured)


def no_score(reason: str) -> Numbers:
    """Return that no score is issued, and why."""
    return Numbers(
        assured=None,
        raw=None,
        tested=None,
        coverage=None,
        cap=UNCAPPED,
        capped_by=(),
        reason=reason,
    )


def _score(controls: Sequence[ControlResult]) -> Numbers:
    shares = [_share(control) for control in controls]
    weights = sum(each.weight for each in shares)
    if not weights:
        return no_score("nothing in this framework applied in the period")
    raw = sum((each.earned for each in shares), Fraction(0)) / weights
    coverage = 100 * sum((each.covered for each in shares), Fraction(0)) / weights
    cap, capped_by = _cap(shares)
    return Numbers(
        assured=min(raw, Fraction(cap)),
        raw=raw,
        tested=raw * 100 / coverage if coverage else None,
        coverage=coverage,
        cap=cap,
        capped_by=capped_by,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Share:
    """What one control brings to the sums."""

    weight: int = 0
    earned: Fraction = Fraction(0)
    covered: Fraction = Fraction(0)
    capping: tuple[CappedBy, ...] = ()


@lru_cache(maxsize=4_096)  # who asks what a fix would give changes one control and keeps the rest
def _share(control: ControlResult) -> _Share:
    legs = counted(control.legs)
    earns = control_score(legs)
    if earns is None:
        return _Share()
    weight = WEIGHT[control.weight]
    return _Share(
        weight=weight,
        earned=weight * earns,
        covered=weight * _tested_share(legs),
        capping=tuple(
            CappedBy(control=control.id, leg=leg.id, state=leg.state, cap=CAP[leg.severity])
            for leg in legs
            if leg.state in CAPPING and leg.severity in CAP
        ),
    )


def _tested_share(legs: Sequence[Leg]) -> Fraction:
    tested = sum(WEIGHT[leg.severity] for leg in legs if leg.state in IS_TESTED)
    return Fraction(tested, sum(WEIGHT[leg.severity] for leg in legs))


def _cap(shares: Iterable[_Share]) -> tuple[int, tuple[CappedBy, ...]]:
    """Return the lowest cap and every leg that sets it, in the order of the framework."""
    capping = [each for share in shares for each in share.capping]
    cap = min((each.cap for each in capping), default=UNCAPPED)
    return cap, tuple(each for each in capping if each.cap == cap)


def _without_waived(control: ControlResult) -> ControlResult:
    if not any(leg.state == "waived" for leg in control.legs):
        return control
    return replace(control, legs=tuple(leg for leg in control.legs if leg.state != "waived"))

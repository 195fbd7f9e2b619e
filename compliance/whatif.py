"""Say what would be gained if what holds a control down were mended. Pure; exact recomputation.

Every fix is the framework scored again with one leg passing, and last with all of them: no weights
are added up by hand, so caps and what lies beside them are in the answer. Never says that a fix is
possible. Shown on the page of a control.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from compliance.result import ControlResult, FrameworkResult, Leg, Numbers, State
from compliance.scoring import control_score, control_state, score

ALL: Final = ""
"""Stands for all mendable legs of the control together."""
MENDABLE: Final = frozenset[State]({"fail", "error", "no_data", "waived"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Fix:
    """One leg that would pass, and what the framework's numbers were then."""

    control: str
    leg: str
    """`ALL`: all legs of the control that hold it down."""
    state: State
    """The leg's state now; of all, the control's."""
    before: Numbers
    after: Numbers


def what_if(result: FrameworkResult, control: str) -> Sequence[Fix]:
    """Return what each leg that holds a control down would give if it passed, then all together.

    The best first; `all together` last, when there are several. Empty when nothing holds it down,
    and when no score is issued: a gate that is shut is not opened by a control. Raises KeyError for
    a control that the framework has not.
    """
    found = {each.id: each for each in result.controls}[control]
    before = result.numbers
    if before.assured is None:
        return ()
    mendable = [leg for leg in found.legs if leg.state in MENDABLE and not leg.shown_only]
    fixes = [_fix(result, found, [leg], leg.id, leg.state) for leg in mendable]
    fixes.sort(key=lambda fix: (-(fix.after.assured or 0), -(fix.after.raw or 0), fix.leg))
    if len(mendable) > 1:
        fixes.append(_fix(result, found, mendable, ALL, found.state))
    return fixes


def _fix(
    result: FrameworkResult,
    control: ControlResult,
    mended: Sequence[Leg],
    leg: str,
    state: State,
) -> Fix:
    legs = tuple(replace(one, state="pass", f=0) if one in mended else one for one in control.legs)
    better = replace(control, legs=legs, state=control_state(legs), score=control_score(legs))
    controls = [better if each.id == control.id else each for each in result.controls]
    return Fix(
        control=control.id, leg=leg, state=state, before=result.numbers, after=score(controls)
    )

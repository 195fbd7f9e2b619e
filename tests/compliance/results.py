"""A result made by hand, to draw pages, answers and figures with: every state of a leg is in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from hashlib import sha256
from typing import Any

from compliance.definitions import Mode, Severity
from compliance.result import (
    CheckResult,
    ControlResult,
    FrameworkResult,
    Leg,
    State,
    sealed,
)
from compliance.scoring import control_score, control_state, no_score, score

DAY_US = 86_400_000_000


def day(text: str) -> int:
    """Return a date as days since 1970."""
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


def a_leg(
    control: str, id_: str, state: State, *, severity: Severity = "high", **fields: Any
) -> Leg:
    """Return a leg that says about itself what its state needs."""
    n = fields.pop("n", 0 if state in ("no_data", "not_occurred", "pending") else 120)
    f = fields.pop("f", 4 if state == "fail" else 0)
    lens = "" if id_ == "statement" else sha256(id_.encode()).hexdigest()[:32]
    reasons = {
        "pass": f"{n:,} items, none failed",
        "fail": f"{f:,} of {n:,} failed",
        "no_data": "nothing was recorded that could be judged",
        "not_occurred": "nothing was recorded, and every guard holds",
        "pending": "2 items open, none decided yet",
        "waived": "4 of 120 failed and are waived",
        "error": "its tallies contradict themselves: manage.py rebuild tallies",
        "not_applicable": "out of scope, approved by Bob: no such system",
    }
    given = {"reason": reasons[state], "n": n, "f": f, "lens": lens} | fields
    return Leg(control=control, id=id_, severity=severity, state=state, **given)


def a_control(
    id_: str, *legs: Leg, weight: Severity = "high", mode: Mode = "automated", **fields: Any
) -> ControlResult:
    """Return a control with its state and score computed from its legs."""
    given = {"title": f"What {id_} asks for", "area": id_.split(".")[0], "spec": ""} | fields
    return ControlResult(
        id=id_,
        mode=mode,
        weight=weight,
        state=control_state(legs),
        score=control_score(legs),
        legs=legs,
        **given,
    )


def a_check(leg: Leg) -> CheckResult:
    """Return the check that a leg rests on."""
    return CheckResult(
        check=leg.id,
        lens=leg.lens,
        state=leg.state,
        reason=leg.reason,
        n=leg.n,
        f=leg.f,
        waived=leg.waived,
        pending=leg.pending,
        few=0,
        carried=0,
        restated=0,
        design_only=False,
        worst_agent="",
        digest=sha256(f"{leg.id} {leg.n} {leg.f}".encode()).hexdigest(),
    )


def some_controls() -> tuple[ControlResult, ...]:
    """Return controls of SOC 2 in which every state of a leg occurs."""
    approvals = a_leg("CC6.3", "TOOL-01", "fail", severity="critical", n=4120, f=2)
    return (
        a_control(
            "CC1.1",
            a_leg("CC1.1", "statement", "pass", severity="low", act_seq=12, n=0),
            weight="low",
            mode="manual",
        ),
        a_control(
            "CC1.3",
            a_leg("CC1.3", "MON-03", "pass", severity="high"),
            a_leg("CC1.3", "statement", "no_data", severity="medium"),
            weight="medium",
            mode="partial",
        ),
        a_control(
            "CC2.1",
            a_leg("CC2.1", "LOG-02", "pass", severity="critical", n=9001),
            a_leg("CC2.1", "LOG-08", "fail", severity="medium", n=9000, f=90),
        ),
        a_control("CC6.2", a_leg("CC6.2", "IAM-04", "not_occurred"), weight="critical"),
        a_control("CC6.3", approvals, weight="critical"),
        a_control("CC7.1", a_leg("CC7.1", "VUL-01", "pending", pending=2)),
        a_control("CC7.2", a_leg("CC7.2", "MON-04", "waived", n=120, waived=4, act_seq=40)),
        a_control("CC7.3", a_leg("CC7.3", "INC-01", "error")),
        a_control("P1.1", a_leg("P1.1", "PD-10", "not_applicable", act_seq=33)),
    )


def a_result(**fields: Any) -> FrameworkResult:
    """Return a result over thirty days; `fields` replace what it says, the digest is made anew.

    With `assured=None` no score is issued, since the gate is shut.
    """
    controls = fields.pop("controls", some_controls())
    gate = (a_check(a_leg("", "LOG-01", "pass")), a_check(a_leg("", "LOG-02", "pass", n=9001)))
    numbers = score(controls)
    if "assured" in fields:
        assert fields.pop("assured") is None, "give `controls` to get another score"
        gate = (a_check(a_leg("", "LOG-01", "fail", n=30, f=1)), gate[1])
        numbers = no_score("the evidence itself is not proven whole, so no score is issued")
    checked = {leg.lens: a_check(leg) for each in controls for leg in each.legs if leg.lens}
    result = FrameworkResult(
        framework="soc2",
        version="1.0.1",
        ledger="main",
        environment="prod",
        agent=None,
        start=day("2026-10-23"),
        end=day("2026-11-22"),
        observed_from=day("2026-10-30"),
        as_of=day("2026-11-21") * DAY_US + 36_000_000_000,
        head_seq=9000,
        head_hash=sha256(b"head").hexdigest(),
        entries=8_400,
        backfilled=1_200,
        numbers=numbers,
        gate=gate,
        controls=controls,
        checks=tuple(sorted(checked.values(), key=lambda one: (one.check, one.lens))),
        not_in_force="",
        loosened=("LOG-10 every: P7D → P14D, approved by Bob (entry 71)",),
        refused=(),
        hashes={"catalogue": sha256(b"catalogue").hexdigest()},
        digest="",
    )
    return sealed(replace(result, **fields))

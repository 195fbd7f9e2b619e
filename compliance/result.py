"""What an evaluation finds: checks, legs, controls, four numbers, and the digest of it all. Pure.

Made by judge.py, shown by pages, API and reports, sealed by snapshot.py. Numbers are exact
fractions; `as_json` is the one way they become text: rounded down to one decimal, so that 100.0
stands only where every counted leg passes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from hashlib import sha256
from typing import Any, Final, Literal, TypeAlias

from compliance.definitions import Mode, Severity

State: TypeAlias = Literal[
    "pass", "fail", "pending", "no_data", "not_occurred", "error", "waived", "not_applicable"
]
Band: TypeAlias = Literal["not enough evidence", "weak", "needs work", "strong"]

STATES: Final[tuple[State, ...]] = (
    "fail", "error", "no_data", "pending", "waived", "not_occurred", "not_applicable", "pass",
)  # fmt: skip
"""The worst first, as lists show them."""

SCHEMA: Final = "obs-result/1"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LAST: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
"""us: the last moment that can be written; a deadline may lie beyond it."""
_FRACTIONS: Final = {
    "evidenced": "assured",
    "tested": "tested",
    "coverage": "coverage",
    "raw": "raw",
    "with_exceptions": "with_exceptions",
}
"""The numbers as JSON names them, and as this module does."""


_OF_THE_READING: Final = frozenset({"head_seq", "head_hash", "digest"})


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckResult:
    """What one lens found in the period."""

    check: str
    lens: str
    state: State
    reason: str
    """One sentence: why this state and no other."""
    n: int
    f: int
    """Failing items, without the waived ones."""
    waived: int
    pending: int
    few: int
    carried: int
    restated: int
    """Days of the period that late entries have changed."""
    design_only: bool
    worst_agent: str
    """The agent whose own share broke the tolerance, when it was not all of them together."""
    digest: str
    """Over its items, 64 hex."""
    open_guards: tuple[str, ...] = ()
    """Guards that did not hold, when its emptiness was not accepted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Leg:
    """One leg of a control."""

    control: str
    id: str
    """The check's id, or `statement`."""
    severity: Severity
    state: State
    reason: str
    n: int = 0
    f: int = 0
    waived: int = 0
    """Failing items that a waiver in force takes out of `f`."""
    pending: int = 0
    lens: str = ""
    act_seq: int | None = None
    """The entry of the statement, waiver, scope decision or nil return that it rests on."""
    shown_only: bool = False
    """Shown beside the signed reasoning that replaces it; it does not count (HIPAA addressable)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ControlResult:
    """One control with its legs."""

    id: str
    title: str
    area: str
    mode: Mode
    weight: Severity
    spec: str
    state: State
    score: Fraction | None
    """0 to 100; None when no leg counts."""
    legs: tuple[Leg, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class CappedBy:
    """What keeps the score down, whatever else is well."""

    control: str
    leg: str
    state: State
    cap: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Numbers:
    """The four numbers, always together. None: no score is issued, `reason` says why."""

    assured: Fraction | None
    """EVIDENCED on pages and in JSON."""
    raw: Fraction | None
    tested: Fraction | None
    coverage: Fraction | None
    cap: int
    """100: nothing caps."""
    capped_by: tuple[CappedBy, ...]
    reason: str = ""
    with_exceptions: Fraction | None = None
    """What `assured` would be without the waived legs: shown beside it, never in its place."""

    @property
    def band(self) -> Band | None:
        """Return the band by the exact fractions; None without a score."""
        if self.assured is None or self.coverage is None:
            return None
        if self.coverage < 60:
            return "not enough evidence"
        if self.assured < 70:
            return "weak"
        return "strong" if self.assured >= 90 and self.coverage >= 90 else "needs work"


@dataclass(frozen=True, kw_only=True, slots=True)
class FrameworkResult:
    """One framework over one period, as it is sealed."""

    framework: str
    version: str
    ledger: str
    environment: str | None
    agent: str | None
    start: int
    """First day, days since 1970; the period is [start, end)."""
    end: int
    observed_from: int
    as_of: int
    """us"""
    head_seq: int
    """The last entry that was read."""
    head_hash: str
    entries: int
    """Entries of the period's days."""
    backfilled: int
    numbers: Numbers
    gate: tuple[CheckResult, ...]
    """The checks without which no score is issued."""
    controls: tuple[ControlResult, ...]
    checks: tuple[CheckResult, ...]
    """Every lens that a leg, a guard or the gate needed, once."""
    not_in_force: str
    """Why the framework does not apply (no system is recorded as high-risk); empty: it does."""
    loosened: tuple[str, ...]
    """Policy limits that are looser than shipped, each with its approver, in words."""
    refused: tuple[str, ...]
    """Acts of people that count for nothing, each with why, in words."""
    hashes: Mapping[str, str]
    """SHA-256 of the catalogue, parameters, lists, waivers, statements, scope, nil_returns."""
    digest: str
    """SHA-256 of all the above in canonical JSON, 64 hex."""


def shown(number: Fraction | None) -> str | None:
    """Return a number of 0 to 100 rounded down to one decimal: 49.0, 99.9; None stays None."""
    if number is None:
        return None
    tenths = number.numerator * 10 // number.denominator
    return f"{tenths // 10}.{tenths % 10}"


def as_json(result: FrameworkResult) -> dict[str, Any]:
    """Return the result as plain JSON values, the digest included."""
    return _plain(result) | {"digest": result.digest}


def from_json(data: Mapping[str, Any]) -> FrameworkResult:
    """Return the result that `as_json` wrote. Raises KeyError or ValueError for anything else."""
    gate, checks = (tuple(_read_check(one) for one in data[name]) for name in ("gate", "checks"))
    return FrameworkResult(
        framework=data["framework"],
        version=data["version"],
        ledger=data["ledger"],
        environment=data["environment"],
        agent=data["agent"],
        start=_read_day(data["from"]),
        end=_read_day(data["to"]),
        observed_from=_read_day(data["observed_from"]),
        as_of=_read_time(data["as_of"]),
        head_seq=data["head_seq"],
        head_hash=data["head_hash"],
        entries=data["entries"],
        backfilled=data["backfilled"],
        numbers=_read_numbers(data["numbers"]),
        gate=gate,
        controls=tuple(_read_control(one) for one in data["controls"]),
        checks=checks,
        not_in_force=data["not_in_force"],
        loosened=tuple(data["loosened"]),
        refused=tuple(data["refused"]),
        hashes=data["hashes"],
        digest=data["digest"],
    )


def canonical(value: object) -> bytes:
    """Return the one byte string of a JSON value that holds no fractional number (RFC 8785).

    Of strings, whole numbers, true, false, null, lists and objects with ASCII keys alone the
    canonical form is what the standard library writes with sorted keys; a test holds it to
    audit.ledger.canonical.
    """
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def digest_of(result: FrameworkResult) -> str:
    """Return the SHA-256 of all of a result but its digest, 64 hex."""
    return sha256(canonical(_plain(result))).hexdigest()


def sealed(result: FrameworkResult) -> FrameworkResult:
    """Return the result with its digest filled in."""
    return replace(result, digest=digest_of(result))


def substance(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a result says, as `as_json` gave it, without how far the ledger was read for it.

    Of a period that is over two results may differ in the head alone.
    """
    return {name: value for name, value in data.items() if name not in _OF_THE_READING}


def _plain(result: FrameworkResult) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "framework": result.framework,
        "version": result.version,
        "ledger": result.ledger,
        "environment": result.environment,
        "agent": result.agent,
        "from": day_text(result.start),
        "to": day_text(result.end),
        "observed_from": day_text(result.observed_from),
        "as_of": time_text(result.as_of),
        "head_seq": result.head_seq,
        "head_hash": result.head_hash,
        "entries": result.entries,
        "backfilled": result.backfilled,
        "numbers": _numbers(result.numbers),
        "states": _counted(result.controls),
        "gate": [_check(one) for one in result.gate],
        "controls": [_control(one) for one in result.controls],
        "checks": [_check(one) for one in result.checks],
        "not_in_force": result.not_in_force,
        "loosened": list(result.loosened),
        "refused": list(result.refused),
        "hashes": dict(result.hashes),
    }


def _numbers(numbers: Numbers) -> dict[str, Any]:
    exact = {name: getattr(numbers, field) for name, field in _FRACTIONS.items()}
    return {
        **{name: shown(number) for name, number in exact.items()},
        "exact": {name: None if one is None else str(one) for name, one in exact.items()},
        "band": numbers.band,
        "cap": numbers.cap,
        "capped_by": [asdict(one) for one in numbers.capped_by],
        "reason": numbers.reason,
    }


def _read_numbers(data: Mapping[str, Any]) -> Numbers:
    exact = {field: _read_fraction(data["exact"][name]) for name, field in _FRACTIONS.items()}
    return Numbers(
        **exact,
        cap=data["cap"],
        capped_by=tuple(CappedBy(**one) for one in data["capped_by"]),
        reason=data["reason"],
    )


def _check(check: CheckResult) -> dict[str, Any]:
    return asdict(check) | {"open_guards": list(check.open_guards)}


def _read_check(data: Mapping[str, Any]) -> CheckResult:
    return CheckResult(**{**data, "open_guards": tuple(data["open_guards"])})


def _control(control: ControlResult) -> dict[str, Any]:
    return {
        "id": control.id,
        "title": control.title,
        "area": control.area,
        "mode": control.mode,
        "weight": control.weight,
        "spec": control.spec,
        "state": control.state,
        "score": shown(control.score),
        "exact": None if control.score is None else str(control.score),
        "legs": [asdict(leg) for leg in control.legs],
    }


def _read_control(data: Mapping[str, Any]) -> ControlResult:
    return ControlResult(
        id=data["id"],
        title=data["title"],
        area=data["area"],
        mode=data["mode"],
        weight=data["weight"],
        spec=data["spec"],
        state=data["state"],
        score=_read_fraction(data["exact"]),
        legs=tuple(Leg(**leg) for leg in data["legs"]),
    )


def _counted(controls: Sequence[ControlResult]) -> dict[str, int]:
    """Return how many controls are in each state; states that none is in are left out."""
    counted = Counter(control.state for control in controls)
    return {state: counted[state] for state in STATES if counted[state]}


def _read_fraction(text: str | None) -> Fraction | None:
    return None if text is None else Fraction(text)


def date_of(day: int) -> date:
    """Return a day since 1970 as a date."""
    return _EPOCH.date() + timedelta(days=day)


def day_of(when: date) -> int:
    """Return a date as days since 1970."""
    return (when - _EPOCH.date()).days


def day_text(day: int) -> str:
    """Return a day since 1970 as `2026-10-04`."""
    return date_of(day).isoformat()


def time_text(us: int) -> str:
    """Return microseconds since 1970 as `2026-10-04T00:00:00.000000Z`.

    A deadline beyond the last year that can be written stands as its end.
    """
    return (_EPOCH + timedelta(microseconds=min(us, LAST))).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _read_day(text: str) -> int:
    return day_of(date.fromisoformat(text))


def _read_time(text: str) -> int:
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1)

"""Say what stands of people's decisions about a framework at a moment. Pure.

Which acts count, and from when:

- a waiver or a scope decision counts from the arrival of its entry, never earlier, whatever dates
  it names, and until the end of the day on which it expires; read at `as_of`;
- a statement or a nil return speaks of days that its text names, past ones as well: it may be
  signed after the period, and the day of signing is shown. It covers a period only when it covers
  all of it; a nil return never covers a day after the one on which it was signed;
- of two acts on one thing the later in the ledger wins; withdrawing and revoking are such acts;
- an act that breaks the rule of two people, names no person, or is not readable counts for
  nothing, and is named among the `refused`.

The acts themselves, and the limits that people set: people.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from compliance.definitions import Severity
from compliance.kinds.base import DAY_US
from compliance.people import STATEMENT, Act
from compliance.result import day_of, day_text

LONGEST_WAIVER: Final = 365
"""Days after its approval at which a waiver ends, whatever it says."""
LONGEST_CRITICAL_WAIVER: Final = 90


class _Unusable(ValueError):
    """An act that counts for nothing. The message says why, to follow `entry 41: `."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """A management statement that was signed."""

    seq: int
    control: str
    first: int
    """First day it speaks of."""
    last: int
    """Last day it speaks of; it ends with its expiry at the latest."""
    signed_on: int
    signer: str
    is_reasoning: bool
    """The reasoning of 45 CFR 164.306(d)(3), in place of an addressable specification."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiver:
    """A waiver that was approved: of some items of a leg, or of the whole leg."""

    seq: int
    control: str
    """Empty: every control of the framework."""
    leg: str
    items: frozenset[str]
    """Empty: the whole leg."""
    approved_at: int
    first: int
    last: int

    def is_in_force(self, as_of: int, severity: Severity) -> bool:
        """Tell whether it still holds at a moment, for a leg of this severity."""
        longest = LONGEST_CRITICAL_WAIVER if severity == "critical" else LONGEST_WAIVER
        last = min(self.last, self.approved_at // DAY_US + longest)
        begins = max(self.approved_at, self.first * DAY_US)
        return begins <= as_of <= (last + 1) * DAY_US


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """A control, or all controls of a flag, taken out of scope."""

    seq: int
    at: int
    last: int
    reason: str
    approver: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Application:
    """A system that a framework applies to, and as whose."""

    seq: int
    at: int
    system: str
    role: str


@dataclass(frozen=True, kw_only=True, slots=True)
class NilReturn:
    """Its owner's word that nothing of a kind happened in [first, end)."""

    seq: int
    first: int
    end: int
    signer: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Cover:
    """Whether signed words cover a period."""

    seq: int | None
    """The newest entry it rests on; None: it is not covered."""
    reason: str

    @property
    def is_whole(self) -> bool:
        """Tell whether all of it is covered."""
        return self.seq is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """All that stands of people's acts about one framework."""

    statements: Mapping[str, tuple[Statement, ...]]
    """By control."""
    waivers: tuple[Waiver, ...]
    decisions: Mapping[tuple[str, str], Decision]
    """By `("control", id)` and `("flag", name)`."""
    applications: tuple[Application, ...]
    nil_returns: Mapping[str, tuple[NilReturn, ...]]
    """By check."""
    refused: tuple[str, ...]
    """Acts that count for nothing, one sentence each."""

    def statement(self, control: str, *, first: int, last: int) -> Cover:
        """Tell whether statements of a control cover all days from `first` to `last`."""
        signed = self.statements.get(control, ())
        return _statement_cover([one for one in signed if not one.is_reasoning], first, last)

    def reasoning(self, control: str, *, first: int, last: int) -> Cover:
        """Likewise for the signed reasoning that stands in place of automated legs."""
        signed = self.statements.get(control, ())
        return _statement_cover([one for one in signed if one.is_reasoning], first, last)

    def nil_return(self, check: str, *, first: int, last: int) -> Cover:
        """Tell whether nil returns of a check cover all days from `first` to `last`."""
        signed = self.nil_returns.get(check, ())
        if not signed:
            return Cover(seq=None, reason="no nil return is signed")
        gap = _first_gap([(one.first, one.end - 1) for one in signed], first, last)
        if gap is not None:
            return Cover(seq=None, reason=f"no signed nil return covers {day_text(gap)}")
        newest = max(signed, key=lambda one: one.seq)
        return Cover(seq=newest.seq, reason=f"{newest.signer} signed that there was none")

    def out_of_scope(self, control: str, flag: str, as_of: int) -> Decision | None:
        """Return the decision that takes a control out of scope at a moment."""
        for key in (("control", control), ("flag", flag)):
            decision = self.decisions.get(key)
            if decision and decision.at <= as_of <= (decision.last + 1) * DAY_US:
                return decision
        return None

    def waived(self, control: str, leg: str, *, severity: Severity, as_of: int) -> list[Waiver]:
        """Return the waivers in force of a leg at a moment."""
        return [
            one
            for one in self.waivers
            if one.leg == leg and one.control in ("", control) and one.is_in_force(as_of, severity)
        ]

    def roles(self, as_of: int) -> dict[str, Application]:
        """Return as whose the framework applies at a moment, by role."""
        return {one.role: one for one in self.applications if one.at <= as_of}


def standing(acts: Iterable[Act], *, framework: str, as_of: int) -> Standing:
    """Read the acts about a framework, in the order of the ledger.

    `as_of` (us) bounds the waivers and scope decisions: a later one cannot end an earlier one
    before its time.
    """
    reader = _Reader(framework, as_of)
    for act in sorted(acts, key=lambda act: act.seq):
        reader.read(act)
    return reader.found()


class _Reader:
    """Takes acts in one by one and holds what stands of them."""

    def __init__(self, framework: str, as_of: int) -> None:
        self._framework = framework
        self._as_of = as_of
        self._statements: dict[str, Statement] = {}
        self._waivers: dict[str, Waiver] = {}
        self._decisions: dict[tuple[str, str], Decision] = {}
        self._applications: dict[tuple[str, str], Application] = {}
        self._nil_returns: dict[str, tuple[str, NilReturn]] = {}
        self._refused: list[str] = []
        self._readers: dict[str, Callable[[Act], None]] = {
            "audit.attestation_signed": self._statement,
            "audit.waiver_approved": self._waiver,
            "audit.scope_decided": self._scope,
            "audit.nil_return_signed": self._nil_return,
        }

    def read(self, act: Act) -> None:
        """Take in one act; the ledger's order is the caller's duty."""
        reader = self._readers.get(act.action)
        if reader is None or act.details.get("framework", self._framework) != self._framework:
            return
        try:
            if not act.actor:
                raise _Unusable("no person is named as its actor")
            reader(act)
        except _Unusable as why:
            self._refused.append(f"entry {act.seq}: {act.action} counts for nothing: {why}")

    def found(self) -> Standing:
        """Return what stands."""
        statements: dict[str, list[Statement]] = {}
        for statement in self._statements.values():
            statements.setdefault(statement.control, []).append(statement)
        nil_returns: dict[str, list[NilReturn]] = {}
        for check, nil_return in self._nil_returns.values():
            nil_returns.setdefault(check, []).append(nil_return)
        return Standing(
            statements={control: tuple(each) for control, each in statements.items()},
            waivers=tuple(self._waivers.values()),
            decisions=self._decisions,
            applications=tuple(self._applications.values()),
            nil_returns={check: tuple(each) for check, each in nil_returns.items()},
            refused=tuple(self._refused),
        )

    def _statement(self, act: Act) -> None:
        said = act.details
        name = _text(said, "statement")
        if said.get("act") == "withdrawn":
            self._statements.pop(name, None)
            return
        if _text(said, "prepared_by") == act.actor:
            raise _Unusable("its signer prepared it; another person must sign")
        self._statements[name] = Statement(
            seq=act.seq,
            control=_text(said, "control"),
            first=_day(said, "effective_from"),
            last=min(_day(said, "effective_to"), _day(said, "expires_on")),
            signed_on=act.day,
            signer=act.actor,
            is_reasoning=said.get("reasoning") is True,
        )

    def _waiver(self, act: Act) -> None:
        said = act.details
        name = _text(said, "waiver")
        if act.at > self._as_of:
            return
        if said.get("act") == "revoked":
            self._waivers.pop(name, None)
            return
        _two_people(act)
        items = said.get("items") or []
        if not isinstance(items, list):
            raise _Unusable("items is no list")
        self._waivers[name] = Waiver(
            seq=act.seq,
            control=str(said.get("control") or ""),
            leg=str(said.get("check") or STATEMENT),
            items=frozenset(str(item) for item in items),
            approved_at=act.at,
            first=_day(said, "from"),
            last=_day(said, "expires_on"),
        )

    def _scope(self, act: Act) -> None:
        said = act.details
        if act.at > self._as_of:
            return
        if said.get("system"):
            self._application(act)
            return
        kind = "control" if said.get("control") else "flag"
        key = (kind, _text(said, kind))
        if said.get("act") != "out":
            self._decisions.pop(key, None)
            return
        _two_people(act)
        self._decisions[key] = Decision(
            seq=act.seq,
            at=act.at,
            last=_day(said, "expires_on"),
            reason=str(said.get("reason") or act.reason),
            approver=act.actor,
        )

    def _application(self, act: Act) -> None:
        said = act.details
        key = (_text(said, "system"), _text(said, "role"))
        if said.get("act") != "applies":
            _two_people(act)
            self._applications.pop(key, None)
        elif said.get("high_risk") is True:
            _two_people(act)
            system, role = key
            self._applications[key] = Application(seq=act.seq, at=act.at, system=system, role=role)

    def _nil_return(self, act: Act) -> None:
        said = act.details
        name = _text(said, "nil_return")
        if said.get("act") == "withdrawn":
            self._nil_returns.pop(name, None)
            return
        nil_return = NilReturn(
            seq=act.seq,
            first=_day(said, "from"),
            # Nobody can say today that there will be none tomorrow.
            end=min(_day(said, "to"), act.day + 1),
            signer=act.actor,
        )
        self._nil_returns[name] = (_text(said, "check"), nil_return)


def _statement_cover(signed: Sequence[Statement], first: int, last: int) -> Cover:
    if not signed:
        return Cover(seq=None, reason="no statement is signed")
    gap = _first_gap([(one.first, one.last) for one in signed], first, last)
    if gap is not None:
        return Cover(seq=None, reason=f"no signed statement covers {day_text(gap)}")
    newest = max((one for one in signed if one.first <= last), key=lambda one: one.seq)
    after = ", after the period" if newest.signed_on > last else ""
    signed_on = day_text(newest.signed_on)
    return Cover(seq=newest.seq, reason=f"signed by {newest.signer} on {signed_on}{after}")


def _first_gap(stretches: Sequence[tuple[int, int]], first: int, last: int) -> int | None:
    """Return the first day from `first` to `last` in no stretch; both ends of one belong to it."""
    day = first
    for begins, ends in sorted(stretches):
        if begins > day:
            break
        day = max(day, ends + 1)
    return day if day <= last else None


def _two_people(act: Act) -> None:
    asked_by = _text(act.details, "asked_by")
    if asked_by == act.actor:
        raise _Unusable(f"{act.actor} both asked for it and approved it")


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    if not isinstance(value, str) or not value:
        raise _Unusable(f"{name} is missing")
    return value


def _day(said: Mapping[str, Any], name: str) -> int:
    text = _text(said, name)
    try:
        return day_of(date.fromisoformat(text))
    except ValueError:
        raise _Unusable(f"{name} is no date: {text!r}") from None

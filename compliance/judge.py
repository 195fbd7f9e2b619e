"""Judge a period: give every leg its state, every control its score, a framework its numbers. Pure.

Reads rows through a `Source` and people's acts, and nothing else: not the clock, not the database.
The same rows give the same result, byte for byte, wherever they are kept.

How a leg gets its state, the first that fits:

- not_applicable: the framework is not in force, or the control was taken out of scope;
- error: its rows contradict themselves;
- pending: no item is decided and one is open;
- without any item: `fail` when its absence breaks the control; `not_occurred` only when what it
  guards took place, every guard passed or did not occur, and, where the check asks for one, a nil
  return covers the period; else `no_data`. Empty is never pass;
- fail: more items failed, not counting waived ones, than the tolerance allows, over all or for one
  agent with enough items to tell; waived, when the whole leg is;
- waived: what would have failed is waived; pass: the rest.

Items and tolerance: verdict.py. What people's acts say: standing.py. Arithmetic: scoring.py.
Sealing: snapshot.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final, Protocol

from compliance.definitions import Catalogue, Check, Control, Framework, LegPlan, Lens
from compliance.exposure import exposure_lens, least
from compliance.kinds import KINDS
from compliance.kinds.base import DAY_US, Item, Span, Tested, View
from compliance.lenses import Settings, legs_of, lens_of
from compliance.people import STATEMENT, Act, loosened
from compliance.result import (
    CheckResult,
    ControlResult,
    FrameworkResult,
    Leg,
    Numbers,
    State,
    canonical,
    sealed,
)
from compliance.scoring import CAPPING, control_score, control_state, no_score, score
from compliance.standing import Standing, Waiver, standing
from compliance.verdict import Verdict, failing_in, without_waived

GUARD_HOLDS: Final = frozenset[State]({"pass", "not_occurred"})
ADDRESSABLE: Final = "A"
"""The HIPAA specifications that a signed reasoning may stand in for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """Where a ledger stands."""

    ledger: str
    born: int | None
    """us: arrival of its first entry; None: it has none."""
    clock: int
    """us: the greatest arrival up to its head; 0 without entries."""
    head_seq: int
    """-1 without entries."""
    head_hash: str


class Source(Protocol):
    """The rows of one ledger: in memory (memory.py) or in the tables (tallied.py)."""

    def span_facts(self) -> Facts:
        """Return where the ledger stands."""

    def prepare(self, lenses: Iterable[Lens], span: Span) -> None:
        """Say which views of a span will be asked for, so that they can be fetched together."""

    def view(self, lens: Lens, span: Span) -> View:
        """Return the rows of one lens, as far as the span may see them."""

    def day_counts(self, start: int, end: int) -> tuple[int, int]:
        """Return the entries of the days [start, end), and how many of them were backfilled."""

    def acts(self) -> Sequence[Act]:
        """Return people's acts up to the head."""


def evaluate(
    catalogue: Catalogue,
    framework: Framework,
    source: Source,
    *,
    start: int,
    end: int,
    settings: Settings,
    environment: str | None = "prod",
    agent: str | None = None,
) -> FrameworkResult:
    """Return what the rows say of a framework over the days [start, end).

    `environment` and `agent` None: all of them. Raises ValueError for a period without days.
    """
    if start >= end:
        raise ValueError("a period has at least one day")
    facts = source.span_facts()
    span = span_of(facts, start=start, end=end, environment=environment, agent=agent)
    acts = source.acts()
    stands = standing(acts, framework=framework.id, as_of=span.as_of)
    judge = _Judge(catalogue, framework, source, settings, span, stands)
    gate = judge.gate()
    not_in_force = judge.not_in_force()
    controls = judge.controls()
    entries, backfilled = source.day_counts(start, end)
    return sealed(
        FrameworkResult(
            framework=framework.id,
            version=framework.version,
            ledger=facts.ledger,
            environment=environment,
            agent=agent,
            start=start,
            end=end,
            observed_from=span.observed_from,
            as_of=span.as_of,
            head_seq=facts.head_seq,
            head_hash=facts.head_hash,
            entries=entries,
            backfilled=backfilled,
            numbers=_numbers(controls, gate, not_in_force),
            gate=gate,
            controls=controls,
            checks=judge.checks(),
            not_in_force=not_in_force,
            loosened=loosened(acts, catalogue, framework.id),
            refused=stands.refused,
            hashes=_hashes(catalogue, settings, acts),
            digest="",
        )
    )


def span_of(
    facts: Facts, *, start: int, end: int, environment: str | None, agent: str | None
) -> Span:
    """Return the period as far as a ledger can be judged in it."""
    return Span(
        start=start,
        end=end,
        as_of=min(end * DAY_US, facts.clock),
        observed_from=start if facts.born is None else max(start, facts.born // DAY_US),
        born=facts.born or 0,
        environment=environment,
        agent=agent,
    )


def failing_items(lens: Lens, view: View) -> list[Item]:
    """Return the items of a span that failed, waived ones too, by day and id."""
    tested = KINDS[lens.kind].tested(lens.definition, view)
    return failing_in(view, tested)


def needed_lenses(
    catalogue: Catalogue, framework: Framework, settings: Settings
) -> dict[str, Lens]:
    """Return every lens that judging a framework reads, by id: of legs, guards and the gate."""
    needed: dict[str, Lens] = {}
    waiting = [plan.lens for plan in legs_of(catalogue, framework, settings) if plan.lens]
    waiting += [_plain_lens(catalogue, framework, settings, one.id) for one in _gates(catalogue)]
    while waiting:
        lens = waiting.pop()
        if lens.id in needed:
            continue
        needed[lens.id] = lens
        exposure = exposure_lens(lens)
        if exposure is not None:
            needed[exposure.id] = exposure
        check = catalogue.checks[lens.check]
        if check.on_empty == "not_occurred":
            waiting += [_plain_lens(catalogue, framework, settings, id_) for id_ in check.guards]
    return needed


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """What a lens found in a span, and how it was judged without waivers."""

    view: View
    tested: Tested
    result: CheckResult
    act_seq: int | None
    """The nil return that its state rests on."""


class _Judge:
    """One framework, one period. Judges each lens once."""

    def __init__(
        self,
        catalogue: Catalogue,
        framework: Framework,
        source: Source,
        settings: Settings,
        span: Span,
        stands: Standing,
    ) -> None:
        self._catalogue = catalogue
        self._framework = framework
        self._source = source
        self._settings = settings
        self._span = span
        # Whether the evidence is whole is a matter of the ledger, not of the agent on the page.
        self._whole = replace(span, agent=None)
        self._stands = stands
        self._last = max(span.observed_from, -(-span.as_of // DAY_US) - 1)
        self._found: dict[tuple[str, Span], _Found] = {}
        self._plans: dict[str, list[LegPlan]] = {}
        for plan in legs_of(catalogue, framework, settings):
            self._plans.setdefault(plan.control, []).append(plan)
        needed = needed_lenses(catalogue, framework, settings).values()
        source.prepare(needed, span)
        if self._whole != span:
            source.prepare(needed, self._whole)

    def gate(self) -> tuple[CheckResult, ...]:
        """Return the checks without which no score is issued, by id."""
        return tuple(self._plain(check.id).result for check in _gates(self._catalogue))

    def checks(self) -> tuple[CheckResult, ...]:
        """Return every lens that was judged, once, by check and lens."""
        by_lens: dict[str, CheckResult] = {}
        for (lens, span), found in self._found.items():
            if span == self._span or lens not in by_lens:
                by_lens[lens] = found.result
        return tuple(sorted(by_lens.values(), key=lambda one: (one.check, one.lens)))

    def not_in_force(self) -> str:
        """Return why the framework does not apply; empty: it does."""
        if not self._framework.gate or self._stands.roles(self._span.as_of):
            return ""
        return f"not in force: {self._framework.gate}; nothing of it is recorded"

    def controls(self) -> tuple[ControlResult, ...]:
        """Return every control of the framework, in its order."""
        return tuple(self._control(control) for control in self._framework.controls)

    def _control(self, control: Control) -> ControlResult:
        legs = tuple(self._legs(control))
        return ControlResult(
            id=control.id,
            title=control.title,
            area=control.area,
            mode=control.mode,
            weight=control.weight,
            spec=control.spec,
            state=control_state(legs),
            score=control_score(legs),
            legs=legs,
        )

    def _legs(self, control: Control) -> Iterable[Leg]:
        plans = self._plans.get(control.id, [])
        out, act_seq = self._out_of_scope(control)
        if out:
            return [_not_applicable(plan, out, act_seq) for plan in plans]
        if control.spec == ADDRESSABLE:
            reasoning = self._stands.reasoning(control.id, first=self._first, last=self._last)
            if reasoning.is_whole:
                shown = [replace(self._leg(p), shown_only=True) for p in plans if p.lens]
                stated = Leg(
                    control=control.id,
                    id=STATEMENT,
                    severity=control.weight,
                    state="pass",
                    reason=f"reasoning in place of the specification: {reasoning.reason}",
                    act_seq=reasoning.seq,
                )
                return [*shown, stated]
        return [self._leg(plan) for plan in plans]

    @property
    def _first(self) -> int:
        return self._span.observed_from

    def _out_of_scope(self, control: Control) -> tuple[str, int | None]:
        """Return why a control does not count, and the entry that says so; empty: it counts."""
        not_in_force = self.not_in_force()
        if not_in_force:
            return not_in_force, None
        framework, as_of = self._framework, self._span.as_of
        roles = self._stands.roles(as_of)
        is_of_a_role = bool(framework.gate) and control.flag in framework.scope_flags
        if is_of_a_role and control.flag not in roles:
            return f"no system is recorded as high-risk with the role {control.flag}", None
        flag = "" if control.flag in framework.always_flags else control.flag
        decision = self._stands.out_of_scope(control.id, flag, as_of)
        if decision is None:
            return "", None
        return f"out of scope, approved by {decision.approver}: {decision.reason}", decision.seq

    def _leg(self, plan: LegPlan) -> Leg:
        leg = self._statement(plan) if plan.lens is None else self._checked(plan, plan.lens)
        if leg.state not in CAPPING:
            return leg
        for waiver in self._waivers(plan):
            if not waiver.items:
                reason = f"waived as a whole: {leg.reason}"
                return replace(leg, state="waived", reason=reason, act_seq=waiver.seq)
        return leg

    def _statement(self, plan: LegPlan) -> Leg:
        cover = self._stands.statement(plan.control, first=self._first, last=self._last)
        return Leg(
            control=plan.control,
            id=STATEMENT,
            severity=plan.severity,
            state="pass" if cover.is_whole else "no_data",
            reason=cover.reason,
            act_seq=cover.seq,
        )

    def _checked(self, plan: LegPlan, lens: Lens) -> Leg:
        found = self._look(lens, self._span)
        result, act_seq = found.result, found.act_seq
        waivers = [one for one in self._waivers(plan) if one.items]
        if waivers and result.f:
            waived = frozenset[str]().union(*(one.items for one in waivers))
            again = without_waived(lens, found.view, found.tested, waived)
            if again is not None:
                result = again
                act_seq = max(one.seq for one in waivers)
        return Leg(
            control=plan.control,
            id=plan.check,
            severity=plan.severity,
            state=result.state,
            reason=result.reason,
            n=result.n,
            f=result.f,
            waived=result.waived,
            pending=result.pending,
            lens=lens.id,
            act_seq=act_seq,
        )

    def _waivers(self, plan: LegPlan) -> list[Waiver]:
        leg = plan.check or STATEMENT
        return self._stands.waived(
            plan.control, leg, severity=plan.severity, as_of=self._span.as_of
        )

    def _plain(self, check: str) -> _Found:
        """Return a check of its own: as a guard, and as the gate."""
        lens = _plain_lens(self._catalogue, self._framework, self._settings, check)
        return self._look(lens, self._whole)

    def _look(self, lens: Lens, span: Span) -> _Found:
        found = self._found.get((lens.id, span))
        if found is None:
            found = self._found[lens.id, span] = self._judge_lens(lens, span)
        return found

    def _judge_lens(self, lens: Lens, span: Span) -> _Found:
        view = self._source.view(lens, span)
        tested = KINDS[lens.kind].tested(lens.definition, view)
        verdict = Verdict(tested=tested, n=tested.n, f=tested.f, by_agent=tested.by_agent or {})
        act_seq, guards = None, tuple[str, ...]()
        if tested.n == 0 and tested.f == 0 and tested.pending == 0:
            state, reason, guards, act_seq = self._empty(lens, span)
            result = verdict.result(lens, view, state, reason)
        else:
            state, reason, worst = verdict.state(lens)
            result = verdict.result(lens, view, state, reason, worst)
        return _Found(
            view=view,
            tested=tested,
            result=replace(result, open_guards=guards),
            act_seq=act_seq,
        )

    def _empty(self, lens: Lens, span: Span) -> tuple[State, str, tuple[str, ...], int | None]:
        """Judge a check that found nothing: state, reason, open guards, the act it rests on."""
        check = self._catalogue.checks[lens.check]
        if check.on_empty == "fail":
            return (
                "fail",
                "nothing was recorded, and its absence breaks the control",
                (),
                None,
            )
        if check.on_empty == "no_data":
            return "no_data", "nothing was recorded that could be judged", (), None
        exposure = exposure_lens(lens)
        if exposure is not None:
            counts = self._source.view(exposure, span).counts().values()
            seen = sum(one.passed for one in counts)
            if seen < least(lens):
                reason = f"{seen} entries show that what it guards took place at all"
                return "no_data", f"{reason}; {least(lens)} needed", (), None
        guards = [self._plain(guard).result for guard in check.guards]
        broken = [guard for guard in guards if guard.state not in GUARD_HOLDS]
        if broken:
            names = ", ".join(f"{guard.check} is {guard.state}" for guard in broken)
            reason = f"nothing was recorded, and that cannot be believed: {names}"
            return "no_data", reason, tuple(guard.check for guard in broken), None
        if not check.nil_return:
            return "not_occurred", "nothing was recorded, and every guard holds", (), None
        cover = self._stands.nil_return(check.id, first=self._first, last=self._last)
        if cover.is_whole:
            return "not_occurred", f"nothing was recorded; {cover.reason}", (), cover.seq
        return "no_data", f"nothing was recorded, and {cover.reason}", (), None


def _not_applicable(plan: LegPlan, reason: str, act_seq: int | None) -> Leg:
    return Leg(
        control=plan.control,
        id=plan.check or STATEMENT,
        severity=plan.severity,
        state="not_applicable",
        reason=reason,
        lens=plan.lens.id if plan.lens else "",
        act_seq=act_seq,
    )


def _numbers(
    controls: Sequence[ControlResult], gate: Sequence[CheckResult], not_in_force: str
) -> Numbers:
    if not_in_force:
        return no_score(not_in_force)
    shut = [one for one in gate if one.state != "pass"]
    if shut:
        why = "; ".join(f"{one.check} is {one.state}: {one.reason}" for one in shut)
        return no_score(f"the evidence itself is not proven whole, so no score is issued. {why}")
    return score(controls)


def _gates(catalogue: Catalogue) -> list[Check]:
    checks = catalogue.checks.values()
    return sorted((one for one in checks if one.integrity_gate), key=lambda one: one.id)


def _plain_lens(catalogue: Catalogue, framework: Framework, settings: Settings, check: str) -> Lens:
    return lens_of(catalogue, check, framework=framework, control=None, settings=settings)


_HASHED: Final = {
    "statements": "audit.attestation_signed",
    "waivers": "audit.waiver_approved",
    "scope": "audit.scope_decided",
    "nil_returns": "audit.nil_return_signed",
}


def _hashes(catalogue: Catalogue, settings: Settings, acts: Sequence[Act]) -> dict[str, str]:
    lists = {name: list(values) for name, values in {**catalogue.lists, **settings.lists}.items()}
    params = {
        f"{framework}/{check}": dict(values)
        for (framework, check), values in settings.params.items()
    }
    hashed = {"catalogue": catalogue.digest, "lists": _hash(lists), "parameters": _hash(params)}
    for name, action in _HASHED.items():
        said = [
            [act.seq, act.id, act.at, act.actor, act.details]
            for act in sorted(acts, key=lambda act: act.seq)
            if act.action == action
        ]
        hashed[name] = _hash(said)
    return hashed


def _hash(value: object) -> str:
    return sha256(canonical(value)).hexdigest()

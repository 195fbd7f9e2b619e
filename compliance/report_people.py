"""List what people decided, as a report says it: findings, waivers, statements, nil returns, scope.

Pure. Reads acts, which are entries, and nothing else; which of them count is standing.py's answer.
Results of checks: report_checks.py and report_found.py.
"""

from __future__ import annotations

from collections.abc import Iterable

from compliance.kinds.base import DAY_US
from compliance.people import STATEMENT, Act
from compliance.report_content import (
    FindingLine,
    NilReturnLine,
    ScopeDecision,
    StatementLine,
    WaiverLine,
)
from compliance.report_reading import Reading, day_said, text_said
from compliance.result import day_text, time_text
from compliance.standing import standing


def findings(reading: Reading) -> tuple[FindingLine, ...]:
    """Return the findings of the framework that stood open at some time of the period, by seq."""
    closed = {_uid(act): act for act in reading.acts if act.action == "audit.finding_closed"}
    opened = [act for act in reading.acts if act.action == "audit.finding_opened"]
    return tuple(
        _finding(reading, act, closed.get(_uid(act)))
        for act in opened
        if _is_of(reading, act)
        and act.at <= reading.span.as_of
        and not _ended_before(reading, closed.get(_uid(act)))
    )


def waivers(reading: Reading) -> tuple[WaiverLine, ...]:
    """Return the waivers of the framework in force at some time of the period, by seq."""
    acts = [act for act in reading.acts if act.action == "audit.waiver_approved"]
    acts = [act for act in acts if _is_of(reading, act)]
    revoked = {
        text_said(act.details, "waiver"): act for act in acts if act.details.get("act") == "revoked"
    }
    return tuple(
        _waiver(act, revoked.get(text_said(act.details, "waiver")))
        for act in acts
        if act.details.get("act") != "revoked"
        and _was_in_force(reading, act, revoked.get(text_said(act.details, "waiver")))
    )


def statements(reading: Reading) -> tuple[StatementLine, ...]:
    """Return the management statements signed for the framework and not withdrawn, by seq."""
    signed = [each for of in reading.stands.statements.values() for each in of]
    first, last = reading.span.observed_from, reading.last_day
    found = []
    for each in sorted(signed, key=lambda one: one.seq):
        act = reading.act_of[each.seq]
        said = act.details
        found.append(
            StatementLine(
                statement=text_said(said, "statement"),
                control=each.control,
                text=text_said(said, "text"),
                role=text_said(said, "role"),
                prepared_by=text_said(said, "prepared_by"),
                signed_by=each.signer,
                signed_at=time_text(act.at),
                effective_from=text_said(said, "effective_from"),
                effective_to=text_said(said, "effective_to"),
                expires_on=text_said(said, "expires_on"),
                file_name=text_said(said, "file_name"),
                file_sha256=text_said(said, "file_sha256"),
                is_reasoning=each.is_reasoning,
                counts=each.first <= last and each.last >= first,
                seq=each.seq,
            )
        )
    return tuple(found)


def nil_returns(reading: Reading) -> tuple[NilReturnLine, ...]:
    """Return the nil returns of the report's checks that speak of days of the period, by seq."""
    asked = {check.check for check in reading.result.checks}
    first, last = reading.span.observed_from, reading.last_day
    standing_ = [
        (check, each)
        for check, signed in reading.stands.nil_returns.items()
        if check in asked
        for each in signed
        if each.first <= last and each.end > first
    ]
    return tuple(
        NilReturnLine(
            check=check,
            starts_on=day_text(each.first),
            ends_on=day_text(each.end),
            text=text_said(reading.act_of[each.seq].details, "text"),
            signed_by=each.signer,
            signed_at=time_text(reading.act_of[each.seq].at),
            seq=each.seq,
        )
        for check, each in sorted(standing_, key=lambda one: one[1].seq)
    )


def decisions(reading: Reading) -> tuple[ScopeDecision, ...]:
    """Return what is out of scope at `as_of`, and the systems a framework applies to, by seq."""
    as_of = reading.span.as_of
    found = [
        ScopeDecision(
            control=name,
            act="out",
            reason=decision.reason,
            asked_by=text_said(reading.act_of[decision.seq].details, "asked_by"),
            approved_by=decision.approver,
            expires_on=day_text(decision.last),
            seq=decision.seq,
        )
        for (_, name), decision in reading.stands.decisions.items()
        if decision.at <= as_of <= (decision.last + 1) * DAY_US
    ]
    found += [
        ScopeDecision(
            control=f"{each.system} as {each.role}",
            act="applies",
            reason=reading.act_of[each.seq].reason,
            asked_by=text_said(reading.act_of[each.seq].details, "asked_by"),
            approved_by=reading.act_of[each.seq].actor,
            expires_on="",
            seq=each.seq,
        )
        for each in reading.stands.applications
        if each.at <= as_of
    ]
    return tuple(sorted(found, key=lambda one: one.seq))


def owners(
    signed: Iterable[StatementLine], found: Iterable[FindingLine]
) -> tuple[tuple[str, str], ...]:
    """Return who answers for a control: the newest finding's owner, else its newest signer."""
    by_control = {each.control: each.signed_by for each in signed}
    by_control |= {each.control: each.owner for each in found if each.control and each.owner}
    return tuple(sorted(by_control.items()))


def _finding(reading: Reading, act: Act, closed: Act | None) -> FindingLine:
    said = act.details
    due, as_of = day_said(said, "due"), reading.span.as_of
    is_open = closed is None or closed.at > as_of
    notes = [text_said(one.details, "note") for one in (act, closed) if one is not None]
    return FindingLine(
        finding=_uid(act),
        control=text_said(said, "control"),
        check=text_said(said, "check"),
        item=text_said(said, "item"),
        title=text_said(said, "title"),
        severity=_severity(reading, text_said(said, "check"), text_said(said, "control")),
        owner=text_said(said, "owner"),
        due=text_said(said, "due"),
        response="\n".join(dict.fromkeys(note for note in notes if note)),
        opened_seq=act.seq,
        opened_at=time_text(act.at),
        closed_seq=None if closed is None else closed.seq,
        closed_at="" if closed is None else time_text(closed.at),
        is_overdue=is_open and due is not None and (due + 1) * DAY_US <= as_of,
    )


def _severity(reading: Reading, check: str, control: str) -> str:
    """Return how heavy a finding is: as its check, or as its control when it names none."""
    if check in reading.catalogue.checks:
        return reading.catalogue.checks[check].severity
    weights = [one.weight for one in reading.framework.controls if one.id == control]
    return weights[0] if weights else ""


def _waiver(act: Act, revoked: Act | None) -> WaiverLine:
    said = act.details
    items = said.get("items")
    return WaiverLine(
        waiver=text_said(said, "waiver"),
        control=text_said(said, "control"),
        check=text_said(said, "check") or STATEMENT,
        items=tuple(str(item) for item in items) if isinstance(items, list) else (),
        reason=text_said(said, "reason"),
        risk=text_said(said, "risk"),
        compensating=text_said(said, "compensating"),
        asked_by=text_said(said, "asked_by"),
        approved_by=act.actor,
        starts_on=text_said(said, "from"),
        expires_on=text_said(said, "expires_on"),
        revoked_at="" if revoked is None else time_text(revoked.at),
        seq=act.seq,
    )


def _was_in_force(reading: Reading, act: Act, revoked: Act | None) -> bool:
    """Tell whether an act waives something by the rules, on a moment of the period."""
    as_of, start = reading.span.as_of, reading.span.start * DAY_US
    alone = standing([act], framework=reading.framework.id, as_of=as_of).waivers
    if not alone:
        return False
    (waiver,) = alone
    begins = max(waiver.approved_at, waiver.first * DAY_US)
    ends = (waiver.last + 1) * DAY_US if revoked is None else revoked.at
    return begins <= as_of and ends > start


def _ended_before(reading: Reading, closed: Act | None) -> bool:
    return closed is not None and closed.at < reading.span.start * DAY_US


def _is_of(reading: Reading, act: Act) -> bool:
    """Tell whether an act of a person is about the framework."""
    of = act.details.get("framework", reading.framework.id)
    return bool(act.actor) and of == reading.framework.id


def _uid(act: Act) -> str:
    return text_said(act.details, "finding")

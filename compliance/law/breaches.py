"""Breaches: what each law asks to be told to whom by when, and the register of them. Pure.

GDPR: the authority within 72 hours of becoming aware unless no risk to people is likely (Art. 33),
the persons without undue delay when the risk is high (Art. 34), the controller when we are the
processor (Art. 33(2)). HIPAA: the individuals within 60 days of discovery (45 CFR 164.404), the
Secretary with them or within 60 days of the year's end (164.408), the media above 500 in a state
(164.406), the covered entity when we are the business associate (164.410); a delay that law
enforcement asked for prolongs each of these (164.412).

Duties begin with the confirmation, as the checks BRE-01 to BRE-04 and BRE-06 count them.
Deadlines: duties.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal

from compliance.kinds.base import DAY_US
from compliance.kinds.deadlines import Extension, Limit, anchored
from compliance.law import told as words
from compliance.law.cases import Case, Cases
from compliance.law.duties import Duty, Task, Unit, settled
from compliance.law.told import NOT_RECORDED, Told
from compliance.law.window import Window

Regime = Literal["gdpr", "hipaa"]

AUTHORITY_LIMIT: Final = "PT72H"
"""GDPR Art. 33(1)."""
HIPAA_LIMIT: Final = "P60D"
"""45 CFR 164.404(b), 164.406(b), 164.408(b) and (c), 164.410(b)."""
LARGE: Final = 500
"""Persons: from so many on the Secretary is told at once, above so many in a state the media."""
EXEMPTIONS: Final = frozenset({"encrypted", "risk_removed", "public_communication"})
"""GDPR Art. 34(3), as events name them."""

_WITHIN_72_HOURS: Final = Limit.of({"within": AUTHORITY_LIMIT})
_WITHIN_60_DAYS: Final = Limit.of({"within": HIPAA_LIMIT})
_AFTER_THE_YEAR: Final = Limit.of(
    {"deadline": {"end_of_year_of": "case.discovered_at", "plus": HIPAA_LIMIT}}
)
_DELAY_FIELD: Final = "case.delay_days"
_DELAY: Final = Extension(
    {
        "when": {
            "all": [
                ["action", "eq", "breach.law_enforcement_delay"],
                ["case.id", "eq", "@case.id"],
            ]
        },
        "by_field": _DELAY_FIELD,
    }
)
_OPENING: Final = ("breach.suspected", "breach.confirmed")
_WORDS_OF_ROLE: Final = {
    "business_associate": "business associate",
    "covered_entity": "covered entity",
}


class Breaches:
    """Takes entries in and holds the breaches they tell of."""

    def __init__(self) -> None:
        """Begin without any."""
        self._cases = Cases("breach.", opening=_OPENING)

    def see(self, told: Told) -> None:
        """Take an entry of a case in."""
        self._cases.see(told)

    def of(self, regime: Regime, window: Window) -> list[Case]:
        """Return the breaches under a law that stood open, or had an entry, in a window."""
        return [
            case
            for case in self._cases.of(window.environment)
            if _is_under(case, regime) and _stood(case, window)
        ]


def register_row(case: Case, *, as_of: int) -> tuple[str, ...]:
    """Return what a register keeps of a breach: REGISTER_COLUMNS."""
    return (
        case.name,
        _began(case, as_of=as_of),
        _confirmed_words(case, as_of=as_of),
        _risk_words(case, as_of=as_of),
        words.or_not_recorded(case.newest_said("case.affected_subjects", until=as_of)),
        words.or_not_recorded(case.newest_said("case.facts", until=as_of)),
        words.or_not_recorded(case.newest_said("case.effects", until=as_of)),
        words.or_not_recorded(case.newest_said("case.remedial_action", until=as_of)),
        _closed_words(case, as_of=as_of),
        words.arrivals(case.known(as_of)),
    )


REGISTER_COLUMNS: Final = (
    "Case", "Became known", "Confirmed", "Risk assessment", "Persons", "Facts", "Effects",
    "Remedial action", "Closed", "Arrived",
)  # fmt: skip
NOTICE_COLUMNS: Final = (
    "Case",
    "Whom",
    "Asked by",
    "Clock from",
    "Due",
    "Told",
    "Result",
    "Why",
    "Arrived",
)


def notice_row(duty: Duty) -> tuple[str, ...]:
    """Return one duty to tell somebody: NOTICE_COLUMNS."""
    due = "without undue delay" if duty.due is None else words.moment(duty.due)
    done = "not yet" if duty.done is None else words.moment(duty.done.at)
    limit = duty.limit
    if duty.extended is not None:
        limit += ", prolonged for law enforcement"
    return (
        duty.case,
        duty.whom,
        duty.article,
        words.moment(duty.started),
        f"{due} ({limit})" if duty.due is not None else due,
        done,
        duty.state,
        _why(duty),
        words.arrivals(duty.steps),
    )


def notices(case: Case, regime: Regime, *, as_of: int) -> list[Duty]:
    """Return who had to be told of a breach under a law; none while it is not confirmed."""
    confirmed = _confirmed(case, regime, as_of=as_of)
    tasks = _gdpr(case, confirmed, as_of) if regime == "gdpr" else _hipaa(case, confirmed)
    return [settled(task, as_of=as_of) for task in tasks]


def unconfirmed(case: Case, regime: Regime, *, as_of: int) -> str:
    """Say why no clock of a law runs for a breach; empty: one does."""
    if _confirmed(case, regime, as_of=as_of) is not None:
        return ""
    if any(step.at <= as_of for step in case.all_of("breach.confirmed")):
        return f"{case.name}: its confirmation names no law, so no clock is counted for it."
    return f"{case.name}: not confirmed, so no clock of a notice runs."


def _is_under(case: Case, regime: Regime) -> bool:
    """Tell whether a breach names the law, or no law at all."""
    named = {one for step in case.steps for one in step.texts("case.regimes")}
    return regime in named or not named


def _stood(case: Case, window: Window) -> bool:
    if any(window.has(step.at) for step in case.steps):
        return True
    is_closed = any(step.at < window.start for step in case.all_of("breach.closed"))
    return case.steps[0].at < window.start and not is_closed


def _confirmed(case: Case, regime: Regime, *, as_of: int) -> Told | None:
    for step in case.all_of("breach.confirmed"):
        if step.at <= as_of and regime in step.texts("case.regimes"):
            return step
    return None


def _gdpr(case: Case, confirmed: Told | None, as_of: int) -> Iterator[Task]:
    if confirmed is not None and confirmed.text("case.our_role") == "processor":
        yield _task(
            case, confirmed, whom="the controller", article="GDPR Art. 33(2)",
            fields=("case.aware_at", "case.discovered_at"), limit=None, unit="hours",
            answers=case.all_of("breach.principal_notified"),
        )  # fmt: skip
        return
    if confirmed is not None:
        no_risk = [one for one in case.all_of("breach.risk_assessed") if _is_no_risk(one)]
        yield _task(
            case, confirmed, whom="the supervisory authority", article="GDPR Art. 33(1)",
            fields=("case.aware_at",), limit=_WITHIN_72_HOURS, unit="hours",
            answers=[*case.all_of("breach.authority_notified"), *no_risk],
        )  # fmt: skip
    for assessed in case.all_of("breach.risk_assessed")[:1]:
        is_ours = assessed.text("case.our_role") != "processor"
        if is_ours and assessed.text("case.risk") == "high" and assessed.at <= as_of:
            exempt = [
                one
                for one in case.all_of("breach.subject_notice_not_required")
                if one.text("case.art34_exemption") in EXEMPTIONS
            ]
            yield _task(
                case, assessed, whom="the persons concerned", article="GDPR Art. 34(1)",
                fields=("case.aware_at",), limit=None, unit="hours",
                answers=[*case.all_of("breach.subjects_notified"), *exempt],
            )  # fmt: skip


def _hipaa(case: Case, confirmed: Told | None) -> Iterator[Task]:
    if confirmed is None:
        return
    discovered = ("case.discovered_at",)
    if confirmed.text("case.our_role") == "business_associate":
        yield _task(
            case, confirmed, whom="the covered entity", article="45 CFR 164.410",
            fields=("case.aware_at", *discovered), limit=_WITHIN_60_DAYS,
            answers=case.all_of("breach.principal_notified"),
        )  # fmt: skip
        return
    yield _task(
        case, confirmed, whom="the individuals", article="45 CFR 164.404",
        fields=discovered, limit=_WITHIN_60_DAYS,
        answers=case.all_of("breach.subjects_notified"),
    )  # fmt: skip
    affected = confirmed.number("case.affected_subjects")
    is_large = affected is None or affected >= LARGE
    yield _task(
        case, confirmed, whom="the Secretary (HHS)",
        article="45 CFR 164.408(b)" if is_large else "45 CFR 164.408(c)",
        fields=discovered, limit=_WITHIN_60_DAYS if is_large else _AFTER_THE_YEAR,
        answers=case.all_of("breach.authority_notified"),
    )  # fmt: skip
    if (confirmed.number("case.max_affected_in_state") or 0) > LARGE:
        yield _task(
            case, confirmed, whom="the media", article="45 CFR 164.406",
            fields=discovered, limit=_WITHIN_60_DAYS,
            answers=case.all_of("breach.media_notified"),
        )  # fmt: skip


def _task(
    case: Case,
    opening: Told,
    *,
    whom: str,
    article: str,
    fields: tuple[str, ...],
    limit: Limit | None,
    answers: Sequence[Told],
    unit: Unit = "days",
) -> Task:
    # As the checks count it: the case begins with what was chained before the opening entry.
    began = case.began(opening)
    started = words.bounded(anchored(opening, fields, at=opening.at, case_began=began))
    base = None
    if limit is not None:
        base = words.bounded(limit.due(opening, started, at=opening.at, case_began=began))
    is_prolonged = article.startswith("45 CFR")
    return Task(
        case=case.name,
        whom=whom,
        article=article,
        limit=_limit_words(limit),
        unit=unit,
        opening=opening,
        started=started,
        base=base,
        answers=answers,
        extension=_DELAY if is_prolonged else None,
        extends=case.all_of("breach.law_enforcement_delay") if is_prolonged else (),
        extend_field=_DELAY_FIELD,
    )


def _limit_words(limit: Limit | None) -> str:
    if limit is None:
        return "without undue delay"
    if limit is _AFTER_THE_YEAR:
        return "60 days after the end of the year"
    return "72 hours" if limit is _WITHIN_72_HOURS else "60 days"


def _is_no_risk(told: Told) -> bool:
    return told.text("case.risk") == "unlikely" and bool(told.text("reason"))


def _why(duty: Duty) -> str:
    """Return what an entry says of why it was late, why nobody was told, or which authority was."""
    done = duty.done
    if done is None:
        return NOT_RECORDED if duty.is_late else ""
    if done.action == "breach.risk_assessed":
        return f"no notice: risk unlikely; {done.text('reason')}"
    if done.action == "breach.subject_notice_not_required":
        return f"no notice: {done.text('case.art34_exemption')}"
    said = [done.text("case.authority")]
    reason = done.text("reason")
    if reason:
        said.append(f"reason for the delay: {reason}" if duty.is_late else reason)
    elif duty.is_late:
        said.append("no reason for the delay recorded")
    return words.joined(said, empty="", between="; ")


def _began(case: Case, *, as_of: int) -> str:
    """Return when a breach became known, by its earliest entry and by what was claimed."""
    first = case.steps[0]
    said = anchored(
        first, ("case.aware_at", "case.discovered_at"), at=first.at, case_began=first.at
    )
    shown = words.moment(first.at)
    if abs(words.bounded(said) - first.at) > DAY_US:
        shown += f"; aware {words.moment(words.bounded(said))}"
    return shown


def _confirmed_words(case: Case, *, as_of: int) -> str:
    confirmed = case.first("breach.confirmed")
    if confirmed is None or confirmed.at > as_of:
        return "not confirmed"
    return words.moment(confirmed.at)


def _risk_words(case: Case, *, as_of: int) -> str:
    """Return the newest risk assessment: the risk, when, by whom, and what it was judged by."""
    assessed = [one for one in case.all_of("breach.risk_assessed") if one.at <= as_of]
    if not assessed:
        return "not assessed"
    newest = assessed[-1]
    factors = newest.read("case.factors")
    named = sorted(str(name) for name in factors) if isinstance(factors, dict) else []
    by = newest.actor if newest.is_by_human else f"{newest.actor} (no person)"
    said = [
        words.or_not_recorded(newest.text("case.risk")),
        f"{words.moment(newest.at)} by {by}",
        f"judged by {', '.join(named)}" if named else "factors not recorded",
    ]
    return words.joined(said, between="; ")


def _closed_words(case: Case, *, as_of: int) -> str:
    closed = case.first("breach.closed")
    if closed is None or closed.at > as_of:
        return "open"
    return words.moment(closed.at)

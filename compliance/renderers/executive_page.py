"""Write the executive page: one A4 that says the result, what holds it down and what changed. Pure.

Takes everything from the content: what a leg costs is the sealed result scored again with that leg
passing (compliance/whatif.py), no weights added up by hand. Lists are cut to what one page holds,
and say so. Set by executive.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Final

from compliance.renderers import result_words, written
from compliance.renderers.blocks import (
    Block,
    Column,
    Document,
    Notice,
    Paragraph,
    Section,
    Table,
)
from compliance.renderers.cover import document_with
from compliance.renderers.integrity_section import integrity_line, unwatched
from compliance.report_content import FindingLine, ReportContent
from compliance.result import State, from_json, shown
from compliance.whatif import ALL, what_if

MOST_LEGS: Final = 5
MOST_FINDINGS: Final = 4
MOST_NAMES: Final = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What one leg that does not pass holds back."""

    control: str
    leg: str
    state: State
    evidenced: str | None
    """EVIDENCED if it passed and nothing else changed."""
    raw: str | None
    """The same before the cap."""


def executive_page(content: ReportContent) -> Document:
    """Return the page; its four numbers are those of the whole report."""
    return document_with(content, (
        Section(id="result", title="Result", blocks=tuple(_result(content))),
        Section(
            id="costs", title="What costs most", blocks=(_costs(content), *_several(content))
        ),
        Section(id="overdue", title="Findings overdue", blocks=(_overdue(content),)),
        Section(id="change", title="Since the period before", blocks=tuple(_change(content))),
        Section(
            id="integrity",
            title="Integrity of the record",
            blocks=(Paragraph(text=integrity_line(content)),),
        ),
    ))  # fmt: skip


def costs_most(content: ReportContent, *, most: int = MOST_LEGS) -> Sequence[Cost]:
    """Return the legs that would give most if they passed, the best first; none without a score.

    By EVIDENCED, then by what it is before the cap, then by control and leg. What would give
    nothing is left out.
    """
    result = from_json(content.result)
    fixes = [
        fix for control in result.controls for fix in what_if(result, control.id) if fix.leg != ALL
    ]
    fixes = [fix for fix in fixes if (fix.after.raw or 0) > (fix.before.raw or 0)]
    fixes.sort(
        key=lambda fix: (-(fix.after.assured or 0), -(fix.after.raw or 0), fix.control, fix.leg)
    )
    return [
        Cost(
            control=fix.control,
            leg=fix.leg,
            state=fix.state,
            evidenced=shown(fix.after.assured),
            raw=shown(fix.after.raw),
        )
        for fix in fixes[:most]
    ]


def _result(content: ReportContent) -> list[Block]:
    numbers = content.result["numbers"]
    found: list[Block] = [
        Paragraph(text=result_words.headline(content.cover.framework_name, content.result))
    ]
    capped = [f"{one['control']} {one['leg']}" for one in numbers["capped_by"]]
    if capped:
        found.append(
            Paragraph(
                text=f"Capped at {written.number(numbers['cap'])} by "
                f"{written.listed(capped, most=MOST_NAMES)}."
            )
        )
    if content.cover.restates:
        found.append(
            Notice(
                tone="warning",
                word="Restatement",
                text="This restates an earlier result of the same period.",
            )
        )
    if content.cover.observed_from > content.cover.start:
        found.append(Notice(tone="warning", word="Observed later", text=unwatched(content)))
    return found


def _costs(content: ReportContent) -> Table:
    titles = _titles(content)
    raw = content.result["numbers"]["raw"]
    now = "" if raw is None else f"; before the cap it is now {raw}"
    return Table(
        title=f"Legs that cost most: the score if that leg alone passed{now}",
        columns=(
            Column(title="Control", share=2, look="code"),
            Column(title="Leg", share=2, look="code"),
            Column(title="What it tests", share=6),
            Column(title="State", share=2, look="state"),
            Column(title="EVIDENCED", share=2, look="number"),
            Column(title="Before the cap", share=3, look="number"),
        ),
        rows=tuple(
            (
                one.control,
                one.leg,
                titles[one.control, one.leg],
                one.state,
                written.score(one.evidenced),
                written.score(one.raw),
            )
            for one in costs_most(content)
        ),
        empty="No score is issued, so no leg can be said to cost anything."
        if content.result["numbers"]["evidenced"] is None
        else "Every leg that counts passes.",
    )


def _titles(content: ReportContent) -> dict[tuple[str, str], str]:
    """Return what each leg tests, by control and leg."""
    tests = {one.lens: one.title for one in content.checks}
    return {
        (control["id"], leg["id"]): tests.get(leg["lens"], f"Statement: {control['title']}")
        for control in content.result["controls"]
        for leg in control["legs"]
    }


def _several(content: ReportContent) -> list[Block]:
    """Return why no leg alone would lift the score, where several cap it."""
    numbers = content.result["numbers"]
    capped = len(numbers["capped_by"])
    if capped < 2 or shown(Fraction(numbers["cap"])) != numbers["evidenced"]:
        return []
    return [
        Paragraph(
            text=f"{written.number(capped)} legs cap it at {written.number(numbers['cap'])}. While "
            "more than one does, mending one lifts only the number before the cap.",
            is_small=True,
        )
    ]


def _overdue(content: ReportContent) -> Table:
    overdue = sorted(
        (one for one in content.findings if one.is_overdue), key=lambda one: (one.due, one.finding)
    )
    still = sum(1 for one in content.findings if one.closed_seq is None)
    more = (
        f"The first {MOST_FINDINGS} of {written.number(len(overdue))}; all of them are in the "
        "report."
        if len(overdue) > MOST_FINDINGS
        else ""
    )
    return Table(
        title="Open findings past their due day",
        columns=(
            Column(title="Finding", share=6),
            Column(title="Control", share=2, look="code"),
            Column(title="Severity", share=2),
            Column(title="Owner", share=3),
            Column(title="Due", share=3, look="time"),
        ),
        rows=tuple(_finding(one, content) for one in overdue[:MOST_FINDINGS]),
        empty=f"No open finding is past its due day; {written.many(still, 'finding')} open.",
        more=more,
    )


def _finding(one: FindingLine, content: ReportContent) -> tuple[str, ...]:
    late = (date.fromisoformat(content.cover.as_of[:10]) - date.fromisoformat(one.due[:10])).days
    return (
        one.title,
        one.control or written.NONE,
        one.severity,
        one.owner or written.NONE,
        f"{written.day(one.due)} ({written.many(max(late, 0), 'day')} over)",
    )


def _change(content: ReportContent) -> list[Block]:
    earlier, numbers = content.earlier, content.result["numbers"]
    if not earlier.is_observed:
        return [Paragraph(text="The ledger did not observe the period before; nothing to compare.")]
    then = {(one.control, one.check): one for one in earlier.exceptions}
    now = {
        (control["id"], leg["id"])
        for control in content.result["controls"]
        for leg in control["legs"]
        if leg["state"] == "fail" and not leg["shown_only"]
    }
    new = sorted(now - then.keys())
    gone = sorted(key for key, one in then.items() if one.state_now != "fail")
    stay = sorted(key for key, one in then.items() if one.state_now == "fail")
    period = written.period(earlier.start, earlier.end)
    return [
        Paragraph(
            text=f"{period}: EVIDENCED {written.score(earlier.evidenced)}, "
            f"TESTED {written.score(earlier.tested)}, "
            f"COVERAGE {written.score(earlier.coverage)}, cap {written.number(earlier.cap)}. "
            f"Now: EVIDENCED {written.score(numbers['evidenced'])}, "
            f"TESTED {written.score(numbers['tested'])}, "
            f"COVERAGE {written.score(numbers['coverage'])}, cap {written.number(numbers['cap'])}."
        ),
        Paragraph(text=_legs("Fail now and did not then", new)),
        Paragraph(text=_legs("Failed then and do not now", gone)),
        Paragraph(text=_legs("Failed then and now", stay)),
    ]


def _legs(words: str, keys: Sequence[tuple[str, str]]) -> str:
    if not keys:
        return f"{words}: none."
    named = written.listed((f"{control} {leg}" for control, leg in keys), most=MOST_NAMES)
    return f"{words} ({written.number(len(keys))}): {named}."

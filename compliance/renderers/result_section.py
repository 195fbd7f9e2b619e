"""Write the result: four numbers, what caps them, how they stand beside the time before. Pure.

Also the matrix of all controls. Takes each number from the sealed result; adds up nothing but
counts of states.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from compliance.renderers import result_words, written
from compliance.renderers.blocks import (
    Block,
    Chart,
    Column,
    Figure,
    Figures,
    Heading,
    Notice,
    Paragraph,
    Section,
    Table,
)
from compliance.renderers.charts import control_strip, score_trend
from compliance.report_content import ReportContent
from compliance.result import STATES

TREND: Final = 150.0
"""How tall the score over time is drawn: less leaves the comparison on its page."""


def figures_of(content: ReportContent) -> tuple[Figure, ...]:
    """Return the four numbers, always together."""
    numbers = content.result["numbers"]
    capped = len(numbers["capped_by"])
    has_score = numbers["evidenced"] is not None
    return (
        Figure(
            name="EVIDENCED",
            value=written.score(numbers["evidenced"]),
            note=result_words.band(numbers) if has_score else "none is issued",
        ),
        Figure(
            name="TESTED",
            value=written.score(numbers["tested"]),
            note="of what could be tested",
        ),
        Figure(
            name="COVERAGE",
            value=written.score(numbers["coverage"]),
            note="of what applies",
        ),
        Figure(
            name="CAP",
            value=written.number(numbers["cap"]) if has_score else written.NONE,
            note=_cap_note(capped) if has_score else "no score to cap",
        ),
    )


def _cap_note(capped: int) -> str:
    return f"by {written.many(capped, 'leg')}" if capped else "nothing caps"


def result_section(content: ReportContent) -> Section:
    """Return the result of the framework over the period."""
    blocks: list[Block] = [
        Paragraph(text=result_words.headline(content.cover.framework_name, content.result)),
        Figures(figures=figures_of(content)),
        *_with_exceptions(content),
        _capped_by(content),
        *_states(content),
        *_refused(content),
        *_trend(content),
        Heading(text="Beside the period before"),
        *_earlier(content),
    ]
    return Section(id="result", title="Result", blocks=tuple(blocks))


def controls_section(content: ReportContent) -> Section:
    """Return the matrix of all controls, in the order of the framework."""
    owners = dict(content.owners)
    until = _statements_until(content)
    rows = tuple(
        (
            control["id"],
            control["title"],
            owners.get(control["id"], written.NONE),
            result_words.MODE_WORDS[control["mode"]] + _spec(control),
            control["weight"],
            control["state"],
            control["score"] or written.NONE,
            _checks(control),
            _exceptions(control),
            written.day(until.get(control["id"], "")),
        )
        for control in content.result["controls"]
    )
    blocks: list[Block] = [
        Paragraph(
            text="A control's state is that of its worst leg that counts; its score is what its "
            "legs earn by weight, 0 to 100. Exceptions are failing items that no waiver covers."
        ),
        *_chart(control_strip(content)),
        Table(
            title="All controls",
            columns=(
                Column(title="Control", share=3, look="code"),
                Column(title="Title", share=5),
                Column(title="Owner", share=3),
                Column(title="By", share=3),
                Column(title="Weight", share=2),
                Column(title="State", share=2, look="state"),
                Column(title="Score", look="number"),
                Column(title="Tests", share=4, look="code"),
                Column(title="Exceptions", share=2, look="number"),
                Column(title="Statement until", share=3, look="time"),
            ),
            rows=rows,
            empty="The framework has no control.",
        ),
    ]
    return Section(id="controls", title="Controls", blocks=tuple(blocks), is_wide=True)


def comparison(content: ReportContent) -> Table:
    """Return the four numbers of the period beside those of the period before."""
    numbers, earlier = content.result["numbers"], content.earlier
    rows = (
        ("EVIDENCED", written.score(earlier.evidenced), written.score(numbers["evidenced"])),
        ("TESTED", written.score(earlier.tested), written.score(numbers["tested"])),
        ("COVERAGE", written.score(earlier.coverage), written.score(numbers["coverage"])),
        ("CAP", written.number(earlier.cap), written.number(numbers["cap"])),
        (
            "Band",
            earlier.band.capitalize() if earlier.band else written.NONE,
            result_words.band(numbers),
        ),
    )
    return Table(
        title="The four numbers, then and now",
        columns=(
            Column(title="Number", share=2),
            Column(title=written.period(earlier.start, earlier.end), share=3, look="number"),
            Column(
                title=written.period(content.cover.start, content.cover.end),
                share=3,
                look="number",
            ),
        ),
        rows=rows,
    )


def _with_exceptions(content: ReportContent) -> list[Block]:
    numbers = content.result["numbers"]
    beside = numbers["with_exceptions"]
    if beside is None or beside == numbers["evidenced"]:
        return []
    return [
        Paragraph(
            text=f"Without the waived legs EVIDENCED would be {beside}. It is shown beside the "
            "score, never in its place.",
            is_small=True,
        )
    ]


def _capped_by(content: ReportContent) -> Table:
    severities = {
        (control["id"], leg["id"]): leg["severity"]
        for control in content.result["controls"]
        for leg in control["legs"]
    }
    rows = tuple(
        (
            cap["control"],
            cap["leg"],
            cap["state"],
            result_words.capping_words(cap, severities[cap["control"], cap["leg"]]),
            written.number(cap["cap"]),
        )
        for cap in content.result["numbers"]["capped_by"]
    )
    return Table(
        title="What caps the score",
        columns=(
            Column(title="Control", share=2, look="code"),
            Column(title="Leg", share=2, look="code"),
            Column(title="State", share=2, look="state"),
            Column(title="Why", share=4),
            Column(title="Cap", look="number"),
        ),
        rows=rows,
        empty="Nothing caps the score."
        if content.result["numbers"]["evidenced"] is not None
        else "No score is issued, so there is nothing to cap.",
    )


def _states(content: ReportContent) -> list[Block]:
    controls = content.result["states"]
    legs = Counter(
        leg["state"] for control in content.result["controls"] for leg in control["legs"]
    )
    rows = tuple(
        (
            state,
            written.number(controls.get(state, 0)),
            written.number(legs[state]),
            result_words.STATE_MEANS[state],
        )
        for state in STATES
    )
    return [
        Table(
            title="States of controls and legs",
            columns=(
                Column(title="State", share=2, look="state"),
                Column(title="Controls", look="number"),
                Column(title="Legs", look="number"),
                Column(title="Means", share=6),
            ),
            rows=rows,
        )
    ]


def _refused(content: ReportContent) -> list[Block]:
    refused = content.result["refused"]
    if not refused:
        return []
    return [
        Table(
            title="Acts of people that count for nothing, and why",
            columns=(Column(title="Act"),),
            rows=tuple((words,) for words in refused),
        )
    ]


def _trend(content: ReportContent) -> list[Block]:
    chart = score_trend(content, height=TREND)
    if chart is None:
        return []
    if len(content.trend) == 1:
        alone = f"{chart.text} A line over time needs a second one."
        return [Heading(text="Over time"), Paragraph(text=alone)]
    return [
        Heading(text="Over time"),
        Paragraph(
            text="Daily postures: each is the result of the thirty days before it, sealed that "
            "day. A posture is not a result of this period."
        ),
        chart,
    ]


def _earlier(content: ReportContent) -> list[Block]:
    earlier = content.earlier
    if not earlier.is_observed:
        return [
            Notice(
                tone="info",
                word="Nothing to compare with",
                text="The ledger did not observe the period of the same length before this one.",
            )
        ]
    return [
        Paragraph(
            text="The period of the same length just before, computed from the same entries with "
            "the catalogue in force now. What became of its exceptions stands under Exceptions."
        ),
        comparison(content),
    ]


def _statements_until(content: ReportContent) -> dict[str, str]:
    """Return until when the newest statement in force of each control holds."""
    until: dict[str, str] = {}
    for one in content.statements:
        if one.counts:
            until[one.control] = max(until.get(one.control, ""), one.expires_on)
    return until


def _spec(control: Mapping[str, Any]) -> str:
    words = {"S": "standard", "R": "required", "A": "addressable", "N": "no type"}
    return f"; {words[control['spec']]}" if control["spec"] else ""


def _checks(control: Mapping[str, Any]) -> str:
    return written.listed(leg["id"] for leg in control["legs"])


def _exceptions(control: Mapping[str, Any]) -> str:
    return written.number(sum(leg["f"] for leg in control["legs"] if not leg["shown_only"]))


def _chart(chart: Chart | None) -> list[Block]:
    return [] if chart is None else [chart]

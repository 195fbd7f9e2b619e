"""Write what people decided and signed: waivers, looser limits, statements, nil returns. Pure.

Two sections: `waivers` (with limits looser than shipped) and `statements` (with nil returns). What
people typed is printed as they typed it.
"""

from __future__ import annotations

from compliance.renderers import written
from compliance.renderers.blocks import Column, Heading, Paragraph, Section, Table
from compliance.report_content import NilReturnLine, ReportContent, StatementLine, WaiverLine

WHOLE_LEG = "the whole leg"


def waivers_section(content: ReportContent) -> Section:
    """Return the waivers in force at some time of the period, and limits looser than shipped."""
    waivers = Table(
        title="Waivers in force in the period",
        columns=(
            Column(title="Control", share=2, look="code"),
            Column(title="Test", share=2, look="code"),
            Column(title="Items", share=3),
            Column(title="Reason", share=4),
            Column(title="Risk accepted", share=4),
            Column(title="Compensating control", share=4),
            Column(title="Asked by", share=3),
            Column(title="Approved by", share=3),
            Column(title="From", share=3, look="time"),
            Column(title="Until", share=3, look="time"),
            Column(title="Entry", share=2, look="number"),
        ),
        rows=tuple(_waiver(one) for one in content.waivers),
        empty="No waiver was in force in the period.",
    )
    looser = Table(
        title="Limits looser than shipped",
        columns=(Column(title="Test, limit, shipped and set value, approver"),),
        rows=tuple((words,) for words in content.looser),
        empty="No limit is looser than shipped.",
    )
    return Section(
        id="waivers",
        title="Waivers and looser limits",
        blocks=(
            Paragraph(
                text="A waiver needs a second person and has an end. It lifts the cap of what it "
                "covers and earns nothing: what is waived stays in the population and in the list "
                "of exceptions."
            ),
            waivers,
            Heading(text="Limits"),
            Paragraph(
                text="A limit set by law cannot be loosened. A limit of policy can, by two people."
            ),
            looser,
        ),
        is_wide=True,
    )


def statements_section(content: ReportContent) -> Section:
    """Return what management states, and its signed word that nothing of a kind happened."""
    statements = Table(
        title="Management statements",
        columns=(
            Column(title="Control", share=2, look="code"),
            Column(title="Statement", share=7),
            Column(title="Signed by, role", share=4),
            Column(title="Prepared by", share=3),
            Column(title="Signed (UTC)", share=3, look="time"),
            Column(title="Effective", share=4, look="time"),
            Column(title="Expires", share=3, look="time"),
            Column(title="File and its SHA-256", share=6, look="code"),
            Column(title="Counts", share=2),
            Column(title="Entry", share=2, look="number"),
        ),
        rows=tuple(_statement(one) for one in content.statements),
        empty="No statement is on record. A control that rests on one has no data.",
    )
    nil_returns = Table(
        title="Nil returns",
        columns=(
            Column(title="Test", share=2, look="code"),
            Column(title="Period", share=4, look="time"),
            Column(title="Statement", share=6),
            Column(title="Signed by", share=3),
            Column(title="Signed (UTC)", share=3, look="time"),
            Column(title="Entry", share=2, look="number"),
        ),
        rows=tuple(_nil_return(one) for one in content.nil_returns),
        empty="No nil return is on record for the period.",
    )
    return Section(
        id="statements",
        title="Management statements",
        blocks=(
            Paragraph(
                text="A statement is signed by someone other than who prepared it, and counts only "
                "while it is in force for the whole observed period; an expired one is listed and "
                "counts for nothing. That it was signed is tested; what it says is not."
            ),
            statements,
            Heading(text="Nil returns"),
            Paragraph(
                text="The owner's signed word that nothing of a kind happened. Where a test asks "
                "for one, silence alone is not accepted."
            ),
            nil_returns,
        ),
        is_wide=True,
    )


def _waiver(one: WaiverLine) -> tuple[str, ...]:
    until = written.day(one.expires_on)
    return (
        one.control,
        one.check,
        written.listed(one.items) if one.items else WHOLE_LEG,
        one.reason,
        one.risk or written.NONE,
        one.compensating or written.NONE,
        one.asked_by,
        one.approved_by,
        written.day(one.starts_on),
        f"{until}; revoked {written.day(one.revoked_at)}" if one.revoked_at else until,
        written.number(one.seq),
    )


def _statement(one: StatementLine) -> tuple[str, ...]:
    file = f"{one.file_name} {one.file_sha256}".strip()
    kind = "In place of an addressable specification: " if one.is_reasoning else ""
    return (
        one.control,
        f"{kind}{one.text}",
        f"{one.signed_by}, {one.role}" if one.role else one.signed_by,
        one.prepared_by or written.NONE,
        written.moment(one.signed_at),
        f"{written.day(one.effective_from)} to {written.day(one.effective_to)}",
        written.day(one.expires_on),
        file or written.NONE,
        "yes" if one.counts else "no",
        written.number(one.seq),
    )


def _nil_return(one: NilReturnLine) -> tuple[str, ...]:
    return (
        one.check,
        written.period(one.starts_on, one.ends_on),
        one.text,
        one.signed_by,
        written.moment(one.signed_at),
        written.number(one.seq),
    )

"""Write the work papers: samples drawn of this snapshot, and what people found. Pure.

How a sample is drawn, so that anyone draws the same: compliance/sample.py.
"""

from __future__ import annotations

from compliance.renderers import written
from compliance.renderers.blocks import (
    Block,
    Column,
    Fact,
    Facts,
    Heading,
    Notice,
    Paragraph,
    Section,
    Table,
)
from compliance.report_content import ReportContent, SampleItemLine, SampleLine

NOT_LOOKED_AT = "not looked at yet"


def samples_section(content: ReportContent) -> Section:
    """Return every sample drawn of the snapshot, item by item."""
    blocks: list[Block] = [
        Paragraph(
            text="The tests above look at whole populations. A sample is for a person to perform "
            "a test again. Its seed is made of the hash of the head and of a number that the "
            "auditor chose after the result was sealed, so nobody could prepare for it and "
            "anyone draws the same items again."
        )
    ]
    if not content.samples:
        blocks.append(
            Notice(
                tone="info",
                word="No sample",
                text="No sample was drawn of this result before the report was made.",
            )
        )
    for one in content.samples:
        blocks += _sample(one)
    return Section(id="samples", title="Samples", blocks=tuple(blocks), is_wide=True)


def _sample(one: SampleLine) -> list[Block]:
    concluded = bool(one.concluded_by)
    facts = [
        Fact(name="Sample", value=one.sample, is_code=True),
        Fact(name="Population", value=written.many(one.population, "item")),
        Fact(name="Drawn", value=f"{written.many(len(one.items), 'item')}: {one.rule}"),
        Fact(name="Number chosen by the auditor", value=one.number, is_code=True),
        Fact(name="Seed", value=one.seed, is_code=True),
        Fact(name="Drawn by", value=f"{one.drawn_by}, {written.time(one.drawn_at)}"),
        Fact(name="Concluded by", value=one.concluded_by or "not concluded yet"),
    ]
    if concluded:
        facts.append(Fact(name="Conclusion", value=one.conclusion or written.NONE))
    return [
        Heading(text=f"{one.control}, {one.check}"),
        Facts(facts=tuple(facts)),
        Table(
            title=f"Items drawn of {one.check} for {one.control}",
            columns=(
                Column(title="Entry", share=2, look="number"),
                Column(title="Id of the entry", share=4, look="code"),
                Column(title="Hash of the entry", share=6, look="code"),
                Column(title="Time (UTC)", share=4, look="time"),
                Column(title="Item", share=3, look="code"),
                Column(title="Stratum", share=3),
                Column(title="Found", share=3),
                Column(title="Note", share=4),
                Column(title="Attachment and its SHA-256", share=4, look="code"),
            ),
            rows=tuple(_item(each) for each in one.items),
            empty="The population was empty; nothing was drawn.",
        ),
    ]


def _item(one: SampleItemLine) -> tuple[str, ...]:
    return (
        written.NONE if one.seq < 0 else written.number(one.seq),
        one.entry_id or written.NONE,
        one.entry_hash or written.NONE,
        written.moment(one.occurred_at),
        one.item,
        one.stratum or written.NONE,
        one.verdict or NOT_LOOKED_AT,
        one.note or written.NONE,
        one.attachment or written.NONE,
    )

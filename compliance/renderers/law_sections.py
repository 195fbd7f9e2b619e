"""Write what a law asks to be shown beside the controls: HIPAA's and the GDPR's sections. Pure.

Sets the tables of `content.law` as they are, in sections by what they are about; says how many rows
a table has where not all stand here, and with which filter the rest is found among the entries.
Tables that no section knows come last, so that nothing of the content is left out. Frameworks
without such a law have no section.

Who makes the tables: compliance/law/.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from compliance.renderers import written
from compliance.renderers.blocks import (
    Block,
    Column,
    Heading,
    Look,
    Notice,
    Paragraph,
    Section,
    Table,
)
from compliance.renderers.charts import clocks
from compliance.report_content import Difference, LawTable, ReportContent

MOST_SEQS: Final = 3
"""Entries that a row names; of more, how many more there are."""
ACTIVITY: Final = "activity:"
"""What the id of a table of one processing activity begins with."""

_DETAILS: Final = "activities"
_SPECIFICATIONS: Final = "specifications"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Part:
    """One section: which tables stand in it, in their order."""

    id: str
    title: str
    tables: tuple[str, ...]
    intro: str = ""
    is_wide: bool = True


_PARTS: Final = (
    _Part(
        id="law-specifications",
        title="Specifications and addressable reasoning",
        tables=("specifications", "reasonings"),
    ),
    _Part(
        id="law-processing",
        title="Record of processing activities",
        tables=(_DETAILS, "dpias"),
        intro=(
            "What is declared stands in the record of processing; what is observed was seen in "
            "the entries of the period. A difference says that the two disagree, not which is "
            "right."
        ),
    ),
    _Part(id="law-requests", title="Requests of data subjects", tables=("requests", "consents")),
    _Part(
        id="law-decisions",
        title="Automated decisions about persons",
        tables=("decision-counts", "decisions"),
    ),
    _Part(id="law-breaches", title="Breaches and notices", tables=("breaches", "breach-notices")),
    _Part(id="law-disclosures", title="Accounting of disclosures", tables=("disclosures",)),
    _Part(id="law-retention", title="Six years", tables=("retention",), is_wide=False),
)
_FILTERS: Final = {
    "breaches": "action=breach.",
    "breach-notices": "action=breach.",
    "requests": "action=dsr.",
    "decisions": "action=decision.about_person",
    "consents": "action=consent.",
    "disclosures": "action=data.disclose, data.export and data.transfer with data_class=phi",
    "activities": "action=processing.",
    "dpias": "action=dpia.completed",
}
"""With what the Entries page and the API find the rows that do not stand in a table."""
_PLACES: Final = {"Six years": "law-retention", "Differences": "law-processing"}
"""Where a sentence stands, by its first words; every other is about breaches and clocks."""
_LAYOUT: Final[dict[str, tuple[tuple[int, Look], ...]]] = {
    "specifications": (
        (3, "code"), (2, "text"), (8, "text"), (7, "text"), (2, "state"), (4, "text"),
    ),
    "reasonings": ((3, "code"), (8, "text"), (3, "text"), (2, "text"), (4, "text"), (3, "text")),
    "activities": (
        (4, "code"), (2, "text"), (4, "text"), (2, "text"), (2, "number"), (2, "number"),
    ),
    "dpias": ((4, "code"), (2, "text"), (4, "text"), (3, "text"), (3, "text"), (5, "text")),
    "requests": (
        (3, "code"), (3, "text"), (4, "text"), (4, "text"), (3, "text"), (4, "text"), (4, "text"),
        (2, "number"), (4, "text"), (5, "text"), (3, "text"),
    ),
    "consents": ((4, "text"), (4, "text"), (2, "number"), (3, "text"), (3, "text")),
    "decision-counts": (
        (4, "code"), (2, "number"), (3, "number"), (3, "number"), (3, "number"), (2, "number"),
    ),
    "decisions": (
        (4, "text"), (4, "code"), (4, "text"), (4, "text"), (3, "text"), (3, "text"), (3, "text"),
        (3, "text"), (4, "text"), (3, "text"),
    ),
    "breaches": (
        (3, "code"), (4, "text"), (3, "text"), (5, "text"), (2, "number"), (4, "text"), (3, "text"),
        (4, "text"), (3, "text"), (3, "text"),
    ),
    "breach-notices": (
        (3, "code"), (4, "text"), (3, "text"), (4, "text"), (4, "text"), (4, "text"), (4, "text"),
        (5, "text"), (3, "text"),
    ),
    "disclosures": (
        (4, "text"), (4, "text"), (3, "text"), (5, "code"), (5, "text"), (3, "text"), (5, "text"),
        (3, "text"),
    ),
    "retention": ((4, "text"), (2, "number"), (3, "text"), (4, "text")),
}  # fmt: skip
"""Share of the width and look of each column; a table that is not named here is set evenly."""
_DETAIL: Final[tuple[tuple[int, Look], ...]] = ((3, "text"), (6, "text"), (6, "text"))


def law_sections(content: ReportContent) -> tuple[Section, ...]:
    """Return the sections that the framework's law asks for; none where there is no such law."""
    law = content.law
    known = {table.id: table for table in law.tables}
    sections = [
        section for part in _PARTS if (section := _section(content, part, known)) is not None
    ]
    placed = {id_ for part in _PARTS for id_ in part.tables}
    others = [
        table
        for table in law.tables
        if table.id not in placed and not (table.id.startswith(ACTIVITY) and _DETAILS in known)
    ]
    if others:
        blocks = tuple(block for table in others for block in _table_blocks(table))
        sections.append(
            Section(id="law-more", title="More that the law asks for", blocks=blocks, is_wide=True)
        )
    return tuple(sections)


def _section(content: ReportContent, part: _Part, known: dict[str, LawTable]) -> Section | None:
    tables = [known[id_] for id_ in part.tables if id_ in known]
    if not tables:
        return None
    blocks: list[Block] = [Paragraph(text=part.intro)] if part.intro else []
    if part.id == "law-breaches":
        blocks += _clock_blocks(content)
    blocks += [
        Paragraph(text=one)
        for one in content.law.statements
        if _PLACES.get(one.partition(":")[0], "law-breaches") == part.id
    ]
    for table in tables:
        blocks += _table_blocks(table, is_headed=table.title != part.title)
        if table.id == _DETAILS:
            blocks += _difference_blocks(content.law.differences)
            blocks += _activity_blocks(content.law.tables)
    return Section(id=part.id, title=part.title, blocks=tuple(blocks), is_wide=part.is_wide)


def _table_blocks(table: LawTable, *, is_headed: bool = True) -> Iterator[Block]:
    if is_headed:
        yield Heading(text=table.title)
    yield Paragraph(text=table.intro)
    yield _table(table)


def _table(table: LawTable) -> Table:
    layout = _DETAIL if table.id.startswith(ACTIVITY) else _LAYOUT.get(table.id, ())
    if len(layout) != len(table.columns):
        layout = tuple((3, "text") for _ in table.columns)
    columns = [
        Column(title=title, share=share, look=look)
        for title, (share, look) in zip(table.columns, layout, strict=True)
    ]
    title = f"{table.title}, {table.article}"
    if table.id.startswith(ACTIVITY) or table.id == _SPECIFICATIONS:
        # Their rows rest on what the text above, or the row itself, names.
        return Table(title=title, columns=tuple(columns), rows=table.rows, empty=_empty(table))
    return Table(
        title=title,
        columns=(*columns, Column(title="Entries", share=3, look="code")),
        rows=tuple(
            (*row, _entries(seqs)) for row, seqs in zip(table.rows, table.seqs, strict=True)
        ),
        empty=_empty(table),
        more=_more(table),
    )


def _empty(table: LawTable) -> str:
    return f"{table.title}: no rows in this period."


def _entries(seqs: Sequence[int]) -> str:
    named = ", ".join(written.number(seq) for seq in seqs[:MOST_SEQS])
    left = len(seqs) - MOST_SEQS
    return f"{named} and {left:,} more" if left > 0 else named


def _more(table: LawTable) -> str:
    if table.total <= len(table.rows):
        return ""
    said = f"The first {len(table.rows):,} of {table.total:,}."
    wanted = _FILTERS.get(table.id)
    if wanted is None:
        return said
    return f"{said} All: filter the entries by {wanted}, on the Entries page or by the API."


def _clock_blocks(content: ReportContent) -> Iterator[Block]:
    """Yield the chart of the clocks, and how many ran past their limit."""
    chart = clocks(content)
    if chart is not None:
        yield chart
    late = sum(one.is_late for one in content.law.clocks)
    if late:
        text = f"{written.many(late, 'clock')} of {len(content.law.clocks):,} ran past the limit."
        yield Notice(tone="bad", word="Late", text=text)


def _difference_blocks(differences: Sequence[Difference]) -> Iterator[Block]:
    yield Heading(text="Findings: declared and observed disagree")
    if differences:
        text = (
            f"{written.many(len(differences), 'difference')} between the record of processing and "
            "the entries. Each is an open question to whoever keeps the record."
        )
        yield Notice(tone="warning", word="Finding", text=text)
    yield Table(
        title="Differences between what is declared and what was observed",
        columns=(
            Column(title="Activity and field", share=5),
            Column(title="Declared", share=6),
            Column(title="Observed", share=5),
            Column(title="Entries", share=2, look="number"),
            Column(title="One of them", share=2, look="code"),
        ),
        rows=tuple(
            (
                one.about,
                one.declared,
                one.observed,
                written.number(one.entries),
                written.number(one.seq),
            )
            for one in differences
        ),
        empty="Nothing was observed that the record does not declare.",
    )


def _activity_blocks(tables: Iterable[LawTable]) -> Iterator[Block]:
    for table in tables:
        if table.id.startswith(ACTIVITY):
            yield Heading(text=table.title, level=3)
            yield Paragraph(text=table.intro, is_small=True)
            yield _table(table)

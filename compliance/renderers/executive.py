"""Write the executive page: one A4 page, whatever the content. PDF/A-2a, PDF/UA-1. Pure.

Long texts and tables are cut here, each with a mark that says so; executive.typ then takes the
largest of a few sizes at which everything fits, and at the smallest leaves out what still does not,
by name. The words come from document.executive_of, the look is look.typ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from audit.letters import plain
from compliance.renderers.blocks import (
    Block,
    Chart,
    Document,
    Fact,
    Figure,
    Heading,
    Notice,
    Paragraph,
    Section,
    Table,
)
from compliance.renderers.charts import score_trend
from compliance.renderers.document import executive_of
from compliance.renderers.outline import outlined
from compliance.renderers.pdf import for_print, typeset
from compliance.report_content import ReportContent

MOST_ROWS: Final = 6
"""Of a table on the page."""
_TEMPLATE: Final = Path(__file__).with_suffix(".typ")
_TITLE: Final = 90  # letters
_VALUE: Final = 90
_CELL: Final = 110
_TEXT: Final = 420
_MOST_FACTS: Final = 12
_MOST_FIGURES: Final = 4
_TREND: Final = 84.0  # how tall it is drawn
_TRENDS: Final = 2  # postures that make a line


def render_executive(content: ReportContent) -> bytes:
    """Return one A4 page: the four numbers, what holds them down, what changed."""
    return set_executive(_with_trend(executive_of(content), content))


def set_executive(document: Document) -> bytes:
    """Return a document on one page; what does not fit is cut, and the page says so."""
    told: dict[str, Any] = for_print(_shortened(outlined(document)))
    return typeset(_TEMPLATE, told, issued_at=document.issued_at)


def _with_trend(document: Document, content: ReportContent) -> Document:
    """Return the page with the score over time at its end, the first to go when room is short."""
    drawn = score_trend(content, height=_TREND)
    if drawn is None or len(content.trend) < _TRENDS:
        return document
    last = Section(id="trend", title="Over time", blocks=(replace(drawn, title=""),))
    return replace(document, sections=(*document.sections, last))


def _shortened(document: Document) -> Document:
    return replace(
        document,
        title=_cut(document.title, _TITLE),
        subtitle=_cut(document.subtitle, _TITLE),
        issuer=_cut(document.issuer, _TITLE),
        running=_cut(document.running, _TEXT // 2),
        disclaimer=_cut(document.disclaimer, _TEXT),
        facts=tuple(
            Fact(name=_cut(each.name, 30), value=_cut(each.value, _VALUE), is_code=each.is_code)
            for each in document.facts[:_MOST_FACTS]
        ),
        figures=tuple(
            Figure(name=_cut(each.name, 20), value=_cut(each.value, 12), note=_cut(each.note, 60))
            for each in document.figures[:_MOST_FIGURES]
        ),
        sections=tuple(
            replace(
                section,
                title=_cut(section.title, _TITLE),
                is_wide=False,
                blocks=tuple(_short_blocks(section.blocks)),
            )
            for section in document.sections
        ),
    )


def _short_blocks(blocks: Sequence[Block]) -> Iterator[Block]:
    for block in blocks:
        match block:
            case Paragraph():
                yield replace(block, text=_cut(block.text, _TEXT))
            case Notice():
                yield replace(block, word=_cut(block.word, 30), text=_cut(block.text, _TEXT))
            case Heading():
                yield replace(block, text=_cut(block.text, _TITLE))
            case Table():
                yield _short_table(block)
            case Chart():
                yield replace(block, table=None)
            case _:
                yield block


def _short_table(table: Table) -> Table:
    rows = tuple(tuple(_cut(cell, _CELL) for cell in row) for row in table.rows[:MOST_ROWS])
    more = _cut(table.more, _TEXT)
    if len(table.rows) > MOST_ROWS:
        told = f"The first {MOST_ROWS} of {len(table.rows):,} rows; the whole report has the rest."
        more = f"{told} {more}".strip()
    return replace(table, title=_cut(table.title, _TITLE), rows=rows, more=more)


def _cut(text: str, most: int) -> str:
    """Return text of at most so many letters, the last one `…` where it was longer."""
    shown = plain(text)
    return shown if len(shown) <= most else shown[: most - 1].rstrip() + "…"

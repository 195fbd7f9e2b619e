"""Write a report as a PDF: A4, tagged, PDF/A-2a and PDF/UA-1. Pure: the same content, same bytes.

The typesetter uses its own fonts and no clock; the file's time of making is the content's time of
issue. What people typed reaches it as data, never as markup: report.typ and look.typ read a tree of
plain values. Letters that its fonts lack stand as code points (audit/letters.py).

At most fitting.CELLS cells of tables are printed, so that the memory needed has a bound: about
400 MB and some seconds. Where the words come from: document.py. One page: executive.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, Final, assert_never

import typst

from audit.letters import printed, printed_line
from compliance.renderers.blocks import (
    Block,
    Chart,
    Code,
    Column,
    Document,
    Fact,
    Facts,
    Figure,
    Figures,
    Heading,
    Notice,
    Paragraph,
    Section,
    Table,
)
from compliance.renderers.document import document_of
from compliance.renderers.fitting import beside, breakable, column_widths, lines_of, within_cells
from compliance.renderers.marks import mark_of
from compliance.renderers.outline import outlined
from compliance.report_content import ReportContent

STANDARDS: Final = ("a-2a", "ua-1")
"""What each PDF keeps to; the typesetter refuses to write one that does not."""
PORTRAIT: Final = 470.5
"""Width of the text of a page upright, in points: 210 mm less two margins of 22 mm."""
LANDSCAPE: Final = 717.0
SIZE: Final = 8.4
"""Of the text in tables, in points; look.typ sets the same."""
GAP: Final = 8.0
"""Between two columns."""
GUTTER: Final = 22.0
"""Between two rows of a table that stand beside each other."""

_HERE: Final = Path(__file__).parent
_TEMPLATE: Final = _HERE / "report.typ"
_CONTENTS: Final = 645.0  # points of a page of the table of contents below its title
_ENTRY: Final = {1: 16.0, 2: 11.0}  # of these, what an entry of a level takes
_SQUEEZED: Final = 1.18  # pages of entries that one page takes with less air between them
_PAGES: Final = 2.0  # of contents that a report may begin with
_NAME: Final = 128.0  # of the names of facts, in points
_TALL: Final = 24  # lines of a row that may break over two pages
_TOGETHER: Final = {PORTRAIT: 20, LANDSCAPE: 11}  # lines of a table that is kept on one page
_COSTLY: Final = 1.1  # times the lines of its own widths that a table may take for its neighbours'
_INTRODUCED: Final = frozenset({"table", "facts", "chart", "code"})
_INTRODUCTION: Final = 400  # letters of a paragraph that stays with what it introduces
_VIEW: Final = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')
_WIDEST: Final = 620.0  # of a chart, in points
_HIGHEST: Final = {PORTRAIT: 620.0, LANDSCAPE: 330.0}  # with the section's head above it


def render_pdf(content: ReportContent) -> bytes:
    """Return the whole report as PDF/A-2a and PDF/UA-1. Takes some seconds for 200 pages."""
    return set_pdf(document_of(content))


def set_pdf(document: Document) -> bytes:
    """Return a document as a PDF; `issued_at` is its time of making."""
    fitted = within_cells(outlined(document))
    told = for_print(fitted) | {"contents": _contents(fitted)}
    return typeset(_TEMPLATE, told, issued_at=document.issued_at)


def typeset(template: Path, told: dict[str, Any], *, issued_at: str) -> bytes:
    """Return what a template of this folder makes of plain values in `sys.inputs.report`."""
    return typst.compile(
        template,
        sys_inputs={"report": json.dumps(told)},
        root=_HERE,
        ignore_system_fonts=True,
        pdf_standards=list(STANDARDS),
        timestamp=int(datetime.fromisoformat(issued_at).timestamp()),
    )


def for_print(document: Document) -> dict[str, Any]:
    """Return a document as the plain values that look.typ reads, every text made printable.

    Sections stand in groups of one direction of the paper.
    """
    across = _lying(document.sections)
    return {
        "title": printed(document.title),
        "subtitle": printed(document.subtitle),
        "issuer": printed(document.issuer),
        "running": printed(document.running),
        "disclaimer": printed(document.disclaimer),
        "facts": _facts(document.facts, PORTRAIT),
        "figures": _figures(document.figures),
        "groups": [
            {"wide": is_wide, "sections": [_section(each, is_wide=is_wide) for each, _ in run]}
            for is_wide, run in groupby(
                zip(document.sections, across, strict=True), key=lambda each: each[1]
            )
        ],
    }


def _lying(sections: Sequence[Section]) -> list[bool]:
    """Return which sections lie across.

    Those that need no width, as their tables are empty, follow an upright neighbour: a page that
    turns for two sentences would be empty but for them.
    """
    lies = [each.is_wide for each in sections]
    needs = [each.is_wide and any(map(_is_filled, each.blocks)) for each in sections]
    for order in (range(len(lies)), range(len(lies) - 1, -1, -1)):
        for at, after in pairwise(order):
            if not lies[at] and not needs[after]:
                lies[after] = False
    return lies


def _is_filled(block: Block) -> bool:
    return isinstance(block, Chart) or (isinstance(block, Table) and bool(block.rows))


def _contents(document: Document) -> dict[str, Any]:
    """Return how the table of contents is set: levels, and whether its lines stand closer.

    Closer where a few lines would have a page of their own; one level where two need more pages
    than a reader would turn.
    """
    headings = sum(
        isinstance(block, Heading) and block.level == 2
        for section in document.sections
        for block in section.blocks
    )
    pages = (len(document.sections) * _ENTRY[1] + headings * _ENTRY[2]) / _CONTENTS
    return {"depth": 2 if pages <= _PAGES else 1, "close": 1 < pages <= _SQUEEZED}


def _section(section: Section, *, is_wide: bool) -> dict[str, Any]:
    room = LANDSCAPE if is_wide else PORTRAIT
    return {
        "id": section.id,
        "title": printed(section.title),
        "blocks": _kept_together(_blocks(_titled_once(section), room)),
    }


def _titled_once(section: Section) -> list[Block]:
    """Return the blocks of a section, a table untitled where the heading above has its title."""
    heading, blocks = section.title, list[Block]()
    for block in section.blocks:
        if isinstance(block, Heading):
            heading = block.text
        if isinstance(block, Table) and block.title == heading:
            blocks.append(replace(block, title=""))
        else:
            blocks.append(block)
    return blocks


def _blocks(blocks: Sequence[Block], room: float) -> list[dict[str, Any]]:
    """Return blocks for print; tables of the same columns get the same widths where they can."""
    alike: dict[tuple[Column, ...], list[Table]] = {}
    for block in blocks:
        if isinstance(block, Table):
            alike.setdefault(block.columns, []).append(block)
    fits = {columns: _fit(tables, room) for columns, tables in alike.items()}
    return [
        {"kind": "table"} | _table(block, room, fits[block.columns])
        if isinstance(block, Table)
        else block_for_print(block, room)
        for block in blocks
    ]


def _kept_together(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mark short words that introduce what follows, so that no page ends with them."""
    for at, (block, following) in reversed(list(enumerate(pairwise(blocks)))):
        if block["kind"] in ("paragraph", "notice") and len(block["text"]) <= _INTRODUCTION:
            begins = at == 0 and following["kind"] == "heading"
            leads_on = following.get("sticky", False)
            block["sticky"] = begins or leads_on or following["kind"] in _INTRODUCED
    return blocks


def block_for_print(block: Block, room: float) -> dict[str, Any]:
    """Return one block as plain values for a text of this width in points; `kind` names it."""
    match block:
        case Paragraph():
            told = {"text": _line(block.text), "small": block.is_small, "sticky": False}
            return {"kind": "paragraph"} | told
        case Notice():
            told = {"tone": block.tone, "word": printed(block.word), "text": _line(block.text)}
            return {"kind": "notice", "sticky": False} | told
        case Facts():
            return {"kind": "facts", "facts": _facts(block.facts, room)}
        case Table():
            return {"kind": "table"} | _table(block, room, _fit((block,), room))
        case Chart():
            return {"kind": "chart"} | _chart(block, room)
        case Code():
            lines = [_code_line(each, room) for each in block.lines]
            return {"kind": "code", "lines": lines}
        case Figures():
            return {"kind": "figures", "figures": _figures(block.figures)}
        case Heading():
            return {"kind": "heading", "text": _line(block.text), "level": block.level}
        case _:
            assert_never(block)


def _line(text: str) -> str:
    return breakable(printed(text), room=PORTRAIT * 0.9, size=10)


def _code_line(line: str, room: float) -> str:
    shown = printed_line(line)
    return breakable(shown, room=room * 0.9, size=10, is_code=True)


def _facts(facts: Sequence[Fact], room: float) -> list[dict[str, Any]]:
    width = room - _NAME - 12
    return [
        {
            "name": breakable(printed(each.name), room=_NAME, size=9.5),
            "value": breakable(printed(each.value), room=width, size=9.5, is_code=each.is_code),
            "code": each.is_code,
        }
        for each in facts
    ]


def _figures(figures: Sequence[Figure]) -> list[dict[str, str]]:
    return [
        {"name": printed(each.name), "value": printed(each.value), "note": printed(each.note)}
        for each in figures
    ]


def _chart(chart: Chart, room: float) -> dict[str, Any]:
    """Return a chart as wide as the text, narrower where it would be too tall for a page.

    One without a title has no words below it either: both are its alternative text alone.
    """
    view = _VIEW.search(chart.svg)
    assert view is not None, "svg.drawing writes a viewBox that begins at 0 0"
    width, height = float(view[1]), float(view[2])
    return {
        "title": printed(chart.title),
        "svg": chart.svg,
        "text": printed(chart.text),
        "caption": bool(chart.title),
        "width": min(room, _WIDEST, _HIGHEST[room] * width / height),
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class _Fit:
    """What suits all tables of the same columns together."""

    rows: int
    """Of all of them."""
    many: int
    """Rows that may stand beside each other."""
    room: float
    """For one of these rows."""
    widths: list[float]


def _fit(alike: Sequence[Table], room: float) -> _Fit:
    """Return what suits tables of the same columns, as if all their rows were in one."""
    together = _safe(replace(alike[0], rows=tuple(row for each in alike for row in each.rows)))
    many = beside(together, room=room, size=SIZE, gap=GAP, gutter=GUTTER)
    space = (room - GUTTER * (many - 1)) / many
    return _Fit(
        rows=len(together.rows),
        many=many,
        room=space,
        widths=column_widths(together, room=space, size=SIZE, gap=GAP),
    )


def _table(table: Table, room: float, fit: _Fit) -> dict[str, Any]:
    """Return a table: its cells in one list, row by row, and where it may break.

    `fit` is of the tables, this among them, whose columns are to be as wide as this one's. Where
    few short columns would lie far apart, rows stand beside each other, to be read across.
    """
    safe = _safe(table)
    unit = _widths(safe, fit)
    across = min(fit.many, max(len(safe.rows), 1))
    columns = list(zip(safe.columns, unit, strict=True)) * across
    folded = _folded(safe.rows, across)
    widths = [width for _, width in columns]
    cells: list[Any] = []
    tall, lines_in_all = [], 0.0
    for at, row in enumerate(folded):
        shown = [
            breakable(cell, room=width - 1, size=SIZE, is_code=column.look == "code")
            for cell, (column, width) in zip(row, columns, strict=True)
        ]
        lines = max(map(_lines_of(widths), range(len(shown)), shown))
        lines_in_all += max(lines, 1.0)
        if lines > _TALL:
            tall.append(at)
        cells += [
            _state(cell) if column.look == "state" else cell
            for cell, (column, _) in zip(shown, columns, strict=True)
        ]
    return {
        "title": safe.title,
        "columns": [
            {
                "title": breakable(column.title, room=width - 1, size=SIZE),
                "width": round(width, 1),
                "gap": _gap_after(at, len(unit), len(columns)),
                "look": column.look,
            }
            for at, (column, width) in enumerate(columns)
        ],
        "cells": cells,
        "tall": tall,
        "whole": lines_in_all <= _TOGETHER[room] / across,
        "empty": printed(table.empty),
        "more": printed(table.more),
    }


def _widths(safe: Table, fit: _Fit) -> list[float]:
    """Return the widths that suit all tables alike; its own where those would cost it lines."""
    if fit.rows == len(safe.rows):
        return fit.widths
    own = column_widths(safe, room=fit.room, size=SIZE, gap=GAP)
    most = lines_of(safe, own, size=SIZE) * _COSTLY
    return fit.widths if lines_of(safe, fit.widths, size=SIZE) <= most else own


def _folded(rows: Sequence[tuple[str, ...]], across: int) -> list[tuple[str, ...]]:
    """Return rows of so many rows each, the last filled up with empty cells."""
    if across == 1:
        return list(rows)
    empty = ("",) * len(rows[0])
    filled = [*rows, *[empty] * (-len(rows) % across)]
    return [
        tuple(cell for row in filled[at : at + across] for cell in row)
        for at in range(0, len(filled), across)
    ]


def _gap_after(at: int, unit: int, columns: int) -> float:
    """Return the room behind a column: more where a row beside begins, none at the end."""
    if at == columns - 1:
        return 0.0
    return GUTTER if at % unit == unit - 1 else GAP


def _safe(table: Table) -> Table:
    """Return the table with every text printable."""
    return Table(
        title=printed(table.title),
        columns=tuple(replace(each, title=printed(each.title)) for each in table.columns),
        rows=tuple(tuple(map(printed, row)) for row in table.rows),
    )


def _lines_of(widths: Sequence[float]) -> Callable[[int, str], float]:
    """Return what estimates the lines that a cell takes in its column."""

    def lines(at: int, text: str) -> float:
        return len(text) * SIZE * 0.55 / widths[at]

    return lines


def _state(cell: str) -> list[str]:
    mark = mark_of(cell)
    return [mark.sign, mark.word, mark.tone or ""]

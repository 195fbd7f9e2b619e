"""Write a report as one HTML file: nothing is loaded, no script is needed. Pure.

The same content gives the same bytes. Style and drawings stand in the file; its policy lets a
browser take this one style sheet, by its hash, and nothing else. Every text is escaped, and a
character that shows nothing or turns the reading direction stands as its code point.

Anchors: `#<section>` for each section, `#<section>-<words>` for each heading, `#control-<id>` for
each control's first row among the tests. Folds are opened in print. Look: report.css beside this
file. Where the words come from: document.py.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Final, assert_never

from audit.letters import plain, plain_line
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
from compliance.renderers.fitting import column_widths
from compliance.renderers.marks import mark_of
from compliance.renderers.outline import outlined
from compliance.report_content import ReportContent

FOLDED_FROM: Final = 40
"""Rows from which on a table can be folded away."""
_STYLE: Final = Path(__file__).with_name("report.css")
_WIDTHS: Final = "".join(f".w{each}{{width:{each}%}}" for each in range(101))
_ROOM: Final = 860.0  # of a table on a common screen, in its pixels
_SIZE: Final = 14.0
_NOT_SLUG: Final = re.compile(r"[^A-Za-z0-9._]+")
_TESTS: Final = "tests"  # the section whose rows are what a control's anchor leads to
_CONTROL: Final = "Control"  # title of the column that names one


def render_html(content: ReportContent) -> bytes:
    """Return the whole report as one HTML file, UTF-8."""
    return set_html(document_of(content))


def set_html(document: Document) -> bytes:
    """Return a document as one HTML file, UTF-8."""
    return "\n".join(_Page(outlined(document)).lines()).encode()


class _Page:
    """One document being written: which anchors are taken, which controls can be led to."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._taken = {_slug(section.id) for section in document.sections}
        self._controls = _controls(document)
        self._anchored: set[str] = set()
        self._tables = 0

    def lines(self) -> Iterator[str]:
        style = _STYLE.read_text() + _WIDTHS
        said = self._document
        yield from _head(said.title, style)
        yield '<a class="skip" href="#report">To the report</a>'
        yield from _cover(said)
        yield '<div class="frame">'
        yield from self._contents()
        yield '<main id="report">'
        for number, section in enumerate(said.sections, 1):
            yield from self._section(section, number)
        yield "</main></div>"
        yield f"<footer><p>{_text(said.running)}</p></footer>"
        yield "</body></html>\n"

    def _contents(self) -> Iterator[str]:
        yield '<nav class="contents" aria-label="Contents"><details><summary>Contents</summary><ol>'
        for section in self._document.sections:
            anchor = _slug(section.id)
            yield f'<li><a href="#{anchor}">{_text(section.title)}</a></li>'
        yield "</ol></details></nav>"

    def _section(self, section: Section, number: int) -> Iterator[str]:
        anchor = _slug(section.id)
        wide = ' class="wide"' if section.is_wide else ""
        yield f'<section id="{anchor}"{wide} aria-labelledby="{anchor}-title">'
        told = f'<span class="number">{number}</span> {_text(section.title)}'
        yield f'<h2 id="{anchor}-title">{told}</h2>'
        for block in section.blocks:
            yield from self._block(block, section)
        yield "</section>"

    def _block(self, block: Block, section: Section) -> Iterator[str]:
        match block:
            case Paragraph():
                small = ' class="small"' if block.is_small else ""
                yield f"<p{small}>{_text(block.text)}</p>"
            case Notice():
                word = f"<strong>{_text(block.word)}</strong>"
                yield f'<p class="notice {block.tone}">{word} {_text(block.text)}</p>'
            case Facts():
                yield from _facts(block.facts)
            case Table():
                yield from self._table(block, section)
            case Chart():
                yield from self._chart(block, section)
            case Code():
                lines = "\n".join(escape(plain_line(each)) for each in block.lines)
                yield f'<pre tabindex="0"><code>{lines}</code></pre>'
            case Figures():
                yield from _figures(block.figures)
            case Heading():
                level = block.level + 1
                anchor = self._anchor(f"{section.id}-{block.text}")
                yield f'<h{level} id="{anchor}">{_text(block.text)}</h{level}>'
            case _:
                assert_never(block)

    def _anchor(self, words: str) -> str:
        """Return an anchor made of words that no other part of the page has."""
        wanted = _slug(words)[:80]
        anchor, more = wanted, 2
        while anchor in self._taken:
            anchor, more = f"{wanted}-{more}", more + 1
        self._taken.add(anchor)
        return anchor

    def _chart(self, chart: Chart, section: Section) -> Iterator[str]:
        yield '<figure class="chart">'
        if chart.title:
            yield f'<p class="title">{_text(chart.title)}</p>'
        label = escape(plain(chart.title or chart.text))
        yield f'<div class="scroll" role="region" aria-label="{label}" tabindex="0">'
        yield chart.svg
        yield "</div>"
        yield f"<figcaption>{_text(chart.text)}</figcaption>"
        if chart.table is not None:
            yield "<details><summary>The figures of this chart</summary>"
            yield from self._rows(chart.table, section)
            yield "</details>"
        yield "</figure>"

    def _table(self, table: Table, section: Section) -> Iterator[str]:
        if not table.rows:
            if table.title:
                yield f'<p class="title">{_text(table.title)}</p>'
            yield f'<p class="empty">{_text(table.empty)}</p>' if table.empty else ""
        elif len(table.rows) < FOLDED_FROM:
            yield from self._rows(table, section)
        else:
            told = f"{_text(table.title)} <span>{len(table.rows):,} rows</span>"
            yield f'<details open class="long"><summary>{told}</summary>'
            yield from self._rows(table, section)
            yield "</details>"
        if table.more:
            yield f'<p class="small">{_text(table.more)}</p>'

    def _rows(self, table: Table, section: Section) -> Iterator[str]:
        self._tables += 1
        id_ = f"table-{self._tables}"
        yield f'<div class="scroll" role="region" aria-labelledby="{id_}" tabindex="0"><table>'
        yield f'<caption id="{id_}">{_text(table.title)}</caption>'
        yield f"<colgroup>{_columns(table)}</colgroup><thead><tr>"
        for column in table.columns:
            yield f'<th scope="col" class="{column.look}">{_text(column.title)}</th>'
        yield "</tr></thead><tbody>"
        names_control = table.columns[0].title == _CONTROL
        for row in table.rows:
            first, *rest = row
            anchor, shown = "", _cell(first, table.columns[0])
            if names_control:
                anchor, shown = self._control(first, shown, section)
            cells = "".join(
                f'<td class="{column.look}">{_cell(cell, column)}</td>'
                for cell, column in zip(rest, table.columns[1:], strict=True)
            )
            look = table.columns[0].look
            yield f'<tr{anchor}><th scope="row" class="{look}">{shown}</th>{cells}</tr>'
        yield "</tbody></table></div>"

    def _control(self, control: str, shown: str, section: Section) -> tuple[str, str]:
        """Return a row's anchor and its first cell: an anchor among the tests, else a way there."""
        if control not in self._controls:
            return "", shown
        anchor = f"control-{_slug(control)}"
        if section.id != _TESTS:
            return "", f'<a href="#{anchor}">{shown}</a>'
        if anchor in self._anchored:
            return "", shown
        self._anchored.add(anchor)
        return f' id="{anchor}"', shown


def _columns(table: Table) -> str:
    """Return the columns with the share of the width that each gets, in whole per cent."""
    widths = column_widths(table, room=_ROOM, size=_SIZE, gap=_SIZE)
    return "".join(f'<col class="w{int(100 * each / sum(widths))}">' for each in widths)


def _controls(document: Document) -> frozenset[str]:
    """Return the controls that have a row among the tests."""
    return frozenset(
        row[0]
        for section in document.sections
        if section.id == _TESTS
        for block in section.blocks
        if isinstance(block, Table) and block.columns[0].title == _CONTROL
        for row in block.rows
    )


def _head(title: str, style: str) -> Iterator[str]:
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    yield "<!doctype html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="color-scheme" content="light dark">'
    yield '<meta name="referrer" content="no-referrer">'
    yield f"<title>{_text(title)}</title>"
    yield f"<style>{style}</style></head><body>"


def _cover(said: Document) -> Iterator[str]:
    yield f'<header class="cover"><p class="issuer">{_text(said.issuer)}</p>'
    yield f'<h1>{_text(said.title)}</h1><p class="subtitle">{_text(said.subtitle)}</p>'
    yield from _figures(said.figures)
    yield from _facts(said.facts)
    yield f'<p class="disclaimer">{_text(said.disclaimer)}</p></header>'


def _facts(facts: Sequence[Fact]) -> Iterator[str]:
    if not facts:
        return
    yield '<dl class="facts">'
    for each in facts:
        value = f"<code>{_text(each.value)}</code>" if each.is_code else _text(each.value)
        yield f"<div><dt>{_text(each.name)}</dt><dd>{value}</dd></div>"
    yield "</dl>"


def _figures(figures: Sequence[Figure]) -> Iterator[str]:
    if not figures:
        return
    yield '<dl class="figures">'
    for each in figures:
        note = f'<dd class="note">{_text(each.note)}</dd>' if each.note else ""
        yield f"<div><dt>{_text(each.name)}</dt><dd>{_text(each.value)}</dd>{note}</div>"
    yield "</dl>"


def _cell(cell: str, column: Column) -> str:
    if column.look == "code":
        return f"<code>{_text(cell)}</code>" if cell else ""
    if column.look == "state":
        mark = mark_of(cell)
        sign = f'<span aria-hidden="true">{mark.sign}</span> ' if mark.sign else ""
        return f'<span class="state {mark.tone or "plain"}">{sign}{_text(mark.word)}</span>'
    return _text(cell)


def _text(text: str) -> str:
    return escape(plain(text))


def _slug(words: str) -> str:
    return _NOT_SLUG.sub("-", words).strip("-") or "part"

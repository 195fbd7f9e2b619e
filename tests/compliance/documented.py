"""What tests of the document of a report share: its sections, tables and notices, found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from compliance.renderers.blocks import Block, Chart, Document, Notice, Section, Table
from compliance.report_content import Family, ReportContent

FAMILIES: tuple[Family, ...] = ("soc2", "hipaa", "gdpr", "other")


Made = Callable[[Family], ReportContent]


def section(document: Document, id_: str) -> Section:
    """Return the one section of this id."""
    (found,) = [one for one in document.sections if one.id == id_]
    return found


def tables(document: Document) -> Iterator[Table]:
    """Yield every table, those behind charts too."""
    for one in document.sections:
        for block in one.blocks:
            if isinstance(block, Table):
                yield block
            if isinstance(block, Chart) and block.table is not None:
                yield block.table


def table(document: Document, title: str) -> Table:
    """Return the one table of this title."""
    (found,) = [one for one in tables(document) if one.title == title]
    return found


def notices(blocks: tuple[Block, ...]) -> list[str]:
    """Return the words of the notices among blocks."""
    return [block.word for block in blocks if isinstance(block, Notice)]


def a_plain_leg(state: Any, **fields: Any) -> dict[str, Any]:
    """Return a leg as the sealed result holds it."""
    given = {"id": "TOOL-01", "state": state, "n": 0, "f": 0, "waived": 0, "pending": 0}
    return given | {"shown_only": False} | fields

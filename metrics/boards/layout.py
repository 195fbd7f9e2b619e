"""Where each panel of a board stands, and the number that it keeps. Pure.

Panels flow from left to right and wrap; those in a line are as high as the highest. A number is
made of the title, so that links to a panel outlive another that is put before it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from metrics.boards.shape import PER_LINE, Board, Panel, Row


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """A panel, or the heading of a row, at its place."""

    what: Panel | Row
    number: int
    """Unique in its board, below 2 to the 30th."""
    x: int
    y: int
    width: int
    height: int


def placed(board: Board) -> list[Placed]:
    """Return all of a board from top to bottom."""
    found: list[Placed] = []
    y = 0
    for row in board.rows:
        number = _number(f"row {row.title}")
        found.append(Placed(what=row, number=number, x=0, y=y, width=PER_LINE, height=1))
        y += 1
        for line in _lines(row):
            height = max(panel.height for panel in line)
            x = 0
            for panel in line:
                found.append(
                    Placed(
                        what=panel,
                        number=_number(panel.title),
                        x=x,
                        y=y,
                        width=panel.width,
                        height=height,
                    )
                )
                x += panel.width
            y += height
    return found


def _lines(row: Row) -> Iterator[list[Panel]]:
    line: list[Panel] = []
    for panel in row.panels:
        if sum(each.width for each in line) + panel.width > PER_LINE:
            yield line
            line = []
        line.append(panel)
    yield line


def _number(title: str) -> int:
    return zlib.crc32(title.encode()) & 0x3FFF_FFFF

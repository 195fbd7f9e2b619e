"""Fit tables to a page: how wide each column is, where long words may break, how many rows. Pure.

Shares say how columns divide a width; a column never gets less than its widest word needs, and a
hash or an id that no column could hold may break inside. Widths of letters are estimated: near
enough to lay out by, the same on every machine.

A typesetter holds some twelve kilobytes a cell while it works. So that a report needs less than
500 MB whatever it holds, at most CELLS cells are printed: where there are more, the longest tables
end earlier and say so. The HTML and JSON forms have every row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from math import ceil
from typing import Final

from compliance.renderers.blocks import Document, Table

CELLS: Final = 24_000
"""Cells of tables that a PDF holds."""
LEAST_ROWS: Final = 10
"""Of each table, however many there are."""
BREAK: Final = "\u200b"
"""Where a word may break without a hyphen."""

_MONO: Final = 0.602 * 0.82  # of the size of the text beside it
_NARROW: Final = frozenset("iljtfr.,:;'|!()[] ")
_AFTER: Final = frozenset("._-/:=+@,&?#")
_SPARE: Final = 1.06  # of a text's width, that an estimate that is short does not break its line
_HALVINGS: Final = 40
_LONGEST: Final = 15  # letters of an unbroken word that a column is widened for
_ID: Final = 36  # letters of a code that stays in one piece where the columns leave room
_FEW: Final = 3  # columns of a table whose rows may stand beside each other
_SLIMMEST: Final = 130.0  # in points, of one of these rows
_EASY: Final = 0.82  # share of a table's width that its least widths may take for that


def measure(text: str, size: float, *, is_code: bool = False) -> float:
    """Return about how wide a text is, in the unit of `size`."""
    if is_code:
        return len(text) * size * _MONO
    narrow, upper = _letters(text)
    return size * (0.49 * len(text) - 0.19 * narrow + 0.17 * upper)


@lru_cache(maxsize=16_384)  # a report says the same words in many tables
def _letters(text: str) -> tuple[int, int]:
    """Return how many letters of a text are narrow, and how many are capitals."""
    return sum(map(_NARROW.__contains__, text)), sum(map(str.isupper, text))


def lines_of(table: Table, widths: Sequence[float], *, size: float) -> int:
    """Return about how many lines the rows take with columns of these widths."""
    codes = [column.look == "code" for column in table.columns]
    return sum(
        max(
            (
                ceil(measure(cell, size, is_code=is_code) / width)
                for cell, is_code, width in zip(row, codes, widths, strict=True)
                if cell
            ),
            default=1,
        )
        for row in table.rows
    )


def column_widths(table: Table, *, room: float, size: float, gap: float) -> list[float]:
    """Return each column's width; together with a gap after each but the last they fill `room`.

    Each gets what its share gives, but no less than its widest word and, while another column has
    to break its lines, no more than its longest text.
    """
    space = room - gap * (len(table.columns) - 1)
    for longest in (_ID, _LONGEST):
        bounds = [_bounds(table, at, size, longest) for at in range(len(table.columns))]
        least = sum(low for low, _ in bounds)
        if least < space * _EASY:
            break
    if least >= space:
        return [space * low / least for low, _ in bounds]
    shares = [column.share for column in table.columns]
    widths = _between(bounds, shares, space)
    slack = (space - sum(widths)) / sum(shares)
    return [width + slack * share for width, share in zip(widths, shares, strict=True)]


def beside(table: Table, *, room: float, size: float, gap: float, gutter: float) -> int:
    """Return how many rows of a table may stand beside each other, `gutter` apart; 1 is as usual.

    A few short columns over a whole page leave the eye to cross a gap to find a row's number.
    """
    if not table.rows or len(table.columns) > _FEW:
        return 1
    needed = gap * (len(table.columns) - 1)
    needed += sum(_bounds(table, at, size, _ID)[1] for at in range(len(table.columns)))
    fitting = (many for many in (3, 2) if needed <= (room - gutter * (many - 1)) / many)
    return next((many for many in fitting if room / many >= _SLIMMEST), 1)


def _between(
    bounds: Sequence[tuple[float, float]], shares: Sequence[int], space: float
) -> list[float]:
    """Return widths by share, each within its bounds, that fill `space` as far as those let."""

    def at(level: float) -> list[float]:
        return [
            min(max(level * share, low), high)
            for share, (low, high) in zip(shares, bounds, strict=True)
        ]

    low, high = 0.0, space
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(at(middle)) <= space else (low, middle)
    return at(low)


def _bounds(table: Table, at: int, size: float, longest: int) -> tuple[float, float]:
    """Return how wide a column's widest word is, and its longest text. A number is one word.

    Of a code `longest` letters count, of other words _LONGEST.
    """
    column = table.columns[at]
    is_code = column.look == "code"
    word = max(column.title.split(), key=len, default="")
    low = measure(word, size) * 1.05
    high = low
    for row in table.rows:
        text = row[at]
        width = measure(text, size, is_code=is_code)
        high = max(high, width)
        if width > low:
            words = [text] if column.look == "number" else text.split(" ")
            most = {"number": len(text), "code": longest}.get(column.look, _LONGEST)
            cut = (each[:most] for each in words)
            low = max(low, *(measure(each, size, is_code=is_code) for each in cut))
    mark = size * (1.3 if column.look == "state" else 0.15)
    return low + mark, max(high * _SPARE, low) + mark


def breakable(text: str, *, room: float, size: float, is_code: bool = False) -> str:
    """Return text in which each word wider than `room` may break: at its signs, else anywhere."""
    if measure(text, size, is_code=is_code) <= room:
        return text
    words = text.split(" ")
    return " ".join(
        each if measure(each, size, is_code=is_code) <= room else _broken(each) for each in words
    )


def _broken(word: str) -> str:
    """Return a word with a place to break after each sign and after each fourth letter."""
    parts, run = [], 0
    for char in word:
        parts.append(char)
        run = 0 if char in _AFTER else run + 1
        if run in (0, 4):
            parts.append(BREAK)
            run = 0
    return "".join(parts)


def within_cells(document: Document, cells: int = CELLS) -> Document:
    """Return the document with at most so many cells, its longest tables ended earlier.

    Each shortened table says in `more` how many rows it has and where they are. LEAST_ROWS of each
    stay, whatever their sum.
    """
    tables = [
        block
        for section in document.sections
        for block in section.blocks
        if isinstance(block, Table)
    ]
    most = _most_rows(tables, cells)
    return replace(
        document,
        sections=tuple(
            replace(
                section,
                blocks=tuple(
                    _ended(block, most) if isinstance(block, Table) else block
                    for block in section.blocks
                ),
            )
            for section in document.sections
        ),
    )


def _most_rows(tables: Sequence[Table], cells: int) -> int:
    """Return the most rows of a table with which all tables together keep to so many cells."""
    low, high = LEAST_ROWS, max((len(each.rows) for each in tables), default=0)
    if _cells(tables, high) <= cells:
        return high
    while low < high:
        middle = (low + high + 1) // 2
        if _cells(tables, middle) <= cells:
            low = middle
        else:
            high = middle - 1
    return low


def _cells(tables: Sequence[Table], most: int) -> int:
    return sum(min(len(each.rows), most) * len(each.columns) for each in tables)


def _ended(table: Table, most: int) -> Table:
    rows = len(table.rows)
    if rows <= most:
        return table
    told = f"The first {most:,} of {rows:,} rows; the HTML and JSON forms have all of them."
    return replace(table, rows=table.rows[:most], more=f"{told} {table.more}".strip())

"""What a printed report is made of, whatever prints it: sections of blocks. Pure values.

document.py and its sections write them from the content; pdf.py and html.py set them. Text is
plain: no markup, no escapes; whoever sets it makes it safe. A chart is SVG with a text for readers
who do not see it and the table of its figures behind it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Align: TypeAlias = Literal["left", "right"]
Look: TypeAlias = Literal["text", "number", "code", "state", "time"]
Tone: TypeAlias = Literal["info", "warning", "bad", "good"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Paragraph:
    """A few sentences."""

    text: str
    is_small: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """Something that must not be overlooked; `word` says its kind without colour."""

    tone: Tone
    word: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """One named value."""

    name: str
    value: str
    is_code: bool = False
    """Copied and compared, as a hash is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """Named values, one under the other."""

    facts: tuple[Fact, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One column of a table."""

    title: str
    share: int = 1
    """Of the width, against the other columns."""
    look: Look = "text"

    @property
    def align(self) -> Align:
        """Return where its cells stand."""
        return "right" if self.look == "number" else "left"


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A table whose head is repeated on each page."""

    title: str
    """Read out by screen readers and shown above."""
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    """A cell a column; a cell of look `state` is one of result.STATES or a word of its own."""
    empty: str = ""
    """What stands there when there are no rows: a sentence."""
    more: str = ""
    """Where the rest is when not all rows stand here: `The first 100 of 812; all in items.csv.`"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """A drawing with its words and its figures."""

    title: str
    svg: str
    text: str
    """What it shows, in a sentence: its alternative text."""
    table: Table | None = None
    """Its figures; behind a fold in HTML, left out where the section has them already."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Code:
    """Lines for a shell, or a query."""

    lines: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One of the numbers that stand large."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """The four numbers, always together."""

    figures: tuple[Figure, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Heading:
    """A heading inside a section; level 2 or 3."""

    text: str
    level: int = 2


Block: TypeAlias = Paragraph | Notice | Facts | Table | Chart | Code | Figures | Heading


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """One numbered part."""

    id: str
    """Its anchor, such as `integrity`."""
    title: str
    blocks: tuple[Block, ...]
    is_wide: bool = False
    """Better set across the page: its tables have many columns."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A report ready to be set."""

    title: str
    subtitle: str
    issuer: str
    """The ledger's origin."""
    running: str
    """One line for the foot of each page."""
    issued_at: str
    """As in the content; also the time of making in a file's own data."""
    disclaimer: str
    """What it is not; stands on the cover."""
    facts: tuple[Fact, ...]
    """On the cover."""
    figures: tuple[Figure, ...]
    """On the cover."""
    sections: tuple[Section, ...]

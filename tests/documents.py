"""Read our documentation: pages, tables, code, links. Pure; what must hold is in tests/docs/.

Only the Markdown that the pages use is understood: headings, tables, fences, code spans, links.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"

_FENCE = re.compile(
    r"^ *```(?P<language>[a-z]*)(?: [a-z-]+)*\n(?P<body>.*?)^ *```$", re.MULTILINE | re.DOTALL
)
_HEADING = re.compile(r"^(#+) (.+)$")
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CELL_END = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row of a table, without the row of headings."""

    section: str
    """The nearest heading above."""
    header: tuple[str, ...]
    cells: tuple[str, ...]

    def first(self) -> str:
        """Return the first cell without its backquotes."""
        return self.cells[0].strip("`")

    def cell(self, name: str) -> str:
        """Return the cell under this heading."""
        return self.cells[self.header.index(name)]


def pages() -> list[Path]:
    """Return every page for people: the documentation and what stands beside it."""
    beside = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    benchmarks = (ROOT / "benchmarks").glob("*.md")
    return [*beside, *sorted(benchmarks), *sorted(DOCS.rglob("*.md"))]


@cache
def read(page: Path) -> str:
    """Return a page's text."""
    return page.read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """Return a page's text without its fenced code."""
    return _FENCE.sub("", read(page))


def fences(page: Path, language: str) -> list[str]:
    """Return the bodies of the fenced code of one language."""
    return [each["body"] for each in _FENCE.finditer(read(page)) if each["language"] == language]


def code(page: Path) -> Iterator[str]:
    """Yield every piece of code on a page, fenced or within a line."""
    for each in _FENCE.finditer(read(page)):
        yield each["body"]
    yield from spans(prose(page))


def spans(text: str) -> list[str]:
    """Return what stands between backquotes."""
    return _SPAN.findall(text)


def links(page: Path) -> list[str]:
    """Return where the links of a page lead, as written."""
    return _LINK.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """Return the anchors that the headings of a page make, as GitHub makes them."""
    found: set[str] = set()
    for line in prose(page).splitlines():
        if heading := _HEADING.match(line):
            kept = re.sub(r"[^\w\- ]", "", heading[2].lower())
            found.add(kept.replace(" ", "-"))
    return found


def rows(page: Path) -> list[Row]:
    """Return the rows of all tables of a page."""
    found: list[Row] = []
    section = ""
    header: tuple[str, ...] = ()
    for line in prose(page).splitlines():
        heading = _HEADING.match(line)
        if heading:
            section = heading[2]
        if not line.startswith("|"):
            header = ()
            continue
        cells = tuple(cell.strip() for cell in _CELL_END.split(line)[1:-1])
        if not header:
            header = cells
        elif set(cells[0]) != {"-"}:
            found.append(Row(section=section, header=header, cells=cells))
    return found


def table(page: Path, *header: str, section: str | None = None) -> list[Row]:
    """Return the rows of the tables with exactly these headings; there must be some."""
    found = [
        row
        for row in rows(page)
        if row.header == header and (section is None or row.section == section)
    ]
    assert found, f"{page.name} has no table {header} in {section or 'any section'}"
    return found


def section_of(page: Path, title: str) -> str:
    """Return the text under a heading of the second level, up to the next one."""
    _, _, rest = read(page).partition(f"\n## {title}\n")
    assert rest, f"{page.name} has no section {title}"
    return rest.partition("\n## ")[0]

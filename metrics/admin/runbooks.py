"""Read a page of docs/runbooks for the desk: headings, paragraphs, lists and queries.

Our pages use this much of Markdown and no more, which a test holds them to; so they are shown as
text of ours in the desk's own shapes, and nothing that stands in them is taken for HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias

from django.conf import settings

FOLDER: Final[Path] = settings.BASE_DIR / "docs" / "runbooks"

_NAME: Final = re.compile(r"[A-Za-z0-9]{3,64}", re.ASCII)
_ITEM: Final = re.compile(r"- |\d\. ")
_PIECE: Final = re.compile(r"`([^`]+)`|\*([^*]+)\*|\[([^\]]+)\]\(([^)]+)\)")
_PAGE: Final = re.compile(r"([A-Za-z0-9]{3,64})\.md(?:#[\w-]*)?", re.ASCII)

Kind: TypeAlias = Literal["heading", "paragraph", "list", "steps", "code"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """A stretch of a line."""

    text: str
    is_code: bool = False
    is_stressed: bool = False
    runbook: str = ""
    """The page that it leads to; empty of plain text and of what leads elsewhere."""


@dataclass(kw_only=True, slots=True)
class Block:
    """A part of a page."""

    kind: Kind
    lines: list[list[Piece]] = field(default_factory=list)
    """Of a paragraph its sentences, of a list or steps each item."""
    code: str = ""


def names() -> list[str]:
    """Return the pages there are, the index left out."""
    return sorted(page.stem for page in FOLDER.glob("*.md") if page.stem != "index")


def read_runbook(name: str) -> list[Block] | None:
    """Return a page by its name, its title left out; None when there is none."""
    if not _NAME.fullmatch(name) or name == "index":
        return None
    page = FOLDER / f"{name}.md"  # letters and digits: no way out of the folder
    return list(blocks(page.read_text(encoding="utf-8"))) if page.is_file() else None


def blocks(text: str) -> Iterator[Block]:
    """Return the parts of a page, without its title."""
    block: Block | None = None
    code: list[str] | None = None
    for line in text.splitlines():
        if line.startswith("```"):
            if code is not None:
                yield Block(kind="code", code="\n".join(code))
            elif block:
                yield block
            block, code = None, [] if code is None else None
        elif code is not None:
            code.append(line)
        elif not line or line.startswith("#"):
            if block:
                yield block
            block = None
            if line.startswith("## "):
                yield Block(kind="heading", lines=[_pieces(line[3:])])
        else:
            kind: Kind = "paragraph"
            item = _ITEM.match(line)
            if item:
                kind = "list" if item[0] == "- " else "steps"
            if block is None or block.kind != kind:
                if block:
                    yield block
                block = Block(kind=kind)
            block.lines.append(_pieces(line[item.end() :] if item else line))
    if block:
        yield block


def _pieces(line: str) -> list[Piece]:
    found, at = [], 0
    for match in _PIECE.finditer(line):
        found.append(Piece(text=line[at : match.start()]))
        code, stressed, text, target = match.groups()
        if code is not None:
            found.append(Piece(text=code, is_code=True))
        elif stressed is not None:
            found.append(Piece(text=stressed, is_stressed=True))
        else:
            page = _PAGE.fullmatch(target)
            found.append(Piece(text=text, runbook=page[1] if page else ""))
        at = match.end()
    return [each for each in (*found, Piece(text=line[at:])) if each.text]

"""Put the headings of a document in order: none empty, no level left out. Pure.

PDF/UA refuses a file with an empty heading or with a level that was skipped, and readers who walk
by headings lose their way in a page with either. What people named decides the words of headings,
so a report must be set whatever they typed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from audit.letters import plain
from compliance.renderers.blocks import Block, Document, Heading


def outlined(document: Document) -> Document:
    """Return the document with headings that can be walked by.

    An empty heading is left out, one of level 3 without one of level 2 before it in its section
    becomes level 2. A title without words is told by its section's id, or as `Report`.
    """
    return replace(
        document,
        title=document.title if plain(document.title) else "Report",
        sections=tuple(
            replace(
                section,
                title=section.title if plain(section.title) else section.id,
                blocks=tuple(_in_order(section.blocks)),
            )
            for section in document.sections
        ),
    )


def _in_order(blocks: Sequence[Block]) -> Iterator[Block]:
    deepest = 2
    for block in blocks:
        if not isinstance(block, Heading):
            yield block
        elif plain(block.text):
            level = min(max(block.level, 2), deepest)
            deepest = 3
            yield replace(block, level=level)

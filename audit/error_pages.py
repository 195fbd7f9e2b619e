"""Show the page that the `type` of a problem names: `/errors/<code>`.

It is made of docs/errors/<code>.md. Those pages use a little of Markdown, which is all that is read
here: one heading, paragraphs, lists with `- ` and `code`. Everything is escaped; nothing is loaded
from anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.html import escape
from django.views.decorators.http import require_safe

FOLDER: Path = settings.BASE_DIR / "docs" / "errors"

_CODE = re.compile(r"`([^`]+)`")
_PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    '<meta name="color-scheme" content="light dark"><title>{title}</title></head>'
    "<body><main>{body}</main></body></html>"
)


@cache
def codes() -> frozenset[str]:
    """Return every error code that has a page."""
    return frozenset(page.stem for page in FOLDER.glob("*.md"))


@require_safe
def error_page(_request: HttpRequest, code: str) -> HttpResponse:
    """Answer the page of one error code."""
    if code not in codes():  # also keeps any other path away from the disk
        raise Http404(f"no error is called {code}")
    return HttpResponse(as_html((FOLDER / f"{code}.md").read_text(encoding="utf-8")))


def as_html(markdown: str) -> str:
    """Return one page of a heading, paragraphs, lists and `code`."""
    blocks = [block.strip() for block in markdown.split("\n\n") if block.strip()]
    title = blocks[0].removeprefix("# ").replace("`", "")
    return _PAGE.format(title=escape(title), body="".join(_blocks(blocks)))


def _blocks(blocks: list[str]) -> Iterator[str]:
    for block in blocks:
        if block.startswith("# "):
            yield f"<h1>{_inline(block[2:])}</h1>"
        elif block.startswith("- "):
            items = re.split(r"(?:\A|\n)- ", block)[1:]
            yield "<ul>" + "".join(f"<li>{_inline(item)}</li>" for item in items) + "</ul>"
        else:
            yield f"<p>{_inline(block)}</p>"


def _inline(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", escape(text))

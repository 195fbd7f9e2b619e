"""Each error code has a page in docs/errors/, whose example is refused as it says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from audit.errors import EventRejected
from audit.parse import parse_event
from tests import documents
from tests.conftest import make_event
from tests.documents import DOCS
from tests.error_codes import codes_raised
from tests.sources import APPS, python_sources

API = DOCS / "api.md"


def error_pages() -> dict[str, Path]:
    return {page.stem: page for page in (DOCS / "errors").glob("*.md")}


def test_every_error_code_has_a_page_and_every_page_a_code() -> None:
    assert error_pages().keys() == codes_raised(python_sources(*APPS))


def test_the_api_page_lists_every_error_code() -> None:
    listed = {
        re.sub(r"\[(.+)\]\(.+\)", r"\1", row.first())
        for row in documents.table(API, "code", "status", "says", section="Errors")
    }

    assert listed == codes_raised(python_sources(*APPS))


@pytest.mark.parametrize("code", sorted(error_pages()))
def test_an_error_page_says_what_to_do_and_shows_an_example(code: str) -> None:
    text = documents.read(error_pages()[code])

    assert re.search(r"^- .+", text, re.MULTILINE)
    assert re.search(r"^Example: .+", text, re.MULTILINE)
    assert text.endswith(f"\nCode: `{code}`.\n")


REFUSED = re.compile(r"^Example: an event with `(?P<part>\{.*\})` is refused at `(?P<path>[^`]+)`")


def refused_examples() -> list[tuple[str, str, str]]:
    """Return `(code, part of an event, path)` of each error page that shows such a part."""
    return [
        (code, match["part"], match["path"])
        for code, page in sorted(error_pages().items())
        for line in documents.read(page).splitlines()
        if (match := REFUSED.match(line))
    ]


def with_part(part: str) -> bytes:
    """Return a valid event in which this part, as it was written, replaces what it names."""
    try:
        replaced = dict.fromkeys(json.loads(part))
    except ValueError:
        replaced = {}
    rest = json.dumps(make_event(**replaced))
    return f"{rest[:-1]}, {part[1:]}".encode()


@pytest.mark.parametrize(("code", "part", "path"), refused_examples())
def test_an_example_of_an_error_is_refused_as_it_says(code: str, part: str, path: str) -> None:
    with pytest.raises(EventRejected) as refused:
        parse_event(with_part(part), default_id=None)

    assert (refused.value.code, refused.value.path) == (code, path)

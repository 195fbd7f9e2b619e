from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from audit import error_pages

SAID = re.compile(
    r'code="(?P<keyword>[a-z0-9-]+)"'
    r'|(?:problem|as_json)\(\s*\d+,\s*"(?P<problem>[a-z0-9-]+)"'
    r'|_Trouble\(\s*"(?P<trouble>[a-z0-9-]+)"'
    r'|\b[45]\d\d: "(?P<status>[a-z0-9-]+)"'
)


def codes_said() -> set[str]:
    """Return every error code that the sources name."""
    sources = [
        source.read_text()
        for app in ("audit", "metrics", "obsplatform")
        for source in Path(settings.BASE_DIR, app).rglob("*.py")
    ]
    found = {match[match.lastgroup or 0] for text in sources for match in SAID.finditer(text)}
    assert len(found) > 40, "the pattern reads the sources no more"
    return found


def test_every_code_has_its_page() -> None:
    assert codes_said() - error_pages.codes() == set()


def test_every_page_has_its_code() -> None:
    source = "".join(
        each.read_text()
        for app in ("audit", "compliance")
        for each in Path(settings.BASE_DIR, app).rglob("*.py")
    )

    assert {code for code in error_pages.codes() if f'"{code}"' not in source} == set()


@pytest.mark.parametrize("code", sorted(error_pages.codes()))
def test_a_page_has_one_heading_and_names_its_code(code: str) -> None:
    page = Client().get(f"/errors/{code}")

    shown = page.content.decode()
    assert page.status_code == 200
    assert shown.count("<h1>") == 1
    assert f"<code>{code}</code>" in shown
    assert "<li>" in shown
    assert "`" not in shown


def test_a_page_loads_nothing_and_escapes_everything() -> None:
    shown = error_pages.as_html("# A <b>\n\nx & `<i>`\n\n- one\n- two")

    assert "<title>A &lt;b&gt;</title>" in shown
    assert "<h1>A &lt;b&gt;</h1><p>x &amp; <code>&lt;i&gt;</code></p>" in shown
    assert "<ul><li>one</li><li>two</li></ul>" in shown
    assert "src=" not in shown
    assert "href=" not in shown


@pytest.mark.parametrize("code", ["nowhere", "..", "README", "%2e%2e%2fREADME"])
def test_a_code_that_is_none_has_no_page(code: str) -> None:
    assert Client().get(f"/errors/{code}").status_code == 404

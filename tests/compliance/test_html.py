"""The report as one HTML file: it loads nothing, runs nothing, and shows what was typed as text."""

from __future__ import annotations

import re
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.sync_api import Page

from compliance.renderers.blocks import (
    Code,
    Column,
    Document,
    Fact,
    Facts,
    Heading,
    Notice,
    Paragraph,
    Section,
    Table,
)
from compliance.renderers.document import document_of
from compliance.renderers.html import FOLDED_FROM, render_html, set_html
from compliance.report_content import Family
from tests.browser.chromium import browser, chromium_path
from tests.compliance.report_samples import HOSTILE, LONG, small_content, without_anything

FAMILIES: tuple[Family, ...] = ("soc2", "hipaa", "gdpr", "other")
TYPED = f"{HOSTILE} </style></title>]]> <!-- &amp; <img src=x onerror=alert(1)> {LONG}"
EMPTY = {"meta", "col", "path", "img", "br"}


class Read(HTMLParser):
    """What a browser would see: each tag with its attributes, and the words."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words = ""
        self.open: list[str] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for each, attributes in self.tags if each == tag]


def a_document(*blocks: Paragraph | Table | Heading | Facts | Notice | Code) -> Document:
    section = Section(id="x", title="A section", blocks=blocks)
    return replace(document_of(small_content()), sections=(section,))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_tag_that_is_opened_is_closed(family: Family) -> None:
    assert Read(render_html(small_content(family))).open == []
    assert Read(render_html(without_anything(family))).open == []


@pytest.mark.parametrize("family", FAMILIES)
def test_it_loads_nothing_and_runs_nothing(family: Family) -> None:
    page = render_html(small_content(family))
    read = Read(page)

    names = {tag for tag, _ in read.tags}
    assert not names & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    attributes = {name for _, told in read.tags for name in told}
    assert not [name for name in attributes if name.startswith("on")]
    assert not attributes & {"src", "style", "srcset", "action"}
    assert all(told["href"].startswith("#") for told in read.of("a"))
    style = page.decode().partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_its_policy_allows_its_own_style_and_nothing_else() -> None:
    page = render_html(small_content())

    style = page.decode().partition("<style>")[2].partition("</style>")[0]
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = Read(page).of("meta")[1]["content"]
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def test_what_was_typed_is_text_everywhere() -> None:
    told = a_document(
        Heading(text=TYPED),
        Paragraph(text=TYPED),
        Notice(tone="bad", word=TYPED, text=TYPED),
        Facts(facts=(Fact(name=TYPED, value=TYPED, is_code=True),)),
        Code(lines=(TYPED,)),
        Table(
            title=TYPED,
            columns=(Column(title=TYPED), Column(title=TYPED, look="state")),
            rows=((TYPED, TYPED),),
            more=TYPED,
        ),
        Table(title=TYPED, columns=(Column(title="a"),), rows=(), empty=TYPED),
    )
    told = replace(told, title=TYPED, subtitle=TYPED, issuer=TYPED, running=TYPED)

    page = set_html(told)

    read = Read(page)
    assert read.open == []
    assert not {tag for tag, _ in read.tags} & {"script", "img"}
    assert len(read.of("style")) == 1
    assert "\u202e" not in page.decode()
    assert "\x07" not in page.decode()
    assert "U+202E" in read.words
    assert "<script>alert(1)</script>" in read.words


def test_letters_of_every_script_are_shown_as_they_are() -> None:
    page = set_html(a_document(Paragraph(text="日本 مرحبا 😀 Dvořák"))).decode()

    assert "<p>日本 مرحبا 😀 Dvořák</p>" in page


@pytest.mark.parametrize("family", FAMILIES)
def test_each_anchor_is_one_and_each_way_leads_somewhere(family: Family) -> None:
    content = small_content(family)
    read = Read(render_html(content))

    ids = Counter(told["id"] for _, told in read.tags if "id" in told)
    assert set(ids.values()) == {1}
    assert {told["href"][1:] for told in read.of("a")} <= set(ids)
    assert {section.id for section in document_of(content).sections} <= set(ids)


def test_each_control_that_was_tested_has_an_anchor() -> None:
    content = small_content()

    ids = {told.get("id") for told in Read(render_html(content)).of("tr")}

    assert {f"control-{one['id']}" for one in content.result["controls"]} <= ids


def test_tables_have_captions_scopes_and_a_name_for_their_frame() -> None:
    read = Read(render_html(small_content("gdpr")))

    captions = {told["id"] for told in read.of("caption")}
    assert len(captions) == len(read.of("table"))
    assert all(told.get("scope") in {"col", "row"} for told in read.of("th"))
    frames = [told for told in read.of("div") if told.get("class") == "scroll"]
    assert all(told.get("aria-labelledby") in captions or told["aria-label"] for told in frames)


def test_a_state_is_told_by_its_word() -> None:
    page = set_html(
        a_document(
            Table(title="t", columns=(Column(title="State", look="state"),), rows=(("no_data",),))
        )
    ).decode()

    assert '<span class="state warning"><span aria-hidden="true">○</span> no data</span>' in page


def test_a_long_table_can_be_folded_and_is_open() -> None:
    rows = tuple((f"{at}",) for at in range(FOLDED_FROM))
    short = Table(title="t", columns=(Column(title="a"),), rows=rows[1:])
    long = replace(short, rows=rows)

    folds = Read(set_html(a_document(short, long))).of("details")

    assert folds == [{}, {"open": "", "class": "long"}]  # the contents, and the long one


def test_the_same_content_gives_the_same_bytes() -> None:
    assert render_html(small_content("gdpr")) == render_html(small_content("gdpr"))


def test_wide_words_do_not_name_a_style_class() -> None:
    """Widths are classes, as the policy allows no style at a tag; each has its rule."""
    page = render_html(small_content()).decode()

    classes = set(re.findall(r'<col class="(w\d+)">', page))
    assert classes
    assert all(f".{each}{{width:" in page for each in classes)


# --- In a browser ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    if chromium_path() is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    path: Path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_bytes(render_html(small_content("gdpr")))
    with browser() as started:
        page = started.new_page(viewport={"width": 390, "height": 844})
        page.goto(path.as_uri())
        yield page


def test_a_browser_takes_its_style_and_finds_nothing_to_refuse(tab: Page) -> None:
    said: list[str] = []
    tab.on("console", lambda message: said.append(message.text))

    tab.reload()

    assert said == []
    assert tab.evaluate("getComputedStyle(document.querySelector('h1')).margin") == "0px"


def test_nothing_hangs_over_the_edge_of_a_telephone(tab: Page) -> None:
    assert tab.evaluate("document.documentElement.scrollWidth") == 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_can_be_read_in_both_lights(tab: Page, scheme: str) -> None:
    tab.emulate_media(color_scheme="dark" if scheme == "dark" else "light")

    ground, ink = (
        tab.evaluate(f"getComputedStyle(document.body).{name}")
        for name in ("backgroundColor", "color")
    )

    def light(colour: str) -> int:
        return sum(map(int, re.findall(r"\d+", colour)[:3]))

    assert (light(ground) > light(ink)) == (scheme == "light")


def test_folds_are_open_on_paper(tab: Page) -> None:
    folded = "document.querySelector('.chart details table')"
    is_seen = f"{folded}.checkVisibility() && {folded}.getBoundingClientRect().height > 0"
    on_screen = tab.evaluate(is_seen)

    tab.emulate_media(media="print")
    on_paper = tab.evaluate(is_seen)
    tab.emulate_media(media="screen")

    assert not on_screen
    assert on_paper

"""The report and the executive page as PDF: tagged, the same bytes, and all they say.

What fits on a page: test_pdf_fitting.py.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from compliance.renderers.blocks import (
    Chart,
    Code,
    Column,
    Document,
    Fact,
    Facts,
    Figure,
    Figures,
    Heading,
    Notice,
    Paragraph,
    Section,
    Table,
)
from compliance.renderers.document import document_of, executive_of
from compliance.renderers.executive import render_executive, set_executive
from compliance.renderers.outline import outlined
from compliance.renderers.pdf import (
    PORTRAIT,
    block_for_print,
    for_print,
    render_pdf,
    set_pdf,
    typeset,
)
from compliance.report_content import Family
from tests.audit.pdf_text import pdf_text
from tests.compliance.pdf_made import (
    FAMILIES,
    ROOT,
    a_document,
    a_report,
    a_table,
    pages,
    run,
    said_in,
    squeezed,
    tool,
)
from tests.compliance.report_samples import HOSTILE, LONG, small_content, without_anything

REPORT = ROOT / "compliance" / "renderers" / "report.typ"


# --- What it is -----------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_a_report_is_archivable_and_accessible(family: Family) -> None:
    pdf = a_report(family)

    assert b"<pdfaid:part>2</pdfaid:part><pdfaid:conformance>A</pdfaid:conformance>" in pdf
    assert b"<pdfuaid:part>1</pdfuaid:part>" in pdf
    assert b"/MarkInfo" in pdf


def test_the_time_of_making_is_the_time_of_issue() -> None:
    content = small_content()

    pdf = a_report()

    moment = content.cover.issued_at[:19].encode()
    assert b"<xmp:CreateDate>" + moment + b"+00:00</xmp:CreateDate>" in pdf


@pytest.mark.parametrize("renderer", ["pdf.render_pdf", "executive.render_executive"])
def test_the_same_content_gives_the_same_bytes_anywhere(renderer: str) -> None:
    module, name = renderer.split(".")
    code = (
        f"from compliance.renderers.{module} import {name}\n"
        "from tests.compliance.report_samples import small_content\n"
        "from hashlib import sha256\n"
        f"print(sha256({name}(small_content('gdpr'))).hexdigest())"
    )

    here = run(code, TZ="UTC", LANG="C.UTF-8", PYTHONHASHSEED="1")
    there = run(code, TZ="Asia/Tokyo", LANG="de_DE.UTF-8", LC_ALL="C", PYTHONHASHSEED="77")

    assert here == there


def test_its_structure_names_heads_tables_and_alternative_texts(tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(a_report("gdpr"))

    told = subprocess.run(
        [tool("pdfinfo"), "-struct", str(path)], capture_output=True, check=True, text=True
    ).stdout

    kinds = {line.split()[0] for line in told.splitlines() if line.strip()}
    assert {"Document", "H1", "H2", "Table", "THead", "TBody", "TH", "TD:", "TOC"} <= kinds
    assert "Figure" in told


def test_its_file_has_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(a_report())

    done = subprocess.run([tool("qpdf"), "--check", str(path)], capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr


# --- What it says ---------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_the_contents_and_the_pages_name_each_section(family: Family) -> None:
    content = small_content(family)

    said = said_in(family)

    for section in document_of(content).sections:
        assert squeezed(said).count(squeezed(section.title)) >= 2


def test_cover_has_the_figures_and_what_it_is_not() -> None:
    document = document_of(small_content())

    said = squeezed(said_in())

    assert squeezed(document.disclaimer) in said
    for figure in document.figures:
        assert squeezed(figure.value) in said


def test_each_page_after_the_cover_has_its_number() -> None:
    pdf = a_report()

    said = squeezed(said_in())

    for page in range(2, pages(pdf) + 1):
        assert f"Page{page}of{pages(pdf)}" in said
    assert f"Page1of{pages(pdf)}" not in said


def test_a_report_of_nothing_is_set_too() -> None:
    assert pages(render_pdf(without_anything())) > 2


def test_every_block_is_set_with_what_people_typed() -> None:
    typed = f"{HOSTILE} = head\n- item $x$ @a <b> // /* {LONG}"
    blocks = (
        Heading(text=typed),
        Heading(text=typed, level=3),
        Paragraph(text=typed),
        Paragraph(text=typed, is_small=True),
        Notice(tone="bad", word=typed, text=typed),
        Facts(facts=(Fact(name=typed, value=typed), Fact(name="x", value=typed, is_code=True))),
        Figures(figures=(Figure(name=typed, value=typed, note=typed),)),
        Code(lines=(typed,)),
        Table(
            title=typed,
            columns=tuple(
                Column(title=typed, look=look)
                for look in ("text", "number", "code", "state", "time")
            ),
            rows=((typed,) * 5,),
            more=typed,
        ),
        Table(title="", columns=(Column(title="a"),), rows=(), empty=typed),
    )

    said = squeezed(pdf_text(set_pdf(a_document(Section(id="x", title=typed, blocks=blocks)))))

    assert "\u202e" not in said
    assert "#settext(red)U+202EU+0007" in said
    assert "<script>alert(1)</script>" in said


def test_headings_that_are_empty_or_skip_a_level_are_set() -> None:
    blocks = (Heading(text="Deep", level=3), Heading(text=" \n "), Heading(text="Flat"))
    document = a_document(Section(id="named", title="", blocks=blocks))

    headings = [each for each in outlined(document).sections[0].blocks if isinstance(each, Heading)]
    said = pdf_text(set_pdf(replace(document, title="")))

    assert [(each.text, each.level) for each in headings] == [("Deep", 2), ("Flat", 2)]
    assert "named" in said


def test_letters_without_a_font_stand_as_code_points() -> None:
    document = a_document(
        Section(id="x", title="日本 ẞ ✔", blocks=(Paragraph(text="مرحبا 😀 Dvořák Größe Łódź"),))
    )

    said = squeezed(pdf_text(set_pdf(document)))

    assert "U+65E5U+672CU+1E9EU+2714" in said
    assert "U+1F600DvořákGrößeŁódź" in said


def test_the_head_of_a_table_is_repeated_on_each_page() -> None:
    column = Column(title="Onlyhere")
    table = Table(title="t", columns=(column,), rows=tuple((f"{at}",) for at in range(200)))
    plain = a_document(Section(id="x", title="x", blocks=(Paragraph(text="x"),)))
    full = a_document(Section(id="x", title="x", blocks=(table,)))

    pdf = set_pdf(full)

    assert pdf_text(pdf).count("Onlyhere") >= pages(pdf) - pages(set_pdf(plain)) + 1


def test_wide_sections_lie_across() -> None:
    content = small_content()
    wide = replace(document_of(content).sections[0], is_wide=True)

    pdf = set_pdf(a_document(wide))

    widths = {float(box) for box in re.findall(rb"/MediaBox\s*\[0 0 ([\d.]+)", pdf)}
    assert max(widths) > 800
    assert min(widths) < 600


def landscape(pdf: bytes) -> int:
    return sum(float(box) > 800 for box in re.findall(rb"/MediaBox\s*\[0 0 ([\d.]+)", pdf))


def test_a_section_of_empty_tables_turns_no_page_between_upright_ones() -> None:
    plain = Section(id="a", title="a", blocks=(Paragraph(text="x"),))
    empty = Section(
        id="b",
        title="b",
        blocks=(Table(title="t", columns=(Column(title="c"),), rows=(), empty="None."),),
        is_wide=True,
    )
    full = replace(empty, id="c", blocks=(a_table(3),))

    assert landscape(set_pdf(a_document(plain, empty, plain))) == 0
    assert landscape(set_pdf(a_document(plain, empty, full, empty, plain))) == 1
    assert landscape(set_pdf(a_document(full, empty, full))) == 1


def test_a_table_does_not_repeat_the_heading_above_it() -> None:
    table = replace(a_table(2), title="Onlyonce")
    under = Section(id="x", title="x", blocks=(Heading(text="Onlyonce"), table))
    apart = replace(under, blocks=(Heading(text="Another"), table))

    assert [
        sum(block.get("title") == "Onlyonce" for block in each["blocks"])
        for section in (under, apart)
        for group in for_print(a_document(section))["groups"]
        for each in group["sections"]
    ] == [0, 1]


def test_words_that_lead_to_a_table_stay_with_it() -> None:
    blocks = (
        Heading(text="h"),
        Notice(tone="warning", word="w", text="one difference"),
        Paragraph(text="first"),
        Paragraph(text="second"),
        a_table(3),
        Paragraph(text="after it"),
    )

    (group,) = for_print(a_document(Section(id="x", title="x", blocks=blocks)))["groups"]

    stays = [block.get("sticky") for block in group["sections"][0]["blocks"]]
    assert stays == [None, True, True, True, None, False]


def test_rows_of_few_short_columns_stand_beside_each_other_in_their_order() -> None:
    columns = (Column(title="Action", share=4), Column(title="Entries", look="number"))
    table = Table(title="t", columns=columns, rows=tuple((f"a.{at}", f"{at}") for at in range(5)))

    told = block_for_print(table, PORTRAIT)

    assert [each["title"] for each in told["columns"]] == ["Action", "Entries"] * 3
    assert [cell for cell in told["cells"] if cell] == [
        cell for at in range(5) for cell in (f"a.{at}", f"{at}")
    ]
    assert len(told["cells"]) == 12
    assert sum(each["width"] + each["gap"] for each in told["columns"]) == pytest.approx(
        PORTRAIT, abs=1
    )


def test_tables_of_the_same_columns_are_as_wide_where_they_can_be() -> None:
    columns = tuple(Column(title=title) for title in ("Control", "What", "Result", "Type"))
    short = Table(title="s", columns=columns, rows=(("a",) * 4,))
    long = replace(short, title="l", rows=(("a" * 12, "b " * 9, "c " * 12, "d"),))
    blocks = (short, long)

    (group,) = for_print(a_document(Section(id="x", title="x", blocks=blocks)))["groups"]

    widths = [
        [each["width"] for each in block["columns"]] for block in group["sections"][0]["blocks"]
    ]
    assert widths[0] == widths[1]


def test_contents_of_a_few_lines_too_many_keep_to_one_page() -> None:
    def sections(headings: int) -> Document:
        blocks = tuple(Heading(text=f"heading {at}") for at in range(headings))
        return a_document(
            *(Section(id=f"s{at}", title=f"section {at}", blocks=()) for at in range(17)),
            Section(id="last", title="last", blocks=blocks),
        )

    def pages_of_contents(document: Document) -> int:
        return pages(set_pdf(document)) - 1 - pages_of_body(document)

    def pages_of_body(document: Document) -> int:
        told = for_print(outlined(document)) | {"contents": {"depth": 1, "close": False}}
        return pages(typeset(REPORT, told, issued_at=document.issued_at)) - 2

    assert [pages_of_contents(sections(many)) for many in (10, 32, 36, 42, 60, 120)] == [
        1, 1, 1, 1, 2, 1,
    ]  # fmt: skip


def test_a_row_taller_than_a_page_breaks_and_loses_nothing() -> None:
    text = " ".join(f"word{at}" for at in range(3_000))
    table = Table(title="t", columns=(Column(title="a"), Column(title="b")), rows=((text, "x"),))

    said = squeezed(pdf_text(set_pdf(a_document(Section(id="x", title="x", blocks=(table,))))))

    assert "word0word1" in said
    assert said.count("word") == 3_000


def test_a_chart_without_words_is_set_by_its_alternative_text() -> None:
    svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 680 2000"><path d="M0 0h9"/></svg>'
    chart = Chart(title="", svg=svg, text="what it shows")

    pdf = set_pdf(a_document(Section(id="x", title="x", blocks=(chart,), is_wide=True)))

    assert pages(pdf) == 3  # a drawing that is too tall is made smaller, not cut


# --- The executive page ---------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_the_executive_page_is_one_page(family: Family) -> None:
    assert pages(render_executive(small_content(family))) == 1
    assert pages(render_executive(without_anything(family))) == 1


def test_the_executive_page_is_one_page_of_the_longest_texts() -> None:
    document = executive_of(small_content())
    text = f"{HOSTILE} {LONG} " * 40
    long = replace(
        document,
        title=text,
        subtitle=text,
        issuer=text,
        running=text,
        disclaimer=text,
        facts=(Fact(name=text, value=text), Fact(name=text, value=text, is_code=True)) * 20,
        figures=(Figure(name=text, value=text, note=text),) * 9,
        sections=tuple(
            Section(
                id=f"s{at}",
                title=text,
                blocks=(
                    Paragraph(text=text),
                    Notice(tone="bad", word=text, text=text),
                    a_table(900),
                ),
            )
            for at in range(12)
        ),
    )

    pdf = set_executive(long)

    assert pages(pdf) == 1
    assert "Withoutroomonthispage" in squeezed(pdf_text(pdf))


def test_the_executive_page_says_that_a_table_goes_on() -> None:
    document = executive_of(small_content())
    short = replace(document, sections=(Section(id="x", title="x", blocks=(a_table(50, 3),)),))

    said = squeezed(pdf_text(set_executive(short)))

    assert squeezed("The first 6 of 50 rows; the whole report has the rest.") in said

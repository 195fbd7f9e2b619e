"""The report and the executive page as PDF: tagged, the same bytes, whatever was typed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cache
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
from compliance.renderers.fitting import (
    BREAK,
    CELLS,
    LEAST_ROWS,
    breakable,
    column_widths,
    measure,
    within_cells,
)
from compliance.renderers.marks import mark_of
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
from compliance.result import STATES
from tests.audit.pdf_text import pdf_text
from tests.compliance.report_samples import HOSTILE, LONG, small_content, without_anything

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "compliance" / "renderers" / "report.typ"
FAMILIES: tuple[Family, ...] = ("soc2", "hipaa", "gdpr", "other")
MEGABYTES = 500
"""A report's PDF is made with less, whatever it holds."""


def pages(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


@cache
def a_report(family: Family = "soc2") -> bytes:
    """Return the PDF of a small report; the tests that only read it share it."""
    return render_pdf(small_content(family))


@cache
def said_in(family: Family = "soc2") -> str:
    """Return all text of that report, which takes longer to read than to set."""
    return pdf_text(a_report(family))


def squeezed(text: str) -> str:
    """Return text without blanks: lines break where the page wants it."""
    return "".join(text.replace(BREAK, "").split())


def a_table(rows: int, columns: int = 8) -> Table:
    return Table(
        title=f"{rows} rows",
        columns=tuple(Column(title=f"Column {at}") for at in range(columns)),
        rows=tuple(tuple(f"cell {at} of {row}" for at in range(columns)) for row in range(rows)),
    )


def a_document(*sections: Section) -> Document:
    return replace(document_of(small_content()), sections=sections)


def run(code: str, **env: str) -> str:
    """Return what Python prints in a process of its own, with other surroundings."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        cwd=ROOT,
        env=os.environ | env,
        text=True,
        timeout=300,
    )
    return done.stdout.strip()


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not on this machine: apt-get install poppler-utils qpdf")
    return found


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


# --- What fits ------------------------------------------------------------------------------------


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="only Linux tells a process' own peak of memory"
)
def test_ten_thousand_rows_take_less_than_half_a_gigabyte() -> None:
    code = (
        "from tests.compliance.test_pdf import Section, a_document, a_table, pages, set_pdf\n"
        "parts = (Section(id=f's{at}', title='x', blocks=(a_table(100),)) for at in range(100))\n"
        "pdf = set_pdf(a_document(*parts))\n"
        "peak = next(one for one in open('/proc/self/status') if one.startswith('VmHWM'))\n"
        "print(pages(pdf), int(peak.split()[1]) // 1024)"
    )

    made, megabytes = map(int, run(code).split())

    assert made > 50
    assert megabytes < MEGABYTES


def test_tables_are_ended_only_where_there_are_too_many_cells() -> None:
    small, large = a_table(20), a_table(9_000)
    document = a_document(Section(id="x", title="x", blocks=(small, large)))

    first, second = within_cells(document).sections[0].blocks

    assert first == small
    assert isinstance(second, Table)
    assert (len(second.rows) + 20) * 8 <= CELLS
    assert second.more.startswith(f"The first {len(second.rows):,} of 9,000 rows; the HTML")


def test_a_few_rows_of_each_table_always_stay() -> None:
    document = a_document(Section(id="x", title="x", blocks=(a_table(50),) * 3))

    kept = within_cells(document, cells=1).sections[0].blocks

    assert [len(each.rows) for each in kept if isinstance(each, Table)] == [LEAST_ROWS] * 3


def test_columns_fill_the_width_and_hold_their_widest_word() -> None:
    table = Table(
        title="t",
        columns=(
            Column(title="Populations", look="number"),
            Column(title="Why", share=20),
            Column(title="Id", look="code"),
        ),
        rows=(("1,234,567,890", "a sentence of some words " * 9, "0192e4d0"),),
    )

    widths = column_widths(table, room=PORTRAIT, size=8.4, gap=8)

    assert sum(widths) == pytest.approx(PORTRAIT - 16)
    assert widths[0] >= measure("1,234,567,890", 8.4)
    assert widths[2] >= measure("0192e4d0", 8.4, is_code=True)


def test_more_words_than_a_page_is_wide_share_what_there_is() -> None:
    table = Table(
        title="t",
        columns=tuple(Column(title="Unbreakableword") for _ in range(30)),
        rows=(("unbreakableword",) * 30,),
    )

    widths = column_widths(table, room=400, size=8, gap=4)

    assert sum(widths) == pytest.approx(400 - 29 * 4)


@pytest.mark.parametrize("text", ["a" * 90, "audit.log_viewed." * 9, "ab " * 40, f"x {LONG} y", ""])
def test_breaking_adds_places_and_nothing_else(text: str) -> None:
    broken = breakable(text, room=60, size=8)

    assert broken.replace(BREAK, "") == text
    pieces = (piece for word in broken.split(" ") for piece in word.split(BREAK))
    assert all(measure(each, 8) <= 60 or "_" in each for each in pieces)


@pytest.mark.parametrize(
    ("state", "word", "sign"),
    [
        ("pass", "pass", "✔"),
        ("no_data", "no data", "○"),
        ("not_occurred", "not occurred", "□"),
        ("No exceptions noted", "No exceptions noted", "✔"),
        ("Exceptions noted: 2 of 9", "Exceptions noted: 2 of 9", "✘"),
        ("northern", "northern", ""),
        ("late, running", "late, running", "✘"),
    ],
)
def test_a_state_has_its_word_and_a_mark(state: str, word: str, sign: str) -> None:
    mark = mark_of(state)

    assert (mark.word, mark.sign) == (word, sign)


def test_every_state_of_a_leg_has_a_mark() -> None:
    assert all(mark_of(each).sign for each in STATES)

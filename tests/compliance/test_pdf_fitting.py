"""What fits into a PDF: tables of many rows, columns, long words, and the words of states."""

from __future__ import annotations

from pathlib import Path

import pytest

from compliance.renderers.blocks import Column, Section, Table
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
from compliance.renderers.pdf import PORTRAIT
from compliance.result import STATES
from tests.compliance.pdf_made import a_document, a_table, run
from tests.compliance.report_samples import LONG

MEGABYTES = 500
"""A report's PDF is made with less, whatever it holds."""


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="only Linux tells a process' own peak of memory"
)
def test_ten_thousand_rows_take_less_than_half_a_gigabyte() -> None:
    code = (
        "from compliance.renderers.blocks import Section\n"
        "from compliance.renderers.pdf import set_pdf\n"
        "from tests.compliance.pdf_made import a_document, a_table, pages\n"
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

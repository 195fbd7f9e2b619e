"""The sections of a law say all that the content holds, and where the rest is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from compliance.law import actions_of
from compliance.renderers.blocks import Chart, Heading, Notice, Paragraph, Section, Table
from compliance.renderers.document import document_of
from compliance.renderers.html import render_html
from compliance.renderers.law_sections import law_sections
from compliance.report_content import (
    Family,
    Law,
    LawTable,
    ReportContent,
    content_bytes,
    parse_content,
)
from tests.compliance.law_records import NOW, facts, fleet
from tests.compliance.report_samples import small_content


def _content(family: Family, law: Law | None = None) -> ReportContent:
    """Return a small report with what a law asks of the demo fleet."""
    as_of = (NOW + timedelta(seconds=2)).isoformat()
    asked = [one for one in fleet() if one.event["action"] in actions_of(family)]
    content = small_content(family)
    found = law if law is not None else facts(family, asked, as_of=as_of, result=content.result)
    return replace(content, law=found)


def _tables(sections: tuple[Section, ...]) -> Iterator[Table]:
    for section in sections:
        yield from (block for block in section.blocks if isinstance(block, Table))


def _a_table(name: str, *, rows: int = 1, total: int = 1) -> LawTable:
    return LawTable(
        id=name,
        title=f"About {name}",
        article="Art. 1",
        intro="What it is.",
        columns=("What", "When"),
        rows=(("a", "b"),) * rows,
        total=total,
        seqs=((1, 2, 3, 4, 1005),) * rows,
    )


@pytest.mark.parametrize("family", ["soc2", "other"])
def test_a_framework_of_no_such_law_has_no_section(family: Family) -> None:
    assert law_sections(_content(family, Law())) == ()


@pytest.mark.parametrize(
    ("family", "ids"),
    [
        (
            "hipaa",
            ["law-specifications", "law-breaches", "law-disclosures", "law-retention"],
        ),
        ("gdpr", ["law-processing", "law-requests", "law-decisions", "law-breaches"]),
    ],
)
def test_each_law_has_its_sections_in_their_order(family: Family, ids: list[str]) -> None:
    assert [section.id for section in law_sections(_content(family))] == ids


@pytest.mark.parametrize("family", ["hipaa", "gdpr"])
def test_every_row_of_every_table_stands_in_a_section_once(family: Family) -> None:
    content = _content(family)

    shown = {table.title: table.rows for table in _tables(law_sections(content))}

    for one in content.law.tables:
        rows = shown[f"{one.title}, {one.article}"]
        assert tuple(row[: len(one.columns)] for row in rows) == one.rows


@pytest.mark.parametrize("family", ["hipaa", "gdpr"])
def test_every_row_has_a_cell_a_column_and_an_empty_table_says_so(family: Family) -> None:
    for content in (_content(family), _content(family, facts(family, []))):
        for table in _tables(law_sections(content)):
            assert {len(row) for row in table.rows} <= {len(table.columns)}, table.title
            assert table.rows or table.empty, table.title


def test_a_table_that_no_section_knows_still_stands_in_the_report() -> None:
    law = Law(tables=(_a_table("novelty"),))

    (section,) = law_sections(_content("gdpr", law))

    assert section.id == "law-more"
    assert [table.title for table in _tables((section,))] == ["About novelty, Art. 1"]


def test_a_row_names_its_first_entries_and_how_many_more() -> None:
    (section,) = law_sections(_content("gdpr", Law(tables=(_a_table("requests"),))))

    (table,) = _tables((section,))
    assert table.columns[-1].title == "Entries"
    assert table.rows[0][-1] == "1, 2, 3 and 2 more"


def test_a_table_cut_short_says_how_many_there_are_and_where() -> None:
    law = Law(tables=(_a_table("requests", rows=2, total=812),))

    (table,) = _tables(law_sections(_content("gdpr", law)))

    assert table.more == (
        "The first 2 of 812. All: filter the entries by action=dsr., on the Entries page or by "
        "the API."
    )


def test_late_clocks_give_notice_and_are_drawn() -> None:
    (section,) = [one for one in law_sections(_content("gdpr")) if one.id == "law-breaches"]

    assert any(isinstance(block, Chart) for block in section.blocks)
    (late,) = [block for block in section.blocks if isinstance(block, Notice)]
    assert (late.word, late.text) == ("Late", "2 clocks of 6 ran past the limit.")


def test_differences_stand_as_findings_before_the_activities() -> None:
    (section, *_) = law_sections(_content("gdpr"))

    headings = [block.text for block in section.blocks if isinstance(block, Heading)]
    findings = headings.index("Findings: declared and observed disagree")
    assert findings < headings.index("Activity pa-health-claims")
    (notice,) = [block for block in section.blocks if isinstance(block, Notice)]
    assert notice.word == "Finding"


@pytest.mark.parametrize("family", ["hipaa", "gdpr"])
def test_every_sentence_of_a_law_stands_in_one_section(family: Family) -> None:
    content = _content(family)

    said = [
        block.text
        for section in law_sections(content)
        for block in section.blocks
        if isinstance(block, Paragraph)
    ]
    for sentence in content.law.statements:
        assert said.count(sentence) == 1, sentence


@pytest.mark.parametrize("family", ["hipaa", "gdpr"])
def test_what_was_stored_gives_the_same_sections(family: Family) -> None:
    content = _content(family)

    assert law_sections(parse_content(content_bytes(content))) == law_sections(content)


@pytest.mark.parametrize("family", ["hipaa", "gdpr"])
def test_a_report_with_them_is_set_whole(family: Family) -> None:
    content = _content(family)

    page = render_html(content).decode()

    for section in document_of(content).sections:
        assert section.title in page

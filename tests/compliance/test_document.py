"""The document of a report: all sections are there and say what the content says.

Tests and listings: test_document_lists.py. How things are written: test_document_words.py.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from compliance.renderers import written
from compliance.renderers.blocks import Chart, Notice
from compliance.renderers.cover import FOOT, FOOT_SIZE
from compliance.renderers.document import document_of, executive_of
from compliance.renderers.executive_page import costs_most
from compliance.renderers.fitting import measure
from compliance.report_content import Family, content_bytes, content_digest, parse_content
from compliance.result import from_json
from compliance.whatif import what_if
from tests.compliance.documented import FAMILIES, Made, notices, section, table, tables
from tests.compliance.report_samples import small_content, without_anything, without_score

MADE = (small_content, without_anything, without_score)
COMMON = [
    "about", "integrity", "scope", "result", "controls", "tests", "exceptions", "waivers",
    "statements", "samples", "population", "changes", "log-access", "appendix",
]  # fmt: skip


# --- The whole ------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_every_report_has_the_common_sections_in_their_order(family: Family) -> None:
    found = [one.id for one in document_of(small_content(family)).sections]

    assert [id_ for id_ in found if id_ in COMMON] == COMMON
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("family", ["hipaa", "gdpr"])
def test_what_a_law_asks_for_stands_between_exceptions_and_waivers(family: Family) -> None:
    found = [one.id for one in document_of(small_content(family)).sections]

    between = found[found.index("exceptions") + 1 : found.index("waivers")]
    assert between
    assert not set(between) & set(COMMON)


@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_row_has_a_cell_a_column_and_an_empty_table_says_so(
    family: Family, made: Made
) -> None:
    content = made(family)

    for one in (*tables(document_of(content)), *tables(executive_of(content))):
        assert {len(row) for row in one.rows} <= {len(one.columns)}, one.title
        assert one.rows or one.empty, one.title


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_content_gives_the_same_document_also_after_it_was_stored(family: Family) -> None:
    content = small_content(family)
    stored = parse_content(content_bytes(content))

    assert document_of(stored) == document_of(content)
    assert executive_of(stored) == executive_of(content)


def test_the_cover_names_the_content_hash_and_says_what_it_is_not() -> None:
    content = small_content()

    document = document_of(content)

    facts = {fact.name: fact.value for fact in document.facts}
    assert facts["SHA-256 of the content"] == content_digest(content_bytes(content))
    assert "not an attestation report" in document.disclaimer
    assert document.subtitle.startswith("Management's evidence package")
    assert [figure.name for figure in document.figures] == [
        "EVIDENCED",
        "TESTED",
        "COVERAGE",
        "CAP",
    ]


def test_a_restated_a_late_and_an_unfinished_period_each_give_notice() -> None:
    content = small_content()

    found = notices(section(document_of(content), "about").blocks)

    assert found == ["Restatement", "Observed later", "Not over", "Backfilled"]


@pytest.mark.parametrize(
    ("observed", "words"),
    [("2026-10-02", "the first day of the period was"),
     ("2026-10-04", "the first 3 days of the period were")],
)  # fmt: skip
def test_days_that_the_ledger_did_not_watch_are_counted_alike_everywhere(
    observed: str, words: str
) -> None:
    content = small_content()
    content = replace(
        content, cover=replace(content.cover, start="2026-10-01", observed_from=observed)
    )

    for document in (document_of(content), executive_of(content)):
        said = " ".join(
            block.text
            for one in document.sections
            for block in one.blocks
            if isinstance(block, Notice)
        )
        assert f"{words} not watched by it." in said


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("SOC 2", "Management's evidence package · SOC 2 · "),
        ("Rule of the house number one", "Rule of the house number one · "),
        ("A long name " * 30, "A long name A long"),
    ],
)
def test_the_foot_of_a_page_keeps_to_one_line(name: str, begins: str) -> None:
    content = small_content()
    report = "0192e4d0" * 4
    named = replace(content.cover, framework_name=name, report_id=report)

    said = document_of(replace(content, cover=named)).running

    assert said.startswith(begins)
    assert said.endswith(f" · report {report}")
    assert measure(said, FOOT_SIZE) <= FOOT


def test_a_single_posture_is_a_sentence_and_no_chart() -> None:
    content = small_content()

    blocks = section(document_of(replace(content, trend=content.trend[-1:])), "result").blocks

    assert not any(isinstance(block, Chart) for block in blocks)
    said = " ".join(getattr(block, "text", "") for block in blocks)
    assert "1 sealed posture, of " in said


def test_a_plain_period_gives_no_notice() -> None:
    content = small_content()
    cover = replace(
        content.cover,
        restates="",
        observed_from=content.cover.start,
        as_of=f"{content.cover.end}T00:00:00.000000Z",
    )
    plain = replace(content, cover=cover, integrity=replace(content.integrity, backfilled=0))

    assert notices(section(document_of(plain), "about").blocks) == []


def test_without_a_score_no_number_stands_in_its_place() -> None:
    document = document_of(without_score())

    assert [figure.value for figure in document.figures] == [written.NO_SCORE] * 3 + [written.NONE]
    assert executive_of(without_score()).figures == document.figures
    assert table(document, "What caps the score").rows == ()


# --- The executive page ---------------------------------------------------------------------------


def test_the_executive_page_names_the_legs_that_cost_most_as_what_if_computes_them() -> None:
    content = small_content()
    result = from_json(content.result)
    fixes = {(fix.control, fix.leg): fix for one in result.controls
             for fix in what_if(result, one.id)}  # fmt: skip

    found = costs_most(content)

    best = max((fix for fix in fixes.values() if fix.leg), key=lambda fix: fix.after.assured or 0)
    assert (found[0].control, found[0].leg) == (best.control, best.leg)
    assert len(found) == 5
    assert found[0].evidenced == "56.9"


def test_the_executive_page_lists_overdue_findings_alone() -> None:
    found = table(executive_of(small_content()), "Open findings past their due day")

    assert [row[2] for row in found.rows] == ["critical"]
    assert found.rows[0][4] == "15 November 2026 (6 days over)"


def test_the_executive_page_says_what_changed_since_the_period_before() -> None:
    blocks = section(executive_of(small_content()), "change").blocks

    said = " ".join(getattr(block, "text", "") for block in blocks)

    assert "Fail now and did not then (1): CC2.1 LOG-08." in said
    assert "Failed then and do not now (1): CC1.3 MON-03." in said
    assert "Failed then and now (1): CC6.3 TOOL-01." in said


def test_without_a_period_before_nothing_is_compared() -> None:
    (block,) = section(executive_of(without_anything()), "change").blocks

    assert getattr(block, "text", "") == (
        "The ledger did not observe the period before; nothing to compare."
    )

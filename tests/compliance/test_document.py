"""The document of a report: all sections are there and say what the content says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from compliance.renderers import result_words, tests_section, written
from compliance.renderers.blocks import (
    Block,
    Chart,
    Document,
    Facts,
    Heading,
    Notice,
    Section,
    Table,
)
from compliance.renderers.cover import FOOT, FOOT_SIZE
from compliance.renderers.document import document_of, executive_of
from compliance.renderers.executive_page import costs_most
from compliance.renderers.fitting import measure
from compliance.renderers.result_words import leg_result
from compliance.report_content import (
    ITEMS,
    Family,
    ReportContent,
    content_bytes,
    content_digest,
    parse_content,
)
from compliance.result import STATES, from_json
from compliance.whatif import what_if
from tests.compliance.report_samples import small_content, without_anything, without_score
from tests.compliance.results import a_leg

FAMILIES: tuple[Family, ...] = ("soc2", "hipaa", "gdpr", "other")
MADE = (small_content, without_anything, without_score)
COMMON = [
    "about", "integrity", "scope", "result", "controls", "tests", "exceptions", "waivers",
    "statements", "samples", "population", "changes", "log-access", "appendix",
]  # fmt: skip

Made = Callable[[Family], ReportContent]


def section(document: Document, id_: str) -> Section:
    """Return the one section of this id."""
    (found,) = [one for one in document.sections if one.id == id_]
    return found


def tables(document: Document) -> Iterator[Table]:
    """Yield every table, those behind charts too."""
    for one in document.sections:
        for block in one.blocks:
            if isinstance(block, Table):
                yield block
            if isinstance(block, Chart) and block.table is not None:
                yield block.table


def table(document: Document, title: str) -> Table:
    """Return the one table of this title."""
    (found,) = [one for one in tables(document) if one.title == title]
    return found


def notices(blocks: tuple[Block, ...]) -> list[str]:
    """Return the words of the notices among blocks."""
    return [block.word for block in blocks if isinstance(block, Notice)]


def a_plain_leg(state: Any, **fields: Any) -> dict[str, Any]:
    """Return a leg as the sealed result holds it."""
    given = {"id": "TOOL-01", "state": state, "n": 0, "f": 0, "waived": 0, "pending": 0}
    return given | {"shown_only": False} | fields


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


# --- Tests and results ----------------------------------------------------------------------------


def test_every_leg_of_every_control_is_a_row_of_the_tests() -> None:
    content = small_content()

    document = document_of(content)

    rows = [
        (row[0], row[4:7])
        for one in tables(document)
        if one.title.startswith("Tests and results")
        for row in one.rows
    ]
    assert rows == [
        (control["id"], result_words.counts(leg))
        for control in content.result["controls"]
        for leg in control["legs"]
    ]


def test_a_test_is_described_once_and_named_where_it_serves_again() -> None:
    content = small_content()
    first = content.result["controls"][2]
    again = first | {"id": "CC9.9", "area": "CC9"}
    again["legs"] = [leg | {"control": "CC9.9"} for leg in first["legs"]]
    content = replace(
        content, result=content.result | {"controls": [*content.result["controls"], again]}
    )

    document = document_of(content)

    full = table(document, "Tests and results: CC2 Information and its ways").rows[0][2]
    short = table(document, "Tests and results: CC9 Vendors and disruption").rows[0][2]
    assert "Population:" in full
    assert "72 hours" in full
    assert short.endswith("As under CC2.1.")


def test_controls_without_an_area_stand_under_their_section_of_the_law_or_in_one_table() -> None:
    content = small_content("hipaa")
    controls = [
        one | {"id": id_, "area": ""}
        for one, id_ in zip(
            content.result["controls"], ("164.308(a)(1)", "164.312(b)", "Art.5"), strict=False
        )
    ]

    made = tests_section.tests_section(
        replace(content, result=content.result | {"controls": controls})
    )

    titles = [block.title for block in made.blocks if isinstance(block, Table)]
    found = [title for title in titles if title.startswith("Tests and results")]
    assert found == [
        "Tests and results: 164.308 Administrative safeguards",
        "Tests and results: 164.312 Technical safeguards",
        "Tests and results",
    ]  # fmt: skip


def test_a_rule_that_begins_with_its_population_says_it_once() -> None:
    text = replace(
        small_content().checks[0],
        population="each entry where action is llm.call",
        rule="Each entry where action is llm.call passes when model.name is given.",
        limits=(),
        law_set=(),
    )

    said = tests_section.described_in_full(text)

    assert said.endswith(
        "Population: each entry where action is llm.call. Rule: it passes when model.name is given."
    )


@pytest.mark.parametrize("state", STATES)
def test_each_state_of_a_leg_has_a_wording(state: Any) -> None:
    leg = a_leg("CC1.1", "TOOL-01", state, n=120, f=4 if state == "fail" else 0, pending=1)
    stated = a_leg("CC1.1", "statement", state)

    assert leg_result(_plain(leg))
    assert leg_result(_plain(stated))


@pytest.mark.parametrize(
    ("leg", "words"),
    [
        (a_plain_leg("pass", n=120), "No exceptions noted"),
        (a_plain_leg("fail", n=4120, f=2), "Exceptions noted: 2 of 4,120"),
        (
            a_plain_leg("pass", n=900, f=1),
            "Exceptions noted: 1 of 900, within the test's limits",
        ),
        (a_plain_leg("not_occurred"), "No occurrence in the period; not tested"),
        (a_plain_leg("no_data"), "Insufficient evidence"),
        (a_plain_leg("pending", pending=1), "Not decided: 1 item pending; not tested"),
        (
            a_plain_leg("waived", n=120, waived=4),
            "Exceptions noted: 4 of 120, all waived",
        ),
        (
            a_plain_leg("waived", n=120, f=1, waived=4),
            "Exceptions noted: 5 of 120; 4 waived",
        ),
        (
            a_plain_leg("waived", n=120, f=4),
            "Exceptions noted: 4 of 120, all waived",
        ),
        (
            a_plain_leg("fail", n=120, f=2, waived=1, pending=3),
            "Exceptions noted: 2 of 120; 1 more failed and is waived; 3 items pending",
        ),
        (
            a_plain_leg("fail"),
            "Exception noted: nothing was recorded, and its absence breaks the control",
        ),
    ],
)
def test_the_wording_of_a_result_follows_its_counts(leg: dict[str, Any], words: str) -> None:
    assert leg_result(leg) == words


def test_what_ran_before_the_period_alone_is_said_to_be_design_only() -> None:
    assert leg_result(a_plain_leg("pass", n=1), design_only=True) == (
        "Operated outside the period; design only"
    )


# --- Listings -------------------------------------------------------------------------------------


def test_deviations_beyond_a_page_are_counted_and_their_annex_is_named() -> None:
    content = small_content()
    many = replace(content.exceptions[0], total=10_000)
    document = document_of(replace(content, exceptions=(many, *content.exceptions[1:])))

    found = table(document, f"Failing items of {many.check}")

    assert found.more == f"The first {len(many.listed)} of 10,000; all of them are in {ITEMS}."


def test_pending_items_that_are_no_entries_of_their_own_are_accounted_for() -> None:
    content = small_content()
    pending = replace(content.pending, total=5, kept=len(content.pending.listed))

    blocks = section(document_of(replace(content, pending=pending)), "exceptions").blocks

    said = " ".join(getattr(block, "text", "") for block in blocks)
    assert "5 items are pending." in said
    assert "Of these 5, 2 stand here and in the annex." in said


def test_pending_items_of_which_none_can_be_listed_are_not_called_nothing() -> None:
    content = small_content()
    pending = replace(content.pending, total=5, kept=0, listed=())

    document = document_of(replace(content, pending=pending))

    assert (
        table(document, "Pending items by due day").empty == "None of them can be listed by itself."
    )
    said = " ".join(getattr(block, "text", "") for block in section(document, "exceptions").blocks)
    assert "5 items are pending." in said
    assert "They are days that were not over, or were decided after" in said


def test_failing_items_stand_in_the_order_of_the_ledger() -> None:
    content = small_content()
    first = content.exceptions[0]
    one = first.listed[0]
    listed = tuple(replace(one, seq=seq, item=str(seq)) for seq in (1_204, 12, 9))
    given = replace(first, listed=listed, total=3)

    document = document_of(replace(content, exceptions=(given,)))

    found = table(document, f"Failing items of {first.check}")
    assert [row[0] for row in found.rows] == ["9", "12", "1,204"]


def test_an_item_that_is_no_entry_says_its_day_once() -> None:
    content = small_content()
    first = content.exceptions[0]
    one = replace(first.listed[0], seq=-1, day="2026-10-04")
    listed = (replace(one, item="2026-10-04"), replace(one, item="2026-10-04/pay-bot"))
    given = replace(first, listed=listed, total=2)

    document = document_of(replace(content, exceptions=(given,)))

    found = table(document, f"Failing items of {first.check}")
    assert [row[2] for row in found.rows] == ["4 October 2026", "4 October 2026 (pay-bot)"]


def test_a_test_that_no_control_names_says_why_it_is_there() -> None:
    content = small_content()
    given = replace(content.exceptions[0], controls=())

    blocks = section(document_of(replace(content, exceptions=(given,))), "exceptions").blocks

    said = " ".join(getattr(block, "text", "") for block in blocks)
    assert "No control rests on it; it is looked at because" in said


def test_exceptions_of_each_test_stand_one_level_below_the_contents() -> None:
    blocks = section(document_of(small_content()), "exceptions").blocks

    levels = {block.text: block.level for block in blocks if isinstance(block, Heading)}
    assert levels["Failing items, test by test"] == 2
    assert {level for text, level in levels.items() if ": " in text} == {3}


def test_a_list_too_long_for_a_page_says_where_the_whole_of_it_is() -> None:
    content = small_content()
    agents = content.scope.agents[:1] * 250
    content = replace(content, scope=replace(content.scope, agents=agents))

    found = table(document_of(content), "Agents that acted in the period")

    assert len(found.rows) == 100
    assert found.more == "The first 100 of 250; all of them are in the report's JSON."


def test_two_uses_of_a_check_are_told_apart_by_their_controls() -> None:
    content = small_content()
    first = content.exceptions[0]
    second = replace(first, lens="0" * 32, controls=("CC9.9", "P1.1"))

    document = document_of(replace(content, exceptions=(first, second)))

    assert table(document, f"Failing items of {first.check} for {first.controls[0]}").rows
    assert table(document, f"Failing items of {first.check} for CC9.9, P1.1").rows


def test_changes_beyond_a_page_are_counted() -> None:
    found = table(document_of(small_content()), "Changes of systems and of controls in the period")

    assert found.more.startswith("The first 100 of 812;")


def test_an_expired_statement_is_listed_and_said_not_to_count() -> None:
    found = table(document_of(small_content()), "Management statements")

    assert [row[8] for row in found.rows] == ["yes", "no"]


def test_a_sample_names_seed_number_and_verdicts() -> None:
    content = small_content()
    (sample,) = content.samples

    blocks = section(document_of(content), "samples").blocks

    facts = {f.name: f.value for block in blocks if isinstance(block, Facts) for f in block.facts}
    assert (facts["Seed"], facts["Number chosen by the auditor"]) == (sample.seed, sample.number)
    (items,) = [block for block in blocks if isinstance(block, Table)]
    assert [row[6] for row in items.rows] == [
        "no exception",
        "exception",
        "not available",
        "not looked at yet",
    ]


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


# --- How things are written -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        ("2026-10-01", "2026-11-01", "1 to 31 October 2026"),
        ("2026-10-23", "2026-11-22", "23 October to 21 November 2026"),
        ("2025-12-01", "2026-01-02", "1 December 2025 to 1 January 2026"),
        ("2026-10-04", "2026-10-05", "4 October 2026"),
    ],
)
def test_a_period_is_written_with_its_last_day(start: str, end: str, words: str) -> None:
    assert written.period(start, end) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("PT72H", "72 hours"),
        ("P1M", "1 month"),
        ("PT15M", "15 minutes"),
        ("P365D", "365 days"),
        ("0.005", "0.005"),
        ("PT1H30M", "PT1H30M"),
    ],
)
def test_a_limit_that_is_a_duration_is_said_in_words(value: str, words: str) -> None:
    assert written.limit(value) == words


def test_a_sentence_says_its_durations_in_words() -> None:
    assert written.with_limits("Nothing followed within PT24H; P30D older than PT-1.") == (
        "Nothing followed within 24 hours; 30 days older than PT-1."
    )


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("2026-10-06T05:00:59.000000Z", "2 days 5 hours"),
        ("2026-10-04T00:45:00.999999Z", "45 minutes"),
        ("2026-10-05T00:45:00.000000Z", "1 day"),
        ("2026-10-04T00:00:00.000000Z", "0 seconds"),
        ("2026-10-03T22:00:00.000000Z", "2 hours before"),
    ],
)
def test_how_long_it_was_is_said_in_its_two_largest_units(end: str, words: str) -> None:
    assert written.elapsed("2026-10-04T00:00:00.000000Z", end) == words


def test_a_sentence_says_numbers_of_entries_as_tables_do() -> None:
    said = "Entry 17809 did what entry 7440 forbids, within PT72H."

    assert written.sentence(said) == "Entry 17,809 did what entry 7,440 forbids, within 72 hours."


@pytest.mark.parametrize(
    ("value", "words"),
    [("_other (60 more)", "60 others"), ("_other (1 more)", "1 other"), ("llm.call", "llm.call"),
     ("_other", "_other"), ("", written.NONE)],
)  # fmt: skip
def test_the_line_for_all_others_says_how_many_they_are(value: str, words: str) -> None:
    assert written.counted(value) == words


def test_the_state_of_another_test_is_said_in_words() -> None:
    said = "nothing was recorded, and that cannot be believed: MON-01 is no_data, LOG-08 is fail"

    assert result_words.reason(said) == (
        "nothing was recorded, and that cannot be believed: MON-01 has no data, LOG-08 fails"
    )


def test_days_times_and_counts_are_written_one_way() -> None:
    assert written.day("2026-10-04") == "4 October 2026"
    assert written.time("2026-10-04T13:05:12.999999Z") == "4 October 2026, 13:05:12 UTC"
    assert written.day("") == written.time("") == written.NONE
    assert written.number(1_234_567) == "1,234,567"
    assert written.many(1, "entry", "entries") == "1 entry"
    assert written.listed(["a", "b", "c"], most=2) == "a, b and 1 more"


def _plain(leg: Any) -> dict[str, Any]:
    return {name: getattr(leg, name) for name in type(leg).__slots__}

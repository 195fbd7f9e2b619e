"""The tables of a report: tests, exceptions, pending items and samples, each accounted for."""

from __future__ import annotations

from dataclasses import replace

from compliance.renderers import result_words, tests_section
from compliance.renderers.blocks import Facts, Heading, Table
from compliance.renderers.document import document_of
from compliance.report_content import ITEMS
from tests.compliance.documented import section, table, tables
from tests.compliance.report_samples import small_content

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

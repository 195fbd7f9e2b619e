"""Write where the figures come from: completeness and accuracy of the population. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from compliance.renderers import result_words, written
from compliance.renderers.blocks import (
    Block,
    Code,
    Column,
    Fact,
    Facts,
    Heading,
    Paragraph,
    Section,
    Table,
)
from compliance.renderers.charts import population_by_day
from compliance.report_content import LISTED, Counted, ReportContent

POPULATION_FILE = "population.csv"
"""Every day of the period; part of the ZIP."""
NO_AGENT = "no agent"


def population_section(content: ReportContent) -> Section:
    """Return query, engine, counts, and what shows that nothing is missing."""
    population = content.population
    chart = population_by_day(content)
    blocks: list[Block] = [
        Paragraph(
            text="Information produced by the entity. The population is every entry that the "
            "query below selects; the Entries page and the API take the same query."
        ),
        Code(lines=(population.query,)),
        Facts(facts=_facts(content)),
        Heading(text="Completeness"),
        Paragraph(
            text=f"{_numbering(content)} The tests below look for lost events, holes in the "
            "numbering, and agents that fell silent."
        ),
        _completeness(content),
        Heading(text="Entries by day"),
        *([] if chart is None else [chart]),
        _days(content),
        Heading(text="Entries by agent and by action"),
        _counted("Entries by agent", "Agent", population.agents, of_none=NO_AGENT),
        _counted("Entries by action", "Action", population.actions, of_none=written.NONE),
    ]
    return Section(id="population", title="Population evidence", blocks=tuple(blocks))


def _facts(content: ReportContent) -> tuple[Fact, ...]:
    population, integrity = content.population, content.integrity
    return (
        Fact(name="Engine", value=population.engine),
        Fact(name="Read up to entry", value=written.number(integrity.head_seq)),
        Fact(name="Entries of the period", value=written.number(integrity.entries)),
        Fact(name="Backfilled", value=written.number(integrity.backfilled)),
        Fact(
            name="Arrived more than 24 hours after they happened, backfills apart",
            value=written.number(population.late),
        ),
        Fact(
            name="Days of tests that late entries changed after they were over",
            value=written.number(population.restated_days),
        ),
        Fact(
            name="Events put into quarantine in the period",
            value=written.number(integrity.quarantined),
        ),
    )


def _numbering(content: ReportContent) -> str:
    if any(one["state"] != "pass" for one in content.result["gate"]):
        return "That no entry is missing is not proven: see Integrity of the record."
    first, head = content.integrity.first_seq, content.integrity.head_seq
    return f"Entries are numbered without a gap from {written.number(first)} to " + (
        f"{written.number(head)}."
    )


def _completeness(content: ReportContent) -> Table:
    """Return the results of the tests that look for what is missing: kinds gap and cadence."""
    looked = {one.lens: one for one in content.checks if one.kind in ("gap", "cadence")}
    return Table(
        title="Tests that look for what is missing",
        columns=(
            Column(title="Test", share=2, look="code"),
            Column(title="What it tests", share=5),
            Column(title="N", share=2, look="number"),
            Column(title="F", share=2, look="number"),
            Column(title="State", share=2, look="state"),
            Column(title="Found", share=5),
        ),
        rows=tuple(
            (
                one["check"],
                looked[one["lens"]].title,
                written.number(one["n"]),
                written.number(one["f"]),
                one["state"],
                result_words.reason(one["reason"]),
            )
            for one in content.result["checks"]
            if one["lens"] in looked
        ),
        empty="The framework names no such test.",
    )


def _days(content: ReportContent) -> Table:
    days = content.population.days
    return Table(
        title="Entries by day",
        columns=(
            Column(title="Day (UTC)", share=2, look="time"),
            Column(title="Entries", look="number"),
            Column(title="Of these backfilled", look="number"),
        ),
        rows=tuple(
            (written.day(one.day), written.number(one.entries), written.number(one.backfilled))
            for one in days[:LISTED]
        ),
        more=written.rest(LISTED, len(days), POPULATION_FILE),
    )


def _counted(title: str, column: str, found: Sequence[Counted], *, of_none: str) -> Table:
    return Table(
        title=title,
        columns=(Column(title=column, share=4), Column(title="Entries", look="number")),
        rows=tuple(
            (written.counted(one.value) if one.value else of_none, written.number(one.entries))
            for one in found
        ),
        empty="No entry in the period.",
    )

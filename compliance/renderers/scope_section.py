"""Write what the report covers: agents, systems, data, vendors, and what lies outside. Pure.

Also what others must do for the results to hold: complementary controls of the users of the
platform and of subservice organisations. Decisions on scope stand with who approved them.
"""

from __future__ import annotations

from typing import Final

from compliance.renderers import written
from compliance.renderers.blocks import (
    Block,
    Column,
    Fact,
    Facts,
    Heading,
    Paragraph,
    Section,
    Table,
)
from compliance.report_content import LISTED, AgentLine, Counted, ReportContent, Vendor

WHOLE_TREE: Final = "the report's JSON"
"""Where a list that is too long for a page stands whole."""
_CATEGORIES: Final = {
    "CC": "Security (common criteria)",
    "A": "Availability",
    "C": "Confidentiality",
    "PI": "Processing integrity",
    "P": "Privacy",
}
"""Trust services categories by the letters of an area, digits left out."""
_USERS: Final = (
    (
        "Every agent in scope sends all of its events to this ledger, as they happen.",
        "What is not sent cannot be tested.",
    ),
    (
        "Keys of agents, people and machines are issued to one holder each, and withdrawn when "
        "it leaves.",
        "Who acted is known by the key that sent the event.",
    ),
    (
        "Approvals, reviews and incidents are recorded by the people or systems that made them.",
        "Tests look for these entries, not for the acts behind them.",
    ),
    (
        "The register of agents, tools, vendors and processing activities is kept up to date.",
        "Claims of agents are compared with it.",
    ),
    (
        "The signing key and the verifier keys are kept apart from the database, and checkpoints "
        "are kept elsewhere.",
        "Whoever holds database and key could write a new chain.",
    ),
    (
        "Findings, alerts and overdue items are looked at and acted on.",
        "The ledger shows them; it mends nothing.",
    ),
)
"""What the users of the platform must do, and why the results rest on it."""
_SUBSERVICE: Final = (
    (
        "Restrict access to the data that agents send to whoever needs it.",
        "Their staff and systems write no entries here.",
    ),
    (
        "Use that data for the agreed service alone, and delete it as agreed.",
        "What happens after a transfer is not observed.",
    ),
    (
        "Protect their premises, hardware and networks.",
        "The ledger holds no entry about them.",
    ),
    (
        "Tell of incidents, and of changes of a service or model, in the time agreed.",
        "The tests of incidents and changes begin with such a notice.",
    ),
)
"""What subservice organisations are assumed to do, and why it is not tested here."""


def scope_section(content: ReportContent) -> Section:
    """Return what is covered, what is not, and what the results rest on."""
    blocks: list[Block] = [
        Facts(facts=_facts(content)),
        *_categories(content),
        _agents(content.scope.agents),
        *_systems(content),
        *_outside(content),
        *_vendors(content),
        *_complementary(content),
        _claims(content),
    ]
    return Section(id="scope", title="Scope", blocks=tuple(blocks), is_wide=True)


def _facts(content: ReportContent) -> tuple[Fact, ...]:
    cover = content.cover
    days = written.many(written.days_in(cover.start, cover.end), "day")
    return (
        Fact(name="Period", value=f"{written.period(cover.start, cover.end)}, UTC ({days})"),
        Fact(name="Observed from", value=written.day(cover.observed_from)),
        Fact(name="Judged as of", value=written.time(cover.as_of)),
        Fact(name="Environment that counts", value=cover.environment or "all"),
        Fact(name="Agents in the period", value=written.number(len(content.scope.agents))),
        Fact(name="Entries in the period", value=written.number(content.integrity.entries)),
    )


def _categories(content: ReportContent) -> list[Block]:
    """Return the trust services categories of SOC 2, each in or out of scope."""
    if content.cover.family != "soc2":
        return []
    counted: dict[str, list[bool]] = {}
    for control in content.result["controls"]:
        letters = control["area"].rstrip("0123456789.")
        counted.setdefault(letters, []).append(control["state"] == "not_applicable")
    rows = tuple(
        (
            _CATEGORIES.get(letters, letters),
            written.number(len(out)),
            written.number(sum(out)),
            "out of scope" if all(out) else "in scope",
        )
        for letters, out in counted.items()
    )
    return [
        Table(
            title="Trust services categories",
            columns=(
                Column(title="Category", share=3),
                Column(title="Criteria", look="number"),
                Column(title="Not applicable", look="number"),
                Column(title="Scope", share=2),
            ),
            rows=rows,
        )
    ]


def _agents(agents: tuple[AgentLine, ...]) -> Table:
    rows = tuple(
        (
            agent.agent,
            agent.name or written.NONE,
            agent.owner or written.NONE,
            "yes" if agent.is_registered else "no",
            written.listed(agent.environments),
            written.listed(agent.versions),
            written.number(agent.entries),
            written.moment(agent.first_at),
            written.moment(agent.last_at),
        )
        for agent in agents[:LISTED]
    )
    return Table(
        title="Agents that acted in the period",
        columns=(
            Column(title="Agent", share=3, look="code"),
            Column(title="Name", share=3),
            Column(title="Owner", share=3),
            Column(title="Registered"),
            Column(title="Environments", share=2),
            Column(title="Versions", share=2),
            Column(title="Entries", look="number"),
            Column(title="First (UTC)", share=2, look="time"),
            Column(title="Last (UTC)", share=2, look="time"),
        ),
        rows=rows,
        empty="No agent acted in the period.",
        more=written.rest(LISTED, len(agents), WHOLE_TREE),
    )


def _systems(content: ReportContent) -> list[Block]:
    scope = content.scope
    named = (
        ("Environments", "Environment", scope.environments, "No entry names an environment."),
        ("Models that served", "Provider / model", scope.models, "No entry names a model."),
        ("Tools that were called", "Tool", scope.tools, "No entry names a tool."),
        ("Classes of data", "Class", scope.data_classes, "No entry names a class of data."),
    )
    return [_counted(title, column, found, empty) for title, column, found, empty in named]


def _counted(title: str, column: str, found: tuple[Counted, ...], empty: str) -> Table:
    return Table(
        title=title,
        columns=(Column(title=column, share=4), Column(title="Entries", look="number")),
        rows=tuple((written.counted(one.value), written.number(one.entries)) for one in found),
        empty=empty,
    )


def _outside(content: ReportContent) -> list[Block]:
    rows = tuple(
        (
            one.control,
            one.act,
            one.reason,
            one.asked_by,
            one.approved_by,
            written.day(one.expires_on),
            written.number(one.seq),
        )
        for one in content.scope.decisions
    )
    return [
        Heading(text="Outside the scope"),
        Paragraph(
            text="Systems, staff and premises that send no events to this ledger are outside. "
            "Controls that management took out of scope stand below; each needed a second person."
        ),
        Table(
            title="Decisions on scope in force",
            columns=(
                Column(title="Control", share=2, look="code"),
                Column(title="Decision"),
                Column(title="Reason", share=5),
                Column(title="Asked by", share=3),
                Column(title="Approved by", share=3),
                Column(title="Until", share=2, look="time"),
                Column(title="Entry", look="number"),
            ),
            rows=rows,
            empty="No control was taken out of scope, and none was declared to apply.",
        ),
    ]


def _vendors(content: ReportContent) -> list[Block]:
    return [
        Heading(text="Subservice organisations"),
        Paragraph(
            text="Shown by the carve-out method: their own controls are not part of this report. "
            "“Seen only” means that entries show the organisation at work and none approves it."
        ),
        Table(
            title="Subservice organisations",
            columns=(
                Column(title="Organisation", share=3),
                Column(title="Service", share=3),
                Column(title="State", share=2),
                Column(title="Country"),
                Column(title="Newest entry about it", share=2, look="number"),
                Column(title="Entries with it at work", share=2, look="number"),
            ),
            rows=tuple(_vendor(one) for one in content.scope.vendors[:LISTED]),
            empty="No entry names a subservice organisation.",
            more=written.rest(LISTED, len(content.scope.vendors), WHOLE_TREE),
        ),
    ]


def _vendor(one: Vendor) -> tuple[str, ...]:
    return (
        one.vendor,
        one.service or written.NONE,
        one.state,
        one.country or written.NONE,
        written.NONE if one.seq is None else written.number(one.seq),
        written.number(one.seen),
    )


def _complementary(content: ReportContent) -> list[Block]:
    columns = (Column(title="Assumed control", share=3), Column(title="Why", share=2))
    found: list[Block] = [
        Heading(text="Complementary controls"),
        Paragraph(
            text="The results hold only if others do their part. What follows is assumed, and "
            "not tested."
        ),
        Table(
            title="Complementary user-entity controls",
            columns=columns,
            rows=_USERS,
        ),
    ]
    if content.scope.vendors:
        found.append(
            Table(
                title="Complementary subservice-organisation controls",
                columns=columns,
                rows=_SUBSERVICE,
            )
        )
    return found


def _claims(content: ReportContent) -> Table:
    rows = tuple(
        (
            one.tool,
            one.field,
            one.claimed or written.NONE,
            one.registered or written.NONE,
            written.number(one.entries),
        )
        for one in content.scope.claims[:LISTED]
    )
    return Table(
        title="Claims of agents beside the register",
        columns=(
            Column(title="Tool", share=3),
            Column(title="Field", share=2, look="code"),
            Column(title="Claimed", share=2),
            Column(title="In the register", share=2),
            Column(title="Entries", look="number"),
        ),
        rows=rows,
        empty="No entry claims anything of a tool beside what the register holds.",
        more=written.rest(LISTED, len(content.scope.claims), WHOLE_TREE),
    )

"""Write what changed in the period, what came after it, and who looked at the log. Pure."""

from __future__ import annotations

from compliance.renderers import written
from compliance.renderers.blocks import Column, Heading, Paragraph, Section, Table
from compliance.report_content import Listing, ReportContent

_COLUMNS = (
    Column(title="Entry", share=2, look="number"),
    Column(title="Time (UTC)", share=4, look="time"),
    Column(title="Action", share=4, look="code"),
    Column(title="Actor", share=4),
    Column(title="Outcome", share=2),
    Column(title="About", share=6),
)


def changes_section(content: ReportContent) -> Section:
    """Return changes in the period and subsequent events, entry by entry."""
    return Section(
        id="changes",
        title="Changes and subsequent events",
        blocks=(
            Heading(text="Changes of systems and of controls in the period"),
            Paragraph(
                text="Changes of agents, models, prompts, tools and guardrails, and of what is "
                "tested: limits, lists, scope, retention, keys."
            ),
            _acts(
                "Changes of systems and of controls in the period",
                content.changes,
                "No change of a system or of a control is on record in the period.",
            ),
            Heading(text="Subsequent events"),
            Paragraph(
                text="What entries after the period and up to the head tell that bears on it. "
                "Nothing after the head is known to this report."
            ),
            _acts(
                "Subsequent events",
                content.subsequent,
                "No entry between the end of the period and the head bears on it.",
            ),
        ),
        is_wide=True,
    )


def log_access_section(content: ReportContent) -> Section:
    """Return who viewed or exported the log in the period."""
    return Section(
        id="log-access",
        title="Access to the log",
        blocks=(
            Paragraph(text="Who viewed or exported the ledger in the period."),
            _acts(
                "Access to the log in the period",
                content.log_access,
                "No view and no export of the log is on record in the period.",
            ),
        ),
    )


def _acts(title: str, listing: Listing, empty: str) -> Table:
    return Table(
        title=title,
        columns=_COLUMNS,
        rows=tuple(
            (
                written.number(one.seq),
                written.moment(one.at),
                one.action,
                one.actor or written.NONE,
                one.outcome or written.NONE,
                written.with_limits(one.about) or written.NONE,
            )
            for one in listing.listed
        ),
        empty=empty,
        more=written.rest_in_ledger(len(listing.listed), listing.total),
    )

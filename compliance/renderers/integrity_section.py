"""Write what the report is, and what proves that its record is whole. Pure.

Two sections: `about` (what the report is and is not, what its words mean, whether it restates an
earlier one) and `integrity` (the chain, its verifications, its keys, what was purged or put aside).
"""

from __future__ import annotations

from typing import Final

from compliance.renderers import result_words, written
from compliance.renderers.blocks import (
    Block,
    Code,
    Column,
    Fact,
    Facts,
    Heading,
    Notice,
    Paragraph,
    Section,
    Table,
)
from compliance.report_content import Integrity, ReportContent

DISCLAIMER: Final = (
    "This is management's evidence package. It is not an attestation report, not the opinion of an "
    "auditor, and not a legal conclusion: it states what a ledger of events shows by fixed tests, "
    "and what that ledger cannot show."
)
_NUMBERS: Final = (
    ("EVIDENCED", "The score, 0 to 100: what is shown of all that applies, after the cap."),
    ("TESTED", "The same of that part alone which could be tested."),
    ("COVERAGE", "How much of what applies could be tested, by weight."),
    ("CAP", "What EVIDENCED cannot exceed while a critical (49) or a high (79) leg fails, cannot "
    "be computed or has no data; 100 when nothing caps."),
)  # fmt: skip


def about_section(content: ReportContent) -> Section:
    """Return what the report is, for whom, and how its numbers are to be read."""
    cover = content.cover
    blocks: list[Block] = [
        Paragraph(text=DISCLAIMER),
        Paragraph(
            text="Every figure is computed from the entries of one hash-linked ledger up to one "
            "entry, its head. Whoever holds the entries can compute all of them again; the "
            "appendix says how."
        ),
        *_restated(content),
        *_observed(content),
        Heading(text="What was tested, and what was not"),
        Paragraph(
            text="“Automated” means: tested on every entry of the agent system in scope, by a rule "
            "that is printed in this report. It does not reach further. Systems, staff and "
            "premises that send no events to this ledger are covered by management's statements "
            "alone, or not at all. A test reads what was recorded; whether the record is true to "
            "the world beyond the agents' events is for inspection and inquiry."
        ),
        Heading(text="The four numbers"),
        Facts(facts=tuple(Fact(name=name, value=words) for name, words in _NUMBERS)),
        Paragraph(
            text="Numbers are exact fractions rounded down to one decimal. Bands: not enough "
            "evidence (COVERAGE below 60), weak (EVIDENCED below 70), strong (EVIDENCED and "
            "COVERAGE 90 or more), else needs work. The arithmetic and its weights are the "
            "maker's method; no framework prescribes them."
        ),
    ]
    if cover.family == "soc2":
        blocks.append(
            Paragraph(
                text="Trust Services Criteria are cited by number, with short words of our own. "
                "Sections I and IV of a SOC 2 report are an independent auditor's; this package "
                "is material for section IV."
            )
        )
    return Section(id="about", title="About this report", blocks=tuple(blocks))


def integrity_section(content: ReportContent) -> Section:
    """Return what proves the record whole, as far as the ledger itself tells."""
    integrity, cover = content.integrity, content.cover
    blocks: list[Block] = [
        Paragraph(text=_whole(content)),
        Facts(facts=_facts(content)),
        *_gate(content),
        *_verified(integrity),
        *_purged(integrity),
    ]
    if integrity.keys:
        blocks.append(
            Table(
                title="Keys of the ledger",
                columns=(Column(title="Verifier key, as an entry announced it", look="code"),),
                rows=tuple((key,) for key in integrity.keys),
            )
        )
    blocks += [
        Heading(text="To verify it yourself"),
        Paragraph(
            text="With the ledger's database, give a verifier key that you obtained by another "
            "way than from this report."
        ),
        Code(lines=(f"manage.py verifychain --ledger {cover.ledger} --key VERIFIER_KEY",)),
    ]
    return Section(id="integrity", title="Integrity of the record", blocks=tuple(blocks))


def integrity_line(content: ReportContent) -> str:
    """Return the state of the record in one sentence."""
    integrity = content.integrity
    shut = [one["check"] for one in content.result["gate"] if one["state"] != "pass"]
    if shut:
        return (
            f"The record is not proven whole ({written.listed(shut)}), so no score is issued. "
            f"Head {written.number(integrity.head_seq)}."
        )
    runs = written.many(integrity.verifications, "verification")
    failed = (
        "none failed"
        if not integrity.verifications_failed
        else f"{written.number(integrity.verifications_failed)} failed"
    )
    return (
        f"The tests of the chain pass: {runs} in the period, {failed}. "
        f"Head {written.number(integrity.head_seq)}, {integrity.head_hash[:16]}…"
    )


def unwatched(content: ReportContent) -> str:
    """Return the sentence that says which days of the period the ledger did not watch."""
    days = written.days_in(content.cover.start, content.cover.observed_from)
    first = "day of the period was" if days == 1 else f"{days:,} days of the period were"
    return (
        f"The ledger observes from {written.day(content.cover.observed_from)} on; the first "
        f"{first} not watched by it."
    )


def _restated(content: ReportContent) -> list[Block]:
    cover = content.cover
    if not cover.restates:
        return []
    return [
        Notice(
            tone="warning",
            word="Restatement",
            text=f"This report restates an earlier result of the same period, snapshot "
            f"{cover.restates}, because entries, limits or acts that bear on the period came "
            "later. The earlier result stays on record.",
        )
    ]


def _observed(content: ReportContent) -> list[Block]:
    cover = content.cover
    found: list[Block] = []
    if cover.observed_from > cover.start:
        found.append(
            Notice(
                tone="warning",
                word="Observed later",
                text=f"{unwatched(content)} Integrity and cadence are judged from that day.",
            )
        )
    if cover.as_of[:10] < cover.end:
        found.append(
            Notice(
                tone="warning",
                word="Not over",
                text=f"The period was not over when this was computed; it is judged as of "
                f"{written.time(cover.as_of)} by the ledger's clock.",
            )
        )
    if content.integrity.backfilled:
        found.append(
            Notice(
                tone="info",
                word="Backfilled",
                text=f"{written.many(content.integrity.backfilled, 'entry', 'entries')} of "
                f"{written.number(content.integrity.entries)} in the period are history brought "
                "in later. They count in the tests, but not where timeliness of logging is tested.",
            )
        )
    return found


def _whole(content: ReportContent) -> str:
    shut = [one for one in content.result["gate"] if one["state"] != "pass"]
    if shut:
        why = "; ".join(f"{one['check']}: {result_words.reason(one['reason'])}" for one in shut)
        return (
            "The record is not proven whole for this period, so no score is issued. "
            f"What stands against it: {why}."
        )
    return (
        "Each entry holds the hash of the one before it; a change of any entry changes every hash "
        "after it. The tests below look whether that chain is whole, and no score would be issued "
        "if one of them did not pass."
    )


def _facts(content: ReportContent) -> tuple[Fact, ...]:
    integrity, cover = content.integrity, content.cover
    kept = integrity.head_seq - integrity.first_seq + 1
    return (
        Fact(name="Ledger", value=cover.ledger),
        Fact(name="Origin", value=cover.origin, is_code=True),
        Fact(name="First entry kept", value=written.number(integrity.first_seq)),
        Fact(name="Head: last entry read", value=written.number(integrity.head_seq)),
        Fact(name="Hash of the head", value=integrity.head_hash, is_code=True),
        Fact(name="Entries kept up to the head", value=written.number(kept)),
        Fact(name="Entries of the period", value=written.number(integrity.entries)),
        Fact(name="Of these backfilled", value=written.number(integrity.backfilled)),
        Fact(
            name="Put into quarantine in the period",
            value=written.many(integrity.quarantined, "event"),
        ),
    )


def _gate(content: ReportContent) -> list[Block]:
    titles = {one.lens: one.title for one in content.checks}
    rows = tuple(
        (
            one["check"],
            titles.get(one["lens"], one["check"]),
            one["state"],
            written.number(one["n"]),
            written.number(one["f"]),
            result_words.reason(one["reason"]),
        )
        for one in content.result["gate"]
    )
    return [
        Table(
            title="Tests without which no score is issued",
            columns=(
                Column(title="Test", share=2, look="code"),
                Column(title="What it tests", share=4),
                Column(title="State", share=2, look="state"),
                Column(title="N", look="number"),
                Column(title="F", look="number"),
                Column(title="Found", share=4),
            ),
            rows=rows,
            empty="The catalogue in force names no such test.",
        )
    ]


def _verified(integrity: Integrity) -> list[Block]:
    if not integrity.verifications:
        return [
            Notice(
                tone="warning",
                word="No verification",
                text="No verification of the chain is on record in the period.",
            )
        ]
    facts = [
        Fact(name="Verifications in the period", value=written.number(integrity.verifications)),
        Fact(name="Of these failed", value=written.number(integrity.verifications_failed)),
    ]
    last = integrity.last_verification
    if last is not None:
        span = (
            f"; entries {written.number(last.from_seq)} to {written.number(last.to_seq)}"
            if last.from_seq is not None and last.to_seq is not None
            else ""
        )
        note = f"; {last.note}" if last.note else ""
        facts.append(
            Fact(
                name="Last verification",
                value=f"{written.time(last.at)}: {last.outcome}{span}{note} "
                f"(entry {written.number(last.seq)})",
            )
        )
    found: list[Block] = [Facts(facts=tuple(facts))]
    if integrity.verifications_failed:
        found.append(
            Notice(
                tone="bad",
                word="Verification failed",
                text=f"{written.many(integrity.verifications_failed, 'verification')} of the "
                "period did not find the chain intact; read those entries before relying on any "
                "figure here.",
            )
        )
    return found


def _purged(integrity: Integrity) -> list[Block]:
    if not integrity.purged:
        return []
    return [
        Table(
            title="Entries removed by retention",
            columns=(
                Column(title="Up to entry", look="number"),
                Column(title="On", look="time"),
            ),
            rows=tuple((written.number(seq), written.day(day)) for seq, day in integrity.purged),
        ),
        Paragraph(
            text="Before entries are removed, what they leave open is sealed as an entry; the "
            "tests start from it.",
            is_small=True,
        ),
    ]

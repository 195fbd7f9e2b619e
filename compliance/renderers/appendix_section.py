"""Write the appendix: what the result rests on, how to compute it again, files, words. Pure."""

from __future__ import annotations

from typing import Final

from compliance.renderers import written
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
from compliance.report_content import ReportContent

_HASHED: Final = {
    "catalogue": "Catalogue in force",
    "lists": "Lists in force",
    "parameters": "Limits set by this installation",
    "waivers": "Waivers",
    "statements": "Statements",
    "scope": "Decisions on scope",
    "nil_returns": "Nil returns",
}
_GLOSSARY: Final = (
    ("backfill", "history that was brought in later than it happened"),
    ("control", "one requirement of the framework; it has legs"),
    ("deviation", "an item that did not pass its test"),
    ("entry", "one link of the chain: a record and its hash"),
    ("finding", "what a person found wrong and follows until another look closes it"),
    ("head", "the last entry that was read, with its hash"),
    ("item", "what a test decides about; it belongs to one UTC day"),
    ("leg", "a test or a statement within a control"),
    ("lens", "a test with every limit, list and filter of one use filled in"),
    ("nil return", "the owner's signed word that nothing of a kind happened in a period"),
    ("population", "all items that a test decided about in the period"),
    ("posture", "the result of the last thirty days, sealed daily"),
    ("restate", "to change a day or period that was over, visibly, for what came later"),
    ("snapshot", "a result that was sealed: a row, and an entry with its digests"),
    ("statement", "what management states for a control, signed by a second person"),
    ("waiver", "failures that two people accept until a date"),
)


def appendix_section(content: ReportContent, *, digest: str) -> Section:
    """Return the appendix; `digest` is the SHA-256 of the content, 64 hex."""
    blocks: list[Block] = [
        Heading(text="What the result rests on"),
        Facts(facts=_facts(content, digest)),
        Heading(text="To compute it again"),
        Paragraph(
            text="With the ledger's database, the first line reads every entry again and ends with "
            "the digest of the result. With an evidence bundle alone, on any machine, the second "
            "line makes this report again; the SHA-256 of its JSON is the content hash. A bundle "
            "carries its own proof; the third line checks it with nothing but the ledger's format."
        ),
        Code(lines=_commands(content)),
        Heading(text="Files that belong to this report"),
        Table(
            title="Files that belong to this report",
            columns=(
                Column(title="File", share=2, look="code"),
                Column(title="Rows", look="number"),
                Column(title="SHA-256", share=5, look="code"),
            ),
            rows=tuple((one.name, written.number(one.rows), one.sha256) for one in content.annexes),
            empty="This report has no annex.",
        ),
        Heading(text="Glossary"),
        Table(
            title="Glossary",
            columns=(Column(title="Word"), Column(title="Means", share=4)),
            rows=_GLOSSARY,
        ),
    ]
    return Section(id="appendix", title="Appendix", blocks=tuple(blocks))


def _facts(content: ReportContent, digest: str) -> tuple[Fact, ...]:
    cover, result = content.cover, content.result
    named = tuple(
        Fact(name=_HASHED.get(name, name), value=value, is_code=True)
        for name, value in sorted(result["hashes"].items())
    )
    return (
        Fact(name="Report", value=cover.report_id, is_code=True),
        Fact(name="SHA-256 of the content", value=digest, is_code=True),
        Fact(name="Snapshot", value=cover.snapshot or written.NONE, is_code=True),
        Fact(name="Digest of the result", value=result["digest"], is_code=True),
        Fact(name="Head", value=f"{written.number(result['head_seq'])}"),
        Fact(name="Hash of the head", value=result["head_hash"], is_code=True),
        Fact(name="Framework", value=f"{cover.framework_name}, version {cover.framework_version}"),
        Fact(name="Made by", value=cover.generator),
        *named,
    )


def _commands(content: ReportContent) -> tuple[str, ...]:
    cover = content.cover
    environment = (
        "" if cover.environment == "prod" else f" --environment {cover.environment or 'all'}"
    )
    period = f"--from {cover.start} --to {cover.end}"
    return (
        f"manage.py evaluate {cover.framework} {period} --ledger {cover.ledger}{environment} "
        "--from-scratch",
        f"manage.py writereport {cover.framework} {period}{environment} --format json "
        "--bundle BUNDLE.zip --out FOLDER",
        "python -m audit.ledger verify BUNDLE.zip --key VERIFIER_KEY",
    )

"""Write the tests and their results, in the shape of section IV of a SOC 2 report. Pure.

A table an area of the framework, a row a leg. A test is described in full where it is used first;
where the same test with the same limits serves another control, the row says where that was. Its
wording of results: result_words.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from compliance.renderers import result_words, written
from compliance.renderers.blocks import Block, Column, Heading, Paragraph, Section, Table
from compliance.report_content import CheckText, ReportContent, StatementLine

COLUMNS = (
    Column(title="Control", share=6, look="code"),
    Column(title="Control activity", share=10),
    Column(title="Test performed", share=36),
    Column(title="Type", share=9),
    Column(title="Population N", share=4, look="number"),
    Column(title="Tested n", share=4, look="number"),
    Column(title="Deviations F", share=4, look="number"),
    Column(title="Result", share=13),
)
_SECTION: Final = re.compile(r"\d+\.\d+")
"""A section of the Code of Federal Regulations, such as 164.308."""
_ABOUT: Final[Mapping[str, Mapping[str, str]]] = {
    "soc2": {
        "CC1": "People and oversight",
        "CC2": "Information and its ways",
        "CC3": "Risks",
        "CC4": "Checks of the controls",
        "CC5": "Choice of controls",
        "CC6": "Access",
        "CC7": "Operations",
        "CC8": "Changes",
        "CC9": "Vendors and disruption",
        "A": "Availability",
        "C": "Confidentiality",
        "PI": "Processing integrity",
        "P": "Privacy",
    },
    "hipaa": {
        "164.308": "Administrative safeguards",
        "164.310": "Physical safeguards",
        "164.312": "Technical safeguards",
        "164.314": "Organisational requirements",
        "164.316": "Policies, procedures and documentation",
        "164.402": "What a breach is",
        "164.404": "Notice to individuals",
        "164.406": "Notice to the media",
        "164.408": "Notice to the Secretary",
        "164.410": "Notice by a business associate",
        "164.412": "Delay for law enforcement",
        "164.414": "Administration and burden of proof",
        "164.502": "Uses and disclosures",
        "164.528": "Accounting of disclosures",
    },
}
"""What areas of SOC 2 and sections of HIPAA's rules are about, in short words of our own."""
_INTRO = (
    "Each row is one leg of a control: a test of entries, or a statement of management. Every item "
    "of a population is tested, so n equals N; nothing here is drawn as a sample. An item enters "
    "the population on the day it is decided; items not decided yet are listed under Exceptions. "
    "Where a deviation is borne by a limit of the test, the result says so."
)


def tests_section(content: ReportContent) -> Section:
    """Return every leg of every control with its test, its counts and its result."""
    texts = {one.lens: one for one in content.checks}
    design_only = {one["lens"] for one in content.result["checks"] if one["design_only"]}
    statements = _in_force(content)
    described: dict[str, str] = {}
    by_area: dict[str, list[tuple[str, ...]]] = {}
    for control in content.result["controls"]:
        rows = by_area.setdefault(_area(control, content.cover.family), [])
        for at, leg in enumerate(control["legs"]):
            rows.append((
                control["id"],
                control["title"] if at else _activity(control, statements),
                _test(leg, texts, described, statements),
                _type(leg, texts),
                *result_words.counts(leg),
                _result(leg, design_only),
            ))  # fmt: skip
    blocks: list[Block] = [Paragraph(text=_INTRO)]
    for area, rows in by_area.items():
        if area:
            blocks.append(Heading(text=area))
        blocks.append(
            Table(
                title=f"Tests and results: {area}" if area else "Tests and results",
                columns=COLUMNS,
                rows=tuple(rows),
                empty="No control of this area has a test or a statement.",
            )
        )
    blocks += _limits_of_tests(content)
    return Section(id="tests", title="Tests and results", blocks=tuple(blocks), is_wide=True)


def described_in_full(text: CheckText) -> str:
    """Return a test as an auditor may perform it again: what is looked at, what passes, limits."""
    said = [f"{text.check}, version {text.version}: {_full_stop(text.title)}"]
    if text.population:
        said.append(f"Population: {_full_stop(text.population)}")
    if text.rule:
        said.append(f"Rule: {_full_stop(_rule(text))}")
    if text.limits:
        limits = "; ".join(f"{name} {written.limit(value)}" for name, value in text.limits)
        said.append(f"Limits: {_full_stop(limits)}")
    if text.law_set:
        said.append(f"Set by law: {_full_stop(', '.join(text.law_set))}")
    return " ".join(said)


def _area(control: Mapping[str, Any], family: str) -> str:
    """Return under which heading a control stands: its area, else HIPAA's section; or none."""
    section = str(control["area"] or str(control["id"]).partition("(")[0])
    if not control["area"] and not _SECTION.fullmatch(section):
        return ""
    return f"{section} {_ABOUT.get(family, {}).get(section, '')}".strip()


def _rule(text: CheckText) -> str:
    """Return the rule, its population named by a word where it begins with all of it again."""
    begins = text.rule[: len(text.population)]
    if not text.population or begins.lower() != text.population.lower():
        return text.rule
    return f"it{text.rule[len(begins) :]}"


def _in_force(content: ReportContent) -> dict[str, StatementLine]:
    """Return the newest statement of each control that counts for the period."""
    found: dict[str, StatementLine] = {}
    for one in sorted(content.statements, key=lambda one: one.seq):
        if one.counts:
            found[one.control] = one
    return found


def _activity(control: Mapping[str, Any], statements: Mapping[str, StatementLine]) -> str:
    """Return the control's title with management's words, where it gave any."""
    stated = statements.get(control["id"])
    if stated is None or stated.is_reasoning:
        return str(control["title"])
    return f"{_full_stop(control['title'])} Management states: {stated.text.strip()}"


def _test(
    leg: Mapping[str, Any],
    texts: Mapping[str, CheckText],
    described: dict[str, str],
    statements: Mapping[str, StatementLine],
) -> str:
    if leg["id"] == result_words.STATEMENT:
        return _statement_test(leg, statements.get(leg["control"]))
    text = texts.get(leg["lens"])
    if text is None:  # out of scope: its lens was not looked through
        return f"{leg['id']}: not performed."
    first = described.setdefault(leg["lens"], leg["control"])
    if first != leg["control"]:
        return f"{text.check}, version {text.version}: {_full_stop(text.title)} As under {first}."
    return described_in_full(text)


def _statement_test(leg: Mapping[str, Any], stated: StatementLine | None) -> str:
    if leg["state"] == "not_applicable":
        return "Statement: not asked for."
    if stated is None:
        return "Looked for a signed statement in force for the whole period."
    file = f", file SHA-256 {stated.file_sha256}" if stated.file_sha256 else ""
    return (
        f"Looked for a signed statement in force for the whole period: {stated.signed_by}, "
        f"{written.day(stated.signed_at)}, effective {_effective(stated)}{file} "
        f"(entry {written.number(stated.seq)})."
    )


def _effective(stated: StatementLine) -> str:
    return f"{written.day(stated.effective_from)} to {written.day(stated.effective_to)}"


def _type(leg: Mapping[str, Any], texts: Mapping[str, CheckText]) -> str:
    if leg["state"] == "not_applicable":
        return written.NONE
    if leg["id"] == result_words.STATEMENT:
        return result_words.TYPE_OF_STATEMENT
    return result_words.TYPES[texts[leg["lens"]].tested_type]


def _result(leg: Mapping[str, Any], design_only: set[str]) -> str:
    said = result_words.leg_result(leg, design_only=leg["lens"] in design_only)
    if leg["state"] in _WITH_REASON and leg["reason"]:
        why = result_words.reason(leg["reason"])
        return f"{said}. {why[:1].upper()}{_full_stop(why[1:])}"
    return said


_WITH_REASON = frozenset({"no_data", "error", "waived", "not_applicable"})
"""States whose wording alone does not say why."""


def _limits_of_tests(content: ReportContent) -> list[Block]:
    """Return what each test proves and what it cannot, once a check."""
    rows: dict[str, tuple[str, str, str]] = {}
    for one in content.checks:
        rows.setdefault(one.check, (one.check, one.proves or one.title, one.cannot or written.NONE))
    return [
        Heading(text="Limits of the tests"),
        Table(
            title="What each test proves, and what it does not show",
            columns=(
                Column(title="Test", share=1, look="code"),
                Column(title="Proves", share=4),
                Column(title="Does not show", share=5),
            ),
            rows=tuple(rows.values()),
            empty="No test was needed.",
        ),
    ]


def _full_stop(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."

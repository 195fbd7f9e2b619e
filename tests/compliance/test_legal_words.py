"""Nothing that a report says of its own claims what it cannot: no word of the kind stands in it.

Forbidden are `compliant`, every form of the verbs certify and assure, and every word of attest;
`compliance`, `certification` and `assurances` are nouns for a matter and stand in titles of law.
`attestation` stands in one place alone: a report says that it is not an attestation report. Names
of actions are identifiers and are printed as the entries have them (`audit.attestation_signed`).

What people and agents typed is printed as they typed it, whatever it claims. The tests tell the two
apart by where a text stands in the content: `TYPED` names the members that hold typed text, and
their values are taken out of what is printed before it is looked through.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

import pytest

from audit.actions import ACTIONS
from compliance import report_content as tree
from compliance.catalogue import load_catalogue
from compliance.renderers import FORMATS, result_words
from compliance.renderers.document import document_of, executive_of
from compliance.renderers.html import render_html
from compliance.renderers.oscal import oscal_files
from compliance.report_content import Family, ReportContent, content_bytes
from compliance.wording import in_words
from tests.compliance.report_samples import small_content, without_anything, without_score

ROOT: Final = Path(__file__).parents[2]
FORBIDDEN: Final = re.compile(
    r"\b(?:non-?)?compliant|\bcertif(?:y|ies|ied|ying)\b|\bassur(?:e|es|ed|ing)\b|\battest\w*",
    re.IGNORECASE,
)
DENIAL: Final = "not an attestation report"
CLAIM: Final = "We are fully compliant, certified and assured; our auditor attests it"
FAMILIES: tuple[Family, ...] = ("soc2", "hipaa", "gdpr", "other")

TYPED: Final[Mapping[type, frozenset[str]]] = {
    tree.AgentLine: frozenset({"agent", "name", "owner", "environments", "versions"}),
    tree.Counted: frozenset({"value"}),
    tree.Vendor: frozenset({"vendor", "service", "country"}),
    tree.ScopeDecision: frozenset({"reason", "asked_by", "approved_by"}),
    tree.Claim: frozenset({"tool", "claimed", "registered"}),
    tree.Deviation: frozenset({"item", "actor", "agent"}),
    tree.PendingItem: frozenset({"item", "agent"}),
    tree.FindingLine: frozenset({"item", "title", "owner", "response"}),
    tree.WaiverLine: frozenset({
        "items", "reason", "risk", "compensating", "asked_by", "approved_by",
    }),
    tree.StatementLine: frozenset({"text", "role", "prepared_by", "signed_by", "file_name"}),
    tree.NilReturnLine: frozenset({"text", "signed_by"}),
    tree.Act: frozenset({"actor", "about"}),
    tree.SampleItemLine: frozenset({"item", "stratum", "note", "attachment"}),
    tree.SampleLine: frozenset({"number", "drawn_by", "concluded_by", "conclusion"}),
    tree.Clock: frozenset({"case"}),
    tree.Difference: frozenset({"declared", "observed"}),
    tree.LawTable: frozenset({"rows"}),
}  # fmt: skip
"""Which members of the content hold what people or agents typed."""


def claims(text: str, *, typed: Iterable[str] = ()) -> list[str]:
    """Return the forbidden words of a text, without what is typed, names of actions, the denial."""
    if not FORBIDDEN.search(text):
        return []
    for quoted in sorted({*typed, DENIAL, *ACTIONS}, key=len, reverse=True):
        text = text.replace(quoted, " ")
    return FORBIDDEN.findall(text)


def typed_in(content: ReportContent) -> set[str]:
    """Return every text of a content that somebody typed."""
    found = {text for _, text in content.owners}
    for node in _nodes(content):
        for name in TYPED.get(type(node), ()):
            found.update(_texts(getattr(node, name)))
    found.update(text.strip() for text in set(found))
    return {text for text in found if text}


def printed(content: ReportContent) -> list[str]:
    """Return every text of the whole report and of its executive page."""
    return [*_texts_of(document_of(content)), *_texts_of(executive_of(content))]


def test_the_pattern_finds_every_form_of_the_words() -> None:
    said = "Compliant, non-compliant; certified, certifies; assured, assures; attests, Attested."

    assert len(claims(said)) == 8
    assert claims("compliance, certification and assurances; audit.attestation_signed") == []
    assert claims(f"This is {DENIAL}.") == []


@pytest.mark.parametrize("made", [small_content, without_anything, without_score])
@pytest.mark.parametrize("family", FAMILIES)
def test_no_text_of_a_report_claims_anything(
    family: Family, made: Callable[[Family], ReportContent]
) -> None:
    content = made(family)
    typed = typed_in(content)

    assert [text for text in printed(content) if claims(text, typed=typed)] == []


def test_what_people_typed_is_printed_as_they_typed_it_and_nothing_else_claims() -> None:
    content = _typed_everywhere(small_content("gdpr"))

    # A drawing cuts a name that is too long for it, in the midst of a claim too.
    said = [text for text in printed(content) if not text.startswith("<svg")]

    typed = typed_in(content)
    assert sum(CLAIM in text for text in said) > 50
    assert [text for text in said if claims(text, typed=typed)] == []


@pytest.mark.parametrize("family", FAMILIES)
def test_html_says_no_more_than_the_document(family: Family) -> None:
    content = small_content(family)
    typed = {_shown(text) for text in typed_in(content)}

    said = [_shown(text) for text in _html_texts(render_html(content).decode())]

    assert [text for text in said if claims(text, typed=typed)] == []


@pytest.mark.parametrize("family", FAMILIES)
def test_no_value_of_an_oscal_file_claims_anything(family: Family) -> None:
    content = small_content(family)
    typed = typed_in(content)

    for name, raw in oscal_files(content).items():
        values = list(_json_texts(json.loads(raw)))
        assert [text for text in values if claims(text, typed=typed)] == [], name


@pytest.mark.parametrize("family", FAMILIES)
def test_no_value_of_the_content_claims_anything(family: Family) -> None:
    content = small_content(family)
    typed = typed_in(content)

    values = _json_texts(json.loads(content_bytes(content)))

    assert [text for text in values if claims(text, typed=typed)] == []


def test_what_the_catalogue_prints_claims_nothing() -> None:
    catalogue = load_catalogue()
    said = [
        text
        for check in catalogue.checks.values()
        for text in (check.title, in_words(check, catalogue), *_texts(check.definition["cannot"]))
    ]
    for framework in catalogue.frameworks.values():
        said += [framework.name, framework.authority, framework.gate]
        said += [text for one in framework.controls for text in (one.title, one.area)]

    assert [text for text in said if claims(text)] == []


def test_words_for_states_results_and_formats_claim_nothing() -> None:
    said = [
        *result_words.STATE_MEANS.values(),
        *result_words.TYPES.values(),
        *(each.about for each in FORMATS.values()),
        *(each.word for each in FORMATS.values()),
    ]

    assert [text for text in said if claims(text)] == []


def test_no_template_of_a_report_claims_anything() -> None:
    found = [
        path
        for folder in ("compliance/renderers", "templates/compliance", "templates/admin")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in {".html", ".typ", ".css", ".txt"}
    ]

    assert found
    assert [path.name for path in found if claims(_CODE.sub("", path.read_text()))] == []


def _nodes(node: object) -> Iterator[object]:
    """Yield every dataclass of a tree, itself first."""
    if isinstance(node, tuple | list):
        for one in node:
            yield from _nodes(one)
    elif is_dataclass(node):
        yield node
        for field in fields(node):
            yield from _nodes(getattr(node, field.name))


def _texts(value: Any) -> list[str]:
    """Return every text in a value that may be nested."""
    if isinstance(value, str):
        return [value]
    return [text for one in value or () for text in _texts(one)]


def _texts_of(node: object) -> Iterator[str]:
    """Yield every text of a document, once for each place where it stands."""
    for one in _nodes(node):
        assert is_dataclass(one)
        for field in fields(one):
            value = getattr(one, field.name)
            if isinstance(value, str):
                yield value
            elif isinstance(value, tuple) and not any(is_dataclass(each) for each in value):
                yield from _texts(value)


def _typed_everywhere(node: Any) -> Any:
    """Return a content whose every typed text ends with a claim."""
    if isinstance(node, tuple):
        return tuple(_typed_everywhere(one) for one in node)
    if not is_dataclass(node) or isinstance(node, type):
        return node
    typed = TYPED.get(type(node), frozenset())
    return replace(
        node,
        **{
            field.name: _claiming(getattr(node, field.name))
            if field.name in typed
            else _typed_everywhere(getattr(node, field.name))
            for field in fields(node)
        },
    )


def _claiming(value: Any) -> Any:
    if isinstance(value, str):
        return f"{value} {CLAIM}" if value else value
    return tuple(_claiming(one) for one in value)


_CODE: Final = re.compile(r"{{.*?}}|{%.*?%}|{#.*?#}", re.DOTALL)
"""What a template computes and never prints as it stands."""


class _Texts(HTMLParser):
    """Gathers what a reader of HTML may see: text, and attributes that are read out."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        self.found.append(data)

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if value and name in _READ_OUT]


_READ_OUT: Final = {"alt", "title", "aria-label", "aria-description", "content"}


def _html_texts(page: str) -> list[str]:
    reader = _Texts()
    reader.feed(page)
    return reader.found


def _shown(text: str) -> str:
    """Return a text as one line, as a browser shows it."""
    return " ".join(html.unescape(text).split())


def _json_texts(value: Any) -> Iterator[str]:
    """Yield every text among the values of JSON; keys are the format's own."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _json_texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _json_texts(one)

"""docs/metrics.md says what the list of families says: nothing left out, nothing that is old."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from metrics.chapters import CHAPTERS
from metrics.example import MAY_BE_EMPTY
from metrics.families import BY_NAME, FAMILIES
from metrics.family import Family
from metrics.other_names import OTHER_NAMES
from metrics.reference_page import EXAMPLES, HEADER, buckets_text, fed_by_text, reference_page
from tests import documents
from tests.documents import DOCS

PAGE = DOCS / "metrics.md"
OWN = {
    "obs_ingest_batch_events", "obs_ingest_rejected_total", "obs_ingest_lag_seconds",
    "obs_audit_append_batch_seconds",
}  # fmt: skip
"""Rows below 77 that no other system has a name for."""


def section_of(name: str) -> str:
    _, _, rest = documents.read(PAGE).partition(f"\n### {name}\n")
    return re.split(r"^#{2,3} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def test_the_page_is_what_make_metrics_writes() -> None:
    assert documents.read(PAGE) == reference_page(), "stale: run `make metrics`"


def test_every_family_has_its_section_and_no_other() -> None:
    sections = re.findall(r"^### (\S+)$", documents.read(PAGE), re.MULTILINE)

    assert len(sections) == len(set(sections))
    assert set(sections) == BY_NAME.keys()


def test_every_family_stands_in_one_chapter() -> None:
    placed = [family.name for chapter in CHAPTERS for family in chapter.families()]

    assert sorted(placed) == sorted(BY_NAME)
    assert all(chapter.introduction for chapter in CHAPTERS)


def test_the_tables_are_those_of_the_list() -> None:
    documented = {row.section: row.cells for row in documents.table(PAGE, *HEADER)}

    assert documented == {
        family.name: (
            str(family.row or ""),
            family.kind,
            ", ".join(f"`{label}`" for label in family.labels),
            family.unit,
            f"{family.cap:,}",
            family.detail,
            ", ".join(family.sources),
        )
        for family in FAMILIES
    }


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_section_says_all_that_is_known_of_its_family(family: Family) -> None:
    said = section_of(family.name)

    assert family.help in said
    assert (f"- Buckets: {buckets_text(family)}\n" in said) == (family.kind == "histogram")
    assert (f"- Fed by: {fed_by_text(family)}\n" in said) == bool(family.fed_by)
    assert (f"- Elsewhere: {OTHER_NAMES.get(family.name)}\n" in said) == (
        family.name in OTHER_NAMES
    )


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_section_has_an_example_that_asks_its_family(family: Family) -> None:
    example = EXAMPLES[family.name]
    fence = "\n".join(section_of(family.name).split("```")[1].splitlines()[1:])

    assert re.search(rf"\b{family.name}(_bucket|_sum|_count)?\b", example.query)
    assert fence.splitlines()[:2] == [f"# {example.asks}", example.query]
    assert fence.endswith(MAY_BE_EMPTY) == example.is_quiet


def test_examples_ask_no_family_that_there_is_not() -> None:
    asked = {
        re.sub(r"_(bucket|sum|count)$", "", name) if name not in BY_NAME else name
        for example in EXAMPLES.values()
        for name in re.findall(r"\bobs_[a-z_]+", example.query)
    }

    assert asked == BY_NAME.keys() == EXAMPLES.keys()


def test_examples_name_no_label_that_their_family_lacks() -> None:
    wrong = []
    for name, example in EXAMPLES.items():
        known = {label for each in FAMILIES if each.name in example.query for label in each.labels}
        for labels in re.findall(r"by \(([a-z_, ]+)\)", example.query):
            wrong += [(name, each) for each in labels.split(", ") if each not in {*known, "le"}]
    assert wrong == []


def test_examples_of_what_nothing_feeds_say_that_they_may_be_empty() -> None:
    later = {family.name for family in FAMILIES if "later" in family.sources}

    assert {name for name in later if not EXAMPLES[name].is_quiet} == set()


def test_families_that_other_systems_have_say_their_names_there() -> None:
    asked = {family.name for family in FAMILIES if 0 < family.row < 77} - OWN

    assert asked - OTHER_NAMES.keys() == set()
    assert OTHER_NAMES.keys() <= BY_NAME.keys()


def test_no_name_of_another_system_is_exposed_beside_ours() -> None:
    named = {name for said in OTHER_NAMES.values() for name in documents.spans(said)}

    assert named & BY_NAME.keys() == set()


@pytest.mark.parametrize(
    "family", [each for each in FAMILIES if each.edges], ids=lambda family: family.name
)
def test_buckets_are_written_with_all_their_digits(family: Family) -> None:
    assert tuple(map(float, buckets_text(family).split())) == family.edges


def test_the_command_prints_the_page() -> None:
    out = StringIO()

    call_command("metricsreference", stdout=out)

    assert out.getvalue() == documents.read(PAGE)


def test_the_command_writes_the_page_to_a_file(tmp_path: Path) -> None:
    call_command("metricsreference", out=tmp_path / "page.md")

    assert (tmp_path / "page.md").read_text(encoding="utf-8") == documents.read(PAGE)


def test_the_command_says_which_file_it_cannot_write(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot write"):
        call_command("metricsreference", out=tmp_path / "no folder" / "page.md")

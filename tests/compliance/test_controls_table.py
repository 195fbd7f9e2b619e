"""docs/controls.md says what the catalogue says: every control, every check, what none can show."""

from __future__ import annotations

import re
from functools import cache
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from compliance.catalogue import load_catalogue
from compliance.controls_table import LIMIT_OF_KIND, cannot_of, control_cannot, controls_page
from compliance.definitions import Catalogue
from tests import documents
from tests.documents import DOCS

PAGE = DOCS / "controls.md"
HEADER = ("id", "title", "mode", "checks", "what it proves", "what it cannot")
NEVER = ("compliant", "certified", "attested")
MOST_BYTES_OF_NOTE = 120


@cache
def shipped() -> Catalogue:
    return load_catalogue()


def test_the_page_is_what_make_controls_writes() -> None:
    assert documents.read(PAGE) == controls_page(shipped()), "stale: run `make controls`"


def test_every_control_stands_in_the_table_of_its_framework_and_no_other() -> None:
    expected = [
        (f"{framework.id}: {framework.name}", control.id)
        for framework in shipped().frameworks.values()
        for control in framework.controls
    ]

    assert [(row.section, row.first()) for row in documents.table(PAGE, *HEADER)] == expected


def test_every_control_says_what_it_proves_and_what_it_cannot() -> None:
    silent = [
        row.first()
        for row in documents.table(PAGE, *HEADER)
        if not row.cell("what it proves") or not row.cell("what it cannot")
    ]

    assert silent == []


def test_every_check_has_its_part_of_the_page_and_no_other() -> None:
    parts = re.findall(r"^### (\S+)$", documents.read(PAGE), re.MULTILINE)

    assert parts == list(shipped().checks)


@pytest.mark.parametrize("check", sorted(shipped().checks))
def test_a_check_says_itself_what_it_cannot_show(check: str) -> None:
    note = str(shipped().checks[check].definition.get("cannot", ""))

    assert note.endswith("."), "write `cannot:` beside its title"
    assert len(note.encode()) <= MOST_BYTES_OF_NOTE
    assert cannot_of(shipped().checks[check]).startswith(note)


def test_every_kind_says_what_none_of_its_checks_can_show() -> None:
    assert {check.kind for check in shipped().checks.values()} <= LIMIT_OF_KIND.keys()


def test_what_a_control_cannot_show_holds_the_notes_of_its_checks() -> None:
    soc2 = shipped().frameworks["soc2"]
    control = next(one for one in soc2.controls if "TOOL-01" in one.checks)

    assert str(shipped().checks["TOOL-01"].definition["cannot"]) in control_cannot(
        control, shipped().checks
    )


def test_the_page_never_promises_what_no_check_can() -> None:
    text = documents.read(PAGE).lower()

    assert [word for word in NEVER if re.search(rf"\b{word}\b", text)] == []


def test_the_command_prints_the_page() -> None:
    out = StringIO()

    call_command("controls", stdout=out)

    assert out.getvalue() == documents.read(PAGE)


def test_the_command_writes_the_page_to_a_file(tmp_path: Path) -> None:
    call_command("controls", out=tmp_path / "page.md")

    assert (tmp_path / "page.md").read_text(encoding="utf-8") == documents.read(PAGE)


def test_the_command_says_which_file_it_cannot_write(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot write"):
        call_command("controls", out=tmp_path / "no folder" / "page.md")


def test_the_page_of_this_installation_holds_what_is_shipped(database: None) -> None:
    out = StringIO()

    call_command("controls", in_force=True, stdout=out)

    assert "### TOOL-01" in out.getvalue()

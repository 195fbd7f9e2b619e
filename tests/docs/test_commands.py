"""Each command, option and make target has its place in docs/commands.md, and no other has."""

from __future__ import annotations

import re

import pytest
from django.core.management import BaseCommand, get_commands, load_command_class
from django.core.management.base import CommandParser

from tests import documents
from tests.documents import DOCS, ROOT
from tests.sources import APPS

COMMANDS = DOCS / "commands.md"


def our_commands() -> dict[str, CommandParser]:
    """Return the parser of each command of ours."""
    return {
        name: load_command_class(app, name).create_parser("manage.py", name)
        for name, app in get_commands().items()
        if app in APPS
    }


def options_of(parser: CommandParser) -> set[str]:
    common = BaseCommand().create_parser("manage.py", "any")
    known = {option for action in common._actions for option in action.option_strings}
    return {max(a.option_strings, key=len) for a in parser._actions if a.option_strings} - known


def test_every_command_is_documented_and_no_other() -> None:
    documented = re.findall(r"^## ([a-z_]+)$", documents.read(COMMANDS), re.MULTILINE)

    assert set(documented) - {"make"} == our_commands().keys()


@pytest.mark.parametrize("name", sorted(our_commands()))
def test_every_option_of_a_command_is_documented_and_no_other(name: str) -> None:
    options = options_of(our_commands()[name])

    documented = {
        row.first()
        for row in documents.rows(COMMANDS)
        if row.section == name and row.header[0] == "option"
    }

    assert documented == options


@pytest.mark.parametrize("name", sorted(our_commands()))
def test_every_command_has_an_example_and_its_exit_codes(name: str) -> None:
    said = documents.section_of(COMMANDS, name)

    assert f"manage.py {name}" in said
    assert "exit code" in said.lower() or "ends with" in said


def test_every_command_that_a_page_names_exists() -> None:
    named = {
        (page.name, name)
        for page in documents.pages()
        for piece in documents.code(page)
        for name in re.findall(r"\bmanage\.py ([a-z_]+)", piece)
    }

    assert named
    assert {each for each in named if each[1] not in {*get_commands(), "help"}} == set()


def make_targets() -> set[str]:
    text = (ROOT / "Makefile").read_text()
    return set(re.findall(r"^([a-z-]+):.*## ", text, re.MULTILINE))


def test_every_make_target_is_documented_and_no_other() -> None:
    documented = {row.first() for row in documents.table(COMMANDS, "target", "does")}

    assert documented == {f"make {target}" for target in make_targets()}


def test_every_make_target_that_a_page_names_exists() -> None:
    named = {
        (page.name, name)
        for page in documents.pages()
        for piece in documents.code(page)
        for name in re.findall(r"(?:^|[\s;&])make ([a-z][a-z-]*)", piece, re.MULTILINE)
    }

    assert named
    assert {each for each in named if each[1] not in make_targets()} == set()

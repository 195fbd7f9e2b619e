"""Each setting has its line in docs/settings.md, and each variable that a page names is read."""

from __future__ import annotations

import ast
import re

from tests import documents
from tests.documents import DOCS, ROOT
from tests.settings_read import settings_read
from tests.sources import APPS, python_sources

SETTINGS = DOCS / "settings.md"


def test_every_setting_is_documented_and_no_other() -> None:
    documented = {row.first() for row in documents.table(SETTINGS, "setting", "default", "means")}

    assert documented == settings_read().keys()


def test_documented_defaults_are_the_defaults() -> None:
    defaults = {
        name: str(default.value).lower() if default.value in (True, False) else str(default.value)
        for name, default in settings_read().items()
        if isinstance(default, ast.Constant)
    }

    documented = {
        row.first(): row.cell("default").strip("`")
        for row in documents.table(SETTINGS, "setting", "default", "means")
        if row.first() in defaults
    }

    assert documented == defaults


def test_every_variable_that_a_page_names_is_read_somewhere() -> None:
    read = "".join(each.read_text() for each in python_sources(*APPS, "tests", "benchmarks"))
    read += (ROOT / "Makefile").read_text() + (ROOT / ".ci" / "run").read_text()
    known = set(re.findall(r"\bOBS_[A-Z_]+[A-Z]", read))
    named = {
        (page.name, name)
        for page in documents.pages()
        for name in re.findall(r"\bOBS_[A-Z_]+[A-Z]", documents.read(page))
        if name != "OBS_KEY"  # the reader's own shell variable
    }

    assert {each for each in named if each[1] not in known} == set()

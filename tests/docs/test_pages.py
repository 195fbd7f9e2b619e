"""The pages themselves: links lead somewhere, what they name exists, and each is reached."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from urllib.parse import unquote

from django.apps import apps

from audit.actions import ACTIONS
from obsplatform.celery import app as celery
from obsplatform.settings import VERSION
from tests import documents
from tests.documents import DOCS, ROOT
from tests.sources import APPS


def test_every_link_leads_somewhere() -> None:
    broken = []
    for page in documents.pages():
        for address in documents.links(page):
            file, _, anchor = address.partition("#")
            if ":" in file:  # another site's: tests talk to loopback only
                continue
            target = (page.parent / unquote(file)).resolve() if file else page
            if not target.exists() or (anchor and anchor not in documents.anchors(target)):
                broken.append(f"{page.relative_to(ROOT)}: {address}")

    assert broken == []


def test_every_page_is_reached_from_the_index() -> None:
    reached: set[Path] = set()
    waiting = [DOCS / "index.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        files = (address.partition("#")[0] for address in documents.links(page))
        waiting += [(page.parent / file).resolve() for file in files if file and ":" not in file]

    assert set(DOCS.rglob("*.md")) - reached == set()


def test_every_file_that_a_page_names_exists() -> None:
    tops = "|".join((*APPS, "docker", "docs", "tests", "benchmarks", "templates"))
    named = {
        (page.name, span)
        for page in documents.pages()
        for span in documents.spans(documents.prose(page))
        if re.fullmatch(rf"(?:{tops})/[\w./-]*", span)
    }

    assert {each for each in named if not (ROOT / each[1]).exists()} == set()


def test_every_module_that_a_page_names_exists() -> None:
    named = {
        (page.name, span)
        for page in documents.pages()
        for span in documents.spans(documents.prose(page))
        if re.fullmatch(rf"(?:{'|'.join(APPS)})(?:\.[a-z_]+)+", span)
    }

    assert {each for each in named if not is_known(each[1])} == set()


def is_known(name: str) -> bool:
    """Tell whether this is an action, a task, a permission or a module."""
    celery.loader.import_default_modules()
    app, _, rest = name.partition(".")
    permissions = {
        f"{act}_{model._meta.model_name}"
        for model in apps.get_app_config(app).get_models()
        for act in ("view", "add", "change", "delete")
    }
    if name in ACTIONS or name in celery.tasks or rest in permissions:
        return True
    return importlib.util.find_spec(name) is not None


def test_every_dependency_has_its_reason_and_no_other() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"], *extras["local"], *extras["anomalies"]]

    page = DOCS / "decisions" / "0002-dependencies.md"
    documented = {
        name
        for row in documents.table(page, "package", "for", "because")
        for name in row.first().split(", ")
    }

    assert documented == {re.split(r"[\[<>=~]", each)[0] for each in needed}


def test_the_changelog_tells_of_this_version() -> None:
    told = re.findall(r"^## (\S+)", documents.read(ROOT / "CHANGELOG.md"), re.MULTILINE)

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (told[0], project["version"]) == (VERSION, VERSION)

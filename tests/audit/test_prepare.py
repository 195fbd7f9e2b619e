"""`manage.py prepare` makes what an installation needs, once, and says it where it is asked to."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings


@pytest.fixture
def folder(alone: None, tmp_path: Path, settings: Settings) -> Path:
    settings.DATA = tmp_path
    settings.SIGNING_DIR = tmp_path / "signing"
    return tmp_path


def prepare(**options: bool) -> str:
    out = StringIO()
    call_command("prepare", stdout=out, **options)
    return out.getvalue()


def test_it_prints_what_it_keeps(folder: Path) -> None:
    printed = prepare()

    assert json.loads(printed) == json.loads((folder / "credentials.json").read_text())


def test_quietly_it_prints_nothing_and_keeps_the_same(folder: Path) -> None:
    printed = prepare(quiet=True)

    kept = json.loads((folder / "credentials.json").read_text())
    assert printed == ""
    assert kept["user"] == "admin"
    assert json.loads(prepare()) == kept

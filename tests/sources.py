"""The sources of the platform, parsed once for all tests that read them as a tree."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.documents import ROOT

APPS = ("audit", "metrics", "tracing", "compliance", "obsplatform")


@cache
def parsed(file: Path) -> ast.Module:
    """Return a file's tree; nobody changes it, since all who ask get the same one."""
    return ast.parse(file.read_text(encoding="utf-8"))


def python_sources(*folders: str) -> Iterator[Path]:
    """Yield every Python file of these folders of the repository."""
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))

"""The sources of the platform, parsed once for all tests that read them as a tree."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path


@cache
def parsed(file: Path) -> ast.Module:
    """Return a file's tree; nobody changes it, since all who ask get the same one."""
    return ast.parse(file.read_text(encoding="utf-8"))

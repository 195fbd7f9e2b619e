"""Every variable that settings.py reads from the environment, found by reading it."""

from __future__ import annotations

import ast

from tests.documents import ROOT


def settings_read() -> dict[str, ast.expr | None]:
    """Return each variable that settings.py reads, with the expression of its default."""
    tree = ast.parse((ROOT / "obsplatform" / "settings.py").read_text())
    found: dict[str, ast.expr | None] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        reader, arguments = node.func, node.args
        if isinstance(reader.value, ast.Name) and reader.value.id == "env" and arguments:
            name = arguments[0]
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                default = arguments[1] if len(arguments) > 1 else None
                found[name.value] = found.get(name.value) or default
    assert len(found) > 20, "settings.py is read in another way now"
    return found

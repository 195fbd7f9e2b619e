"""Every error code that the sources can answer with, found by reading them.

A code stands as the argument `code`, at a known place of a known function, or in a table whose name
ends in `_CODES` or `_COMMON_CODE`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.sources import parsed

_CALLS = {"problem": 1, "as_json": 1, "_Trouble": 0}
"""Functions that take a code by position, and at which."""


def _codes_of(tree: ast.AST) -> Iterator[object]:
    """Yield every constant that a source gives as an error code."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "code":
            yield from _constants(node.value)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            place = _CALLS.get(node.func.id)
            if place is not None and len(node.args) > place:
                yield from _constants(node.args[place])
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            yield from _codes_in_table(node)


def _codes_in_table(node: ast.Assign | ast.AnnAssign) -> Iterator[object]:
    """Yield the codes of a table such as `_CODES`: values of a dictionary, or the last of pairs."""
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    if not isinstance(target, ast.Name) or not target.id.endswith(("_CODES", "_COMMON_CODE")):
        return
    if isinstance(node.value, ast.Dict):
        for value in node.value.values:
            yield from _constants(value)
    elif isinstance(node.value, ast.Tuple):
        for pair in node.value.elts:
            if isinstance(pair, ast.Tuple):
                yield from _constants(pair.elts[-1])


def _constants(node: ast.expr) -> Iterator[object]:
    if isinstance(node, ast.Constant):
        yield node.value


def codes_raised(sources: Iterable[Path]) -> set[str]:
    """Return the codes of these sources."""
    found = {
        code for source in sources for code in _codes_of(parsed(source)) if isinstance(code, str)
    }
    assert len(found) > 40, "codes are raised in another way now"
    return found

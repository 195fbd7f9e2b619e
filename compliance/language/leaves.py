"""Judge whether a condition of a catalogue is sound before anything runs it. Pure.

A field must exist, an op must fit what stands in it, a value must be one that can stand there, and
`@path` may stand only where there is another entry. What a condition means: conditions.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from compliance.language.comparing import LISTS, OPS, ORDERED
from compliance.language.conditions import DEEPEST
from compliance.language.fields import ACTIONS, FIELDS, VALUES, Shape, is_vendor_action
from compliance.language.problems import line_of, none_of, shown
from compliance.language.yaml_lines import Exact

DERIVED: Final = ("field", "value", "old")
"""What stands under `@derived.` where a population is derived."""

_OF_LISTS: Final = frozenset({"has", "overlaps", "subset_of", "superset_of"})
_OF_SCALARS: Final = frozenset({"eq", "ne", "in", "not_in"})
_ANY: Final = frozenset({"exists", "missing", "same"})

Report = Callable[[int, str], None]
Resolve = Callable[[Any, int], Any]


class Leaves:
    """Judges the conditions of one check."""

    def __init__(self, report: Report, resolve: Resolve) -> None:
        """Take where to say what is wrong (line, words), and what fills in `$names`."""
        self._report = report
        self._resolve = resolve

    def judge(self, node: Any, line: int, *, refs: bool, derived: bool) -> None:
        """Judge a condition; `refs`: `@path` may stand in it, `derived`: `@derived.…` as well."""
        self._node(node, line, refs, derived, 0)

    def _node(self, node: Any, line: int, refs: bool, derived: bool, depth: int) -> None:
        if depth > DEEPEST:
            self._report(line, f"conditions stand in one another more than {DEEPEST} deep")
            return
        if isinstance(node, Mapping):
            self._joined(node, line, refs, derived, depth)
        elif isinstance(node, list) and len(node) == 3 and isinstance(node[0], str):
            self._leaf(node, line, refs, derived)
        else:
            self._report(line, f"{shown(node)} is no condition; write [field, op, value]")

    def _joined(
        self, node: Mapping[str, Any], line: int, refs: bool, derived: bool, depth: int
    ) -> None:
        if len(node) != 1 or not node.keys() <= {"all", "any", "not"}:
            names = ", ".join(node) or "nothing"
            self._report(
                line, f"a condition is one of all, any, not or [field, op, value]; found {names}"
            )
            return
        ((name, part),) = node.items()
        where = line_of(node, name) or line
        if name == "not":
            self._node(part, where, refs, derived, depth + 1)
        elif not isinstance(part, list):
            self._report(where, f"{name}: takes a list of conditions")
        elif name == "any" and not part:
            self._report(where, "any: [] never holds; leave it out")
        else:
            for index, one in enumerate(part):
                self._node(one, line_of(part, index) or where, refs, derived, depth + 1)

    def _leaf(self, node: Any, line: int, refs: bool, derived: bool) -> None:
        path, op, value = node
        shape = FIELDS.get(path)
        if shape is None:
            self._report(line, f"field {none_of(path, FIELDS)}")
            return
        if op not in OPS:
            self._report(line, f"{path}: op {none_of(op, OPS)}")
            return
        if not _fits(op, shape):
            self._report(line, f"{path}: {op} does not go with a {shape}; {_instead(shape)}")
            return
        if isinstance(value, str) and value.startswith("@"):
            self._ref(path, op, shape, value[1:], line, refs, derived)
            return
        value = self._resolve(value, line)
        if value is not None:
            self._value(path, op, shape, value, line)

    def _ref(
        self, path: str, op: str, shape: Shape, ref: str, line: int, refs: bool, derived: bool
    ) -> None:
        if not refs:
            self._report(line, f'{path}: "@{ref}" can stand only where there is another entry')
        elif op in ("exists", "missing", "glob"):
            self._report(line, f"{path}: {op} takes no field of another entry")
        elif ref.startswith("derived."):
            if not derived:
                self._report(line, f'{path}: "@{ref}" needs a population with derive')
            elif ref.removeprefix("derived.") not in DERIVED:
                self._report(
                    line, f'{path}: "@{ref}" is none of @derived.{", @derived.".join(DERIVED)}'
                )
        elif ref not in FIELDS:
            self._report(line, f"{path}: field {none_of(ref, FIELDS)}")
        elif not _pairs(op, shape, FIELDS[ref]):
            self._report(line, f"{path}: {op} does not go with a {FIELDS[ref]} (@{ref})")

    def _value(self, path: str, op: str, shape: Shape, value: Any, line: int) -> None:
        if op in ("exists", "missing"):
            if value is not True:
                other = "missing" if op == "exists" else "exists"
                self._report(line, f"{path}: {op} takes true; for the contrary write {other}")
            return
        if op == "same":
            self._report(line, f'{path}: same takes a field of the other entry, "@{path}"')
            return
        if op in LISTS and not isinstance(value, list):
            self._report(line, f"{path}: {op} takes a list")
            return
        if op in LISTS and not value:
            self._report(line, f"{path}: {op} takes a list that is not empty")
            return
        for one in value if op in LISTS else (value,):
            if (words := _wrong(path, op, shape, one)) is not None:
                self._report(line, f"{path}: {words}")


def _fits(op: str, shape: Shape) -> bool:
    if op in _ANY:
        return True
    if op in ORDERED:
        return shape in ("number", "time")
    if op in _OF_LISTS:
        return shape == "list"
    if op in ("prefix", "glob"):
        return shape == "string"
    return op in _OF_SCALARS and shape in ("string", "number", "bool", "time")


def _instead(shape: Shape) -> str:
    if shape == "list":
        return "take has, overlaps, subset_of, superset_of, exists or missing"
    if shape == "object":
        return "take exists or missing"
    return "take eq, ne, in, not_in, exists or missing"


def _pairs(op: str, shape: Shape, other: Shape) -> bool:
    """Tell whether a field can be compared with a field of the other entry."""
    if op == "has":
        return other == "string"
    if op in ("in", "not_in"):
        return other == "list"
    return other == shape


def _wrong(path: str, op: str, shape: Shape, value: Any) -> str | None:
    """Say what keeps a literal from standing in a field; None: nothing does."""
    if shape in ("string", "list", "time") and (
        not isinstance(value, str) or isinstance(value, Exact)
    ):
        quoted = f'"{_yaml(value)}"'
        return f"{_yaml(value)} is no string; when one is meant, write {quoted}"
    if shape == "bool" and not isinstance(value, bool):
        return f"{shown(value)} is not true or false"
    if shape == "number" and (
        isinstance(value, bool) or not isinstance(value, int | float | Exact)
    ):
        return f"{shown(value)} is no number"
    if path == "action" and op in _OF_SCALARS and value not in ACTIONS:
        return None if is_vendor_action(value) else f"action {none_of(value, ACTIONS)}"
    allowed: Iterable[str] = VALUES.get(path, ())
    if allowed and op not in ("prefix", "glob") and value not in allowed:
        return none_of(value, sorted(allowed))
    return None


def _yaml(value: Any) -> str:
    return {True: "true", False: "false", None: "null"}.get(value, str(value))

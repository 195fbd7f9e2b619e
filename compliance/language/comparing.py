"""Leaves of conditions: what `[field, op, value]` says of an entry, compiled. Pure.

Numbers in records are doubles (RFC 8785), so a limit such as 0.1 stands for the nearest double
here. Times compare as text: stored events write every time as UTC with six digits and `Z`, and of
two texts of that form the later time is the greater text.

What joins leaves: conditions.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from operator import ge, gt, le, lt
from typing import Any, Final, Protocol, TypeAlias

from compliance.language.errors import DefinitionError

OPS: Final = (
    "eq", "ne", "in", "not_in", "exists", "missing", "gt", "gte", "lt", "lte",
    "prefix", "glob", "has", "overlaps", "subset_of", "superset_of", "same",
)  # fmt: skip
LISTS: Final = frozenset({"in", "not_in", "overlaps", "subset_of", "superset_of"})
"""Ops whose value is a list."""
ORDERED: Final = {"gt": gt, "gte": ge, "lt": lt, "lte": le}


Derived: TypeAlias = Mapping[str, Any] | None


class Holds(Protocol):
    """Whether a condition holds of an entry."""

    def __call__(self, entry: Any, other: Any = None, derived: Derived = None) -> bool:
        """Judge; `@path` is read of `other`, `@derived.name` of `derived`."""


_Value: TypeAlias = Callable[[Any, Any], Any]
"""From (other, derived) to what a leaf compares with; None: missing."""


def is_ref(value: Any) -> bool:
    """Tell whether a value is a field of the other entry."""
    return isinstance(value, str) and value.startswith("@")


def negated(part: Holds) -> Holds:
    """Return what holds when this does not."""
    return lambda entry, other=None, derived=None: not part(entry, other, derived)


def leaf_of(path: str, op: Any, value: Any, people: bool) -> Holds:
    """Compile a leaf; `people`: as in `compile_condition`. Raises DefinitionError."""
    if op not in OPS:
        raise DefinitionError(f'{path}: "{op}" is none of {", ".join(OPS)}')
    if isinstance(value, str) and value.startswith("$"):
        raise DefinitionError(f'{path}: "{value}" was never filled in')
    if is_ref(value):
        return _against_other(path, op, value[1:])
    _check_value(path, op, value)
    holds = constant(path, op, value)
    if people and path == "actor.type" and op in ("eq", "in") and "human" in listed(value):
        return _by_person(holds)
    return holds


def _check_value(path: str, op: str, value: Any) -> None:
    """Raise DefinitionError when a literal is not what its op takes."""
    if op in LISTS:
        if not isinstance(value, list | tuple) or not all(_is_scalar(one) for one in value):
            raise DefinitionError(f"{path} {op}: takes a list of strings, numbers or true/false")
        if not value:
            raise DefinitionError(f"{path} {op}: the list is empty")
    elif op in ("exists", "missing"):
        if value is not True:
            raise DefinitionError(f"{path} {op}: takes true; for the contrary write the other op")
    elif op in ORDERED:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise DefinitionError(f"{path} {op}: takes a number or a time")
    elif op in ("prefix", "glob"):
        if not isinstance(value, str):
            raise DefinitionError(f"{path} {op}: takes a string")
    elif op == "same":
        raise DefinitionError(f'{path} same: takes a field of the other entry, such as "@{path}"')
    elif not _is_scalar(value):
        raise DefinitionError(f"{path} {op}: takes a string, a number or true/false")


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float)


def listed(value: Any) -> Sequence[Any]:
    """Return the values of a list, or the one value as a list of its own."""
    return value if isinstance(value, list | tuple) else (value,)


def _by_person(holds: Holds) -> Holds:
    def spoken(entry: Any, other: Any = None, derived: Derived = None) -> bool:
        # What else a list names, such as `service`, needs no person.
        return holds(entry, other, derived) and (
            entry.is_by_person or entry.read("actor.type") != "human"
        )

    return spoken


def constant(path: str, op: str, value: Any) -> Holds:
    """Return the leaf for a literal; each op and type its own closure, as this runs the most."""
    if op == "exists":
        return lambda entry, other=None, derived=None: entry.read(path) is not None
    if op == "missing":
        return lambda entry, other=None, derived=None: entry.read(path) is None
    if op in ("ne", "not_in"):
        return _negated_leaf(path, op, value)
    if op == "eq":
        return _equal(path, value)
    if op == "in":
        return _within(path, value)
    if op in ORDERED:
        return _ordered(path, op, value)
    if op in ("prefix", "glob"):
        return _matching(path, op, value)
    return _of_lists(path, op, value)


def _equal(path: str, value: Any) -> Holds:
    if isinstance(value, str):
        return lambda entry, other=None, derived=None: entry.read(path) == value
    if isinstance(value, bool):
        return lambda entry, other=None, derived=None: entry.read(path) is value
    return lambda entry, other=None, derived=None: equal(entry.read(path), value)


def _negated_leaf(path: str, op: str, value: Any) -> Holds:
    if op == "ne" and isinstance(value, str):
        return lambda entry, other=None, derived=None: entry.read(path) != value
    if op == "ne" and isinstance(value, bool):
        return lambda entry, other=None, derived=None: entry.read(path) is not value
    return negated(_equal(path, value) if op == "ne" else _within(path, value))


def _within(path: str, value: Sequence[Any]) -> Holds:
    if all(isinstance(one, str) for one in value):
        names = frozenset(value)

        def among(entry: Any, other: Any = None, derived: Derived = None) -> bool:
            found = entry.read(path)
            return found.__class__ is str and found in names

        return among
    keys = frozenset(map(_key, value))
    return lambda entry, other=None, derived=None: _key(entry.read(path)) in keys


def _ordered(path: str, op: str, value: Any) -> Holds:
    compare = ORDERED[op]
    if isinstance(value, str):

        def in_time(entry: Any, other: Any = None, derived: Derived = None) -> bool:
            found = entry.read(path)
            return found.__class__ is str and compare(found, value)

        return in_time

    def in_number(entry: Any, other: Any = None, derived: Derived = None) -> bool:
        found = entry.read(path)
        return (found.__class__ is int or found.__class__ is float) and compare(found, value)

    return in_number


def _matching(path: str, op: str, value: str) -> Holds:
    if op == "prefix":

        def begins(entry: Any, other: Any = None, derived: Derived = None) -> bool:
            found = entry.read(path)
            return found.__class__ is str and found.startswith(value)

        return begins
    fullmatch = glob_pattern(value).fullmatch

    def fits(entry: Any, other: Any = None, derived: Derived = None) -> bool:
        found = entry.read(path)
        return found.__class__ is str and fullmatch(found) is not None

    return fits


def glob_pattern(text: str) -> re.Pattern[str]:
    """Return the pattern of a glob: `*` any run of characters, `?` any one, all else itself."""
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in text)
    return re.compile("".join(parts), re.DOTALL)


def _of_lists(path: str, op: str, value: Any) -> Holds:
    wanted = frozenset(map(_key, listed(value)))
    judge = _LISTED[op]

    def holds(entry: Any, other: Any = None, derived: Derived = None) -> bool:
        found = entry.read(path)
        return found.__class__ is list and judge(frozenset(map(_key, found)), wanted)

    return holds


_LISTED: Final[Mapping[str, Callable[[frozenset[Any], frozenset[Any]], bool]]] = {
    "has": lambda found, wanted: not found.isdisjoint(wanted),
    "overlaps": lambda found, wanted: not found.isdisjoint(wanted),
    "subset_of": lambda found, wanted: found <= wanted,
    "superset_of": lambda found, wanted: found >= wanted,
}


def _against_other(path: str, op: str, ref: str) -> Holds:
    """Return the leaf for a field of the other entry, or of what was derived from it."""
    if op in ("exists", "missing", "glob"):
        raise DefinitionError(f'{path} {op}: takes no field of another entry ("@{ref}")')
    value = _reader(ref)
    if op == "same":
        return lambda entry, other=None, derived=None: equal(
            entry.read(path), value(other, derived)
        )
    judge = _PAIRED[op]

    def holds(entry: Any, other: Any = None, derived: Derived = None) -> bool:
        wanted = value(other, derived)
        return wanted is not None and judge(entry.read(path), wanted)

    return holds


def _reader(ref: str) -> _Value:
    if ref.startswith("derived."):
        name = ref.removeprefix("derived.")
        return lambda other, derived: None if derived is None else derived.get(name)
    return lambda other, derived: other.read(ref)


def equal(found: Any, wanted: Any) -> bool:
    """Tell whether two values of JSON are the same, type and value; 1 and 1.0 are."""
    if found.__class__ is str or wanted.__class__ is str or found is None or wanted is None:
        return bool(found == wanted)
    return bool(_key(found) == _key(wanted))


def _key(value: Any) -> Any:
    """Return what stands for a value in sets: equal for equal values of JSON and no others."""
    if value.__class__ is str:
        return value
    if value is True or value is False:
        return (bool, value)
    if isinstance(value, list | dict):
        return (list, json.dumps(value, sort_keys=True))
    return (int, value)


def _both_ordered(compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], bool]:
    def judge(found: Any, wanted: Any) -> bool:
        if found.__class__ is str:
            return wanted.__class__ is str and bool(compare(found, wanted))
        numbers = (int, float)
        return (
            found.__class__ in numbers
            and wanted.__class__ in numbers
            and bool(compare(found, wanted))
        )

    return judge


def _both_listed(op: str) -> Callable[[Any, Any], bool]:
    compare = _LISTED[op]

    def judge(found: Any, wanted: Any) -> bool:
        if found.__class__ is not list or wanted.__class__ is not list:
            return False
        return compare(frozenset(map(_key, found)), frozenset(map(_key, wanted)))

    return judge


def _is_in(found: Any, wanted: Any) -> bool:
    return wanted.__class__ is list and _key(found) in frozenset(map(_key, wanted))


def _has(found: Any, wanted: Any) -> bool:
    return found.__class__ is list and _key(wanted) in frozenset(map(_key, found))


_PAIRED: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "eq": equal,
    "ne": lambda found, wanted: not equal(found, wanted),
    "in": _is_in,
    "not_in": lambda found, wanted: not _is_in(found, wanted),
    "prefix": lambda found, wanted: (
        found.__class__ is str and wanted.__class__ is str and found.startswith(wanted)
    ),
    "has": _has,
    **{op: _both_ordered(compare) for op, compare in ORDERED.items()},
    **{op: _both_listed(op) for op in ("overlaps", "subset_of", "superset_of")},
}

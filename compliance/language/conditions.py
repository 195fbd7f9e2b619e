"""Conditions: `[field, op, value]`, joined by all, any and not; compiled once, asked often. Pure.

What each op means stands in docs/catalogue.md. In short: an absent field, null and [] are missing;
`ne` and `not_in` hold on a missing field, every other op does not; a leaf whose `@path` is missing
holds for `same` alone. Values compare by their JSON type: 1 is not true, "1" is not 1.

Numbers in records are doubles (RFC 8785), so a limit such as 0.1 stands for the nearest double
here. Times compare as text: stored events write every time as UTC with six digits and `Z`, and of
two texts of that form the later time is the greater text.

Whether a field exists at all is fields.py, and who checks that: catalogue.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
_NAMING: Final = frozenset({"eq", "ne", "in", "not_in"})
DEEPEST: Final = 12
"""How far all, any and not may stand in one another."""

Derived: TypeAlias = Mapping[str, Any] | None


class Closed(dict[str, str]):
    """Actions to their categories, and no others: what `Condition.actions` may take for all.

    Who has one action before him asks `condition.actions(Closed({action: category}))` and is told
    exactly whether it can hold, also of `x.vendor.verb`.
    """


class Holds(Protocol):
    """Whether a condition holds of an entry."""

    def __call__(self, entry: Any, other: Any = None, derived: Derived = None) -> bool:
        """Judge; `@path` is read of `other`, `@derived.name` of `derived`."""


_Value: TypeAlias = Callable[[Any, Any], Any]
"""From (other, derived) to what a leaf compares with; None: missing."""


class Condition:
    """A condition that is ready to be asked."""

    __slots__ = (
        "_leaves", "_named", "_only", "_other", "_paths",
        "answers", "holds", "node", "order", "people",
    )  # fmt: skip

    holds: Holds
    """`holds(entry, other=None, derived=None) -> bool`."""
    node: Any
    """What it was made of."""
    people: bool
    """Whether it is a match, see `compile_condition`."""
    order: tuple[str, ...]
    """The paths it reads of the entry, sorted."""
    answers: dict[Any, Condition | None]
    """What is left of it for shapes of entries (kinds/narrowing.py), kept for the next one."""

    def __init__(self, node: Any, *, people: bool = False) -> None:
        """Compile. Raises DefinitionError."""
        self.node = node
        self.people = people
        self.answers = {}
        self.holds = _compiled(node, people, 0)
        self._leaves: dict[int, Holds] = {}
        self._named = tuple(_named(node))
        self._only = _only_actions(node)
        leaves = list(leaves_of(node))
        self._paths = frozenset(leaf[0] for leaf in leaves)
        self.order = tuple(sorted(self._paths))
        refs = {leaf[2][1:] for leaf in leaves if _is_ref(leaf[2])}
        self._other = frozenset(ref for ref in refs if not ref.startswith("derived."))

    def paths(self) -> frozenset[str]:
        """Return the paths it reads of the entry."""
        return self._paths

    def other_paths(self) -> frozenset[str]:
        """Return the paths it reads of the other entry, `@` left out; what is derived is not."""
        return self._other

    def leaf(self, node: Sequence[Any]) -> Holds:
        """Return what one of its leaves says by itself."""
        # By identity: a leaf may hold a list, and is there as long as its condition.
        holds = self._leaves.get(id(node))
        if holds is None:
            holds = self._leaves[id(node)] = _leaf(node[0], node[1], node[2], self.people)
        return holds

    def rules_out(self, action: str, category: str) -> bool:
        """Tell whether it surely holds for no entry of an action and category; False: it may.

        The quick answer, by what it demands of these two in so many words; `actions` knows more.
        """
        for of_action, is_in, values in self._named:
            if ((action if of_action else category) in values) is not is_in:
                return True
        return False

    def actions(self, known: Mapping[str, str]) -> frozenset[str] | None:
        """Return which of these actions (to their categories) it can hold for.

        Told by what it says of action and category alone. None: it can hold for actions that are
        not listed as well; never so when the mapping is Closed.
        """
        if not isinstance(known, Closed) and _can_hold(self.node, _Unlisted(known)) is not False:
            return None
        # Every check is asked about every new action, and most name theirs in so many words.
        if self._only is not None and self._only.isdisjoint(known):
            return _NO_ACTION
        return frozenset(
            action
            for action, category in known.items()
            if not self.rules_out(action, category)
            and _can_hold(self.node, _Listed(action, category)) is not False
        )


def compile_condition(node: Any, *, people: bool = False) -> Condition:
    """Return the condition that a node of YAML says.

    `people`: a match, where `actor.type` human counts only of an entry that came through a person
    (`entry.is_by_person`). Raises DefinitionError with one line that says what is wrong.
    """
    return Condition(node, people=people)


def leaves_of(node: Any) -> Iterator[Sequence[Any]]:
    """Yield the leaves of a sound condition, in their order."""
    if isinstance(node, Mapping):
        for name, part in node.items():
            for one in (part,) if name == "not" else part:
                yield from leaves_of(one)
    else:
        yield node


def _named(node: Any) -> Iterator[tuple[bool, bool, frozenset[Any]]]:
    """Yield what must hold of action (else category): that it is one of these values, or none."""
    if isinstance(node, Mapping):
        for part in node.get("all", ()):
            yield from _named(part)
        return
    path, op, value = node
    if path in ("action", "category") and op in _NAMING and not _is_ref(value):
        yield path == "action", op in ("eq", "in"), frozenset(_listed(value))


_NO_ACTION: Final[frozenset[str]] = frozenset()


def _only_actions(node: Any) -> frozenset[str] | None:
    """Return actions that a condition names, so that it holds for no other; None: it does not."""
    if not isinstance(node, Mapping):
        path, op, value = node
        if path != "action" or op not in ("eq", "in") or _is_ref(value):
            return None
        return frozenset(_listed(value))
    if "not" in node:
        return None
    if "all" in node:
        named = [one for part in node["all"] if (one := _only_actions(part)) is not None]
        return frozenset.intersection(*named) if named else None
    either = [_only_actions(part) for part in node["any"]]
    return None if None in either else frozenset().union(*(one for one in either if one))


def _is_ref(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("@")


# ---------------------------------------------------------------------------- all, any, not


def _shown(node: Any) -> str:
    text = json.dumps(node, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _compiled(node: Any, people: bool, depth: int) -> Holds:
    if depth > DEEPEST:
        raise DefinitionError(f"conditions stand in one another more than {DEEPEST} deep")
    if isinstance(node, Mapping):
        if len(node) != 1 or not node.keys() <= {"all", "any", "not"}:
            raise DefinitionError(
                f"a condition is one of all, any, not or [field, op, value]; found {sorted(node)}"
            )
        ((name, part),) = node.items()
        if name == "not":
            return _negated(_compiled(part, people, depth + 1))
        if not isinstance(part, list | tuple):
            raise DefinitionError(f"{name}: takes a list of conditions")
        parts = tuple(_compiled(one, people, depth + 1) for one in part)
        return _all(parts) if name == "all" else any_of(parts)
    if not isinstance(node, list | tuple) or len(node) != 3 or not isinstance(node[0], str):
        raise DefinitionError(f"{_shown(node)} is no condition; write [field, op, value]")
    return _leaf(node[0], node[1], node[2], people)


def _all(parts: tuple[Holds, ...]) -> Holds:
    if len(parts) == 1:
        return parts[0]
    if len(parts) == 2:
        first, second = parts
        return lambda entry, other=None, derived=None: (
            first(entry, other, derived) and second(entry, other, derived)
        )
    if len(parts) == 3:
        one, two, three = parts
        return lambda entry, other=None, derived=None: (
            one(entry, other, derived)
            and two(entry, other, derived)
            and three(entry, other, derived)
        )

    def every(entry: Any, other: Any = None, derived: Derived = None) -> bool:
        for part in parts:  # noqa: SIM110  (all() with a generator costs twice as much)
            if not part(entry, other, derived):
                return False
        return True

    return every


def any_of(parts: Sequence[Holds]) -> Holds:
    """Return what holds when one of these does."""
    if len(parts) == 1:
        return parts[0]

    def some(entry: Any, other: Any = None, derived: Derived = None) -> bool:
        for part in parts:  # noqa: SIM110
            if part(entry, other, derived):
                return True
        return False

    return some


def _negated(part: Holds) -> Holds:
    return lambda entry, other=None, derived=None: not part(entry, other, derived)


# ---------------------------------------------------------------------------- leaves


def _leaf(path: str, op: Any, value: Any, people: bool) -> Holds:
    if op not in OPS:
        raise DefinitionError(f'{path}: "{op}" is none of {", ".join(OPS)}')
    if isinstance(value, str) and value.startswith("$"):
        raise DefinitionError(f'{path}: "{value}" was never filled in')
    if _is_ref(value):
        return _against_other(path, op, value[1:])
    _check_value(path, op, value)
    holds = _constant(path, op, value)
    if people and path == "actor.type" and op in ("eq", "in") and "human" in _listed(value):
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


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else (value,)


def _by_person(holds: Holds) -> Holds:
    def spoken(entry: Any, other: Any = None, derived: Derived = None) -> bool:
        # What else a list names, such as `service`, needs no person.
        return holds(entry, other, derived) and (
            entry.is_by_person or entry.read("actor.type") != "human"
        )

    return spoken


def _constant(path: str, op: str, value: Any) -> Holds:
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
    return _negated(_equal(path, value) if op == "ne" else _within(path, value))


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
    wanted = frozenset(map(_key, _listed(value)))
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


# ---------------------------------------------------------------------------- which actions


class _Listed:
    """One action that is known, and its category."""

    def __init__(self, action: str, category: str) -> None:
        self._found = {"action": action, "category": category}

    def leaf(self, node: Sequence[Any]) -> bool | None:
        """Judge a leaf on action or category; None: it cannot be told."""
        path, op, value = node
        if path not in self._found or _is_ref(value):
            return None
        # The usual ones at once: every check is asked so about every action.
        if op in ("in", "not_in"):
            return (self._found[path] in value) is (op == "in")
        if op == "eq":
            return bool(self._found[path] == value)
        return _constant(path, op, value)(self)

    def read(self, path: str) -> Any:
        """Return the action or the category."""
        return self._found[path]


class _Unlisted:
    """Any action that is not listed, under any category but audit (`x.vendor.verb`)."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = known

    def leaf(self, node: Sequence[Any]) -> bool | None:
        """Judge a leaf on action or category; None: it holds for some of them."""
        path, op, value = node
        if _is_ref(value):
            return None
        if path == "category" and op in ("eq", "ne", "in", "not_in"):
            told = set(_listed(value)) <= {"audit"}
            return None if not told else op in ("ne", "not_in")
        if path == "action" and op in ("eq", "ne", "in", "not_in"):
            told = all(value in self._known for value in _listed(value))
            return None if not told else op in ("ne", "not_in")
        return (
            {"exists": True, "missing": False}.get(op) if path in ("action", "category") else None
        )


def _can_hold(node: Any, of: _Listed | _Unlisted) -> bool | None:
    """Judge a condition by action and category alone; None: it depends on other fields."""
    if node.__class__ is not dict and not isinstance(node, Mapping):
        return of.leaf(node)
    ((name, part),) = node.items()
    if name == "not":
        inner = _can_hold(part, of)
        return None if inner is None else not inner
    found = [_can_hold(one, of) for one in part]
    return _joined(found, name == "all")


def _joined(found: Iterable[bool | None], is_all: bool) -> bool | None:
    """Join by all (else by any) in the logic of three values."""
    answers = set(found)
    if (not is_all) in answers:
        return not is_all
    return None if None in answers else is_all


ALWAYS: Final = Condition({"all": []})
"""Holds of every entry."""
NEVER: Final = Condition({"any": []})
"""Holds of no entry."""

"""Conditions: `[field, op, value]`, joined by all, any and not; compiled once, asked often. Pure.

What each op means stands in docs/catalogue.md. In short: an absent field, null and [] are missing;
`ne` and `not_in` hold on a missing field, every other op does not; a leaf whose `@path` is missing
holds for `same` alone. Values compare by their JSON type: 1 is not true, "1" is not 1.

What one leaf says of an entry: comparing.py. Whether a field exists at all is fields.py, and who
checks that: catalogue.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from compliance.language.comparing import Derived, Holds, constant, is_ref, leaf_of, listed, negated
from compliance.language.errors import DefinitionError

_NAMING: Final = frozenset({"eq", "ne", "in", "not_in"})
DEEPEST: Final = 12
"""How far all, any and not may stand in one another."""


class Closed(dict[str, str]):
    """Actions to their categories, and no others: what `Condition.actions` may take for all.

    Who has one action before him asks `condition.actions(Closed({action: category}))` and is told
    exactly whether it can hold, also of `x.vendor.verb`.
    """


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
        refs = {leaf[2][1:] for leaf in leaves if is_ref(leaf[2])}
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
            holds = self._leaves[id(node)] = leaf_of(node[0], node[1], node[2], self.people)
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
    if path in ("action", "category") and op in _NAMING and not is_ref(value):
        yield path == "action", op in ("eq", "in"), frozenset(listed(value))


_NO_ACTION: Final[frozenset[str]] = frozenset()


def _only_actions(node: Any) -> frozenset[str] | None:
    """Return actions that a condition names, so that it holds for no other; None: it does not."""
    if not isinstance(node, Mapping):
        path, op, value = node
        if path != "action" or op not in ("eq", "in") or is_ref(value):
            return None
        return frozenset(listed(value))
    if "not" in node:
        return None
    if "all" in node:
        named = [one for part in node["all"] if (one := _only_actions(part)) is not None]
        return frozenset.intersection(*named) if named else None
    either = [_only_actions(part) for part in node["any"]]
    return None if None in either else frozenset().union(*(one for one in either if one))


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
            return negated(_compiled(part, people, depth + 1))
        if not isinstance(part, list | tuple):
            raise DefinitionError(f"{name}: takes a list of conditions")
        parts = tuple(_compiled(one, people, depth + 1) for one in part)
        return _all(parts) if name == "all" else any_of(parts)
    if not isinstance(node, list | tuple) or len(node) != 3 or not isinstance(node[0], str):
        raise DefinitionError(f"{_shown(node)} is no condition; write [field, op, value]")
    return leaf_of(node[0], node[1], node[2], people)


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


# ---------------------------------------------------------------------------- which actions


class _Listed:
    """One action that is known, and its category."""

    def __init__(self, action: str, category: str) -> None:
        self._found = {"action": action, "category": category}

    def leaf(self, node: Sequence[Any]) -> bool | None:
        """Judge a leaf on action or category; None: it cannot be told."""
        path, op, value = node
        if path not in self._found or is_ref(value):
            return None
        # The usual ones at once: every check is asked so about every action.
        if op in ("in", "not_in"):
            return (self._found[path] in value) is (op == "in")
        if op == "eq":
            return bool(self._found[path] == value)
        return constant(path, op, value)(self)

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
        if is_ref(value):
            return None
        if path == "category" and op in ("eq", "ne", "in", "not_in"):
            told = set(listed(value)) <= {"audit"}
            return None if not told else op in ("ne", "not_in")
        if path == "action" and op in ("eq", "ne", "in", "not_in"):
            told = all(value in self._known for value in listed(value))
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

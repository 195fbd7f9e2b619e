"""What is left of a condition once some of an entry's fields are known. Pure.

Entries come in few shapes: the same fields are there, and those that can hold few values hold the
same. Of a shape most of what a check asks is told beforehand, so that the engine (engine.py) asks
it once for the shape and not with every entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from compliance.language.conditions import ALWAYS, Condition, compile_condition
from compliance.language.fields import FIELDS, is_text

_MOST_KEPT: Final = 512
"""Answers that are kept of one condition."""


class Known:
    """What is known of every entry of a group. Conditions may be asked of it as of an entry.

    It remembers which paths it was asked about: what follows from its answers is the same for
    another group of which the same is known there.
    """

    __slots__ = ("_marks", "_there", "_values", "action", "asked", "category", "is_by_person")

    def __init__(self, values: Mapping[str, Any], there: frozenset[str] | None = None) -> None:
        """Take values by path, action and category among them.

        `there`: every path that is not missing; None: that is not known.
        """
        self._values = values
        self._there = there
        self._marks = {path: repr(value) for path, value in values.items()}
        self.asked: set[str] = {"source.scope"}
        """Paths that it was asked about, beside action and category; `is_by_person` is one."""
        self.action: str = values["action"]
        self.category: str = values["category"]
        # As language/reading.py says it of an entry.
        self.is_by_person = values.get("source.scope") == "governance"

    @classmethod
    def of_action(cls, action: str, category: str) -> Known:
        """Know nothing else."""
        return cls({"action": action, "category": category})

    def read(self, path: str) -> Any:
        """Return a value that is told; None when the field is missing."""
        self.asked.add(path)
        return self._values.get(path)

    def tells(self, path: str) -> bool:
        """Tell whether the value is known, or known to be missing."""
        return path in self._values or self.is_missing(path)

    @property
    def is_shape(self) -> bool:
        """Whether it is known which fields are there."""
        return self._there is not None

    def is_there(self, path: str) -> bool:
        """Tell whether the field is known not to be missing."""
        self.asked.add(path)
        return path in self._values or (self._there is not None and path in self._there)

    def is_missing(self, path: str) -> bool:
        """Tell whether the field is known to be missing."""
        self.asked.add(path)
        return self._there is not None and path not in self._there

    def is_text(self, path: str) -> bool:
        """Tell whether text is known to stand there."""
        return self.is_there(path) and is_text(path)

    def tells_person(self) -> bool:
        """Tell whether it is known that the sender may speak for people, or may not."""
        return self.tells("source.scope")

    def mark(self, path: str) -> str:
        """Return what is known of a path: equal when the same is known."""
        self.asked.add(path)
        found = self._marks.get(path)
        if found is not None:
            return found
        if self._there is None:
            return "?"
        return "+" if path in self._there else "-"


def steady_on(known: Known, *asked: Condition | Iterable[str]) -> tuple[str, ...] | None:
    """Return the paths where entries of a shape may differ in what these read, all of them text.

    `asked`: conditions, narrowed to the shape, and paths. None where something else than text may
    differ, or a time: what rests on that is another thing with each entry.
    """
    paths: set[str] = set()
    for each in asked:
        if isinstance(each, Condition):
            paths |= each.paths() | each.other_paths()
        else:
            paths.update(each)
    differing = sorted(path for path in paths if not (known.tells(path) and known.mark(path)))
    if all(known.is_text(path) and FIELDS[path] != "time" for path in differing):
        return tuple(differing)
    return None


def narrowed(condition: Condition, known: Known) -> Condition | None:
    """Return a condition that holds for the entries of a group exactly when the given one does.

    `ALWAYS` itself when it holds for all of them; None when it holds for none.
    """
    if condition is ALWAYS:
        return ALWAYS
    if condition.rules_out(known.action, known.category):
        return None
    # Many shapes differ in nothing that this condition asks.
    key = (known.is_by_person, *map(known.mark, condition.order))
    answers = condition.answers
    if key not in answers:
        if len(answers) >= _MOST_KEPT:
            answers.clear()
        answers[key] = _narrowed(condition, known)
    return answers[key]


def _narrowed(condition: Condition, known: Known) -> Condition | None:
    left = _left(condition.node, known, condition)
    if left is False:
        return None
    return ALWAYS if left is True else compile_condition(left, people=condition.people)


def _left(node: Any, known: Known, of: Condition) -> Any:
    """Return what is left of a node of a condition: another node, True or False."""
    if node.__class__ is not dict and not isinstance(node, Mapping):
        return _left_of_leaf(node, known, of)
    ((name, part),) = node.items()
    if name == "not":
        inner = _left(part, known, of)
        return not inner if isinstance(inner, bool) else {"not": inner}
    ends = name == "any"  # an any is told by one that holds, an all by one that does not
    left = [one for each in part if (one := _left(each, known, of)) is not (not ends)]
    if any(one is ends for one in left):
        return ends
    if not left:
        return not ends
    return left[0] if len(left) == 1 else {name: left}


def _left_of_leaf(node: Any, known: Known, of: Condition) -> Any:
    path, op, value = node
    if isinstance(value, str) and value.startswith("@"):
        return node
    if op in ("exists", "missing") and known.is_there(path):
        return op == "exists"
    if not known.tells(path) or (of.people and path == "actor.type" and not known.tells_person()):
        return node
    return of.leaf(node)(known)

"""Sort entries by their shape, and make something once for each shape. Pure.

Two entries are of one shape when the same fields are there, and those that can hold few values
hold the same: the action, and every field of a closed list of values or of true and false. Agents
send the same few shapes over and over; a million entries have some hundred.

Senders may also send a shape once and never again. So something is made of a shape when it comes
the second time; until then, what is made of its action and category alone serves as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, Final, Generic, TypeAlias, TypeVar

from msgspec.msgpack import encode

from compliance.kinds.base import Entry
from compliance.kinds.narrowing import Known
from compliance.language.fields import FIELDS, VALUES

_OFTEN: Final = 2
_MOST: Final = 4096
"""Shapes that are kept; with more of them, all are found anew."""
_FEW_VALUES: Final = frozenset(
    {"action", "category", *VALUES, *(path for path, shape in FIELDS.items() if shape == "bool")}
)

Made = TypeVar("Made")
_Paths: TypeAlias = tuple[str, ...]


class _Kindred:
    """The shapes in which the same fields are there."""

    __slots__ = ("made", "paths", "seen", "there", "values_of")

    def __init__(self, there: tuple[str, ...]) -> None:
        self.there = frozenset(there)
        self.paths = tuple(path for path in there if path in _FEW_VALUES)
        self.values_of: Callable[[Mapping[str, Any]], tuple[Any, ...]] = itemgetter(*self.paths)
        self.made: dict[bytes, Any] = {}
        self.seen: dict[bytes, int] = {}


class Shapes(Generic[Made]):
    """What is made of each shape."""

    def __init__(self, make: Callable[[Known], Made]) -> None:
        """`make` is asked for each shape, and for each action and category."""
        self._make = make
        self._kindred: dict[tuple[str, ...], _Kindred] = {}
        self._by_action: dict[tuple[str, str], Made] = {}
        self._twins: dict[tuple[str, str], dict[_Paths, dict[_Paths, Made]]] = {}
        """What was made, by action and category, by the paths that were asked about when it was
        made, and by what was known there."""
        self._shapes = 0

    def of(self, entry: Entry) -> Made:
        """Return what was made of the entry's shape, or of its action."""
        fields = entry.fields
        there = tuple(fields)
        kindred = self._kindred.get(there)
        if kindred is None:
            kindred = self._kindred[there] = _Kindred(there)
        values = kindred.values_of(fields)
        # As bytes, since lists are among them, and since 1 and true are equal otherwise.
        key = encode(values)
        made: Made | None = kindred.made.get(key)
        return self._unmade(kindred, key, values, entry) if made is None else made

    def _unmade(self, kindred: _Kindred, key: bytes, values: tuple[Any, ...], entry: Entry) -> Made:
        known = Known(dict(zip(kindred.paths, values, strict=True)), kindred.there)
        twins = self._twins.setdefault((entry.action, entry.category), {})
        made = _twin(twins, known)
        if made is None:
            seen = kindred.seen.get(key, 0) + 1
            if seen < _OFTEN:
                self._count(kindred, key, seen)
                return self._of_action(entry)
            made = self._make(known)
            asked = tuple(sorted(known.asked))
            twins.setdefault(asked, {})[tuple(map(known.mark, asked))] = made
        kindred.made[key] = made
        return made

    def _count(self, kindred: _Kindred, key: bytes, seen: int) -> None:
        """Note how often a shape came, and forget all when there are too many."""
        self._shapes += seen == 1
        kindred.seen[key] = seen
        if self._shapes > _MOST:
            self._kindred.clear()
            self._twins.clear()
            self._shapes = 0

    def _of_action(self, entry: Entry) -> Made:
        key = (entry.action, entry.category)
        if key not in self._by_action:
            if len(self._by_action) >= _MOST:
                self._by_action.clear()
            self._by_action[key] = self._make(Known.of_action(*key))
        return self._by_action[key]


def _twin(twins: Mapping[_Paths, Mapping[_Paths, Made]], known: Known) -> Made | None:
    """Return what was made of a shape that differs in nothing that was asked; None: of none."""
    for asked, by_marks in twins.items():
        made = by_marks.get(tuple(map(known.mark, asked)))
        if made is not None:
            return made
    return None

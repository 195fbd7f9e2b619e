"""Find the entries that a condition ties to a population event, without reading all of them. Pure.

A match such as `[decision.approval_id, eq, "@decision.approval_id"]` ties the entry it looks for,
the candidate, to the event it is about. The condition is written as branches, of which one must
hold; each branch's ties make names of slots, the same from either side: a candidate is kept under
the names of `file_under` and found under those of `look_under`, or the event is kept and the
candidate looks. A shared name says that they may fit; `fits` says whether they do.

Which condition belongs to what is the kinds' part; what a leaf means is language/comparing.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from operator import add, itemgetter
from typing import Any, Final, Literal, Protocol, TypeAlias

import msgspec

from compliance.kinds.base import Entry
from compliance.kinds.narrowing import Known, narrowed
from compliance.language.comparing import Holds
from compliance.language.conditions import ALWAYS, Condition, any_of, compile_condition, leaves_of

Derived = Mapping[str, Any] | None

_MOST_BRANCHES: Final = 64
"""A condition of more branches than this keeps its innermost `any` whole, without ties."""

_ONE: Final = frozenset({"eq", "same"})
_MANY: Final = frozenset({"in", "has", "overlaps", "superset_of", "subset_of"})
_DECIDING: Final = frozenset({"eq", "same", "in", "has", "overlaps"})
"""Ties that hold whenever both sides share a name; of the others a name shows one value only."""

_MOST_NAMES: Final = 16_384
"""Names that are kept of the ties of one shape."""

_encode = msgspec.json.Encoder(order="deterministic").encode


class Readable(Protocol):
    """Anything with fields: an entry, or what was kept of one."""

    def read(self, path: str) -> Any:
        """Return what stands at a dotted path; None when missing."""


Filing: TypeAlias = Callable[[Entry], Sequence[str]]
"""From an entry to the slots under which it is kept, or looks."""


@dataclass(frozen=True, slots=True)
class _Tie:
    """`[field, op, "@path"]`: a field of the candidate and a path of the event."""

    field: str
    op: str
    path: str


@dataclass(slots=True)
class _Group:
    """The branches with the same ties; their names begin alike."""

    prefix: str
    ones: tuple[_Tie, ...]
    many: _Tie | None
    only: _Tie | None
    """The one tie, when there is no other and it is of one value."""
    own: list[Condition] = field(default_factory=list)
    """What each branch says of the candidate alone."""
    is_decided: bool = True
    """Every branch says no more than its ties and what it says of the candidate alone."""


class Join:
    """One condition between a candidate and a population event, and the slots where they meet."""

    def __init__(self, condition_node: Any, *, name: str, derived: bool = False) -> None:
        """Take in a condition; `name` begins its slots' names and must be the kind's only one.

        With `derived`, paths `@derived.…` are read of what the kind derived, too.
        Raises DefinitionError for what is no condition.
        """
        self.name = name
        self.condition = compile_condition(condition_node, people=True)
        self._derived = derived
        self._groups = tuple(_group(condition_node, name))
        self._candidate_paths = self.condition.order
        self._event_paths = tuple(
            sorted(path for path in self.condition.other_paths() if not path.startswith("derived."))
        )
        self.fits = self.condition.holds

    fits: Any
    """`fits(candidate, event, derived=None) -> bool`: whether the whole condition holds."""

    @property
    def is_decided_by_slot(self) -> bool:
        """Whether a candidate fits every event that looks where it is filed."""
        return all(group.is_decided for group in self._groups)

    @property
    def tied_paths(self) -> tuple[str, ...]:
        """Return the paths of an event that say under which names it looks."""
        ties = (tie for group in self._groups for tie in (*group.ones, group.many) if tie)
        return tuple(dict.fromkeys(tie.path for tie in ties))

    @property
    def event_paths(self) -> tuple[str, ...]:
        """Return the paths that are read of an event; what is derived is not among them."""
        return self._event_paths

    def actions(self, known: Mapping[str, str]) -> frozenset[str] | None:
        """Return which of these actions a candidate can have; None: others, too."""
        return self.condition.actions(known)

    def file_under(self, candidate: Readable) -> list[str]:
        """Return the slots of a candidate; none when it cannot fit any event."""
        names: list[str] = []
        for group in self._groups:
            for own in group.own:
                if own.holds(candidate):
                    names += _names(group, candidate.read, by_event=False)
                    break
        return names

    def filing(self, known: Known) -> Filing | None:
        """Return what does as `file_under` for candidates of one shape.

        None: none of them can fit any event.
        """
        found: list[tuple[_Group, Holds | None]] = []
        for group in self._groups:
            if any(tie.op != "same" and known.is_missing(tie.field) for tie in group.ones):
                continue
            if group.many is not None and known.is_missing(group.many.field):
                continue
            own = [left for one in group.own if (left := narrowed(one, known)) is not None]
            if ALWAYS in own:
                found.append((group, None))
            elif own:
                found.append((group, any_of([one.holds for one in own])))
        plain = [group.only.field if group.only and own is None else "" for group, own in found]
        if found and all(map(known.is_text, plain)):
            return _plainly([group.prefix for group, _ in found], plain)
        return _filing(tuple(found)) if found else None

    def look_under(self, event: Readable, derived: Derived = None) -> list[str]:
        """Return the slots of the candidates for an event; none when nothing can fit it."""
        read = event.read if derived is None else _reader(event, derived)
        names: list[str] = []
        for group in self._groups:
            names += _names(group, read, by_event=True)
        return names

    def looking(self, known: Known) -> Filing:
        """Return what does as `look_under` for events of one shape, where nothing is derived."""
        groups = tuple(
            group
            for group in self._groups
            if not any(tie.op != "same" and known.is_missing(tie.path) for tie in group.ones)
            and not (group.many is not None and known.is_missing(group.many.path))
        )
        plain = [group.only.path if group.only else "" for group in groups]
        if all(map(known.is_text, plain)):
            return _plainly([group.prefix for group in groups], plain)

        def look_under(event: Entry) -> list[str]:
            names: list[str] = []
            for group in groups:
                names += _names(group, event.read, by_event=True)
            return names

        return look_under

    def kept_fields(self, entry: Entry, side: Literal["candidate", "event"]) -> dict[str, Any]:
        """Return what to keep of an entry so that `Remembered` can stand for it on this side.

        Paths without a value are left out.
        """
        paths = self._candidate_paths if side == "candidate" else self._event_paths
        return kept_fields(entry, paths)


def _plainly(prefixes: Sequence[str], paths: Sequence[str]) -> Filing:
    """Return what names the slots of single ties, where text stands at each of their paths."""
    if not paths:
        return lambda _entry: ()
    if len(paths) == 1:
        (begins,), (only,) = [f"{prefix}=" for prefix in prefixes], paths
        return lambda entry: [begins + entry.read(only)]
    ties = [f"{prefix}=" for prefix in prefixes]
    # Few agents, people and keys send most entries of a shape.
    values_of, known = itemgetter(*paths), dict[Any, Sequence[str]]()

    def names(entry: Entry) -> Sequence[str]:
        values = values_of(entry.fields)
        found = known.get(values)
        if found is None:
            if len(known) >= _MOST_NAMES:
                known.clear()
            found = known[values] = tuple(map(add, ties, values))
        return found

    return names


def _filing(groups: tuple[tuple[_Group, Holds | None], ...]) -> Filing:
    def file_under(candidate: Entry) -> list[str]:
        names: list[str] = []
        for group, own in groups:
            if own is None or own(candidate):
                names += _names(group, candidate.read, by_event=False)
        return names

    return file_under


def kept_fields(entry: Entry, paths: Sequence[str]) -> dict[str, Any]:
    """Return these paths of an entry with the plain facts of every entry, as plain JSON."""
    read = entry.read
    kept: dict[str, Any] = {}
    for path in paths:
        value = read(path)
        if value is not None:
            kept[path] = value
    kept["seq"] = entry.seq
    kept["at"] = entry.at
    kept["received"] = entry.received
    kept["category"] = entry.category
    kept["agent"] = entry.agent
    kept["environment"] = entry.environment
    kept["is_backfill"] = entry.is_backfill
    kept["is_by_person"] = entry.is_by_person
    return kept


def reads_event(node: Any) -> bool:
    """Tell whether a condition names a path of the population event."""
    if isinstance(node, Mapping):
        return any(reads_event(part) for part in node.values())
    if _is_leaf(node):
        return isinstance(node[2], str) and node[2].startswith("@")
    return any(reads_event(part) for part in node)


def references(node: Any) -> frozenset[str]:
    """Return the paths of the population event that a condition names, derived ones as well."""
    found = (leaf[2] for leaf in leaves_of(node))
    return frozenset(ref[1:] for ref in found if isinstance(ref, str) and ref.startswith("@"))


def ties_of(node: Any) -> Mapping[str, str]:
    """Return `path of the event: field of the candidate` of what every fit makes equal.

    Empty when the condition can hold in ways that tie different fields.
    """
    groups = list(_group(node, ""))
    return {tie.path: tie.field for tie in groups[0].ones} if len(groups) == 1 else {}


def _group(node: Any, name: str) -> Iterator[_Group]:
    """Yield the groups of a condition's branches, numbered in their order."""
    groups: dict[tuple[_Tie, ...], _Group] = {}
    for branch in _branches(node):
        ties, many = _ties(branch)
        key = (*ties, many) if many else ties
        if key not in groups:
            groups[key] = _Group(
                prefix=f"{name}{len(groups)}:",
                ones=ties,
                many=many,
                only=ties[0] if len(key) == 1 and many is None else None,
            )
        own = [part for part in branch if not reads_event(part)]
        groups[key].own.append(compile_condition({"all": own}, people=True))
        used = [tie for tie in key if tie.op in _DECIDING]
        groups[key].is_decided &= len(used) + len(own) == len(branch)
    yield from groups.values()


def _branches(node: Any) -> list[list[Any]]:
    """Return the ways in which a condition can hold, each a list of parts that must all hold."""
    if _is_leaf(node) or "not" in node:
        return [[node]]
    if "any" in node:
        return [branch for part in node["any"] for branch in _branches(part)]
    parts = [_branches(part) for part in node["all"]]
    many = 1
    for index, part in enumerate(parts):
        if many * len(part) > _MOST_BRANCHES:
            parts[index] = [[node["all"][index]]]
        else:
            many *= len(part)
    return [[leaf for part in chosen for leaf in part] for chosen in product(*parts)]


def _ties(branch: Sequence[Any]) -> tuple[tuple[_Tie, ...], _Tie | None]:
    """Return a branch's ties of one value, and one of many values, the first."""
    ties = [
        _Tie(part[0], part[1], part[2][1:])
        for part in branch
        if _is_leaf(part) and reads_event(part) and part[1] in _ONE | _MANY
    ]
    many = next((tie for tie in ties if tie.op in _MANY), None)
    ones = dict.fromkeys(tie for tie in ties if tie.op in _ONE)
    return tuple(ones), many


def _is_leaf(node: Any) -> bool:
    return isinstance(node, list | tuple) and len(node) == 3 and isinstance(node[1], str)


def _reader(event: Readable, derived: Mapping[str, Any]) -> Any:
    def read(path: str) -> Any:
        if path.startswith("derived."):
            return derived.get(path[len("derived.") :])
        return event.read(path)

    return read


def _names(group: _Group, read: Any, *, by_event: bool) -> list[str]:
    """Return the names that one side's values make; none when a value of a tie is missing.

    `prefix=text` for a single tie of a text, else the prefix and a JSON array.
    """
    if group.only is not None:
        value = read(group.only.path if by_event else group.only.field)
        if value.__class__ is str:
            return [f"{group.prefix}={value}"]
        if value is None and group.only.op != "same":
            return []
    values: list[Any] = []
    for tie in group.ones:
        value = read(tie.path if by_event else tie.field)
        if value is None and tie.op != "same":
            return []
        values.append(int(value) if value.__class__ is float and value.is_integer() else value)
    tie_of_many = group.many
    if tie_of_many is None:
        return [group.prefix + _encode(values).decode()]
    found = read(tie_of_many.path if by_event else tie_of_many.field)
    if found is None:
        return []
    if found.__class__ is list and len(found) == 1 and found[0].__class__ is str:
        return [group.prefix + _encode([*values, found[0]]).decode()]
    texts = sorted({_encode([*values, _plain(one)]).decode() for one in _listed(found)})
    # The larger side holds every value of the smaller: one of the smaller's is where they meet.
    smaller = "superset_of" if by_event else "subset_of"
    if tie_of_many.op == smaller:
        del texts[1:]
    return [group.prefix + text for text in texts]


def _plain(value: Any) -> Any:
    """Return a value so that equal ones are written alike: 1.0 as 1."""
    return int(value) if value.__class__ is float and value.is_integer() else value


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else [value]

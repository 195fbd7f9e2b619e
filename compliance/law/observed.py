"""What is seen of processing activities in the entries: who got data, where, by which model. Pure.

Looks at successful uses of personal data in the period: data.*, llm.*, memory.* and messages sent
that name an activity or whose data classes are personal. Counts distinct values for each activity,
with the first entry that shows each, so memory grows with the variety and never with the number of
entries. What was declared: activities.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from compliance.language.fields import ACTIONS
from compliance.law.told import DEFAULT_ENVIRONMENT, listed, words
from compliance.law.window import Window
from compliance.result import time_text

CATEGORIES: Final = frozenset({"data_access", "llm_call", "memory"})
"""Those whose entries the checks PD-01, PD-05 and PD-11 look at."""
USES: Final = frozenset(
    {action for action, category in ACTIONS.items() if category in CATEGORIES} | {"message.sent"}
)
PERSONAL: Final = frozenset({"pii", "special_category", "phi", "children", "criminal"})
"""The list `personal` as it is shipped."""
_NO_RECIPIENTS: Final = frozenset({"individual", "personal_representative", "public_authority"})
"""Roles of whoever gets data and is no recipient that a record names: the person concerned, and an
authority that makes an inquiry (Art. 4(9))."""

PURPOSE: Final = "purpose"
CLASS: Final = "data"
RECIPIENT: Final = "recipient"
COUNTRY: Final = "country"
MODEL: Final = "model"
NO_ACTIVITY: Final = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """How often something was seen, and the first entry that shows it."""

    entries: int
    seq: int


class Observed:
    """Takes uses of personal data in and counts what is seen of each activity."""

    def __init__(self, window: Window) -> None:
        """Begin without any; look at the whole days of a window."""
        self._environment = window.environment
        # Texts of times sort as times do, and a period is whole days.
        self._start, self._end = time_text(window.start), time_text(window.end)
        self._shapes: dict[_Shape, list[int]] = {}
        self._counts: dict[tuple[str, str], dict[str, list[int]]] = {}
        self._uses: dict[str, list[int]] = {}

    def see(self, seq: int, event: Mapping[str, Any]) -> None:
        """Take one entry of an action of USES in."""
        # Most of a ledger comes by here, so entries are counted by what they say of a use, and
        # read only once for each way to say it.
        if event.get("outcome") != "success":
            return
        occurred, data = event.get("occurred_at"), event.get("data")
        if not isinstance(occurred, str) or not self._start <= occurred < self._end:
            return
        if not isinstance(data, dict):
            return
        if self._environment is not None and _environment(event) != self._environment:
            return
        shape = _shape(event, data)
        known = self._shapes.get(shape)
        if known is None:
            self._shapes[shape] = [1, seq]
        else:
            known[0] += 1
            if seq < known[1]:
                known[1] = seq

    def activities(self) -> dict[str, Seen]:
        """Return the activities that entries named, NO_ACTIVITY for those that named none."""
        self._read()
        return _seen(self._uses)

    def of(self, activity: str, kind: str) -> dict[str, Seen]:
        """Return what was seen of an activity, by value."""
        self._read()
        return _seen(self._counts.get((activity, kind), {}))

    def _read(self) -> None:
        """Count the values of what was taken in since the last time."""
        shapes, self._shapes = self._shapes, {}
        for shape, found in shapes.items():
            activity, classes = words(shape.activity), listed(shape.classes)
            if not activity and PERSONAL.isdisjoint(classes):
                continue
            _count(self._uses, activity, found)
            for kind, value in set(_values(shape, classes)):
                _count(self._counts.setdefault((activity, kind), {}), value, found)


class _Shape(NamedTuple):
    """What one entry says of a use, as it stands there; None for what is no text."""

    activity: str | None
    purpose: str | None
    classes: tuple[str, ...]
    recipient: str | None
    role: str | None
    is_inside: bool
    provider: str | None
    model: str | None
    country: str | None
    mechanism: str | None


def _shape(event: Mapping[str, Any], data: Mapping[str, Any]) -> _Shape:
    classes = data.get("classes")
    model, transfer = event.get("model"), event.get("transfer")
    if not isinstance(model, dict):
        model = _NOTHING
    if not isinstance(transfer, dict):
        transfer = _NOTHING
    return _Shape(
        _text(data.get("processing_activity_id")),
        _text(data.get("purpose")),
        tuple([one for one in classes if isinstance(one, str)])
        if isinstance(classes, list)
        else (),
        _text(data.get("recipient")),
        _text(data.get("recipient_role")),
        data.get("external") is False,
        _text(model.get("provider")),
        _text(model.get("name")),
        _text(transfer.get("to_country")),
        _text(transfer.get("mechanism")),
    )


_NOTHING: Final[Mapping[str, Any]] = {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _values(shape: _Shape, classes: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    purpose, provider = words(shape.purpose), words(shape.provider)
    if purpose:
        yield PURPOSE, purpose
    for one in classes:
        yield CLASS, one
    named = " / ".join(part for part in (provider, words(shape.model)) if part)
    if named:
        yield MODEL, named
    recipient = words(shape.recipient) or provider
    if recipient and not shape.is_inside and shape.role not in _NO_RECIPIENTS:
        yield RECIPIENT, recipient
    country, mechanism = words(shape.country), words(shape.mechanism)
    if country:
        yield COUNTRY, f"{country} ({mechanism})" if mechanism else country


def _environment(event: Mapping[str, Any]) -> str:
    agent = event.get("agent")
    said = agent.get("environment") if isinstance(agent, dict) else None
    return said if isinstance(said, str) and said else DEFAULT_ENVIRONMENT


def _count(counts: dict[str, list[int]], value: str, found: list[int]) -> None:
    known = counts.get(value)
    if known is None:
        counts[value] = list(found)
    else:
        known[0] += found[0]
        known[1] = min(known[1], found[1])


def _seen(counts: Mapping[str, list[int]]) -> dict[str, Seen]:
    return {name: Seen(*found) for name, found in sorted(counts.items())}

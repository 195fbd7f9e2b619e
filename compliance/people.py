"""Read what people decided out of the entries that say it. Pure.

An act is an entry of the platform about a person's decision: a statement signed, a waiver approved,
a scope decided, a nil return signed, a limit changed. Evaluation reads these and nothing else of
what people did, so that whoever has the entries has all of it.

Which of them count, and from when: standing.py. Never writes: the verbs do (statement.py,
waiver.py, scope.py, nil_return.py, limits.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from compliance.definitions import Catalogue
from compliance.kinds.base import DAY_US, Entry
from compliance.lenses import Settings

ACTIONS: Final = frozenset({
    "audit.attestation_signed",
    "audit.config_changed",
    "audit.finding_closed",
    "audit.finding_opened",
    "audit.nil_return_signed",
    "audit.review_completed",
    "audit.scope_decided",
    "audit.waiver_approved",
})  # fmt: skip
"""The actions whose entries are kept as acts."""

STATEMENT: Final = "statement"
"""The id of the leg of a management statement."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Act:
    """One entry about what a person decided."""

    seq: int
    action: str
    at: int
    """Arrival, us: a person cannot back-date it."""
    id: str
    """The event's id."""
    actor: str
    """Who acted; empty when it was no person."""
    reason: str
    target: Mapping[str, Any]
    details: Mapping[str, Any]
    case: Mapping[str, Any] = field(default_factory=dict)

    @property
    def day(self) -> int:
        """Return the UTC day of its arrival."""
        return self.at // DAY_US


def act_of(entry: Entry) -> Act | None:
    """Return the act that an entry records; None when it records none."""
    if entry.action not in ACTIONS or entry.event.get("outcome") != "success":
        return None
    event = entry.event
    actor = event.get("actor") or {}
    is_person = actor.get("type") == "human" and entry.is_by_person
    return Act(
        seq=entry.seq,
        action=entry.action,
        at=entry.received,
        id=str(event.get("id", "")),
        actor=str(actor.get("id", "")) if is_person else "",
        reason=str(event.get("reason") or ""),
        target=event.get("target") or {},
        details=event.get("details") or {},
        case=event.get("case") or {},
    )


def settings_of(acts: Iterable[Act]) -> Settings:
    """Return the limits and lists that people have set, the newest of each."""
    lists: dict[str, tuple[Any, ...]] = {}
    params: dict[tuple[str, str], dict[str, Any]] = {}
    for act in sorted(acts, key=lambda act: act.seq):
        said = act.details
        if act.action != "audit.config_changed" or not act.actor:
            continue
        if said.get("what") == "compliance.list":
            _set(lists, said["name"], _as_tuple(said.get("after")))
        elif said.get("what") == "compliance.parameter":
            key = (said.get("framework") or "", said["check"])
            _set(params.setdefault(key, {}), said["name"], said.get("after"))
    return Settings(lists=lists, params={key: values for key, values in params.items() if values})


def loosened(acts: Iterable[Act], catalogue: Catalogue, framework: str) -> tuple[str, ...]:
    """Return the limits looser than shipped, in words: what, from what to what, and who approved.

    A looser limit needs a second person, so one without is no looser one.
    """
    newest: dict[tuple[str, str, str], Act] = {}
    for act in sorted(acts, key=lambda act: act.seq):
        said = act.details
        is_change = act.action == "audit.config_changed" and act.actor
        if is_change and said.get("what") in ("compliance.parameter", "compliance.list"):
            newest[said.get("framework") or "", said.get("check") or "", said["name"]] = act
    return tuple(
        f"{check or 'list'} {name}: {said.get('before')} → {said.get('after')}, "
        f"approved by {said['approved_by']} (entry {act.seq})"
        for (of, check, name), act in sorted(newest.items())
        if (said := act.details).get("approved_by")
        and said.get("after") is not None
        and of in ("", framework)
        and (not check or check in catalogue.checks)
    )


def _as_tuple(value: Any) -> tuple[Any, ...] | None:
    return None if value is None else tuple(value)


def _set(place: dict[str, Any], name: str, value: Any) -> None:
    """Set what a person set; null gives back what is shipped."""
    if value is None:
        place.pop(name, None)
    else:
        place[name] = value

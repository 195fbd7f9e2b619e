"""Tell a whole ledger's story in real records, and judge it under a small catalogue or ours."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

from audit.ledger.canonical import canonicalise
from audit.ledger.record import GENESIS, format_time, link
from compliance.catalogue import load_catalogue
from compliance.definitions import Catalogue, Check, Control, Framework, Mode, Severity, Source
from compliance.judge import evaluate, needed_lenses
from compliance.memory import Memory
from compliance.people import settings_of
from compliance.result import ControlResult, FrameworkResult, Leg, day_of

BEGAN = datetime(2026, 9, 7, tzinfo=UTC)
"""Midnight of a Monday: the first entry of a story comes then."""
NOWHERE = Source(file="test", line=1)

OF_SYSTEM = {"via": "server", "scope": "server"}
OF_AGENT = {"via": "api", "scope": "events", "key": "agentkey"}
OF_PEOPLE = {"via": "api", "scope": "governance", "key": "peoplekey"}


def at(days: float = 0, *, hours: float = 0, minutes: float = 0) -> datetime:
    """Return a moment after the story began."""
    return BEGAN + timedelta(days=days, hours=hours, minutes=minutes)


class Story:
    """A ledger that is told event by event; arrival is the order."""

    def __init__(self, name: str = "main") -> None:
        self.name = name
        self._events: list[tuple[datetime, tuple[bytes, str, bytes]]] = []

    def tell(
        self,
        action: str,
        when: datetime,
        *,
        category: str,
        received: datetime | None = None,
        source: Mapping[str, Any] = OF_AGENT,
        **fields: Any,
    ) -> str:
        """Tell of an event and return its id; `fields` are members of the event."""
        identity = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.name} {len(self._events)}"))
        event = {
            "id": identity,
            "occurred_at": format_time(when),
            "category": category,
            "action": action,
            "outcome": "success",
            "agent": {"id": "alice-agent"},
            "actor": {"type": "agent", "id": "alice-agent"},
        } | fields
        arrived = received or when
        line = (canonicalise(event), format_time(arrived), canonicalise(dict(source)))
        self._events.append((arrived, line))
        return identity

    def platform(self, action: str, when: datetime, **fields: Any) -> str:
        """Tell of an act of the platform itself."""
        own = {"agent": {"id": "platform"}, "actor": {"type": "system", "id": "platform"}}
        return self.tell(action, when, category="audit", source=OF_SYSTEM, **own | fields)

    def person(self, action: str, when: datetime, *, by: str, **details: Any) -> str:
        """Tell of a person's act in the admin."""
        return self.tell(
            f"audit.{action}",
            when,
            category="audit",
            source=OF_PEOPLE,
            agent={"id": "platform"},
            actor={"type": "human", "id": by},
            details=details,
        )

    def verified(self, days: int) -> None:
        """Let the chain be verified each day, at one in the morning."""
        for day in range(days):
            self.platform("audit.chain_verified", at(day, hours=1))

    def call(
        self, when: datetime, *, outcome: str = "success", agent: str = "alice-agent", **more: Any
    ) -> str:
        """Tell of a tool call."""
        fields: dict[str, Any] = {
            "agent": {"id": agent},
            "actor": {"type": "agent", "id": agent},
            "outcome": outcome,
            "tool": {"name": "search", "risk": "low"},
        }
        return self.tell("tool.invoke", when, category="tool_call", **fields | more)

    def drop(self, is_dropped: Callable[[dict[str, Any]], bool]) -> None:
        """Let events never have been sent."""
        self._events = [
            (when, line) for when, line in self._events if not is_dropped(json.loads(line[0]))
        ]

    def records(self) -> list[tuple[int, bytes, bytes]]:
        """Return `(seq, record, hash)` in the order of arrival."""
        lines = [line for _, line in sorted(self._events, key=lambda one: one[0])]
        return list(link(lines, ledger=self.name, size=0, head=GENESIS))

    def read(self, catalogue: Catalogue, framework: Framework) -> Memory:
        """Return what the lenses of a framework find, under the limits that people have set."""
        acts = Memory([], ledger=self.name)
        for seq, record, entry_hash in self.records():
            acts.read(seq, record, entry_hash)
        lenses = needed_lenses(catalogue, framework, settings_of(acts.acts()))
        memory = Memory(lenses.values(), ledger=self.name)
        for seq, record, entry_hash in self.records():
            memory.read(seq, record, entry_hash)
        return memory

    def judged(
        self, catalogue: Catalogue, framework: Framework, *, days: int, first: int = 0, **asked: Any
    ) -> FrameworkResult:
        """Return what the story says over days of it, counted from its first."""
        memory = self.read(catalogue, framework)
        began = day_of(BEGAN.date())
        return evaluate(
            catalogue,
            framework,
            memory,
            start=began + first,
            end=began + days,
            settings=settings_of(memory.acts()),
            **asked,
        )


def a_check(id_: str, kind: Any = "each", **definition: Any) -> Check:
    """Return a check; `on_empty`, `severity` and `guards` are taken out of the definition."""
    severity: Severity = definition.get("severity", "high")
    given = {"id": id_, "title": id_, "kind": kind, "severity": severity} | definition
    return Check(
        id=id_,
        title=id_,
        kind=kind,
        severity=severity,
        on_empty=definition.get("on_empty", "no_data"),
        definition=given,
        params=definition.get("params", {}),
        guards=tuple(definition.get("guards", ("LOG-01", "LOG-02"))),
        nil_return=definition.get("nil_return", False),
        integrity_gate=definition.get("integrity_gate", False),
        evidence=(),
        law={},
        source=NOWHERE,
    )


def a_framework(*controls: Control, id_: str = "house", **fields: Any) -> Framework:
    """Return a framework of these controls."""
    given: dict[str, Any] = {
        "name": "House rules",
        "authority": "us",
        "version": "1.0",
        "params": {},
        "scope_flags": (),
        "always_flags": (),
        "gate": "",
        "is_custom": True,
    }
    return Framework(id=id_, controls=controls, source=NOWHERE, **given | fields)


def a_control(
    id_: str, *checks: str, weight: Severity = "high", mode: Mode | None = None, **fields: Any
) -> Control:
    """Return a control; with `attest` and without checks it is manual, with both partial."""
    attest = fields.pop("attest", "")
    modes: dict[tuple[bool, bool], Mode] = {(True, True): "partial", (False, True): "manual"}
    given: dict[str, Any] = {
        "title": id_,
        "area": "",
        "check_params": {},
        "check_filter": None,
        "spec": "",
        "flag": "",
        "note": "",
        "cadence_days": 365,
    }
    return Control(
        id=id_,
        checks=checks,
        weight=weight,
        mode=mode or modes.get((bool(checks), bool(attest)), "automated"),
        attest=attest,
        source=NOWHERE,
        **given | fields,
    )


VERIFIED = a_check(
    "LOG-01",
    "cadence",
    match={"all": [["action", "eq", "audit.chain_verified"], ["outcome", "eq", "success"]]},
    every="PT24H",
    on_empty="fail",
    severity="critical",
    integrity_gate=True,
)
WHOLE = a_check(
    "LOG-02",
    "gap",
    population={"all": []},
    key=["ledger"],
    measure="seq",
    max_gap=1,
    count_missing=True,
    clock="received_at",
    severity="critical",
    integrity_gate=True,
)
TOOL_CALLS: Mapping[str, Any] = {"all": [["action", "eq", "tool.invoke"]]}
WENT_WELL: Mapping[str, Any] = {"all": [["outcome", "eq", "success"]]}


def a_catalogue(*checks: Check, framework: Framework) -> Catalogue:
    """Return a catalogue of the two gates, these checks and one framework."""
    every = {check.id: check for check in (VERIFIED, WHOLE, *checks)}
    return Catalogue(
        version="1",
        checks=every,
        lists={},
        frameworks={framework.id: framework},
        default_guards=("LOG-01", "LOG-02"),
        digest="0" * 64,
    )


@cache
def ours() -> Catalogue:
    """Return the catalogue that is shipped."""
    return load_catalogue()


def leg_of(result: FrameworkResult, control: str, leg: str) -> Leg:
    """Return one leg of a result."""
    (found,) = [each for each in control_of(result, control).legs if each.id == leg]
    return found


def control_of(result: FrameworkResult, control: str) -> ControlResult:
    """Return one control of a result."""
    (found,) = [each for each in result.controls if each.id == control]
    return found


def dates(first: int, last: int) -> Sequence[str]:
    """Return the dates of two days of a story, as acts write them."""
    began: date = BEGAN.date()
    return [(began + timedelta(days=day)).isoformat() for day in (first, last)]

"""What the API says of scores: the shapes of its answers, as the OpenAPI document shows them.

The numbers are texts with one decimal, rounded down (`49.0`), and exact fractions beside them where
a whole result is given; null where none is issued. Used by compliance.api alone; reads nothing.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from ninja import Schema
from pydantic import Field

from compliance.definitions import Kind, Mode, OnEmpty, Severity
from compliance.gather import Hash, Seq
from compliance.kinds.base import ItemState
from compliance.result import Band, State

SnapshotKind = Literal["posture", "period"]
Number = Annotated[str, Field(pattern=r"^(\d{1,2}|100)\.\d$", examples=["49.0"])]
"""0.0 to 100.0, rounded down."""
Fraction = Annotated[str, Field(pattern=r"^\d+(/\d+)?$", examples=["149/3"])]
Time = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")]


class CappedBy(Schema):
    """One leg that keeps the score down, whatever else is well."""

    control: str
    leg: str = Field(description="A check's id, or `statement`.")
    state: State
    cap: int


class ScoreItem(Schema):
    """The newest posture of a framework: the last 30 days, as they were sealed."""

    framework: str
    name: str
    ledger: str
    snapshot: UUID | None = Field(description="Read it whole under /snapshots; null before it is.")
    made_at: str | None
    from_: date | None = Field(alias="from", description="First day, UTC.")
    to: date | None = Field(description="The day after the last.")
    head_seq: int | None = Field(description="The newest entry that was read.")
    evidenced: Number | None = Field(description="The score; null when none is issued.")
    tested: Number | None = Field(description="The score of what could be tested alone.")
    coverage: Number | None = Field(description="How much of the framework could be tested.")
    cap: int | None = Field(description="What the score cannot exceed; 100 when nothing caps it.")
    band: Band | None
    capped_by: list[CappedBy]
    reason: str = Field(description="Why there is no score; empty when there is one.")
    not_in_force: str = Field(description="Why the framework does not apply; empty when it does.")
    digest: str | None = Field(description="SHA-256 of the whole result.")


class ScorePage(Schema):
    """The newest posture of each framework."""

    items: list[ScoreItem]
    next: None


class ExactNumbers(Schema):
    """The same numbers before rounding."""

    evidenced: Fraction | None
    tested: Fraction | None
    coverage: Fraction | None
    raw: Fraction | None
    with_exceptions: Fraction | None


class Numbers(Schema):
    """The four numbers, always together: evidenced, tested, coverage, and what caps them."""

    evidenced: Number | None
    tested: Number | None
    coverage: Number | None
    raw: Number | None = Field(description="The score before the cap.")
    with_exceptions: Number | None = Field(description="The score without the waived legs.")
    exact: ExactNumbers
    band: Band | None
    cap: int
    capped_by: list[CappedBy]
    reason: str


class CheckFound(Schema):
    """What a check found in the period."""

    check: str
    lens: str = Field(description="The check with its parameters, lists and filter: 32 hex.")
    state: State
    reason: str
    n: int = Field(description="Items that were decided.")
    f: int = Field(description="Items that failed, without the waived ones.")
    waived: int
    pending: int
    few: int = Field(description="Days of a rate with too few events to judge.")
    carried: int = Field(description="Items that began before the period.")
    restated: int = Field(description="Days that late entries have changed.")
    design_only: bool
    worst_agent: str
    digest: str = Field(description="Of the items' ids and states.")
    open_guards: list[str]


class Leg(Schema):
    """One leg of a control: a check, or a management statement."""

    control: str
    id: str = Field(description="The check's id, or `statement`.")
    severity: Severity
    state: State
    reason: str
    n: int
    f: int
    waived: int
    pending: int
    lens: str
    act_seq: int | None = Field(description="The entry of the person's act that it rests on.")
    shown_only: bool = Field(description="Shown beside what replaces it; it does not count.")


class ControlFound(Schema):
    """A control with its legs."""

    id: str
    title: str
    area: str
    mode: Mode
    weight: Severity
    spec: str
    state: State
    score: Number | None
    exact: Fraction | None
    legs: list[Leg]


class Result(Schema):
    """A framework over a period, as it is sealed: the same entries give the same digest."""

    schema_: str = Field(alias="schema")
    framework: str
    version: str
    ledger: str
    environment: str | None
    agent: str | None
    from_: date = Field(alias="from", description="First day, UTC.")
    to: date = Field(description="The day after the last.")
    observed_from: date = Field(description="The ledger's first day, when it is later than `from`.")
    as_of: Time = Field(description="The end of the period, or the ledger's clock before it.")
    head_seq: int
    head_hash: str
    entries: int
    backfilled: int
    numbers: Numbers
    states: dict[str, int] = Field(description="How many controls are in each state.")
    gate: list[CheckFound] = Field(description="The checks without which no score is issued.")
    controls: list[ControlFound]
    checks: list[CheckFound]
    not_in_force: str
    loosened: list[str] = Field(description="Limits looser than shipped, each with its approver.")
    refused: list[str] = Field(description="Acts of people that count for nothing, and why.")
    hashes: dict[str, str]
    digest: Hash


class FrameworkItem(Schema):
    """A framework in force."""

    id: str
    name: str
    authority: str
    version: str
    controls: int
    modes: dict[str, int] = Field(description="How many controls of each mode.")
    scope_flags: list[str]
    gate: str = Field(description="What must be recorded before it applies; empty: nothing.")
    is_custom: bool


class FrameworkPage(Schema):
    """The frameworks in force."""

    items: list[FrameworkItem]
    next: None
    catalogue: Hash = Field(description="SHA-256 of the catalogue they stand in.")


class ControlItem(Schema):
    """A control as its framework defines it."""

    id: str
    title: str
    area: str
    mode: Mode
    weight: Severity
    spec: str
    flag: str = Field(description="The scope flag it belongs to; empty: always in scope.")
    checks: list[str]
    attest: str = Field(description="What management states for it; empty when nothing.")
    note: str


class ControlPage(Schema):
    """All controls of a framework, in its order."""

    items: list[ControlItem]
    next: None


class CheckItem(Schema):
    """A check in short."""

    id: str
    title: str
    kind: Kind
    severity: Severity
    on_empty: OnEmpty


class CheckPage(Schema):
    """All checks in force, in the catalogue's order."""

    items: list[CheckItem]
    next: None


class Use(Schema):
    """Where a check is used."""

    framework: str
    control: str


class CheckDefinition(CheckItem):
    """A check in words and as data."""

    words: str = Field(description="The definition as a sentence.")
    cannot: str = Field(description="What it cannot show.")
    definition: dict[str, Any] = Field(description="As in the catalogue.")
    params: dict[str, Any]
    law: dict[str, str] = Field(description="Parameters that the law sets, each with its article.")
    guards: list[str]
    nil_return: bool
    integrity_gate: bool
    evidence: list[str] = Field(description="The fields that an auditor looks at.")
    used_by: list[Use]


class FoundItem(Schema):
    """One item that is kept by itself."""

    item: str = Field(description="Its id: the seq of its event, with what tells it apart.")
    state: ItemState
    day: date = Field(description="The UTC day it belongs to.")
    agent: str
    environment: str
    seq: Seq | None = Field(description="The entry it is about; null for a day without one.")
    other_seq: Seq | None = Field(description="The entry that decided it.")
    due: Time | None
    weight: int = Field(description="How many it stands for.")
    why: str
    evidence: dict[str, Any] | None = Field(description="The check's fields as they were read.")
    is_restated: bool = Field(description="An entry that came late changed it.")


class ItemPage(Schema):
    """Some items of a check, by day and id."""

    items: list[FoundItem]
    next: str | None = Field(description="Pass it as `after` for the next page; null on the last.")
    lens: str


class SnapshotItem(Schema):
    """A sealed result in short."""

    id: UUID
    ledger: str
    framework: str
    kind: SnapshotKind
    from_: date = Field(alias="from")
    to: date
    environment: str = Field(description="Empty: all of them.")
    made_at: str
    made_by: str
    head_seq: int
    head_hash: str
    evidenced: Number | None
    tested: Number | None
    coverage: Number | None
    cap: int
    band: Band | None
    digest: Hash
    event_id: UUID = Field(description="Of the entry audit.snapshot_sealed that says so.")
    restates: UUID | None = Field(description="The snapshot of the same period that it replaces.")


class SnapshotPage(Schema):
    """Some sealed results, the newest first."""

    items: list[SnapshotItem]
    next: UUID | None = Field(description="Pass it as `after` for the next page; null on the last.")


class SnapshotWhole(SnapshotItem):
    """A sealed result."""

    result: Result

"""What a report says of itself: its cover, the integrity of the ledger, its scope."""

from __future__ import annotations

from dataclasses import dataclass

from compliance.report_content.names import Family, Text


@dataclass(frozen=True, kw_only=True, slots=True)
class Cover:
    """What the report is of, and what names it."""

    report_id: Text
    """The first 32 hex of the SHA-256 of snapshot id, snapshot digest and schema."""
    framework: Text
    """Its id, such as soc2."""
    framework_name: Text
    framework_version: Text
    family: Family
    ledger: Text
    origin: Text
    """The ledger's origin, which names the organisation for ever."""
    environment: Text
    """Of the agents that count; empty: all."""
    start: Text
    end: Text
    """The day after the last: the period is [start, end), whole UTC days."""
    observed_from: Text
    as_of: Text
    issued_at: Text
    """When the snapshot was sealed."""
    snapshot: Text
    """The id of the sealed snapshot; empty: made of a bundle that holds none of this period."""
    snapshot_digest: Text
    restates: Text
    """The id of the snapshot that this one restates; empty: none."""
    generator: Text
    """`obsplatform 0.1.0`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """One verification of the chain that an entry reports."""

    seq: int
    at: Text
    outcome: Text
    from_seq: int | None
    to_seq: int | None
    note: Text


@dataclass(frozen=True, kw_only=True, slots=True)
class Integrity:
    """What proves that the record is whole."""

    first_seq: int
    """The first entry that is kept: 0, or more after a purge."""
    head_seq: int
    head_hash: Text
    entries: int
    """In the period."""
    backfilled: int
    verifications: int
    """Runs that entries of the period report."""
    verifications_failed: int
    last_verification: Verification | None
    keys: tuple[Text, ...]
    """Verifier keys that entries announce, in the order announced."""
    quarantined: int
    """Events of the period that came to quarantine (audit.event_quarantined)."""
    purged: tuple[tuple[int, Text], ...]
    """`(to_seq, day)` of each purge up to the head."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentLine:
    """One agent as the period shows it."""

    agent: Text
    name: Text
    owner: Text
    environments: tuple[Text, ...]
    versions: tuple[Text, ...]
    is_registered: bool
    entries: int
    first_at: Text
    last_at: Text


@dataclass(frozen=True, kw_only=True, slots=True)
class Counted:
    """A value and how many entries have it."""

    value: Text
    entries: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Vendor:
    """A subservice organisation: approved, reviewed or ended by an entry, or only seen at work."""

    vendor: Text
    service: Text
    state: Text
    """`approved`, `reviewed`, `ended`, or `seen only`."""
    country: Text
    seq: int | None
    """The newest entry about it."""
    seen: int
    """Entries of the period in which it received data or served a model."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScopeDecision:
    """What was taken out of scope, or declared to apply."""

    control: Text
    act: Text
    reason: Text
    asked_by: Text
    approved_by: Text
    expires_on: Text
    seq: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """What agents said of a tool beside what the registry holds."""

    tool: Text
    field: Text
    claimed: Text
    registered: Text
    entries: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """What the report covers, and what it does not."""

    agents: tuple[AgentLine, ...]
    """By id; of the period."""
    environments: tuple[Counted, ...]
    models: tuple[Counted, ...]
    """`provider / name`."""
    tools: tuple[Counted, ...]
    data_classes: tuple[Counted, ...]
    vendors: tuple[Vendor, ...]
    decisions: tuple[ScopeDecision, ...]
    """In force at `as_of`."""
    claims: tuple[Claim, ...]

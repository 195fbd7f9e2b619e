"""What a report says of people's work: findings, waivers, statements, nil returns, acts."""

from __future__ import annotations

from dataclasses import dataclass

from compliance.report_content.names import Text


@dataclass(frozen=True, kw_only=True, slots=True)
class FindingLine:
    """A finding that stood open at some time of the period, by its entries."""

    finding: Text
    control: Text
    check: Text
    item: Text
    title: Text
    severity: Text
    owner: Text
    due: Text
    response: Text
    """Management's note."""
    opened_seq: int
    opened_at: Text
    closed_seq: int | None
    closed_at: Text
    is_overdue: bool
    """Open at `as_of` and past its due date."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WaiverLine:
    """A waiver in force at some time of the period."""

    waiver: Text
    control: Text
    check: Text
    items: tuple[Text, ...]
    """Empty: the whole leg."""
    reason: Text
    risk: Text
    compensating: Text
    asked_by: Text
    approved_by: Text
    starts_on: Text
    expires_on: Text
    revoked_at: Text
    seq: int


@dataclass(frozen=True, kw_only=True, slots=True)
class StatementLine:
    """A management statement signed for this framework and not withdrawn at `as_of`."""

    statement: Text
    control: Text
    text: Text
    role: Text
    prepared_by: Text
    signed_by: Text
    signed_at: Text
    effective_from: Text
    effective_to: Text
    expires_on: Text
    file_name: Text
    file_sha256: Text
    is_reasoning: bool
    """HIPAA: why an addressable specification is met in another way."""
    counts: bool
    """Whether it is in force for the period; an expired one is listed and counts for nothing."""
    seq: int


@dataclass(frozen=True, kw_only=True, slots=True)
class NilReturnLine:
    """A person's signed word that nothing of a kind happened."""

    check: Text
    starts_on: Text
    ends_on: Text
    text: Text
    signed_by: Text
    signed_at: Text
    seq: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Act:
    """One entry that a section lists: a change, an access to the log, a subsequent event."""

    seq: int
    at: Text
    action: Text
    actor: Text
    outcome: Text
    about: Text
    """One line: what it was about."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """The first rows of what may be long."""

    total: int
    listed: tuple[Act, ...]

"""A whole report, and its bytes."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import msgspec

from compliance.report_content.cover import Cover, Integrity, Scope
from compliance.report_content.law import Law
from compliance.report_content.names import SCHEMA, Text
from compliance.report_content.people import (
    FindingLine,
    Listing,
    NilReturnLine,
    StatementLine,
    WaiverLine,
)
from compliance.report_content.population import Population, SampleLine
from compliance.report_content.results import CheckText, Earlier, Exceptions, Pending, TrendPoint
from compliance.result import canonical


@dataclass(frozen=True, kw_only=True, slots=True)
class Annex:
    """A file that belongs to the report."""

    name: Text
    rows: int
    sha256: Text


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportContent:
    """A whole report."""

    schema: Text
    cover: Cover
    integrity: Integrity
    scope: Scope
    result: dict[str, Any]
    """The sealed result, as `result.as_json` gives it: the four numbers, controls, legs, hashes."""
    checks: tuple[CheckText, ...]
    """Every lens of `result.checks`, in its order."""
    owners: tuple[tuple[Text, Text], ...]
    """`(control, owner)` where a statement or finding names one; by control."""
    trend: tuple[TrendPoint, ...]
    """Sealed postures whose last day lies in the period or in the 90 days before, by day."""
    earlier: Earlier
    exceptions: tuple[Exceptions, ...]
    """Of each lens with a failing or waived item, by check and lens."""
    pending: Pending
    findings: tuple[FindingLine, ...]
    waivers: tuple[WaiverLine, ...]
    statements: tuple[StatementLine, ...]
    nil_returns: tuple[NilReturnLine, ...]
    looser: tuple[Text, ...]
    """Limits looser than shipped, each with its approver."""
    changes: Listing
    """Changes of systems and of controls in the period."""
    subsequent: Listing
    """What happened after the period, up to the head, and bears on it."""
    log_access: Listing
    """Who viewed or exported the log in the period."""
    population: Population
    samples: tuple[SampleLine, ...]
    law: Law
    annexes: tuple[Annex, ...]


def content_bytes(content: ReportContent) -> bytes:
    """Return the content as canonical JSON: what is stored, hashed and given as format `json`."""
    return canonical(msgspec.to_builtins(content))


def parse_content(raw: bytes) -> ReportContent:
    """Return what `content_bytes` wrote. Raises msgspec.ValidationError for anything else."""
    return msgspec.json.decode(raw, type=ReportContent)


def content_digest(raw: bytes) -> str:
    """Return the SHA-256 of a content's bytes, 64 hex: what a report shows as its content hash."""
    return sha256(raw).hexdigest()


def report_id(snapshot: str, digest: str) -> str:
    """Return what names a report: 32 hex, the same wherever it is made."""
    return sha256(canonical([SCHEMA, snapshot, digest])).hexdigest()[:32]

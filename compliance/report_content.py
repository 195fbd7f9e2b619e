"""What a report says, whatever form it takes: the one tree that every renderer reads. Pure.

Made once from a sealed snapshot and the entries up to its head (report_build.py), stored as
canonical JSON, and rendered from there: the same snapshot gives the same content, the same content
the same bytes. Whoever has an evidence bundle makes the same tree of it. So nothing here depends on
the clock, on the machine, or on the order in which rows came: times are the entries' own, the time
of issue is that of the snapshot's entry, lists have an order that is said.

Numbers of a score are text as `result.shown` writes them; there is no fractional number in the
tree. Times are `2026-10-04T00:00:00.000000Z`, days `2026-10-04`, hashes hex. What may be long is a
`Listing`: the first rows and how many there are in all; the whole list is then in the annex that it
names, never cut in silence.

Who fills it: report_build.py and its neighbours. Who reads it: compliance/renderers/.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Literal, TypeAlias

import msgspec

from compliance.result import canonical

SCHEMA: Final = "obs-report/1"
LISTED: Final = 100
"""Rows of a listing that stand in the tree; more are in its annex."""
ITEMS: Final = "items.csv"
"""The annex with every failing, waived and pending item, one a row."""

Family: TypeAlias = Literal["soc2", "hipaa", "gdpr", "other"]
"""Which sections a report has; a customer's own framework is `other`."""
Text: TypeAlias = str


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


@dataclass(frozen=True, kw_only=True, slots=True)
class TrendPoint:
    """A sealed posture of the framework."""

    day: Text
    evidenced: Text | None
    tested: Text | None
    coverage: Text | None
    cap: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Earlier:
    """The period of the same length before this one, computed from the same entries."""

    start: Text
    end: Text
    evidenced: Text | None
    tested: Text | None
    coverage: Text | None
    cap: int
    band: Text | None
    exceptions: tuple[EarlierException, ...]
    """Legs that failed then, and what became of them."""
    is_observed: bool
    """False: the ledger did not exist yet, so there is nothing to compare with."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EarlierException:
    """A leg that failed in the period before."""

    control: Text
    check: Text
    failed_then: int
    failed_now: int
    state_now: Text


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckText:
    """A check in words, as the catalogue in force defines it."""

    check: Text
    title: Text
    version: Text
    kind: Text
    severity: Text
    population: Text
    """Which entries are looked at, in words."""
    rule: Text
    """What passes, in words."""
    limits: tuple[tuple[Text, Text], ...]
    """Parameters with their values, by name."""
    law_set: tuple[Text, ...]
    """Names of the parameters that a law sets, each with its article: `limit (Art. 33(1))`."""
    proves: Text
    cannot: Text
    """What it does not prove."""
    lens: Text
    strip: Text
    """A letter a day of the period: `p` only passes, `f` a failure, `w` only waived failures,
    `o` something pending and nothing decided, `.` nothing, `-` not observed yet."""
    tested_type: Literal["full population", "reperformed", "inspected"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Deviation:
    """One failing item."""

    item: Text
    day: Text
    seq: int
    """The entry it is about; -1: a day or a bucket, about no single entry."""
    entry_id: Text
    occurred_at: Text
    actor: Text
    agent: Text
    action: Text
    why: Text
    waiver: Text
    """The id of the waiver that covers it; empty: none."""
    finding: Text
    """The id of the finding about it; empty: none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Exceptions:
    """The failing items of one lens."""

    check: Text
    lens: Text
    controls: tuple[Text, ...]
    total: int
    waived: int
    listed: tuple[Deviation, ...]
    """By day and item, the first LISTED; all of them in ITEMS."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PendingItem:
    """An item that is not decided yet."""

    check: Text
    lens: Text
    item: Text
    day: Text
    seq: int
    due: Text
    agent: Text


@dataclass(frozen=True, kw_only=True, slots=True)
class Pending:
    """What is open at `as_of`."""

    total: int
    """As the checks count them together."""
    listed: tuple[PendingItem, ...]
    """By due, check and item, the first LISTED of those that are `kept`."""
    kept: int = 0
    """Those that are items of their own and that no entry up to the head decides; all of them in
    ITEMS. The rest of `total` are days that were not over, or was decided after `as_of`."""


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


@dataclass(frozen=True, kw_only=True, slots=True)
class DayLine:
    """One day of the population."""

    day: Text
    entries: int
    backfilled: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Population:
    """Where the figures come from: completeness and accuracy of the population (IPE)."""

    query: Text
    """The filter of the entries, as the Entries page and the API take it."""
    engine: Text
    """`obsplatform 0.1.0, obs-result/1`."""
    days: tuple[DayLine, ...]
    """Each day of the period, also those without entries."""
    agents: tuple[Counted, ...]
    """The most first; empty value: entries of no agent."""
    agent_days: tuple[tuple[Text, tuple[int, ...]], ...]
    """Entries a day of the eight busiest agents and, under `_other`, of the rest."""
    actions: tuple[Counted, ...]
    late: int
    """Entries of the period's days that arrived more than 24 hours after they happened, backfills
    apart."""
    restated_days: int
    """Days of lenses that late entries changed after they were over."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleItemLine:
    """One drawn item and what a person found."""

    seq: int
    item: Text
    stratum: Text
    entry_id: Text
    entry_hash: Text
    occurred_at: Text
    verdict: Text
    """`no exception`, `exception`, `not available`, or empty."""
    note: Text
    attachment: Text
    """File name and SHA-256 in hex, or empty."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleLine:
    """A work paper: a sample drawn of this snapshot."""

    sample: Text
    control: Text
    check: Text
    lens: Text
    number: Text
    """What the auditor typed after sealing."""
    seed: Text
    """HMAC-SHA-256 in hex; sample.py says of what."""
    population: int
    rule: Text
    """Why so many, in words."""
    drawn_by: Text
    drawn_at: Text
    concluded_by: Text
    conclusion: Text
    items: tuple[SampleItemLine, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class LawTable:
    """A table that a law asks for, made of entries: breaches, requests, disclosures, activities."""

    id: Text
    """`breaches`, `requests`, `activities`, `disclosures`, `decisions`, `dpias`, `reasonings`,
    `retention`, `controllers` …"""
    title: Text
    article: Text
    """What asks for it: `45 CFR 164.528`, `GDPR Art. 33(5)`."""
    intro: Text
    """One or two sentences; says what an empty table means."""
    columns: tuple[Text, ...]
    rows: tuple[tuple[Text, ...], ...]
    """The first LISTED, in an order that `intro` or the columns make plain."""
    total: int
    seqs: tuple[tuple[int, ...], ...]
    """The entries behind each row."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Clock:
    """A deadline that a law or rule sets: a breach, or a data subject's request."""

    kind: Literal["breach", "request"]
    case: Text
    started_at: Text
    due_at: Text
    ended_at: Text
    """Empty: still running at `as_of`."""
    is_late: bool
    label: Text


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """Where declared and observed disagree: an open question that the report lists as a finding."""

    about: Text
    declared: Text
    observed: Text
    entries: int
    seq: int
    """One entry that shows it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Law:
    """What a law asks to be shown beside the controls; empty for frameworks without such."""

    tables: tuple[LawTable, ...] = ()
    clocks: tuple[Clock, ...] = ()
    differences: tuple[Difference, ...] = ()
    statements: tuple[Text, ...] = ()
    """Plain sentences, such as how long entries are kept."""


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

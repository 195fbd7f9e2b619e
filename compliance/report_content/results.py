"""What a report says of results: their trend, checks, exceptions and what is pending."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from compliance.report_content.names import Text


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

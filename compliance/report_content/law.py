"""What a report says that one law asks for: tables, clocks and differences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from compliance.report_content.names import Text


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

"""The record of processing activities (GDPR Art. 30), declared beside observed. Pure.

Declared is the newest processing.activity_registered or _changed of an activity up to `as_of`: the
newest stands for all of it, as the checks PD-05 and PD-12 read it. Observed is what the entries of
the period show (observed.py). What is observed and not declared is a Difference: an open question
to whoever keeps the record, never a verdict.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from compliance.law import observed as seen
from compliance.law import told as words
from compliance.law.observed import Observed, Seen
from compliance.law.told import NOT_RECORDED, Told
from compliance.report_content import LISTED, Difference, LawTable

EEA: Final = frozenset({
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE",
    "IS", "IT", "LI", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK",
})  # fmt: skip
"""The list `eea` as it is shipped: whither data goes without being transferred abroad."""
OVERVIEW_COLUMNS: Final = (
    "Activity", "Our role", "Registered or changed", "High risk", "Entries in the period",
    "Differences",
)  # fmt: skip
DETAIL_COLUMNS: Final = ("What", "Declared", "Observed in the period")
MOST_VALUES: Final = 12
"""Observed values that a cell names; of more, how many more there are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Activity:
    """One activity: as declared, or only seen."""

    id: str
    declared: Told | None
    """None: events name it and nobody registered it."""

    @property
    def is_processors(self) -> bool:
        """Tell whether we process for somebody else, so that Art. 30(2) asks for less."""
        return self.declared is not None and self.declared.text("processing.role") == "processor"


class Register:
    """Takes registrations in and holds the newest of each activity."""

    def __init__(self, *, as_of: int) -> None:
        """Read registrations up to a moment, us."""
        self._as_of = as_of
        self._newest: dict[str, Told] = {}

    def see(self, told: Told) -> None:
        """Take a registration or change in."""
        if told.at > self._as_of:
            return
        named = told.text("data.processing_activity_id")
        activity = named or told.text("target.id") or f"unnamed (entry {told.seq:,})"
        known = self._newest.get(activity)
        if known is None or told.seq > known.seq:
            self._newest[activity] = told

    def activities(self, uses: Iterable[str]) -> list[Activity]:
        """Return every activity that is declared or was seen, by name."""
        names = {name for name in uses if name} | self._newest.keys()
        return [Activity(id=name, declared=self._newest.get(name)) for name in sorted(names)]


def overview(
    activities: list[Activity], observed: Observed, differences: Iterable[Difference]
) -> LawTable:
    """Return the table of all activities."""
    uses = observed.activities()
    found = list(differences)
    return LawTable(
        id="activities",
        title="Record of processing activities",
        article="GDPR Art. 30(1) and (2)",
        intro=(
            "Each activity that is registered or that entries of the period name, by its id. "
            "Contact details and the data protection officer stand in no event; see the "
            "management statements. An empty table: nobody registered an activity."
        ),
        columns=OVERVIEW_COLUMNS,
        rows=tuple(_overview_row(one, uses, found) for one in activities[:LISTED]),
        total=len(activities),
        seqs=tuple(_seqs(one, uses) for one in activities[:LISTED]),
    )


def details(activities: list[Activity], observed: Observed, *, officer: str) -> Iterator[LawTable]:
    """Yield, for each of the first LISTED activities, what is declared beside what was seen."""
    uses = observed.activities()
    for one in activities[:LISTED]:
        fields = _PROCESSORS if one.is_processors else _CONTROLLERS
        rows = tuple(
            (field.title, _declared(one, field), _observed(one, field, observed))
            for field in fields
        )
        officer_row = ("Data protection officer", officer, "")
        yield LawTable(
            id=f"activity:{one.id}",
            title=f"Activity {one.id}",
            article="GDPR Art. 30(2)" if one.is_processors else "GDPR Art. 30(1)",
            intro=_detail_intro(one, uses.get(one.id)),
            columns=DETAIL_COLUMNS,
            rows=(rows[0], officer_row, *rows[1:]),
            total=len(rows) + 1,
            seqs=tuple(_seqs(one, uses) for _ in range(len(rows) + 1)),
        )


def differences(activities: list[Activity], observed: Observed) -> list[Difference]:
    """Return what was observed and is not declared, by activity and kind."""
    found = [one for activity in activities for one in _differences_of(activity, observed)]
    unnamed = observed.activities().get(seen.NO_ACTIVITY)
    if unnamed is not None:
        found.append(
            Difference(
                about="personal data used under no activity",
                declared="every use belongs to an activity of the record",
                observed="entries that name no activity",
                entries=unnamed.entries,
                seq=unnamed.seq,
            )
        )
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class _Field:
    """One thing that the article asks for."""

    title: str
    path: str
    kind: str = ""
    """What is observed of it; empty: nothing can be."""


_CONTROLLER: Final = _Field(title="Controller and contact", path="processing.controller")
_PURPOSES: Final = _Field(title="Purposes", path="processing.purposes", kind=seen.PURPOSE)
_DATA: Final = _Field(
    title="Categories of data", path="processing.data_categories", kind=seen.CLASS
)
_RECIPIENTS: Final = _Field(title="Recipients", path="processing.recipients", kind=seen.RECIPIENT)
_TRANSFERS: Final = _Field(
    title="Third countries and safeguards", path="processing.transfers", kind=seen.COUNTRY
)
_SECURITY: Final = _Field(title="Security measures", path="processing.security_measures")
_MODELS: Final = _Field(title="Models used", path="", kind=seen.MODEL)

_CONTROLLERS: Final = (
    _CONTROLLER,
    _PURPOSES,
    _Field(title="Categories of persons", path="processing.subject_categories"),
    _DATA,
    _RECIPIENTS,
    _TRANSFERS,
    _Field(title="Erasure, time limit", path="processing.retention"),
    _SECURITY,
    _MODELS,
)
_PROCESSORS: Final = (_CONTROLLER, _PURPOSES, _DATA, _RECIPIENTS, _TRANSFERS, _SECURITY, _MODELS)


def _overview_row(
    activity: Activity, uses: Mapping[str, Seen], found: list[Difference]
) -> tuple[str, ...]:
    told = activity.declared
    used = uses.get(activity.id)
    many = sum(one.about == _about(activity, kind) for one in found for kind in _ABOUT)
    entries = f"{used.entries:,}" if used else "0"
    if told is None:
        return (activity.id, NOT_RECORDED, "not registered", NOT_RECORDED, entries, f"{many:,}")
    return (
        activity.id,
        words.or_not_recorded(told.text("processing.role")),
        words.claimed(told),
        words.or_not_recorded(told.text("processing.high_risk")),
        entries,
        f"{many:,}",
    )


def _detail_intro(activity: Activity, used: Seen | None) -> str:
    told = activity.declared
    declared = (
        "Entries name it; nobody registered it."
        if told is None
        else f"Declared by {words.or_not_recorded(told.actor)}, {words.claimed(told)}, "
        f"entry {told.seq:,}."
    )
    count = used.entries if used else 0
    uses = "1 entry of the period names it." if count == 1 else (
        f"{count:,} entries of the period name it."
    )  # fmt: skip
    return f"{declared} {uses}"


def _declared(activity: Activity, field: _Field) -> str:
    if not field.path:
        return "the article does not ask for them"
    if activity.declared is None:
        return "not registered"
    return words.joined(activity.declared.texts(field.path))


def _observed(activity: Activity, field: _Field, observed: Observed) -> str:
    if not field.kind:
        return ""
    found = sorted(
        observed.of(activity.id, field.kind).items(), key=lambda one: (-one[1].entries, one[0])
    )
    named = [f"{value}: {one.entries:,}" for value, one in found[:MOST_VALUES]]
    if len(found) > MOST_VALUES:
        named.append(f"and {len(found) - MOST_VALUES:,} more")
    return words.joined(named, empty="none seen", between="; ")


def _seqs(activity: Activity, uses: Mapping[str, Seen]) -> tuple[int, ...]:
    used = uses.get(activity.id)
    told = activity.declared
    return tuple(
        sorted({*(() if told is None else (told.seq,)), *(() if used is None else (used.seq,))})
    )


_ABOUT: Final = (seen.PURPOSE, seen.CLASS, seen.RECIPIENT, seen.COUNTRY, "")


def _about(activity: Activity, kind: str) -> str:
    return f"{activity.id}: {kind}" if kind else activity.id


def _differences_of(activity: Activity, observed: Observed) -> Iterator[Difference]:
    if activity.declared is None:
        used = observed.activities()[activity.id]
        yield Difference(
            about=_about(activity, ""),
            declared="not registered",
            observed="used by agents",
            entries=used.entries,
            seq=used.seq,
        )
        return
    for field in (_PURPOSES, _DATA, _RECIPIENTS, _TRANSFERS):
        declared = activity.declared.texts(field.path)
        is_declared = _is_named if field.kind == seen.COUNTRY else _is_listed
        for value, one in observed.of(activity.id, field.kind).items():
            if not is_declared(value, declared):
                yield Difference(
                    about=_about(activity, field.kind),
                    declared=words.joined(declared),
                    observed=value,
                    entries=one.entries,
                    seq=one.seq,
                )


_IsDeclared = Callable[[str, tuple[str, ...]], bool]


def _is_listed(value: str, declared: tuple[str, ...]) -> bool:
    return value.casefold() in {one.casefold() for one in declared}


def _is_named(value: str, declared: tuple[str, ...]) -> bool:
    """Tell whether a country's code stands in the declared words; within the EEA none must."""
    country = value.partition(" ")[0]
    if country in EEA:
        return True
    return any(re.search(rf"\b{re.escape(country)}\b", one) for one in declared)

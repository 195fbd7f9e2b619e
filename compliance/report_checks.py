"""Put every check of a result into words, with its limits and its days. Pure.

The words come from the definition of the lens itself, every name filled in, so that a report says
what was run. Results: the result. Items: report_found.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Literal

from compliance.controls_table import cannot_of
from compliance.definitions import Check, Kind, Lens
from compliance.report_content import CheckText
from compliance.report_reading import Reading
from compliance.report_strips import derived_days, seen_days, strip_of, told_days
from compliance.report_waived import LensLegs
from compliance.wording import in_words, population_in_words, value_in_words

Way = Literal["full population", "reperformed", "inspected"]
Counted = tuple[int, int, int]
"""Of a day: what passed, failed and was begun."""

DERIVED: Final = frozenset[Kind]({"cadence", "rate", "fact"})
"""Kinds that decide when they are read, so that no row holds their days."""
WAYS: Final[Mapping[Kind, Way]] = {
    "each": "full population",
    "prior": "full population",
    "followup": "full population",
    "forbid": "full population",
    "burst": "full population",
    "gap": "reperformed",
    "rate": "reperformed",
    "cadence": "inspected",
    "fact": "inspected",
}
"""How a kind tests: every item is judged by itself; or a count or a share is made again from the
entries; or it is looked whether something is there, in time and in force."""


def check_texts(reading: Reading, legs: Mapping[str, LensLegs]) -> tuple[CheckText, ...]:
    """Return every lens of the result in words, in its order; `legs` by lens."""
    rows = reading.rows.days(
        [each for each, lens in reading.lenses.items() if lens.kind not in DERIVED], reading.span
    )
    counted = {
        lens: {day: (one.passed, one.failed, one.opened) for day, one in days.items()}
        for lens, days in rows.items()
    }
    found = []
    for result in reading.result.checks:
        lens = reading.lenses[result.lens]
        days = _derived(reading, lens) if lens.kind in DERIVED else counted[lens.id]
        if lens.kind == "forbid":
            days = _violated(reading, lens, days)
        waived = _waived(reading, lens, legs[lens.id])
        strip = strip_of(lens.kind, reading.span, days, waived)
        found.append(_text(reading, lens, strip))
    return tuple(found)


def _derived(reading: Reading, lens: Lens) -> Mapping[int, Counted]:
    # Only a cadence needs a day to have been watched: a rate and a fact are told by history too.
    days = seen_days if lens.kind == "cadence" else told_days
    view = reading.rows.source.view(lens, reading.span)
    return derived_days(lens, view, days(reading.span))


def _violated(reading: Reading, lens: Lens, opened: Mapping[int, Counted]) -> Mapping[int, Counted]:
    """Return the days of a forbid with its violations: rows count what it opened alone."""
    failed: Counter[int] = Counter()
    for item in reading.rows.failing(lens, reading.span):
        failed[item.day] += item.weight
    nothing = (0, 0, 0)
    return {
        day: (opened.get(day, nothing)[0], failed[day], opened.get(day, nothing)[2])
        for day in opened.keys() | failed.keys()
    }


def _text(reading: Reading, lens: Lens, strip: str) -> CheckText:
    check = reading.catalogue.checks[lens.check]
    run = as_run(check, lens)
    return CheckText(
        check=check.id,
        title=check.title,
        version=reading.catalogue.version,
        kind=check.kind,
        severity=check.severity,
        population=population_in_words(run, reading.catalogue),
        rule=in_words(run, reading.catalogue),
        limits=limits_of(lens),
        law_set=tuple(f"{name} ({article})" for name, article in sorted(check.law.items())),
        proves=check.title,
        cannot=cannot_of(check),
        lens=lens.id,
        strip=strip,
        tested_type=WAYS[check.kind],
    )


def as_run(check: Check, lens: Lens) -> Check:
    """Return a check as a lens runs it: its parameters, lists and filter filled in."""
    params = lens.definition.get("params") or {}
    return replace(check, definition={**check.definition, **lens.definition}, params=params)


def limits_of(lens: Lens) -> tuple[tuple[str, str], ...]:
    """Return the limits of a lens by name, each with its value in words."""
    limits = dict(lens.definition.get("params") or {}) | dict(
        lens.definition.get("tolerance") or {}
    )
    return tuple((name, value_in_words(value)) for name, value in sorted(limits.items()))


def _waived(reading: Reading, lens: Lens, legs: LensLegs) -> Mapping[int, int]:
    if not legs.has_waivers:
        return {}
    found: Counter[int] = Counter()
    for item in reading.rows.failing(lens, reading.span):
        if legs.waiver_of(item.item):
            found[item.day] += item.weight
    return found

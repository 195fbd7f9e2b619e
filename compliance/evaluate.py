"""Evaluate a framework over a period, from the tallies or from the entries themselves.

Puts together what judge.py needs: the catalogue in force, what people set, and a source of rows.
All ways give the same digest. Sealing what came out: snapshot.py. On a schedule: posture.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from compliance.definitions import Catalogue, Framework
from compliance.gather import Ledger
from compliance.in_force import catalogue_in_force, framework_of
from compliance.judge import Source, evaluate, failing_items, needed_lenses, span_of
from compliance.kinds.base import Item
from compliance.lenses import Settings
from compliance.models import Snapshot
from compliance.people import settings_of
from compliance.result import FrameworkResult, day_of
from compliance.scratch import from_bundle, from_ledger
from compliance.tallied import Tallied, steady


def evaluate_framework(
    ledger: Ledger,
    framework_id: str,
    *,
    start: date,
    end: date,
    environment: str | None = "prod",
    agent: str | None = None,
    from_scratch: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
    on_items: Callable[[str, Sequence[Item]], None] | None = None,
) -> FrameworkResult:
    """Return what a ledger says of a framework over the days [start, end).

    From the tallies as they stood at one moment, or, `from_scratch`, from every entry;
    `on_progress` is then told entries read and entries in all; `on_items` the failing items of each
    failing leg by its lens. Call it outside of a transaction.
    Raises UnknownFramework, ValueError for no period, LensNotTallied while tallies are rebuilt.
    """
    catalogue = catalogue_in_force()
    framework = framework_of(catalogue, framework_id)
    asked = _Asked(catalogue, framework, start, end, environment, agent, on_items)
    if from_scratch:
        return asked.of(from_ledger(ledger, catalogue, on_progress=on_progress))
    with steady():
        return asked.of(Tallied(ledger))


def evaluate_bundle(
    path: Path,
    framework_id: str,
    *,
    start: date,
    end: date,
    environment: str | None = "prod",
    agent: str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    on_items: Callable[[str, Sequence[Item]], None] | None = None,
) -> FrameworkResult:
    """Return what an unfiltered evidence bundle says: the same as its ledger said at its size.

    Raises UnknownFramework, ValueError, and BundleRefused for one that is filtered or broken.
    """
    catalogue = catalogue_in_force()
    framework = framework_of(catalogue, framework_id)
    asked = _Asked(catalogue, framework, start, end, environment, agent, on_items)
    return asked.of(from_bundle(path, catalogue, on_progress=on_progress))


def latest_posture(ledger: Ledger, framework_id: str) -> Snapshot | None:
    """Return the newest sealed posture of a framework; None before the first."""
    return Snapshot.objects.postures(ledger, framework_id).first()


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is to be evaluated, whatever the rows come from."""

    catalogue: Catalogue
    framework: Framework
    start: date
    end: date
    environment: str | None
    agent: str | None
    on_items: Callable[[str, Sequence[Item]], None] | None

    def of(self, source: Source) -> FrameworkResult:
        settings = settings_of(source.acts())
        result = evaluate(
            self.catalogue,
            self.framework,
            source,
            start=day_of(self.start),
            end=day_of(self.end),
            settings=settings,
            environment=self.environment,
            agent=self.agent,
        )
        if self.on_items is not None:
            self._tell_items(source, result, settings, self.on_items)
        return result

    def _tell_items(
        self,
        source: Source,
        result: FrameworkResult,
        settings: Settings,
        tell: Callable[[str, Sequence[Item]], None],
    ) -> None:
        span = span_of(
            source.span_facts(),
            start=result.start,
            end=result.end,
            environment=self.environment,
            agent=self.agent,
        )
        lenses = needed_lenses(self.catalogue, self.framework, settings)
        legs = [leg for control in result.controls for leg in control.legs]
        for lens_id in sorted({leg.lens for leg in legs if leg.state == "fail" and leg.lens}):
            lens = lenses[lens_id]
            tell(lens_id, failing_items(lens, source.view(lens, span)))

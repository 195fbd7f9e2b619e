"""Draft what a report says, before its result is sealed: each part of it, from one reading.

Parts: report_people.py, report_checks.py, report_found.py, report_facts.py, law/. Where the rows
come from, and what becomes of a draft: report_build.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from django.conf import settings

from compliance.definitions import Catalogue, Framework
from compliance.judge import evaluate, needed_lenses, span_of
from compliance.kinds.base import DAY_US
from compliance.law import actions_of, law_facts
from compliance.people import settings_of
from compliance.report_checks import check_texts
from compliance.report_content import (
    SCHEMA,
    Cover,
    Earlier,
    EarlierException,
    Family,
    ReportContent,
)
from compliance.report_evidence import Evidence
from compliance.report_facts import FACTS, facts_of, integrity, look, population, scope, trend
from compliance.report_found import list_items
from compliance.report_people import decisions, findings, nil_returns, owners, statements, waivers
from compliance.report_reading import Reading, Rows
from compliance.report_waived import finding_by_item, legs_by_lens
from compliance.result import FrameworkResult, day_text, shown, time_text
from compliance.standing import standing

LAWS: Final[dict[str, Family]] = {"soc2": "soc2", "hipaa": "hipaa", "gdpr": "gdpr"}
"""Frameworks that have sections of their own."""


class NothingToReport(ValueError):
    """There is nothing that a report could be of. The message is one line with the way out."""


class Told(Protocol):
    """Is told the stage in words, and how much of it is done."""

    def __call__(self, stage: str, done: int, total: int, /) -> None:
        """Take it in; may raise to stop the work."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What is to be built, whatever the rows come from."""

    catalogue: Catalogue
    framework: Framework
    start: int
    end: int
    environment: str | None
    folder: Path
    tell: Told


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """All that a report says, before its result is sealed."""

    result: FrameworkResult
    content: ReportContent
    """Its cover and annexes are not final."""


def draft_of(wanted: Wanted, rows: Rows, evidence: Evidence, lines: Path) -> Draft:
    """Return all that a report says of this moment; items go to `lines`, each a line.

    Raises NothingToReport when the period has not begun.
    """
    wanted.tell("evaluating", 0, 0)
    reading = _read(wanted, rows, evidence)
    if reading.span.as_of <= wanted.start * DAY_US:
        raise NothingToReport(
            f"the period begins after the last entry, which came "
            f"{time_text(reading.span.as_of)[:10]}; report it once it has begun"
        )
    generator = f"obsplatform {settings.VERSION}"
    family = LAWS.get(wanted.framework.id, "other")
    wanted.tell("looking through the entries", 0, 0)
    facts = facts_of(reading, evidence.records(FACTS))
    seen, counts = look(reading), evidence.counted(wanted.start, wanted.end)
    wanted.tell("gathering what the law asks for", 0, 0)
    found, signed = findings(reading), statements(reading)
    law = law_facts(
        family,
        evidence.records(actions_of(family)),
        start=wanted.start,
        end=wanted.end,
        as_of=reading.span.as_of,
        acts=reading.acts,
        result=reading.told,
    )
    legs = legs_by_lens(reading)
    with private(lines) as out:
        exceptions, pending = list_items(
            reading,
            legs,
            finding_by_item(found),
            out,
            lambda done, total: wanted.tell("listing items", done, total),
        )
    content = ReportContent(
        schema=SCHEMA,
        cover=_cover(reading, family, generator),
        integrity=integrity(reading, facts),
        scope=scope(facts, seen, counts, decisions(reading)),
        result=reading.told,
        checks=check_texts(reading, legs),
        owners=owners(signed, found),
        trend=trend(reading, facts),
        earlier=_earlier(reading),
        exceptions=exceptions,
        pending=pending,
        findings=found,
        waivers=waivers(reading),
        statements=signed,
        nil_returns=nil_returns(reading),
        looser=reading.result.loosened,
        changes=facts.changes.listing(),
        subsequent=facts.subsequent.listing(),
        log_access=facts.log_access.listing(),
        population=population(reading, counts, generator=generator),
        samples=(),
        law=law,
        annexes=(),
    )
    return Draft(result=reading.result, content=content)


def _read(wanted: Wanted, rows: Rows, evidence: Evidence) -> Reading:
    source = rows.source
    acts, facts = source.acts(), source.span_facts()
    chosen = settings_of(acts)

    def judged(start: int, end: int) -> FrameworkResult:
        return evaluate(
            wanted.catalogue,
            wanted.framework,
            source,
            start=start,
            end=end,
            settings=chosen,
            environment=wanted.environment,
        )

    start, end = wanted.start, wanted.end
    span = span_of(facts, start=start, end=end, environment=wanted.environment, agent=None)
    result = judged(start, end)
    was_there = facts.born is not None and facts.born // DAY_US < start
    needed = needed_lenses(wanted.catalogue, wanted.framework, chosen)
    return Reading(
        catalogue=wanted.catalogue,
        framework=wanted.framework,
        settings=chosen,
        acts=acts,
        stands=standing(acts, framework=wanted.framework.id, as_of=span.as_of),
        span=span,
        result=result,
        earlier=judged(start - (end - start), start) if was_there else None,
        lenses={check.lens: needed[check.lens] for check in result.checks},
        rows=rows,
        evidence=evidence,
    )


def _cover(reading: Reading, family: Family, generator: str) -> Cover:
    """Return the cover of a result that is not sealed."""
    told, framework = reading.told, reading.framework
    return Cover(
        report_id="",
        framework=framework.id,
        framework_name=framework.name,
        framework_version=framework.version,
        family=family,
        ledger=reading.result.ledger,
        origin=reading.evidence.origin,
        environment=reading.result.environment or "",
        start=told["from"],
        end=told["to"],
        observed_from=told["observed_from"],
        as_of=told["as_of"],
        issued_at="",
        snapshot="",
        snapshot_digest=reading.result.digest,
        restates="",
        generator=generator,
    )


def _earlier(reading: Reading) -> Earlier:
    span, then = reading.span, reading.earlier
    start = span.start - (span.end - span.start)
    period = {"start": day_text(start), "end": day_text(span.start)}
    if then is None:
        return Earlier(
            **period,
            evidenced=None,
            tested=None,
            coverage=None,
            cap=100,
            band=None,
            exceptions=(),
            is_observed=False,
        )
    legs_now = {(leg.control, leg.id): leg for one in reading.result.controls for leg in one.legs}
    numbers = then.numbers
    return Earlier(
        **period,
        evidenced=shown(numbers.assured),
        tested=shown(numbers.tested),
        coverage=shown(numbers.coverage),
        cap=numbers.cap,
        band=numbers.band,
        exceptions=tuple(
            EarlierException(
                control=leg.control,
                check=leg.id,
                failed_then=leg.f,
                failed_now=legs_now[leg.control, leg.id].f,
                state_now=legs_now[leg.control, leg.id].state,
            )
            for control in then.controls
            for leg in control.legs
            if leg.state == "fail" and (leg.control, leg.id) in legs_now
        ),
        is_observed=True,
    )


@contextmanager
def private(path: Path) -> Iterator[BinaryIO]:
    """Write a file that its owner alone may read, and have it on disk when the block ends."""
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(number, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())

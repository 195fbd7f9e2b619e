"""A report's content made by hand, to draw pages, files and charts with: each part is filled.

Some of its text is hostile: markup, formulas, quotes, control characters, bidirectional overrides,
names that are long. Nothing that writes a form of a report may be led astray by it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from compliance.report_content import (
    ITEMS,
    SCHEMA,
    AgentLine,
    Annex,
    CheckText,
    Claim,
    Counted,
    Cover,
    DayLine,
    Family,
    Integrity,
    Law,
    Listing,
    Pending,
    ReportContent,
    Scope,
    ScopeDecision,
    TrendPoint,
    Vendor,
    Verification,
    report_id,
)
from compliance.result import FrameworkResult, as_json, day_text, shown
from tests.compliance.report_sample_lists import HOSTILE as HOSTILE
from tests.compliance.report_sample_lists import LONG as LONG
from tests.compliance.report_sample_lists import (
    acts,
    at_hour,
    digest_of,
    earlier,
    exceptions,
    findings,
    law,
    nil_returns,
    pending,
    population,
    samples,
    statements,
    waivers,
)
from tests.compliance.results import a_result, day

SNAPSHOT: Final = "0192e4d0-1111-7abc-8def-000000000001"
NAMES: Final[dict[Family, tuple[str, str]]] = {
    "soc2": ("soc2", "SOC 2 Trust Services Criteria"),
    "hipaa": ("hipaa", "HIPAA Security, Privacy and Breach Rules"),
    "gdpr": ("gdpr", "GDPR"),
    "other": ("own", "Our own rules"),
}


def small_content(family: Family = "soc2") -> ReportContent:
    """Return a content over thirty days in which every part is filled."""
    framework, name = NAMES[family]
    result = a_result(framework=framework)
    return ReportContent(
        schema=SCHEMA,
        cover=_cover(result, name, family),
        integrity=_integrity(result),
        scope=_scope(),
        result=as_json(result),
        checks=_checks(result),
        owners=(("CC1.1", "ana@example.org"), ("CC6.3", f"Ben {HOSTILE}")),
        trend=_trend(),
        earlier=earlier(),
        exceptions=exceptions(result),
        pending=pending(result),
        findings=findings(),
        waivers=waivers(),
        statements=statements(),
        nil_returns=nil_returns(),
        looser=result.loosened,
        changes=Listing(total=812, listed=acts("change.deployed", 100)),
        subsequent=Listing(total=2, listed=acts("incident.detected", 2, first="2026-11-22")),
        log_access=Listing(total=3, listed=acts("audit.log_viewed", 3)),
        population=population(),
        samples=samples(result),
        law=Law() if family in ("soc2", "other") else law(family),
        annexes=(Annex(name=ITEMS, rows=98, sha256=digest_of("items")),),
    )


def without_anything(family: Family = "soc2") -> ReportContent:
    """Return a content of a period in which nothing happened: every list is empty."""
    full = small_content(family)
    empty = Listing(total=0, listed=())
    scope = dict.fromkeys(Scope.__slots__, ())
    days = tuple(DayLine(day=one.day, entries=0, backfilled=0) for one in full.population.days)
    return replace(
        full,
        scope=Scope(**scope),
        integrity=replace(
            full.integrity,
            entries=0,
            backfilled=0,
            verifications=0,
            verifications_failed=0,
            last_verification=None,
            keys=(),
            quarantined=0,
            purged=(),
        ),
        owners=(),
        trend=(),
        earlier=replace(full.earlier, exceptions=(), is_observed=False),
        exceptions=(),
        pending=Pending(total=0, listed=()),
        findings=(),
        waivers=(),
        statements=(),
        nil_returns=(),
        looser=(),
        changes=empty,
        subsequent=empty,
        log_access=empty,
        population=replace(
            full.population,
            days=days,
            agents=(),
            agent_days=(),
            actions=(),
            late=0,
            restated_days=0,
        ),
        samples=(),
        law=Law(),
        annexes=(Annex(name=ITEMS, rows=0, sha256=digest_of("no items")),),
    )


def _cover(result: FrameworkResult, name: str, family: Family) -> Cover:
    told = as_json(result)
    return Cover(
        report_id=report_id(SNAPSHOT, result.digest),
        framework=result.framework,
        framework_name=name,
        framework_version=result.version,
        family=family,
        ledger=result.ledger,
        origin="example.org/audit/main",
        environment="prod",
        start=told["from"],
        end=told["to"],
        observed_from=told["observed_from"],
        as_of=told["as_of"],
        issued_at=at_hour("2026-11-21", 11),
        snapshot=SNAPSHOT,
        snapshot_digest=result.digest,
        restates="0192e4d0-1111-7abc-8def-000000000000",
        generator="obsplatform 0.1.0",
    )


def _integrity(result: FrameworkResult) -> Integrity:
    return Integrity(
        first_seq=120,
        head_seq=result.head_seq,
        head_hash=result.head_hash,
        entries=result.entries,
        backfilled=result.backfilled,
        verifications=23,
        verifications_failed=1,
        last_verification=Verification(
            seq=8990,
            at=at_hour("2026-11-21", 3),
            outcome="success",
            from_seq=120,
            to_seq=8989,
            note="whole",
        ),
        keys=("example.org/audit/main+0a1b2c3d+AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGh",),
        quarantined=4,
        purged=((119, "2026-11-02"),),
    )


def _scope() -> Scope:
    return Scope(
        agents=(
            AgentLine(
                agent="agt_support",
                name=f"Support {HOSTILE}",
                owner="ana@example.org",
                environments=("prod", "staging"),
                versions=("1.4.0", "1.5.0"),
                is_registered=True,
                entries=6_400,
                first_at=at_hour("2026-10-30"),
                last_at=at_hour("2026-11-20"),
            ),
            AgentLine(
                agent=LONG[:128],
                name="",
                owner="",
                environments=("prod",),
                versions=(),
                is_registered=False,
                entries=2_000,
                first_at=at_hour("2026-11-01"),
                last_at=at_hour("2026-11-19"),
            ),
        ),
        environments=(
            Counted(value="prod", entries=8_300),
            Counted(value="staging", entries=100),
        ),
        models=(Counted(value="provider-a / model-1", entries=5_000),),
        tools=(Counted(value="mail.send", entries=900), Counted(value=HOSTILE, entries=1)),
        data_classes=(Counted(value="phi", entries=40), Counted(value="personal", entries=700)),
        vendors=(
            Vendor(
                vendor="Acme Ltd",
                service="payments",
                state="approved",
                country="DE",
                seq=77,
                seen=40,
            ),
            Vendor(
                vendor="provider-a", service="", state="seen only", country="US", seq=None, seen=9
            ),
        ),
        decisions=(
            ScopeDecision(
                control="P1.1",
                act="out",
                reason="no such system",
                asked_by="ana@example.org",
                approved_by="bob@example.org",
                expires_on="2027-01-31",
                seq=33,
            ),
        ),
        claims=(
            Claim(
                tool="mail.send",
                field="tool.side_effect",
                claimed="read",
                registered="write",
                entries=3,
            ),
        ),
    )


def _checks(result: FrameworkResult) -> tuple[CheckText, ...]:
    days = result.end - result.start
    unseen = result.observed_from - result.start
    seen = days - unseen
    return tuple(
        CheckText(
            check=one.check,
            title=f"What {one.check} looks at",
            version="1.0.0",
            kind=("prior", "each", "followup", "rate")[at % 4],
            severity="high",
            population='each entry where action is "tool.called"',
            rule='an earlier "approval.granted" of the same call, by a person',
            limits=(("max_fail_rate", "0"), ("within", "PT72H")),
            law_set=("within (Art. 33(1))",) if at % 3 == 0 else (),
            proves="that each call was approved before it ran",
            cannot=f"whether whoever approved had read it {HOSTILE if at == 0 else ''}".strip(),
            lens=one.lens,
            strip="-" * unseen + ("ppfwo." * days)[:seen],
            tested_type=("reperformed", "full population", "inspected")[at % 3],
        )
        for at, one in enumerate(result.checks)
    )


def _trend() -> tuple[TrendPoint, ...]:
    first = day("2026-10-01")
    return tuple(
        TrendPoint(
            day=day_text(first + at),
            evidenced=None if at in (7, 8) else f"{40 + at}.{at % 10}",
            tested=None if at in (7, 8) else f"{50 + at // 2}.0",
            coverage=None if at in (7, 8) else f"{60 + at // 3}.5",
            cap=49 if at < 30 else 79,
        )
        for at in range(45)
    )


def without_score(family: Family = "soc2") -> ReportContent:
    """Return a content whose gate is shut, so that no score is issued."""
    full = small_content(family)
    result = a_result(framework=full.cover.framework, assured=None)
    assert shown(result.numbers.assured) is None, "the gate is shut"
    return replace(
        full,
        cover=replace(
            full.cover,
            snapshot_digest=result.digest,
            report_id=report_id(SNAPSHOT, result.digest),
        ),
        result=as_json(result),
    )

"""A report's content made by hand, to draw pages, files and charts with: each part is filled.

Some of its text is hostile: markup, formulas, quotes, control characters, bidirectional overrides,
names that are long. Nothing that writes a form of a report may be led astray by it.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any, Final

from compliance.report_content import (
    ITEMS,
    SCHEMA,
    Act,
    AgentLine,
    Annex,
    CheckText,
    Claim,
    Clock,
    Counted,
    Cover,
    DayLine,
    Deviation,
    Difference,
    Earlier,
    EarlierException,
    Exceptions,
    Family,
    FindingLine,
    Integrity,
    Law,
    LawTable,
    Listing,
    NilReturnLine,
    Pending,
    PendingItem,
    Population,
    ReportContent,
    SampleItemLine,
    SampleLine,
    Scope,
    ScopeDecision,
    StatementLine,
    TrendPoint,
    Vendor,
    Verification,
    WaiverLine,
    report_id,
)
from compliance.result import FrameworkResult, as_json, day_text, shown
from tests.compliance.results import a_result, day

HOSTILE: Final = (
    '=HYPERLINK("https://example.org","x") <script>alert(1)</script> #set text(red) \u202e\x07"\''
)
"""Formula, markup of HTML and of typst, a text direction override, a control character, quotes."""
LONG: Final = "a_name_without_any_place_to_break_" * 8
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
        earlier=_earlier(),
        exceptions=_exceptions(result),
        pending=_pending(result),
        findings=_findings(),
        waivers=_waivers(),
        statements=_statements(),
        nil_returns=_nil_returns(),
        looser=result.loosened,
        changes=Listing(total=812, listed=_acts("change.deployed", 100)),
        subsequent=Listing(total=2, listed=_acts("incident.detected", 2, first="2026-11-22")),
        log_access=Listing(total=3, listed=_acts("audit.log_viewed", 3)),
        population=_population(),
        samples=_samples(result),
        law=Law() if family in ("soc2", "other") else _law(family),
        annexes=(Annex(name=ITEMS, rows=98, sha256=_hash("items")),),
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
        annexes=(Annex(name=ITEMS, rows=0, sha256=_hash("no items")),),
    )


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _at(day_: str, hour: int = 9) -> str:
    return f"{day_}T{hour:02}:00:00.000000Z"


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
        issued_at=_at("2026-11-21", 11),
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
            at=_at("2026-11-21", 3),
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
                first_at=_at("2026-10-30"),
                last_at=_at("2026-11-20"),
            ),
            AgentLine(
                agent=LONG[:128],
                name="",
                owner="",
                environments=("prod",),
                versions=(),
                is_registered=False,
                entries=2_000,
                first_at=_at("2026-11-01"),
                last_at=_at("2026-11-19"),
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


def _earlier() -> Earlier:
    return Earlier(
        start="2026-09-23",
        end="2026-10-23",
        evidenced="41.2",
        tested="60.0",
        coverage="72.5",
        cap=49,
        band="weak",
        exceptions=(
            EarlierException(
                control="CC6.3", check="TOOL-01", failed_then=5, failed_now=2, state_now="fail"
            ),
            EarlierException(
                control="CC1.3", check="MON-03", failed_then=1, failed_now=0, state_now="pass"
            ),
        ),
        is_observed=True,
    )


def _exceptions(result: FrameworkResult) -> tuple[Exceptions, ...]:
    return tuple(
        Exceptions(
            check=one.check,
            lens=one.lens,
            controls=tuple(
                control.id
                for control in result.controls
                if any(leg.lens == one.lens for leg in control.legs)
            ),
            total=one.f + one.waived,
            waived=one.waived,
            listed=tuple(_deviation(one.check, at, one.waived) for at in range(one.f + one.waived)),
        )
        for one in result.checks
        if one.f or one.waived
    )


def _deviation(check: str, at: int, waived: int) -> Deviation:
    return Deviation(
        item=str(500 + at),
        day=day_text(day("2026-11-01") + at % 20),
        seq=-1 if at == 3 else 500 + at,
        entry_id="" if at == 3 else f"0192e4d0-2222-7abc-8def-{at:012}",
        occurred_at=_at(day_text(day("2026-11-01") + at % 20)),
        actor="" if at == 3 else "svc-deploy",
        agent="agt_support",
        action="" if at == 3 else "tool.called",
        why=f"no approval before it {HOSTILE}" if at == 0 else "no approval before it",
        waiver="0192e4d0-3333-7abc-8def-000000000001" if at < waived else "",
        finding="0192e4d0-4444-7abc-8def-000000000001" if check == "TOOL-01" else "",
    )


def _pending(result: FrameworkResult) -> Pending:
    lens = next(one.lens for one in result.checks if one.check == "VUL-01")
    return Pending(
        total=2,
        kept=2,
        listed=tuple(
            PendingItem(
                check="VUL-01",
                lens=lens,
                item=str(700 + at),
                day="2026-11-18",
                seq=700 + at,
                due=_at("2026-12-18"),
                agent="agt_support",
            )
            for at in range(2)
        ),
    )


def _findings() -> tuple[FindingLine, ...]:
    given: dict[str, Any] = {
        "control": "CC6.3",
        "check": "TOOL-01",
        "item": "500",
        "title": f"Calls without approval {HOSTILE}",
        "severity": "critical",
        "owner": "ben@example.org",
        "due": "2026-11-15",
        "opened_seq": 612,
        "opened_at": _at("2026-11-03"),
    }
    return (
        FindingLine(
            finding="0192e4d0-4444-7abc-8def-000000000001",
            response="The queue was restarted;\nan alert was added.",
            closed_seq=None,
            closed_at="",
            is_overdue=True,
            **given,
        ),
        FindingLine(
            finding="0192e4d0-4444-7abc-8def-000000000002",
            response="",
            closed_seq=811,
            closed_at=_at("2026-11-10"),
            is_overdue=False,
            **given | {"title": "Late review", "item": "", "severity": "low"},
        ),
    )


def _waivers() -> tuple[WaiverLine, ...]:
    return (
        WaiverLine(
            waiver="0192e4d0-3333-7abc-8def-000000000001",
            control="CC7.2",
            check="MON-04",
            items=("500", "501", "502", "503"),
            reason=f"The monitor was moved {HOSTILE}",
            risk="Four alerts came late.",
            compensating="A person watched the queue.",
            asked_by="ana@example.org",
            approved_by="bob@example.org",
            starts_on="2026-11-01",
            expires_on="2026-12-31",
            revoked_at="",
            seq=40,
        ),
    )


def _statements() -> tuple[StatementLine, ...]:
    given: dict[str, Any] = {
        "control": "CC1.1",
        "role": "Chief Information Security Officer",
        "prepared_by": "ana@example.org",
        "signed_by": "bob@example.org",
        "signed_at": _at("2026-10-31"),
        "effective_from": "2026-01-01",
        "file_name": f"{LONG[:80]}.pdf",
        "file_sha256": _hash("file"),
        "seq": 12,
    }
    return (
        StatementLine(
            statement="0192e4d0-5555-7abc-8def-000000000001",
            text="The code of conduct is read and signed by all staff each year. " * 6,
            effective_to="2026-12-31",
            expires_on="2027-01-31",
            is_reasoning=False,
            counts=True,
            **given,
        ),
        StatementLine(
            statement="0192e4d0-5555-7abc-8def-000000000002",
            text=HOSTILE,
            effective_to="2026-06-30",
            expires_on="2026-06-30",
            is_reasoning=True,
            counts=False,
            **given | {"file_name": "", "file_sha256": "", "seq": 13},
        ),
    )


def _nil_returns() -> tuple[NilReturnLine, ...]:
    return (
        NilReturnLine(
            check="IAM-04",
            starts_on="2026-10-01",
            ends_on="2026-11-22",
            text="No account was shared.",
            signed_by="bob@example.org",
            signed_at=_at("2026-11-21"),
            seq=8_800,
        ),
    )


def _acts(action: str, many: int, *, first: str = "2026-11-01") -> tuple[Act, ...]:
    return tuple(
        Act(
            seq=1_000 + at,
            at=_at(first, at % 24),
            action=action,
            actor="ana@example.org" if at % 2 else "svc-deploy",
            outcome="success" if at % 5 else "failure",
            about=HOSTILE if at == 0 else f"release 1.{at}.0 of support",
        )
        for at in range(many)
    )


def _population() -> Population:
    first = day("2026-10-23")
    counts = [0 if at < 7 else 280 + at * 7 % 90 for at in range(30)]
    days = tuple(
        DayLine(day=day_text(first + at), entries=count, backfilled=40 if 7 <= at < 20 else 0)
        for at, count in enumerate(counts)
    )
    return Population(
        query="ledger=main&occurred_from=2026-10-23&occurred_to=2026-11-22&environment=prod",
        engine="obsplatform 0.1.0, obs-result/1",
        days=days,
        agents=(
            Counted(value="agt_support", entries=6_400),
            Counted(value=LONG[:128], entries=1_900),
            Counted(value="", entries=100),
        ),
        agent_days=(
            ("agt_support", tuple(count * 3 // 4 for count in counts)),
            (LONG[:128], tuple(count - count * 3 // 4 for count in counts)),
            ("_other", tuple(0 for _ in counts)),
        ),
        actions=(
            Counted(value="tool.called", entries=5_000),
            Counted(value="x.acme.did", entries=9),
        ),
        late=12,
        restated_days=2,
    )


def _samples(result: FrameworkResult) -> tuple[SampleLine, ...]:
    lens = next(one.lens for one in result.checks if one.check == "TOOL-01")
    verdicts = ("no exception", "exception", "not available", "")
    return (
        SampleLine(
            sample="0192e4d0-6666-7abc-8def-000000000001",
            control="CC6.3",
            check="TOOL-01",
            lens=lens,
            number="482913",
            seed=_hash("seed"),
            population=4_120,
            rule="more than 250 items: 40, and one more for each agent",
            drawn_by="eve@auditor.example",
            drawn_at=_at("2026-11-21", 12),
            concluded_by="eve@auditor.example",
            conclusion=f"One exception {HOSTILE}",
            items=tuple(
                SampleItemLine(
                    seq=500 + at,
                    item=str(500 + at),
                    stratum="agt_support",
                    entry_id=f"0192e4d0-2222-7abc-8def-{at:012}",
                    entry_hash=_hash(f"entry {at}"),
                    occurred_at=_at("2026-11-05", at),
                    verdict=verdict,
                    note=HOSTILE if at == 1 else "",
                    attachment=f"approval.png {_hash('png')}" if at == 0 else "",
                )
                for at, verdict in enumerate(verdicts)
            ),
        ),
    )


def _law(family: Family) -> Law:
    is_gdpr = family == "gdpr"
    tables = (
        ("activities", "Record of processing activities", "GDPR Art. 30(1)"),
        ("requests", "Requests of data subjects", "GDPR Art. 12(3)"),
        ("breaches", "Personal data breaches", "GDPR Art. 33(5)"),
    )
    hipaa = (
        ("breaches", "Breach log", "45 CFR 164.408"),
        ("disclosures", "Accounting of disclosures", "45 CFR 164.528"),
        ("reasonings", "Addressable specifications", "45 CFR 164.306(d)(3)"),
    )
    return Law(
        tables=tuple(
            LawTable(
                id=id_,
                title=title,
                article=article,
                intro="In order of the ledger. An empty table means that no entry tells of any.",
                columns=("When", "What", "By whom"),
                rows=((_at("2026-11-05"), HOSTILE, "ana@example.org"),) * 3,
                total=3,
                seqs=((801, 802), (803,), (804,)),
            )
            for id_, title, article in (tables if is_gdpr else hipaa)
        ),
        clocks=(
            Clock(
                kind="breach",
                case="brc_1",
                started_at=_at("2026-11-05"),
                due_at=_at("2026-11-08"),
                ended_at=_at("2026-11-07"),
                is_late=False,
                label="authority told within 72 hours",
            ),
            Clock(
                kind="request",
                case=f"dsr_{LONG[:40]}",
                started_at=_at("2026-10-10"),
                due_at=_at("2026-11-10"),
                ended_at="",
                is_late=True,
                label="answered within one month",
            ),
        ),
        differences=(
            Difference(
                about="recipients of customer_support",
                declared="Acme Ltd",
                observed="provider-a",
                entries=9,
                seq=905,
            ),
        ),
        statements=("Entries are kept for six years from the day they were received.",),
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

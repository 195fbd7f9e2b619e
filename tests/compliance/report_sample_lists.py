"""The lists of a report made by hand: exceptions, findings, statements, samples, tables of law.

The whole of it: report_samples.py.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

from compliance.report_content import (
    Act,
    Clock,
    Counted,
    DayLine,
    Deviation,
    Difference,
    Earlier,
    EarlierException,
    Exceptions,
    Family,
    FindingLine,
    Law,
    LawTable,
    NilReturnLine,
    Pending,
    PendingItem,
    Population,
    SampleItemLine,
    SampleLine,
    StatementLine,
    WaiverLine,
)
from compliance.result import FrameworkResult, day_text
from tests.compliance.results import day

HOSTILE: Final = (
    '=HYPERLINK("https://example.org","x") <script>alert(1)</script> #set text(red) \u202e\x07"\''
)
"""Formula, markup of HTML and of typst, a text direction override, a control character, quotes."""
LONG: Final = "a_name_without_any_place_to_break_" * 8


def digest_of(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def at_hour(day_: str, hour: int = 9) -> str:
    return f"{day_}T{hour:02}:00:00.000000Z"


def earlier() -> Earlier:
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


def exceptions(result: FrameworkResult) -> tuple[Exceptions, ...]:
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
        occurred_at=at_hour(day_text(day("2026-11-01") + at % 20)),
        actor="" if at == 3 else "svc-deploy",
        agent="agt_support",
        action="" if at == 3 else "tool.called",
        why=f"no approval before it {HOSTILE}" if at == 0 else "no approval before it",
        waiver="0192e4d0-3333-7abc-8def-000000000001" if at < waived else "",
        finding="0192e4d0-4444-7abc-8def-000000000001" if check == "TOOL-01" else "",
    )


def pending(result: FrameworkResult) -> Pending:
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
                due=at_hour("2026-12-18"),
                agent="agt_support",
            )
            for at in range(2)
        ),
    )


def findings() -> tuple[FindingLine, ...]:
    given: dict[str, Any] = {
        "control": "CC6.3",
        "check": "TOOL-01",
        "item": "500",
        "title": f"Calls without approval {HOSTILE}",
        "severity": "critical",
        "owner": "ben@example.org",
        "due": "2026-11-15",
        "opened_seq": 612,
        "opened_at": at_hour("2026-11-03"),
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
            closed_at=at_hour("2026-11-10"),
            is_overdue=False,
            **given | {"title": "Late review", "item": "", "severity": "low"},
        ),
    )


def waivers() -> tuple[WaiverLine, ...]:
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


def statements() -> tuple[StatementLine, ...]:
    given: dict[str, Any] = {
        "control": "CC1.1",
        "role": "Chief Information Security Officer",
        "prepared_by": "ana@example.org",
        "signed_by": "bob@example.org",
        "signed_at": at_hour("2026-10-31"),
        "effective_from": "2026-01-01",
        "file_name": f"{LONG[:80]}.pdf",
        "file_sha256": digest_of("file"),
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


def nil_returns() -> tuple[NilReturnLine, ...]:
    return (
        NilReturnLine(
            check="IAM-04",
            starts_on="2026-10-01",
            ends_on="2026-11-22",
            text="No account was shared.",
            signed_by="bob@example.org",
            signed_at=at_hour("2026-11-21"),
            seq=8_800,
        ),
    )


def acts(action: str, many: int, *, first: str = "2026-11-01") -> tuple[Act, ...]:
    return tuple(
        Act(
            seq=1_000 + at,
            at=at_hour(first, at % 24),
            action=action,
            actor="ana@example.org" if at % 2 else "svc-deploy",
            outcome="success" if at % 5 else "failure",
            about=HOSTILE if at == 0 else f"release 1.{at}.0 of support",
        )
        for at in range(many)
    )


def population() -> Population:
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


def samples(result: FrameworkResult) -> tuple[SampleLine, ...]:
    lens = next(one.lens for one in result.checks if one.check == "TOOL-01")
    verdicts = ("no exception", "exception", "not available", "")
    return (
        SampleLine(
            sample="0192e4d0-6666-7abc-8def-000000000001",
            control="CC6.3",
            check="TOOL-01",
            lens=lens,
            number="482913",
            seed=digest_of("seed"),
            population=4_120,
            rule="more than 250 items: 40, and one more for each agent",
            drawn_by="eve@auditor.example",
            drawn_at=at_hour("2026-11-21", 12),
            concluded_by="eve@auditor.example",
            conclusion=f"One exception {HOSTILE}",
            items=tuple(
                SampleItemLine(
                    seq=500 + at,
                    item=str(500 + at),
                    stratum="agt_support",
                    entry_id=f"0192e4d0-2222-7abc-8def-{at:012}",
                    entry_hash=digest_of(f"entry {at}"),
                    occurred_at=at_hour("2026-11-05", at),
                    verdict=verdict,
                    note=HOSTILE if at == 1 else "",
                    attachment=f"approval.png {digest_of('png')}" if at == 0 else "",
                )
                for at, verdict in enumerate(verdicts)
            ),
        ),
    )


def law(family: Family) -> Law:
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
                rows=((at_hour("2026-11-05"), HOSTILE, "ana@example.org"),) * 3,
                total=3,
                seqs=((801, 802), (803,), (804,)),
            )
            for id_, title, article in (tables if is_gdpr else hipaa)
        ),
        clocks=(
            Clock(
                kind="breach",
                case="brc_1",
                started_at=at_hour("2026-11-05"),
                due_at=at_hour("2026-11-08"),
                ended_at=at_hour("2026-11-07"),
                is_late=False,
                label="authority told within 72 hours",
            ),
            Clock(
                kind="request",
                case=f"dsr_{LONG[:40]}",
                started_at=at_hour("2026-10-10"),
                due_at=at_hour("2026-11-10"),
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

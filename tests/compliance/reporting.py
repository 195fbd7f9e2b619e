"""Builders for tests of reports: a busy ledger with a key, and a report made from end to end."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from audit.append import append_pending
from audit.ledgers import open_ledger
from audit.models import Ledger
from audit.project import catch_up_all
from audit.receive import receive_own
from audit.seal import seal
from audit.signatures import sign_waiting_texts
from compliance.make_report import make_reports
from compliance.models import Report
from compliance.report import WantedReport, ask_for_report, want_report
from tests.audit.exporting import sealed as signed
from tests.audit.exporting import signing
from tests.conftest import GOVERNANCE, chain, make_event


def days() -> tuple[date, date]:
    """Return the last thirty days, today included."""
    today = datetime.now(UTC).date()
    return today - timedelta(days=29), today + timedelta(days=1)


def moment(minutes: float) -> str:
    """Return the time so many minutes ago."""
    return (datetime.now(UTC) - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def fill(ledger: Ledger) -> Ledger:
    """Put in an approved and an unapproved call and twenty others; sign the head, count it all."""
    approval = {"approval_id": "ok-1", "requested_by": "alice-agent", "expires_at": moment(-60)}
    pay = {"name": "pay", "risk": "high", "arguments_hash": "a" * 64}
    approved = make_event(
        occurred_at=moment(9),
        category="decision",
        action="approval.granted",
        actor={"type": "human", "id": "carol"},
        decision=approval,
        tool=pay,
        target={"type": "tool", "id": "pay"},
        run=None,
    )
    calls = [
        make_event(occurred_at=moment(8 - n), tool=pay, decision=approval | {"approval_id": name})
        for n, name in enumerate(("ok-1", "never-given"))
    ]
    receive_own(ledger, "audit.chain_verified", integrity={"from_seq": 0, "to_seq": 0})
    chain(ledger, [approved], sender=GOVERNANCE)
    chain(ledger, calls)
    signed(ledger, events=20)
    settle(ledger)
    return ledger


def settle(ledger: Ledger) -> None:
    """Chain what waits, sign the head, and let the tallies read it."""
    append_pending(ledger.id)
    seal(ledger)
    catch_up_all(ledger.id)


def wanted(ledger: Ledger, *formats: str, **options: Any) -> WantedReport:
    """Return what is asked for: SOC 2 over the last thirty days unless `options` say otherwise."""
    start, end = days()
    given: dict[str, Any] = {
        "start": start,
        "end": end,
        "formats": formats or ("json",),
        "reason": "October",
    }
    given |= options
    return want_report(ledger, given.pop("framework", "soc2"), **given)


def ask(ledger: Ledger, *formats: str, **options: Any) -> Report:
    """Put a report into the queue."""
    return ask_for_report(wanted(ledger, *formats, **options), via="admin", by="alice")


def finish(ledger: Ledger) -> None:
    """Make what waits, have its manifest signed, and end it."""
    make_reports(ledger.id)
    settle(ledger)
    sign_waiting_texts(open_ledger(ledger.name), signing(ledger))
    make_reports(ledger.id)


def made(ledger: Ledger, *formats: str, **options: Any) -> Report:
    """Return a report that is done."""
    report = ask(ledger, *formats, **options)
    finish(ledger)
    report.refresh_from_db()
    assert report.state == "done", (report.state, report.note)
    return report

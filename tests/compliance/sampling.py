"""Builders for tests of samples: a sealed period with many entries, and a sample drawn of it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from audit.append import append_pending
from audit.models import Ledger
from audit.project import catch_up_all
from audit.seal import seal
from audit.signer import make_key
from compliance.acting import Person
from compliance.draw_sample import ask_sample, draw_samples, legs_of_snapshot
from compliance.evaluate import evaluate_framework
from compliance.models import Sample, Snapshot
from compliance.snapshot import seal_snapshot
from compliance.tally import rebuild_stale
from tests.conftest import chain, make_event

ALICE = Person(id=1, name="alice")
NUMBER = "4711"


def today() -> date:
    """Return the day it is in UTC."""
    return datetime.now(UTC).date()


def moment(minutes: float) -> str:
    """Return the time so many minutes ago."""
    return (datetime.now(UTC) - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def calls(count: int, *, agents: int = 3, **fields: Any) -> list[dict[str, Any]]:
    """Return tool calls of an hour ago; the first agent makes nearly all of them."""
    return [
        make_event(
            occurred_at=moment(60),
            agent={"id": f"agent-{max(0, n - (count - agents))}", "name": "A", "version": "1"},
            **fields,
        )
        for n in range(count)
    ]


def sealed_period(ledger: Ledger, events: int = 300) -> Snapshot:
    """Chain tool calls, sign the head, evaluate the last days, and chain the snapshot's entry."""
    chain(ledger, calls(events))
    make_key(ledger.name, origin=ledger.origin)
    catch_up_all(ledger.id)
    snapshot = unchained_period(ledger)
    append_pending(ledger.id)
    return snapshot


def sealed_again(ledger: Ledger, framework: str) -> Snapshot:
    """Evaluate and seal another framework, its lenses brought up to date, and chain that."""
    rebuild_stale()
    snapshot = unchained_period(ledger, framework)
    append_pending(ledger.id)
    return snapshot


def unchained_period(
    ledger: Ledger, framework: str = "soc2", *, days: tuple[date, date] | None = None
) -> Snapshot:
    """Evaluate and seal the last days, or others; leave the snapshot's entry in the inbox."""
    start, end = days or (today() - timedelta(days=9), today() + timedelta(days=1))
    result = evaluate_framework(ledger, framework, start=start, end=end)
    return seal_snapshot(ledger, result, kind="period", by="alice")


def largest_leg(snapshot: Snapshot) -> tuple[str, str]:
    """Return control and check of the leg with the most items."""
    leg = max(legs_of_snapshot(snapshot), key=lambda leg: leg.n)
    return leg.control, leg.check


def asked(snapshot: Snapshot, number: str = NUMBER) -> Sample:
    """Ask for a sample of the leg with the most items."""
    control, check = largest_leg(snapshot)
    return ask_sample(snapshot, control=control, check=check, number=number, by=ALICE)


def drawn(snapshot: Snapshot, number: str = NUMBER) -> Sample:
    """Ask for a sample, draw it, and chain and sign its entry."""
    sample = asked(snapshot, number)
    assert draw_samples(snapshot.ledger_id) == 1
    append_pending(snapshot.ledger_id)
    seal(snapshot.ledger)
    sample.refresh_from_db()
    assert sample.state == "open", (sample.state, sample.note)
    return sample

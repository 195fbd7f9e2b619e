"""Ledgers to make reports of, and three ways to a content: of tallies, of entries, of a bundle."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from audit.append import append_pending
from audit.ledger.record import format_time
from audit.models import Ledger
from audit.project import catch_up_all
from audit.receive import Sender, receive_own
from audit.seal import seal
from audit.signer import make_key
from compliance.models import Snapshot
from compliance.report_build import Built, build_from_bundle, build_report
from obsplatform.fleet.deliver import deliveries
from obsplatform.fleet.history import history
from tests.conftest import EVENTS, GOVERNANCE, make_event, post
from tests.sizes import size

SESSIONS = "airline_agent_sessions.ndjson.gz"
POST_SIZE = 500
BY = "alice"
PAY = {"name": "pay", "risk": "high", "arguments_hash": "a" * 64}
OWN_FRAMEWORK = """\
schema: obs-framework/1
id: house
name: House rules
authority: us
version: 1.0.0
controls:
  - {id: H1, area: H, title: Approvals, mode: automated, checks: [TOOL-01], weight: critical}
"""


@dataclass(frozen=True, kw_only=True)
class Period:
    """Days [start, end)."""

    start: date
    end: date

    @property
    def days(self) -> dict[str, Any]:
        """Return it as the builders take it."""
        return {"start": self.start, "end": self.end}


def last_days(days: int = 30) -> Period:
    """Return so many days, today the last."""
    today = datetime.now(UTC).date()
    return Period(start=today - timedelta(days=days - 1), end=today + timedelta(days=1))


def loaded(ledger: Ledger, posts: Iterable[tuple[list[Any], Sender]]) -> Ledger:
    """Chain what these POSTs bring, have it verified and sealed, and tallied."""
    receive_own(ledger, "audit.chain_verified", integrity={"from_seq": 0, "to_seq": 0})
    for events, sender in posts:
        refused = [
            each for each in post(ledger, events, sender=sender) if each.status == "rejected"
        ]
        assert not refused, refused
    make_key(ledger.name, origin=ledger.origin)
    append_pending(ledger.id)
    seal(ledger)  # which announces the key
    return settled(ledger)


def settled(ledger: Ledger) -> Ledger:
    """Chain what waits, seal the head, and have the tallies read all of it."""
    append_pending(ledger.id)
    seal(ledger)
    while catch_up_all(ledger.id):
        pass
    return ledger


def a_fleet(ledger: Ledger) -> Ledger:
    """Load the demo fleet's last thirty days as history: all its stories, less ordinary work."""
    now = datetime.now(UTC) - timedelta(minutes=5)
    posts = deliveries(history(now=now, events=size(2_500, 6_000)))
    return loaded(
        ledger,
        (
            (each.events, replace(GOVERNANCE if each.needs_governance else EVENTS, backfill=True))
            for each in posts
        ),
    )


def a_busy_ledger(ledger: Ledger) -> Ledger:
    """Load an approval and two calls, one of them approved."""
    now = datetime.now(UTC)
    approval = make_event(
        occurred_at=format_time(now - timedelta(minutes=9)),
        category="decision",
        action="approval.granted",
        actor={"type": "human", "id": "carol"},
        decision=_decision("ok-1", now),
        tool=PAY,
        target={"type": "tool", "id": "pay"},
        run=None,
    )
    made_calls = calls("ok-1", "never-given", at=now - timedelta(minutes=8))
    return loaded(ledger, (([approval], GOVERNANCE), (made_calls, EVENTS)))


def calls(*approvals: str, at: datetime) -> list[dict[str, Any]]:
    """Return a payment under each of these approvals, a second apart."""
    return [
        make_event(
            occurred_at=format_time(at + timedelta(seconds=number)),
            tool=PAY,
            decision=_decision(approval, at),
        )
        for number, approval in enumerate(approvals)
    ]


def _decision(approval: str, at: datetime) -> dict[str, str]:
    return {
        "approval_id": approval,
        "requested_by": "alice-agent",
        "expires_at": format_time(at + timedelta(hours=1)),
    }


def an_own_framework(folder: Path) -> Path:
    """Write a framework of one control into a new folder and return it."""
    folder.mkdir()
    (folder / "own.yaml").write_text(OWN_FRAMEWORK)
    return folder


def the_sessions(ledger: Ledger) -> Ledger:
    """Load the recorded sessions as history; skips where OBS_SAMPLES names no folder of them."""
    folder = os.environ.get("OBS_SAMPLES")
    if not folder or not (Path(folder) / SESSIONS).exists():
        pytest.skip(f"OBS_SAMPLES names no folder with {SESSIONS}")
    lines = gzip.decompress((Path(folder) / SESSIONS).read_bytes()).splitlines()
    events = [json.loads(line) for line in lines]
    sender = replace(EVENTS, backfill=True)
    return loaded(
        ledger,
        ((events[at : at + POST_SIZE], sender) for at in range(0, len(events), POST_SIZE)),
    )


def of_tallies(ledger: Ledger, framework: str, folder: Path, period: Period) -> Built:
    """Return the report that the tallies give, sealing its result."""
    folder.mkdir()
    return build_report(ledger, framework, **period.days, environment="prod", by=BY, folder=folder)


def of_entries(
    ledger: Ledger, framework: str, folder: Path, period: Period, snapshot: Snapshot
) -> Built:
    """Return the report that the entries up to a snapshot's head give."""
    folder.mkdir()
    return build_report(
        ledger,
        framework,
        **period.days,
        environment="prod",
        by=BY,
        folder=folder,
        snapshot=snapshot,
    )


def of_bundle(path: Path, framework: str, folder: Path, period: Period) -> Built:
    """Return the report that a bundle gives."""
    folder.mkdir()
    return build_from_bundle(path, framework, **period.days, environment="prod", folder=folder)

"""Builders for tests of retention: a ledger of long ago, ready to be pruned, and people who agree.

Nothing is let through: bundles are made and verified, checkpoints signed, people log nothing they
may not. A module that imports `folders` keeps the files of its exports to itself.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import User

from audit.append import append_pending
from audit.database import rows
from audit.ledger.canonical import canonicalise
from audit.models import Entry, Ledger, PurgePlan
from audit.project import catch_up_all, projections
from audit.prune import work_through_plans
from audit.retain import PlanReport, approve_purge, propose_purge
from audit.runs import run_verification
from audit.seal import seal
from audit.signer import keys_path, make_key
from tests.audit.exporting import made
from tests.audit.pruning import person
from tests.conftest import EVENTS, make_event

PSEUDONYMS = tuple(sha256(name.encode()).hexdigest() for name in ("carol", "dave", "erin"))

_PUT = """
INSERT INTO audit_inbox (ledger_id, received_at, count, event_ids, digests, source, events)
VALUES (%s, %s, %s, %s, %s, %s, %s)
RETURNING id
"""


_BACKDATE = """
WITH waiting AS (
    DELETE FROM audit_inbox
    WHERE ledger_id = %s
    RETURNING *
)
INSERT INTO audit_inbox
    (ledger_id, received_at, count, event_ids, digests, source, source_ids, request_id,
     traceparent, events)
SELECT ledger_id, %s, count, event_ids, digests, source, source_ids, request_id, traceparent, events
FROM waiting
ORDER BY id
RETURNING id
"""


def backdate(ledger: Ledger, *, days: int = 400) -> None:
    """Let what waits in the inbox have been received so many days ago."""
    rows(_BACKDATE, (ledger.id, datetime.now(UTC) - timedelta(days=days)))


def seed(ledger: Ledger, count: int, *, days: int = 400, post: int = 5_000) -> None:
    """Chain so many events, received so many days ago, by the shortest true way: inbox rows."""
    moment = datetime.now(UTC) - timedelta(days=days)
    backdate(ledger, days=days)
    for start in range(0, count, post):
        events = list(_events(start, min(post, count - start)))
        rows(
            _PUT,
            (
                ledger.id,
                moment,
                len(events),
                [event_id for event_id, _ in events],
                b"".join(sha256(event).digest() for _, event in events),
                EVENTS.source(),
                b"\n".join(event for _, event in events),
            ),
        )
        append_pending(ledger.id)


def _events(start: int, count: int) -> Iterator[tuple[uuid.UUID, bytes]]:
    """Yield stored events of five agents, three data subjects, a case and two categories."""
    templates = [_template(number) for number in range(15)]
    for number in range(start, start + count):
        event_id = uuid.uuid4()
        yield event_id, templates[number % 15].replace(b"THE-ID", str(event_id).encode())


def _template(number: int) -> bytes:
    event: dict[str, Any] = make_event(
        id="THE-ID",
        agent={"id": f"agent-{number % 5}", "version": f"1.{number % 2}"},
        outcome="error" if number % 7 == 0 else "success",
        occurred_at=f"2025-09-{number + 1:02}T10:00:00.000000Z",
    )
    if number % 3 == 0:
        event |= {
            "category": "data_access",
            "action": "data.read",
            "data": {"classes": ["pii"], "subject_ids": [PSEUDONYMS[number // 3 % 3]]},
        }
    if number == 9:
        event["case"] = {"id": "c-1"}
    return canonicalise(event)


def sealed(ledger: Ledger) -> None:
    """Sign the head with a key of the ledger's own."""
    if not keys_path(ledger.name).exists():
        make_key(ledger.name, origin=ledger.origin)
    assert seal(ledger) is not None


def make_ready(ledger: Ledger) -> Ledger:
    """Do all that must have been done before entries may go: seal, verify, export, project."""
    sealed(ledger)
    made(ledger)
    assert run_verification(ledger, kind="manual").result == "intact"
    while catch_up_all(ledger.id):
        pass
    return ledger


def proposed(ledger: Ledger) -> PurgePlan:
    """Propose a purge and return it once the worker has looked."""
    plan = propose_purge(ledger, reason="a year is over", by="alice")
    work_through_plans(ledger.id)
    return again(plan)


def agreed(plan: PurgePlan, *people: User) -> PurgePlan:
    """Let two people approve, each for themselves."""
    for each in people or (person(), person()):
        plan = approve_purge(plan, user_id=each.pk, by=each.get_username())
    return plan


def purged(ledger: Ledger) -> PurgePlan:
    """Purge what may go, the whole way, and chain what that leaves."""
    plan = agreed(proposed(ledger))
    work_through_plans(ledger.id)
    backdate(ledger)
    append_pending(ledger.id)
    return again(plan)


def again(plan: PurgePlan) -> PurgePlan:
    """Return a plan as it stands now."""
    return PurgePlan.objects.select_related("ledger").get(ledger_id=plan.ledger_id, id=plan.id)


def projected(ledger: Ledger) -> dict[str, list[Any]]:
    """Return every row of every projection, every column."""
    statement = "SELECT to_jsonb(t)::text FROM {} AS t WHERE ledger_id = %s ORDER BY 1"
    return {
        table: rows(statement.format(table), (ledger.id,))
        for projection in projections().values()
        for table in projection.tables
    }


@pytest.fixture(autouse=True)
def folders(settings: Any, tmp_path: Path) -> None:
    settings.EXPORT_DIR = str(tmp_path / "exports")


@pytest.fixture
def old(ledger: Ledger) -> Ledger:
    """Return a ledger of 700 entries of more than a year ago, ready to be pruned."""
    seed(ledger, 700)
    return make_ready(ledger)


def report_of(plan: Any) -> PlanReport:
    report = PlanReport.of(plan)
    assert report is not None
    return report


def why(plan: Any) -> list[tuple[str, int]]:
    return [(each.why, each.seq) for each in report_of(plan).blockers]


def purge_entry(ledger: Ledger) -> dict[str, Any]:
    """Return the event of the newest audit.purged."""
    entry = Entry.objects.filter(ledger=ledger, action="audit.purged").order_by("-seq")[0]
    event: dict[str, Any] = entry.parsed()["event"]
    return event


def standing_hold(owner: psycopg.Connection[Any], ledger: Ledger, kind: str, value: str) -> int:
    ((number,),) = owner.execute(
        "INSERT INTO audit_hold (ledger_id, kind, value, matter, reason, applied_by) "
        "VALUES (%s, %s, %s, 'Doe v. Acme', 'a court asks', 'bob') RETURNING id",
        (ledger.id, kind, value),
    ).fetchall()
    return int(number)

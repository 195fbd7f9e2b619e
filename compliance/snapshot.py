"""Seal a result: a row that holds it whole, and an entry that holds its digests.

The entry `audit.snapshot_sealed` says what was read and what came out: framework, period, head,
hashes of catalogue, limits, lists and acts, each lens' counts and item digest, the numbers, and the
digest of the result. Whoever has the entries computes the same result and compares. Row and entry
are committed together. A period that was over and is sealed again with another digest restates the
old result, which stays; while a period lasts, a new result is the next and no restatement.
Evaluating: evaluate.py. Rows: compliance/sql/0002_snapshots.sql.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

import msgspec
from django.db import connection, transaction
from django.utils import timezone

from compliance.gather import Ledger, format_time, new_event_id, receive_own
from compliance.kinds.base import DAY_US
from compliance.models import Snapshot
from compliance.result import (
    CheckResult,
    FrameworkResult,
    as_json,
    canonical,
    date_of,
    day_of,
    day_text,
    shown,
    substance,
    time_text,
)

Kind: TypeAlias = Literal["posture", "period"]

MOST_DETAILS: Final = 32 * 1024
"""Bytes that the details of an event may have."""
ALL_ENVIRONMENTS: Final = ""

# Held while a result of a ledger is sealed: else two would restate the same one.
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('compliance.snapshot'), %s)"


class NotSealable(ValueError):
    """A result of one agent alone is a page's view, and is never sealed."""


def seal_snapshot(ledger: Ledger, result: FrameworkResult, *, kind: Kind, by: str = "") -> Snapshot:
    """Seal a result and return its snapshot.

    Returns the newest snapshot of the same period when nothing is new: the same digest, or of a
    period that was over the same substance, however far the ledger has grown since. `by` is the
    person who asked, empty for the platform. Raises NotSealable for one agent's result.
    """
    if result.agent is not None:
        raise NotSealable(f"the result is of {result.agent} alone; evaluate all agents to seal it")
    told = as_json(result)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_LOCK, [ledger.id])
        before = _newest(ledger, result, kind)
        if before is not None and before.digest == result.digest:
            return before
        was_over = before is not None and _was_over(before)
        if before is not None and was_over and substance(before.as_json()) == substance(told):
            return before
        identity, now = new_event_id(), timezone.now()
        restates = before.id if before is not None and was_over else None
        receipt = receive_own(
            ledger,
            "audit.snapshot_sealed",
            by=by,
            target={"type": "framework", "id": result.framework},
            details=_details(result, kind, identity, restates),
            occurred_at=format_time(now),
        )
        assert receipt.id is not None, "a received event has an id"
        numbers = result.numbers
        return Snapshot.objects.create(
            id=identity,
            ledger=ledger,
            framework=result.framework,
            kind=kind,
            start_day=date_of(result.start),
            end_day=date_of(result.end),
            environment=result.environment or ALL_ENVIRONMENTS,
            made_at=now,
            made_by=by or "platform",
            head_seq=result.head_seq,
            head_hash=result.head_hash,
            evidenced=shown(numbers.assured),
            tested=shown(numbers.tested),
            coverage=shown(numbers.coverage),
            cap=numbers.cap,
            band=numbers.band,
            digest=result.digest,
            result=canonical(told),
            event_id=UUID(receipt.id),
            restates=restates,
        )


def _was_over(before: Snapshot) -> bool:
    """Tell whether a sealed period had ended when it was read, by the ledger's clock."""
    as_of: str = msgspec.json.decode(before.result)["as_of"]
    return as_of == time_text(day_of(before.end_day) * DAY_US)


def _newest(ledger: Ledger, result: FrameworkResult, kind: Kind) -> Snapshot | None:
    return (
        Snapshot.objects.filter(
            ledger=ledger,
            framework=result.framework,
            kind=kind,
            start_day=date_of(result.start),
            end_day=date_of(result.end),
            environment=result.environment or ALL_ENVIRONMENTS,
        )
        .newest_first()
        .first()
    )


def _details(
    result: FrameworkResult, kind: Kind, identity: UUID, restates: UUID | None
) -> dict[str, Any]:
    """Return what the entry says. Too many lenses for one event are named by their hash alone."""
    numbers = result.numbers
    lenses = {check.lens: _said(check) for check in result.checks}
    details: dict[str, Any] = {
        "snapshot": str(identity),
        "restates": None if restates is None else str(restates),
        "kind": kind,
        "framework": result.framework,
        "version": result.version,
        "from": day_text(result.start),
        "to": day_text(result.end),
        "observed_from": day_text(result.observed_from),
        "as_of": time_text(result.as_of),
        "environment": result.environment,
        "head_seq": result.head_seq,
        "head_hash": result.head_hash,
        "hashes": dict(result.hashes),
        "evidenced": shown(numbers.assured),
        "tested": shown(numbers.tested),
        "coverage": shown(numbers.coverage),
        "cap": numbers.cap,
        "gate": {check.check: check.state for check in result.gate},
        "lenses_sha256": sha256(canonical(lenses)).hexdigest(),
        "digest": result.digest,
    }
    whole = details | {"lenses": lenses}
    return whole if len(canonical(whole)) <= MOST_DETAILS else details


def _said(check: CheckResult) -> list[Any]:
    return [check.check, check.state, check.n, check.f, check.pending, check.digest]

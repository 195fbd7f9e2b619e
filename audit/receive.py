"""Store events durably and return their receipts. The only way of new events into the inbox.

One POST is one row: one insert, one flush, however many events. When `receive()` returns, every
event it calls received is committed in Postgres; nothing is acknowledged from memory. An event
that cannot be accepted is told why and not stored; one whose id is taken by other content goes to
quarantine. Once a subject is erased, a retry of an event about it is known by its id alone: what it
said can be compared no more, and it must not get a new key. Retries and conflicts: retries.py. What
comes in and the receipts: receipts.py. Chaining comes later: append.py. Parsing: events.py. Keys of
data subjects: subjects.py.
"""

from __future__ import annotations

import hmac
import os
import re
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from uuid import UUID

import msgspec
import structlog
from django.conf import settings
from django.db import transaction

from audit import bell
from audit.actions import ACTIONS, scope_needed
from audit.database import raw_cursor, rows
from audit.errors import EventRejected
from audit.ledger.record import format_time
from audit.models import Ledger, Quarantine
from audit.parse import parse_event
from audit.quarantine import CONFLICT, Misfit, quarantine
from audit.receipts import Incoming as Incoming
from audit.receipts import Receipt as Receipt
from audit.receipts import Sender as Sender
from audit.redact import Redactor
from audit.retries import KNOWN, Accepted, Sorted, ledger_digest_key, sort, uuids, without_retries
from audit.stored import stored_event
from audit.subjects import Subject, hold_known_subjects, hold_subjects

_STORE = """
INSERT INTO audit_inbox
    (ledger_id, received_at, count, event_ids, digests, source, source_ids, request_id,
     traceparent, events)
SELECT %(ledger_id)s::integer, %(received_at)s::timestamptz, %(count)s::integer,
       %(event_ids)s::uuid[], %(digests)s::bytea, %(source)s::bytea, %(source_ids)s::text[],
       %(request_id)s::text, %(traceparent)s::text, %(events)s::bytea
"""
# The usual POST brings nothing but new events, and is stored in one round trip.
_STORE_UNLESS_KNOWN = f"""
WITH known AS MATERIALIZED ({KNOWN}),
stored AS ({_STORE} WHERE NOT EXISTS (SELECT FROM known))
SELECT position, digest, seq
FROM known
"""  # noqa: S608  # two statements of ours
# From row to row inside Postgres, so that the bytes are the same ones.
_PUT_BACK = """
INSERT INTO audit_inbox
    (ledger_id, received_at, count, event_ids, digests, source, source_ids, request_id,
     traceparent, events)
SELECT ledger_id, received_at, 1, ARRAY[event_id], digest, source,
       CASE WHEN source_id <> '' THEN ARRAY[source_id] END, request_id, traceparent, event
FROM audit_quarantine
WHERE ledger_id = %s
  AND id = %s
RETURNING id
"""


@dataclass(slots=True)
class _Post:
    """What the events of a POST have in common."""

    ledger_id: int
    sender: Sender
    received_at: datetime
    request_id: str
    traceparent: str


@cache
def _redactor() -> Redactor:
    return Redactor(
        extra_keys=settings.REDACT_EXTRA_KEYS, extra_patterns=settings.REDACT_EXTRA_PATTERNS
    )


@cache
def _ledger_digest(ledger_name: str) -> hmac.HMAC:
    """Return the digest of nothing under the ledger's key: to copy and go on from.

    Taking the key in costs twice what an event does.
    """
    return hmac.new(ledger_digest_key(ledger_name), digestmod="sha256")


def new_event_id() -> UUID:
    """Return a UUIDv7 (RFC 9562 section 5.7): ids of one time stand together in the index."""
    milliseconds = time.time_ns() // 1_000_000
    number = (milliseconds << 80) | int.from_bytes(os.urandom(10), "big")
    number = number & ~(0xF << 76) | (0x7 << 76)
    return UUID(int=number & ~(0x3 << 62) | (0x2 << 62))


def receive(
    incoming: Sequence[Incoming],
    *,
    ledger_id: int,
    ledger_name: str,
    sender: Sender,
    received_at: datetime,
    request_id: str = "",
    traceparent: str = "",
) -> list[Receipt]:
    """Store what can be accepted and return one receipt an event, in the order sent.

    Committed and flushed when it returns, unless the caller's own transaction is still open.
    Calling twice with one id stores it once: the second is a duplicate here or when chained.
    Raises a database error when it is unknown whether the events are safe; sending them again is
    then right and harmless.
    """
    receipts, accepted = _parse(incoming, sender)
    if not accepted:
        return receipts
    if sender.key:
        _name_agent(accepted)
    subject_ids = {each for one in accepted for each in one.parsed.subject_ids}
    post = _Post(ledger_id, sender, received_at, request_id, traceparent)
    # Without a data subject and a known id the insert is the whole transaction: one round trip.
    with transaction.atomic() if subject_ids else nullcontext():
        subjects = hold_known_subjects(subject_ids, ledger_id=ledger_id, ledger_name=ledger_name)
        if len(subjects) < len(subject_ids):
            accepted = without_retries(accepted, subjects, ledger_id, ledger_name)
            subject_ids = {each for one in accepted for each in one.parsed.subject_ids}
            subjects = hold_subjects(subject_ids, ledger_id=ledger_id, ledger_name=ledger_name)
        ready = _prepare(accepted, subjects, ledger_name)
        found = _store_new(ready, post)
        if found is None:
            found = sort(ready, ledger_id)
            with transaction.atomic() if found.conflicts else nullcontext():
                if found.fresh:
                    raw_cursor().execute(_STORE, _row(found.fresh, post))
                _quarantine(found.conflicts, post)
    if found.fresh:
        transaction.on_commit(lambda: bell.ring(ledger_id))
    return receipts


def receive_own(
    ledger: Ledger,
    action: str,
    *,
    by: str = "",
    outcome: str = "success",
    target: Mapping[str, str] | None = None,
    details: Mapping[str, object] | None = None,
    **blocks: object,
) -> Receipt:
    """Store an act of the platform or of a person in the admin as an event like any other.

    `by` is the person's user name, empty for the platform itself. Joins the caller's transaction,
    so an act and its entry are kept or lost together. A refusal is our own defect.
    """
    event: dict[str, object] = {
        "id": str(new_event_id()),
        "occurred_at": format_time(datetime.now(UTC)),
        "category": ACTIONS[action],
        "action": action,
        "outcome": outcome,
        "agent": {"id": "platform"},
        "actor": {"type": "human", "id": by} if by else {"type": "system", "id": "platform"},
        **blocks,
    }
    if target is not None:
        event["target"] = dict(target)
    if details is not None:
        event["details"] = dict(details)
    sender = Sender(
        via="admin" if by else "server",
        scope="governance" if by else "server",
        scopes=frozenset({"server", "events:write", "governance:write", "ops:write"}),
        user=by,
    )
    (receipt,) = receive(
        [Incoming(raw=msgspec.json.encode(event))],
        ledger_id=ledger.id,
        ledger_name=ledger.name,
        sender=sender,
        received_at=datetime.now(UTC),
    )
    assert receipt.status == "received", f"the platform's own {action} was refused: {receipt.error}"
    return receipt


def put_back(*, ledger_id: int, quarantine_id: int) -> None:
    """Put a quarantined event into the inbox again, byte for byte, in the caller's transaction."""
    rows(_PUT_BACK, (ledger_id, quarantine_id))
    transaction.on_commit(lambda: bell.ring(ledger_id))


def _parse(incoming: Iterable[Incoming], sender: Sender) -> tuple[list[Receipt], list[Accepted]]:
    receipts: list[Receipt] = []
    accepted: list[Accepted] = []
    is_server = "server" in sender.scopes
    for index, one in enumerate(incoming):
        receipt = Receipt(index=index, status="received")
        receipts.append(receipt)
        try:
            if one.refusal is not None:
                raise one.refusal
            parsed = parse_event(
                one.raw, default_id=one.default_id or new_event_id, at=one.at, by_server=is_server
            )
            _check_scope(parsed.action, sender.scopes)
        except EventRejected as refusal:
            receipt.status = "rejected"
            receipt.error = _told(refusal)
            continue
        assert parsed.id is not None, "an event without an id was given one"
        receipt.id = str(parsed.id)
        accepted.append(Accepted(receipt, parsed.id, parsed, one))
    return receipts, accepted


def _name_agent(accepted: Sequence[Accepted]) -> None:
    """Name the agent on each line of this request, where all its events are of one."""
    agents = {one.parsed.agent_id for one in accepted}
    if len(agents) == 1:
        structlog.contextvars.bind_contextvars(agent_id=agents.pop())


def _told(refusal: EventRejected) -> dict[str, str]:
    return {"code": refusal.code, "path": refusal.path, "message": refusal.message}


def _check_scope(action: str, scopes: frozenset[str]) -> None:
    needed = scope_needed(action)
    if needed in scopes or (needed == "events:write" and "governance:write" in scopes):
        return
    raise EventRejected(
        code="scope-missing",
        path="$.action",
        message="the platform alone writes this action"
        if needed == "server"
        else f"this action needs a key with the scope {needed}",
    )


def _prepare(
    accepted: list[Accepted], subjects: Mapping[str, Subject], ledger_name: str
) -> list[Accepted]:
    """Fill in digest and stored form; refuse what only the stored form shows to be too large."""
    of_ledger = _ledger_digest(ledger_name)
    redactor = _redactor()
    ready = []
    for one in accepted:
        parsed = one.parsed
        pseudonyms: dict[str, str] = {}
        sealed = None
        digest = of_ledger.copy()
        if parsed.subject_ids:
            pseudonyms = {each: subjects[each].pseudonym() for each in parsed.subject_ids}
        if parsed.personal is not None:
            (subject_id,) = set(parsed.subject_ids)
            digest = hmac.new(subjects[subject_id].digest_key(), digestmod="sha256")
            sealed = subjects[subject_id].encrypt(parsed.personal, event_id=one.id)
        try:
            one.stored = stored_event(
                parsed, pseudonyms=pseudonyms, personal=sealed, redactor=redactor, at=one.sent.at
            )
        except EventRejected as refusal:
            one.receipt.status = "rejected"
            one.receipt.error = _told(refusal)
            continue
        digest.update(parsed.canonical)
        one.digest = digest.digest()
        one.receipt.digest = one.digest.hex()
        one.receipt.event_sha256 = sha256(one.stored).hexdigest()
        ready.append(one)
    return ready


def _texts(texts: Iterable[str | None]) -> str:
    """Return texts as Postgres writes an array, for the same reason."""
    written = ["NULL" if each is None else f'"{_ESCAPED.sub(_ESCAPE, each)}"' for each in texts]
    return "{" + ",".join(written) + "}"


_ESCAPED = re.compile(r'["\\]')
_ESCAPE = r"\\\g<0>"


def _store_new(ready: list[Accepted], post: _Post) -> Sorted | None:
    """Store the events if no id is known or stands twice; else store none and return None."""
    if not ready or len({one.id for one in ready}) != len(ready):
        return None
    known = rows(_STORE_UNLESS_KNOWN, _row(ready, post))
    return None if known else Sorted(fresh=ready)


def _row(fresh: Sequence[Accepted], post: _Post) -> dict[str, object]:
    source_ids = [one.sent.source_id for one in fresh]
    return {
        "ledger_id": post.ledger_id,
        "received_at": post.received_at,
        "count": len(fresh),
        "event_ids": uuids(fresh),
        "digests": b"".join([one.digest for one in fresh]),
        "source": post.sender.source(),
        "source_ids": _texts(source_ids) if any(source_ids) else None,
        "request_id": post.request_id,
        "traceparent": post.traceparent,
        "events": b"\n".join([one.stored for one in fresh]),
    }


def _quarantine(conflicts: Collection[Accepted], post: _Post) -> None:
    if not conflicts:
        return
    with raw_cursor() as cursor:
        for one in conflicts:
            quarantine(
                cursor,
                Misfit(
                    ledger_id=post.ledger_id,
                    received_at=post.received_at,
                    event_id=one.id,
                    digest=one.digest,
                    reason=Quarantine.CONFLICT,
                    error=CONFLICT,
                    key_id=post.sender.key,
                    source=post.sender.source(),
                    source_id=one.sent.source_id or "",
                    request_id=post.request_id,
                    traceparent=post.traceparent,
                    event=one.stored,
                ),
            )

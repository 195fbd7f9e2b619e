"""Store events durably and return their receipts. The only way of new events into the inbox.

One POST is one row: one insert, one flush, however many events. When `receive()` returns, every
event it calls received is committed in Postgres; nothing is acknowledged from memory. An event
that cannot be accepted is told why and not stored; one whose id is taken by other content goes to
quarantine. Once a subject is erased, a retry of an event about it is known by its id alone: what it
said can be compared no more, and it must not get a new key. Chaining comes later: append.py.
Parsing: events.py. Keys of data subjects: subjects.py.
"""

from __future__ import annotations

import hmac
import os
import re
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
import structlog
from django.conf import settings
from django.db import transaction

from audit import bell
from audit.actions import ACTIONS, scope_needed
from audit.database import raw_cursor, rows
from audit.errors import EventRejected
from audit.ledger.canonical import canonicalise
from audit.ledger.record import event_of, format_time
from audit.models import Ledger, Quarantine
from audit.parse import ParsedEvent, parse_event
from audit.quarantine import CONFLICT, Misfit, quarantine
from audit.redact import Redactor
from audit.stored import stored_event
from audit.subjects import (
    Subject,
    erased_keys,
    hold_known_subjects,
    hold_subjects,
    personal_key,
)

_KNOWN = """
SELECT place AS position, digest, seq
FROM audit_known(%(ledger_id)s::integer, %(event_ids)s::uuid[])
"""
_HELD = """
SELECT u.seq, e.record
FROM unnest(%s::bigint[]) AS u(seq),
     LATERAL (
         SELECT record
         FROM audit_entry
         WHERE ledger_id = %s
           AND seq = u.seq
         OFFSET 0  -- one index step a seq, whatever the statistics say
     ) AS e
"""
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
WITH known AS MATERIALIZED ({_KNOWN}),
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


class Incoming(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One event as it came over the wire."""

    raw: bytes
    default_id: UUID | None = None
    """The id to take when the event has none of its own."""
    source_id: str | None = None
    """The sender's own id when it was no UUID; kept in the record's source."""
    at: str = "$"
    """Where the event stands in what was sent; errors name their place from here."""
    refusal: EventRejected | None = None
    """Why this one was refused before it came here; it is then only reported."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sender:
    """Who sends, as the record will say for ever."""

    via: str
    """`api`, `admin` or `server`."""
    scope: str
    """`governance`, `ops`, `events` or `server`."""
    scopes: frozenset[str]
    """What the sender may post; the platform itself holds `server`."""
    key: str = ""
    user: str = ""
    ip: str = ""
    backfill: bool = False

    def source(self) -> bytes:
        """Return the canonical `source` of the records of this POST."""
        return canonicalise(self.as_dict())

    def as_dict(self) -> dict[str, Any]:
        """Return the `source` of a record; what is empty is left out."""
        said: dict[str, Any] = {"via": self.via, "scope": self.scope}
        said |= {name: value for name in ("key", "user", "ip") if (value := getattr(self, name))}
        return said | ({"backfill": True} if self.backfill else {})


@dataclass(kw_only=True, slots=True)
class Receipt:
    """What became of one event."""

    index: int
    status: str
    """`received`, `duplicate`, `conflict` or `rejected`."""
    id: str | None = None
    digest: str | None = None
    event_sha256: str | None = None
    error: dict[str, str] | None = None
    seq: int | None = None
    """Known for a duplicate, and for all with `?wait=chained`."""
    hash: str | None = None
    state: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the receipt as the API shows it; the last three only when known."""
        shown: dict[str, Any] = {
            "index": self.index,
            "id": self.id,
            "status": self.status,
            "digest": self.digest,
            "event_sha256": self.event_sha256,
            "error": self.error,
        }
        later = {"seq": self.seq, "hash": self.hash, "state": self.state}
        return shown | {name: value for name, value in later.items() if value is not None}


@dataclass(slots=True)
class _Post:
    """What the events of a POST have in common."""

    ledger_id: int
    sender: Sender
    received_at: datetime
    request_id: str
    traceparent: str


@dataclass(slots=True, eq=False)
class _Accepted:
    """An event on its way into the inbox."""

    receipt: Receipt
    id: UUID
    parsed: ParsedEvent
    sent: Incoming
    digest: bytes = b""
    stored: bytes = b""


@dataclass(slots=True)
class _Sorted:
    """The events of a POST by what becomes of them."""

    fresh: list[_Accepted] = field(default_factory=list)
    conflicts: list[_Accepted] = field(default_factory=list)


@cache
def _redactor() -> Redactor:
    return Redactor(
        extra_keys=settings.REDACT_EXTRA_KEYS, extra_patterns=settings.REDACT_EXTRA_PATTERNS
    )


@cache
def _ledger_digest_key(ledger_name: str) -> bytes:
    return hmac.digest(settings.DIGEST_KEY, ledger_name.encode(), "sha256")


@cache
def _ledger_digest(ledger_name: str) -> hmac.HMAC:
    """Return the digest of nothing under the ledger's key: to copy and go on from.

    Taking the key in costs twice what an event does.
    """
    return hmac.new(_ledger_digest_key(ledger_name), digestmod="sha256")


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
            accepted = _without_retries(accepted, subjects, ledger_id, ledger_name)
            subject_ids = {each for one in accepted for each in one.parsed.subject_ids}
            subjects = hold_subjects(subject_ids, ledger_id=ledger_id, ledger_name=ledger_name)
        ready = _prepare(accepted, subjects, ledger_name)
        found = _store_new(ready, post)
        if found is None:
            found = _sort(ready, ledger_id)
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


def _parse(incoming: Iterable[Incoming], sender: Sender) -> tuple[list[Receipt], list[_Accepted]]:
    receipts: list[Receipt] = []
    accepted: list[_Accepted] = []
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
        accepted.append(_Accepted(receipt, parsed.id, parsed, one))
    return receipts, accepted


def _name_agent(accepted: Sequence[_Accepted]) -> None:
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
    accepted: list[_Accepted], subjects: Mapping[str, Subject], ledger_name: str
) -> list[_Accepted]:
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


def _without_retries(
    accepted: list[_Accepted], subjects: Mapping[str, Subject], ledger_id: int, ledger_name: str
) -> list[_Accepted]:
    """Leave out retries of chained events about subjects who have no key: none is made for them.

    Each is a duplicate: by its digest, or by its id alone where that was made with an erased key.
    """
    keyless = [
        one for one in accepted if any(each not in subjects for each in one.parsed.subject_ids)
    ]
    ledger_key = _ledger_digest_key(ledger_name)
    duplicates: list[_Accepted] = []
    doubtful: list[_Accepted] = []
    for position, (digest, seq) in _known(keyless, ledger_id).items():
        one = keyless[position]
        one.receipt.seq = seq
        if one.parsed.personal is not None:
            doubtful.append(one)
        elif hmac.digest(ledger_key, one.parsed.canonical, "sha256") == digest:
            duplicates.append(one)
            one.receipt.digest = digest.hex()
        else:
            one.receipt.seq = None  # a conflict, as will be told further on
    incomparable = _erased_since(doubtful, ledger_id)
    for one in doubtful:
        if one in incomparable:
            duplicates.append(one)
        else:
            one.receipt.seq = None
    for one in duplicates:
        one.receipt.status = "duplicate"
    if duplicates:
        _tell_what_is_held(duplicates, ledger_id)
    told = set(duplicates)
    return [one for one in accepted if one not in told]


def _erased_since(doubtful: Collection[_Accepted], ledger_id: int) -> set[_Accepted]:
    """Return those whose chained twin, at `receipt.seq`, cannot be compared any more.

    Its key was erased, or its record was pruned, so that nothing tells under which key it was.
    """
    if not doubtful:
        return set()
    seqs = list({one.receipt.seq for one in doubtful})
    keys = {
        seq: personal_key(event_of(record) or b"") for seq, record in rows(_HELD, (seqs, ledger_id))
    }
    erased = erased_keys(ledger_id, {key for key in keys.values() if key is not None})
    return {
        one for one in doubtful if one.receipt.seq not in keys or keys[one.receipt.seq] in erased
    }


def _known(events: Collection[_Accepted], ledger_id: int) -> dict[int, tuple[bytes, int]]:
    """Return digest and seq of each event whose id is chained, by its place."""
    if not events:
        return {}
    return {
        position - 1: (bytes(digest), seq)
        for position, digest, seq in rows(
            _KNOWN, {"event_ids": _uuids(events), "ledger_id": ledger_id}
        )
    }


def _sort(ready: list[_Accepted], ledger_id: int) -> _Sorted:
    """Tell fresh events from those whose id is chained already or stands twice in this POST."""
    known: dict[int, tuple[bytes, int]] = _known(ready, ledger_id)
    found = _Sorted()
    chained: list[_Accepted] = []
    doubtful: list[_Accepted] = []
    seen: dict[UUID, _Accepted] = {}
    for position, one in enumerate(ready):
        earlier: bytes | None
        seq: int | None
        earlier, seq = known.get(position, (None, None))
        twin = seen.get(one.id)
        if earlier is None and twin is not None:
            earlier = twin.digest
        if earlier is None:
            seen[one.id] = one
            found.fresh.append(one)
        elif earlier == one.digest:
            one.receipt.status = "duplicate"
            one.receipt.seq = seq
            if twin is not None:
                one.receipt.event_sha256 = twin.receipt.event_sha256
            else:
                chained.append(one)
        elif seq is not None and one.parsed.personal is not None:
            one.receipt.seq = seq
            doubtful.append(one)
        else:
            _mark_conflict(one, found)
    incomparable = _erased_since(doubtful, ledger_id)
    for one in doubtful:
        if one in incomparable:
            one.receipt.status = "duplicate"
            one.receipt.digest = None  # made with a newer key, it would tell nothing
            chained.append(one)
        else:
            one.receipt.seq = None
            _mark_conflict(one, found)
    if chained:
        _tell_what_is_held(chained, ledger_id)
    return found


def _mark_conflict(one: _Accepted, found: _Sorted) -> None:
    one.receipt.status = "conflict"
    one.receipt.error = {
        "code": "id-conflict",
        "path": "$.id",
        "message": "this id is taken by an event with other content; both are kept",
    }
    found.conflicts.append(one)


def _tell_what_is_held(duplicates: Collection[_Accepted], ledger_id: int) -> None:
    """Give each duplicate the hash of the bytes that are kept: its own are dropped.

    The two differ where `personal` got another nonce, or where redaction has changed since.
    """
    seqs = list({one.receipt.seq for one in duplicates})
    events = {seq: event_of(record) for seq, record in rows(_HELD, (seqs, ledger_id))}
    for one in duplicates:
        event = events.get(one.receipt.seq)
        one.receipt.event_sha256 = None if event is None else sha256(event).hexdigest()


def _uuids(events: Iterable[_Accepted]) -> str:
    """Return the ids as Postgres writes an array: half the time of a list of UUIDs."""
    return "{" + ",".join([str(one.receipt.id) for one in events]) + "}"


def _texts(texts: Iterable[str | None]) -> str:
    """Return texts as Postgres writes an array, for the same reason."""
    written = ["NULL" if each is None else f'"{_ESCAPED.sub(_ESCAPE, each)}"' for each in texts]
    return "{" + ",".join(written) + "}"


_ESCAPED = re.compile(r'["\\]')
_ESCAPE = r"\\\g<0>"


def _store_new(ready: list[_Accepted], post: _Post) -> _Sorted | None:
    """Store the events if no id is known or stands twice; else store none and return None."""
    if not ready or len({one.id for one in ready}) != len(ready):
        return None
    known = rows(_STORE_UNLESS_KNOWN, _row(ready, post))
    return None if known else _Sorted(fresh=ready)


def _row(fresh: Sequence[_Accepted], post: _Post) -> dict[str, object]:
    source_ids = [one.sent.source_id for one in fresh]
    return {
        "ledger_id": post.ledger_id,
        "received_at": post.received_at,
        "count": len(fresh),
        "event_ids": _uuids(fresh),
        "digests": b"".join([one.digest for one in fresh]),
        "source": post.sender.source(),
        "source_ids": _texts(source_ids) if any(source_ids) else None,
        "request_id": post.request_id,
        "traceparent": post.traceparent,
        "events": b"\n".join([one.stored for one in fresh]),
    }


def _quarantine(conflicts: Collection[_Accepted], post: _Post) -> None:
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

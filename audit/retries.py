"""Tell new events of a POST from retries and conflicts of what is chained or stands twice in it.

Only reads: who stores and quarantines is receive.py. What was said under an erased key can be
compared no more; such an event is a duplicate by its id alone.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from uuid import UUID

from django.conf import settings

from audit.database import rows
from audit.ledger.record import event_of
from audit.parse import ParsedEvent
from audit.receipts import Incoming, Receipt
from audit.subjects import Subject, erased_keys, personal_key

KNOWN = """
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


@dataclass(slots=True, eq=False)
class Accepted:
    """An event on its way into the inbox."""

    receipt: Receipt
    id: UUID
    parsed: ParsedEvent
    sent: Incoming
    digest: bytes = b""
    stored: bytes = b""


@dataclass(slots=True)
class Sorted:
    """The events of a POST by what becomes of them."""

    fresh: list[Accepted] = field(default_factory=list)
    conflicts: list[Accepted] = field(default_factory=list)


@cache
def ledger_digest_key(ledger_name: str) -> bytes:
    """Return the key that digests of a ledger's events without personal data are made with."""
    return hmac.digest(settings.DIGEST_KEY, ledger_name.encode(), "sha256")


def without_retries(
    accepted: list[Accepted], subjects: Mapping[str, Subject], ledger_id: int, ledger_name: str
) -> list[Accepted]:
    """Leave out retries of chained events about subjects who have no key: none is made for them.

    Each is a duplicate: by its digest, or by its id alone where that was made with an erased key.
    """
    keyless = [
        one for one in accepted if any(each not in subjects for each in one.parsed.subject_ids)
    ]
    ledger_key = ledger_digest_key(ledger_name)
    duplicates: list[Accepted] = []
    doubtful: list[Accepted] = []
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


def _erased_since(doubtful: Collection[Accepted], ledger_id: int) -> set[Accepted]:
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


def _known(events: Collection[Accepted], ledger_id: int) -> dict[int, tuple[bytes, int]]:
    """Return digest and seq of each event whose id is chained, by its place."""
    if not events:
        return {}
    return {
        position - 1: (bytes(digest), seq)
        for position, digest, seq in rows(
            KNOWN, {"event_ids": uuids(events), "ledger_id": ledger_id}
        )
    }


def sort(ready: list[Accepted], ledger_id: int) -> Sorted:
    """Tell fresh events from those whose id is chained already or stands twice in this POST."""
    known: dict[int, tuple[bytes, int]] = _known(ready, ledger_id)
    found = Sorted()
    chained: list[Accepted] = []
    doubtful: list[Accepted] = []
    seen: dict[UUID, Accepted] = {}
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


def _mark_conflict(one: Accepted, found: Sorted) -> None:
    one.receipt.status = "conflict"
    one.receipt.error = {
        "code": "id-conflict",
        "path": "$.id",
        "message": "this id is taken by an event with other content; both are kept",
    }
    found.conflicts.append(one)


def _tell_what_is_held(duplicates: Collection[Accepted], ledger_id: int) -> None:
    """Give each duplicate the hash of the bytes that are kept: its own are dropped.

    The two differ where `personal` got another nonce, or where redaction has changed since.
    """
    seqs = list({one.receipt.seq for one in duplicates})
    events = {seq: event_of(record) for seq, record in rows(_HELD, (seqs, ledger_id))}
    for one in duplicates:
        event = events.get(one.receipt.seq)
        one.receipt.event_sha256 = None if event is None else sha256(event).hexdigest()


def uuids(events: Iterable[Accepted]) -> str:
    """Return the ids as Postgres writes an array: half the time of a list of UUIDs."""
    return "{" + ",".join([str(one.receipt.id) for one in events]) + "}"

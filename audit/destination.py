"""Set up where entries are sent on to: make, change, pause, resume, replay, test and remove.

Each act and its entry `audit.config_changed` are kept or lost together; no entry, page or log ever
holds a secret. A secret is stored encrypted under a key derived from the wrapping key and bound to
ledger, name, kind and address: a row whose address somebody changes in the database has lost its
secret, and a person who changes an address must give it again, so nobody can have it sent to
himself. Sending: deliver.py. What a kind needs: audit.destinations.kinds.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from uuid import uuid4

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb

from audit.database import rows
from audit.destinations import Batch, NotDelivered, Recipient
from audit.destinations.kinds import (
    KINDS,
    DestinationRefused,
    SetUp,
    Value,
    check_set_up,
)
from audit.destinations.lines import trial_batch
from audit.models import Destination, Ledger
from audit.pruned import minimum_index
from audit.receive import receive_own

_NONCE = 12
_MASKED = "[secret]"
_LEAST_TOLD = 4
"""Characters of a secret's beginning that are masked at the end of a text."""
_FRESH: Mapping[str, object] = {"failures": 0, "failing_since": None, "error": ""}
"""What a person's act forgets, so that the next try is at once."""
_ANEW: Mapping[str, object] = {**_FRESH, "batch_to": None}
"""The same, and the batch that was begun: the next one has its own end."""

_MAKE = """
INSERT INTO audit_destination (ledger_id, name, kind, address, options, secret, next_seq, made_by)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
RETURNING id
"""
_TAKEN: Mapping[str | None, Mapping[str, str]] = {
    "audit_destination_known": {"name": "is taken by another destination of this ledger"},
    "audit_destination_folder": {"address": "is the folder of another destination"},
}
_SIZE = "SELECT size FROM audit_head WHERE ledger_id = %s"
_FIRST_SINCE = """
SELECT seq
FROM audit_entry
WHERE ledger_id = %s
  AND received_at >= %s
ORDER BY seq
LIMIT 1
"""


# --- Acts ----------------------------------------------------------------------------------------


def make(
    ledger: Ledger,
    *,
    name: str,
    kind: str,
    address: str,
    options: Mapping[str, object],
    secret: str,
    from_seq: int | None,
    by: str,
) -> Destination:
    """Make a destination; sending begins within seconds.

    `from_seq` is the first seq that is sent; None for what comes from now on. Raises
    DestinationRefused, naming each field that is wrong.
    """
    if kind not in KINDS:
        raise DestinationRefused({"kind": f"is one of {', '.join(KINDS)}"})
    found = check_set_up(KINDS[kind], name=name, address=address, options=options, secret=secret)
    ((size,),) = rows(_SIZE, (ledger.id,))
    if from_seq is not None and not 0 <= from_seq <= size:
        raise DestinationRefused({"from_seq": f"is a seq from 0 to {size}, or nothing"})
    sealed = _seal(secret, ledger=ledger.name, name=name, kind=kind, address=address)
    with _told_when_taken(), transaction.atomic():
        start = size if from_seq is None else from_seq
        ((made_id,),) = rows(
            _MAKE, (ledger.id, name, kind, address, Jsonb(found), sealed, start, by)
        )
        made = Destination.objects.select_related("ledger").get(ledger=ledger, id=made_id)
        _leave(
            made,
            by=by,
            change="made",
            kind=kind,
            address=address,
            options=_shown(found),
            from_seq=made.next_seq,
        )
    return made


def change(
    destination: Destination,
    *,
    address: str,
    options: Mapping[str, object],
    secret: str | None,
    by: str,
) -> Destination:
    """Change where it goes or how; `secret` None keeps the one that is there.

    What was not acknowledged yet goes to the new address. Raises DestinationRefused.
    """
    kind = KINDS[destination.kind]
    if secret is None and kind.secret_word and address != destination.address:
        said = "is needed again: a new address never gets what was given for another"
        raise DestinationRefused({"secret": said})
    found = check_set_up(
        kind, name=destination.name, address=address, options=options, secret=secret
    )
    new: dict[str, object] = {"address": address, "options": found}
    if secret is not None:
        new["secret"] = _seal(
            secret,
            ledger=destination.ledger.name,
            name=destination.name,
            kind=kind.name,
            address=address,
        )
    before = {"address": destination.address, "options": _shown(destination.options)}
    after = {"address": address, "options": _shown(found)}
    with _told_when_taken(), transaction.atomic():
        _update(destination, **new, **_ANEW)
        _leave(
            destination,
            by=by,
            change="changed",
            before=before,
            after=after,
            secret_changed=secret is not None,
        )
    return destination


def pause(destination: Destination, *, by: str) -> bool:
    """Stop sending until somebody resumes; False when it was not going."""
    return _set_state(destination, "paused", from_states=("active",), change="paused", by=by)


def resume(destination: Destination, *, by: str) -> bool:
    """Go on from where it stopped, at once; False when it was going. For a dead one too."""
    return _set_state(
        destination, "active", from_states=("paused", "dead"), change="resumed", by=by
    )


def replay(destination: Destination, *, from_seq: int, by: str) -> Destination:
    """Send again from a seq on, which lies before what comes next: nothing is ever skipped.

    Entries that were pruned meanwhile become a gap. Raises DestinationRefused.
    """
    if not 0 <= from_seq < destination.next_seq:
        raise DestinationRefused(
            {
                "from_seq": f"is a seq below {destination.next_seq:,}, which is sent next"
                if destination.next_seq
                else "is nothing yet: no entry was sent"
            }
        )
    before = destination.next_seq
    with transaction.atomic():
        _update(destination, next_seq=from_seq, **_ANEW)
        _leave(destination, by=by, change="replayed", from_seq=from_seq, before=before)
    return destination


def seq_since(ledger: Ledger, moment: datetime) -> int | None:
    """Return the first seq that was received at a moment or later; None when there is none."""
    return next((seq for (seq,) in rows(_FIRST_SINCE, (ledger.id, moment))), None)


def first_kept(ledger: Ledger) -> int:
    """Return the lowest seq that was not pruned."""
    return minimum_index(ledger.id)


def remove(destination: Destination, *, by: str) -> None:
    """Send nothing any more and forget the secret; the row and its history stay.

    What is under way at this moment may still arrive.
    """
    with transaction.atomic():
        _update(
            destination,
            state="paused",
            secret=None,
            removed_at=timezone.now(),
            removed_by=by,
            **_ANEW,
        )
        _leave(destination, by=by, change="removed", sent_to=destination.sent_to)


def test(destination: Destination, *, by: str) -> str:
    """Send one marked line the way entries go, now, and return what the other side answered.

    Leaves an entry either way. Raises NotDelivered with the cause.
    """
    now = timezone.now()
    batch = trial_batch(destination.ledger.name, event_id=uuid4(), now=now)
    try:
        answer = hand_over(destination, batch, now=now)
    except NotDelivered as error:
        _leave(destination, by=by, change="tested", outcome="failure", answer=str(error)[:500])
        raise
    _leave(destination, by=by, change="tested", answer=answer[:500])
    return answer


def describe(row: Destination) -> dict[str, object]:
    """Return a destination as commands show it: no secret, not even a sealed one."""
    return {
        "ledger": row.ledger.name,
        "name": row.name,
        "kind": row.kind,
        "address": row.address,
        "options": row.options,
        "has_secret": row.secret is not None,
        "state": row.word(),
        "next_seq": row.next_seq,
        "sent_to": row.sent_to,
        "failures": row.failures,
        "error": row.error,
        "gaps": row.gaps,
        "tried_at": row.tried_at,
        "ok_at": row.ok_at,
        "failing_since": row.failing_since,
    }


# --- The other side ------------------------------------------------------------------------------


@sensitive_variables("secret")
def hand_over(destination: Destination, batch: Batch, *, now: datetime) -> str:
    """Hand a batch over and return what the other side answered; neither text has the secret.

    Raises NotDelivered with the cause, RecordUnreadable.
    """
    secret = _open(destination)
    try:
        answer = recipient_of(destination, secret=secret).take(batch, now=now)
    except NotDelivered as error:
        raise NotDelivered(_without(secret, str(error))) from None
    return _without(secret, answer)


def recipient_of(destination: Destination, *, secret: str) -> Recipient:
    """Return what takes its batches."""
    given = SetUp(
        ledger=destination.ledger.name,
        address=destination.address,
        options=destination.options,
        secret=secret,
        rules=settings.OUTBOUND_RULES,
    )
    return KINDS[destination.kind].make(given)


def _without(secret: str, text: str) -> str:
    """Return text without the secret: a server may answer with the headers that it got."""
    if not secret:
        return text
    text = text.replace(secret, _MASKED)
    # An answer is cut, perhaps within the secret.
    for length in range(len(secret) - 1, _LEAST_TOLD - 1, -1):
        if text.endswith(secret[:length]):
            return text[:-length] + _MASKED
    return text


def _key() -> bytes:
    return hmac.digest(settings.SUBJECT_WRAPPING_KEY, b"destination secret", "sha256")


def _bound_to(*, ledger: str, name: str, kind: str, address: str) -> bytes:
    return f"{ledger}\n{name}\n{kind}\n{address}".encode()


def _seal(secret: str, **where: str) -> bytes | None:
    if not secret:
        return None
    nonce = secrets.token_bytes(_NONCE)
    return nonce + AESGCM(_key()).encrypt(nonce, secret.encode(), _bound_to(**where))


def _open(destination: Destination) -> str:
    if destination.secret is None:
        return ""
    sealed = bytes(destination.secret)
    bound = _bound_to(
        ledger=destination.ledger.name,
        name=destination.name,
        kind=destination.kind,
        address=destination.address,
    )
    try:
        return AESGCM(_key()).decrypt(sealed[:_NONCE], sealed[_NONCE:], bound).decode()
    except InvalidTag as error:
        raise NotDelivered(
            "its secret does not open: the wrapping key is another one, or the row was changed in"
            " the database; give the secret again"
        ) from error


# --- Rows and entries ----------------------------------------------------------------------------


def _update(destination: Destination, **values: object) -> None:
    """Write these columns. Raises DestinationRefused when it was removed meanwhile."""
    updated = Destination.objects.filter(
        ledger_id=destination.ledger_id, id=destination.id, removed_at=None
    ).update(**values)
    if updated != 1:
        raise DestinationRefused({"name": "was removed"})
    destination.refresh_from_db()


def _set_state(
    destination: Destination, state: str, *, from_states: tuple[str, ...], change: str, by: str
) -> bool:
    with transaction.atomic():
        updated = Destination.objects.filter(
            ledger_id=destination.ledger_id,
            id=destination.id,
            state__in=from_states,
            removed_at=None,
        ).update(state=state, **_FRESH)
        if updated != 1:
            return False  # somebody else got there first
        _leave(destination, by=by, change=change)
    destination.refresh_from_db()
    return True


@contextmanager
def _told_when_taken() -> Iterator[None]:
    """Turn the database's refusal of a name or a folder that is taken into words."""
    try:
        yield
    except (UniqueViolation, IntegrityError) as error:
        cause = error if isinstance(error, UniqueViolation) else error.__cause__
        broken = cause.diag.constraint_name if isinstance(cause, UniqueViolation) else None
        if broken not in _TAKEN:
            raise
        raise DestinationRefused(_TAKEN[broken]) from error


def _shown(options: Mapping[str, Value]) -> dict[str, object]:
    """Return options as an entry holds them: of a certificate its SHA-256."""
    return {
        name: sha256(str(value).encode()).hexdigest() if name == "ca" and value else value
        for name, value in options.items()
    }


def _leave(
    destination: Destination, *, by: str, outcome: str = "success", **details: object
) -> None:
    event: dict[str, object] = {}
    if outcome != "success":
        event["error"] = {"type": "not_delivered", "message": str(details.get("answer", ""))}
    receive_own(
        destination.ledger,
        "audit.config_changed",
        by=by,
        outcome=outcome,
        target={"type": "destination", "id": destination.name},
        details=details,
        **event,
    )

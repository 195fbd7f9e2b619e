"""Ask for the erasure of a data subject and keep the list: find, ask, confirm, cancel, certify.

Without its key nobody can read a subject's `personal` or compute its pseudonym, while records,
hashes and proofs stay as they are. In steps, each a state of a row in `audit_erasure`:

1. `asked`: a person names the subject, the case and the reason.
2. `looking`: a worker counts the entries about it, and those where the id still stands in clear.
3. `ready`: people read what will become unreadable; the id is typed again to confirm.
4. `erasing`: a worker counts what came since, looks for holds, and destroys the key.
5. `done`, `refused` (held) or `cancelled`: the typed id is gone.

Nothing here ever writes a subject's id to a log or an entry. Who works on it: erasing.py. What
POSTs do meanwhile: subjects.py. Rows: audit/sql/0013_erasure.sql. The certificate: certificate.py.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import transaction
from psycopg.errors import UniqueViolation

from audit import bell
from audit.certificate import ErasureFacts
from audit.database import rows
from audit.errors import NotErased
from audit.hold import holds_over_subject
from audit.models import Entry, Erasure, EventKey, Hold, Ledger, SubjectEntry, SubjectKey
from audit.receive import receive_own
from audit.subjects import Subject, read_subject

Via: TypeAlias = Literal["admin", "command"]

TASK: Final = "audit.erase"
"""The Celery task that does what waits here."""

MOST_REASON: Final = 500
"""Characters of a reason, as in events."""

MOST_CASE: Final = 200
"""Characters of a case's id."""

MOST_COUNTED: Final = 10_000
"""Entries of a subject that a search counts; more is said as "at least"."""

_NONCE = 12
_LEAST_TELLING = 4  # characters of an id that stands in a text by no chance

_ASK = """
INSERT INTO audit_erasure (ledger_id, key_id, case_id, reason, via, asked_by, typed)
VALUES (%s, %s, %s, %s, %s, %s, %s)
RETURNING id
"""
_CONFIRM = """
UPDATE audit_erasure
SET state = 'erasing', reason = %s, confirmed_by = %s, confirmed_at = clock_timestamp()
WHERE ledger_id = %s
  AND id = %s
  AND state = 'ready'
RETURNING id
"""
_CANCEL = """
UPDATE audit_erasure
SET state = 'cancelled', cancelled_by = %s, finished_at = clock_timestamp(), typed = NULL
WHERE ledger_id = %s
  AND id = %s
  AND state IN ('asked', 'looking', 'ready')
RETURNING id
"""


# --- Finding --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundSubject:
    """A data subject whose key lives."""

    ledger_id: int
    key_id: UUID
    pseudonym: str
    """What stands for it in entries: 64 hex digits."""
    created_at: datetime
    """Since when it has this key."""


def find_subject(ledger: Ledger, subject_id: str) -> FoundSubject | None:
    """Return the subject of this id, or None when it has no living key here.

    Its data key is in memory for the length of the call.
    """
    subject = _read(ledger, subject_id)
    if subject is None:
        return None
    key = SubjectKey.objects.filter(ledger_id=ledger.id, key_id=subject.key_id)
    return FoundSubject(
        ledger_id=ledger.id,
        key_id=subject.key_id,
        pseudonym=subject.pseudonym(),
        created_at=key.values_list("created_at", flat=True).get(),
    )


def _read(ledger: Ledger, subject_id: str) -> Subject | None:
    try:
        subject_id.encode()
    except UnicodeEncodeError:
        return None  # half a character: no event can have named it
    return read_subject(ledger.id, ledger.name, subject_id)


def subject_entries(ledger: Ledger, pseudonym: str, after: int = -1, limit: int = 500) -> list[int]:
    """Return the seqs above `after` of entries that name this subject, ascending, at most `limit`.

    By the index of subjects, which may be a moment behind the chain.
    """
    named = SubjectEntry.objects.filter(ledger_id=ledger.id, pseudonym=pseudonym, seq__gt=after)
    return list(named.order_by("seq").values_list("seq", flat=True)[:limit])


def count_entries(ledger: Ledger, pseudonym: str) -> int:
    """Return how many entries name this subject, by the index; MOST_COUNTED + 1 means more."""
    return len(subject_entries(ledger, pseudonym, limit=MOST_COUNTED + 1))


def tell_search(ledger: Ledger, found: FoundSubject, *, by: str, purpose: str) -> None:
    """Leave an entry that somebody looked a subject up; it names the key, never the id."""
    receive_own(
        ledger,
        "audit.log_viewed",
        by=by,
        target={"type": "subject_key", "id": str(found.key_id)},
        details={"purpose": purpose},
    )


# --- Asking ---------------------------------------------------------------------------------------


def ask_for_erasure(
    ledger: Ledger, subject_id: str, *, case_id: str, reason: str, by: str, via: Via = "admin"
) -> Erasure:
    """Have a worker count what an erasure of this subject would make unreadable.

    Nothing is erased before confirm_erasure(). Leaves an entry. Raises NotErased where the subject
    has no living key, an erasure of it is open, or case or reason is missing.
    """
    case_id = _checked(case_id, "the case", most=MOST_CASE, subject_id=subject_id)
    reason = _checked(reason, "a reason", most=MOST_REASON, subject_id=subject_id)
    found = find_subject(ledger, subject_id)
    if found is None:
        raise NotErased(
            f"nobody of this id has a living key in {ledger.name}: no event has named it there in "
            "data.subject_ids, or it was erased before"
        )
    try:
        with transaction.atomic():
            ((erasure_id,),) = rows(
                _ASK,
                (
                    ledger.id,
                    found.key_id,
                    case_id,
                    reason,
                    via,
                    by,
                    _seal(subject_id, ledger, found.key_id),
                ),
            )
            receive_own(
                ledger,
                "audit.log_viewed",
                by=by if via == "admin" else "",
                target={"type": "subject_key", "id": str(found.key_id)},
                case={"id": case_id, "dsr_type": "erasure"},
                reason=reason,
                details={"purpose": "erasure", "erasure": erasure_id, "via": via},
            )
    except UniqueViolation:
        raise NotErased(
            "an erasure of this subject is open already; confirm or cancel that one"
        ) from None
    transaction.on_commit(lambda: bell.ring(ledger.id, task=TASK))
    return get_erasure(ledger.id, erasure_id)


def confirm_erasure(erasure: Erasure, subject_id: str, *, reason: str, by: str) -> None:
    """Have a worker erase the subject for good. `subject_id` is typed a second time.

    Raises NotErased when it is another id, or when the erasure is not ready. It may still be
    refused: the worker looks for holds.
    """
    reason = _checked(reason, "a reason", most=MOST_REASON, subject_id=subject_id)
    if erasure.state != "ready" or erasure.typed is None:
        raise NotErased(
            f"it is {erasure.state}; only what a worker has looked through is confirmed"
        )
    given = subject_id.encode(errors="surrogatepass")
    if not hmac.compare_digest(given, typed_id(erasure).encode()):
        raise NotErased("this is another id than the one that was looked for; nothing was erased")
    if not rows(_CONFIRM, (reason, by, erasure.ledger_id, erasure.id)):
        raise NotErased("somebody confirmed or cancelled it a moment ago")
    ledger_id = erasure.ledger_id
    transaction.on_commit(lambda: bell.ring(ledger_id, task=TASK))


def cancel_erasure(erasure: Erasure, *, by: str) -> bool:
    """Call an erasure off, before it is confirmed. False when it is too late."""
    return bool(rows(_CANCEL, (by, erasure.ledger_id, erasure.id)))


def pseudonym_of(erasure: Erasure) -> str | None:
    """Return the pseudonym that an open erasure is about; None once it has ended."""
    if erasure.typed is None:
        return None
    subject = read_subject(erasure.ledger_id, erasure.ledger.name, typed_id(erasure))
    return None if subject is None or subject.key_id != erasure.key_id else subject.pseudonym()


def standing_holds(erasure: Erasure) -> list[Hold]:
    """Return the holds that keep this open erasure's subject; none once it has ended."""
    pseudonym = pseudonym_of(erasure)
    if pseudonym is None:
        return []
    return holds_over_subject(erasure.ledger, pseudonym=pseudonym)


def open_erasure(ledger: Ledger, key_id: UUID) -> Erasure | None:
    """Return the erasure of this key that has not ended, or None."""
    open_ones = Erasure.objects.select_related("ledger").filter(state__in=Erasure.OPEN)
    return open_ones.filter(ledger_id=ledger.id, key_id=key_id).first()


def _checked(text: str, what: str, *, most: int, subject_id: str) -> str:
    """Return what goes into the ledger for good, without blanks around it. Raises NotErased."""
    text = text.strip()
    if not text or len(text) > most or not text.isprintable():
        raise NotErased(f"give {what}, in at most {most:,} characters on one line")
    if len(subject_id) >= _LEAST_TELLING and subject_id.casefold() in text.casefold():
        raise NotErased(f"{what} names the subject's id, which would stay for ever; leave it out")
    return text


def get_erasure(ledger_id: int, erasure_id: int) -> Erasure:
    """Return one erasure with its ledger. Raises Erasure.DoesNotExist."""
    return Erasure.objects.select_related("ledger").get(ledger_id=ledger_id, id=erasure_id)


def _typed_key() -> bytes:
    return hmac.digest(settings.SUBJECT_WRAPPING_KEY, b"typed for an erasure", "sha256")


def _seal(subject_id: str, ledger: Ledger, key_id: UUID) -> bytes:
    nonce = secrets.token_bytes(_NONCE)
    bound_to = f"{ledger.name}\n{key_id}".encode()
    return nonce + AESGCM(_typed_key()).encrypt(nonce, subject_id.encode(), bound_to)


def typed_id(erasure: Erasure) -> str:
    """Return the subject's id as it was typed for an open erasure; never to be shown or kept."""
    assert erasure.typed is not None, "an open erasure holds what was typed"
    sealed = bytes(erasure.typed)
    bound_to = f"{erasure.ledger.name}\n{erasure.key_id}".encode()
    return AESGCM(_typed_key()).decrypt(sealed[:_NONCE], sealed[_NONCE:], bound_to).decode()


# --- The certificate ------------------------------------------------------------------------------


def certificate_facts(erasure: Erasure) -> ErasureFacts:
    """Return what the certificate of an erasure says. Raises NotErased for one that is not done."""
    if erasure.state != "done":
        raise NotErased(
            f"erasure {erasure.id:,} is {erasure.state}; a certificate is of a done one"
        )
    assert erasure.erased_at is not None
    assert erasure.head_size is not None
    assert erasure.completed_id is not None
    key = EventKey.objects.filter(ledger_id=erasure.ledger_id, event_id=erasure.completed_id)
    completed_seq = key.values_list("seq", flat=True).first()
    size, head = erasure.head_size, erasure.head_hash
    if completed_seq is not None:
        entry = Entry.objects.filter(ledger_id=erasure.ledger_id, seq=completed_seq).first()
        if entry is not None:  # else it was pruned, years later
            size, head = completed_seq + 1, entry.hash
    return ErasureFacts(
        ledger=erasure.ledger.name,
        origin=erasure.ledger.origin,
        case_id=erasure.case_id,
        erasure_id=erasure.id,
        key_id=erasure.key_id,
        asked_by=erasure.asked_by,
        confirmed_by=erasure.confirmed_by,
        asked_at=erasure.asked_at,
        erased_at=erasure.erased_at,
        reason=erasure.reason,
        entries=erasure.entries,
        personal_entries=erasure.personal_entries,
        clear_entries=erasure.clear_entries,
        clear_seqs=tuple(erasure.clear_seqs),
        first_seq=erasure.first_seq,
        last_seq=erasure.last_seq,
        completed_seq=completed_seq,
        head_size=size,
        head_hash=str(head),
    )

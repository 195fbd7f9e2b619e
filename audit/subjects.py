"""Keys of data subjects: find or make them, pseudonyms, encryption of `personal`.

Each data subject of a ledger has a data key, kept only wrapped by a key outside the database and
found only by an HMAC of its id. Blanking it is the erasure: pseudonyms can then never be computed
again, `personal` never read. Three keys are derived from it, one a purpose. Plain keys live for
one request. Erasing: erase.py.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID, uuid4

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from audit.database import raw_cursor
from audit.ledger.canonical import JSONValue, canonicalise

_NONCE = 12
_FIND = """
SELECT lookup, key_id, wrapped
FROM audit_subjectkey
WHERE ledger_id = %s
  AND lookup = ANY(%s)
ORDER BY lookup  -- one order for all, so that two requests never wait for each other
FOR SHARE
"""
_READ = """
SELECT key_id, wrapped
FROM audit_subjectkey
WHERE ledger_id = %s
  AND lookup = %s
"""
_MAKE = """
INSERT INTO audit_subjectkey (ledger_id, key_id, lookup, wrapped)
SELECT %s, t.key_id, t.lookup, t.wrapped
FROM unnest(%s::uuid[], %s::bytea[], %s::bytea[]) AS t(key_id, lookup, wrapped)
ORDER BY t.lookup
ON CONFLICT (ledger_id, lookup) DO NOTHING
"""
_ERASED = """
SELECT key_id
FROM audit_subjectkey
WHERE ledger_id = %s
  AND key_id = ANY(%s)
  AND wrapped IS NULL
"""


class _Sealed(msgspec.Struct):
    key_id: str


class _HoldsPersonal(msgspec.Struct):
    personal: _Sealed | None = None


_decode = msgspec.json.Decoder(_HoldsPersonal).decode


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """A data subject's key, for the length of a request."""

    ledger_name: str
    subject_id: str
    key_id: UUID
    data_key: bytes

    def _derived(self, purpose: bytes) -> bytes:
        return hmac.digest(self.data_key, purpose, "sha256")

    def pseudonym(self) -> str:
        """Return what stands for the subject's id in every entry: 64 hex digits."""
        return hmac.digest(self._derived(b"pseudonym"), self.subject_id.encode(), "sha256").hex()

    def digest_key(self) -> bytes:
        """Return the key of the digest of an event that holds this subject's `personal`."""
        return self._derived(b"digest")

    def encrypt(self, personal: dict[str, JSONValue], *, event_id: UUID) -> dict[str, str]:
        """Return what the entry holds instead of `personal`: AES-256-GCM, everything in hex."""
        nonce = secrets.token_bytes(_NONCE)
        sealed = AESGCM(self._derived(b"personal")).encrypt(
            nonce, canonicalise(personal), self._bound_to(event_id)
        )
        return {
            "alg": "A256GCM",
            "ciphertext": sealed.hex(),
            "key_id": str(self.key_id),
            "nonce": nonce.hex(),
        }

    def decrypt(self, sealed: dict[str, str], *, event_id: UUID) -> dict[str, JSONValue]:
        """Return `personal` in clear. Raises InvalidTag when anything was changed."""
        clear = AESGCM(self._derived(b"personal")).decrypt(
            bytes.fromhex(sealed["nonce"]),
            bytes.fromhex(sealed["ciphertext"]),
            self._bound_to(event_id),
        )
        found: dict[str, JSONValue] = json.loads(clear)
        return found

    def _bound_to(self, event_id: UUID) -> bytes:
        return f"{self.ledger_name}\n{event_id}\n{self.key_id}".encode()


def lookup_of(ledger_name: str, subject_id: str) -> bytes:
    """Return the HMAC by which a subject's key is found."""
    return hmac.digest(
        settings.SUBJECT_LOOKUP_KEY, f"{ledger_name}\n{subject_id}".encode(), "sha256"
    )


def hold_subjects(
    subject_ids: Collection[str], *, ledger_id: int, ledger_name: str
) -> dict[str, Subject]:
    """Find or make the keys of these subjects and hold them against erasure until the commit.

    Must run inside a transaction: the rows stay locked FOR SHARE, so what is written under a key
    is committed before that key can be destroyed.
    """
    held = hold_known_subjects(subject_ids, ledger_id=ledger_id, ledger_name=ledger_name)
    # An erasure may come between making a key, or meeting one that another request made, and
    # holding it; the next look then makes a new one.
    while missing := [each for each in subject_ids if each not in held]:
        _make(missing, ledger_id, ledger_name)
        held |= hold_known_subjects(missing, ledger_id=ledger_id, ledger_name=ledger_name)
    return held


def hold_known_subjects(
    subject_ids: Collection[str], *, ledger_id: int, ledger_name: str
) -> dict[str, Subject]:
    """Hold the keys that there are, as hold_subjects() does, and make none."""
    if not subject_ids:
        return {}
    by_lookup = {lookup_of(ledger_name, each): each for each in subject_ids}
    with raw_cursor() as cursor:
        rows = cursor.execute(_FIND, (ledger_id, list(by_lookup)), binary=True).fetchall()
    return {
        by_lookup[bytes(lookup)]: Subject(
            ledger_name=ledger_name,
            subject_id=by_lookup[bytes(lookup)],
            key_id=key_id,
            data_key=_unwrap(bytes(wrapped), ledger_name, key_id),
        )
        for lookup, key_id, wrapped in rows
    }


def _make(subject_ids: Collection[str], ledger_id: int, ledger_name: str) -> None:
    lookups = sorted(lookup_of(ledger_name, each) for each in subject_ids)
    fresh = [(uuid4(), lookup) for lookup in lookups]
    with raw_cursor() as cursor:
        cursor.execute(
            _MAKE,
            (
                ledger_id,
                [key_id for key_id, _ in fresh],
                lookups,
                [_wrap(secrets.token_bytes(32), ledger_name, key_id) for key_id, _ in fresh],
            ),
        )


def read_subject(ledger_id: int, ledger_name: str, subject_id: str) -> Subject | None:
    """Return a subject whose key lives, or None; makes no key and holds none.

    For reading alone: nothing stops an erasure between this call and what is done with its answer.
    """
    with raw_cursor() as cursor:
        found = cursor.execute(
            _READ, (ledger_id, lookup_of(ledger_name, subject_id)), binary=True
        ).fetchone()
    if found is None:
        return None
    key_id, wrapped = found
    return Subject(
        ledger_name=ledger_name,
        subject_id=subject_id,
        key_id=key_id,
        data_key=_unwrap(bytes(wrapped), ledger_name, key_id),
    )


def personal_key(event: bytes) -> UUID | None:
    """Return the key that the `personal` of a stored event is sealed under.

    None without one, and where these bytes are no stored event.
    """
    try:
        personal = _decode(event).personal
        return None if personal is None else UUID(personal.key_id)
    except (msgspec.DecodeError, ValueError):
        return None


def erased_keys(ledger_id: int, key_ids: Collection[UUID]) -> set[UUID]:
    """Return which of these keys were erased."""
    if not key_ids:
        return set()
    with raw_cursor() as cursor:
        found = cursor.execute(_ERASED, (ledger_id, list(key_ids)), binary=True).fetchall()
    return {key_id for (key_id,) in found}


def _wrap(data_key: bytes, ledger_name: str, key_id: UUID) -> bytes:
    nonce = secrets.token_bytes(_NONCE)
    return nonce + AESGCM(settings.SUBJECT_WRAPPING_KEY).encrypt(
        nonce, data_key, f"{ledger_name}\n{key_id}".encode()
    )


def _unwrap(wrapped: bytes, ledger_name: str, key_id: UUID) -> bytes:
    return AESGCM(settings.SUBJECT_WRAPPING_KEY).decrypt(
        wrapped[:_NONCE], wrapped[_NONCE:], f"{ledger_name}\n{key_id}".encode()
    )

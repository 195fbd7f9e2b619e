"""Keep the secrets of a schedule's recipients: sealed, and each bound to where it is sent.

AES-GCM under a key derived from the wrapping key. What is sealed is bound to ledger, schedule, kind
and address: a row whose address somebody changes in the database has lost its secret, and a person
who changes an address must give it again, so nobody can have it used for himself. Never shown.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from compliance.models import Schedule
from compliance.parcel import NotDelivered

_NONCE: Final = 12


def place(kind: str, address: str) -> str:
    """Return the name under which the secret for an address is kept."""
    return sha256(f"{kind}\n{address}".encode()).hexdigest()


def kept(schedule: Schedule) -> dict[str, str]:
    """Return what is kept, by `place`; still sealed."""
    if schedule.secrets is None:
        return {}
    found: dict[str, str] = json.loads(bytes(schedule.secrets))
    return found


def packed(sealed: Mapping[str, str]) -> bytes | None:
    """Return the column of what is kept; None for nothing."""
    return json.dumps(dict(sealed), sort_keys=True).encode() if sealed else None


def seal(schedule: Schedule, kind: str, address: str, secret: str) -> str:
    """Return a secret sealed for one address of a schedule."""
    nonce = secrets.token_bytes(_NONCE)
    sealed = AESGCM(_key()).encrypt(nonce, secret.encode(), _bound_to(schedule, kind, address))
    return base64.b64encode(nonce + sealed).decode()


def open_secret(schedule: Schedule, kind: str, address: str) -> str:
    """Return the secret for an address of a schedule. Raises NotDelivered when there is none."""
    sealed = kept(schedule).get(place(kind, address))
    if sealed is None:
        raise NotDelivered(
            f"the schedule {schedule.name} keeps no secret for this address any more;"
            " give it again, then send again",
            is_final=True,
        )
    content = base64.b64decode(sealed)
    try:
        opened = AESGCM(_key()).decrypt(
            content[:_NONCE], content[_NONCE:], _bound_to(schedule, kind, address)
        )
    except InvalidTag as error:
        raise NotDelivered(
            "the secret does not open: the wrapping key is another one, or the row was changed in"
            " the database; give the secret again",
            is_final=True,
        ) from error
    return opened.decode()


def _key() -> bytes:
    return hmac.digest(settings.SUBJECT_WRAPPING_KEY, b"report delivery secret", "sha256")


def _bound_to(schedule: Schedule, kind: str, address: str) -> bytes:
    return f"{schedule.ledger.name}\n{schedule.uid}\n{kind}\n{address}".encode()

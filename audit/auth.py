"""API keys: make, pause, resume, revoke and recognise them. The only module that sees a secret.

A key reads `obs_live_<8 id>_<43 secret>_<6 checksum>`. The checksum refuses a mistyped or made-up
key without a query. What is stored is an HMAC under a pepper outside the database. Each process
remembers a key for two seconds, so one that is revoked or paused is refused within that time
everywhere.
"""

from __future__ import annotations

import hmac
import secrets
import string
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zlib import crc32

import structlog
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from audit import measures, receive
from audit.errors import AuthRefused
from audit.models import AgentKey, Ledger

SCOPES: dict[str, str] = {
    "events:write": "Post events of an agent's own acts.",
    "events:backfill": "Bring in history: events marked as backfill.",
    "entries:read": "Read entries, states, status and metrics.",
    "governance:write": "Post what judges or allows agents: approvals, reviews, cases.",
    "ops:write": "Post what operates the system: backups, monitoring, queues.",
    "alerts:write": "Deliver alerts.",
    "reports:write": "Order and deliver reports.",
}
"""Every scope and what it allows, in one line each."""

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_REMEMBER_SECONDS = 2.0
_LAST_USED_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyGrant:
    """What a recognised key may do."""

    key_id: str
    """The eight characters that entries carry."""
    ledger_id: int
    ledger_name: str
    scopes: frozenset[str]
    events_per_second: int
    events_per_day: int | None
    expires_at: datetime | None
    is_read_only: bool
    """Whether the key's ledger takes no events now."""


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_BASE62[digit])
    return "".join(reversed(digits))


def _checksum(body: str) -> str:
    return _base62(crc32(body.encode()), 6)


def _secret_hmac(token: str) -> bytes:
    return hmac.digest(settings.API_KEY_PEPPER, token.encode(), "sha256")


def mint() -> tuple[str, str]:
    """Return a new `(key_id, token)` with 256 bits of chance, stored nowhere yet."""
    key_id = "".join(secrets.choice(_BASE62) for _ in range(8))
    body = f"obs_live_{key_id}_{_base62(secrets.randbits(256), 43)}"
    return key_id, f"{body}_{_checksum(body)}"


def key_id_of(token: str) -> str | None:
    """Return the key id of a well-formed token, or None for anything else. No query."""
    body, _, checksum = token.rpartition("_")
    parts = body.split("_")
    if len(parts) != 4 or parts[:2] != ["obs", "live"] or len(parts[2]) != 8 or len(parts[3]) != 43:
        return None
    if not token.isascii() or not hmac.compare_digest(checksum, _checksum(body)):
        return None
    # Anyone can compute the checksum; no made-up id with odd characters goes on to a query.
    return parts[2] if (parts[2] + parts[3]).isalnum() else None


def make_key(
    *,
    ledger: Ledger,
    name: str,
    scopes: Sequence[str],
    created_by: str,
    expires_at: datetime | None = None,
    events_per_second: int | None = None,
    events_per_day: int | None = None,
) -> tuple[AgentKey, str]:
    """Make an API key and return it with its token, which is shown this once and kept nowhere.

    Leaves `credential.issued` in the ledger, in the same transaction. Raises ValueError for an
    unknown scope.
    """
    unknown = sorted(set(scopes) - SCOPES.keys())
    if unknown or not scopes:
        raise ValueError(
            f"unknown scopes {unknown}" if unknown else "a key needs at least one scope"
        )
    key_id, token = mint()
    with transaction.atomic():
        key = AgentKey.objects.create(
            key_id=key_id,
            ledger=ledger,
            name=name,
            secret_hmac=_secret_hmac(token),
            scopes=sorted(scopes),
            events_per_second=events_per_second,
            events_per_day=events_per_day,
            created_by=created_by,
            expires_at=expires_at,
        )
        _tell(key, "credential.issued", by=created_by, details={"name": name, "scopes": key.scopes})
    return key, token


def revoke_key(key: AgentKey, *, by: str) -> None:
    """Refuse the key from now on, everywhere within two seconds; a second call changes nothing."""
    with transaction.atomic():
        revoked = AgentKey.objects.filter(key_id=key.key_id, revoked_at=None).update(
            revoked_at=timezone.now(), revoked_by=by
        )
        if revoked != 1:
            return  # somebody else was first, and left the entry
        _tell(key, "credential.revoked", by=by, details={"name": key.name})
    key.refresh_from_db()
    with _lock:
        _remembered.pop(key.key_id, None)


def pause_key(key: AgentKey, *, by: str, reason: str) -> bool:
    """Refuse the key until somebody resumes it, everywhere within two seconds.

    False, and nothing is changed, when it is paused or revoked already.
    """
    return _change_pause(key, "credential.paused", by=by, reason=reason)


def resume_key(key: AgentKey, *, by: str, reason: str) -> bool:
    """Let a paused key in again, everywhere within two seconds.

    False, and nothing is changed, when it is not paused, or revoked.
    """
    return _change_pause(key, "credential.resumed", by=by, reason=reason)


def _change_pause(key: AgentKey, action: str, *, by: str, reason: str) -> bool:
    is_pause = action == "credential.paused"
    with transaction.atomic():
        changed = AgentKey.objects.filter(
            key_id=key.key_id, revoked_at=None, paused_at__isnull=is_pause
        ).update(paused_at=timezone.now() if is_pause else None, paused_by=by if is_pause else "")
        if changed != 1:
            return False  # somebody else was first, and left the entry
        _tell(key, action, by=by, details={"name": key.name}, reason=reason)
    key.refresh_from_db()
    with _lock:
        _remembered.pop(key.key_id, None)
    return True


def _tell(
    key: AgentKey, action: str, *, by: str, details: dict[str, object], reason: str = ""
) -> None:
    said = {"reason": reason} if reason else {}
    receive.receive_own(
        key.ledger,
        action,
        by=by,
        target={"type": "api_key", "id": key.key_id},
        details=details,
        **said,
    )


# --- Recognising a key -------------------------------------------------------------------------

_lock = threading.Lock()  # held while the two dictionaries below are read or written
_remembered: dict[str, tuple[float, bytes, KeyGrant]] = {}
_used: dict[str, float] = {}


def forget_keys() -> None:
    """Forget every remembered key, as a new process would."""
    with _lock:
        _remembered.clear()
        _used.clear()


def authenticate(request: HttpRequest) -> KeyGrant:
    """Return what the request's bearer key may do.

    Raises AuthRefused (401) when there is none, or it is malformed, unknown, expired, paused or
    revoked.
    Only the Authorization header counts; cookies are never looked at.
    """
    return authenticate_header(request.META.get("HTTP_AUTHORIZATION", ""))


def authenticate_header(authorization: str) -> KeyGrant:
    """Return what the key in an Authorization header may do; raises as `authenticate` does."""
    try:
        grant = _authenticate(authorization)
    except AuthRefused as refused:
        if refused.code != "key-missing":  # nobody tried
            measures.count("obs_auth_attempts_total", "api_key", "denied")
        raise
    measures.count("obs_auth_attempts_total", "api_key", "success")
    return grant


def _authenticate(authorization: str) -> KeyGrant:
    scheme, _, token = authorization.partition(" ")
    if not token or scheme.lower() != "bearer":
        raise AuthRefused(
            status=401,
            code="key-missing",
            message="Send your API key as `Authorization: Bearer obs_live_…`.",
        )
    token = token.strip()
    key_id = key_id_of(token)
    if key_id is None:
        raise AuthRefused(
            status=401,
            code="key-malformed",
            message="This is no API key of ours; was it cut when copied?",
        )
    now = time.monotonic()
    with _lock:
        known = _remembered.get(key_id)
    is_known = known is not None and now - known[0] <= _REMEMBER_SECONDS
    measures.count("obs_cache_requests_total", "api_keys", "hit" if is_known else "miss")
    if known is None or not is_known:
        known = _look_up(key_id, now)
    if not hmac.compare_digest(known[1], _secret_hmac(token)):
        raise AuthRefused(status=401, code="key-unknown", message="This API key is not known here.")
    grant = known[2]
    if grant.expires_at is not None and grant.expires_at <= timezone.now():
        raise AuthRefused(
            status=401, code="key-expired", message="This API key has expired; make a new one."
        )
    # On every line of this request from here on.
    structlog.contextvars.bind_contextvars(ledger=grant.ledger_name, key=key_id)
    _note_use(key_id, now)
    return grant


def require_scope(grant: KeyGrant, *wanted: str) -> None:
    """Raise AuthRefused (403) unless the key holds one of the wanted scopes."""
    if grant.scopes.isdisjoint(wanted):
        raise AuthRefused(
            status=403,
            code="scope-missing",
            message=f"This key lacks the scope {' or '.join(wanted)}.",
        )


def _look_up(key_id: str, now: float) -> tuple[float, bytes, KeyGrant]:
    key = AgentKey.objects.select_related("ledger").filter(key_id=key_id).first()
    if key is None:
        raise AuthRefused(status=401, code="key-unknown", message="This API key is not known here.")
    if key.revoked_at is not None:
        raise AuthRefused(status=401, code="key-revoked", message="This API key was revoked.")
    if key.paused_at is not None:
        raise AuthRefused(
            status=401,
            code="key-paused",
            message="This API key is paused; who runs this installation can resume it.",
        )
    grant = KeyGrant(
        key_id=key.key_id,
        ledger_id=key.ledger_id,
        ledger_name=key.ledger.name,
        scopes=frozenset(key.scopes),
        events_per_second=key.events_per_second or settings.RATE_EVENTS,
        events_per_day=key.events_per_day,
        expires_at=key.expires_at,
        is_read_only=key.ledger.is_read_only,
    )
    found = (now, bytes(key.secret_hmac), grant)
    with _lock:
        _remembered[key_id] = found
    return found


def _note_use(key_id: str, now: float) -> None:
    """Write the last use at most once a minute a key: one a request costs more than it tells."""
    with _lock:
        if now - _used.get(key_id, -_LAST_USED_SECONDS) < _LAST_USED_SECONDS:
            return
        _used[key_id] = now
    AgentKey.objects.filter(key_id=key_id).update(last_used_at=timezone.now())

"""Decide whether a request may come in now: rates and quotas of a key, our own health.

Everything here is kept in this process and in Postgres, so it holds with Redis down. A rate is
divided among the web processes. 429 means the sender is over its own limit, 503 that we are
unwell; both say when to come back.
"""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any, TypeVar

from django.conf import settings

from audit.auth import KeyGrant
from audit.database import rows
from audit.errors import AuditError

Answer = TypeVar("Answer")

_BURST_SECONDS = 2.0
_HEALTH_SECONDS = 2.0
_QUOTA_SECONDS = 5.0
_OLD = timedelta(seconds=60)
_LEAST_FREE = 0.10


class NotNow(AuditError):
    """The request is refused for a while: `status` 429 or 503, `retry_after` in seconds."""

    def __init__(self, *, status: int, code: str, message: str, retry_after: float) -> None:
        super().__init__(status, code, message)
        self.status = status
        self.code = code
        self.message = message
        # Jitter, so that senders refused together do not come back together.
        self.retry_after = max(1, ceil(retry_after * random.uniform(1.0, 1.5)))  # noqa: S311


class Bucket:
    """A token bucket: `rate` a second, two seconds' worth at once."""

    def __init__(self, rate: float, *, now: float) -> None:
        self.rate = rate
        self.capacity = rate * _BURST_SECONDS
        self.tokens = self.capacity
        self.at = now

    def take(self, count: int, *, now: float) -> float:
        """Take `count` tokens and return 0, or take none and return the seconds to wait.

        A request larger than the whole bucket passes when the bucket is full, and is paid off
        afterwards; else it could never pass.
        """
        self.tokens = min(self.capacity, self.tokens + (now - self.at) * self.rate)
        self.at = now
        needed = min(count, self.capacity)
        if self.tokens < needed:
            return (needed - self.tokens) / self.rate
        self.tokens -= count
        return 0.0


_lock = threading.Lock()  # held while a bucket or a remembered answer is read and changed
_buckets: dict[tuple[str, str], Bucket] = {}
_remembered: dict[tuple[str, object], tuple[float, Any]] = {}


def forget_limits() -> None:
    """Forget buckets and remembered answers, as a new process would."""
    with _lock:
        _buckets.clear()
        _remembered.clear()


def admit_request(grant: KeyGrant) -> None:
    """Raise NotNow when the key sends too many requests, or when we cannot take events now."""
    _take("requests", grant, settings.RATE_REQUESTS, 1)
    if grant.is_read_only:
        raise NotNow(
            status=503,
            code="ledger-read-only",
            message="This ledger takes no events now; its operator knows why.",
            retry_after=60,
        )
    trouble = _remember(
        ("health", grant.ledger_id), _HEALTH_SECONDS, lambda: _trouble(grant.ledger_id)
    )
    if trouble is not None:
        raise NotNow(status=503, code=trouble.code, message=trouble.message, retry_after=5)


def admit_events(grant: KeyGrant, count: int) -> None:
    """Raise NotNow when so many events are over the key's rate or its quota of the day."""
    _take("events", grant, grant.events_per_second, count)
    quota = grant.events_per_day
    if quota is None:
        return
    now = datetime.now(UTC)
    used = _remember(
        ("quota", grant.key_id), _QUOTA_SECONDS, lambda: _used_today(grant.ledger_id, grant.key_id)
    )
    if used + count > quota:
        midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        raise NotNow(
            status=429,
            code="quota",
            message=f"This key may send {quota:,} events a day (UTC) and has sent {used:,}.",
            retry_after=min((midnight - now).total_seconds(), 3600),
        )


def _take(what: str, grant: KeyGrant, rate: int, count: int) -> None:
    now = time.monotonic()
    share = rate / settings.WEB_WORKERS
    with _lock:
        bucket = _buckets.get((what, grant.key_id))
        if bucket is None or bucket.rate != share:
            bucket = _buckets[what, grant.key_id] = Bucket(share, now=now)
        wait = bucket.take(count, now=now)
    if wait:
        raise NotNow(
            status=429,
            code="rate",
            message=f"This key may send {rate:,} {what} a second; slow down.",
            retry_after=wait,
        )


@dataclass(frozen=True, slots=True)
class _Trouble:
    code: str
    message: str


def _trouble(ledger_id: int) -> _Trouble | None:
    usage = shutil.disk_usage(settings.DATA if settings.DATA.exists() else settings.BASE_DIR)
    if usage.free < usage.total * _LEAST_FREE:
        return _Trouble("disk-full", "Less than a tenth of the disk is free; nothing is accepted.")
    oldest = rows(
        "SELECT received_at FROM audit_inbox WHERE ledger_id = %s ORDER BY id LIMIT 1", (ledger_id,)
    )
    if not oldest or datetime.now(UTC) - oldest[0][0] < _OLD:
        return None
    ((waiting,),) = rows(
        "SELECT coalesce(sum(count), 0)::bigint FROM audit_inbox WHERE ledger_id = %s", (ledger_id,)
    )
    if waiting > settings.INBOX_LIMIT:
        return _Trouble("inbox-full", "Too many events wait to be chained; try again later.")
    return None


def _used_today(ledger_id: int, key_id: str) -> int:
    found = rows(
        "SELECT events FROM audit_keyusage WHERE ledger_id = %s AND key_id = %s AND day = %s",
        (ledger_id, key_id, datetime.now(UTC).date()),
    )
    return int(found[0][0]) if found else 0


def _remember(name: tuple[str, object], seconds: float, ask: Callable[[], Answer]) -> Answer:
    """Return what `ask` said at most so many seconds ago."""
    now = time.monotonic()
    with _lock:
        known = _remembered.get(name)
    if known is not None and now - known[0] < seconds:
        remembered: Answer = known[1]
        return remembered
    answer = ask()
    with _lock:
        _remembered[name] = (now, answer)
    return answer

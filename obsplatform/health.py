"""Answer /health, /ready and /status, for whatever watches an installation.

/health: the process and its database answer. /ready: it may take traffic; names and statuses for
all, details for those metrics.access lets in. /status: figures, for those alone. None of them
looks at a session, and none changes anything. Checks: obsplatform.readiness.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from functools import cache
from typing import Any, Final

from django.conf import settings
from django.db import OperationalError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from audit import figures
from audit.errors import AuthRefused
from metrics import access, past, told
from obsplatform.pulse import NoPulse, pulse
from obsplatform.readiness import SHARED_SECONDS, overall, shared_checks
from obsplatform.shared_answer import SharedAnswer

_STARTED: Final = time.monotonic()
STORES_SECONDS: Final = 15.0
"""How long sizes of tables are remembered: each asks the file system."""
_VERIFIED_WORDS: Final = {1.0: "intact", 0.5: "not proven", 0.0: "tampered"}


@require_safe
@never_cache
def health(request: HttpRequest) -> HttpResponse:
    """Answer 200 when Postgres answers, else 503. Never asks Redis, Celery or a session."""
    try:
        pulse.feel()
    except NoPulse:
        return JsonResponse({"status": "critical", "database": "does not answer"}, status=503)
    return JsonResponse({"status": "ok", "database": "answers"})


@require_safe
@never_cache
def ready(request: HttpRequest) -> HttpResponse:
    """Answer 503 when a check is critical. Details go to those who may see them."""
    results = shared_checks.get()
    status = overall(results)
    hidden = set() if access.is_allowed(request) else {"detail"}
    body = {
        "status": status,
        "checks": [
            {name: value for name, value in asdict(result).items() if name not in hidden}
            for result in results
        ],
    }
    return JsonResponse(body, status=503 if status == "critical" else 200)


@require_safe
@never_cache
def status(request: HttpRequest) -> HttpResponse:
    """Answer with the figures of the platform; a key sees those of its own ledger."""
    try:
        body = shared_status(access.viewer(request)).get()
    except AuthRefused as refused:
        return access.refusal(refused)
    except OperationalError:
        return JsonResponse({"status": "critical", "database": "does not answer"}, status=503)
    return JsonResponse(body)


@cache
def shared_status(viewer: access.Viewer) -> SharedAnswer[dict[str, Any]]:
    """Return the figures that a viewer is given; there are as many as ledgers, and one."""
    return SharedAnswer(lambda: _status(viewer), seconds=SHARED_SECONDS)


def _status(viewer: access.Viewer) -> dict[str, Any]:
    with figures.bounded():
        return _figures(viewer)


def _figures(viewer: access.Viewer) -> dict[str, Any]:
    ledgers = [one for one in figures.ledger_figures() if viewer.ledger in {None, one.ledger}]
    lags = [one for one in figures.projection_lags() if viewer.ledger in {None, one.ledger}]
    ends = [one.verified_at for one in ledgers if one.verified_at is not None]
    body: dict[str, Any] = {
        "version": settings.VERSION,
        "environment": settings.ENVIRONMENT,
        "uptime_seconds": round(time.monotonic() - _STARTED, 1),  # of this web process
        "statistics": {
            "events": sum(one.entries for one in ledgers),
            "agents": sum(one.agents for one in ledgers),
            "waiting": sum(one.inbox_events for one in ledgers),
        },
        "last_verification": {
            "at": max(ends, default=None),
            "result": _VERIFIED_WORDS[min((one.verified for one in ledgers), default=0.5)],
        },
        "ledgers": [_ledger(one) for one in ledgers],
        "lags": {
            "append_seconds": max((one.inbox_age_seconds for one in ledgers), default=0.0),
            "projections": [asdict(lag) for lag in lags],
        },
    }
    if viewer.ledger is None:
        body["database"] = _database()
        body["stores"] = _shared_stores.get()
        # Auditing has no switch; traces are not taken until something says that they are.
        body["enabled"] = {"audit": True, "tracing": False, **told.components_enabled()}
        body["overhead"] = told.overheads()
    return body


def _stores() -> list[dict[str, Any]]:
    """Return rows and bytes by table, and what a day adds as the past day shows it."""
    before, now = past.stores_a_day_ago(), timezone.now()
    days = (now - before.at).total_seconds() / 86_400 if before is not None else 0.0
    found = []
    for size in figures.table_sizes():
        rows_before, bytes_before = (before.sizes if before else {}).get(size.table, (None, None))
        found.append(
            {
                **asdict(size),
                "rows_per_day": _growth(rows_before, size.rows, days=days),
                "bytes_per_day": _growth(bytes_before, size.size_bytes, days=days),
            }
        )
    return found


_shared_stores: Final = SharedAnswer(_stores, seconds=STORES_SECONDS)


def _growth(before: int | None, now: int, *, days: float) -> int | None:
    """Return what a day adds; None until it was looked at for an hour."""
    return None if before is None or days < 1 / 24 else round((now - before) / days)


def _ledger(one: figures.LedgerFigures) -> dict[str, Any]:
    return {**asdict(one), "verified": _VERIFIED_WORDS[one.verified]}


def _database() -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user::text, current_setting('server_version')")
        role, version = cursor.fetchone()
    return {"role": role, "server_version": version}

"""Show every partial of templates/partials/ in every state, on one page for developers.

Only with DEBUG: it shows made-up values, which nobody may take for evidence. Photographed by the
browser tests, which fail when a partial is not on it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from audit.admin.entry_form import chips
from audit.state import LedgerState
from audit.templatetags.desk import ICONS

HASH = "9c1185a5c5e9fc54612808977ee8f548b2258d31c5a3b0c9a1d7a1d5a2b0f1e7"


def _ledger(**known: Any) -> LedgerState:
    """Return a ledger of 1,234,568 entries, all intact, unless told otherwise."""
    now = timezone.now()
    usual: dict[str, Any] = {
        "id": 0,
        "name": "acme.prod",
        "is_read_only": False,
        "size": 1_234_568,
        "newest_at": now - timedelta(seconds=2),
        "waiting": 0,
        "waiting_is_exact": True,
        "result": "intact",
        "intact_to": 1_234_568,
        "verified_at": now - timedelta(minutes=3),
        "bad_seq": None,
        "bad_field": "",
    }
    return LedgerState(**usual | known)


def _strips() -> list[tuple[str, LedgerState]]:
    unproven = {"result": "not_proven", "intact_to": 0}
    broken = {"result": "tampered", "bad_seq": 812, "bad_field": "hash", "intact_to": 812}
    return [
        ("intact", _ledger()),
        ("intact, some not verified yet", _ledger(intact_to=1_230_000, waiting=1_250)),
        ("chained, never verified", _ledger(**unproven, verified_at=None)),
        ("chained, nothing proven", _ledger(**unproven)),
        ("tampered", _ledger(**broken)),
        ("tampered, place not named", _ledger(result="tampered", bad_seq=None)),
        ("empty", _ledger(**unproven, size=0, newest_at=None, verified_at=None)),
        (
            "read-only, much waiting",
            _ledger(is_read_only=True, waiting=90_000, waiting_is_exact=False),
        ),
    ]


@require_safe
def pieces(request: HttpRequest) -> HttpResponse:
    """Answer the page of pieces; without DEBUG there is no such page."""
    if not settings.DEBUG:
        raise Http404("the page of pieces is for developers: set OBS_DEBUG=1")
    request.current_app = admin.site.name
    now = timezone.now()
    asked = QueryDict(
        "outcome=denied&agent=support-bot&from=2026-10-01T00:00:00%2B02:00&to=yesterday"
    )
    context = {
        **admin.site.each_context(request),
        "title": "Pieces",
        "strip": None,
        "is_fullwidth": "1",
        "strips": _strips(),
        "states": list(ICONS),
        "chips": chips(asked, {"to": "is an RFC 3339 time with its offset"}),
        "clear_url": request.path,
        "hash": HASH,
        "now": now,
        "moments": [
            now - timedelta(seconds=3),
            now - timedelta(hours=5),
            now - timedelta(days=400),
        ],
        "texts": ["support-bot", "\u202etxt.exe", "<b>bold</b>", "a" * 120, "日本語 😀", ""],
        "numbers": [0, 7, 1_234_567],
        "progress": [
            {"percent": 0, "rate": 0, "left": None},
            {"percent": 42, "rate": 61_300, "left": 95.0},
            {"percent": 100, "rate": 0, "left": None},
        ],
    }
    return TemplateResponse(request, "admin/pieces.html", context)

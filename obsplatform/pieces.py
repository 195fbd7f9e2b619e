"""Show every partial of templates/partials/ in every state, on one page for developers.

Only with DEBUG: it shows made-up values, which nobody may take for evidence. Photographed by the
browser tests, which fail when a partial is not on it.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from audit.admin.entry_form import chips
from audit.published import AnchorLine, KeyLine, NewestCheckpoint, Published
from audit.state import LedgerState
from audit.templatetags.desk import ICONS
from compliance.admin.cards import CapLine, Point, Trend
from compliance.admin.found import Day
from compliance.result import STATES

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
        "sealed_size": 1_234_568,
        "sealed_at": now - timedelta(seconds=2),
        "sealing": "ok",
        "witnessed": "2 of 3",
    }
    return LedgerState(**usual | known)


def _published() -> Published:
    """Return a checkpoint and anchors in every state they can have."""
    now = timezone.now()
    usual: dict[str, Any] = {
        "interval_seconds": 0.0,
        "tried_at": now - timedelta(seconds=2),
        "ok_at": now - timedelta(seconds=2),
        "size": 1_200_000,
        "behind": 0,
        "failures": 0,
        "error": "",
        "reference": "",
        "failing_for": None,
    }
    hour_ago = now - timedelta(hours=1, minutes=1)
    answered = "the webhook's receiver answered 503: closed for repairs"
    anchors: list[dict[str, Any]] = [
        {"sink": "file", "state": "ok", "reference": "acme.prod.checkpoints, line 812"},
        {"sink": "s3", "state": "ok", "interval_seconds": 60.0, "behind": 1_250},
        {
            "sink": "webhook",
            "state": "failing",
            "interval_seconds": 60.0,
            "ok_at": hour_ago,
            "behind": 34_567,
            "failures": 19,
            "error": answered,
            "failing_for": 3_600.0,
        },
        {
            "sink": "witness:alice",
            "state": "failing",
            "ok_at": None,
            "size": None,
            "behind": None,
            "failures": 1,
            "failing_for": 0.04,
            "error": "witness alice did not answer within 2 s",
        },
        {
            "sink": "witness:bob",
            "state": "mismatch",
            "behind": 200_000,
            "failures": 3,
            "ok_at": hour_ago,
            "size": 1_000_000,
            "failing_for": 3_600.0,
            "error": "witness bob cannot link this checkpoint to what it cosigned",
        },
    ]
    origin = "audit.example.com/acme.prod"
    return Published(
        checkpoint=NewestCheckpoint(
            size=1_200_000,
            root=HASH,
            note=f"{origin}\n1200000\n(root)\n\n— {origin} (signature)\n",
            signed_at=now - timedelta(minutes=10),
            signed_by=(f"{origin}+1a2b3c4d", "carol.example+5e6f7a8b"),
        ),
        keys=[
            KeyLine(
                short=f"{origin}+1a2b3c4d",
                vkey=f"{origin}+1a2b3c4d+(public key)",
                first_used_at=now - timedelta(days=40),
                first_size=1,
            )
        ],
        anchors=[AnchorLine(**usual | each) for each in anchors],
    )


def _strips() -> list[tuple[str, LedgerState]]:
    unproven = {"result": "not_proven", "intact_to": 0}
    unsealed = {
        "sealing": "no_key",
        "sealing_error": "no signing key for acme.prod: run manage.py makesigningkey "
        "--ledger acme.prod",
        "sealed_size": 1_200_000,
        "sealing_since": timezone.now() - timedelta(minutes=10),
        "sealing_tried_at": timezone.now() - timedelta(seconds=4),
    }
    behind = {
        "sealing": "behind",
        "sealing_error": "acme.prod has 1,234,568 entries, but 1,300,000 were signed: the database "
        "was restored to an earlier time, or cut off",
        "sealed_size": 1_200_000,
        "is_read_only": True,
    }
    nothing = unproven | {"size": 0, "newest_at": None, "verified_at": None, "sealed_size": 0}
    broken = {"result": "tampered", "bad_seq": 812, "bad_field": "hash", "intact_to": 812}
    return [
        ("intact", _ledger()),
        ("intact, some not verified yet", _ledger(intact_to=1_230_000, waiting=1_250)),
        ("chained, never verified", _ledger(**unproven, verified_at=None)),
        ("chained, nothing proven", _ledger(**unproven)),
        ("tampered", _ledger(**broken)),
        ("tampered, place not named", _ledger(result="tampered", bad_seq=None)),
        ("not sealed", _ledger(**unsealed)),
        ("not sealed, nothing new", _ledger(**unsealed | {"sealed_size": 1_234_568})),
        ("a witness fails", _ledger(witnessed="1 of 3", failing_anchors=("witness:alice",))),
        ("several anchors fail", _ledger(failing_anchors=("email", "s3", "webhook"))),
        (
            "an anchor does not fit",
            _ledger(contradicting_anchors=("file",), failing_anchors=("webhook",)),
        ),
        ("restored", _ledger(**behind)),
        ("not proven any more", _ledger(**unproven, doubt_id=47)),
        ("ended", _ledger(is_read_only=True, succeeded_by="acme.prod.2")),
        ("empty", _ledger(**nothing)),
        (
            "read-only, much waiting",
            _ledger(is_read_only=True, waiting=90_000, waiting_is_exact=False),
        ),
    ]


def _scores() -> list[dict[str, Any]]:
    """Return the numbers of a framework that nothing caps, of a capped one, and of none."""
    exact = {"evidenced": "92.4", "tested": "97.0", "coverage": "95.2", "raw": "92.4"}
    usual: dict[str, Any] = {**exact, "cap": 100, "reason": "", "with_exceptions": "92.4"}
    cap = CapLine(control="CC6.3", leg="TOOL-01", state="fail", cap=49, url=".")
    capped = usual | {"evidenced": "49.0", "cap": 49, "with_exceptions": "79.0"}
    none = dict.fromkeys((*exact, "with_exceptions"))
    said = "the evidence itself is not proven whole, so no score is issued"
    return [
        {"numbers": usual, "badge": "strong", "caps": []},
        {"numbers": capped, "badge": "weak", "caps": [cap] * 8},
        {"numbers": none | {"cap": 100, "reason": said}, "badge": "no_score", "caps": []},
    ]


def _days() -> list[Day]:
    first = date(2026, 9, 20)
    found: list[dict[str, Any]] = [
        {"passed": 120},
        {"passed": 117, "failed": 3},
        {"opened": 2},
        {},
        {"passed": 9, "restated_seq": 812},
        {"failed": 4, "restated_seq": 813},
    ]
    return [
        Day(day=first + timedelta(days=n), **found[n % len(found)]) for n in range(len(found) * 10)
    ]


def _trends() -> list[Trend]:
    points = [
        Point(
            day=date(2026, 9, 20) + timedelta(days=n),
            evidenced=None if n == 12 else f"{40 + n}.0",
            snapshot="",
            x=n * 8.2,
            y=30 - n * 0.8,
        )
        for n in range(30)
    ]
    return [Trend(points=tuple(points)), Trend(points=tuple(points[-1:]))]


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
        "unsigned": next(shown for said, shown in _strips() if said == "not sealed"),
        "published": _published(),
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
        "scores": _scores(),
        "legs": [
            {"id": "LOG-04", "state": state, "reason": "made up", "shown_only": state == "waived"}
            for state in STATES
        ],
        "strip_days": _days(),
        "trends": _trends(),
        "progress": [
            {"percent": 0, "rate": 0, "left": None},
            {"percent": 42, "rate": 61_300, "left": 95.0},
            {"percent": 100, "rate": 0, "left": None},
        ],
    }
    return TemplateResponse(request, "admin/pieces.html", context)

"""Fill what stands on every page of the admin, and the front page. Only reads: audit.state.

The front page answers five questions of one ledger: is it whole, is anything waiting, what came
in, what failed or was denied, who is active; scores stand between them. No figure on it counts a
big table. Its live parts are templates, shown in the page and sent again by `live()` for the script
that refreshes them; scores change once a day and are drawn with the page alone.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.views.decorators.http import require_safe

from audit.admin.curl import curl_line
from audit.admin.lines import newest_lines, wrong_lines
from audit.arrivals import first_seq_since
from audit.database import rows
from audit.models import Agent
from audit.state import LedgerState, ledger_states, own_state
from compliance.admin.cards import cards, first_line
from compliance.waiting import waiting

NEWEST = 10
WRONG = 10
AGENTS = 10
MOST_HELD = 1_000
"""Open quarantine rows are added up to here; more is said as "at least"."""
REFRESH_SECONDS = 5
_MAY_DECIDE = "compliance.view_decision"
_MAY_SEE_INCIDENTS = "metrics.view_incident"

# One question for both; of the incidents of the installation, those that nobody looks after.
_FOR_A_PERSON = """
SELECT
    (SELECT count(*) FROM (
        SELECT
        FROM audit_quarantine
        WHERE ledger_id = %s
          AND state = 'open'
        LIMIT %s
    ) AS held),
    (SELECT count(*) FROM metrics_incident WHERE resolved_at IS NULL AND acknowledged_at IS NULL)
"""

SPANS = (("the last hour", timedelta(hours=1)), ("the last 24 hours", timedelta(hours=24)))


def strip(request: HttpRequest) -> dict[str, Any]:
    """Return the state strip of the platform's own ledger, read only where a page shows it."""
    if not request.user.has_perm("audit.view_entry"):
        return {}

    return {"strip": SimpleLazyObject(own_state)}


def front_page(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Return what the front page shows."""
    may_read = request.user.has_perm("audit.view_entry")
    live_part = _live_part(request) if may_read else {}
    return {
        **context,
        "title": "Overview",
        "is_fullwidth": "1",
        "may_read": may_read,
        "refresh_seconds": REFRESH_SECONDS,
        **live_part,
        **_scores(request, live_part.get("shown")),
    }


@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """Answer the live part of the front page alone, for those who may see it."""
    if not request.user.has_perm("audit.view_entry"):
        raise PermissionDenied
    request.current_app = admin.site.name
    answer = TemplateResponse(request, "admin/overview_answer.html", _live_part(request))
    answer["Cache-Control"] = "no-store"
    return answer


def _live_part(request: HttpRequest) -> dict[str, Any]:
    now = timezone.now()
    wanted = request.GET.get("ledger", "")
    states = ledger_states(also=wanted)
    shown = next((one for one in states if one.name == wanted), states[0] if states else None)
    part: dict[str, Any] = {
        "now": now,
        "states": states,
        "strip": shown,
        "shown": shown,
        "unknown_ledger": wanted if wanted and (shown is None or shown.name != wanted) else "",
        "curl": curl_line(request, "$OBS_KEY"),
    }
    if shown is None:
        return part
    held, incidents = _for_a_person(shown)
    return part | {
        "arrived": _arrived(shown, now),
        "held": held,
        "held_is_exact": held < MOST_HELD,
        "people_wait": waiting(shown.id) if request.user.has_perm(_MAY_DECIDE) else None,
        "incidents": incidents if request.user.has_perm(_MAY_SEE_INCIDENTS) else 0,
        "wrong": wrong_lines(shown, WRONG),
        "agents": list(
            Agent.objects.filter(ledger_id=shown.id).order_by("-last_seen", "agent_id")[:AGENTS]
        ),
        "lines": newest_lines(shown, NEWEST),
    }


def _scores(request: HttpRequest, shown: LedgerState | None) -> dict[str, Any]:
    """Return a card for each framework, for those who may see results."""
    if shown is None or not request.user.has_perm("compliance.view_snapshot"):
        return {"may_score": False}
    return {
        "may_score": True,
        "cards": cards(shown.id, shown.name),
        "first_line": first_line(shown.name),
    }


def _arrived(shown: LedgerState, now: datetime) -> list[tuple[str, int, int]]:
    """Return, for each span, its words, how many entries came in, and the seq of the first."""
    found = []
    for words, length in SPANS:
        first = first_seq_since(shown.id, size=shown.size, moment=now - length)
        found.append((words, shown.size - first, first))
    return found


def _for_a_person(shown: LedgerState) -> tuple[int, int]:
    """Return how many events are in quarantine, at most MOST_HELD, and how many incidents wait."""
    ((held, incidents),) = rows(_FOR_A_PERSON, (shown.id, MOST_HELD))
    return held, incidents

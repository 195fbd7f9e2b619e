"""Fill what stands on every page of the admin, and the front page. Only reads: audit.state."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from audit.admin.curl import curl_line
from audit.admin.entries import newest_lines
from audit.state import LedgerState, ledger_states

FRONT_ENTRIES = 10


def strip(request: HttpRequest) -> dict[str, Any]:
    """Return the state strip of the platform's own ledger, read only where a page shows it."""
    if not request.user.has_perm("audit.view_entry"):
        return {}

    def first() -> LedgerState | None:
        return next(iter(ledger_states()), None)

    return {"strip": SimpleLazyObject(first)}


def front_page(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Return what the front page shows: a line for each ledger and the newest entries."""
    may_read = request.user.has_perm("audit.view_entry")
    states = ledger_states() if may_read else []
    first = states[0] if states else None
    return {
        **context,
        "title": "Overview",
        "may_read": may_read,
        "states": states,
        "total": sum(one.size for one in states),
        "strip": first,
        "shown": first,
        "lines": newest_lines(first, FRONT_ENTRIES) if first else [],
        "curl": curl_line(request, "$OBS_KEY"),
    }

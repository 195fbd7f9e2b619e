"""Say where things of traces stand, for pages here and, through a setting, for those of other apps.

`settings.TRACE_LINK` names `trace_link`: entries and metrics lead to a trace without knowing this
app.
"""

from __future__ import annotations

from typing import Any

from django.http import QueryDict
from django.urls import reverse

from tracing.trace_query import has_trace


def trace_link(ledger_id: int, ledger: str, trace_id: str) -> str:
    """Return the address of a trace; empty when nothing is kept of it."""
    return trace_url(ledger, trace_id) if has_trace(ledger_id, trace_id) else ""


def trace_url(ledger: str, trace_id: str, *, show: str = "", span: str = "") -> str:
    """Return the address of a trace, of one of its tabs, with one span chosen."""
    found = reverse("admin:tracing_trace_at", args=[ledger, trace_id.lower()])
    return f"{found}{f'?show={show}' if show else ''}{f'#span={span}' if span else ''}"


def span_url(ledger: str, trace_id: str, span_id: str) -> str:
    """Return the address of a span's own page."""
    return reverse("admin:tracing_span_at", args=[ledger, trace_id, span_id])


def session_url(ledger: str, session: str) -> str:
    """Return the address of a session's timeline."""
    return listed("tracing_trace_session", ledger=ledger, id=session)


def listed(name: str, **query: Any) -> str:
    """Return the address of a list with what is asked for; nothing and empty is left out."""
    asked = QueryDict(mutable=True)
    for key, value in query.items():
        if value:
            asked[key.rstrip("_")] = str(value)
    found = reverse(f"admin:{name}")
    return f"{found}?{asked.urlencode()}" if asked else found

"""The page of log lines: those that were sent in, and the platform's own.

Two tabs, one form: `show=sent` reads the table (tracing.line_query), `show=own` the platform's
files (tracing.own_lines). Lines are read and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern

from audit.admin.acts import Tab
from audit.query import LIST_SECONDS, QueryTooSlow, Unreadable, time_limit
from audit.readonly import ReadOnlyModelAdmin
from audit.state import LedgerState
from tracing.admin.addresses import listed
from tracing.admin.filter_form import (
    PAGING,
    chips,
    form,
    newest_url,
    place_url,
    read_ledger,
    sent_on,
)
from tracing.admin.line_rows import line_rows, own_rows
from tracing.admin.sending import sending_lines
from tracing.filters import Filter, one_of, read_filter, read_text, read_trace_id
from tracing.line_query import LEVELS, LinePage, matching, page, read_line_filter
from tracing.own_lines import LEVELS as OWN_LEVELS
from tracing.own_lines import MOST_BYTES, MOST_LINES, Wanted, find_lines

SHOWS: Final = {"sent": "Sent in", "own": "The platform's own"}
_TEXTS: Final = {
    "text": ("Message has", "part of a message"),
    "agent": ("Agent", "support-bot"),
    "task": ("Task", "a task's id"),
    "trace": ("Trace", "32 hexadecimal digits"),
    "service": ("Service", "service.name"),
    "logger": ("Logger", "its name"),
}
_OWN_TEXTS: Final = {
    "text": ("Line has", "any part of it"),
    "request": ("Request", "X-Request-ID"),
    "task": ("Task", "a Celery task's id"),
    "trace": ("Trace", "32 hexadecimal digits"),
    "agent": ("Agent", "support-bot"),
}
_OWN_READERS: Final = {
    "text": read_text,
    "request": read_text,
    "task": read_text,
    "trace": read_trace_id,
    "agent": read_text,
    "level": one_of(OWN_LEVELS),
}
_OWN_FIELDS: Final = {
    "request": "request_id",
    "task": "task_id",
    "trace": "trace_id",
    "agent": "agent_id",
}


class LineAdmin(ReadOnlyModelAdmin):
    """Log lines."""

    def get_urls(self) -> list[URLPattern]:
        """Leave out the page of one line: a line opens in its list."""
        return [each for each in super().get_urls() if each.name != "tracing_line_change"]

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show lines of one sort that match what the address says."""
        if (elsewhere := sent_on(request)) is not None:
            return elsewhere
        show = request.GET.get("show", "sent")
        if show not in SHOWS:
            raise Http404("lines are sent in or the platform's own")
        ledgers, shown = read_ledger(request)
        tabs = [
            Tab(word=word, url=listed("tracing_line_changelist", show=name), is_shown=name == show)
            for name, word in SHOWS.items()
        ]
        found = self._sent(request, shown) if show == "sent" else self._own(request)
        context = self.frame(
            request,
            title="Logs",
            opts=None,
            strip=shown,
            shown=shown,
            ledgers=ledgers if show == "sent" else [],
            show=show,
            tabs=tabs,
            chips=chips(request, found["errors"], beside=("show",)),
            clear_url=listed("tracing_line_changelist", show=show),
            most_seconds=LIST_SECONDS,
            **found,
        )
        return TemplateResponse(request, "tracing/lines.html", context)

    def _sent(self, request: HttpRequest, shown: LedgerState | None) -> dict[str, Any]:
        asked = read_line_filter(
            request.GET, ledger=shown.name if shown else "", beside=(*PAGING, "show")
        )
        errors = dict(asked.errors)
        found = LinePage(lines=[], newer=None, older=None)
        too_slow = False
        if shown is not None and not errors:
            try:
                with time_limit(LIST_SECONDS):
                    found = page(
                        matching(asked),
                        after=request.GET.get("after"),
                        before=request.GET.get("before"),
                    )
            except QueryTooSlow:
                too_slow = True
            except Unreadable as problem:
                errors |= {name: str(problem) for name in PAGING if name in request.GET}
        return {
            "errors": errors,
            "too_slow": too_slow,
            "is_filtered": asked.is_narrow,
            "lines": line_rows(found.lines, shown.name) if shown else [],
            "newer_url": place_url(request, before=found.newer),
            "older_url": place_url(request, after=found.older),
            "newest_url": newest_url(request),
            "form": form(
                request,
                errors,
                ledger=shown.name if shown else "",
                texts=_TEXTS,
                choices={"level": ("Level", tuple(LEVELS))},
                hidden=("show",),
            ),
            "sending": sending_lines(request, "logs"),
        }

    def _own(self, request: HttpRequest) -> dict[str, Any]:
        asked = read_filter(
            request.GET, _OWN_READERS, ledger=settings.LEDGER,
            single=("text", "request", "task", "trace", "agent"), beside=("show", "ledger"),
        )  # fmt: skip
        errors = dict(asked.errors)
        found = None if errors else find_lines(settings.LOG_DIR, wanted(asked))
        return {
            "errors": errors,
            "is_filtered": asked.is_narrow,
            "lines": own_rows(found.lines) if found else [],
            "own": found,
            "folder": str(settings.LOG_DIR),
            "most_lines": MOST_LINES,
            "most_megabytes": MOST_BYTES // 1024 // 1024,
            "form": form(
                request,
                errors,
                ledger="",
                texts=_OWN_TEXTS,
                choices={"level": ("Level", OWN_LEVELS)},
                hidden=("show",),
            ),
        }


def wanted(asked: Filter) -> Wanted:
    """Return what a line of the platform must say."""
    fields: Mapping[str, str] = {
        field: asked.of(name)[0] for name, field in _OWN_FIELDS.items() if asked.of(name)
    }
    return Wanted(
        fields=fields,
        levels=asked.of("level"),
        text=next(iter(asked.of("text")), ""),
        since=asked.from_,
        before=asked.to,
    )

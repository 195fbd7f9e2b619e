"""Ask for log lines that were sent in: filters, and pages by key.

    ledger level agent task trace service logger text from to

The newest come first; a page is found by the line that it follows. Nothing here counts. `text` is
looked for in the message; without a trace, an agent or a task it reads line by line, and is stopped
after the seconds that a list is given. Writes nothing. The platform's own lines: own_lines.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Q, QuerySet

from audit.models import Ledger
from tracing.filters import (
    Asked,
    Filter,
    Reader,
    format_place,
    one_of,
    parse_place,
    read_filter,
    read_text,
    read_trace_id,
)
from tracing.models import Line

LEVELS: Final[dict[str, tuple[int, int]]] = {
    "trace": (0, 4),
    "debug": (5, 8),
    "info": (9, 12),
    "warning": (13, 16),
    "error": (17, 20),
    "fatal": (21, 24),
}
"""The words of levels, and OTLP's numbers from and to; a line without a number is a trace line."""
READERS: Final[dict[str, Reader]] = {
    "level": one_of(LEVELS),
    "agent": read_text,
    "task": read_text,
    "trace": read_trace_id,
    "service": read_text,
    "logger": read_text,
    "text": read_text,
}
PAGE_LINES: Final = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class LinePage:
    """Some lines, newest first, and the places that lead to the neighbours."""

    lines: list[Line]
    newer: str | None
    older: str | None


def level_of(severity: int) -> str:
    """Return the word of OTLP's number."""
    for word, (_, last) in LEVELS.items():
        if severity <= last:
            return word
    return "fatal"


def read_line_filter(params: Asked, *, ledger: str, beside: tuple[str, ...] = ()) -> Filter:
    """Read a query string as a filter over lines."""
    return read_filter(params, READERS, ledger=ledger, single=("text",), beside=beside)


def matching(asked: Filter) -> QuerySet[Line]:
    """Return the lines that match; none when something could not be read."""
    if asked.errors:
        return Line.objects.none()
    ledger_id = Ledger.objects.filter(name=asked.ledger).values_list("id", flat=True).first()
    found = Line.objects.filter(ledger_id=ledger_id or 0)
    for column, name in (
        ("agent_id", "agent"),
        ("task_id", "task"),
        ("trace_id", "trace"),
        ("service", "service"),
        ("logger", "logger"),
    ):
        if asked.of(name):
            found = found.filter(**{f"{column}__in": asked.of(name)})
    if asked.of("level"):
        wanted = Q()
        for word in asked.of("level"):
            wanted |= Q(severity__range=LEVELS[word])
        found = found.filter(wanted)
    for text in asked.of("text"):
        found = found.filter(message__icontains=text)
    if asked.from_ is not None:
        found = found.filter(at__gte=asked.from_)
    if asked.to is not None:
        found = found.filter(at__lt=asked.to)
    return found


def page(
    found: QuerySet[Line],
    *,
    after: str | None = None,
    before: str | None = None,
    size: int = PAGE_LINES,
) -> LinePage:
    """Return the page of older lines `after` a place, or of newer ones `before` it.

    Raises Unreadable for a place that none of ours gave.
    """
    if before is not None:
        at, digest = _parsed(before)
        newer = found.filter(Q(at__gt=at) | Q(digest__gt=digest), at__gte=at)
        shown = list(newer.order_by("at", "digest")[: size + 1])
        has_more, shown = len(shown) > size, shown[:size][::-1]
        return LinePage(
            lines=shown,
            newer=place(shown[0]) if shown and has_more else None,
            older=place(shown[-1]) if shown else None,
        )
    if after is not None:
        at, digest = _parsed(after)
        found = found.filter(Q(at__lt=at) | Q(digest__lt=digest), at__lte=at)
    shown = list(found.order_by("-at", "-digest")[: size + 1])
    has_more, shown = len(shown) > size, shown[:size]
    return LinePage(
        lines=shown,
        newer=place(shown[0]) if shown and after is not None else None,
        older=place(shown[-1]) if has_more else None,
    )


def place(line: Line) -> str:
    """Return the cursor of a line."""
    return format_place(line.at, bytes(line.digest).hex())


def _parsed(text: str) -> tuple[datetime, bytes]:
    at, digest = parse_place(text)
    return at, bytes.fromhex(digest)
